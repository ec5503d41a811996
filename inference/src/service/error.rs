//! What is wrong with bytes, rows or a wish.

use thiserror::Error;

/// Why a service or its client cannot go on. The machines add who it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// More bytes, or fewer, than were announced or allowed.
    #[error("{what}: {actual} bytes, {expected} {}", if *.exact { "expected" } else { "at most" })]
    Size {
        /// What has the size.
        what: &'static str,
        /// Bytes seen.
        actual: u64,
        /// Bytes allowed.
        expected: u64,
        /// Whether exactly so many are expected.
        exact: bool,
    },
    /// Bytes that mean nothing.
    #[error("{what}: {detail}")]
    Malformed {
        /// What they should be.
        what: &'static str,
        /// What the reader says.
        detail: String,
    },
    /// Something that belongs to somebody or something else.
    #[error("{what} of {actual}, expected those of {expected}")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// Whose it is.
        actual: String,
        /// Whose it should be.
        expected: String,
    },
    /// Rows that do not fit the model.
    #[error("{what}: {actual}, expected {expected}")]
    Rows {
        /// What is wrong with them.
        what: &'static str,
        /// What they have.
        actual: String,
        /// What the model wants.
        expected: String,
    },
    /// The evaluation failed.
    #[error("evaluation: {0}")]
    Evaluation(String),
}

impl ServiceError {
    /// Refuses more bytes than `most`.
    ///
    /// # Errors
    /// [`ServiceError::Size`].
    pub fn at_most(what: &'static str, actual: u64, most: u64) -> Result<(), Self> {
        if actual <= most {
            return Ok(());
        }
        Err(Self::Size {
            what,
            actual,
            expected: most,
            exact: false,
        })
    }

    /// Wraps what a reader says about bytes.
    pub fn malformed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Malformed {
            what,
            detail: error.to_string(),
        }
    }
}
