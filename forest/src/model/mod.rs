//! The finished forest and its file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::binning::{Binner, BinningError};
use crate::exact;
use crate::schema::Schema;
use crate::tree::Tree;

mod inspect;
mod json;

pub use json::{FORMAT, ModelError, VERSION};

/// A trained forest: all that is needed to score a row, and nothing that is not public.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// Columns, in the order that the trees' features count.
    pub schema: Schema,
    /// Value bins of a numeric column.
    pub bins: u16,
    /// Trees, all of one depth.
    pub trees: Arc<[Tree]>,
    /// `[trees, leaves]`: probability of the positive class in units of `2^-20`.
    pub leaf_values: Arc<[u32]>,
    /// A row is classified as positive if its score is at least this.
    pub threshold: f64,
    /// What was promised to the rows; `None` straight from growth.
    pub statement: Option<PrivacyStatement>,
}

/// What a model file says about privacy, in words and numbers for people; written by whoever ran the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyStatement {
    /// Mechanism, as "distributed discrete Gaussian" or "none".
    pub mechanism: String,
    /// What one unit of privacy is, as "row".
    pub unit: String,
    /// Neighbouring relation, as "add or remove one row".
    pub neighbours: String,
    /// Epsilon spent; `None` without differential privacy.
    #[serde(with = "exact::optional")]
    pub epsilon: Option<f64>,
    /// Delta; `None` without differential privacy.
    #[serde(with = "exact::optional")]
    pub delta: Option<f64>,
    /// zCDP parameter spent; `None` without differential privacy.
    #[serde(with = "exact::optional")]
    pub rho: Option<f64>,
    /// Number of parties that may collude with the coordinator without weakening the promise.
    pub collusion: u32,
    /// What else must be said: what is not protected, who learns what.
    pub notes: Vec<String>,
}

impl Forest {
    /// Levels of tests in every tree.
    pub fn depth(&self) -> u8 {
        self.trees.first().map_or(0, Tree::depth)
    }

    /// The binner of this model's schema and bins.
    ///
    /// # Errors
    /// A schema or number of bins changed so that it is no longer valid.
    pub fn binner(&self) -> Result<Binner, BinningError> {
        Binner::new(&self.schema, self.bins)
    }

    /// How many nodes test each feature, in the schema's order. Nodes that split nothing are not counted.
    pub fn feature_usage(&self) -> Vec<usize> {
        let mut usage = vec![0; self.schema.features.len()];
        for split in self
            .trees
            .iter()
            .flat_map(|tree| tree.splits())
            .filter(|split| !split.is_dummy())
        {
            if let Some(count) = usage.get_mut(usize::from(split.feature)) {
                *count += 1;
            }
        }
        usage
    }
}

#[cfg(test)]
mod tests;
