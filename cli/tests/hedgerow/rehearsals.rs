//! Real processes over QUIC that are killed, restarted, interrupted or dropped.

use crate::support::{World, processes_of, until, wait};
use std::process::Command;

const EXACT: [&str; 2] = ["--set", "privacy.epsilon=none"];

fn undisturbed(parties: u32) -> String {
    let world = World::new(parties);
    world.simulate(&EXACT).succeeds();
    world.read("out/model.json")
}

#[test]
fn a_killed_party_restarts_and_the_model_is_the_same() {
    let expected = undisturbed(3);
    for round in ["p2@0", "p2@1"] {
        let world = World::new(3);
        let said = world
            .simulate(&[&EXACT[..], &["--crash", round]].concat())
            .succeeds();
        assert!(
            said.err.contains("p2 was killed and starts again"),
            "{}",
            said.err
        );
        assert_eq!(world.report()["identical_to_pooled"], true);
        assert_eq!(world.read("out/model.json"), expected, "{round}");
    }
}

#[test]
fn a_killed_coordinator_restarts_and_the_model_is_the_same() {
    let world = World::new(3);
    let said = world
        .simulate(&[&EXACT[..], &["--crash", "coordinator@1"]].concat())
        .succeeds();
    assert!(
        said.err.contains("coordinator was killed and starts again"),
        "{}",
        said.err
    );
    assert_eq!(world.report()["identical_to_pooled"], true);
    assert_eq!(world.read("out/model.json"), undisturbed(3));
}

#[test]
fn a_drop_out_leaves_a_model_of_the_others() {
    let world = World::new(5);
    // A dead process says nothing; the coordinator notices by the end of the phase.
    let drop = [
        "--set",
        "run.min_parties=4",
        "--set",
        "timeouts.phase_s=3",
        "--drop",
        "p4@0",
    ];
    world.simulate(&[&EXACT[..], &drop].concat()).succeeds();
    let report = world.report();
    assert_eq!(
        report["identical_to_pooled"], true,
        "the replay goes over the survivors"
    );
    let last = report["rounds"].as_array().unwrap().last().unwrap()["survivors"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(last, ["p1", "p2", "p3", "p5"]);
    assert_eq!(report["parties"][3]["complete"], false);
}

#[test]
fn too_many_drop_outs_end_the_run_and_are_named() {
    let world = World::new(3);
    world
        .simulate(&[&EXACT[..], &["--drop", "p2@0"]].concat())
        .fails_with(&["party \"p2\"", "needs 3 parties"]);
    assert!(!world.path("out/report.json").exists());
    assert_eq!(processes_of(&world.path("out")), Vec::<String>::new());
}

#[test]
fn ctrl_c_stops_every_process_and_the_run_resumes() {
    let world = World::new(3);
    let expected = undisturbed(3);
    let child = world.simulation(&EXACT).spawn().unwrap();
    until("a party runs", || {
        processes_of(&world.path("out"))
            .iter()
            .any(|line| line.contains("party-p3.toml"))
    });
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let said = wait(child);
    // A very fast run may be over before the signal comes.
    if said.status != Some(0) {
        assert_eq!(said.status, Some(130), "{}", said.err);
        assert!(said.err.contains("--resume"), "{}", said.err);
    }
    assert_eq!(
        processes_of(&world.path("out/state/config")),
        Vec::<String>::new()
    );
    world.simulate(&[&EXACT[..], &["--resume"]].concat()).succeeds();
    assert_eq!(world.report()["identical_to_pooled"], true);
    assert_eq!(world.read("out/model.json"), expected);
}

#[test]
fn no_process_outlives_a_killed_simulation() {
    let world = World::new(3);
    let mut child = world.simulation(&EXACT).spawn().unwrap();
    until("a party runs", || {
        processes_of(&world.path("out"))
            .iter()
            .any(|line| line.contains("party-p3.toml"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    until("all are gone", || {
        processes_of(&world.path("out/state/config")).is_empty()
    });
}

#[test]
fn only_parties_can_be_made_to_fail() {
    World::new(2)
        .simulate(&["--drop", "p9"])
        .fails_with(&["p9", "no such party"]);
    World::new(2)
        .simulate(&["--drop", "coordinator"])
        .fails_with(&["coordinator"]);
    World::new(2)
        .simulate(&["--crash", "p1@x"])
        .fails_with(&["p1@x", "no round"]);
}
