//! Why a plan cannot run.

use thiserror::Error;

use crate::scheme::SchemeError;

/// Why a plan cannot run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The scheme refused.
    #[error("node `{node}`: {source}")]
    Scheme {
        /// Name of the node.
        node: String,
        /// What the scheme said.
        source: SchemeError,
    },
    /// The plan is for another model.
    #[error("the plan is for model {expected}, this is model {actual}")]
    Model {
        /// Fingerprint in the plan.
        expected: String,
        /// Fingerprint of the model.
        actual: String,
    },
    /// The scheme has other slots or fewer levels than the plan.
    #[error(
        "the plan wants {expected_slots} slots and {expected_levels} levels, the scheme has {slots} and {levels}"
    )]
    Ring {
        /// Slots in the plan.
        expected_slots: usize,
        /// Levels in the plan.
        expected_levels: usize,
        /// Slots of the scheme.
        slots: usize,
        /// Levels of the scheme.
        levels: usize,
    },
    /// A number of ciphertexts other than the plan's.
    #[error("the plan takes {expected} input ciphertexts, got {actual}")]
    Inputs {
        /// Ciphertexts in the plan.
        expected: usize,
        /// Ciphertexts given.
        actual: usize,
    },
    /// More samples than the batch, or samples of another length.
    #[error("{what}: expected {expected}, got {actual}")]
    Samples {
        /// What is wrong.
        what: &'static str,
        /// What it should be.
        expected: usize,
        /// What it is.
        actual: usize,
    },
    /// A plan that is not consistent in itself, or not that of the model.
    #[error("node `{node}`: {reason}")]
    Plan {
        /// Name of the node.
        node: String,
        /// What does not fit.
        reason: String,
    },
    /// A plan of the other kind: for weights in the clear, or for encrypted ones.
    #[error("the plan is for {planned}, asked for {asked}")]
    Kind {
        /// What the plan is for.
        planned: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
}
