//! What users get wrong, and what they are told.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, StringArray};

use super::fixture::{batch, counts, csv, engine, open, query, replaced, rows, schema, write};
use crate::data::write::write_batches;
use crate::data::{DataError, DataWarning, Rows};

const HEADER: &str = "age,Hours.per-week,colour,member,outcome\n";

fn good_line(i: usize) -> String {
    format!(
        "{},{},red,true,{}\n",
        20 + i % 50,
        i % 40,
        if i.is_multiple_of(3) { "yes" } else { "no" }
    )
}

/// A CSV whose data row 17 (from 1) is `line`.
fn with_row_17(folder: &Path, line: &str) {
    let mut text = HEADER.to_owned();
    (1..=30).for_each(|i| text.push_str(&if i == 17 { line.to_owned() } else { good_line(i) }));
    write(folder, "x.csv", text);
}

async fn error(folder: &Path, source: &str) -> DataError {
    for threads in [1, 2] {
        let data = match open(&engine(threads), source, folder).await {
            Ok(data) => data,
            Err(error) => return error,
        };
        let error = counts(&data, &query(1, 1, 1), Rows::All).await.unwrap_err();
        assert_eq!(data.check().await.unwrap_err(), error, "check and count agree");
        if threads == 2 {
            return error;
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_wrong_type_in_row_17() {
    let folder = tempfile::tempdir().unwrap();
    with_row_17(folder.path(), "thirty,40,red,true,yes\n");
    let found = error(folder.path(), "x.csv").await;
    let expected = DataError::WrongValue {
        file: "x.csv".into(),
        row: 17,
        line: 18,
        column: "age".into(),
        expected: "a number".into(),
        found: "thirty".into(),
    };
    assert_eq!(found, expected);
    assert_eq!(
        found.to_string(),
        "x.csv: row 17 (line 18), column `age`: expected a number, found `thirty`"
    );
    assert_eq!(found.public_reason(), "a value of column `age` is not a number");
    let sql = r#"SELECT * FROM 'x.csv'"#;
    assert!(matches!(
        error(folder.path(), sql).await,
        DataError::WrongValue {
            row: 17,
            line: 18,
            ..
        }
    ));
}

#[tokio::test]
async fn the_line_counts_quoted_line_ends_and_blank_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{HEADER}\n1,2,\"two\nlines, \"\"quoted\"\"\",true,yes\n\n\r\n3,4,red,true,no\r\nx,5,red,true,no\n"
    );
    write(folder.path(), "x.csv", text);
    assert!(matches!(
        error(folder.path(), "x.csv").await,
        DataError::WrongValue { row: 3, line: 8, .. }
    ));
}

#[tokio::test]
async fn a_record_with_other_fields_than_the_header() {
    let folder = tempfile::tempdir().unwrap();
    with_row_17(folder.path(), "30,40,red,yes\n");
    let found = error(folder.path(), "x.csv").await;
    assert_eq!(
        found.to_string(),
        "x.csv: row 17 (line 18): expected 5 fields as in the header, found 4"
    );
    with_row_17(folder.path(), "30,40,red,true,yes,more\n");
    let found = error(folder.path(), "x.csv").await;
    assert_eq!(
        found.to_string(),
        "x.csv: row 17 (line 18): expected 5 fields as in the header, found 6"
    );
}

#[tokio::test]
async fn bytes_that_are_no_text() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "x.csv",
        [
            HEADER.as_bytes(),
            good_line(1).as_bytes(),
            b"1,2,r\xffd,true,yes\n",
        ]
        .concat(),
    );
    let found = error(folder.path(), "x.csv").await;
    assert!(
        matches!(&found, DataError::Record { row: 2, line: 3, reason, .. } if reason.contains("UTF-8")),
        "{found}"
    );
}

#[tokio::test]
async fn a_missing_column_is_named_with_its_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "x.csv",
        "age,hours.per-week,colour,member,outcome\n1,2,red,true,yes\n",
    );
    let found = error(folder.path(), "x.csv").await;
    assert_eq!(
        found.to_string(),
        "x.csv: column `Hours.per-week` is missing (did you mean `hours.per-week`?); the columns are: \
         age, hours.per-week, colour, member, outcome"
    );
    write_batches(
        &folder.path().join("x.parquet"),
        &[batch(&rows(5, 1)).project(&[1, 2, 3, 4]).unwrap()],
    )
    .unwrap();
    let found = error(folder.path(), "x.parquet").await;
    assert!(
        matches!(found, DataError::MissingColumn { column, suggestion: None, .. } if column == "outcome")
    );
    let found = error(folder.path(), "SELECT age, outcome FROM 'x.csv'").await;
    assert!(
        found
            .to_string()
            .starts_with("the query: column `Hours.per-week` is missing"),
        "{found}"
    );
}

#[tokio::test]
async fn one_file_of_a_folder_differs() {
    let folder = tempfile::tempdir().unwrap();
    let good = batch(&rows(5, 1));
    write_batches(&folder.path().join("a.parquet"), std::slice::from_ref(&good)).unwrap();
    write_batches(
        &folder.path().join("b.parquet"),
        &[good.project(&[0, 1, 2, 3, 5]).unwrap()],
    )
    .unwrap();
    let found = error(folder.path(), ".").await;
    assert!(
        matches!(&found, DataError::MissingColumn { file, column, .. } if file.ends_with("b.parquet") && column == "member"),
        "{found}"
    );
}

