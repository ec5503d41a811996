//! The upload in two steps, and who may be lost when.

use super::script::*;
use crate::coordinator::{CoordinatorMachine, PhaseName, RunFailure};
use crate::ids::PartyId;
use crate::party::tests::support::{TestConsortium, id, identity};
use crate::time::Millis;
use crate::wire::{Channel, ToCoordinator, ToParty};

fn ids(indices: &[usize]) -> Vec<PartyId> {
    indices.iter().copied().map(id).collect()
}

fn fixed(heard: &[ToParty]) -> Option<Vec<PartyId>> {
    heard.iter().find_map(|message| match message {
        ToParty::Fixed { attributes, .. } => Some(attributes.clone()),
        _ => None,
    })
}

fn survivors(heard: &[ToParty]) -> Option<Vec<PartyId>> {
    heard.iter().find_map(|message| match message {
        ToParty::Survivors { survivors, .. } => Some(survivors.clone()),
        _ => None,
    })
}

#[test]
fn attribute_parties_are_fixed_and_row_parties_complete_them() {
    let mut script = Script::sharing(2, 3);
    assert_eq!(script.phase(), PhaseName::Upload);
    for index in 0..5 {
        assert!(
            script
                .heard(index)
                .iter()
                .any(|message| matches!(message, ToParty::ShareInbox { .. })),
            "row parties begin to answer at once"
        );
    }
    for index in [2, 3] {
        script.upload(index);
    }
    assert_eq!(fixed(&script.heard(0)), None);
    script.upload(4);
    assert_eq!(script.phase(), PhaseName::RowUpload);
    for index in [0, 1] {
        assert_eq!(fixed(&script.heard(index)), Some(ids(&[2, 3, 4])));
        assert_eq!(fixed(&script.heard(index + 2)), None);
        script.complete(index, &[2, 3, 4]);
    }
    assert_eq!(script.phase(), PhaseName::SurvivorVote);
    assert_eq!(survivors(&script.heard(3)), Some(ids(&[0, 1, 2, 3, 4])));
    assert!(script.dropped.is_empty());
}

#[test]
fn a_row_party_completes_exactly_what_was_fixed() {
    let at_rows = || {
        let mut script = Script::sharing(1, 4);
        for index in [1, 2, 3] {
            script.upload(index);
        }
        script.lose(4);
        assert_eq!(script.phase(), PhaseName::RowUpload);
        script.dropped.clear();
        script
    };
    let left_out = [(PhaseName::RowUpload, id(0))];
    let mut script = at_rows();
    script.complete(0, &[1, 2, 3, 4]);
    assert_eq!(script.dropped, left_out, "CHK-056: more than that");
    let mut script = at_rows();
    script.complete(0, &[1, 2]);
    assert_eq!(script.dropped, left_out, "CHK-056: less than that");
    let mut script = at_rows();
    script.upload(0);
    assert_eq!(script.dropped, left_out, "CHK-056: without a word");
    let mut script = at_rows();
    script.upload_with(0, Some(identity(1).sign("else", b"anything")));
    assert_eq!(script.dropped, left_out, "CHK-056: by somebody else");
    // An attribute party signs nothing of the kind.
    let mut script = Script::sharing(1, 4);
    script.upload_with(1, Some(identity(1).sign("else", b"anything")));
    assert_eq!(script.dropped, [(PhaseName::Upload, id(1))]);

    let mut script = at_rows();
    script.complete(0, &[1, 2, 3]);
    assert_eq!(survivors(&script.heard(1)), Some(ids(&[0, 1, 2, 3])));
}

#[test]
fn nothing_else_gets_into_the_sum() {
    let mut script = Script::sharing(1, 4);
    // A row party's vector that completes nothing is none.
    script.complete(0, &[]);
    assert_eq!(script.phase(), PhaseName::Upload);
    for index in [1, 2, 3] {
        script.upload(index);
    }
    script.lose(4);
    // Party 4 comes back with its vector, too late.
    script.sent.clear();
    script.connect(4);
    assert!(
        !script
            .heard(4)
            .iter()
            .any(|message| matches!(message, ToParty::ShareInbox { .. })),
        "nobody asks for it"
    );
    script.upload(4);
    assert_eq!(script.phase(), PhaseName::RowUpload);
    script.complete(0, &[1, 2, 3]);
    assert_eq!(script.phase(), PhaseName::SurvivorVote);
    script.upload(4);
    assert_eq!(survivors(&script.heard(1)), Some(ids(&[0, 1, 2, 3])));
}

