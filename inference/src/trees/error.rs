//! What can go wrong with an encrypted forest.

use hedgerow_crypto::exact::ExactError;
use hedgerow_crypto::sign::SignError;
use hedgerow_forest::ensemble::{EnsembleError, RowsError};

use super::mode::Mode;

/// Why a forest is not compiled, or a message is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreesError {
    /// The forest is too large for the mode.
    #[error("{mode} does not fit this forest: {reason}; {}", instead(.fits.as_ref()))]
    DoesNotFit {
        /// The mode asked for.
        mode: Mode,
        /// What is too large, and its limit.
        reason: String,
        /// A mode that fits.
        fits: Option<Mode>,
    },
    /// Parameters, ciphertexts or keys.
    #[error(transparent)]
    Exact(#[from] ExactError),
    /// Signs, or keys for them.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The forest, or its head.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// Rows of another width.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// An offer that does not hold together.
    #[error("offer: {what}: expected {expected}, found {actual}")]
    Offer {
        /// Which part.
        what: &'static str,
        /// What is expected.
        expected: String,
        /// What was found.
        actual: String,
    },
    /// A message of another length.
    #[error("{what} of {actual} bytes, expected {expected}")]
    Length {
        /// Which message.
        what: &'static str,
        /// Bytes given.
        actual: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// A message made for another version of the model.
    #[error("made for model {actual}, expected model {expected}: ask for the offer again")]
    Version {
        /// The beginning of the digest in the message.
        actual: String,
        /// That of the offer.
        expected: String,
    },
    /// An answer in which not every tree has one leaf.
    #[error("{actual} leaves of an answer are reached, expected {expected}")]
    Leaves {
        /// Leaves reached.
        actual: usize,
        /// Trees.
        expected: usize,
    },
}

fn instead(fits: Option<&Mode>) -> String {
    fits.map_or_else(
        || "no other mode fits it either".to_owned(),
        |mode| format!("{mode} fits"),
    )
}

/// A value of the forest's parts that is not as it must be.
pub(super) fn refused(field: &'static str, expected: impl ToString, seen: impl ToString) -> EnsembleError {
    EnsembleError::Value {
        field: field.into(),
        expected: expected.to_string(),
        seen: seen.to_string(),
    }
}
