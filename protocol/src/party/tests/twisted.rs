//! Honest messages with one bit changed, or at the wrong time: a party refuses or drops them, and never panics.

use proptest::prelude::*;

use super::support::*;
use crate::ids::RoundId;
use crate::wire::{Frame, Limits, Message, ToCoordinator, ToParty};

/// Every message that the first of four parties hears in one round, in order.
fn heard() -> Vec<ToParty> {
    let mut world = World::new(literal(4));
    let round = RoundId::first_of(0);
    let all = [0, 1, 2, 3];
    world.enrol();
    let (start, list) = (world.start(round), world.keys(round, &all));
    let inboxes = world.inboxes(&list, &all);
    world.upload(&inboxes);
    let survivors = ToParty::Survivors {
        round,
        survivors: all.map(id).to_vec(),
    };
    let proof = world.vote(round, &all);
    let result = world.result(round, &all);
    vec![
        world.welcome(),
        world.participants(),
        start,
        list,
        inboxes[&0].clone(),
        survivors,
        proof,
        result,
    ]
}

fn flipped(message: &ToParty, bit: usize) -> Option<ToParty> {
    let mut bytes = message.to_frame().into_payload();
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    ToParty::from_frame(&Frame::new(message.kind(), bytes)).ok()
}

/// The messages of one round are made once: signing is slow. Keys derive from the same seeds each time.
fn script() -> &'static [ToParty] {
    static SCRIPT: std::sync::OnceLock<Vec<ToParty>> = std::sync::OnceLock::new();
    SCRIPT.get_or_init(heard)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn one_flipped_bit_is_never_accepted_as_the_honest_message(at in 0usize..8, bit in any::<usize>()) {
        let script = script();
        let mut party = Party::new(0, open_policy());
        for message in &script[..at] {
            party.hear(message.clone());
            party.count();
        }
        prop_assert!(party.refused.is_none(), "{:?}", party.refused);
        let Some(twisted) = flipped(&script[at], bit) else { return Ok(()) };
        prop_assert_ne!(&twisted, &script[at]);
        let sent = party.sent.len();
        let records = party.records.len();
        party.hear(twisted.clone());
        party.count();
        // What a signature or a digest covers is refused. What is left is what only the coordinator knows: the
        // configuration, a round's name, who is missing, totals in their range.
        let refused = matches!(party.sent.last(), Some(ToCoordinator::Refuse { .. }));
        let dropped = party.sent.len() == sent && party.records.len() == records;
        let free = matches!(
            twisted,
            ToParty::Welcome { .. } | ToParty::RoundStart { .. } | ToParty::RoundResult { .. } | ToParty::Failed { .. }
        );
        prop_assert!(refused || dropped || free, "{:?} was accepted", twisted);
    }

    #[test]
    fn any_order_of_honest_messages_is_survived(order in prop::collection::vec((0usize..7, any::<bool>()), 0..30)) {
        let script = script();
        let mut party = Party::new(0, open_policy());
        for (at, restart) in order {
            party.hear(script[at].clone());
            party.count();
            if restart {
                party.restart();
            }
            // Out of order is not wrong: it is early or late, and the coordinator asks again. (The result is left
            // out: it cannot come before the vector that is in it.)
            prop_assert!(party.refused.is_none(), "{:?}", party.refused);
        }
        for message in script {
            party.hear(message.clone());
            party.count();
        }
        prop_assert!(party.refused.is_none(), "{:?}", party.refused);
        let results = party.sent.iter().filter(|sent| matches!(sent, ToCoordinator::Unmask { .. })).collect::<Vec<_>>();
        prop_assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "answered once");
    }
}

#[test]
fn every_honest_message_fits_its_limit() {
    let limits = Limits::for_run(&crate::config::RunConfig::new(literal(4)).unwrap());
    for message in script() {
        let frame = message.to_frame();
        assert!(
            frame.payload().len() <= limits.of(frame.kind()),
            "{}",
            frame.kind()
        );
    }
}
