use proptest::prelude::*;

use super::*;
use crate::binning::Binned;
use crate::export::json;
use crate::import::onnx as import;
use crate::model::{Forest, Output};
use crate::predict::Predictor;
use crate::query::SCALE;
use crate::schema::{Column, Label, Schema};
use crate::tree::{BinSet, Split, Tree};

const BINS: u16 = 6;

fn schema() -> Schema {
    Schema {
        features: vec![
            Column::numeric("age", -1.0 / 3.0, 17.1),
            Column::categorical("sex", ["f", "m", "x", "y"]),
            Column::numeric("constant", 2.0, 2.0),
            Column::numeric("tiny", 1e-300, 1e-299),
        ],
        label: Label {
            name: "income".into(),
            positive: "high".into(),
        },
    }
}

/// Any sets of bins, missing values included: single ranges and others.
fn any_forest() -> impl Strategy<Value = Forest> {
    let split = (0u16..4, any::<u8>(), 0u8..4);
    let trees = (1u8..4, 1usize..4).prop_flat_map(move |(depth, trees)| {
        let leaves = 1usize << depth;
        let splits = proptest::collection::vec(split.clone(), trees * (leaves - 1));
        let values = proptest::collection::vec(0u32..SCALE, trees * leaves);
        let base = proptest::option::of(-1_000_000i32..1_000_000);
        (Just(depth), splits, values, 0.0f64..1.0, base)
    });
    trees.prop_map(|(depth, splits, values, threshold, base)| {
        let missing = [BINS as u8, 4, 1, BINS as u8];
        let splits: Vec<Split> = splits
            .into_iter()
            .map(|(feature, bits, kind)| {
                let last = missing[usize::from(feature)];
                let chosen = |bin: &u8| match kind {
                    0 => false,
                    1 => bits >> bin & 1 == 1,
                    _ => *bin > bits % (last + 1) || (*bin == last && kind == 3),
                };
                Split {
                    feature,
                    right: (0..=last).filter(chosen).collect::<BinSet>(),
                }
            })
            .collect();
        let tree = |splits: &[Split]| Tree::new(depth, splits.to_vec()).unwrap();
        let trees: Vec<Tree> = splits.chunks((1 << depth) - 1).map(tree).collect();
        Forest {
            schema: schema(),
            bins: BINS,
            trees: trees.into(),
            leaf_values: values.into(),
            output: base.map_or(Output::Probability, |base| Output::LogOdds { base }),
            threshold: if base.is_some() { 0.5 } else { threshold },
            statement: None,
        }
    })
}

/// Raw rows: edges of bins and their neighbours, values out of range, missing ones, categories and others.
fn rows(forest: &Forest) -> Vec<[f64; 4]> {
    let binner = forest.binner().unwrap();
    let mut values = vec![
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        1e30,
        -1e30,
        2.0,
        5.5e-300,
    ];
    for feature in [0, 3] {
        for bin in 0..=BINS as u8 {
            let edge = binner.feature(feature).lower_edge(bin).unwrap();
            values.extend([edge, edge.next_up(), edge.next_down()]);
        }
    }
    let codes = [0.0, 1.0, 2.0, 3.0, f64::NAN, 4.0, -1.0, 250.0];
    let at = |list: &[f64], index: usize| list[index % list.len()];
    (0..values.len())
        .map(|row| {
            [
                at(&values, row),
                at(&codes, row),
                at(&values, row + 3),
                at(&values, 7 * row + 1),
            ]
        })
        .collect()
}

