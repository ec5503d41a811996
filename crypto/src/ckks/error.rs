//! What can go wrong with approximate arithmetic.

use crate::hash::Digest;
use crate::ring::basis::BasisError;
use crate::rlwe::{CodecError, KeyId};

/// Why an operation is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CkksError {
    /// A number of the parameters that is out of range.
    #[error("{what} is {actual}, expected {least} to {most}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Its value.
        actual: u64,
        /// Smallest value.
        least: u64,
        /// Largest value.
        most: u64,
    },
    /// A modulus too large for the degree.
    #[error(
        "log2 QP of {actual:.1} bits is below 128-bit security at N = 2^{log_degree}, which allows {limit}"
    )]
    Security {
        /// `log2 N`.
        log_degree: u32,
        /// `log2 QP`.
        actual: f64,
        /// Largest `log2 QP` of the table.
        limit: f64,
    },
    /// No such ring.
    #[error(transparent)]
    Basis(#[from] BasisError),
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Parts of other parameters than the ones that they meet.
    #[error("{what} made for parameters {actual}, expected {expected}")]
    Parameters {
        /// What was given.
        what: &'static str,
        /// Digest of its parameters.
        actual: Digest,
        /// Digest of the parameters it meets.
        expected: Digest,
    },
    /// Parts of another key than the ones that they meet.
    #[error("{what} made under key {actual}, expected key {expected}")]
    Key {
        /// What was given.
        what: &'static str,
        /// Its key.
        actual: KeyId,
        /// The key expected.
        expected: KeyId,
    },
    /// A key that the plan of the evaluation keys did not ask for.
    #[error("no {key} up to level {level}: put it into the plan of the evaluation keys")]
    MissingKey {
        /// Which key.
        key: String,
        /// The level it is needed for.
        level: usize,
    },
    /// A level that is too low, too high, or not that of the other operand.
    #[error("{what} at level {actual}, expected {expected}")]
    Level {
        /// What was given.
        what: &'static str,
        /// Its level.
        actual: usize,
        /// The level expected.
        expected: usize,
    },
    /// No level left.
    #[error("{what} takes {needed} levels, and {actual} are left")]
    LevelsExhausted {
        /// What was asked for.
        what: &'static str,
        /// Levels left.
        actual: usize,
        /// Levels that it takes.
        needed: usize,
    },
    /// Scales that differ.
    #[error("{what} with a scale of 2^{actual_log2:.6}, expected 2^{expected_log2:.6}")]
    Scale {
        /// What was given.
        what: &'static str,
        /// `log2` of its scale.
        actual_log2: f64,
        /// `log2` of the scale expected.
        expected_log2: f64,
    },
    /// A ciphertext of three parts where two are expected, or the other way round.
    #[error("{what} of {actual} parts, expected {expected}: relinearise first")]
    Parts {
        /// What was given.
        what: &'static str,
        /// Its parts.
        actual: usize,
        /// Parts expected.
        expected: usize,
    },
    /// A vector of another length.
    #[error("{actual} {what}, expected {expected}")]
    Length {
        /// What the vector holds.
        what: &'static str,
        /// Length given.
        actual: usize,
        /// Length expected.
        expected: usize,
    },
    /// Numbers that are too large for their scale or modulus, or not finite. Their value is not told.
    #[error("{what} of 2^{actual_log2:.1} times the scale, which must stay below 2^{limit_log2:.1}")]
    Magnitude {
        /// What is too large.
        what: &'static str,
        /// `log2` of the largest, scale included.
        actual_log2: f64,
        /// `log2` of the limit.
        limit_log2: f64,
    },
}
