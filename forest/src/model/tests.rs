use proptest::prelude::*;

use super::*;
use crate::schema::{Column, Label};
use crate::tree::{BinSet, Split};

fn forest() -> Forest {
    let split = |feature, first, last| Split {
        feature,
        right: BinSet::range(first, last),
    };
    let trees = vec![
        Tree::new(2, vec![split(0, 3, 8), split(1, 0, 0), Split::DUMMY]).unwrap(),
        Tree::new(2, vec![split(1, 1, 2), split(0, 7, 7), split(0, 1, 7)]).unwrap(),
    ];
    Forest {
        schema: Schema {
            features: vec![
                Column::numeric("age", 0.1, 1.0 / 3.0),
                Column::categorical("sex", ["f", "m"]),
            ],
            label: Label {
                name: "income".into(),
                positive: ">50K".into(),
            },
        },
        bins: 8,
        trees: trees.into(),
        leaf_values: vec![0, 1, 2, 3, 4, 5, 6, 1_048_575].into(),
        output: Output::Probability,
        threshold: 0.34375,
        statement: Some(PrivacyStatement {
            mechanism: "distributed discrete Gaussian".into(),
            unit: "row".into(),
            neighbours: "add or remove one row".into(),
            epsilon: Some(1.0),
            delta: Some(1e-6),
            rho: Some(0.1 + 0.2),
            collusion: 1,
            notes: vec!["attributes have no guarantee".into()],
        }),
    }
}

#[test]
fn the_file_is_pinned() {
    assert_eq!(
        forest().to_json().unwrap(),
        include_str!("../../tests/data/model-v1.json")
    );
}

#[test]
fn the_file_is_read_back() {
    let forest = forest();
    let text = forest.to_json().unwrap();
    assert_eq!(Forest::from_json(&text).unwrap(), forest);
    let mut plain = forest;
    plain.statement = None;
    assert_eq!(Forest::from_json(&plain.to_json().unwrap()).unwrap(), plain);
}

fn boosted() -> Forest {
    Forest {
        leaf_values: vec![0, 1, 524_288, 524_289, 524_287, 600_000, 400_000, 1_048_575].into(),
        output: Output::LogOdds { base: -81_920 },
        threshold: 0.5,
        ..forest()
    }
}

#[test]
fn log_odds_are_version_2_and_pinned() {
    let text = boosted().to_json().unwrap();
    assert_eq!(text, include_str!("../../tests/data/model-v2.json"));
    assert_eq!(Forest::from_json(&text).unwrap(), boosted());
    for (old, new, expected) in [
        (
            "\"log-odds\"",
            "\"logits\"",
            "output: expected log-odds, found logits",
        ),
        ("\"base\": -81920,", "", "base: expected a number, found none"),
        (
            "-81920",
            "1048577",
            "base: expected -1048576 to 1048576, found 1048577",
        ),
        ("65536", "1048576", "scale: expected 65536, found 1048576"),
        (
            "524287]",
            "524288]",
            "trees[1].leaves[3]: expected -524288 to 524287, found 524288",
        ),
        (
            "\"version\": 2",
            "\"version\": 1",
            "output: expected none in version 1",
        ),
    ] {
        assert!(text.contains(old), "{old}");
        let error = Forest::from_json(&text.replacen(old, new, 1)).unwrap_err();
        assert!(error.to_string().contains(expected), "{new}: {error}");
    }
}