#[test]
fn a_silent_attribute_party_is_left_out_when_the_phase_is_over() {
    let mut script = Script::sharing(1, 4);
    for index in [1, 2, 4] {
        script.upload(index);
    }
    script.wait(TIMEOUTS.phase.0);
    assert_eq!(script.phase(), PhaseName::RowUpload);
    assert_eq!(script.dropped, [(PhaseName::Upload, id(3))]);
    assert_eq!(fixed(&script.heard(0)), Some(ids(&[1, 2, 4])));
}

#[test]
fn an_attribute_party_may_be_lost_at_every_step() {
    let lose_at = |step: &str| {
        let mut script = Script::joined(1, 4);
        let (all, rest) = ([0, 1, 2, 3, 4], [0, 1, 2, 3]);
        match step {
            "keys" => {
                script.keys_of(&rest);
                script.lose(4);
                script.shares_of(&rest, &rest);
            }
            "shares" => {
                script.keys_of(&all);
                script.shares_of(&rest, &all);
                script.lose(4);
            }
            _ => script.keys_and_shares(&all),
        }
        for index in [1, 2, 3] {
            script.upload(index);
        }
        if step == "upload" {
            script.lose(4);
        }
        if step == "rows" {
            script.upload(4);
            script.lose(4);
            script.complete(0, &[1, 2, 3, 4]);
            return survivors(&script.heard(1));
        }
        script.complete(0, &[1, 2, 3]);
        survivors(&script.heard(1))
    };
    for step in ["keys", "shares", "upload"] {
        assert_eq!(lose_at(step), Some(ids(&[0, 1, 2, 3])), "{step}");
    }
    assert_eq!(lose_at("rows"), Some(ids(&[0, 1, 2, 3, 4])), "its vector is here");
}

#[test]
fn too_few_attribute_parties_are_named() {
    // Three of four are needed.
    let mut script = Script::sharing(1, 3);
    script.upload(1);
    script.disconnect(2);
    script.lose(3);
    assert_eq!(
        script.missing(),
        [id(2), id(3)],
        "and not the row party, who kept nobody waiting"
    );
    assert!(matches!(
        script.failure,
        Some(RunFailure::TooFew {
            phase: PhaseName::Upload,
            answered: 2,
            needed: 3,
            ..
        })
    ));
    let mut script = Script::sharing(1, 3);
    script.upload(1);
    script.wait(TIMEOUTS.phase.0);
    assert_eq!(
        script.missing(),
        [id(0), id(2), id(3)],
        "perhaps they wait for the row party"
    );
    let mut script = Script::sharing(1, 3);
    script.upload(1);
    let answers = Channel::Answers(script.round());
    for index in [2, 3] {
        script.ack(index, 0, answers, 0);
        script.relay_last(0, index, answers, 0);
    }
    script.wait(TIMEOUTS.phase.0);
    assert_eq!(script.missing(), [id(2), id(3)], "they have all answers");
}

#[test]
fn a_row_party_that_is_lost_costs_the_attempt() {
    for after_fixing in [false, true] {
        let mut script = Script::sharing(2, 4);
        for index in [2, 3, 4] {
            script.upload(index);
        }
        if after_fixing {
            script.upload(5);
            assert_eq!(script.phase(), PhaseName::RowUpload);
            script.complete(0, &[2, 3, 4, 5]);
        }
        script.lose(1);
        assert_eq!(
            (script.phase(), script.round().attempt),
            (PhaseName::KeyCollection, 1)
        );
        // The others go on without it.
        let rest = [0, 2, 3, 4, 5];
        script.keys_and_shares(&rest);
        for index in [2, 3, 4, 5] {
            script.upload(index);
        }
        script.complete(0, &[2, 3, 4, 5]);
        assert_eq!(survivors(&script.heard(0)), Some(ids(&rest)));
    }
}

#[test]
fn the_only_row_party_is_named() {
    let mut script = Script::sharing(1, 4);
    // One grace period for the attempt, one for the next.
    script.disconnect(0);
    script.wait(TIMEOUTS.grace.0);
    assert_eq!(script.round().attempt, 1);
    script.keys_of(&[1, 2, 3, 4]);
    script.wait(TIMEOUTS.grace.0);
    assert!(
        matches!(script.failure, Some(RunFailure::NoRows { .. })),
        "{:?}",
        script.failure
    );
    assert_eq!(script.missing(), [id(0)]);
}

