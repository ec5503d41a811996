//! Complete binary trees whose tests are sets of bins.
//!
//! Nodes are in level order: node `i` has children `2i + 1` (left) and `2i + 2` (right). Leaf `l` of a tree of depth
//! `d` is read as `d` bits, the root's test first: 1 is right.

use serde::{Deserialize, Serialize};

use crate::params::MAX_DEPTH;

mod bin_set;

pub use bin_set::{BinSet, BinSetError};

/// The test of one node: rows whose bin of `feature` is in `right` go right, all others left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Split {
    /// Feature in the schema's order.
    pub feature: u16,
    /// Bins that go right, the bin of missing values among them or not.
    pub right: BinSet,
}

impl Split {
    /// The test of a node that nothing can split: everything goes left.
    pub const DUMMY: Self = Self {
        feature: 0,
        right: BinSet::EMPTY,
    };

    /// Does nothing go right?
    pub fn is_dummy(&self) -> bool {
        self.right.is_empty()
    }
}

/// A complete binary tree: `2^depth - 1` tests in level order, `2^depth` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "UncheckedTree")]
pub struct Tree {
    depth: u8,
    splits: Vec<Split>,
}

#[derive(Deserialize)]
#[serde(rename = "Tree", deny_unknown_fields)]
struct UncheckedTree {
    depth: u8,
    splits: Vec<Split>,
}

impl TryFrom<UncheckedTree> for Tree {
    type Error = TreeError;

    fn try_from(tree: UncheckedTree) -> Result<Self, TreeError> {
        Self::new(tree.depth, tree.splits)
    }
}

/// A tree that is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Too deep.
    #[error("tree depth: expected 0 to {MAX_DEPTH}, found {seen}")]
    Depth {
        /// The depth.
        seen: u8,
    },
    /// Not as many tests as a complete tree has.
    #[error("a tree of depth {depth} has {expected} splits, found {seen}")]
    Splits {
        /// The depth.
        depth: u8,
        /// `2^depth - 1`.
        expected: usize,
        /// The number found.
        seen: usize,
    },
}

impl Tree {
    /// The tree without a test: one leaf.
    pub const LEAF: Self = Self {
        depth: 0,
        splits: Vec::new(),
    };

    /// A tree from its tests in level order. Depth 0 is one leaf.
    ///
    /// # Errors
    /// A depth beyond [`MAX_DEPTH`], or not `2^depth - 1` tests.
    pub fn new(depth: u8, splits: Vec<Split>) -> Result<Self, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::Depth { seen: depth });
        }
        let expected = (1 << depth) - 1;
        if splits.len() != expected {
            return Err(TreeError::Splits {
                depth,
                expected,
                seen: splits.len(),
            });
        }
        Ok(Self { depth, splits })
    }

    /// Levels of tests.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// Tests in level order, `2^depth - 1`.
    pub fn splits(&self) -> &[Split] {
        &self.splits
    }

    /// Number of leaves, `2^depth`.
    pub const fn leaves(&self) -> usize {
        1 << self.depth
    }

    /// The leaf of one row, whose bin of each feature `bin` tells: the definition that the kernel of
    /// [`crate::route`] is tested against, one node at a time.
    pub fn leaf(&self, mut bin: impl FnMut(u16) -> u8) -> usize {
        let mut leaf = 0;
        for level in 0..self.depth {
            let node = (1 << level) - 1 + leaf;
            let right = self
                .splits
                .get(node)
                .is_some_and(|split| split.right.contains(bin(split.feature)));
            leaf = 2 * leaf + usize::from(right);
        }
        leaf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_walks_by_the_bits_of_its_leaf() {
        let right = |from, to| BinSet::range(from, to);
        let splits = vec![
            Split {
                feature: 0,
                right: right(5, 9),
            },
            Split {
                feature: 1,
                right: right(0, 0),
            },
            Split {
                feature: 1,
                right: right(3, 255),
            },
        ];
        let tree = Tree::new(2, splits).unwrap();
        for (row, leaf) in [([0, 1], 0), ([0, 0], 1), ([7, 2], 2), ([9, 255], 3), ([10, 0], 1)] {
            assert_eq!(tree.leaf(|feature| row[usize::from(feature)]), leaf, "{row:?}");
        }
    }

    #[test]
    fn incomplete_trees_are_refused() {
        assert_eq!(Tree::new(0, vec![]), Ok(Tree::LEAF));
        assert_eq!(Tree::new(13, vec![]), Err(TreeError::Depth { seen: 13 }));
        assert_eq!(
            Tree::new(2, vec![Split::DUMMY]),
            Err(TreeError::Splits {
                depth: 2,
                expected: 3,
                seen: 1
            })
        );
        let text = r#"{"depth":2,"splits":[{"feature":0,"right":""}]}"#;
        let error = serde_json::from_str::<Tree>(text).unwrap_err().to_string();
        assert!(
            error.contains("a tree of depth 2 has 3 splits, found 1"),
            "{error}"
        );
    }
}
