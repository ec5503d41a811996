//! Rows, files, trees, and the plain counting that the engine must agree with.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use hedgerow_forest::binning::Binner;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};
use hedgerow_forest::tree::{BinSet, Split as TreeSplit, Tree};

use crate::data::{DataError, DataSet, DataSpec, Engine, EngineOptions, Rows, SourceSpec, Split};

pub(super) const BINS: u16 = 16;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) age: Option<f64>,
    pub(super) hours: Option<i64>,
    pub(super) colour: Option<&'static str>,
    pub(super) member: Option<bool>,
    pub(super) positive: bool,
}

/// A generator good enough to vary rows; the constants are those of Knuth's MMIX.
pub(super) struct Lcg(pub(super) u64);

impl Lcg {
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

pub(super) fn rows(count: usize, seed: u64) -> Vec<Row> {
    let mut random = Lcg(seed);
    (0..count)
        .map(|_| Row {
            age: (random.next(10) > 0).then(|| random.next(1000) as f64 / 8.0 - 5.0),
            hours: (random.next(10) > 0).then(|| random.next(110) as i64),
            colour: [Some("red"), Some("green"), Some("dark blue"), Some("mauve"), None]
                [random.next(5) as usize],
            member: [Some(true), Some(false), None][random.next(3) as usize],
            positive: random.next(3) == 0,
        })
        .collect()
}

pub(super) fn schema() -> Schema {
    let numeric = |name: &str, min, max| Column {
        name: name.into(),
        kind: ColumnKind::Numeric { min, max },
        link: None,
    };
    let text = |name: &str, values: &[&str]| Column {
        name: name.into(),
        kind: ColumnKind::Categorical {
            categories: values.iter().map(|v| (*v).to_owned()).collect(),
        },
        link: None,
    };
    Schema {
        features: vec![
            numeric("age", 0.0, 100.0),
            numeric("Hours.per-week", 0.0, 100.0),
            text("colour", &["red", "green", "dark blue"]),
            text("member", &["false", "true"]),
        ],
        label: Label {
            name: "outcome".into(),
            positive: "yes".into(),
        },
    }
}

pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows.len() as i64))),
        (
            "age",
            Arc::new(rows.iter().map(|r| r.age).collect::<Float64Array>()),
        ),
        (
            "Hours.per-week",
            Arc::new(rows.iter().map(|r| r.hours).collect::<Int64Array>()),
        ),
        (
            "colour",
            Arc::new(rows.iter().map(|r| r.colour).collect::<StringArray>()),
        ),
        (
            "member",
            Arc::new(rows.iter().map(|r| r.member).collect::<BooleanArray>()),
        ),
        (
            "outcome",
            Arc::new(
                rows.iter()
                    .map(|r| Some(if r.positive { "yes" } else { "no" }))
                    .collect::<StringArray>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The batch with one column in place of another.
pub(super) fn replaced(batch: &RecordBatch, column: &str, array: ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, old)| {
        let array = if field.name() == column { &array } else { old };
        (field.name().clone(), Arc::clone(array))
    });
    RecordBatch::try_from_iter(columns.collect::<Vec<_>>()).unwrap()
}

/// CSV as people write it: blanks around values, several ways to say missing, quotes where needed.
pub(super) fn csv(rows: &[Row], delimiter: char) -> String {
    let d = delimiter;
    let mut text = format!("id{d} age{d}\"Hours.per-week\"{d}colour {d}member{d}outcome\r\n");
    for (i, row) in rows.iter().enumerate() {
        let missing = ["", "?", "NA", "NaN", "null", " "][i % 6];
        let age = row.age.map_or(missing.to_owned(), |age| format!(" {age}"));
        let hours = row.hours.map_or(missing.to_owned(), |hours| hours.to_string());
        let colour = row
            .colour
            .map_or(missing.to_owned(), |colour| format!("\"{colour}\""));
        let member = row.member.map_or(missing.to_owned(), |member| member.to_string());
        let outcome = if row.positive { "yes" } else { "no" };
        text.push_str(&format!(
            "{i}{d}{age}{d}{hours} {d}{colour}{d}{member}{d} {outcome}\r\n"
        ));
    }
    text
}

pub(super) fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    fs::write(folder.join(name), text).unwrap();
}

pub(super) fn engine(threads: usize) -> Engine {
    Engine::new(EngineOptions {
        threads,
        batch_rows: 64,
        ..EngineOptions::default()
    })
    .unwrap()
}

pub(super) fn spec(source: &str, folder: &Path) -> DataSpec {
    DataSpec {
        source: SourceSpec::parse(source, folder).unwrap(),
        test_source: None,
    }
}

pub(super) async fn open(engine: &Engine, source: &str, folder: &Path) -> Result<DataSet, DataError> {
    DataSet::open(engine, &spec(source, folder), &schema(), Split::none()).await
}

/// Trees of random splits over the fixture's four features.
pub(super) fn query(trees: usize, depth: u8, seed: u64) -> TableQuery {
    let mut random = Lcg(seed);
    let trees: Vec<Tree> = (0..trees)
        .map(|_| {
            let splits = (0..(1 << depth) - 1).map(|_| {
                let feature = random.next(4) as u16;
                let bits = random.next(1 << 30);
                let right = (0..=BINS as u8).filter(|bin| bits >> bin & 1 == 1);
                TreeSplit {
                    feature,
                    right: BinSet::from_iter(right),
                }
            });
            Tree::new(depth, splits.collect()).unwrap()
        })
        .collect();
    TableQuery::leaf_counts(trees.into()).unwrap()
}

pub(super) fn binner() -> Binner {
    Binner::new(&schema(), BINS).unwrap()
}

/// Leaf counts by the definition: one row and one tree at a time.
pub(super) fn plain_counts(rows: impl IntoIterator<Item = Row>, query: &TableQuery) -> Vec<i64> {
    let binner = binner();
    let mut cells = vec![0; query.cells()];
    for row in rows {
        let bins = plain_bins(&binner, &row);
        let mut base = 0;
        for tree in query.trees().iter() {
            let leaf = tree.leaf(|feature| bins[usize::from(feature)]);
            cells[base + 2 * leaf + usize::from(row.positive)] += 1;
            base += 2 * tree.leaves();
        }
    }
    cells
}

pub(super) fn plain_bins(binner: &Binner, row: &Row) -> [u8; 4] {
    let text = |i: usize, text: Option<&str>| {
        text.map_or(binner.feature(i).missing(), |text| {
            binner.feature(i).category(text)
        })
    };
    [
        binner.feature(0).number(row.age.unwrap_or(f64::NAN)),
        binner.feature(1).number(row.hours.map_or(f64::NAN, |h| h as f64)),
        text(2, row.colour),
        text(3, row.member.map(|m| if m { "true" } else { "false" })),
    ]
}

pub(super) async fn counts(data: &DataSet, query: &TableQuery, rows: Rows) -> Result<Vec<i64>, DataError> {
    Ok(data.count(query, &binner(), rows).await?.cells().to_vec())
}
