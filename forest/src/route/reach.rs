//! Rows to all the leaves that they may still reach when some tests are another's to make.
//!
//! A test that is not ours lets every row pass both ways, so a row is in several leaves, and a leaf is a mask of rows.
//! From the root down every node hands on its mask, cut by its test: two operations on 512 rows for a node. Leaves are
//! then counted by counting bits, and only the rows of those leaves that need it are looked at one by one.

use std::ops::Range;

use super::compile::{self, Group, TestIndex};
use super::lanes::{LANES, Mask, NONE};
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

    /// Calls `visit` with every tree, and per leaf the mask of those of one chunk of rows that may reach it.
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
            for (position, tree) in group.trees.clone().enumerate() {
                let tests = &group.nodes[position * nodes..][..nodes];
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

/// The row of a chunk that bit `position % 64` of word `position / 64` stands for.
pub(crate) const fn row_at(position: usize) -> usize {
    let (lane, byte, bit) = (position / 64, position % 64 / 8, position % 8);
    8 * (LANES * bit + lane) + byte
}

/// The mask of a range of positions; what is beyond the last is left out.
pub(crate) fn bits(positions: Range<usize>) -> Mask {
    let below = |end: usize, lane: usize| match end.saturating_sub(64 * lane) {
        within @ 0..64 => (1 << within) - 1,
        _ => u64::MAX,
    };
    std::array::from_fn(|lane| below(positions.end, lane) & !below(positions.start, lane))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::lanes::{ROWS, planes_of_bytes};
    use super::*;

    proptest! {
        #[test]
        fn positions_are_those_of_the_planes(seed in proptest::collection::vec(any::<u8>(), ROWS)) {
            let bytes: [u8; ROWS] = seed.try_into().unwrap();
            let plane = planes_of_bytes(&bytes)[3];
            for position in 0..ROWS {
                let bit = plane[position / 64] >> (position % 64) & 1;
                prop_assert_eq!(bit, u64::from(bytes[row_at(position)] >> 3 & 1));
            }
        }

        #[test]
        fn ranges_are_bits(start in 0..=ROWS + 70, length in 0..=ROWS) {
            let mask = bits(start..start + length);
            for position in 0..ROWS {
                let bit = mask[position / 64] >> (position % 64) & 1 == 1;
                prop_assert_eq!(bit, (start..start + length).contains(&position));
            }
        }
    }
}
