//! One table, many formats: the counts are the same.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, TimeUnit};

use super::fixture::{batch, counts, csv, engine, open, plain_counts, query, replaced, rows, write};
use crate::data::column::{family, numbers, texts};
use crate::data::write::{BatchWriter, write_batches};
use crate::data::{Rows, SourceSpec};

#[tokio::test]
async fn csv_parquet_and_sql_count_the_same() {
    let rows = rows(900, 21);
    let query = query(5, 5, 22);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "comma.csv", csv(&rows, ','));
    write(folder.path(), "semicolon.csv", csv(&rows, ';'));
    write(folder.path(), "bom.tsv", format!("\u{feff}{}", csv(&rows, '\t')));
    write_batches(&folder.path().join("rows.parquet"), &[batch(&rows)]).unwrap();
    write_batches(&folder.path().join("written.csv"), &[batch(&rows)]).unwrap();
    std::fs::create_dir(folder.path().join("parts of it")).unwrap();
    for (i, part) in rows.chunks(300).enumerate() {
        write_batches(
            &folder.path().join(format!("parts of it/{i} [x].parquet")),
            &[batch(part)],
        )
        .unwrap();
    }
    let all = r#"SELECT age, "Hours.per-week", colour, member, outcome"#;
    let joined = r#"SELECT b.outcome, a.age, a."Hours.per-week", b.colour, b.member
                    FROM 'comma.csv' a JOIN 'rows.parquet' AS b ON a.id = b.id"#;
    let sources = [
        "comma.csv".to_owned(),
        "semicolon.csv".to_owned(),
        "bom.tsv".to_owned(),
        "rows.parquet".to_owned(),
        "written.csv".to_owned(),
        "parts of it".to_owned(),
        format!("{all} FROM 'rows.parquet'"),
        format!("{all} FROM 'semicolon.csv' WHERE id >= 0"),
        format!("{all} FROM 'parts of it/'"),
        format!(
            "WITH t AS (SELECT * FROM 'comma.csv') {all} FROM t WHERE id < 400 UNION ALL {all} FROM t WHERE id >= 400"
        ),
        joined.to_owned(),
    ];
    let expected = plain_counts(rows, &query);
    for threads in [1, 3] {
        let engine = engine(threads);
        for source in &sources {
            let data = open(&engine, source, folder.path())
                .await
                .unwrap_or_else(|e| panic!("{source}: {e}"));
            let found = counts(&data, &query, Rows::All)
                .await
                .unwrap_or_else(|e| panic!("{source}: {e}"));
            assert_eq!(found, expected, "{source} on {threads} threads");
        }
    }
}

#[tokio::test]
async fn features_can_be_computed() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "pay.csv",
        "who,amount,day\na,10,1\nb,30,1\na,20,2\nb,?,2\nb,6,3\n",
    );
    write(folder.path(), "who.csv", "who,kind\na,red\nb,green\n");
    let sql = r#"
        WITH p AS (
            SELECT who, COALESCE(amount, 0) AS amount, day,
                   ROW_NUMBER() OVER (PARTITION BY who ORDER BY day) AS n,
                   LAG(amount) OVER (PARTITION BY who ORDER BY day) AS last
            FROM 'pay.csv')
        SELECT AVG(p.amount) AS age, MAX(n) + ABS(MIN(last)) AS "Hours.per-week", kind AS colour,
               COUNT(*) > 2 AS member, CASE WHEN SUM(amount) > 35 THEN 'yes' ELSE 'no' END AS outcome
        FROM p JOIN 'who.csv' w ON p.who = w.who GROUP BY kind ORDER BY kind DESC"#;
    let data = open(&engine(2), sql, folder.path()).await.unwrap();
    let (mut blocks, binner) = (Vec::new(), super::fixture::binner());
    let see = |block: &hedgerow_forest::binning::Binned, labels: &[u8]| {
        blocks.push((block.clone(), labels.to_vec()))
    };
    data.for_each_block(&binner, Rows::All, see).await.unwrap();
    let [(block, labels)] = blocks.as_slice() else {
        panic!("{} blocks", blocks.len())
    };
    assert_eq!(labels, &[0, 1]);
    let number = |i: usize, value| binner.feature(i).number(value);
    assert_eq!(block.column(0), [number(0, 15.0), number(0, 12.0)]);
    assert_eq!(block.column(1), [number(1, 12.0), number(1, 33.0)]);
    assert_eq!(
        block.column(3),
        [
            binner.feature(3).category("false"),
            binner.feature(3).category("true")
        ]
    );
}

