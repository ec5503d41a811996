//! How a round begins, and whose keys it has.

use super::assert_refused;
use super::rounds::at_keys;
use super::support::*;
use crate::binding;
use crate::ids::RoundId;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::wire::{SignedRoundKeys, ToParty};

const ROUND: RoundId = RoundId::first_of(0);

#[test]
fn a_start_is_the_one_that_the_own_growth_asks_for() {
    let hear = |change: &dyn Fn(&mut ToParty)| {
        let mut world = World::new(literal(3));
        world.enrol();
        let mut start = world.start(ROUND);
        change(&mut start);
        let mut party = world.parties.remove(0);
        party.hear(start);
        party
    };
    let digest = crate::binding::config_digest(b"another");
    assert!(hear(&|_| ()).refused.is_none());
    assert_refused(
        &mut hear(&|start| {
            if let ToParty::RoundStart { query, .. } = start {
                *query = digest;
            }
        }),
        "CHK-014",
    );
    assert_refused(
        &mut hear(&|start| {
            if let ToParty::RoundStart { answers, .. } = start {
                *answers = digest;
            }
        }),
        "CHK-015",
    );
    let early = hear(&|start| {
        if let ToParty::RoundStart { round, .. } = start {
            round.step = 1;
        }
    });
    assert!(
        early.refused.is_none() && early.sent.len() == 1,
        "a later step waits for the result of this one"
    );
}

#[test]
fn a_round_is_started_once_and_answered_with_the_stored_keys() {
    let mut world = World::new(literal(3));
    world.enrol();
    let start = world.start(ROUND);
    let party = &mut world.parties[0];
    let first = party.answer(start.clone());
    assert_eq!(party.answer(start.clone()), first, "CHK-045");
    let ToParty::RoundStart { round, query, .. } = start else {
        panic!()
    };
    party.hear(ToParty::RoundStart {
        round,
        query,
        answers: query,
    });
    assert_refused(party, "CHK-017");
}

#[test]
fn attempts_count_as_queries() {
    let mut world = World::new(literal(3));
    world.parties[0] = Party::new(
        0,
        Policy {
            max_queries: 2,
            ..open_policy()
        },
    );
    world.enrol();
    for attempt in 0..2 {
        let start = world.start(RoundId { step: 0, attempt });
        world.parties[0].answer(start);
    }
    let start = world.start(RoundId { step: 0, attempt: 2 });
    world.parties[0].hear(start);
    assert_eq!(
        world.parties[0].refused,
        Some(Refusal::Queries { asked: 3, allowed: 2 }),
        "CHK-016"
    );
}

#[test]
fn attempts_have_fresh_keys_and_never_go_back() {
    let (mut world, list) = at_keys();
    let again = world.keys(RoundId { step: 0, attempt: 1 }, &[0, 1, 2, 3, 4]);
    let (ToParty::KeyList { keys: old, .. }, ToParty::KeyList { keys: new, .. }) = (&list, &again) else {
        panic!()
    };
    assert!(
        old.iter()
            .zip(new)
            .all(|(old, new)| old.seal != new.seal && old.mask != new.mask)
    );
    assert!(
        world.parties[0].hear(list).is_empty(),
        "the first attempt is over"
    );
    let start = world.start(ROUND);
    assert!(world.parties[0].hear(start).is_empty());
    assert!(world.parties[0].refused.is_none());
    assert_eq!(world.parties[0].counted.len(), 1, "one step is counted once");
}

#[test]
fn a_key_list_is_checked_key_by_key() {
    let hear = |change: &dyn Fn(&mut World, &mut Vec<SignedRoundKeys>)| {
        let (mut world, list) = at_keys();
        let ToParty::KeyList { mut keys, .. } = list else {
            panic!()
        };
        change(&mut world, &mut keys);
        let mut party = world.parties.remove(0);
        party.hear(ToParty::KeyList { round: ROUND, keys });
        party
    };
    // Keys of a party under its real signature, as a lying coordinator with that party's help could make them.
    let signed = |world: &World, index: usize, keys: &SignedRoundKeys| {
        let participants = binding::participants_digest(
            world.config.run,
            &(0..5)
                .map(|index| enrolment(index, &world.config))
                .collect::<Vec<_>>(),
        );
        let message = binding::keys_message(
            world.config.run,
            ROUND,
            &participants,
            &id(index),
            &keys.seal,
            &keys.mask,
        );
        SignedRoundKeys {
            party: id(index),
            seal: keys.seal,
            mask: keys.mask,
            signature: identity(index).sign(binding::SIGN_ROUND_KEYS, &message),
        }
    };
    assert!(hear(&|_, _| ()).refused.is_none());
    assert_refused(&mut hear(&|_, keys| keys.swap(1, 2)), "CHK-018");
    assert_refused(
        &mut hear(&|_, keys| {
            keys[4].party = id(9);
        }),
        "CHK-018",
    );
    assert_refused(&mut hear(&|_, keys| keys.truncate(3)), "CHK-019");
    assert_refused(&mut hear(&|_, keys| drop(keys.remove(0))), "CHK-020");
    assert_refused(&mut hear(&|_, keys| keys[0].mask = keys[1].mask), "CHK-020");
    assert_refused(&mut hear(&|_, keys| keys[2].mask = keys[1].mask), "CHK-021");
    assert_refused(
        &mut hear(&|world, keys| {
            let copied = SignedRoundKeys {
                mask: keys[1].mask,
                ..keys[2].clone()
            };
            keys[2] = signed(world, 2, &copied);
        }),
        "CHK-022",
    );
    assert_refused(
        &mut hear(&|world, keys| {
            // One key for sealing and for masks: whoever reconstructs it opens the sealed shares.
            let mask = hedgerow_crypto::mask::pairwise::MaskPublic::from_bytes(keys[2].seal.to_bytes());
            let both = SignedRoundKeys {
                mask,
                ..keys[2].clone()
            };
            keys[2] = signed(world, 2, &both);
        }),
        "CHK-022",
    );
}

#[test]
fn keys_of_another_round_do_not_count() {
    let (mut world, _) = at_keys();
    let ToParty::KeyList { keys: old, .. } = world.keys(RoundId { step: 0, attempt: 1 }, &[0, 1, 2, 3, 4])
    else {
        panic!()
    };
    let ToParty::KeyList { mut keys, .. } = world.keys(RoundId { step: 0, attempt: 2 }, &[0, 1, 2, 3, 4])
    else {
        panic!()
    };
    keys[3] = old[3].clone();
    world.parties[0].hear(ToParty::KeyList {
        round: RoundId { step: 0, attempt: 2 },
        keys,
    });
    assert_refused(&mut world.parties[0], "CHK-021");
}

#[test]
fn a_round_has_one_key_list() {
    let (mut world, list) = at_keys();
    let first = world.parties[0].answer(list.clone());
    assert_eq!(world.parties[0].answer(list.clone()), first, "CHK-045");
    let ToParty::KeyList { mut keys, round } = list else {
        panic!()
    };
    keys.pop();
    world.parties[0].hear(ToParty::KeyList { round, keys });
    assert_refused(&mut world.parties[0], "CHK-024");
}
