//! What two parties relay to each other through the coordinator.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::RoundId;

/// Longest plaintext of one relayed chunk in bytes.
pub const MAX_CHUNK_LEN: usize = 256 << 10;

/// What a relayed stream carries. A stream is (sender, receiver, channel): the two directions of a channel are
/// two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// The messages of alignment, both directions.
    Align,
    /// Attribute party to row party, once per run: its public key and encrypted profiles.
    Profiles,
    /// Attribute party to row party: encrypted predicates of a round, where profiles cost more.
    Predicates(RoundId),
    /// Row party to attribute party: masked, flooded answers of a round.
    Answers(RoundId),
    /// Attribute party to row party, once per model: encrypted profiles in slots, for scores.
    ScoreProfiles,
    /// A batch of private scores: the question there, the opened shares back.
    Score(u64),
    /// Row party to attribute party, chained runs: its map to the common order of a round.
    Order(RoundId),
    /// First attribute party of a chain to the second: its public key and encrypted predicates of a round.
    Chain(RoundId),
    /// Second attribute party of a chain to the row party: what it passes on of a round for the first party at this
    /// place of the run's list.
    Passed(RoundId, u32),
}

impl Channel {
    /// The round that the stream belongs to and ends with.
    #[must_use]
    pub fn round(self) -> Option<RoundId> {
        match self {
            Self::Predicates(round)
            | Self::Answers(round)
            | Self::Order(round)
            | Self::Chain(round)
            | Self::Passed(round, _) => Some(round),
            Self::Align | Self::Profiles | Self::ScoreProfiles | Self::Score(_) => None,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Align => f.write_str("alignment"),
            Self::Profiles => f.write_str("profiles"),
            Self::Predicates(round) => write!(f, "predicates of round {round}"),
            Self::Answers(round) => write!(f, "answers of round {round}"),
            Self::ScoreProfiles => f.write_str("profiles for scores"),
            Self::Score(batch) => write!(f, "scores {batch}"),
            Self::Order(round) => write!(f, "order of entities of round {round}"),
            Self::Chain(round) => write!(f, "chained predicates of round {round}"),
            Self::Passed(round, first) => write!(f, "passed predicates of party {first} of round {round}"),
        }
    }
}
