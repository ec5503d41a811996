//! `hedgerow serve` and `hedgerow query` of forests, in processes of their own.

use crate::support::{World, hedgerow};
use std::path::PathBuf;

/// A fixture of the forest crate: four trees over four columns without names, three kinds of iris.
fn iris() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../forest/tests/onnx/sk-extra-3.onnx");
    path.display().to_string()
}

/// A small forest as plain JSON, with names of columns; a missing `b` takes the yes branch.
const MODEL: &str = r#"{
  "format": "hedgerow-ensemble", "version": 1,
  "features": [{"name": "a"}, {"name": "b"}],
  "input": "f64", "arithmetic": "f64", "output": "f64",
  "task": {"regression": {"targets": 1}},
  "aggregate": "average", "base": [], "transform": "none", "steps": [],
  "decision": {"at_least": 0.5},
  "trees": [
    [
      {"feature": 0, "test": ">=", "value": 2.0, "missing": "no", "yes": 1, "no": 2},
      {"weights": [[0, 0.75]]},
      {"weights": [[0, 0.25]]}
    ],
    [
      {"feature": 1, "test": "<", "value": -1.5, "missing": "yes", "yes": 1, "no": 2},
      {"weights": [[0, 0.5]]},
      {"weights": [[0, 0.0]]}
    ],
    [
      {"feature": 0, "test": "<=", "value": 7.0, "missing": "no", "yes": 1, "no": 2},
      {"weights": [[0, 0.25]]},
      {"weights": [[0, 1.0]]}
    ]
  ]
}"#;

#[test]
fn a_forest_answers_rows_by_name_exactly_in_every_mode() {
    let world = World::empty();
    world.write("forest.json", MODEL);
    // Another order, a column more; ties, a missing value of each.
    world.write("rows.csv", "b,more,a\n-1.5,9,2\n-2,9,1.5\n,9,8\n0,9,\n");
    let (model, input) = (world.text("forest.json"), world.text("rows.csv"));
    let output = world.text("scores.csv");
    for (mode, batch, leakage) in [
        ("public-structure", "3", "The client learns every split"),
        ("private-model", "1", "the numbers of trees and of padded leaves"),
        ("batch", "1", "scores of its rows, the bin edges"),
        ("encrypted-model", "1", "evaluates the encrypted model itself"),
    ] {
        let said = hedgerow(&[
            "query", "--local", "--model", &model, "--mode", mode, "--batch", batch, "--input", &input,
            "--output", &output,
        ])
        .succeeds();
        for part in [
            mode,
            leakage,
            "4 of 4 rows exactly the same",
            "4 of 4 classes the same",
            "row 3: class 1",
        ] {
            assert!(said.out.contains(part), "{part:?} in\n{}", said.out);
        }
        // Thirds of .75 + 0 + .25, of .25 + .5 + .25, of .75 + .5 + 1, of .25 + 0 + 1.
        let scores = world.read("scores.csv");
        let lines: Vec<Vec<&str>> = scores.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines[0], ["row", "score_0", "class"]);
        let expected = [(1.0 / 3.0, "0"), (1.0 / 3.0, "0"), (0.75, "1"), (1.25 / 3.0, "0")];
        assert_eq!(lines.len(), 1 + expected.len());
        for (line, (score, class)) in lines[1..].iter().zip(expected) {
            let found: f64 = line[1].parse().unwrap();
            assert!((found - score).abs() < 1e-4, "{found} {score}");
            assert_eq!(line[2], class);
        }
    }
}

#[test]
fn a_forest_tells_its_label_and_no_score() {
    let world = World::empty();
    world.write("forest.json", MODEL);
    world.write("rows.csv", "a,b\n2,-1.5\n8,\n");
    let (model, input) = (world.text("forest.json"), world.text("rows.csv"));
    let output = world.text("labels.csv");
    let said = hedgerow(&[
        "query",
        "--local",
        "--model",
        &model,
        "--mode",
        "label-only",
        "--threshold",
        "0.5",
        "--input",
        &input,
        "--output",
        &output,
    ])
    .succeeds();
    for part in [
        "(label-only)",
        "2 of 2 rows exactly the same",
        "row 1: class not above",
        "row 2: class above",
    ] {
        assert!(said.out.contains(part), "{part:?} in\n{}", said.out);
    }
    assert_eq!(
        world.read("labels.csv"),
        "row,score_0,score_1,class\n1,1,0,not above\n2,0,1,above\n"
    );
}

#[test]
fn a_forest_of_another_library_answers_with_its_own_classes() {
    let world = World::empty();
    world.write("rows.csv", "7.1,3,5.9,2.1\n5.1,3.5,1.4,0.2\n");
    let (model, input) = (iris(), world.text("rows.csv"));
    let said = hedgerow(&["query", "--local", "--model", &model, "--input", &input]).succeeds();
    for part in [
        "(private-model)",
        "2 of 2 rows exactly the same",
        "2 of 2 classes the same",
        "row 1: class virginica",
        "row 2: class setosa",
    ] {
        assert!(said.out.contains(part), "{part:?} in\n{}", said.out);
    }
}

#[test]
fn what_cannot_be_served_or_asked_of_a_forest_says_why() {
    let world = World::empty();
    world.write("forest.json", MODEL);
    world.write("rows.csv", "a,c\n1,2\n");
    let (model, input) = (world.text("forest.json"), world.text("rows.csv"));
    let local = |more: &[&str], parts: &[&str]| {
        let mut arguments = vec!["query", "--local", "--model", &model, "--input", &input];
        arguments.extend(more);
        hedgerow(&arguments).fails_with(parts);
    };
    let modes = "encrypted-model, private-model, batch, public-structure, label-only";
    local(&["--mode", "fast"], &["\"fast\"", modes]);
    hedgerow(&[
        "query",
        "--local",
        "--model",
        &iris(),
        "--mode",
        "label-only",
        "--input",
        &input,
    ])
    .fails_with(&["label-only does not fit", "3 classes", "encrypted-model fits"]);
    local(&["--batch", "65"], &["--batch 65", "at most 64 rows"]);
    local(&[], &["rows.csv:1", "no columns called \"b\"", "there are a, c"]);
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/networks/mlp.onnx");
    local(&["--check", network], &["--check: a network", "offers a forest"]);
}