#[test]
fn a_restart_asks_again_for_exactly_what_was_fixed() {
    let mut script = Script::sharing(1, 4);
    for index in [1, 2, 3] {
        script.upload(index);
    }
    script.lose(4);
    script.sent.clear();
    script.restart();
    assert_eq!(script.phase(), PhaseName::RowUpload);
    let is_asked = |heard: Vec<ToParty>| {
        heard
            .iter()
            .any(|message| matches!(message, ToParty::ShareInbox { .. }))
    };
    assert_eq!(fixed(&script.heard(0)), Some(ids(&[1, 2, 3])));
    for index in [1, 2, 3] {
        assert!(is_asked(script.heard(index)));
        script.upload(index);
    }
    assert!(!is_asked(script.heard(4)));
    script.upload(4);
    script.complete(0, &[1, 2, 3]);
    assert_eq!(survivors(&script.heard(1)), Some(ids(&[0, 1, 2, 3])));
    // Once more, in the vote: also the row party is asked again, and told what was fixed.
    script.restart();
    assert_eq!(fixed(&script.heard(0)), Some(ids(&[1, 2, 3])));
}

#[test]
fn every_prefix_of_the_journal_is_a_run_that_can_go_on() {
    let mut script = Script::sharing(1, 4);
    for index in 1..5 {
        script.upload(index);
    }
    script.complete(0, &[1, 2, 3, 4]);
    let mut phases = Vec::new();
    for length in 0..=script.records.len() {
        let machine = CoordinatorMachine::restore(
            script.config.clone(),
            std::sync::Arc::new(TestConsortium),
            TIMEOUTS,
            &script.records[..length],
            Millis(0),
        )
        .unwrap();
        phases.push(machine.phase());
    }
    assert_eq!(
        phases,
        [
            PhaseName::Enrolling,
            PhaseName::Aligning,
            PhaseName::KeyCollection,
            PhaseName::ShareCollection,
            PhaseName::Upload,
            PhaseName::RowUpload,
            PhaseName::SurvivorVote
        ]
    );
    // And a hole is one.
    for hole in 0..script.records.len() - 1 {
        let mut records = script.records.clone();
        records.remove(hole);
        let restored = CoordinatorMachine::restore(
            script.config.clone(),
            std::sync::Arc::new(TestConsortium),
            TIMEOUTS,
            &records,
            Millis(0),
        );
        assert!(restored.is_err(), "without record {hole}");
    }
}

#[test]
fn a_horizontal_run_fixes_nobody() {
    let mut script = Script::greeted(crate::party::tests::support::literal(4));
    for index in 0..4 {
        script.enrol(index, None);
    }
    assert_eq!(script.phase(), PhaseName::KeyCollection);
    script.keys_and_shares(&[0, 1, 2, 3]);
    script.say(0, ToCoordinator::Aligned { with: Vec::new() });
    script.upload_with(0, Some(identity(0).sign("else", b"anything")));
    assert_eq!(script.dropped, [(PhaseName::Upload, id(0))]);
}

/// Somebody in the chains of a round who is lost, before or after its vector, is left out of another attempt.
#[test]
fn a_chained_round_is_begun_again_without_whoever_is_lost() {
    for uploads in [&[0usize, 1][..], &[0, 1, 2]] {
        let mut script = Script::chained();
        assert_eq!(script.phase(), PhaseName::Upload);
        for index in uploads {
            script.upload(*index);
        }
        script.lose(2);
        assert_eq!(script.phase(), PhaseName::KeyCollection, "{:?}", script.failure);
        script.keys_and_shares(&[0, 1, 3, 4]);
        assert_eq!(script.phase(), PhaseName::Upload, "{:?}", script.failure);
        for index in [0, 1, 3] {
            assert_eq!(fixed(&script.heard(4)), None);
            script.upload(index);
        }
        assert_eq!(script.phase(), PhaseName::RowUpload);
        assert_eq!(fixed(&script.heard(4)), Some(ids(&[0, 1, 3])));
    }
    // Two of five are too many: the run fails, and says who.
    let mut script = Script::chained();
    script.disconnect(1);
    script.lose(2);
    let failure = script.failure.unwrap().to_string();
    assert!(failure.contains("p1") && failure.contains("p2"), "{failure}");
}
