//! Rows to all the leaves that they may still reach when some tests are another's to make.
//!
//! A test that is not ours lets every row pass both ways, so a row is in several leaves, and a leaf is a mask of rows.
//! From the root down every node hands on its mask, cut by its test: two operations on 512 rows for a node. Leaves are
//! then counted by counting bits, and only the rows of those leaves that need it are looked at one by one.

use std::ops::Range;

use super::compile::{self, Group, TestIndex};
use super::lanes::{LANES, Mask, NONE, ROWS};
use super::leaves::Scratch;
use crate::binning::Binned;
use crate::tree::Tree;

/// Trees compiled for routing by a part of their tests. Immutable and `Sync`.
#[derive(Debug)]
pub(crate) struct Reach {
    groups: Vec<Group>,
    /// `[trees, nodes]`: is the test another's?
    open: Vec<bool>,
    depth: u8,
    features: usize,
}

/// Working memory of one thread.
pub(crate) struct ReachScratch {
    tests: Scratch,
    masks: Vec<Mask>,
}

impl ReachScratch {
    pub(crate) fn new() -> Self {
        Self {
            tests: Scratch::new(),
            masks: Vec::new(),
        }
    }
}

impl Reach {
    /// Compiles trees of one depth, whose tests at `open` nodes (`[trees, nodes]`) are another's.
    ///
    /// # Panics
    /// If `open` is not one per node.
    pub(crate) fn new(trees: &[Tree], open: Vec<bool>) -> Self {
        let splits = trees.iter().flat_map(|tree| tree.splits());
        assert_eq!(open.len(), splits.clone().count(), "one flag per node");
        let tested = splits.filter(|split| !split.is_dummy());
        Self {
            groups: compile::compile(trees),
            open,
            depth: trees.first().map_or(0, Tree::depth),
            features: tested
                .map(|split| usize::from(split.feature) + 1)
                .max()
                .unwrap_or(0),
        }
    }

    /// Calls `visit` with every tree, and per leaf the mask of those of at most [`ROWS`] rows that may reach it.
    /// `present` are the rows that count.
    ///
    /// # Panics
    /// If the block lacks a feature or a row.
    #[inline(always)]
    pub(crate) fn for_each_tree(
        &self,
        scratch: &mut ReachScratch,
        block: &Binned,
        rows: Range<usize>,
        present: &Mask,
        mut visit: impl FnMut(usize, &[Mask]),
    ) {
        assert!(
            block.features() >= self.features,
            "a block of {} features, the trees test {}",
            block.features(),
            self.features
        );
        let nodes = (1 << self.depth) - 1;
        scratch.masks.resize(1 << self.depth, NONE);
        for group in &self.groups {
            scratch.tests.evaluate(group, block, rows.clone());
            for (tree, tests) in group.trees.clone().zip(group.nodes.chunks_exact(nodes)) {
                let open = &self.open[tree * nodes..][..nodes];
                descend(&scratch.tests, tests, open, present, &mut scratch.masks);
                visit(tree, &scratch.masks);
            }
        }
    }
}

/// Fills `masks` with the rows of every leaf; level by level in place, from the last node to the first.
#[inline(always)]
fn descend(tests: &Scratch, nodes: &[TestIndex], open: &[bool], present: &Mask, masks: &mut [Mask]) {
    masks[0] = *present;
    let mut width = 1;
    while width < masks.len() {
        let first = width - 1;
        for i in (0..width).rev() {
            let here = masks[i];
            if open[first + i] {
                masks[2 * i] = here;
                masks[2 * i + 1] = here;
            } else {
                let test = tests.test(nodes[first + i]);
                masks[2 * i] = std::array::from_fn(|lane| here[lane] & !test[lane]);
                masks[2 * i + 1] = std::array::from_fn(|lane| here[lane] & test[lane]);
            }
        }
        width *= 2;
    }
}

/// Number of rows in a mask.
#[inline(always)]
pub(crate) fn count(mask: &Mask) -> u64 {
    mask.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// The position in a mask (bit `i % 64` of word `i / 64`) of row `row` of its [`ROWS`].
pub(crate) const fn position(row: usize) -> usize {
    let (j, lane, b) = (row / (8 * LANES), row / 8 % LANES, row % 8);
    64 * lane + 8 * b + j
}

/// The mask of the positions that hold.
pub(crate) fn mask_of(mut holds: impl FnMut(usize) -> bool) -> Mask {
    std::array::from_fn(|lane| (0..64).fold(0, |word, bit| word | u64::from(holds(64 * lane + bit)) << bit))
}

const _: () = assert!(ROWS == 512 && LANES == 8, "positions are those of this layout");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lanes::planes_of_bytes;
    use super::*;

    proptest! {
        #[test]
        fn positions_are_those_of_the_planes(seed in proptest::collection::vec(any::<u8>(), ROWS)) {
            let bytes: [u8; ROWS] = seed.try_into().unwrap();
            let mut at = [0; ROWS];
            (0..ROWS).for_each(|row| at[position(row)] = bytes[row]);
            prop_assert_eq!(planes_of_bytes(&bytes)[3], mask_of(|position| at[position] >> 3 & 1 == 1));
        }
    }
}
