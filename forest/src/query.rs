//! What a growing forest asks: count the rows for which a public predicate holds, per class.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::table::TableShape;
use crate::tree::Tree;

mod axes;
mod gradients;
mod kind;
pub mod sides;

pub use axes::{Axes, BINS};
pub(crate) use gradients::norm;
pub use gradients::{Gradients, MAX_GRADIENT_BITS, MIN_GRADIENT_BITS};
pub use kind::QueryKind;
pub use sides::{GATE_BRANCHES, HAT_BITS, Hat, Knots, MAX_KNOTS};

/// Fixed-point probability 1: leaf values and scores are in units of `2^-20`.
pub const SCALE: u32 = 1 << 20;
/// Largest leaf value. Below [`SCALE`], so that the sum over 4096 trees fits a `u32`.
pub const MAX_LEAF_VALUE: u32 = SCALE - 1;

/// A table that is asked for: routes of a list of trees, and what is measured at their ends.
///
/// All trees have one depth, and the measure fits them; there is no other way to make or read a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedQuery")]
pub struct TableQuery {
    trees: Arc<[Tree]>,
    measure: Measure,
}

#[derive(Deserialize)]
#[serde(rename = "TableQuery", deny_unknown_fields)]
struct UncheckedQuery {
    trees: Arc<[Tree]>,
    measure: Measure,
}

impl TryFrom<UncheckedQuery> for TableQuery {
    type Error = QueryError;

    fn try_from(query: UncheckedQuery) -> Result<Self, QueryError> {
        Self::new(query.trees, query.measure)
    }
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Measure {
    /// Rows in every leaf of every tree: `[trees, leaves, classes]`.
    LeafCounts,
    /// Rows in every bin of the ensemble's score: `[bins, classes]`. Bin `b` of `B` holds the scores from `b/B` to
    /// below `(b+1)/B`.
    ScoreHistogram {
        /// `[trees, leaves]`, fixed point, at most [`MAX_LEAF_VALUE`].
        leaf_values: Arc<[u32]>,
        /// Bins of equal width over 0 to 1.
        bins: u16,
    },
    /// Rows in every leaf of every tree, by the slots of some features of each tree:
    /// `[trees, leaves, features per tree, slots, classes]`. The trees are those grown so far.
    Histograms(Axes),
    /// Sums of gradients in every leaf, `[trees, leaves, 2]`, or in the slots of some features of every leaf,
    /// `[trees, leaves, features per tree, slots, 2]`; signed. The trees are those that are growing.
    Gradients(Gradients),
}

/// A query that does not hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No tree, or too many.
    #[error("query: expected 1 to {most} trees, found {seen}")]
    Trees {
        /// The number found.
        seen: usize,
        /// [`crate::params::MAX_TREES`].
        most: u32,
    },
    /// Trees of several depths.
    #[error("query: tree {tree} has depth {seen}, the first has {expected}")]
    Depth {
        /// Position of the tree.
        tree: usize,
        /// Its depth.
        seen: u8,
        /// The first tree's depth.
        expected: u8,
    },
    /// Not one value per leaf.
    #[error("query: expected {expected} leaf values, found {seen}")]
    LeafValues {
        /// Trees times leaves.
        expected: usize,
        /// The number found.
        seen: usize,
    },
    /// A leaf value of probability 1 or more.
    #[error("query: leaf value {position} is {seen}, expected at most {MAX_LEAF_VALUE}")]
    LeafValue {
        /// Position in `[trees, leaves]`.
        position: usize,
        /// The value.
        seen: u32,
    },
    /// A histogram without bins.
    #[error("query: a score histogram needs at least one bin")]
    NoBins,
    /// Not the same number of features for each tree.
    #[error(
        "query: {seen} features for histograms of {trees} trees, expected as many for each, at least one"
    )]
    Features {
        /// Trees.
        trees: usize,
        /// Features listed.
        seen: usize,
    },
    /// A feature without a list of slots.
    #[error("query: histogram of feature {seen}, expected one of {expected}")]
    Feature {
        /// The feature.
        seen: u16,
        /// Features with slots.
        expected: usize,
    },
    /// A number of gradients out of range.
    #[error("query: gradients: {what}: expected {least} to {most}, found {seen}")]
    Gradients {
        /// Which number.
        what: &'static str,
        /// Its value.
        seen: i64,
        /// Smallest allowed.
        least: i64,
        /// Largest allowed.
        most: i64,
    },
    /// Slots out of range.
    #[error("query: {what} {seen}, expected at most {most}")]
    Slots {
        /// What it is.
        what: &'static str,
        /// The number.
        seen: usize,
        /// Largest allowed.
        most: usize,
    },
}