#[tokio::test]
async fn arrow_types_of_one_value_count_the_same() {
    let rows = rows(400, 31);
    let query = query(5, 4, 32);
    let folder = tempfile::tempdir().unwrap();
    let plain = batch(&rows);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let variants: [(&str, DataType); 9] = [
        ("Hours.per-week", DataType::Int8),
        ("Hours.per-week", DataType::UInt64),
        ("Hours.per-week", DataType::Float32),
        ("Hours.per-week", DataType::Decimal128(20, 4)),
        ("Hours.per-week", DataType::Date32),
        ("Hours.per-week", DataType::Timestamp(TimeUnit::Second, None)),
        ("colour", DataType::LargeUtf8),
        ("colour", DataType::Utf8View),
        ("colour", dictionary.clone()),
    ];
    let expected = plain_counts(rows.clone(), &query);
    for (column, kind) in variants {
        let array = plain.column_by_name(column).unwrap();
        // Dates have no way from 64 bits.
        let narrow = match kind {
            DataType::Date32 => cast(array, &DataType::Int32).unwrap(),
            _ => Arc::clone(array),
        };
        let changed = replaced(&plain, column, cast(&narrow, &kind).unwrap());
        write_batches(&folder.path().join("x.parquet"), &[changed]).unwrap();
        let data = open(&engine(2), "x.parquet", folder.path()).await.unwrap();
        assert_eq!(
            counts(&data, &query, Rows::All).await.unwrap(),
            expected,
            "{kind}"
        );
    }
}

#[test]
fn quantities_have_one_unit() {
    let ticks = datafusion::arrow::array::Int64Array::from(vec![Some(86_400_000), None]);
    let value = |kind: &DataType| numbers(&cast(&ticks, kind).unwrap()).unwrap();
    let day = value(&DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())));
    assert_eq!((day.value(0), day.is_null(1)), (86_400.0, true));
    assert_eq!(
        value(&DataType::Timestamp(TimeUnit::Microsecond, None)).value(0),
        86.4
    );
    assert_eq!(value(&DataType::Date64).value(0), 1.0);
    assert_eq!(
        value(&DataType::Duration(TimeUnit::Second)).value(0),
        86_400_000.0
    );
}

#[test]
fn integers_and_flags_read_as_text() {
    let read = |array: &dyn Array| {
        let mut found = Vec::new();
        texts(array, |_, text| found.push(text.map(str::to_owned))).unwrap();
        found
    };
    let integers = datafusion::arrow::array::UInt16Array::from(vec![Some(7), None]);
    assert_eq!(read(&integers), [Some("7".to_owned()), None]);
    let floats = datafusion::arrow::array::Float32Array::from(vec![Some(7.0), Some(f32::NAN)]);
    assert_eq!(read(&floats), [Some("7".to_owned()), None]);
    assert_eq!(family(&DataType::Binary), crate::data::column::Family::Other);
}

#[tokio::test]
async fn unlabelled_rows_can_be_streamed() {
    let rows = rows(50, 3);
    let folder = tempfile::tempdir().unwrap();
    let plain = batch(&rows);
    let without_label = plain.project(&[1, 2, 3, 4]).unwrap();
    write_batches(&folder.path().join("x.csv"), &[without_label]).unwrap();
    let source = SourceSpec::parse("x.csv", folder.path()).unwrap();
    let data = crate::data::DataSet::open_unlabelled(&engine(2), &source, &super::fixture::schema())
        .await
        .unwrap();
    let mut seen = 0;
    data.for_each_block(&super::fixture::binner(), Rows::All, |block, labels| {
        assert!(labels.is_empty());
        seen += block.rows();
    })
    .await
    .unwrap();
    assert_eq!(seen, 50);
    assert_eq!(data.rows().await.unwrap().train, 50);
    assert!(
        data.take_warnings()
            .iter()
            .all(|w| !w.to_string().contains("outcome"))
    );
}

#[test]
fn only_csv_and_parquet_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let schema = batch(&rows(1, 1)).schema();
    assert!(BatchWriter::create(&folder.path().join("x.json"), Arc::clone(&schema)).is_err());
    assert!(BatchWriter::create(&folder.path().join("no/such/folder.csv"), schema).is_err());
    assert!(write_batches(&folder.path().join("x.csv"), &[]).is_err());
}
