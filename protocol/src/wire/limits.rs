//! Kinds of frames and how long each may be.

use std::fmt;

use hedgerow_crypto::seal::OVERHEAD;

use super::{MAX_CHUNK_LEN, WireError};
use crate::config::{MAX_PARTIES, RunConfig};
use crate::ids::MAX_PARTY_ID_LEN;

/// Most cells of one query: two classes for each of the most leaves of a forest.
pub const MAX_CELLS: usize = 1 << 23;
/// Longest certificate in bytes (DER).
pub const MAX_CERTIFICATE_LEN: usize = 8 * 1024;
/// Longest sealed share or seed in bytes.
pub const MAX_SEALED_LEN: usize = 512;

/// Before a run is known: enough for a configuration with thousands of categories.
const CONTROL: usize = 4 << 20;
/// Postcard's longest variable-length integer and similar small parts.
const SMALL: usize = 128;
const KEYS: usize = 256;
const SIGNATURE: usize = 96;
const NAME: usize = MAX_PARTY_ID_LEN + 2;
/// Longest `i64` of postcard.
const TOTAL: usize = 10;

macro_rules! kinds {
    ($($name:ident = $code:literal $text:literal)*) => {
        /// What a frame carries: one kind per message. The high bit tells the direction (set: to the
        /// coordinator).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $(
                #[doc = $text]
                $name = $code,
            )*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Self::$name),*];

            /// The kind of a code.
            ///
            /// # Errors
            /// [`WireError::Kind`] for a code that nobody uses.
            pub fn from_code(code: u8) -> Result<Self, WireError> {
                match code {
                    $($code => Ok(Self::$name),)*
                    actual => Err(WireError::Kind { actual }),
                }
            }

            /// Its code in the header.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => stringify!($name)),* })
            }
        }
    };
}

kinds! {
    Welcome = 0x01 "The configuration of the run."
    Participants = 0x02 "Who takes part."
    RoundStart = 0x03 "A round begins."
    KeyList = 0x04 "The keys of the round."
    ShareInbox = 0x05 "Shares sealed to the recipient."
    Survivors = 0x06 "Whose vectors are summed."
    SurvivorProof = 0x07 "Signatures under the survivors."
    RoundResult = 0x08 "The totals of the round."
    Finished = 0x09 "The run is complete."
    Failed = 0x0a "The run is over without a model."
    Align = 0x0b "Parties of a joined run find their common entities."
    Joined = 0x0c "Whose attributes and rows are joined."
    Relayed = 0x0d "A sealed chunk of another party."
    RelayAcked = 0x0e "How far another party has received."
    Fixed = 0x0f "Which attribute parties are in the sum."
    Closed = 0x10 "Nothing more is asked of the party."
    Hello = 0x81 "Versions that the party speaks."
    Enrol = 0x82 "The party takes part."
    Refuse = 0x83 "The party does not take part."
    RoundKeys = 0x84 "The party's two keys of the round."
    Shares = 0x85 "Shares sealed to others."
    Masked = 0x86 "The party's masked vector."
    SurvivorSignature = 0x87 "The party's signature under the survivors."
    Unmask = 0x88 "Shares that the sum needs."
    AggregatorSum = 0x89 "The sum of an aggregator's shares."
    Done = 0x8a "The party has the model."
    Aligned = 0x8b "Whose entities the party is aligned with."
    Relay = 0x8c "A sealed chunk for another party."
    RelayAck = 0x8d "How far the party has received."
}

/// How long the payload of each kind may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    parties: usize,
    vector: usize,
    totals: usize,
    chunk: usize,
}

impl Limits {
    /// Before the configuration is known: no vectors at all.
    #[must_use]
    pub const fn control() -> Self {
        Self {
            parties: MAX_PARTIES,
            vector: 0,
            totals: 0,
            chunk: 0,
        }
    }

    /// For the messages of one run.
    #[must_use]
    pub fn for_run(config: &RunConfig) -> Self {
        let cells = crate::privacy::largest_query(config).min(MAX_CELLS);
        Self {
            parties: config.parties.len(),
            vector: cells.saturating_mul(config.modulus.word_bytes()),
            totals: cells.saturating_mul(TOTAL),
            chunk: config.join().map_or(0, |_| MAX_CHUNK_LEN + OVERHEAD),
        }
    }

    /// So many bytes for each party, its name apart.
    const fn each(&self, bytes: usize) -> usize {
        SMALL.saturating_add(self.parties.saturating_mul(NAME + bytes))
    }

    /// Longest payload of a kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Welcome => CONTROL,
            Kind::Refuse | Kind::Failed => 64 << 10,
            Kind::Enrol => MAX_CERTIFICATE_LEN + SIGNATURE + KEYS + SMALL,
            Kind::Participants => self.each(MAX_CERTIFICATE_LEN + SIGNATURE + KEYS),
            Kind::KeyList => self.each(KEYS),
            Kind::ShareInbox | Kind::Shares => self.each(MAX_SEALED_LEN),
            Kind::Survivors | Kind::Joined | Kind::Fixed => self.each(0),
            Kind::Aligned => self.each(TOTAL),
            Kind::Relay | Kind::Relayed => NAME + SMALL + self.chunk,
            Kind::RelayAck | Kind::RelayAcked => NAME + SMALL,
            Kind::SurvivorProof => self.each(SIGNATURE + NAME + MAX_SEALED_LEN),
            Kind::Unmask => self.each(NAME + 2 * MAX_SEALED_LEN),
            Kind::RoundResult => self.each(0).saturating_add(self.totals),
            Kind::Masked => self
                .each(MAX_SEALED_LEN)
                .saturating_add(SIGNATURE)
                .saturating_add(self.vector),
            Kind::AggregatorSum => SMALL.saturating_add(self.vector),
            Kind::RoundKeys => KEYS + NAME + SMALL,
            Kind::RoundStart
            | Kind::Finished
            | Kind::Hello
            | Kind::SurvivorSignature
            | Kind::Done
            | Kind::Align
            | Kind::Closed => 2 * SMALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_kinds_are_one_to_one() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Ok(*kind));
        }
        let known = Kind::ALL.iter().map(|kind| kind.code()).collect::<Vec<_>>();
        for code in 0..=u8::MAX {
            assert_eq!(
                Kind::from_code(code).is_ok(),
                known.contains(&code),
                "CHK-047 {code:#04x}"
            );
        }
    }

    #[test]
    fn before_a_run_is_known_no_frame_may_be_large() {
        for kind in Kind::ALL {
            assert!(Limits::control().of(*kind) <= CONTROL, "CHK-048 {kind}");
        }
    }
}