impl TableQuery {
    /// Leaf counts of `trees`.
    ///
    /// # Errors
    /// No tree, too many, or trees of several depths.
    pub fn leaf_counts(trees: Arc<[Tree]>) -> Result<Self, QueryError> {
        Self::new(trees, Measure::LeafCounts)
    }

    /// Histogram with `bins` bins of the score that `trees` and `leaf_values` give.
    ///
    /// # Errors
    /// As [`TableQuery::leaf_counts`]; leaf values of the wrong number or size; no bins.
    pub fn score_histogram(
        trees: Arc<[Tree]>,
        leaf_values: Arc<[u32]>,
        bins: u16,
    ) -> Result<Self, QueryError> {
        Self::new(trees, Measure::ScoreHistogram { leaf_values, bins })
    }

    /// Histograms of the leaves of `trees`, which may have no test at all.
    ///
    /// # Errors
    /// As [`TableQuery::leaf_counts`]; [`QueryError::Features`]; [`QueryError::Slots`] beyond
    /// [`crate::params::MAX_CELLS`].
    pub fn histograms(trees: Arc<[Tree]>, axes: Axes) -> Result<Self, QueryError> {
        Self::new(trees, Measure::Histograms(axes))
    }

    /// Sums of gradients in the leaves of `trees`, which may have no test at all.
    ///
    /// # Errors
    /// As [`TableQuery::histograms`], [`QueryError::Gradients`].
    pub fn gradients(trees: Arc<[Tree]>, gradients: Gradients) -> Result<Self, QueryError> {
        Self::new(trees, Measure::Gradients(gradients))
    }

    fn new(trees: Arc<[Tree]>, mut measure: Measure) -> Result<Self, QueryError> {
        let most = crate::params::MAX_TREES;
        let first = match trees.first() {
            Some(first) if trees.len() <= most as usize => first,
            _ => {
                return Err(QueryError::Trees {
                    seen: trees.len(),
                    most,
                });
            }
        };
        let (expected, leaves) = (first.depth(), first.leaves());
        if let Some((tree, other)) = trees
            .iter()
            .enumerate()
            .find(|(_, tree)| tree.depth() != expected)
        {
            return Err(QueryError::Depth {
                tree,
                seen: other.depth(),
                expected,
            });
        }
        if let Measure::Histograms(axes) = &mut measure {
            axes.check(trees.len(), leaves)?;
        }
        if let Measure::Gradients(gradients) = &mut measure {
            gradients.check(trees.len(), leaves)?;
        }
        if let Measure::ScoreHistogram { leaf_values, bins } = &measure {
            let expected = trees.len() * leaves;
            if leaf_values.len() != expected {
                return Err(QueryError::LeafValues {
                    expected,
                    seen: leaf_values.len(),
                });
            }
            if let Some((position, seen)) = leaf_values
                .iter()
                .enumerate()
                .find(|(_, value)| **value > MAX_LEAF_VALUE)
            {
                return Err(QueryError::LeafValue {
                    position,
                    seen: *seen,
                });
            }
            if *bins == 0 {
                return Err(QueryError::NoBins);
            }
        }
        Ok(Self { trees, measure })
    }

    /// The trees, all of one depth.
    pub const fn trees(&self) -> &Arc<[Tree]> {
        &self.trees
    }

    /// What is counted.
    pub const fn measure(&self) -> &Measure {
        &self.measure
    }

    /// Levels of tests in every tree.
    pub fn depth(&self) -> u8 {
        self.trees.first().map_or(0, Tree::depth)
    }

