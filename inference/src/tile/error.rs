//! What operations on tile tensors refuse.

use thiserror::Error;

use super::{ShapeError, TileShape};
use crate::scheme::SchemeError;

/// An operation that these shapes do not allow, or that the scheme refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TileError {
    /// The scheme refused.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// The result has no shape.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The tensor is not of the shape's sizes.
    #[error("the tensor is {actual:?}, the tile shape {shape} wants {expected:?}")]
    Sizes {
        /// Sizes of the tensor.
        actual: Vec<usize>,
        /// Sizes of the shape.
        expected: Vec<usize>,
        /// The shape.
        shape: TileShape,
    },
    /// Operands that cannot be combined slot by slot.
    #[error(
        "{operation}: {left} and {right} differ in dimension {dim}: tiles and interleaving must be equal, sizes equal or one of them duplicated"
    )]
    Incompatible {
        /// The operation.
        operation: &'static str,
        /// The left operand.
        left: TileShape,
        /// The right operand.
        right: TileShape,
        /// The dimension.
        dim: usize,
    },
    /// The operation needs something of a dimension that it does not have.
    #[error("{operation} over dimension {dim} of {shape}: {reason}")]
    Dimension {
        /// The operation.
        operation: &'static str,
        /// The shape.
        shape: TileShape,
        /// The dimension.
        dim: usize,
        /// What is missing, and what to do.
        reason: &'static str,
    },
    /// The operation does not act on real and imaginary parts alike.
    #[error("{operation} of {shape}, which is complex-packed: {reason}")]
    Complex {
        /// The operation.
        operation: &'static str,
        /// The shape.
        shape: TileShape,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The scheme's ciphertexts have another number of slots.
    #[error("{shape} has tiles of {expected} slots, the scheme's ciphertexts have {actual}")]
    Slots {
        /// The shape.
        shape: TileShape,
        /// Slots of its tiles.
        expected: usize,
        /// Slots of the scheme.
        actual: usize,
    },
}
