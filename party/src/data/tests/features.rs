//! Features in SQL over the party's own tables.

use std::path::Path;
use std::sync::Arc;

use hedgerow_forest::binning::Binner;
use hedgerow_forest::schema::{Column, Label, Schema};

use super::fixture::{engine, write};
use crate::data::{DataError, DataSet, DataSpec, Features, Rows, SourceSpec, Split};

const TRANSACTIONS: &str = "\
MessageId,UETR,Timestamp,Sender,Receiver,SettlementDate,SettlementCurrency,InstructedCurrency,Ordering,Label
m1,u1,2022-01-03 10:00:00,B1,B2,220103,USD,EUR,00123,0
m2,u1,2022-01-03 11:30:00,B2,B3,220103,USD,EUR,00123,0
m3,u2,2022-01-31 23:59:59,B9,B8,220201,GBP, gbp ,77,1
m4,u1,2022-01-03 10:45:00,B2,B2,220104,USD,USD,00123,0
";
const BRANCHES: &str = "code,country\nB1,FR\nB9,DE\n";
const SQL: &str = "-- What a payment looks like.
SELECT
  to_unixtime(to_date(CAST(r.SettlementDate AS VARCHAR), '%y%m%d')) - to_unixtime(r.Timestamp) AS interim,
  upper(trim(r.SettlementCurrency)) = upper(trim(r.InstructedCurrency)) AS same_currency,
  date_part('hour', CAST(r.Timestamp AS TIMESTAMP)) AS hour,
  c.first_sender, c.last_receiver, c.hops, b.country,
  substr(r.Ordering, 1, 2) AS prefix,
  r.Label
FROM rows r
JOIN (SELECT UETR, count(*) AS hops,
             first_value(Sender ORDER BY Timestamp) AS first_sender,
             last_value(Receiver ORDER BY Timestamp) AS last_receiver
      FROM rows GROUP BY UETR) c ON r.UETR = c.UETR
LEFT JOIN branches b ON c.first_sender = b.code
";

fn schema() -> Schema {
    Schema {
        features: vec![
            Column::numeric("interim", -128.0 * 1024.0, 128.0 * 1024.0),
            Column::categorical("same_currency", ["false", "true"]),
            Column::numeric("hour", 0.0, 128.0),
            Column::categorical("first_sender", ["B1", "B2", "B9"]),
            Column::categorical("last_receiver", ["B2", "B3", "B8"]),
            Column::numeric("hops", 0.0, 128.0),
            Column::categorical("country", ["FR", "DE"]),
            Column::categorical("prefix", ["00", "77"]),
        ],
        label: Label {
            name: "Label".into(),
            positive: "1".into(),
        },
    }
}

fn tables(folder: &Path) -> Vec<(String, SourceSpec)> {
    vec![(
        "branches".to_owned(),
        SourceSpec::parse("branches.csv", folder).unwrap(),
    )]
}

fn spec(folder: &Path, source: &str, features: &str) -> Result<DataSpec, DataError> {
    let features = Features::parse(features, folder, tables(folder))?;
    Ok(DataSpec {
        source: SourceSpec::parse(source, folder)?.with_features(Arc::new(features)),
        test_source: None,
    })
}

async fn rows(spec: &DataSpec) -> Result<Vec<(Vec<u8>, u8)>, DataError> {
    let schema = schema();
    let data = DataSet::open(&engine(2), spec, &schema, Split::none()).await?;
    let mut rows = Vec::new();
    let binner = Binner::new(&schema, 128).unwrap();
    data.for_each_block(&binner, Rows::All, |block, labels| {
        for (row, label) in labels.iter().enumerate() {
            rows.push((
                (0..block.features()).map(|f| block.column(f)[row]).collect(),
                *label,
            ));
        }
    })
    .await?;
    rows.sort();
    Ok(rows)
}

#[tokio::test]
async fn interim_time_currencies_hops_and_joins() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "tx.csv", TRANSACTIONS);
    write(folder.path(), "branches.csv", BRANCHES);
    write(folder.path(), "features.sql", SQL);
    let schema = schema();
    let binner = Binner::new(&schema, 128).unwrap();
    let row = |seconds: f64, rest: [u8; 7], label: u8| {
        let mut bins = vec![binner.feature(0).number(seconds)];
        bins.extend(rest);
        (bins, label)
    };
    let mut expected = vec![
        row(-36_000.0, [0, 10, 0, 1, 3, 0, 0], 0),
        row(-41_400.0, [0, 11, 0, 1, 3, 0, 0], 0),
        row(1.0, [1, 23, 2, 2, 1, 1, 1], 1),
        row(47_700.0, [1, 10, 0, 1, 3, 0, 0], 0),
    ];
    expected.sort();
    let through_sql = "SELECT * FROM 'tx.csv' WHERE MessageId <> 'none'";
    for (source, features) in [
        ("tx.csv", "features.sql"),
        (through_sql, "features.sql"),
        ("tx.csv", &SQL[30..]),
    ] {
        let spec = spec(folder.path(), source, features).unwrap();
        assert_eq!(rows(&spec).await.unwrap(), expected, "{source}");
    }
    // The hops of an entity of its own come from windows as well.
    let windows = SQL.replace("JOIN (SELECT", "JOIN (SELECT DISTINCT").replace(
        "first_value(Sender ORDER BY Timestamp) AS",
        "first_value(Sender ORDER BY Timestamp ASC) AS",
    );
    assert_eq!(
        rows(&spec(folder.path(), "tx.csv", &windows[30..]).unwrap())
            .await
            .unwrap(),
        expected
    );
}

#[tokio::test]
async fn what_is_wrong_with_features_is_said() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "tx.csv", TRANSACTIONS);
    write(folder.path(), "branches.csv", BRANCHES);
    write(folder.path(), "empty.sql", "-- nothing\n");
    write(folder.path(), "features.sql", SQL);
    let parse = |features: &str| spec(folder.path(), "tx.csv", features);
    let parsed = |features: &str| parse(features).unwrap_err().to_string();
    assert!(
        parsed("none.sql").starts_with("none.sql: cannot be read"),
        "{}",
        parsed("none.sql")
    );
    assert!(
        parsed("empty.sql").contains("is empty"),
        "{}",
        parsed("empty.sql")
    );
    let twice = Features::parse(
        "SELECT 1 AS x",
        folder.path(),
        [tables(folder.path()), tables(folder.path())].concat(),
    );
    assert_eq!(
        twice.unwrap_err().to_string(),
        "[[table]] `branches`: two tables have this name"
    );

    let error = async |sql: &str| rows(&parse(sql).unwrap()).await.unwrap_err().to_string();
    let found = error(&SQL[30..].replace("JOIN branches b", "JOIN branchs b")).await;
    assert!(
        found.contains("names the table `branchs` (did you mean `branches`?); it may name rows, branches"),
        "{found}"
    );
    let found = error(&SQL[30..].replace("r.Ordering", "r.Orderin")).await;
    assert!(found.contains("Orderin"), "{found}");
    let found = error(&SQL[30..].replace("AS prefix", "AS prefixx")).await;
    assert!(
        found.starts_with("the features: column `prefix` is missing (did you mean `prefixx`?)"),
        "{found}"
    );
    write(
        folder.path(),
        "features.sql",
        SQL.replace("AS prefix", "AS prefixx"),
    );
    let found = error("features.sql").await;
    assert!(
        found.starts_with("features.sql: column `prefix` is missing"),
        "{found}"
    );
    let found = parsed("DROP TABLE rows");
    assert!(
        found.starts_with("DROP TABLE rows: cannot be read: no such file"),
        "{found}"
    );
}
