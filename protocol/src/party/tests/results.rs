//! How rounds end, what they cost, and the last word.

use super::assert_refused;
use super::rounds::at_survivors;
use super::support::*;
use crate::ids::{PartyId, RoundId};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::wire::{ToCoordinator, ToParty};

const ROUND: RoundId = RoundId::first_of(0);

#[test]
fn results_are_believed_as_far_as_they_can_be() {
    let hear = |change: &dyn Fn(&mut Vec<PartyId>, &mut Vec<i64>)| {
        let mut world = at_survivors();
        world.vote(ROUND, &[0, 1, 2, 3]);
        let ToParty::RoundResult {
            round,
            mut survivors,
            mut totals,
        } = world.result(ROUND, &[0, 1, 2, 3])
        else {
            panic!()
        };
        change(&mut survivors, &mut totals);
        let mut party = world.parties.remove(0);
        party.hear(ToParty::RoundResult {
            round,
            survivors,
            totals,
        });
        party
    };
    assert!(hear(&|_, _| ()).refused.is_none());
    assert_refused(&mut hear(&|list, _| list.push(id(4))), "CHK-038");
    assert_refused(&mut hear(&|list, _| list.truncate(2)), "CHK-038");
    assert_refused(&mut hear(&|list, _| list[3] = id(9)), "CHK-038");
    assert_refused(&mut hear(&|_, totals| totals.truncate(3)), "CHK-039");
    assert_refused(&mut hear(&|_, totals| totals[0] = i64::MIN), "CHK-040");
    assert_refused(&mut hear(&|_, totals| totals[1] += 1), "CHK-040");
    assert_refused(&mut hear(&|_, totals| totals[5] -= 1000), "CHK-040");
}

#[test]
fn a_party_that_was_not_in_a_round_is_not_among_its_survivors() {
    let mut world = World::new(literal(5));
    world.enrol();
    let result = world.result(ROUND, &[0, 1, 2, 3]);
    assert!(world.parties[4].hear(result.clone()).is_empty());
    assert!(world.parties[4].refused.is_none());
    world.parties[0].hear(result);
    assert_refused(&mut world.parties[0], "CHK-038");
}

#[test]
fn a_step_has_one_result() {
    let mut world = World::new(literal(5));
    world.enrol();
    world.whole_round(ROUND);
    let party = &mut world.parties[0];
    let records = party.records.len();
    let again = ToParty::RoundResult {
        round: ROUND,
        survivors: (0..5).map(id).collect(),
        totals: (0..5).fold(vec![0; 24], |mut sum, index| {
            let shape = hedgerow_forest::table::TableShape::LeafCounts { trees: 3, leaves: 4 };
            sum.iter_mut()
                .zip(table(index, shape).cells())
                .for_each(|(sum, cell)| *sum += cell);
            sum
        }),
    };
    assert!(party.hear(again.clone()).is_empty());
    assert!(
        party.refused.is_none() && party.records.len() == records,
        "known already"
    );
    let ToParty::RoundResult {
        round,
        survivors,
        mut totals,
    } = again
    else {
        panic!()
    };
    totals[0] += 1;
    party.hear(ToParty::RoundResult {
        round,
        survivors,
        totals,
    });
    assert_refused(party, "CHK-041");
}

#[test]
fn metrics_stay_home_unless_policy_and_run_release_them() {
    let metrics = crate::wire::PartyMetrics {
        rows: 10,
        auprc: 0.5,
        auroc: 0.5,
        accuracy: 0.5,
    };
    for (policy, run) in [(true, true), (true, false), (false, true)] {
        let mut world = World::new(crate::config::RunConfigLiteral {
            release_metrics: run,
            ..literal(3)
        });
        world.parties[0] = Party::new(
            0,
            Policy {
                release_metrics: policy,
                ..open_policy()
            },
        );
        world.enrol();
        world.whole_round(ROUND);
        world.whole_round(RoundId::first_of(1));
        let party = &mut world.parties[0];
        assert!(party.outcome.is_some());
        party.machine.handle_metrics(Some(metrics));
        party.drain();
        let Some(ToCoordinator::Done { metrics: sent, .. }) = party.sent.last() else {
            panic!()
        };
        assert_eq!(sent.is_some(), policy && run, "CHK-043");
        let last = party.sent.last().cloned();
        party.machine.handle_metrics(None);
        party.drain();
        assert_eq!(
            party.sent.last().cloned(),
            last,
            "CHK-045: the first word is the last"
        );
    }
}

#[test]
fn the_model_is_everybodys() {
    let finished = |early: bool| {
        let mut world = World::new(literal(3));
        world.enrol();
        world.whole_round(ROUND);
        world.whole_round(RoundId::first_of(1));
        let model = crate::growth::model_digest(world.progression.forest().unwrap()).unwrap();
        let mut party = world.parties.remove(0);
        if early {
            assert!(party.hear(ToParty::Finished { model }).is_empty());
            assert!(!party.confirmed, "not before its own last word");
        }
        party.machine.handle_metrics(None);
        party.drain();
        (party, model)
    };
    let (party, _) = finished(true);
    assert!(party.confirmed);
    let (mut party, model) = finished(false);
    assert!(!party.confirmed);
    assert_eq!(
        party.answer(ToParty::Finished { model }),
        ToCoordinator::Done { model, metrics: None }
    );
    assert!(party.confirmed);
    party.hear(ToParty::Finished {
        model: crate::binding::config_digest(b"another"),
    });
    assert_refused(&mut party, "CHK-042");
}

#[test]
fn a_round_is_paid_for_before_its_vector_is_sent() {
    let mut world = World::new(noisy(literal(3)));
    world.enrol();
    let list = world.keys(ROUND, &[0, 1, 2]);
    let inboxes = world.inboxes(&list, &[0, 1, 2]);
    world.parties[0].order.clear();
    world.upload(&inboxes);
    assert_eq!(world.parties[0].order, ["charge", "persist", "send"], "CHK-046");
    assert_eq!(world.parties[0].ledger.len(), 1);
    assert_eq!(world.parties[0].ledger[0].round, ROUND);
}

#[test]
fn a_round_that_cannot_be_paid_for_is_not_begun() {
    let mut world = World::new(noisy(literal(3)));
    // Enough for the plan of the run, not for a second attempt at its first step.
    let exact = Policy {
        max_epsilon: 1.0,
        total_epsilon: Some(1.0),
        ..open_policy()
    };
    world.parties[0] = Party::new(0, exact);
    world.enrol();
    let list = world.keys(ROUND, &[0, 1, 2]);
    let inboxes = world.inboxes(&list, &[0, 1, 2]);
    world.upload(&inboxes);
    let start = world.start(RoundId { step: 0, attempt: 1 });
    world.parties[0].hear(start);
    assert!(
        matches!(world.parties[0].refused, Some(Refusal::Budget { .. })),
        "CHK-005"
    );
    assert_eq!(
        world.parties[0].ledger.len(),
        1,
        "what was not begun is not charged"
    );
}
