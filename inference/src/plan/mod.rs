//! Plans: which layout, which split, which ring, which levels; and the search for the cheapest.
//!
//! ```
//! use hedgerow_inference::graph::Graph;
//! use hedgerow_inference::plan::{Asked, Objective, plan};
//!
//! let model = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/networks/mlp.onnx"))?;
//! let graph = Graph::from_onnx(&model)?.simplify()?;
//! let latency = plan(&graph, &Asked::default())?;
//! println!("{latency}");
//! assert_eq!(latency.input_ciphertexts(), 1);
//! let batch = plan(&graph, &Asked { batch: 512, ..Asked::default() })?;
//! assert!(batch.predicted.seconds / 512.0 < latency.predicted.seconds);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asked;
mod batches;
mod candidates;
mod compared;
mod cost;
mod finish;
mod geometry;
mod images;
mod measure;
mod outline;
mod partial;
mod ring;
mod search;
mod structure;
#[cfg(test)]
mod tests;
mod text;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use asked::{Asked, Objective, Packing, PlanError};
pub use compared::Compared;
pub use cost::{CostError, CostTable, Prediction, Sample};
pub use measure::{Clock, measure};
pub use outline::{Algorithm, Masks, OutlinePlan, OutlineStep, Refresh, outline};
pub use ring::Ring;
pub use search::plan;
pub use structure::NodeShape;
pub(crate) use structure::{MAX_ROUNDS, complete, masks, structure};

use crate::graph::{Graph, Operator, Polynomial};
use crate::linear::{Fold, Grid, Layout, Order, Steps};
use crate::scheme::{KeySet, Tally};

/// How one node is computed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StepKind {
    /// The input, as the client packs it.
    Input,
    /// An affine map by diagonals.
    Linear {
        /// The operand's node.
        source: usize,
        /// Partial sums.
        fold: Fold,
        /// Baby and giant steps.
        steps: Steps,
    },
    /// A polynomial of every slot.
    Polynomial {
        /// The operand's node.
        source: usize,
    },
    /// Sum, difference or product of two nodes of the same layout.
    Binary {
        /// Node of the first operand.
        left: usize,
        /// Node of the second operand.
        right: usize,
    },
}

/// One node of the plan, in the order of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// Name of the node.
    pub name: String,
    /// How it is computed.
    pub kind: StepKind,
    /// Where the elements of the result are.
    pub layout: Layout,
    /// Level of the result.
    pub level: usize,
}

/// A compiled plan: data, without weights. That of an encrypted model says what its nodes compute, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format.
    pub version: u32,
    /// Name of the model.
    pub name: String,
    /// Fingerprint of the model that was planned: [`fingerprint`]. Empty for an encrypted model.
    pub model: String,
    /// Degree, primes and digits.
    pub ring: Ring,
    /// Samples in a ciphertext.
    pub lanes: usize,
    /// How often an evaluation takes so many: tiles along the batch, which share weights and keys.
    #[serde(default = "once")]
    pub rounds: usize,
    /// Which of sample and position changes from slot to slot.
    pub order: Order,
    /// Whether the client sends the input's ciphertexts two in one, as real and imaginary parts; the first layers take them
    /// apart as they multiply.
    #[serde(default, skip_serializing_if = "is_false")]
    pub paired: bool,
    /// One step for each node.
    pub steps: Vec<Step>,
    /// For an encrypted model, what its nodes compute: all that its server is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<Vec<NodeShape>>,
    /// Operations of one evaluation, and the keys that the client makes.
    pub tally: Tally,
    /// What it should cost.
    pub predicted: Prediction,
    /// How many candidates the search looked at.
    pub candidates: u64,
    /// What each layer would cost by every algorithm that was looked at.
    #[serde(default)]
    pub compared: Vec<Compared>,
}

