//! What is asked of a plan, and why there is none.

use thiserror::Error;

use super::CostTable;
use crate::eval::EvalError;
use crate::graph::GraphError;

/// What the plan should be best at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objective {
    /// Seconds of one evaluation, and of the way of its input over a link of 1 Gbit/s.
    Latency,
    /// Seconds for each sample, with as many samples in a ciphertext as serve that.
    Throughput,
    /// Bytes in the server's memory.
    Memory,
    /// Bytes that the client sends and receives.
    Client,
}

/// How the input is packed. Each is searched on its own, as what a packing costs or spares shows in later layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packing {
    /// Once, as a vector or as a multiplexed image.
    Plain,
    /// Rows and columns interleaved over ciphertexts (HElayers).
    Interleaved,
    /// As the windows of the first convolution: im2col.
    Windows,
}

impl Packing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Interleaved, Self::Windows];
}

/// What is asked of a plan.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What to be best at.
    pub objective: Objective,
    /// Samples of one evaluation, at least.
    pub batch: usize,
    /// Bytes of keys and model in the server's memory, at most.
    pub max_memory: Option<u64>,
    /// log2 of the scale, at most; it shrinks to 26 where a smaller ring allows that.
    pub scale_bits: u32,
    /// log2 of the scale, at least.
    pub least_scale_bits: u32,
    /// Degree of the polynomials that will replace activations, where they are not there yet ([`outline`](super::outline)).
    pub degree: usize,
    /// Whether the model is encrypted too: by its owner, who then is the one that asks.
    pub encrypted_model: bool,
    /// How inputs of images may be packed; without one that is [`Packing::Plain`], there may be no plan.
    pub packings: Vec<Packing>,
    /// Costs of operations.
    pub costs: CostTable,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            objective: Objective::Latency,
            batch: 1,
            max_memory: None,
            scale_bits: 40,
            least_scale_bits: 26,
            degree: 2,
            encrypted_model: false,
            packings: Packing::ALL.to_vec(),
            costs: CostTable::default(),
        }
    }
}

/// Why there is no plan.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The graph cannot be evaluated.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The plan's own simulation refused: a defect of the planner.
    #[error("the plan does not run in simulation: {0}")]
    Simulation(#[from] EvalError),
    /// No ring has so many levels at 128 bits of security.
    #[error(
        "{levels} levels at a scale of 2^{scale_bits} do not fit any ring up to N = 2^16; this needs refreshing, which is not built, or a network of less depth"
    )]
    Depth {
        /// Levels that the network needs.
        levels: usize,
        /// log2 of the smallest scale.
        scale_bits: u32,
    },
    /// Every plan violates a constraint.
    #[error(
        "none of {candidates} candidates satisfies the constraints: {}",
        wish(.batch, .max_memory, .least)
    )]
    Constraints {
        /// Candidates seen.
        candidates: u64,
        /// The batch.
        batch: usize,
        /// The memory.
        max_memory: Option<u64>,
        /// The least memory of any plan, where there is one.
        least: Option<u64>,
    },
}

/// What was asked for, and what to ask for instead.
fn wish(batch: &usize, max_memory: &Option<u64>, least: &Option<u64>) -> String {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    match (max_memory, least) {
        (Some(most), Some(least)) => format!(
            "a batch of {batch} in {} MiB of memory, where the smallest plan takes {} MiB: allow so much",
            most >> 20,
            mib(*least)
        ),
        _ => format!("a batch of {batch}; ask for a smaller one, and several times"),
    }
}