#[test]
fn boosted_scores_are_logistic_functions_of_sums() {
    let forest = boosted();
    let mut block = crate::binning::Binned::new(3, 2);
    block.column_mut(0).copy_from_slice(&[0, 8, 7]);
    block.column_mut(1).copy_from_slice(&[0, 1, 2]);
    // Leaves by hand: tree 0: 1, 2, 2; tree 1: 0, 2, 3.
    let margins = [-81_920 - 524_287 - 1, -81_920 - 124_288, -81_920 + 524_287];
    assert_eq!(forest.scores(&block), margins.map(crate::logistic::probability));
    assert!((forest.scores(&block)[1] - 0.041_23).abs() < 1e-5);
    let text = forest.inspect();
    for words in [
        "Gradient-boosted trees",
        "log-odds",
        "base -1.2500 (score 0.2227)",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn errors_name_field_seen_and_expected() {
    let text = forest().to_json().unwrap();
    let cases = [
        (
            "hedgerow-model",
            "other",
            "format: expected \"hedgerow-model\", found \"other\"",
        ),
        (
            "\"version\": 1,",
            "\"version\": 3, \"new\": 3,",
            "version: expected 1 to 2, found 3",
        ),
        (
            "\"version\": 1,",
            "\"version\": 2,",
            "output: expected log-odds, found none",
        ),
        (
            "\"scale\"",
            "\"base\": 4, \"scale\"",
            "output: expected none in version 1",
        ),
        ("\"bins\": 8", "\"bins\": 1", "bins: expected 2 to 254, found 1"),
        ("\"bins\": 8", "\"bims\": 8", "unknown field `bims`"),
        (
            "\"depth\": 2",
            "\"depth\": 3",
            "trees[0]: a tree of depth 3 has 7 splits, found 3",
        ),
        (
            "\"depth\": 2",
            "\"depth\": 0",
            "trees[0]: a tree of depth 0 has 0 splits, found 3",
        ),
        (
            "\"scale\": 1048576",
            "\"scale\": 1000",
            "scale: expected 1048576, found 1000",
        ),
        ("0.34375", "1.5", "threshold: expected 0 to 1, found 1.5"),
        ("0.34375", "\"NaN\"", "threshold: expected 0 to 1, found NaN"),
        (
            "0:3-8",
            "2:3-8",
            "trees[0].splits[0]: expected a feature below 2, found \"2:3-8\"",
        ),
        (
            "0:3-8",
            "00:3-8",
            "trees[0].splits[0]: expected a feature below 2, found \"00:3-8\"",
        ),
        (
            "0:3-8",
            "0:3-9",
            "trees[0].splits[0]: expected at least one bin, none above 8, found \"0:3-9\"",
        ),
        ("0:3-8", "0:", "trees[0].splits[0]: expected at least one bin"),
        ("0:3-8", "0:8-3", "expected ascending ranges"),
        (
            "0:3-8",
            "wide",
            "expected \"feature:bins\" or \"-\", found \"wide\"",
        ),
        (
            "[0,1,2,3]",
            "[0,1,2]",
            "trees[0].leaves: expected 4 values, found 3",
        ),
        (
            "1048575",
            "1048576",
            "trees[1].leaves[3]: expected 0 to 1048575, found 1048576",
        ),
        (
            "1048575",
            "-1",
            "trees[1].leaves[3]: expected 0 to 1048575, found -1",
        ),
        ("\"age\"", "\"income\"", "column \"income\" is the label"),
    ];
    for (old, new, expected) in cases {
        assert!(text.contains(old), "{old}");
        let error = Forest::from_json(&text.replacen(old, new, 1))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("model file: ") && error.contains(expected),
            "{new}: {error}"
        );
    }
    let none = format!("{}\"trees\": []}}", &text[..text.find("\"trees\"").unwrap()]);
    let error = Forest::from_json(&none).unwrap_err().to_string();
    assert!(error.contains("expected 1 to 4096 trees, found 0"), "{error}");
}

proptest! {
    /// Whatever one byte is changed to, reading does not panic, and what is accepted is what is written back.
    #[test]
    fn damaged_files_do_no_harm(position in 0usize..1200, byte in 0u8..128) {
        let mut bytes = forest().to_json().unwrap().into_bytes();
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(forest) = Forest::from_json(&String::from_utf8(bytes).unwrap()) {
            let again = forest.to_json().unwrap();
            prop_assert_eq!(Forest::from_json(&again).unwrap(), forest);
        }
    }
}

#[test]
fn inspection_shows_what_people_ask_for() {
    let text = forest().inspect();
    for words in [
        "predicting income = >50K",
        "2 of depth 2 (4 leaves each)",
        "threshold  0.34375",
        "epsilon 1.0000 at delta 1e-6 (rho 0.300000 zCDP)",
        "up to 1 parties",
        "attributes have no guarantee",
        "60.0 % of tests  numeric, 0.1 to 0.3333333333333333",
        "40.0 % of tests  categorical, 2 categories",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let mut plain = forest();
    plain.statement = None;
    assert!(plain.inspect().contains("no statement"));
}

#[test]
fn scores_are_means_of_leaf_values() {
    let forest = forest();
    let mut block = crate::binning::Binned::new(3, 2);
    block.column_mut(0).copy_from_slice(&[0, 8, 7]);
    block.column_mut(1).copy_from_slice(&[0, 1, 2]);
    // Leaves by hand: tree 0: 1, 2, 2; tree 1: 0, 2, 3.
    let expected = [(1.0 + 4.0) / 2.0, (2.0 + 6.0) / 2.0, (2.0 + 1_048_575.0) / 2.0];
    assert_eq!(forest.scores(&block), expected.map(|sum: f64| sum / 1_048_576.0));
}
