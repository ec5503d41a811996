//! A party that dies anywhere comes back with the same bytes.

use super::support::*;
use crate::ids::RoundId;
use crate::party::{PartyMachine, RestoreError};
use crate::wire::{ToCoordinator, ToParty};

/// A run of four parties, the first of which dies after every message that it hears. Gives what that party
/// sent, and everything that a driver would have kept.
fn run(literal: crate::config::RunConfigLiteral, dies: bool) -> World {
    let mut world = World::new(literal);
    let die = |world: &mut World| {
        if dies {
            world.parties[0].restart();
        }
    };
    let all = [0, 1, 2, 3];
    world.enrol();
    die(&mut world);
    for step in 0..2 {
        let round = RoundId::first_of(step);
        let list = world.keys(round, &all);
        die(&mut world);
        let inboxes = world.inboxes(&list, &all);
        die(&mut world);
        // The counts that were asked for before the crash are asked for again.
        world.upload(&inboxes);
        die(&mut world);
        let proof = world.vote(round, &all);
        die(&mut world);
        for party in &mut world.parties {
            party.answer(proof.clone());
        }
        die(&mut world);
        let result = world.result(round, &all);
        world.release(&result);
        die(&mut world);
    }
    world.parties[0].machine.handle_metrics(None);
    world.parties[0].drain();
    die(&mut world);
    world
}

#[test]
fn a_party_that_dies_after_every_step_ends_with_the_same_model() {
    for literal in [literal(4), noisy(literal(4))] {
        let noise = literal.privacy.is_some();
        // With noise the honest result of the test harness is still the exact one, which is plausible.
        let (calm, dying) = (run(literal.clone(), false), run(literal, true));
        let model = |world: &World| {
            world.parties[0]
                .outcome
                .as_ref()
                .unwrap()
                .forest
                .to_json()
                .unwrap()
        };
        assert_eq!(model(&calm), model(&dying));
        assert_eq!(
            dying.parties[0].ledger.len(),
            if noise { 2 } else { 0 },
            "nothing is paid twice"
        );
        assert_eq!(calm.parties[0].ledger, dying.parties[0].ledger);
    }
}

#[test]
fn requests_of_before_the_crash_get_the_stored_bytes() {
    let mut world = World::new(noisy(literal(4)));
    world.enrol();
    let round = RoundId::first_of(0);
    let all = [0, 1, 2, 3];
    let list = world.keys(round, &all);
    let inboxes = world.inboxes(&list, &all);
    let start = world.start(round);
    let masked = world.upload(&inboxes);
    let survivors = ToParty::Survivors {
        round,
        survivors: all.map(id).to_vec(),
    };
    let proof = world.vote(round, &all);
    let opened = world.parties[0].answer(proof.clone());
    let sent = world.parties[0].sent.clone();
    let welcome = world.welcome();
    let party = &mut world.parties[0];
    party.restart();
    let requests = [welcome, start, list, inboxes[&0].clone(), survivors, proof];
    for request in requests {
        let answer = party.answer(request);
        assert!(sent.contains(&answer), "CHK-045 {answer:?}");
    }
    assert_eq!(party.sent.last(), Some(&opened));
    assert!(party.sent.contains(&masked[&0]));
    assert!(party.counted.is_empty(), "what is uploaded is not counted again");
    assert_eq!(party.ledger.len(), 1);
}

/// Between the entry in the ledger and the journaled vector.
#[test]
fn a_crash_after_paying_draws_the_same_noise_and_pays_once() {
    let vector = |crash: bool| {
        let mut world = World::new(noisy(literal(4)));
        world.enrol();
        let list = world.keys(RoundId::first_of(0), &[0, 1, 2, 3]);
        let inboxes = world.inboxes(&list, &[0, 1, 2, 3]);
        let party = &mut world.parties[0];
        let records = party.records.clone();
        party.hear(inboxes[&0].clone());
        let mut answers = party.count();
        if crash {
            // The ledger's entry is durable, the record is not, and nothing has been sent.
            party.records = records;
            party.restart();
            party.hear(inboxes[&0].clone());
            answers = party.count();
        }
        assert_eq!(party.ledger.len(), 1, "CHK-046");
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    };
    assert_eq!(vector(false), vector(true));
}

/// The secret of a new attempt is stored, its record is not.
#[test]
fn a_crash_between_secret_and_record_gives_up_the_old_attempt_only() {
    let mut world = World::new(literal(4));
    world.enrol();
    let first = RoundId::first_of(0);
    let second = RoundId { step: 0, attempt: 1 };
    let list = world.keys(first, &[0, 1, 2, 3]);
    let party = &mut world.parties[0];
    party.secret = Some((second, hedgerow_crypto::seed::Seed::from_bytes([5; 32])));
    party.restart();
    assert!(party.secret.is_none(), "a secret without a round goes");
    assert!(party.hear(list).is_empty());
    let start = world.start(first);
    assert!(
        world.parties[0].hear(start).is_empty(),
        "never a second message for the first attempt"
    );
    let start = world.start(second);
    assert!(matches!(
        world.parties[0].answer(start),
        ToCoordinator::RoundKeys { .. }
    ));
}

/// The result is journaled, the secret is not deleted yet.
#[test]
fn a_secret_that_outlived_its_round_goes_at_the_next_start() {
    let mut world = World::new(literal(4));
    world.enrol();
    let round = RoundId::first_of(0);
    world.whole_round(round);
    let party = &mut world.parties[0];
    party.secret = Some((round, hedgerow_crypto::seed::Seed::from_bytes([5; 32])));
    party.restart();
    assert!(party.secret.is_none());
}

#[test]
fn a_journal_of_somebody_else_is_refused() {
    let mut world = World::new(literal(4));
    world.enrol();
    world.whole_round(RoundId::first_of(0));
    let records = world.parties[0].records.clone();
    let restore = |index: usize, records: &[Vec<u8>]| {
        PartyMachine::restore(setup(index, &open_policy(), &[]), records, None, None).map(|_| ())
    };
    assert_eq!(restore(0, &records), Ok(()));
    assert_eq!(restore(1, &records), Err(RestoreError::OtherParty { index: 0 }));
    assert_eq!(
        restore(0, &records[1..]),
        Err(RestoreError::OutOfOrder { index: 0 })
    );
    let mut other = records.clone();
    other[2][0] = 9;
    assert_eq!(
        restore(0, &other),
        Err(RestoreError::Layout { index: 2, found: 9 })
    );
    let mut cut = records;
    let length = cut[1].len() / 2;
    cut[1].truncate(length);
    assert_eq!(
        restore(0, &cut),
        Err(RestoreError::Unreadable { index: 1, length })
    );
}
