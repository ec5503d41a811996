//! Configuration and participants.

use super::support::*;
use super::{assert_refused, check_of};
use crate::ids::RoundId;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{PROTOCOL_VERSION, PROTOCOL_VERSIONS, ToCoordinator, ToParty};

fn welcomed(world: &World, index: usize) -> Party {
    let mut party = Party::new(index, open_policy());
    party.answer(world.welcome());
    party
}

#[test]
fn hello_is_said_again_until_a_configuration_comes() {
    let world = World::new(literal(3));
    let mut party = Party::new(0, open_policy());
    assert_eq!(party.machine.poll_timeout(), None);
    party.machine.handle_connected(Millis(5));
    party.drain();
    let versions = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
    assert_eq!(party.sent, [ToCoordinator::Hello { versions, run: None }]);
    let at = party.machine.poll_timeout().unwrap();
    party.machine.handle_timeout(Millis(at.0 - 1));
    party.drain();
    assert_eq!(party.sent.len(), 1, "not before its time");
    party.machine.handle_timeout(at);
    party.drain();
    assert_eq!(party.sent.len(), 2);
    party.answer(world.welcome());
    assert_eq!(party.machine.poll_timeout(), None);
    party.machine.handle_connected(Millis(9000));
    party.drain();
    assert_eq!(
        party.sent.last(),
        Some(&ToCoordinator::Hello {
            versions,
            run: Some(world.config.run)
        })
    );
}

#[test]
fn the_answer_to_the_same_configuration_is_the_same() {
    let world = World::new(literal(3));
    let mut party = Party::new(0, open_policy());
    let first = party.answer(world.welcome());
    assert_eq!(party.answer(world.welcome()), first, "CHK-045");
    assert_eq!(
        party.order,
        ["persist", "send", "send"],
        "journaled once, before it is sent"
    );
}

#[test]
fn a_configuration_is_checked_before_it_is_signed() {
    let world = World::new(literal(3));
    let hear = |index: usize, message: ToParty| {
        let mut party = Party::new(index, open_policy());
        party.hear(message);
        assert!(party.records.is_empty(), "nothing is journaled or signed");
        party
    };
    let bytes = world.config.to_bytes();
    assert_refused(
        &mut hear(
            0,
            ToParty::Welcome {
                version: 9,
                config: bytes.clone(),
            },
        ),
        "CHK-007",
    );
    assert_refused(&mut hear(7, world.welcome()), "CHK-003");
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_refused(
        &mut hear(
            0,
            ToParty::Welcome {
                version: PROTOCOL_VERSION,
                config: longer,
            },
        ),
        "CHK-002",
    );
    // The threshold is a byte of value 3 (n = 3, c = 1) after two others of the bounds; break it in place.
    let at = (0..bytes.len() - 2)
        .rev()
        .find(|&at| bytes[at..at + 3] == [3, 1, 3])
        .unwrap();
    let mut broken = bytes;
    broken[at + 2] = 2;
    assert_refused(
        &mut hear(
            0,
            ToParty::Welcome {
                version: PROTOCOL_VERSION,
                config: broken,
            },
        ),
        "CHK-001",
    );
}

#[test]
fn the_own_policy_decides() {
    let world = World::new(literal(3));
    let mut party = Party::new(0, Policy::default());
    party.hear(world.welcome());
    assert_eq!(party.refused, Some(Refusal::NoNoise), "CHK-004");
    assert_eq!(
        party.sent,
        [ToCoordinator::Refuse {
            reason: Refusal::NoNoise
        }]
    );
}

#[test]
fn a_ledger_that_cannot_pay_for_the_run_says_so_first() {
    let world = World::new(noisy(literal(3)));
    let mut party = Party::new(
        0,
        Policy {
            max_epsilon: 1.0,
            total_epsilon: Some(0.5),
            ..open_policy()
        },
    );
    party.hear(world.welcome());
    assert!(
        matches!(party.refused, Some(Refusal::Budget { .. })),
        "CHK-005 {:?}",
        party.refused
    );
}

