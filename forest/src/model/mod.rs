//! The finished forest and its file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::binning::{Binner, BinningError};
use crate::exact;
use crate::logistic;
use crate::query::SCALE;
use crate::schema::Schema;
use crate::tree::Tree;

mod inspect;
mod json;
mod pretty;

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
    /// `[trees, leaves]`: what [`Output`] says, at most [`crate::query::MAX_LEAF_VALUE`].
    pub leaf_values: Arc<[u32]>,
    /// What the leaf values are, and how their sum becomes a score.
    pub output: Output,
    /// A row is classified as positive if its score is at least this.
    pub threshold: f64,
    /// What was promised to the rows; `None` straight from growth.
    pub statement: Option<PrivacyStatement>,
}

/// What a forest's leaf values are. Either way the values of a row's leaves are added up as they are, by whoever adds
/// them and however encrypted, and the sum becomes a score in the end ([`Output::score`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Output {
    /// Probabilities of the positive class in units of `2^-20`; the score is their mean.
    #[default]
    Probability,
    /// Log-odds in units of `2^-16`, plus [`LOG_ODDS_ZERO`] so that they are not below 0. The score is
    /// `1 / (1 + exp(-margin))` with the margin `base` plus the sum of all leaves' log-odds: exactly
    /// [`crate::logistic::probability`], whose bits are the same on every machine.
    LogOdds {
        /// Log-odds of a row before any tree, in units of `2^-16`; at most [`MAX_BASE`] from 0.
        base: i32,
    },
}

/// The leaf value that stands for log-odds of 0.
pub const LOG_ODDS_ZERO: u32 = SCALE / 2;
/// Largest absolute value of a base margin: 16, in units of `2^-16`.
pub const MAX_BASE: i32 = 1 << 20;

impl Output {
    /// The margin of a row, in units of `2^-16`: of log-odds the sum of base and leaves, where `sum` is that of the
    /// stored values of its leaves in so many `trees`. `None` if values are probabilities.
    pub fn margin(&self, sum: u64, trees: usize) -> Option<i64> {
        match self {
            Self::Probability => None,
            Self::LogOdds { base } => {
                let zero = trees as i64 * i64::from(LOG_ODDS_ZERO);
                Some(i64::try_from(sum).unwrap_or(i64::MAX).saturating_sub(zero) + i64::from(*base))
            }
        }
    }

    /// The score of a row, 0 to 1, from the sum of the stored values of its leaves in so many `trees`.
    pub fn score(&self, sum: u64, trees: usize) -> f64 {
        match self.margin(sum, trees) {
            Some(margin) => logistic::probability(margin),
            None => sum as f64 / (trees as f64 * f64::from(SCALE)),
        }
    }
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
