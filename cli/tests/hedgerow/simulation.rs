//! `hedgerow simulate` from files to report.

use crate::support::{World, hedgerow};

#[test]
fn without_noise_the_model_is_the_pooled_one() {
    let world = World::new(4);
    let said = world.simulate(&["--set", "privacy.epsilon=none"]).succeeds();
    assert!(
        said.out.contains("equals the pooled one, byte for byte"),
        "{}",
        said.out
    );
    assert_eq!(said.err, "", "quiet when not a terminal");
    let report = world.report();
    assert_eq!(report["identical_to_pooled"], true);
    assert_eq!(report["metrics"], report["pooled"]);
    assert!(report["privacy"]["epsilon"].is_null());
    assert_eq!(report["rounds"][0]["survivors"].as_array().unwrap().len(), 4);
    for key in ["total", "train", "predict"] {
        assert!(report["seconds"][key].as_f64().unwrap() > 0.0, "{key}");
    }
    for party in report["parties"].as_array().unwrap() {
        assert!(party["peak_rss_mib"].as_f64().unwrap() > 1.0);
        assert!(
            party["bytes_sent"].as_u64().unwrap() > 10 * 16 * 2 * 8,
            "less than one table"
        );
        assert!(party["bytes_received"].as_u64().unwrap() > 0);
    }
    assert!(world.read("out/report.html").contains("<svg"));
    assert!(world.read("out/model.json").contains("hedgerow-model"));
}

#[test]
fn with_noise_the_budget_is_spent_and_not_exceeded() {
    let world = World::new(3);
    world.simulate(&[]).succeeds();
    let report = world.report();
    assert!(report["identical_to_pooled"].is_null());
    let spent = report["privacy"]["spent"].as_f64().unwrap();
    assert!(spent > 1.0 && spent <= 2.0, "{spent}");
    assert_eq!(report["privacy"]["unit"], "row");
    assert_eq!(report["privacy"]["ledgers"].as_array().unwrap().len(), 3);
    let ledger = hedgerow(&[
        "ledger",
        "show",
        "--state",
        &world.text("out/state/process/p2"),
        "--delta",
        "1e-4",
    ]);
    assert!(ledger.succeeds().out.contains("epsilon"));
}

#[test]
fn shares_give_the_same_model_as_masks() {
    let world = World::new(3);
    let exact = ["--set", "privacy.epsilon=none"];
    world.simulate(&exact).succeeds();
    let masked = world.read("out/model.json");
    world
        .simulate(&[&exact[..], &["--set", "run.aggregation=shares"]].concat())
        .succeeds();
    // The privacy statement names the aggregation; trees and leaves are the same.
    let leaves = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["trees"].clone();
    assert_eq!(leaves(&masked), leaves(&world.read("out/model.json")));
    assert_eq!(world.report()["identical_to_pooled"], true);
}

#[test]
fn a_derived_schema_is_announced() {
    let world = World::derived(3);
    let said = world
        .simulate(&["--set", "privacy.epsilon=none", "--set", "test.fraction=0.4"])
        .succeeds();
    assert!(said.err.contains("a deployment must declare it"), "{}", said.err);
    assert_eq!(world.report()["settings"]["schema_derived"], true);
    assert_eq!(world.report()["settings"]["features"], 2);
}

#[test]
fn sources_may_be_sql_and_test_files() {
    let world = World::new(3);
    let p1 = "party.p1.source=SELECT age, lower(colour) AS colour, rich FROM 'p1.csv' WHERE age IS NULL OR age > 20";
    let said = world.simulate(&[
        "--set",
        p1,
        "--set",
        "party.p2.test_source=p3.csv",
        "--set",
        "privacy.epsilon=none",
    ]);
    // `lower` is there only if DataFusion's string functions are; the error is then SQL's own.
    if said.status != Some(0) {
        assert!(said.err.contains("lower"), "{}", said.err);
        let p1 = "party.p1.source=SELECT age, colour, rich FROM 'p1.csv' WHERE age IS NULL OR age > 20";
        world
            .simulate(&[
                "--set",
                p1,
                "--set",
                "party.p2.test_source=p3.csv",
                "--set",
                "privacy.epsilon=none",
            ])
            .succeeds();
    }
    let report = world.report();
    assert_eq!(report["identical_to_pooled"], true);
    assert_eq!(report["parties"][1]["train_rows"], crate::support::ROWS);
    assert_eq!(report["parties"][1]["test_rows"], crate::support::ROWS);
}

#[test]
fn only_our_own_files_are_replaced_and_a_finished_run_may_be_resumed() {
    let world = World::new(3);
    world.write("out/notes.txt", "mine");
    let exact = ["--set", "privacy.epsilon=none"];
    world.simulate(&exact).succeeds();
    let model = world.read("out/model.json");
    world.simulate(&[&exact[..], &["--resume"]].concat()).succeeds();
    assert_eq!(world.read("out/model.json"), model);
    assert_eq!(world.read("out/notes.txt"), "mine");
}
