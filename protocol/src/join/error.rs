//! Why a join does not go on.

use hedgerow_crypto::align::AlignError;
use hedgerow_crypto::exact::ExactError;
use hedgerow_forest::binning::BinningError;

/// A join that cannot be planned or computed. Its texts tell sizes and places, never a key, a bin or a count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// A horizontal run.
    #[error("the run joins nothing")]
    NoJoin,
    /// A tree over two links in a run whose trees test one.
    #[error("tree {tree} tests columns of two links, the run has forest.links_per_tree = 1")]
    TwoLinks {
        /// Position of the tree.
        tree: usize,
    },
    /// The plan.
    #[error(transparent)]
    Plan(#[from] hedgerow_forest::join::JoinError),
    /// The schema.
    #[error(transparent)]
    Binning(#[from] BinningError),
    /// Encryption.
    #[error(transparent)]
    Exact(#[from] ExactError),
    /// Alignment.
    #[error(transparent)]
    Align(#[from] AlignError),
    /// The data engine.
    #[error("{0}")]
    Data(String),
    /// The data engine gave something that does not fit.
    #[error("{what}: expected {expected}, found {actual}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// What it should be.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The data are not those that were aligned.
    #[error(
        "the keys of the data have changed since they were aligned: a run needs the same data to its end"
    )]
    Changed,
    /// A message of the peer that is not what it should be.
    #[error("{what} of {length} bytes from the peer cannot be read")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Its length.
        length: usize,
    },
}
