//! What can go wrong with signs.

use crate::rlwe::CodecError;

/// Why a sign is refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Parameters out of range.
    #[error("{what} is {actual}, expected {least} to {most}")]
    Range {
        /// What.
        what: &'static str,
        /// Its value.
        actual: u64,
        /// Smallest.
        least: u64,
        /// Largest.
        most: u64,
    },
    /// A key or a sample of another dimension.
    #[error("{actual} coefficients, expected {expected}")]
    Dimension {
        /// Coefficients given.
        actual: usize,
        /// Coefficients expected.
        expected: usize,
    },
    /// Noise that the digits do not bear.
    #[error("a sign would be wrong with a chance of 2^{actual:.0}, expected at most 2^{expected:.0}")]
    Failure {
        /// `log2` of the chance.
        actual: f64,
        /// `log2` of the largest that is accepted.
        expected: f64,
    },
}
