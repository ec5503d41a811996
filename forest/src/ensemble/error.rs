//! What can be wrong with an ensemble.

/// An ensemble that cannot be used. Trees, nodes, features and targets are counted from 0; a node is named by its
/// position among the nodes of its tree.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnsembleError {
    /// More or fewer of something than is allowed.
    #[error("ensemble: {what}: expected {expected}, found {seen}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there may be.
        expected: String,
        /// How many there are.
        seen: usize,
    },
    /// A tree whose nodes are not a tree.
    #[error("ensemble: tree {tree}: {reason}")]
    Tree {
        /// The tree.
        tree: usize,
        /// What is wrong.
        reason: String,
    },
    /// A node that points nowhere, tests nothing that there is, or holds a number that is none.
    #[error("ensemble: tree {tree}, node {node}: {field}: expected {expected}, found {seen}")]
    Node {
        /// The tree.
        tree: usize,
        /// The node.
        node: usize,
        /// The field.
        field: &'static str,
        /// What would be right.
        expected: String,
        /// What is there.
        seen: String,
    },
    /// A node from which a path leads back to it.
    #[error("ensemble: tree {tree}, node {node}: a path from this node leads back to it, expected a tree")]
    Cycle {
        /// The tree.
        tree: usize,
        /// The node.
        node: usize,
    },
    /// A value beside the trees.
    #[error("ensemble: {field}: expected {expected}, found {seen}")]
    Value {
        /// The field.
        field: String,
        /// What would be right.
        expected: String,
        /// What is there.
        seen: String,
    },
}

impl EnsembleError {
    pub(crate) fn value(field: impl Into<String>, expected: impl ToString, seen: impl ToString) -> Self {
        Self::Value {
            field: field.into(),
            expected: expected.to_string(),
            seen: seen.to_string(),
        }
    }
}

/// Rows that an ensemble cannot score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rows of {expected} features: expected a multiple of {expected} values, found {seen}")]
pub struct RowsError {
    /// Features of the ensemble.
    pub expected: usize,
    /// Number of values.
    pub seen: usize,
}
