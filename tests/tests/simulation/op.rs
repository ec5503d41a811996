//! What can go wrong, as a list that proptest writes and shrinks.

use hedgerow_protocol::coordinator::PhaseName;
use proptest::prelude::*;

use crate::network::Weather;

/// One misfortune. Parties are counted modulo the size of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Time passes.
    Wait {
        /// Milliseconds.
        ms: u16,
    },
    /// Time passes until the coordinator is in this phase, twenty seconds at most.
    Until {
        /// Which.
        phase: PhaseName,
    },
    /// The weather changes.
    Weather(Weather),
    /// A party is cut off.
    Cut {
        /// Who.
        party: u8,
        /// Milliseconds.
        ms: u16,
    },
    /// A party dies in the middle of doing its outputs, between one and the next, and comes back later.
    CrashParty {
        /// Who.
        party: u8,
        /// It does so many outputs more.
        after: u8,
        /// Milliseconds until it is back.
        down: u16,
    },
    /// The coordinator dies in the middle of doing its outputs, and comes back later.
    CrashCoordinator {
        /// It does so many outputs more.
        after: u8,
        /// Milliseconds until it is back.
        down: u16,
    },
    /// A message of the run so far arrives once more, out of any order.
    Replay {
        /// Which of those sent, modulo their number.
        which: u16,
    },
}

fn phases() -> impl Strategy<Value = PhaseName> {
    prop::sample::select(vec![
        PhaseName::Aligning,
        PhaseName::KeyCollection,
        PhaseName::ShareCollection,
        PhaseName::Upload,
        PhaseName::RowUpload,
        PhaseName::SurvivorVote,
        PhaseName::Unmasking,
        PhaseName::Publishing,
    ])
}

/// Lists of misfortunes.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let weather = (0u8..15, 0u8..25, 0u16..1500).prop_map(|(lost, doubled, jitter)| {
        Op::Weather(Weather {
            lost,
            doubled,
            jitter,
        })
    });
    let op = prop_oneof![
        3 => (1u16..600).prop_map(|ms| Op::Wait { ms }),
        1 => (2000u16..12_000).prop_map(|ms| Op::Wait { ms }),
        4 => phases().prop_map(|phase| Op::Until { phase }),
        2 => weather,
        2 => (any::<u8>(), 100u16..15_000).prop_map(|(party, ms)| Op::Cut { party, ms }),
        4 => (any::<u8>(), 0u8..8, 50u16..15_000)
            .prop_map(|(party, after, down)| Op::CrashParty { party, after, down }),
        4 => (0u8..40, 50u16..10_000).prop_map(|(after, down)| Op::CrashCoordinator { after, down }),
        2 => any::<u16>().prop_map(|which| Op::Replay { which }),
    ];
    prop::collection::vec(op, 0..24)
}
