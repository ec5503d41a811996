//! From trees to the tables that the kernel reads.
//!
//! A node's test depends on one `u8`, so it is the exclusive or of comparisons `bin >= cut` at the boundaries of its
//! set of bins. Cuts are shared by all tests of a feature, tests by all nodes that make them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use foldhash::fast::FixedState;

use crate::tree::{BinSet, Tree};

/// Most tests of a group: bounds the table of their masks (`TESTS * ROWS / 8` bytes), which must stay in the
/// second-level cache. A power of two above the `2^12 - 1` nodes of the deepest tree.
pub(super) const TESTS: usize = 4096;

/// Position of a test in a group's table; 0 is the test that nothing passes.
pub(super) type TestIndex = u16;

/// Trees that are routed together, and what they need to know about a row.
#[derive(Debug)]
pub(super) struct Group {
    /// Positions of the trees in the query.
    pub(super) trees: Range<usize>,
    /// `[trees, nodes]` in level order.
    pub(super) nodes: Vec<TestIndex>,
    pub(super) features: Vec<FeatureTests>,
}

/// The tests on one feature.
#[derive(Debug)]
pub(super) struct FeatureTests {
    pub(super) feature: usize,
    /// Boundaries of the sets of bins, ascending: `bin >= cut` is evaluated once for each.
    pub(super) cuts: Vec<u8>,
    /// Tests by their number of cuts: the kernel's inner loops have a fixed length for each.
    pub(super) tests: Vec<CutTests>,
}

/// Tests that are the exclusive or of the same number of comparisons.
#[derive(Debug, Default)]
pub(super) struct CutTests {
    pub(super) indices: Vec<TestIndex>,
    /// `[tests, cuts]`: positions in [`FeatureTests::cuts`].
    pub(super) cuts: Vec<u8>,
}

type Key = (u16, BinSet);

/// Splits the trees into groups of at most [`TESTS`] distinct tests, and compiles each.
pub(super) fn compile(trees: &[Tree]) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut draft = Draft::new(0);
    for (position, tree) in trees.iter().enumerate() {
        if !draft.add(tree) {
            groups.push(draft.finish(position));
            draft = Draft::new(position);
            draft.add(tree);
        }
    }
    groups.push(draft.finish(trees.len()));
    groups
}

struct Draft {
    start: usize,
    /// Under a fast hash with a fixed seed: what is hashed comes from a public seed or a published model, and an order of
    /// iteration never reaches the outside.
    tests: HashMap<Key, TestIndex, FixedState>,
    nodes: Vec<TestIndex>,
}

impl Draft {
    fn new(start: usize) -> Self {
        Self {
            start,
            tests: HashMap::default(),
            nodes: Vec::new(),
        }
    }

    /// Adds the tree unless it has more new tests than there is room for; says if it did.
    fn add(&mut self, tree: &Tree) -> bool {
        let (tests, nodes) = (self.tests.len(), self.nodes.len());
        for split in tree.splits() {
            let next = self.tests.len() as TestIndex + 1;
            let index = if split.is_dummy() {
                0
            } else {
                *self.tests.entry((split.feature, split.right)).or_insert(next)
            };
            self.nodes.push(index);
        }
        // An empty draft takes any tree: the deepest has fewer nodes than there is room.
        let fits = self.tests.len() < TESTS || tests == 0;
        if !fits {
            self.nodes.truncate(nodes);
            self.tests.retain(|_, index| usize::from(*index) <= tests);
        }
        fits
    }

    fn finish(self, end: usize) -> Group {
        let mut by_feature: BTreeMap<u16, Vec<(TestIndex, Vec<u8>)>> = BTreeMap::new();
        for ((feature, right), index) in self.tests {
            by_feature
                .entry(feature)
                .or_default()
                .push((index, right.changes().iter().collect()));
        }
        let features = by_feature
            .into_iter()
            .map(|(feature, tests)| FeatureTests::new(feature.into(), tests))
            .collect();
        Group {
            trees: self.start..end,
            nodes: self.nodes,
            features,
        }
    }
}

impl FeatureTests {
    fn new(feature: usize, mut tests: Vec<(TestIndex, Vec<u8>)>) -> Self {
        tests.sort_unstable();
        let cuts: BTreeSet<u8> = tests.iter().flat_map(|(_, cuts)| cuts).copied().collect();
        let cuts: Vec<u8> = cuts.into_iter().collect();
        let position = |cut: &u8| cuts.partition_point(|other| other < cut) as u8;
        let mut by_length: BTreeMap<usize, CutTests> = BTreeMap::new();
        for (index, own) in tests {
            let same = by_length.entry(own.len()).or_default();
            same.indices.push(index);
            same.cuts.extend(own.iter().map(position));
        }
        Self {
            feature,
            cuts,
            tests: by_length.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Split;

    #[test]
    fn equal_tests_are_shared_and_groups_are_bounded() {
        let split = |bin: u16| Split {
            feature: bin / 256,
            right: BinSet::range((bin % 256) as u8, 255),
        };
        let same = Tree::new(2, vec![split(1); 3]).unwrap();
        let groups = compile(&[same.clone(), same]);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].nodes, [1; 6]);

        let deep = |start: u16| Tree::new(12, (start..start + 4095).map(split).collect()).unwrap();
        let groups = compile(&[deep(0), deep(0), deep(1)]);
        let trees: Vec<_> = groups.iter().map(|group| group.trees.clone()).collect();
        assert_eq!(trees, [0..2, 2..3]);
    }
}