    /// Leaves of every tree, `2^depth`.
    pub fn leaves(&self) -> usize {
        1 << self.depth()
    }

    /// Dimensions of the answer.
    pub fn shape(&self) -> TableShape {
        match &self.measure {
            Measure::LeafCounts => TableShape::LeafCounts {
                trees: self.trees.len() as u32,
                leaves: self.leaves() as u32,
            },
            Measure::ScoreHistogram { bins, .. } => TableShape::ScoreHistogram { bins: *bins },
            Measure::Histograms(axes) => TableShape::Histograms {
                trees: self.trees.len() as u32,
                leaves: self.leaves() as u32,
                features: axes.per_tree(),
                slots: axes.slots(),
            },
            Measure::Gradients(gradients) => TableShape::Gradients {
                trees: self.trees.len() as u32,
                leaves: self.leaves() as u32,
                features: gradients.axes().map_or(1, Axes::per_tree),
                slots: gradients.axes().map_or(1, Axes::slots),
            },
        }
    }

    /// Number of cells of the answer.
    pub fn cells(&self) -> usize {
        self.shape().cells()
    }

    /// Which part of the budget pays.
    pub fn kind(&self) -> QueryKind {
        match &self.measure {
            Measure::LeafCounts => QueryKind::Leaves,
            Measure::ScoreHistogram { .. } => QueryKind::Threshold,
            Measure::Histograms(_) if self.depth() == 0 => QueryKind::Edges,
            Measure::Histograms(_) => QueryKind::Splits(self.depth()),
            Measure::Gradients(gradients) => QueryKind::Gradients {
                tree: gradients.trees().len() as u32,
                level: self.depth(),
            },
        }
    }

    /// Squared L2 sensitivity of the answer under adding or removing one row: it adds 1 to exactly one cell per tree
    /// (leaf counts), to one cell (histogram of scores), to one cell per tree and feature (histograms), or a
    /// clipped pair to two such cells (gradients).
    pub fn l2_squared_sensitivity_per_row(&self) -> u64 {
        let trees = self.trees.len() as u64;
        match &self.measure {
            Measure::LeafCounts => trees,
            Measure::ScoreHistogram { .. } => 1,
            Measure::Histograms(axes) => trees * u64::from(axes.per_tree()),
            Measure::Gradients(gradients) => gradients.l2_squared(trees),
        }
    }

    /// L1 sensitivity of the answer under adding or removing one row. But for gradients every cell changes by 1 or not
    /// at all, so it is the squared L2 sensitivity.
    pub fn l1_sensitivity_per_row(&self) -> u64 {
        match &self.measure {
            Measure::Gradients(gradients) => gradients.l1(self.trees.len() as u64),
            _ => self.l2_squared_sensitivity_per_row(),
        }
    }

    /// SHA-256 over the whole query in one fixed byte form: two queries with equal digests ask the same.
    pub fn digest_bytes(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"hedgerow-forest query v1\0");
        hash_trees(&self.trees, &mut hash);
        match &self.measure {
            Measure::LeafCounts => hash.update([0]),
            Measure::ScoreHistogram { leaf_values, bins } => {
                hash.update([1]);
                hash.update(bins.to_le_bytes());
                leaf_values
                    .iter()
                    .for_each(|value| hash.update(value.to_le_bytes()));
            }
            Measure::Histograms(axes) => {
                hash.update([2]);
                axes.update(&mut hash);
            }
            Measure::Gradients(gradients) => {
                hash.update([3]);
                gradients.update(&mut hash);
            }
        }
        hash.finalize().into()
    }
}

/// All trees in one fixed byte form.
fn hash_trees(trees: &[Tree], hash: &mut Sha256) {
    hash.update((trees.len() as u64).to_le_bytes());
    hash.update([trees.first().map_or(0, Tree::depth)]);
    for split in trees.iter().flat_map(|tree| tree.splits()) {
        hash.update(split.feature.to_le_bytes());
        split
            .right
            .words()
            .iter()
            .for_each(|word| hash.update(word.to_le_bytes()));
    }
}

#[cfg(test)]
mod tests;
