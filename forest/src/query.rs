//! What a growing forest asks: count the rows for which a public predicate holds, per class.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::table::TableShape;
use crate::tree::Tree;

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
}

/// Which step of growth a query belongs to: what the privacy budget is divided among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QueryKind {
    /// Leaf counts.
    Leaves,
    /// The histogram that the decision threshold comes from.
    Threshold,
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

    fn new(trees: Arc<[Tree]>, measure: Measure) -> Result<Self, QueryError> {
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
        }
    }

    /// Number of cells of the answer.
    pub fn cells(&self) -> usize {
        self.shape().cells()
    }

    /// Which part of the budget pays.
    pub const fn kind(&self) -> QueryKind {
        match self.measure {
            Measure::LeafCounts => QueryKind::Leaves,
            Measure::ScoreHistogram { .. } => QueryKind::Threshold,
        }
    }

    /// Squared L2 sensitivity of the answer under adding or removing one row: it adds 1 to exactly one cell per tree
    /// (leaf counts), or to one cell (histogram).
    pub fn l2_squared_sensitivity_per_row(&self) -> u64 {
        match self.measure {
            Measure::LeafCounts => self.trees.len() as u64,
            Measure::ScoreHistogram { .. } => 1,
        }
    }

    /// SHA-256 over the whole query in one fixed byte form: two queries with equal digests ask the same.
    pub fn digest_bytes(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"hedgerow-forest query v1\0");
        hash.update((self.trees.len() as u64).to_le_bytes());
        hash.update([self.depth()]);
        for split in self.trees.iter().flat_map(|tree| tree.splits()) {
            hash.update(split.feature.to_le_bytes());
            split
                .right
                .words()
                .iter()
                .for_each(|word| hash.update(word.to_le_bytes()));
        }
        match &self.measure {
            Measure::LeafCounts => hash.update([0]),
            Measure::ScoreHistogram { leaf_values, bins } => {
                hash.update([1]);
                hash.update(bins.to_le_bytes());
                leaf_values
                    .iter()
                    .for_each(|value| hash.update(value.to_le_bytes()));
            }
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{BinSet, Split};

    fn trees(depths: &[u8]) -> Arc<[Tree]> {
        let tree = |depth: &u8| Tree::new(*depth, vec![Split::DUMMY; (1 << depth) - 1]).unwrap();
        depths.iter().map(tree).collect()
    }

    #[test]
    fn shapes_and_sensitivity() {
        let leaves = TableQuery::leaf_counts(trees(&[3, 3])).unwrap();
        assert_eq!(leaves.shape(), TableShape::LeafCounts { trees: 2, leaves: 8 });
        assert_eq!((leaves.cells(), leaves.kind()), (32, QueryKind::Leaves));
        assert_eq!(leaves.l2_squared_sensitivity_per_row(), 2);
        let scores = TableQuery::score_histogram(trees(&[3, 3]), vec![7; 16].into(), 10).unwrap();
        assert_eq!((scores.cells(), scores.kind()), (20, QueryKind::Threshold));
        assert_eq!(scores.l2_squared_sensitivity_per_row(), 1);
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let values = |n: usize| -> Arc<[u32]> { vec![0; n].into() };
        assert_eq!(
            TableQuery::leaf_counts(trees(&[])),
            Err(QueryError::Trees {
                seen: 0,
                most: crate::params::MAX_TREES
            })
        );
        assert_eq!(
            TableQuery::leaf_counts(trees(&[2, 3])),
            Err(QueryError::Depth {
                tree: 1,
                seen: 3,
                expected: 2
            })
        );
        assert_eq!(
            TableQuery::score_histogram(trees(&[2]), values(5), 4),
            Err(QueryError::LeafValues { expected: 4, seen: 5 })
        );
        assert_eq!(
            TableQuery::score_histogram(trees(&[2]), values(4), 0),
            Err(QueryError::NoBins)
        );
        assert_eq!(
            TableQuery::score_histogram(trees(&[1]), vec![0, SCALE].into(), 4),
            Err(QueryError::LeafValue {
                position: 1,
                seen: SCALE
            })
        );
    }

    #[test]
    fn the_digest_sees_every_part() {
        let base = trees(&[1, 1]);
        let mut split: Vec<Tree> = base.to_vec();
        split[1] = Tree::new(
            1,
            vec![Split {
                feature: 0,
                right: BinSet::range(9, 9),
            }],
        )
        .unwrap();
        let mut feature = split.clone();
        feature[1] = Tree::new(
            1,
            vec![Split {
                feature: 1,
                right: BinSet::range(9, 9),
            }],
        )
        .unwrap();
        let queries = [
            TableQuery::leaf_counts(Arc::clone(&base)),
            TableQuery::leaf_counts(trees(&[1])),
            TableQuery::leaf_counts(trees(&[2, 2])),
            TableQuery::leaf_counts(split.into()),
            TableQuery::leaf_counts(feature.into()),
            TableQuery::score_histogram(Arc::clone(&base), vec![0; 4].into(), 8),
            TableQuery::score_histogram(Arc::clone(&base), vec![0; 4].into(), 9),
            TableQuery::score_histogram(base, vec![0, 0, 0, 1].into(), 8),
        ];
        let digests: std::collections::HashSet<_> = queries
            .iter()
            .map(|q| q.as_ref().unwrap().digest_bytes())
            .collect();
        assert_eq!(digests.len(), queries.len());
    }
}
