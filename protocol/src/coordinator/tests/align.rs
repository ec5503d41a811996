//! Alignment: closed once, with whoever is here.

use super::script::*;
use crate::config::Role;
use crate::config::join_tests::mixed;
use crate::coordinator::{PhaseName, RunFailure};
use crate::party::tests::support::id;
use crate::wire::{ToCoordinator, ToParty};

#[test]
fn keys_for_relayed_chunks_are_of_joined_runs_and_distinct() {
    let mut script = Script::greeted(mixed(1, 3));
    let refused = |script: &mut Script, index: usize, what: &str| {
        let told = script.heard(index);
        assert!(
            told.iter()
                .any(|message| matches!(message, ToParty::Failed { reason } if reason.contains(what))),
            "{what}: {told:?}"
        );
    };
    script.enrol(0, None);
    refused(&mut script, 0, "CHK-077");
    script.enrol(1, Some(7));
    script.enrol(2, Some(7));
    // CHK-052, as the parties would find it.
    refused(&mut script, 2, "the same key for relayed chunks as p1");
}

#[test]
fn it_closes_when_both_ends_of_every_pair_have_said_so() {
    let mut script = Script::enrolled(1, 3);
    assert_eq!(script.phase(), PhaseName::Aligning);
    assert!(script.heard(2).contains(&ToParty::Align));
    for index in [0, 1, 2] {
        script.aligned(index);
    }
    assert_eq!(script.phase(), PhaseName::Aligning, "party 3 has not said so");
    script.aligned(3);
    assert_eq!(script.phase(), PhaseName::KeyCollection);
    let parties = (0..4).map(id).collect();
    assert!(
        script.heard(2).contains(&ToParty::Joined { parties }),
        "everybody is told"
    );
    script.sent.clear();
    script.connect(3);
    let parties = (0..4).map(id).collect();
    let heard = script.heard(3);
    assert!(matches!(heard[0], ToParty::Participants { .. }), "{heard:?}");
    assert_eq!(heard[1], ToParty::Joined { parties });
    assert!(matches!(heard[2], ToParty::RoundStart { .. }));
}

#[test]
fn reports_may_come_in_parts_and_again() {
    let mut script = Script::enrolled(2, 2);
    for (index, with) in [
        (0, vec![2]),
        (0, vec![2, 3]),
        (2, vec![0, 1]),
        (3, vec![0]),
        (1, vec![3]),
    ] {
        script.aligned_with(index, &with);
    }
    script.wait(600);
    assert!(script.heard(1).contains(&ToParty::Align), "asked again");
    script.aligned_with(1, &[2, 3]);
    assert_eq!(script.phase(), PhaseName::Aligning);
    script.aligned_with(3, &[0, 1]);
    assert_eq!(script.phase(), PhaseName::KeyCollection);
}

#[test]
fn a_report_names_counterparts_and_keeps_to_its_word() {
    let report = |with: Vec<(usize, u64)>| {
        let mut script = Script::enrolled(1, 4);
        script.aligned_with(1, &[0]);
        let with = with
            .into_iter()
            .map(|(index, union)| (id(index), union))
            .collect();
        script.say(1, ToCoordinator::Aligned { with });
        script.dropped
    };
    assert_eq!(report(vec![(0, Script::union(0, 1))]), []);
    let left_out = [(PhaseName::Aligning, id(1))];
    assert_eq!(
        report(vec![(2, 5)]),
        left_out,
        "CHK-055: an attribute party like itself"
    );
    assert_eq!(report(vec![(9, 5)]), left_out, "CHK-055: a stranger");
    assert_eq!(
        report(vec![(0, 5)]),
        left_out,
        "CHK-055: another size than before"
    );
}

#[test]
fn two_ends_that_disagree_end_the_run_and_are_named() {
    let mut script = Script::enrolled(1, 3);
    for index in [0, 1, 2] {
        script.aligned(index);
    }
    let with = vec![(id(0), 1)];
    script.say(3, ToCoordinator::Aligned { with });
    let failure = script.failure.expect("CHK-055");
    let RunFailure::AlignmentDiffers { row, attribute, .. } = failure else {
        panic!("{failure}")
    };
    assert_eq!((row, attribute), (id(0), id(3)));
}

#[test]
fn a_lost_attribute_party_is_left_out_for_good() {
    let mut script = Script::enrolled(1, 3);
    script.aligned_with(0, &[1, 2]);
    script.aligned(1);
    script.aligned(2);
    script.lose(3);
    assert_eq!(script.phase(), PhaseName::KeyCollection);
    assert_eq!(script.dropped, [(PhaseName::Aligning, id(3))]);
    script.sent.clear();
    script.connect(3);
    assert!(matches!(&script.heard(3)[..], [ToParty::Failed { reason }] if reason.contains("alignment")));
    script.restart();
    assert_eq!(script.phase(), PhaseName::KeyCollection);
    script.keys_of(&[0, 1, 2]);
    assert_eq!(
        script.phase(),
        PhaseName::ShareCollection,
        "nobody waits for party 3"
    );
}

#[test]
fn a_silent_attribute_party_is_left_out_when_the_phase_is_over() {
    let mut script = Script::enrolled(1, 3);
    script.aligned_with(0, &[1, 2]);
    script.aligned(1);
    script.aligned(2);
    script.wait(TIMEOUTS.phase.0 - 1);
    assert_eq!(script.phase(), PhaseName::Aligning);
    script.wait(1);
    assert_eq!(script.phase(), PhaseName::KeyCollection);
    assert_eq!(script.dropped, [(PhaseName::Aligning, id(3))]);
}

#[test]
fn a_silent_row_party_is_left_out_if_another_remains() {
    let mut script = Script::enrolled(2, 3);
    script.aligned(0);
    for index in script.of_role(Role::Attributes) {
        script.aligned_with(index, &[0]);
    }
    script.wait(TIMEOUTS.phase.0);
    assert_eq!(script.phase(), PhaseName::KeyCollection);
    assert_eq!(script.dropped, [(PhaseName::Aligning, id(1))]);
}

#[test]
fn whoever_the_run_cannot_do_without_is_named() {
    // Three of four are needed: with two lost the run is over.
    let mut script = Script::enrolled(1, 3);
    script.disconnect(2);
    script.lose(3);
    assert_eq!(script.missing(), [id(2), id(3)]);
    // Nobody else has rows.
    let mut script = Script::enrolled(1, 3);
    script.lose(0);
    assert!(
        matches!(script.failure, Some(RunFailure::NoRows { .. })),
        "{:?}",
        script.failure
    );
    assert_eq!(script.missing(), [id(0)]);
    // All pairs are open, and the one who has said nothing is the row party.
    let mut script = Script::enrolled(1, 2);
    script.aligned(1);
    script.aligned(2);
    script.wait(TIMEOUTS.phase.0);
    assert_eq!(script.missing(), [id(0)]);
}

#[test]
fn whoever_comes_back_in_time_is_waited_for() {
    let mut script = Script::enrolled(1, 2);
    script.disconnect(1);
    script.wait(TIMEOUTS.grace.0 - 100);
    script.connect(1);
    assert!(script.heard(1).contains(&ToParty::Align));
    for index in 0..3 {
        script.aligned(index);
    }
    assert_eq!(script.phase(), PhaseName::KeyCollection);
}
