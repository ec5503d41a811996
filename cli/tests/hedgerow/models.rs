//! Models of other libraries, and models for other programs.

use crate::support::{World, hedgerow};
use std::path::PathBuf;

/// A fixture of the forest crate, with the scores that ONNX Runtime gives.
fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../forest/tests/onnx");
    path.join(name).display().to_string()
}

fn column(csv: &str, name: &str) -> Vec<String> {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = header
        .iter()
        .position(|cell| *cell == name)
        .unwrap_or_else(|| panic!("{name} in {header:?}"));
    lines.map(|line| line[at].to_owned()).collect()
}

#[test]
fn imported_models_score_as_onnx_runtime_does() {
    let world = World::new(1);
    let text = std::fs::read_to_string(fixture("sk-extra-3.json")).unwrap();
    let known: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = |key: &str| -> Vec<Vec<String>> {
        let rows = known[key].as_array().unwrap().iter();
        rows.map(|row| row.as_str().unwrap().split(' ').map(str::to_owned).collect())
            .collect()
    };
    let mut csv = "a,b,c,d\n".to_owned();
    for row in list("inputs") {
        let cells = row.iter().map(|cell| if cell == "nan" { "" } else { cell });
        csv += &(cells.collect::<Vec<_>>().join(",") + "\n");
    }
    world.write("rows.csv", &csv);
    let model = fixture("sk-extra-3.onnx");
    let said = hedgerow(&["predict", "--model", &model, "--input", &world.text("rows.csv")]).succeeds();
    for (index, class) in ["setosa", "versicolor", "virginica"].iter().enumerate() {
        let scores = column(&said.out, &format!("score_{class}"));
        let expected: Vec<f32> = list("scores")
            .iter()
            .map(|row| row[index].parse().unwrap())
            .collect();
        let found: Vec<f32> = scores.iter().map(|score| score.parse().unwrap()).collect();
        assert_eq!(found, expected);
    }
    let labels: Vec<&str> = known["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l.as_str().unwrap())
        .collect();
    assert_eq!(column(&said.out, "class"), labels);
    let said = hedgerow(&["inspect", &model]).succeeds();
    assert!(
        said.out.contains("3 classes: setosa, versicolor, virginica"),
        "{}",
        said.out
    );

    world.write("rows.csv", "a,b,c\n1,2,3\n");
    hedgerow(&["predict", "--model", &model, "--input", &world.text("rows.csv")]).fails_with(&[
        "rows.csv",
        "4 features without names",
        "found 3",
    ]);
    world.write("rows.csv", "a,b,c,d\n1,2,x,4\n");
    hedgerow(&["predict", "--model", &model, "--input", &world.text("rows.csv")])
        .fails_with(&["rows.csv", "c"]);
    world.write("no.onnx", "something else");
    hedgerow(&["inspect", &world.text("no.onnx")]).fails_with(&["no.onnx", "ONNX file"]);
}

#[test]
fn a_trained_model_keeps_its_scores_in_every_form() {
    let world = World::new(2);
    world.simulate(&["--set", "privacy.epsilon=none"]).succeeds();
    let model = world.text("out/model.json");
    world.write(
        "new.csv",
        "colour,age\ngreen,70\nred,20\nmauve,\nblue,-5\ngreen,1e9\n",
    );
    let predict = |model: &str| {
        let said = hedgerow(&["predict", "--model", model, "--input", &world.text("new.csv")]).succeeds();
        (
            column(&said.out, "score"),
            column(&said.out, "positive"),
            said.err,
        )
    };
    let (scores, positive, _) = predict(&model);
    let mut before = Vec::new();
    for (form, options) in [("json", &[][..]), ("onnx", &[]), ("onnx", &["--columns"])] {
        let file = world.text(&format!("model.{form}"));
        hedgerow(&[&["export", &model, "--to", form, "--out", &file], options].concat()).succeeds();
        let (found, classes, warnings) = predict(&file);
        let rounded = |score: &String| format!("{:.6}", score.parse::<f64>().unwrap());
        assert_eq!(found.iter().map(rounded).collect::<Vec<_>>(), scores, "{form}");
        assert_eq!(classes, positive, "{form}");
        assert!(
            warnings.contains("colour") && warnings.contains("1 values"),
            "{warnings}"
        );
        assert!(before.is_empty() || before == found, "{form}");
        before = found;
        // And from there to the next form.
        let again = world.text("again.json");
        hedgerow(&["export", &file, "--to", "json", "--out", &again]).succeeds();
        assert_eq!(predict(&again).0, before, "{form}");
    }
    hedgerow(&[
        "export",
        &model,
        "--to",
        "onnx",
        "--ml-3",
        "--out",
        &world.text("old.onnx"),
    ])
    .fails_with(&["model.json", "tests of categories", "ai.onnx.ml 5"]);
}
