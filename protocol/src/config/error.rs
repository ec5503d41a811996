//! What is wrong with a configuration.

use super::JoinError;
use crate::ids::PartyId;

/// A configuration that nobody may act on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The bytes are no configuration.
    #[error("the configuration of {length} bytes cannot be read")]
    Unreadable {
        /// Bytes given.
        length: usize,
    },
    /// The bytes say the same as the canonical ones, differently.
    #[error("the configuration is not in its canonical form")]
    NotCanonical,
    /// A wrong number of parties.
    #[error("a run has 2 to {most} parties, not {actual}")]
    Parties {
        /// Parties given.
        actual: usize,
        /// Most parties.
        most: usize,
    },
    /// Two parties with one id.
    #[error("two parties have the id {party}")]
    Repeated {
        /// The id.
        party: PartyId,
    },
    /// Threshold too small or too large.
    #[error(
        "the Shamir threshold is {actual}; with {parties} parties and collusion {collusion} it must be {least} to {parties}"
    )]
    Threshold {
        /// Threshold given.
        actual: u32,
        /// Parties of the run.
        parties: u32,
        /// Collusion bound.
        collusion: u32,
        /// Smallest threshold above (parties + collusion) / 2.
        least: u32,
    },
    /// Minimum of survivors too small or too large.
    #[error("min_parties is {actual}; it must be {least} (threshold, collusion + 1) to {parties} (all)")]
    MinParties {
        /// Minimum given.
        actual: u32,
        /// Smallest allowed.
        least: u32,
        /// Parties of the run.
        parties: u32,
    },
    /// Noise without a bound on collusion: a party could subtract its own share of the noise.
    #[error("collusion is 0; with noise it must be at least 1")]
    NoCollusion,
    /// Privacy parameters out of range.
    #[error("privacy: {reason}")]
    Privacy {
        /// What is wrong.
        reason: String,
    },
    /// Schema or forest out of range.
    #[error("{what}: {reason}")]
    Model {
        /// `schema` or `forest`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The modulus cannot hold the totals.
    #[error(
        "the modulus {modulus} is too small: totals need more than {needed} (twice the declared {max_rows} rows and the noise's tail)"
    )]
    Modulus {
        /// Modulus given, in words.
        modulus: u128,
        /// `2 (max_rows + tail)`.
        needed: u128,
        /// Declared rows.
        max_rows: u64,
    },
    /// The join.
    #[error("join: {0}")]
    Join(#[from] JoinError),
    /// No rows declared, or more than totals can count.
    #[error("max_rows is {actual}; it must be 1 to {most}")]
    MaxRows {
        /// Bound given.
        actual: u64,
        /// Largest bound.
        most: u64,
    },
    /// Test fraction outside [0, 1).
    #[error("the test fraction is {actual}; it must be at least 0 and below 1")]
    TestFraction {
        /// Fraction given.
        actual: f64,
    },
    /// Too few aggregators.
    #[error("{actual} aggregators are named; collusion {collusion} needs at least {least}")]
    Aggregators {
        /// Aggregators given.
        actual: usize,
        /// Collusion bound.
        collusion: u32,
        /// Fewest.
        least: usize,
    },
    /// An aggregator that is not a party.
    #[error("the aggregator {party} is not a party of the run")]
    UnknownAggregator {
        /// Its id.
        party: PartyId,
    },
    /// A text that is empty or too long for a configuration.
    #[error("{what} is {actual} bytes long; at most {most} are allowed")]
    Text {
        /// Which text.
        what: &'static str,
        /// Bytes given.
        actual: usize,
        /// Most bytes.
        most: usize,
    },
    /// Tables larger than the protocol carries.
    #[error("one query has {actual} cells; at most {most} are carried")]
    Cells {
        /// Cells of the largest query.
        actual: usize,
        /// Most cells.
        most: usize,
    },
}