/// The row as the binned forest sees it.
fn binned(forest: &Forest, rows: &[[f64; 4]]) -> Binned {
    let binner = forest.binner().unwrap();
    let mut block = Binned::new(rows.len(), 4);
    for feature in 0..4 {
        let own = binner.feature(feature);
        let bin = |x: f64| {
            let code = (0..4usize).find(|code| *code as f64 == x);
            match feature {
                1 => code.map_or(own.missing(), |code| own.category(["f", "m", "x", "y"][code])),
                _ => own.number(x),
            }
        };
        for (cell, row) in block.column_mut(feature).iter_mut().zip(rows) {
            *cell = bin(row[feature]);
        }
    }
    block
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Model, ensemble, ONNX file read back (one matrix, and one input per column), JSON read back: the same bits.
    #[test]
    fn every_form_of_a_model_gives_the_same_scores(forest in any_forest()) {
        let rows = rows(&forest);
        let predictor = Predictor::new(&forest).unwrap();
        let expected = predictor.scores(&binned(&forest, &rows));
        let classes: Vec<u32> = expected.iter().map(|score| u32::from(predictor.is_positive(*score))).collect();
        let flat = rows.concat();
        let ensemble = Ensemble::from_forest(&forest).unwrap();
        let matrix = encode(&ensemble, &Options::default()).unwrap();
        let columns = encode(&ensemble, &Options { columns: true, ..Options::default() }).unwrap();
        let text = json::encode(&ensemble).unwrap();
        let by_ensemble = ensemble.evaluate(&flat).unwrap().scores;
        let bound = if forest.output == Output::Probability { 0.0 } else { (-29f64).exp2() };
        let read = [
            ensemble.clone(),
            import::ensemble(&matrix).unwrap(),
            import::ensemble(&columns).unwrap(),
            json::decode(&text).unwrap(),
        ];
        for (form, read) in read.iter().enumerate() {
            let found = read.evaluate(&flat).unwrap();
            prop_assert_eq!(&found.scores, &by_ensemble, "form {}", form);
            for ((score, expected), row) in found.scores.iter().zip(&expected).zip(&rows) {
                prop_assert!((score - expected).abs() <= bound, "form {form}: {row:?}: {score} {expected}");
            }
            prop_assert_eq!(&found.classes, &classes);
            prop_assert_eq!(read.features(), ensemble.features());
        }
        prop_assert_eq!(&json::encode(&read[3]).unwrap(), &text);
    }

    /// Without operators newer than ai.onnx.ml 3: scores are those of the model, rounded once to 32 bits.
    #[test]
    fn older_runtimes_round_once(forest in any_forest()) {
        prop_assume!(forest.output == Output::Probability);
        let ensemble = Ensemble::from_forest(&forest).unwrap();
        let options = Options { ml_3: true, ..Options::default() };
        let Ok(file) = encode(&ensemble, &options) else {
            prop_assert!(!ensemble.parts().sets.is_empty());
            return Ok(());
        };
        let rows = rows(&forest).concat();
        let rounded = import::ensemble(&file).unwrap().evaluate(&rows).unwrap().scores;
        for (score, exact) in rounded.iter().zip(ensemble.evaluate(&rows).unwrap().scores) {
            prop_assert_eq!(*score, f64::from(exact as f32));
        }
    }
}

#[test]
fn what_has_no_form_is_refused() {
    let mut parts = Ensemble::from_forest(&every_split()).unwrap().parts().clone();
    let ml_3 = Options {
        ml_3: true,
        ..Options::default()
    };
    let error = encode(&Ensemble::new(parts.clone()).unwrap(), &ml_3)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("tests of categories): this needs ai.onnx.ml 5"),
        "{error}"
    );
    parts.base = vec![1.0];
    let error = encode(&Ensemble::new(parts.clone()).unwrap(), &Options::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("base values or a transform"), "{error}");
    parts.base.clear();
    parts.features[1].name = "age".into();
    let columns = Options {
        columns: true,
        ..Options::default()
    };
    let error = encode(&Ensemble::new(parts).unwrap(), &columns)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("column 1: expected a name of its own, found \"age\""),
        "{error}"
    );
}

fn every_split() -> Forest {
    let split = |feature, bins: &[u8]| Split {
        feature,
        right: bins.iter().copied().collect(),
    };
    let splits = vec![split(0, &[0, 2, 3, 6]), split(1, &[0, 2, 4]), split(3, &[4, 5])];
    Forest {
        schema: schema(),
        bins: BINS,
        trees: vec![Tree::new(2, splits).unwrap()].into(),
        leaf_values: vec![1, SCALE / 3, SCALE / 2, SCALE - 1].into(),
        output: Output::Probability,
        threshold: 0.5,
        statement: None,
    }
}
