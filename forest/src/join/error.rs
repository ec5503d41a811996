//! What can be wrong with a join.

use crate::binning::BinningError;
use crate::query::{QueryError, QueryKind};

/// A join that cannot be planned or counted. The texts tell sizes and positions, never a bin, an entity or a count.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The schema or its bins.
    #[error(transparent)]
    Binning(#[from] BinningError),
    /// Trees and leaf values.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Only leaf counts are joined.
    #[error("join: expected a query of leaf counts, found one of {seen:?}")]
    Measure {
        /// What was asked.
        seen: QueryKind,
    },
    /// Only a query with leaf values gives scores.
    #[error("join: expected a query with leaf values, found one of {seen:?}")]
    NoLeafValues {
        /// What was asked.
        seen: QueryKind,
    },
    /// Gradients whose margins are of one part cannot be joined: nobody knows the margin of a joined row.
    #[error("join: gradients are joined only where margins are of two parts, one for each side")]
    OneMargin,
    /// Gradients are joined over one link.
    #[error("join: gradients are joined over exactly one link, the schema has {seen}")]
    Links {
        /// Links of the schema.
        seen: usize,
    },
    /// A tree of a query of gradients tests columns of both sides, or of another than said.
    #[error(
        "join: tree {tree} of a query of gradients tests columns of both sides, or of another than it says"
    )]
    TwoSides {
        /// Position of the tree.
        tree: usize,
    },
    /// Only the root's histograms of gradients are joined.
    #[error("join: expected histograms of gradients of all rows before any tree, found {seen:?}")]
    Histograms {
        /// What was asked.
        seen: QueryKind,
    },
    /// The binner was made for another schema.
    #[error("join: the binner has {seen} features, the schema has {expected}")]
    Features {
        /// Features of the schema.
        expected: usize,
        /// Features of the binner.
        seen: usize,
    },
    /// A test on a column that the schema does not have.
    #[error("join: tree {tree} tests feature {seen}, the schema has {expected}")]
    Feature {
        /// Position of the tree.
        tree: usize,
        /// The feature.
        seen: u16,
        /// Features of the schema.
        expected: usize,
    },
    /// A tree whose leaves would be conjunctions over two entities.
    #[error("join: tree {tree} tests columns of links {first:?} and {second:?}, expected of one")]
    TwoLinks {
        /// Position of the tree.
        tree: usize,
        /// One link.
        first: String,
        /// The other.
        second: String,
    },
    /// A tree over more links than two.
    #[error("join: tree {tree} tests columns of links {seen:?}, expected of at most two")]
    ManyLinks {
        /// Position of the tree.
        tree: usize,
        /// The links.
        seen: Vec<String>,
    },
    /// Entities can look too different to be told apart one by one.
    #[error("join: expected at most {most} profiles, the attributes have more")]
    Profiles {
        /// The bound.
        most: usize,
    },
    /// Lists that do not fit each other.
    #[error("join: {what}: expected {expected}, found {seen}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// What it should be.
        expected: usize,
        /// What it is.
        seen: usize,
    },
    /// Something there is not.
    #[error("join: {what} {seen}: there are {count}")]
    Range {
        /// What is asked for.
        what: &'static str,
        /// Its number.
        seen: usize,
        /// How many there are.
        count: usize,
    },
}

/// [`JoinError::Shape`] unless the two are equal.
pub(super) const fn expect(what: &'static str, expected: usize, seen: usize) -> Result<(), JoinError> {
    if expected == seen {
        Ok(())
    } else {
        Err(JoinError::Shape { what, expected, seen })
    }
}
