//! The smaller commands.

use crate::support::{ROWS, World, command, hedgerow, wait};

#[test]
fn a_model_can_be_inspected_and_used() {
    let world = World::new(2);
    world.simulate(&["--set", "privacy.epsilon=none"]).succeeds();
    let model = world.text("out/model.json");
    let said = hedgerow(&["inspect", &model]).succeeds();
    assert!(
        said.out.contains("rich = yes") && said.out.contains("colour"),
        "{}",
        said.out
    );

    // No label is needed, the order of columns does not matter, and what is not in the schema is ignored.
    world.write("new.csv", "note,colour,age\nx,green,70\ny,red,20\nz,mauve,\n");
    let predict = ["predict", "--model", &model, "--input", &world.text("new.csv")];
    let said = hedgerow(&predict).succeeds();
    let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["row", "score", "positive"]);
    assert_eq!(lines.len(), 4);
    let score = |row: usize| lines[row][1].parse::<f64>().unwrap();
    assert!(score(1) > score(2), "{}", said.out);
    assert!(
        said.err.contains("colour"),
        "an unknown category is worth a warning: {}",
        said.err
    );

    let output = world.text("scores.csv");
    let said = hedgerow(&[&predict[..], &["--output", &output]].concat()).succeeds();
    assert_eq!(said.out, "");
    assert_eq!(world.read("scores.csv").lines().count(), 4);
    hedgerow(&[
        "predict",
        "--model",
        &model,
        "--input",
        &world.text("p1.csv"),
        "--output",
        &output,
    ])
    .succeeds();
    assert_eq!(world.read("scores.csv").lines().count(), 1 + ROWS as usize);

    world.write("new.csv", "colour\nred\n");
    hedgerow(&predict).fails_with(&["new.csv", "age"]);
    world.write("out/model.json", "{\"format\": \"something\"}");
    hedgerow(&predict).fails_with(&["model.json"]);
}

#[test]
fn generated_data_is_a_scenario_that_runs() {
    let world = World::new(2);
    let folder = world.text("synthetic");
    let generate = [
        "generate",
        "rows",
        "--rows",
        "3000",
        "--features",
        "6",
        "--parties",
        "3",
        "--seed",
        "4",
        "--out",
        &folder,
    ];
    hedgerow(&generate).succeeds();
    hedgerow(&[
        "simulate",
        &world.text("synthetic/scenario.toml"),
        "--out",
        &world.text("out"),
        "--set",
        "privacy.epsilon=none",
        "--set",
        "forest.trees=40",
        "--set",
        "forest.depth=5",
    ])
    .succeeds();
    let report = world.report();
    assert_eq!(report["identical_to_pooled"], true);
    // The label follows the features: far better than a coin.
    assert!(
        report["metrics"]["auroc"].as_f64().unwrap() > 0.65,
        "{}",
        report["metrics"]
    );
}

#[test]
fn the_built_in_data_runs_from_any_folder() {
    let world = World::new(2);
    hedgerow(&[
        "simulate",
        "adult",
        "--out",
        &world.text("out"),
        "--set",
        "forest.trees=24",
        "--set",
        "forest.depth=6",
    ])
    .succeeds();
    let report = world.report();
    let rows = |key: &str| {
        report["parties"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p[key].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        (rows("train_rows"), rows("test_rows")),
        (32_561, 16_281),
        "nothing is dropped"
    );
    assert_eq!(report["parties"].as_array().unwrap().len(), 4);
    let auroc = report["metrics"]["auroc"].as_f64().unwrap();
    assert!((0.75..1.0).contains(&auroc), "{auroc}");
    assert!(report["privacy"]["spent"].as_f64().unwrap() <= 1.0);
}

#[test]
fn every_key_is_listed() {
    let said = hedgerow(&["simulate", "--keys"]).succeeds();
    for key in [
        "| `task.label` |",
        "| `privacy.epsilon` |",
        "| `run.min_parties` |",
    ] {
        assert!(said.out.contains(key), "{}", said.out);
    }
}

/// As with `| head`, which has closed its end before anything is printed.
#[test]
fn output_that_nobody_reads_ends_a_command_quietly_and_files_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/networks/mlp.onnx");
    let arguments = ["plan", "net", network, "--objective", "latency", "--out"];
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command(&[&arguments[..], &[plan.to_str().unwrap()]].concat());
    let said = wait(command.stdout(writer).spawn().unwrap());
    assert_eq!((said.status, said.err.as_str()), (Some(141), ""));
    assert!(plan.exists(), "written before anything is printed");
}