#[test]
fn one_run_has_one_configuration() {
    let world = World::new(literal(3));
    let other = World::new(crate::config::RunConfigLiteral {
        seed: [8; 32],
        ..literal(3)
    });
    let mut party = welcomed(&world, 0);
    party.hear(other.welcome());
    assert_refused(&mut party, "CHK-006");
}

#[test]
fn participants_are_checked_one_by_one() {
    let world = World::new(literal(4));
    let ToParty::Participants { enrolments: good } = world.participants() else {
        panic!()
    };
    let hear = |change: &dyn Fn(&mut Vec<crate::wire::Enrolment>)| {
        let mut enrolments = good.clone();
        change(&mut enrolments);
        let mut party = welcomed(&world, 0);
        party.hear(ToParty::Participants { enrolments });
        party
    };
    assert!(hear(&|_| ()).refused.is_none());
    assert_refused(&mut hear(&|list| list.swap(1, 2)), "CHK-008");
    assert_refused(&mut hear(&|list| list.insert(1, good[1].clone())), "CHK-008");
    assert_refused(
        &mut hear(&|list| list.push(enrolment(9, &world.config))),
        "CHK-008",
    );
    assert_refused(&mut hear(&|list| list.truncate(2)), "CHK-009");
    assert_refused(&mut hear(&|list| drop(list.remove(0))), "CHK-010");
    assert_refused(&mut hear(&|list| list[2].certificate = certificate(1)), "CHK-011");
    assert_refused(&mut hear(&|list| list[2].certificate = vec![0; 9000]), "CHK-011");
    assert_refused(
        &mut hear(&|list| list[2].signature = list[1].signature),
        "CHK-012",
    );
    let other = World::new(crate::config::RunConfigLiteral {
        seed: [8; 32],
        ..literal(4)
    });
    assert_refused(
        &mut hear(&|list| list[2] = enrolment(2, &other.config)),
        "CHK-012",
    );
}

#[test]
fn one_identity_is_one_party() {
    let world = World::new(literal(4));
    let ToParty::Participants { enrolments: mut list } = world.participants() else {
        panic!()
    };
    // Party 3 with the key of party 2, and a certificate of its own name for it.
    list[3].certificate = [
        identity(2).verifying().to_bytes().as_slice(),
        id(3).as_str().as_bytes(),
    ]
    .concat();
    let message = crate::binding::enrolment_message(&world.config.digest(), &id(3), None);
    list[3].signature = identity(2).sign(crate::binding::SIGN_ENROLMENT, &message);
    let mut party = welcomed(&world, 0);
    party.hear(ToParty::Participants { enrolments: list });
    assert_refused(&mut party, "CHK-011");
    assert!(matches!(&party.refused, Some(Refusal::Check { culprit: Some(p), .. }) if *p == id(3)));
}

#[test]
fn one_run_has_one_list_of_participants() {
    let mut world = World::new(literal(4));
    world.enrol();
    let again = world.participants();
    assert!(world.parties[0].hear(again.clone()).is_empty());
    assert!(world.parties[0].refused.is_none());
    let ToParty::Participants { mut enrolments } = again else {
        panic!()
    };
    enrolments.pop();
    world.parties[0].hear(ToParty::Participants { enrolments });
    assert_refused(&mut world.parties[0], "CHK-013");
}

#[test]
fn the_coordinator_can_end_the_run() {
    let mut world = World::new(literal(3));
    world.enrol();
    world.keys(RoundId::first_of(0), &[0, 1, 2]);
    let welcome = world.welcome();
    let party = &mut world.parties[1];
    assert!(party.secret.is_some());
    party.hear(ToParty::Failed {
        reason: "p2 is missing".into(),
    });
    assert_eq!(party.failed.as_deref(), Some("p2 is missing"));
    assert!(party.secret.is_none() && check_of(&party.refused).is_none());
    assert!(party.hear(welcome).is_empty(), "nothing follows");
}
