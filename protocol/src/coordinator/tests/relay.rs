//! What is relayed, and what is not.

use super::script::*;
use crate::coordinator::Relayed;
use crate::ids::RoundId;
use crate::party::tests::support::id;
use crate::wire::{Channel, MAX_CHUNK_LEN, ToCoordinator, ToParty};

/// Positions of the chunks that the party was sent.
fn chunks(script: &mut Script, index: usize) -> Vec<u32> {
    let heard = script.heard(index).into_iter();
    heard
        .filter_map(|message| match message {
            ToParty::Relayed { seq, .. } => Some(seq),
            _ => None,
        })
        .collect()
}

#[test]
fn a_chunk_that_was_asked_for_arrives_as_it_was_sent() {
    let mut script = Script::enrolled(1, 3);
    script.ack(2, 0, Channel::Align, 0);
    let heard = script.heard(0);
    assert!(heard.contains(&ToParty::RelayAcked {
        from: id(2),
        channel: Channel::Align,
        next: 0,
        again: true
    }));
    script.sent.clear();
    script.relay(0, 2, Channel::Align, 3);
    assert_eq!(
        script.sent,
        [(
            id(2),
            ToParty::Relayed {
                from: id(0),
                channel: Channel::Align,
                seq: 3,
                last: false,
                sealed: vec![0, 2],
            }
        )]
    );
    let relayed: Vec<_> = script.machine.relayed().map(|(_, _, relayed)| relayed).collect();
    assert_eq!(
        relayed,
        [Relayed {
            chunks: 1,
            bytes: 2,
            dropped: 0
        }]
    );
}

#[test]
fn nobody_is_flooded() {
    let mut script = Script::enrolled(1, 3);
    script.relay(0, 2, Channel::Align, 0);
    assert!(chunks(&mut script, 2).is_empty(), "CHK-054: not asked for");
    script.ack(2, 0, Channel::Align, 10);
    for seq in 8..30 {
        script.relay(0, 2, Channel::Align, seq);
    }
    assert_eq!(
        chunks(&mut script, 2),
        (10..26).collect::<Vec<_>>(),
        "CHK-054: the window"
    );
    script.relay(0, 2, Channel::Profiles, 10);
    assert!(chunks(&mut script, 2).is_empty(), "CHK-054: another stream");
    // The other direction is another stream too.
    script.relay(2, 0, Channel::Align, 10);
    assert!(chunks(&mut script, 0).is_empty());
    // A receiver that has lost its memory begins anew.
    script.ack(2, 0, Channel::Align, 0);
    script.relay(0, 2, Channel::Align, 0);
    assert_eq!(chunks(&mut script, 2), [0]);
    // However many streams somebody asks for, memory stays bounded, and the last ones are served.
    for batch in 0..1000 {
        script.ack(2, 0, Channel::Score(batch), 0);
    }
    script.sent.clear();
    script.relay(0, 2, Channel::Score(0), 0);
    script.relay(0, 2, Channel::Score(999), 0);
    assert_eq!(script.sent.len(), 1);
}

#[test]
fn only_counterparts_of_the_run_relay() {
    for (from, to) in [(0, 1), (2, 3), (2, 9)] {
        let mut script = Script::enrolled(2, 3);
        script.relay(from, to, Channel::Align, 0);
        assert_eq!(script.dropped.len(), 1, "CHK-054: {from} to {to}");
        let mut script = Script::enrolled(2, 3);
        script.ack(from, to, Channel::Align, 0);
        assert_eq!(script.dropped.len(), 1, "CHK-054: {from} to {to}");
    }
    let mut script = Script::enrolled(2, 3);
    script.ack(2, 0, Channel::Align, 0);
    script.say(
        0,
        ToCoordinator::Relay {
            to: id(2),
            channel: Channel::Align,
            seq: 0,
            last: false,
            sealed: vec![0; MAX_CHUNK_LEN + 17],
        },
    );
    assert_eq!(script.dropped.len(), 1, "CHK-054: too long");
}

#[test]
fn a_receiver_that_is_away_is_sent_nothing() {
    let mut script = Script::enrolled(1, 3);
    script.ack(2, 0, Channel::Align, 0);
    script.disconnect(2);
    script.sent.clear();
    script.relay(0, 2, Channel::Align, 0);
    script.ack(0, 2, Channel::Align, 0);
    assert!(script.sent.is_empty());
    script.connect(2);
    script.relay(0, 2, Channel::Align, 0);
    assert_eq!(chunks(&mut script, 2), [0]);
}

#[test]
fn streams_of_a_round_end_with_it() {
    let mut script = Script::joined(1, 3);
    let round = script.round();
    let later = RoundId {
        attempt: round.attempt + 1,
        ..round
    };
    for channel in [
        Channel::Answers(round),
        Channel::Answers(later),
        Channel::Profiles,
    ] {
        script.ack(2, 0, channel, 0);
        script.relay(0, 2, channel, 0);
    }
    assert_eq!(chunks(&mut script, 2).len(), 2);
}

#[test]
fn a_restarted_coordinator_is_told_again_what_is_wanted() {
    let mut script = Script::joined(1, 3);
    script.ack(2, 0, Channel::Profiles, 5);
    script.restart();
    script.sent.clear();
    script.relay(0, 2, Channel::Profiles, 5);
    assert!(chunks(&mut script, 2).is_empty());
    script.ack(2, 0, Channel::Profiles, 5);
    script.relay(0, 2, Channel::Profiles, 5);
    assert_eq!(chunks(&mut script, 2), [5]);
}

#[test]
fn nothing_is_relayed_before_or_after_the_run() {
    let mut script = Script::enrolled(1, 3);
    script.ack(2, 0, Channel::Align, 0);
    script.machine.handle_abort("enough", crate::time::Millis(1));
    script.sent.clear();
    script.relay(0, 2, Channel::Align, 0);
    assert!(chunks(&mut script, 2).is_empty());
}

/// CHK-054: along a chain, and between no other two attribute parties.
#[test]
fn attribute_parties_relay_in_chained_runs_only() {
    let round = RoundId::first_of(0);
    let mut script = Script::chained();
    script.ack(1, 0, Channel::Chain(round), 0);
    script.sent.clear();
    script.relay(0, 1, Channel::Chain(round), 0);
    assert_eq!(chunks(&mut script, 1), [0]);
    assert!(script.dropped.is_empty());
    let mut script = Script::enrolled(1, 3);
    script.ack(1, 2, Channel::Chain(round), 0);
    assert_eq!(script.dropped.len(), 1, "CHK-054");
}