#[tokio::test]
async fn wrong_parquet_types() {
    let folder = tempfile::tempdir().unwrap();
    let text_age = replaced(
        &batch(&rows(5, 1)),
        "age",
        Arc::new(StringArray::from(vec!["1"; 5])),
    );
    write_batches(&folder.path().join("x.parquet"), &[text_age]).unwrap();
    let found = error(folder.path(), "x.parquet").await;
    assert!(
        matches!(&found, DataError::WrongType { column, .. } if column == "age"),
        "{found}"
    );
    assert!(
        found.to_string().contains("has type Utf8, expected a number"),
        "{found}"
    );
}

#[tokio::test]
async fn sources_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "zero.csv", "");
    write(folder.path(), "header.csv", HEADER);
    write_batches(&folder.path().join("none.parquet"), &[batch(&[])]).unwrap();
    for source in [
        "zero.csv",
        "header.csv",
        "none.parquet",
        "SELECT * FROM 'header.csv'",
    ] {
        let found = error(folder.path(), source).await;
        assert!(matches!(found, DataError::Empty { .. }), "{source}: {found}");
    }
}

#[tokio::test]
async fn a_row_without_label() {
    let folder = tempfile::tempdir().unwrap();
    with_row_17(folder.path(), "30,40,red,true, ? \n");
    let found = error(folder.path(), "x.csv").await;
    assert!(
        matches!(&found, DataError::MissingLabel { row: Some(17), column, .. } if column == "outcome"),
        "{found}"
    );
    let mut all: Vec<Option<&str>> = vec![Some("yes"); 500];
    (all[200], all[450]) = (None, None);
    let changed = replaced(&batch(&rows(500, 1)), "outcome", Arc::new(StringArray::from(all)));
    write_batches(&folder.path().join("x.parquet"), &[changed]).unwrap();
    let data = open(&engine(3), "x.parquet", folder.path()).await.unwrap();
    let found = data.rows().await.unwrap_err();
    assert_eq!(
        found,
        counts(&data, &query(1, 1, 1), Rows::All).await.unwrap_err()
    );
    assert!(
        matches!(found, DataError::MissingLabel { row: Some(201), .. }),
        "{found}"
    );
}

#[tokio::test]
async fn odd_data_warns_once() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "x.csv",
        format!("{HEADER}1,2,purple,true,Yes\n3,4,violet,true,no\n5,6,red,true,no\n"),
    );
    let data = open(&engine(2), "x.csv", folder.path()).await.unwrap();
    for _ in 0..2 {
        counts(&data, &query(1, 1, 1), Rows::All).await.unwrap();
    }
    data.check().await.unwrap();
    let warnings = data.take_warnings();
    assert_eq!(
        warnings,
        [
            DataWarning::NoPositiveLabel {
                file: "x.csv".into(),
                column: "outcome".into(),
                positive: "yes".into()
            },
            DataWarning::UnknownCategories {
                file: "x.csv".into(),
                column: "colour".into(),
                rows: 2
            },
        ]
    );
    assert!(
        warnings.iter().all(|warning| !warning.to_string().contains('2')),
        "no count in the text"
    );
    assert!(data.take_warnings().is_empty());
}

#[tokio::test]
async fn not_a_number_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let plain = batch(&rows(64, 9));
    let replace = |ages: Float64Array| replaced(&plain, "age", Arc::new(ages));
    write_batches(
        &folder.path().join("nan.parquet"),
        &[replace(Float64Array::from(vec![f64::NAN; 64]))],
    )
    .unwrap();
    write_batches(
        &folder.path().join("null.parquet"),
        &[replace(Float64Array::from(vec![None; 64]))],
    )
    .unwrap();
    let query = query(4, 4, 2);
    let mut tables = Vec::new();
    for name in ["nan.parquet", "null.parquet"] {
        let data = open(&engine(1), name, folder.path()).await.unwrap();
        tables.push(counts(&data, &query, Rows::All).await.unwrap());
    }
    assert_eq!(tables[0], tables[1]);
}

#[tokio::test]
async fn files_that_are_not_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.parquet", "this is no Parquet");
    let found = error(folder.path(), "x.parquet").await;
    assert!(
        matches!(&found, DataError::Unreadable { reason, .. } if reason.contains("not a Parquet file")),
        "{found}"
    );
    write(folder.path(), "twice.csv", "age,age\n1,2\n");
    assert!(matches!(
        error(folder.path(), "twice.csv").await,
        DataError::DuplicateColumn { .. }
    ));
    assert!(matches!(
        error(folder.path(), "nothing.csv").await,
        DataError::Unreadable { .. }
    ));
}

#[tokio::test]
async fn sql_that_is_wrong_or_would_change_something() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "x.csv", csv(&rows(20, 1), ','));
    for (sql, part) in [
        ("SELECT agee FROM 'x.csv'", "agee"),
        ("SELECT age FRM 'x.csv'", "SQL"),
        ("SELECT age FROM x.csv", "single quotes"),
        ("SELECT age FROM 'y.csv'", "no such file"),
        ("SELECT * INTO t FROM 'x.csv'", ""),
    ] {
        let found = error(folder.path(), sql).await.to_string();
        assert!(found.contains(part), "{sql}: {found}");
    }
    let wrong_schema = hedgerow_forest::schema::Schema {
        features: vec![],
        ..schema()
    };
    let spec = super::fixture::spec("x.csv", folder.path());
    let opened =
        crate::data::DataSet::open(&engine(1), &spec, &wrong_schema, crate::data::Split::none()).await;
    assert!(matches!(opened.err(), Some(DataError::Invalid { .. })));
}