/// Rounds of a plan that was written before there were several.
const fn once() -> usize {
    1
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Version of the plan format.
pub const VERSION: u32 = 3;

impl Plan {
    /// Positions of a ciphertext: slots for each lane.
    pub fn positions(&self) -> usize {
        self.ring.slots() / self.lanes
    }

    /// How positions and samples share the slots.
    pub fn grid(&self) -> Grid {
        Grid {
            positions: self.positions(),
            lanes: self.lanes,
            order: self.order,
        }
    }

    /// Samples of one evaluation.
    pub fn batch(&self) -> usize {
        self.lanes * self.rounds
    }

    /// Ciphertexts of one input, of all rounds, as the client sends them.
    pub fn input_ciphertexts(&self) -> usize {
        let tiles = self
            .steps
            .first()
            .map_or(0, |step| step.layout.tiles(self.positions()));
        self.rounds * tiles.div_ceil(1 + usize::from(self.paired))
    }

    /// Whether a node computes with ciphertexts that hold two of its operand's.
    pub(crate) fn takes_pairs(&self, i: usize) -> bool {
        let kind = self.steps.get(i).map(|step| &step.kind);
        self.paired && matches!(kind, Some(StepKind::Linear { source: 0, .. }))
    }

    /// Ciphertexts of one output, of all rounds.
    pub fn output_ciphertexts(&self) -> usize {
        self.steps
            .last()
            .map_or(0, |step| self.rounds * step.layout.tiles(self.positions()))
    }

    /// Bytes of an encrypted model as its owner sends it, once: fresh ciphertexts.
    pub fn model_upload_bytes(&self) -> u64 {
        let levels = crate::eval::weight_levels(self).unwrap_or_default();
        levels.into_iter().map(|level| self.ring.fresh_bytes(level)).sum()
    }

    /// The keys that the server needs.
    pub fn keys(&self) -> &KeySet {
        &self.tally.keys
    }

    /// A name for the plan: SHA-256 over what it says about the computation, not over predictions.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!(
            "{:?}",
            (
                self.version,
                &self.model,
                &self.ring,
                self.lanes,
                self.rounds,
                self.order,
                &self.steps,
                &self.structure,
                &self.tally
            )
        ));
        if self.paired {
            hash.update(b"paired");
        }
        hex(&hash.finalize())
    }

    /// What differs between two plans, a line for each difference; empty where they compute alike.
    pub fn diff(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut differ = |what: &str, a: String, b: String| {
            if a != b {
                lines.push(format!("{what}: {a} -> {b}"));
            }
        };
        differ("model", self.model.clone(), other.model.clone());
        let kind = |plan: &Self| plan.structure.is_some().to_string();
        differ("encrypted model", kind(self), kind(other));
        differ("ring", self.ring.to_string(), other.ring.to_string());
        differ("lanes", self.lanes.to_string(), other.lanes.to_string());
        differ("rounds", self.rounds.to_string(), other.rounds.to_string());
        differ("order", format!("{:?}", self.order), format!("{:?}", other.order));
        let paired = |plan: &Self| plan.paired.to_string();
        differ("two inputs in a ciphertext", paired(self), paired(other));
        differ("operations", self.tally.to_string(), other.tally.to_string());
        let keys = |plan: &Self| plan.keys().rotations.len().to_string();
        differ("rotation keys", keys(self), keys(other));
        for i in 0..self.steps.len().max(other.steps.len()) {
            let show = |plan: &Self| {
                plan.steps.get(i).map_or_else(
                    || "none".into(),
                    |s| format!("{} at level {} {:?}", s.layout, s.level, s.kind),
                )
            };
            let name = self
                .steps
                .get(i)
                .or(other.steps.get(i))
                .map_or("", |s| s.name.as_str());
            differ(name, show(self), show(other));
        }
        lines
    }
}

/// SHA-256 over everything that determines what a model computes.
pub fn fingerprint(graph: &Graph) -> String {
    let mut hash = Sha256::new();
    hash.update(b"hedgerow graph 1");
    for node in graph.nodes() {
        hash.update((node.shape.len() as u64).to_le_bytes());
        for &n in node.shape.iter().chain(&node.inputs) {
            hash.update((n as u64).to_le_bytes());
        }
        match &node.operator {
            Operator::Affine(map) => {
                for r in 0..map.outputs() {
                    hash.update(map.bias()[r].to_le_bytes());
                    for (c, v) in map.row(r) {
                        hash.update(c.to_le_bytes());
                        hash.update(v.to_le_bytes());
                    }
                }
            }
            Operator::Polynomial(Polynomial::Powers(c)) => {
                hash.update(b"powers");
                c.iter().for_each(|c| hash.update(c.to_le_bytes()));
            }
            Operator::Polynomial(Polynomial::Chebyshev {
                low,
                high,
                coefficients,
            }) => {
                hash.update(b"chebyshev");
                [low, high]
                    .into_iter()
                    .chain(coefficients)
                    .for_each(|c| hash.update(c.to_le_bytes()));
            }
            other => hash.update(format!("{other:?}")),
        }
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
