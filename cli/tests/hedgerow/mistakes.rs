//! What a new user gets wrong. Every message names the place and what to do.

use crate::support::{ROWS, World, hedgerow};

#[test]
fn a_misspelt_key_is_named_with_file_line_and_suggestion() {
    let world = World::new(3);
    let line = world
        .read("scenario.toml")
        .lines()
        .position(|line| line == "trees = 10")
        .unwrap()
        + 1;
    world.replace_line("scenario.toml", line, "tress = 10");
    world
        .simulate(&[])
        .fails_with(&[&format!("scenario.toml:{line}"), "tress", "did you mean `trees`"]);
}

#[test]
fn a_misspelt_override_is_named() {
    World::new(3)
        .simulate(&["--set", "forest.tress=5"])
        .fails_with(&["--set forest.tress=5", "forest.trees"]);
}

#[test]
fn a_missing_column_names_party_and_column() {
    let world = World::new(3);
    world.write(
        "p2.csv",
        &world.read("p2.csv").replace("age,colour,rich", "age,shade,rich"),
    );
    world.simulate(&[]).fails_with(&["p2", "p2.csv", "colour"]);
}

#[test]
fn a_wrong_type_names_row_17() {
    let world = World::new(3);
    world.replace_line("p3.csv", 18, "forty,red,no");
    world
        .simulate(&[])
        .fails_with(&["p3", "p3.csv", "age", "forty", "17"]);
}

#[test]
fn two_parties_with_one_id_are_refused() {
    let world = World::new(3);
    world.write(
        "scenario.toml",
        &world.read("scenario.toml").replace("\"p2\"", "\"p1\""),
    );
    world
        .simulate(&[])
        .fails_with(&["scenario.toml", "two [[party]] have the id \"p1\""]);
}

#[test]
fn an_empty_party_is_named() {
    let world = World::new(3);
    world.write("p2.csv", "age,colour,rich\n");
    world.simulate(&[]).fails_with(&["p2", "p2.csv"]);
}

#[test]
fn nan_and_empty_cells_are_missing_values() {
    let world = World::new(3);
    world.replace_line("p1.csv", 2, "NaN,red,no");
    world.replace_line("p1.csv", 3, "inf,,yes");
    world.simulate(&["--set", "privacy.epsilon=none"]).succeeds();
    let report = world.report();
    let rows = report["parties"][0]["train_rows"].as_u64().unwrap()
        + report["parties"][0]["test_rows"].as_u64().unwrap();
    assert_eq!(rows, u64::from(ROWS), "no row is dropped for a missing value");
}

#[test]
fn bounds_of_the_protocol_are_explained() {
    World::new(3)
        .simulate(&["--set", "run.collusion=3"])
        .fails_with(&["collusion"]);
    World::new(3)
        .simulate(&["--set", "privacy.delta=0.5"])
        .fails_with(&["privacy.delta", "1 / rows"]);
}

#[test]
fn a_foreign_state_folder_is_left_alone() {
    let world = World::new(3);
    world.write("out/state/thesis.txt", "years of work");
    world.simulate(&[]).fails_with(&["was not made by a simulation"]);
    assert_eq!(world.read("out/state/thesis.txt"), "years of work");
}

#[test]
fn nothing_to_resume_is_said() {
    World::new(3)
        .simulate(&["--resume"])
        .fails_with(&["--resume", "no simulation was started"]);
}

#[test]
fn another_scenario_cannot_be_resumed() {
    let world = World::new(3);
    world.simulate(&[]).succeeds();
    world
        .simulate(&["--resume", "--set", "forest.trees=11"])
        .fails_with(&["--resume", "another run"]);
}

#[test]
fn files_that_are_not_there_are_named() {
    hedgerow(&["simulate", "nowhere.toml", "--out", &World::new(2).text("out")])
        .fails_with(&["nowhere.toml"]);
    hedgerow(&["inspect", "nowhere.json"]).fails_with(&["nowhere.json"]);
    hedgerow(&["party", "--config", "nowhere.toml"]).fails_with(&["nowhere.toml"]);
    hedgerow(&["coordinator", "--config", "nowhere.toml"]).fails_with(&["nowhere.toml"]);
    hedgerow(&["ledger", "show", "--state", "nowhere"]).fails_with(&["nowhere"]);
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    // /dev/full is the device that is always full.
    let world = World::new(2);
    world.simulate(&["--set", "privacy.epsilon=none"]).succeeds();
    hedgerow(&[
        "predict",
        "--model",
        &world.text("out/model.json"),
        "--input",
        &world.text("p1.csv"),
        "--output",
        "/dev/full",
    ])
    .fails_with(&["no space left", "/dev/full"]);
}
