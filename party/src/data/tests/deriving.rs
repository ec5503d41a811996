//! Schemas from data.

use hedgerow_forest::schema::{ColumnKind, Schema};

use super::fixture::{batch, csv, engine, rows, write};
use crate::data::write::write_batches;
use crate::data::{DataError, SchemaRequest, SourceSpec, derive_schema};

async fn derive(
    folder: &std::path::Path,
    sources: &[&str],
    features: Option<&[String]>,
) -> Result<Schema, DataError> {
    let sources: Vec<SourceSpec> = sources
        .iter()
        .map(|s| SourceSpec::parse(s, folder).unwrap())
        .collect();
    derive_schema(
        &engine(2),
        &sources,
        SchemaRequest {
            label: "outcome",
            positive: "yes",
            features,
        },
    )
    .await
}

fn categories(values: &[&str]) -> ColumnKind {
    ColumnKind::Categorical {
        categories: values.iter().map(|v| (*v).to_owned()).collect(),
    }
}

#[tokio::test]
async fn types_bounds_and_categories_are_pooled() {
    let folder = tempfile::tempdir().unwrap();
    let all = rows(600, 17);
    write(folder.path(), "a.csv", csv(&all[..200], ';'));
    write_batches(&folder.path().join("b.parquet"), &[batch(&all[200..400])]).unwrap();
    write_batches(&folder.path().join("c.parquet"), &[batch(&all[400..])]).unwrap();
    let sources = ["a.csv", "b.parquet", "SELECT * FROM 'c.parquet'"];
    let schema = derive(folder.path(), &sources, None).await.unwrap();
    let names: Vec<&str> = schema.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["id", "age", "Hours.per-week", "colour", "member"]);
    let ages = || all.iter().filter_map(|row| row.age);
    let expected = ColumnKind::Numeric {
        min: ages().fold(f64::INFINITY, f64::min),
        max: ages().fold(f64::NEG_INFINITY, f64::max),
    };
    assert_eq!(schema.features[1].kind, expected);
    assert_eq!(
        schema.features[3].kind,
        categories(&["dark blue", "green", "mauve", "red"])
    );
    assert_eq!(schema.features[4].kind, categories(&["false", "true"]));

    let chosen = ["colour".to_owned(), "age".to_owned()];
    let schema = derive(folder.path(), &sources, Some(&chosen)).await.unwrap();
    let names: Vec<&str> = schema.features.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["colour", "age"], "in the order asked for");
}

#[tokio::test]
async fn a_mistake_among_numbers_is_named_and_a_code_is_a_category() {
    let folder = tempfile::tempdir().unwrap();
    let column = |value: &dyn Fn(usize) -> String| {
        (1..=100).fold("x,outcome\n".to_owned(), |text, i| text + &value(i) + ",yes\n")
    };
    write(
        folder.path(),
        "typo.csv",
        column(&|i| if i == 17 { "1O".to_owned() } else { i.to_string() }),
    );
    let found = derive(folder.path(), &["typo.csv"], None).await.unwrap_err();
    let expected = DataError::MostlyNumeric {
        file: "typo.csv".into(),
        row: 17,
        column: "x".into(),
        found: "1O".into(),
    };
    assert_eq!(found, expected);
    write(
        folder.path(),
        "codes.csv",
        column(&|i| {
            if i.is_multiple_of(2) {
                "A".to_owned()
            } else {
                "1".to_owned()
            }
        }),
    );
    let schema = derive(folder.path(), &["codes.csv"], None).await.unwrap();
    assert_eq!(schema.features[0].kind, categories(&["1", "A"]));
    write(folder.path(), "constant.csv", column(&|_| "7".to_owned()));
    let schema = derive(folder.path(), &["constant.csv"], None).await.unwrap();
    assert_eq!(
        schema.features[0].kind,
        ColumnKind::Numeric { min: 7.0, max: 7.0 }
    );
}

#[tokio::test]
async fn what_cannot_be_derived_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let many = (0..251).fold("x,outcome\n".to_owned(), |text, i| {
        text + &format!("name-{i},yes\n")
    });
    write(folder.path(), "many.csv", &many);
    let found = derive(folder.path(), &["many.csv"], None).await.unwrap_err();
    assert_eq!(
        found,
        DataError::TooManyCategories {
            column: "x".into(),
            limit: 250
        }
    );
    assert!(
        found.to_string().contains("drop the column with `features"),
        "{found}"
    );
    let just_enough = many.replace("name-250,", "name-0,");
    write(folder.path(), "enough.csv", just_enough);
    assert!(derive(folder.path(), &["enough.csv"], None).await.is_ok());
    write(folder.path(), "blank.csv", "x,outcome\n?,yes\n,no\n");
    let found = derive(folder.path(), &["blank.csv"], None).await.unwrap_err();
    assert_eq!(found, DataError::NoValues { column: "x".into() });
    let found = derive(
        folder.path(),
        &["enough.csv", "blank.csv"],
        Some(&["y".to_owned()]),
    )
    .await
    .unwrap_err();
    assert!(matches!(found, DataError::MissingColumn { .. }), "{found}");
    write(folder.path(), "header.csv", "x,outcome\n");
    assert!(matches!(
        derive(folder.path(), &["header.csv"], None).await,
        Err(DataError::Empty { .. })
    ));
    assert!(derive(folder.path(), &[], None).await.is_err());
}
