//! Every growth in real processes, on a tiny scenario.

use crate::support::World;

const EXACT: [&str; 2] = ["--set", "privacy.epsilon=none"];

fn grown(growth: &str) -> Vec<String> {
    let keys = [
        format!("forest.growth={growth}"),
        "forest.trees=4".to_owned(),
        "forest.depth=3".to_owned(),
    ];
    keys.into_iter()
        .flat_map(|key| ["--set".to_owned(), key])
        .collect()
}

#[test]
fn every_growth_is_the_pooled_one_without_noise_and_pays_with_it() {
    let world = World::new(3);
    for growth in ["random", "quantile", "greedy", "boosted"] {
        let sets = grown(growth);
        let mut arguments: Vec<&str> = sets.iter().map(String::as_str).collect();
        let before = arguments.len();
        arguments.extend(EXACT);
        world.simulate(&arguments).succeeds();
        let report = world.report();
        assert_eq!(report["identical_to_pooled"], true, "{growth}");
        assert_eq!(report["settings"]["growth"], growth);
        arguments.truncate(before);
        world.simulate(&arguments).succeeds();
        let report = world.report();
        let rounds = report["rounds"].as_array().unwrap().len();
        for ledger in report["privacy"]["ledgers"].as_array().unwrap() {
            assert_eq!(ledger["entries"].as_array().unwrap().len(), rounds, "{growth}");
        }
        let spent = report["privacy"]["spent"].as_f64().unwrap();
        assert!(spent > 0.0 && spent <= 2.0, "{growth}: {spent}");
        let stages = report["privacy"]["stages"].as_array().unwrap();
        let planned: f64 = stages
            .iter()
            .map(|stage| stage["queries"].as_f64().unwrap())
            .sum();
        assert!(rounds as f64 <= planned, "{growth}");
    }
}

#[test]
fn auto_says_what_it_takes_and_why() {
    let world = World::new(3);
    let said = world.simulate(&["--set", "forest.growth=auto"]).succeeds();
    assert!(said.out.contains("growth: auto takes"), "{}", said.out);
    assert!(said.out.contains("No data.rows are declared"), "{}", said.out);
    let said = world.simulate(&["--set", "forest.growth=auto", "--set", "data.rows=480"]);
    assert!(!said.succeeds().out.contains("No data.rows"));
}

#[test]
fn a_crash_between_two_tables_changes_nothing() {
    let world = World::new(4);
    let sets = grown("greedy");
    let mut arguments: Vec<&str> = sets.iter().map(String::as_str).collect();
    arguments.extend(EXACT);
    world.simulate(&arguments).succeeds();
    let undisturbed = world.read("out/model.json");
    arguments.extend(["--crash", "p2@1"]);
    world.simulate(&arguments).succeeds();
    assert_eq!(undisturbed, world.read("out/model.json"));
}
