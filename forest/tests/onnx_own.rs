//! A model of our own in ONNX Runtime. The files of `forest/tests/onnx/own-*` are written by
//! `HEDGEROW_BLESS=1 cargo test -p hedgerow-forest --test onnx_own`, scored by ONNX Runtime in `make.py`, and compared
//! here: bytes with those written now, scores with those of the binned model.

use std::fs;
use std::path::PathBuf;

use hedgerow_forest::binning::Binned;
use hedgerow_forest::ensemble::Ensemble;
use hedgerow_forest::export::onnx::{Options, encode};
use hedgerow_forest::model::{Forest, Output};
use hedgerow_forest::predict::Predictor;
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};
use hedgerow_forest::tree::{Split, Tree};
use serde::Deserialize;

const BINS: u16 = 64;
const SCALE: u32 = 1 << 20;

/// Numbers drawn by a multiplicative generator, so that the model is the same for ever.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn forest(categories: bool, output: Output) -> Forest {
    let mut features = vec![
        Column::numeric("amount", -1.0 / 3.0, 17_000.1),
        Column::numeric("age", 17.0, 90.0),
        Column::numeric("rate", 1e-7, 3e-5),
    ];
    if categories {
        features.push(Column::categorical("sex", ["Female", "Male"]));
        features.push(Column::categorical(
            "country",
            (0..40).map(|code| format!("land {code}")),
        ));
    }
    let missing: Vec<u64> = features
        .iter()
        .map(|column| match &column.kind {
            ColumnKind::Numeric { .. } => u64::from(BINS),
            ColumnKind::Categorical { categories } => categories.len() as u64,
        })
        .collect();
    let mut draw = Draw(20_261_121);
    let (trees, depth) = (5, 4u8);
    let mut split = || {
        let feature = draw.next(missing.len() as u64) as u16;
        let last = missing[usize::from(feature)];
        let from = 1 + draw.next(last - 1);
        let right = if feature >= 3 {
            (0..=last)
                .filter(|_| draw.next(3) == 0)
                .map(|bin| bin as u8)
                .collect()
        } else if draw.next(8) == 0 {
            // A stretch in the middle: two tests instead of one.
            (from..=from + draw.next(last - from))
                .map(|bin| bin as u8)
                .collect()
        } else {
            (from..last + draw.next(2)).map(|bin| bin as u8).collect()
        };
        Split { feature, right }
    };
    let tree = |_| Tree::new(depth, (0..15).map(|_| split()).collect()).unwrap();
    let trees: Vec<Tree> = (0..trees).map(tree).collect();
    let leaf_values: Vec<u32> = (0..trees.len() * 16)
        .map(|_| draw.next(u64::from(SCALE)) as u32)
        .collect();
    Forest {
        schema: Schema {
            features,
            label: Label {
                name: "fraud".into(),
                positive: "yes".into(),
            },
        },
        bins: BINS,
        trees: trees.into(),
        leaf_values: leaf_values.into(),
        output,
        threshold: 0.5,
        statement: None,
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/onnx")
        .join(name)
}

/// A model and how it is written.
struct Form {
    name: &'static str,
    categories: bool,
    output: Output,
    columns: bool,
    ml_3: bool,
}

const PLAIN: Form = Form {
    name: "own-matrix",
    categories: true,
    output: Output::Probability,
    columns: false,
    ml_3: false,
};

const FORMS: [Form; 4] = [
    PLAIN,
    Form {
        name: "own-columns",
        columns: true,
        ..PLAIN
    },
    Form {
        name: "own-ml3",
        categories: false,
        ml_3: true,
        ..PLAIN
    },
    Form {
        name: "own-boosted",
        output: Output::LogOdds { base: -70_000 },
        ..PLAIN
    },
];

#[test]
fn the_files_are_pinned() {
    for Form {
        name,
        categories,
        output,
        columns,
        ml_3,
    } in FORMS
    {
        let ensemble = Ensemble::from_forest(&forest(categories, output)).unwrap();
        let options = Options {
            columns,
            ml_3,
            metadata: vec![],
        };
        let file = encode(&ensemble, &options).unwrap();
        let path = path(&format!("{name}.onnx"));
        if std::env::var_os("HEDGEROW_BLESS").is_some() {
            fs::write(&path, &file).unwrap();
        }
        assert!(
            fs::read(&path).unwrap() == file,
            "{name} has changed: bless it, and run make.py"
        );
    }
}

#[derive(Deserialize)]
struct Scored {
    /// Rows of numbers, categories as positions.
    inputs: Vec<String>,
    /// Scores of ONNX Runtime.
    scores: Vec<String>,
    labels: Vec<u8>,
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect()
}

#[test]
fn onnx_runtime_gives_the_scores_of_the_model() {
    for Form {
        name,
        categories,
        output,
        ml_3,
        ..
    } in FORMS
    {
        let forest = forest(categories, output);
        let text = fs::read_to_string(path(&format!("{name}.json"))).unwrap();
        let scored: Scored = serde_json::from_str(&text).unwrap();
        let rows: Vec<Vec<f64>> = scored.inputs.iter().map(|row| numbers(row)).collect();
        let binner = forest.binner().unwrap();
        let mut block = Binned::new(rows.len(), forest.schema.len());
        for (feature, column) in forest.schema.features.iter().enumerate() {
            let own = binner.feature(feature);
            for (cell, row) in block.column_mut(feature).iter_mut().zip(&rows) {
                *cell = match &column.kind {
                    ColumnKind::Numeric { .. } => own.number(row[feature]),
                    ColumnKind::Categorical { categories } => {
                        let known = (0..categories.len()).find(|code| *code as f64 == row[feature]);
                        known.map_or(own.missing(), |code| own.category(&categories[code]))
                    }
                };
            }
        }
        // The logistic of a boosted model is computed in floating point.
        let bound = if output == Output::Probability {
            0.0
        } else {
            (-29f64).exp2()
        };
        let predictor = Predictor::new(&forest).unwrap();
        let scores = predictor.scores(&block);
        assert!(scores.len() >= 200, "{name}: {} rows", scores.len());
        let mut distinct: Vec<u64> = scores.iter().map(|score| score.to_bits()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() >= 50, "{name}: {} scores", distinct.len());
        for (row, score) in scores.iter().enumerate() {
            let expected = if ml_3 { f64::from(*score as f32) } else { *score };
            let found = numbers(&scored.scores[row])[0];
            assert!(
                (found - expected).abs() <= bound,
                "{name}, row {row} ({}): {found} {score}",
                scored.inputs[row]
            );
            assert_eq!(
                scored.labels[row],
                u8::from(predictor.is_positive(*score)),
                "{name}, row {row}"
            );
        }
    }
}
