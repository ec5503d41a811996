//! A forest prepared for any mode: over bins, its leaves and their values, and what follows the trees.

use hedgerow_forest::ensemble::{Aggregate, Ensemble, Node};
use hedgerow_forest::export::json;

use super::binning::Binned;
use super::error::TreesError;
use super::leaves::{Leaf, MAX_LEAVES, Values, leaves};
use super::mode::Mode;
use super::modes::label_only::LabelOnly;
use super::plan::{KeyHolder, Options, Plan};

/// A forest prepared for any mode.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) binned: Binned,
    /// Those that a row can reach; none where structure is public.
    pub(super) leaves: Vec<Leaf>,
    pub(super) values: Values,
    pub(super) leaf_bits: u32,
    /// Levels of the deepest tree.
    pub(super) levels: usize,
    /// What the number of leaves is padded to, if the options say so.
    pub(super) leaf_bound: Option<usize>,
    /// Whose key an encrypted model is under.
    pub(super) key_holder: KeyHolder,
    /// What opened sums are multiples of.
    pub(super) unit: f64,
    /// What a score is compared with, if not by the model's own rule.
    pub(super) threshold: Option<f64>,
}

impl Prepared {
    /// Prepares a forest.
    pub(super) fn new(model: &Ensemble, mode: Mode, options: &Options) -> Result<Self, TreesError> {
        let mut leaf_bits = options.leaf_bits.clamp(2, 24);
        if mode == Mode::LabelOnly {
            leaf_bits = LabelOnly::leaf_bits(model, leaf_bits);
        }
        let mut binned = Binned::new(model, &options.edges, mode.levels())?;
        if mode.is_public() {
            // The client sees the nodes in the order of the text.
            binned.ensemble = parsed(&text(&binned.ensemble)?)?;
        }
        // Paths matter where they are hidden.
        let leaves = if mode.is_public() {
            Vec::new()
        } else {
            leaves(&binned).ok_or_else(|| unfit(mode, format!("more than {MAX_LEAVES} leaves")))?
        };
        let values = Values::new(&binned, leaf_bits);
        let aggregate = match model.parts().aggregate {
            Aggregate::Sum => 1.0,
            Aggregate::Average => model.trees() as f64,
        };
        Ok(Self {
            unit: values.unit / aggregate,
            levels: model.depths().iter().max().copied().unwrap_or(0),
            leaf_bound: options.leaf_bound,
            threshold: options.threshold,
            key_holder: options.key_holder,
            binned,
            leaves,
            values,
            leaf_bits,
        })
    }

    pub(super) fn trees(&self) -> usize {
        self.binned.ensemble.trees()
    }

    pub(super) fn targets(&self) -> usize {
        self.values.targets.len()
    }

    /// The smallest plaintext modulus that holds the sums of all trees, with either sign.
    pub(super) fn min_plaintext(&self) -> u64 {
        (self.trees() as u64) << self.leaf_bits | 1
    }

    /// What a plan says of the forest, with all sizes 0: modes fill them in.
    pub(super) fn plan(&self, mode: Mode, parameters: super::offer::Parameters) -> Plan {
        let (leaves, depth) = if mode.is_public() {
            (leaf_nodes(&self.binned.ensemble).len(), self.levels)
        } else {
            let conditions = self.leaves.iter().map(|leaf| leaf.conditions.len());
            (self.leaves.len(), conditions.max().unwrap_or(0))
        };
        Plan {
            mode,
            leakage: mode.leakage().to_owned(),
            trees: self.trees(),
            leaves,
            leaf_bound: leaves,
            depth,
            bits: 0,
            targets: self.targets(),
            leaf_bits: self.leaf_bits,
            exact_bins: self.binned.is_exact,
            parameters,
            rows: 1,
            ciphertexts: 0,
            answers: 0,
            request_bytes: 0,
            answer_bytes: 0,
            public_key_bytes: 0,
            evaluation_key_bytes: 0,
            download_bytes: 0,
            products: 0,
            key_switches: 0,
            bootstraps: 0,
            flooding_bits: 0,
            seconds: 0.0,
        }
    }
}

/// A forest that a mode does not fit.
pub(super) const fn unfit(mode: Mode, reason: String) -> TreesError {
    TreesError::DoesNotFit {
        mode,
        reason,
        fits: None,
    }
}

/// The leaf nodes of all trees, in the order of the nodes: their places in a request of public structure.
pub(super) fn leaf_nodes(ensemble: &Ensemble) -> Vec<u32> {
    let nodes = ensemble.parts().nodes.iter().enumerate();
    nodes
        .filter_map(|(at, node)| matches!(node, Node::Leaf { .. }).then_some(at as u32))
        .collect()
}

/// An ensemble from JSON.
pub(super) fn parsed(text: &str) -> Result<Ensemble, TreesError> {
    json::decode(text).map_err(|error| TreesError::Offer {
        what: "an ensemble",
        expected: "one that JSON holds".into(),
        actual: error.to_string(),
    })
}

/// An ensemble as JSON.
pub(super) fn text(ensemble: &Ensemble) -> Result<String, TreesError> {
    json::encode(ensemble).map_err(|error| TreesError::Offer {
        what: "an ensemble",
        expected: "one that JSON holds".into(),
        actual: error.to_string(),
    })
}
