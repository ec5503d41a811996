//! Why a model cannot be evaluated, found before anything is encrypted.

use thiserror::Error;

/// What is wrong with a model, an input or a map.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Not an ONNX file.
    #[error("not an ONNX model: {0}")]
    Format(String),
    /// The file has no graph, no input or no output.
    #[error("the ONNX model has no {0}")]
    Missing(&'static str),
    /// An operator that encrypted evaluation does not have.
    #[error("node `{node}`: operator {operator} is not supported; {advice}")]
    Unsupported {
        /// Name of the node.
        node: String,
        /// The ONNX operator.
        operator: String,
        /// What to do.
        advice: &'static str,
    },
    /// An attribute or an input that the operator cannot have here.
    #[error("node `{node}` ({operator}): {what} is {actual}, expected {expected}")]
    Node {
        /// Name of the node.
        node: String,
        /// The ONNX operator.
        operator: String,
        /// The attribute or input.
        what: &'static str,
        /// What it is.
        actual: String,
        /// What it may be.
        expected: String,
    },
    /// A value that no earlier node makes.
    #[error(
        "node `{node}`: its input `{input}` is neither the model's input nor the output of an earlier node"
    )]
    Unknown {
        /// Name of the node.
        node: String,
        /// The missing value.
        input: String,
    },
    /// An activation that is no polynomial and was not calibrated.
    #[error("node `{node}`: {activation} is not a polynomial; calibrate the graph with sample inputs first")]
    NotCalibrated {
        /// Name of the node.
        node: String,
        /// The activation.
        activation: &'static str,
    },
    /// An input outside the interval on which a polynomial was fitted.
    #[error(
        "node `{node}`: value {value:.3} is outside [{low:.3}, {high:.3}], on which its polynomial was fitted; calibrate with inputs like this one, or widen the interval"
    )]
    Range {
        /// Name of the node.
        node: String,
        /// The value.
        value: f64,
        /// Lower end of the interval.
        low: f64,
        /// Upper end of the interval.
        high: f64,
    },
    /// Calibration without data.
    #[error("no sample inputs to calibrate with")]
    NoSamples,
    /// Vectors of the wrong length.
    #[error("expected {expected} values, got {actual}")]
    Sizes {
        /// Expected length.
        expected: usize,
        /// Actual length.
        actual: usize,
    },
    /// A matrix entry outside the matrix.
    #[error("column {column} of a map with {inputs} inputs")]
    Column {
        /// The column.
        column: usize,
        /// Inputs of the map.
        inputs: usize,
    },
    /// Weights that are not numbers.
    #[error("row {row} of a map has a weight that is not finite")]
    NotFinite {
        /// The row.
        row: usize,
    },
}
