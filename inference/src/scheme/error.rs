//! What a scheme refuses.

use thiserror::Error;

/// An operation that the scheme cannot do; nothing was computed.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum SchemeError {
    /// A rescale at level 0: the chain of moduli is used up.
    #[error(
        "{operation}: no level is left; the plan must start at a higher level or refresh before this operation"
    )]
    LevelExhausted {
        /// The operation that needed a level.
        operation: &'static str,
    },
    /// Operands at different levels; `Scheme::align` brings the fresher one down.
    #[error("{operation}: operands at levels {left} and {right}; align the fresher one first")]
    LevelMismatch {
        /// The operation.
        operation: &'static str,
        /// Level of the first operand.
        left: usize,
        /// Level of the second operand.
        right: usize,
    },
    /// Operands at different scales: one of them waits for its rescale.
    #[error("{operation}: operands at scales 2^{left:.2} and 2^{right:.2}; rescale the larger one first")]
    ScaleMismatch {
        /// The operation.
        operation: &'static str,
        /// log2 of the first operand's scale.
        left: f64,
        /// log2 of the second operand's scale.
        right: f64,
    },
    /// Values that repeat with a period that is no power of two, or longer than the slots.
    #[error("values that repeat after {period} of {slots} slots: the period must be a power of two")]
    Period {
        /// The period asked for.
        period: usize,
        /// Slots there are.
        slots: usize,
    },
    /// Plaintexts that repeat among others that do not.
    #[error("{operation}: some plaintexts repeat over the slots and some do not; prepare all of a sum alike")]
    Mixed {
        /// The operation.
        operation: &'static str,
    },
    /// More values than slots.
    #[error("{values} values do not fit {slots} slots")]
    Slots {
        /// Values given.
        values: usize,
        /// Slots of a ciphertext.
        slots: usize,
    },
    /// Lists that must be of equal length are not.
    #[error("{operation}: {left} ciphertexts against {right} plaintexts")]
    Lengths {
        /// The operation.
        operation: &'static str,
        /// Length of the first list.
        left: usize,
        /// Length of the second list.
        right: usize,
    },
    /// A sum of nothing has no level.
    #[error("{operation}: an empty list of ciphertexts")]
    Empty {
        /// The operation.
        operation: &'static str,
    },
    /// The level asked for is above that of the ciphertext or of the chain.
    #[error("{operation}: level {asked} is above level {actual}")]
    LevelTooHigh {
        /// The operation.
        operation: &'static str,
        /// Level asked for.
        asked: usize,
        /// The highest level there is.
        actual: usize,
    },
    /// The client did not send the key for this operation.
    #[error("no evaluation key for {key}; the key set must be the plan's")]
    MissingKey {
        /// The key, in words.
        key: String,
    },
    /// What the back end itself refuses.
    #[error("{0}")]
    Backend(String),
}
