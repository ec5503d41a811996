//! Why a file gives no ensemble.

use crate::ensemble::EnsembleError;

/// A file that cannot be imported. Tree and node ids are those of the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Not an ONNX file.
    #[error("ONNX file: {reason}")]
    Syntax {
        /// The reader's words.
        reason: String,
    },
    /// Too large to be read.
    #[error("ONNX file: expected at most {limit} bytes, found {seen}")]
    Size {
        /// Most bytes.
        limit: usize,
        /// Bytes there are.
        seen: usize,
    },
    /// An operator that is no part of what is imported.
    #[error("ONNX file: node {node:?}: operator {operator} is not supported; {advice}")]
    Operator {
        /// Name or output of the node.
        node: String,
        /// Operator, with its domain if that is not the default one.
        operator: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// An operator that is supported, but not in this place or with these attributes.
    #[error("ONNX file: node {node:?} ({operator}): {field}: expected {expected}, found {seen}")]
    Node {
        /// Name or output of the node.
        node: String,
        /// Operator.
        operator: String,
        /// Attribute or input.
        field: String,
        /// What would be right.
        expected: String,
        /// What is there.
        seen: String,
    },
    /// Inputs or outputs of the graph.
    #[error("ONNX file: graph: {field}: expected {expected}, found {seen}")]
    Graph {
        /// What of the graph.
        field: String,
        /// What would be right.
        expected: String,
        /// What is there.
        seen: String,
    },
    /// Trees that do not hold together.
    #[error("ONNX file: {0}")]
    Ensemble(#[from] EnsembleError),
}
