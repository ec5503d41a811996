//! Forests of scikit-learn, XGBoost and LightGBM, and trees that no library grows, scored bit for bit as ONNX Runtime
//! scores them. `forest/tests/onnx/make.py` makes the files.

use std::fs;
use std::path::PathBuf;

use hedgerow_forest::ensemble::{Ensemble, Evaluation, Feature, Task, Transform};
use hedgerow_forest::export::{json, onnx as export};
use hedgerow_forest::import::onnx as import;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    inputs: Vec<String>,
    scores: Vec<String>,
    labels: Vec<String>,
    #[serde(default)]
    library: Vec<String>,
}

#[derive(Deserialize)]
struct Synthetic {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    what: String,
    file: String,
    #[serde(flatten)]
    fixture: Fixture,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/onnx")
}

fn numbers(texts: &[String]) -> Vec<f64> {
    let words = texts.iter().flat_map(|text| text.split_whitespace());
    words.map(|word| word.parse().unwrap()).collect()
}

fn fixture(name: &str) -> Fixture {
    serde_json::from_str(&fs::read_to_string(folder().join(format!("{name}.json"))).unwrap()).unwrap()
}

/// How far a score may be from that of ONNX Runtime: nothing, but for exp, which is the platform's own.
fn bound(ensemble: &Ensemble) -> f64 {
    let same_exp = cfg!(all(target_os = "linux", target_env = "gnu"));
    let plain = ensemble.parts().transform == Transform::None && ensemble.parts().steps.is_empty();
    if plain || same_exp { 0.0 } else { 1e-6 }
}

fn check(ensemble: &Ensemble, fixture: &Fixture, bound: f64, what: &str) {
    let Evaluation { scores, classes } = ensemble.evaluate(&numbers(&fixture.inputs)).unwrap();
    let expected = numbers(&fixture.scores);
    assert_eq!(scores.len(), expected.len(), "{what}");
    let width = ensemble.scores_per_row();
    for (index, (score, expected)) in scores.iter().zip(&expected).enumerate() {
        let far = (score - expected).abs();
        let same = score == expected || (score.is_nan() && expected.is_nan());
        let row = &fixture.inputs[index / width];
        assert!(
            same || far <= bound * expected.abs().max(1.0),
            "{what}: {row}: score {} of {width} is {score}, ONNX Runtime says {expected}",
            index % width
        );
    }
    let labels: Vec<String> = match &ensemble.parts().task {
        Task::Classification { labels } => classes
            .iter()
            .map(|class| labels.text(*class as usize).unwrap())
            .collect(),
        Task::Regression { .. } => vec![],
    };
    assert_eq!(labels, fixture.labels, "{what}");
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".onnx").map(str::to_owned))
        .filter(|name| !name.starts_with("own-"))
        .collect();
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    names
}

fn open(name: &str) -> Ensemble {
    let file = fs::read(folder().join(format!("{name}.onnx"))).unwrap();
    import::ensemble(&file).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn libraries_score_as_onnx_runtime_does() {
    for name in names() {
        let ensemble = open(&name);
        // The logistic behind these is an operator of its own, which ONNX Runtime approximates.
        let bound = if name.ends_with("poisson") {
            1e-6
        } else {
            bound(&ensemble)
        };
        check(&ensemble, &fixture(&name), bound, &name);
    }
}

/// Rows of the training data in a fixture; rows at and beside thresholds follow, then rows with missing, huge and
/// infinite values ([`LAST_ROWS`]).
const DATA_ROWS: usize = 16;
const LAST_ROWS: usize = 6;

/// What the converters change (skl2onnx 1.20, onnxmltools 1.16), so that no reader of the file can know better.
fn is_lost(name: &str, index: usize, rows: usize, row: &[f64]) -> bool {
    let missing = row.iter().any(|x| x.is_nan());
    let at_threshold = (DATA_ROWS..rows - LAST_ROWS).contains(&index);
    let forest = ["sk-tree", "sk-forest", "sk-extra"]
        .iter()
        .any(|start| name.starts_with(start));
    let rounded = name.starts_with("sk-hist") || name.starts_with("lgb");
    // Trees and forests of scikit-learn: where missing values go is not written.
    (forest && missing)
        // Thresholds of 64 bits become 32 bits: values right beside them may change sides.
        || (rounded && at_threshold)
        // LightGBM's boosting_type = "rf": a sum is squashed and then divided, instead of averaged.
        || name == "lgb-forest"
}

#[test]
fn libraries_score_as_they_do_themselves() {
    let mut asked = 0;
    for name in names() {
        let (ensemble, fixture) = (open(&name), fixture(&name));
        for (index, (row, own)) in fixture.inputs.iter().zip(&fixture.library).enumerate() {
            let row = numbers(std::slice::from_ref(row));
            if own.is_empty() || is_lost(&name, index, fixture.inputs.len(), &row) {
                continue;
            }
            asked += 1;
            let scores = ensemble.evaluate(&row).unwrap().scores;
            for (score, own) in scores.iter().zip(numbers(std::slice::from_ref(own))) {
                let far = (score - own).abs() / own.abs().max(1.0);
                assert!(far <= 1e-6, "{name}: {row:?}: {score}, the library says {own}");
            }
        }
    }
    assert!(asked >= 600, "{asked} rows");
}

#[test]
fn every_comparison_transform_and_base_value() {
    let text = fs::read_to_string(folder().join("synthetic.json")).unwrap();
    let synthetic: Synthetic = serde_json::from_str(&text).unwrap();
    assert!(synthetic.cases.len() >= 60);
    for (number, case) in synthetic.cases.iter().enumerate() {
        let byte = |at: usize| u8::from_str_radix(&case.file[at..at + 2], 16).unwrap();
        let file: Vec<u8> = (0..case.file.len()).step_by(2).map(byte).collect();
        let ensemble = import::ensemble(&file).unwrap_or_else(|error| panic!("{}: {error}", case.what));
        let what = format!("case {number}, {}", case.what);
        check(&ensemble, &case.fixture, bound(&ensemble), &what);
        written_and_read(&ensemble, &numbers(&case.fixture.inputs), &what);
    }
}

#[test]
fn what_is_imported_is_exported() {
    for name in names() {
        let ensemble = open(&name);
        written_and_read(&ensemble, &numbers(&fixture(&name).inputs), &name);
    }
}

fn written_and_read(ensemble: &Ensemble, rows: &[f64], what: &str) {
    let evaluation = ensemble.evaluate(rows).unwrap();
    let text = json::encode(ensemble).unwrap();
    let read = json::decode(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
    same(&read.evaluate(rows).unwrap(), &evaluation, what);
    assert_eq!(json::encode(&read).unwrap(), text, "{what}");
    let file = export::encode(ensemble, &export::Options::default()).unwrap();
    let read = import::ensemble(&file).unwrap_or_else(|error| panic!("{what}: {error}"));
    same(&read.evaluate(rows).unwrap(), &evaluation, what);
    let named = |ensemble: &Ensemble| -> Vec<Feature> { ensemble.features().to_vec() };
    assert_eq!(named(&read).len(), named(ensemble).len(), "{what}");
}

fn same(left: &Evaluation, right: &Evaluation, what: &str) {
    assert_eq!(left.classes, right.classes, "{what}");
    let bits = |evaluation: &Evaluation| -> Vec<u64> {
        evaluation.scores.iter().map(|score| score.to_bits()).collect()
    };
    assert_eq!(bits(left), bits(right), "{what}");
}
