//! What can go wrong with encrypted inner products.

use crate::rlwe::{CodecError, KeyId, ParamsError};

/// Why an encrypted inner product is refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExactError {
    /// Parameters of the ring.
    #[error(transparent)]
    Ring(#[from] ParamsError),
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A number of cells that does not divide a block.
    #[error("{actual} cells per answer, expected a power of two up to {largest}")]
    Cells {
        /// Cells given.
        actual: usize,
        /// Most cells.
        largest: usize,
    },
    /// A plaintext modulus that does not fit.
    #[error("plaintext modulus of at least {actual}, expected one below {limit}")]
    Plaintext {
        /// Smallest plaintext modulus that was asked for.
        actual: u64,
        /// What it must stay below.
        limit: u64,
    },
    /// Declared bounds that leave too little room for the flooding.
    #[error(
        "sums of up to {declared} leave {actual} bits of flooding over what it hides, expected {expected}: declare smaller sums, or fewer summands"
    )]
    Flooding {
        /// Largest sum of weights, or number of products.
        declared: u64,
        /// Bits of flooding over what it hides.
        actual: u32,
        /// Bits expected.
        expected: u32,
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
    /// A number at or above the plaintext modulus. The number is not told: it may be secret.
    #[error("{what} {index} is not below the plaintext modulus {modulus}")]
    NotReduced {
        /// What the vector holds.
        what: &'static str,
        /// Which number, from 0.
        index: usize,
        /// The plaintext modulus.
        modulus: u64,
    },
    /// Parts of other parameters than the ones that they meet.
    #[error("made for other parameters: {field} is {actual}, expected {expected}")]
    Parameters {
        /// What differs.
        field: &'static str,
        /// Its value.
        actual: u64,
        /// The value expected.
        expected: u64,
    },
    /// Parts of another key than the ones that they meet.
    #[error("made under key {actual}, expected key {expected}")]
    Key {
        /// Key given.
        actual: KeyId,
        /// Key expected.
        expected: KeyId,
    },
    /// More ciphertexts in one predicate, or products in one sum, than declared.
    #[error("{what} of more than the declared {declared} ciphertexts")]
    Summands {
        /// What was summed.
        what: &'static str,
        /// Number declared.
        declared: u32,
    },
    /// Weights that exceed what was declared. Their sum is not told.
    #[error("the weights of one answer exceed their declared sum {declared}")]
    Weights {
        /// Largest sum declared.
        declared: u64,
    },
}
