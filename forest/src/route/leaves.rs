//! Tests to masks, masks to leaves.

use std::ops::Range;

use super::compile::{CutTests, Group, TESTS, TestIndex};
use super::lanes::{self, Comparisons, Mask, NONE, ROWS};
use crate::binning::Binned;
use crate::params::MAX_DEPTH;

/// Working memory of one thread.
pub(super) struct Scratch {
    /// One mask per test of the current group.
    tests: Box<[Mask; TESTS]>,
    cuts: [Mask; 256],
    selected: [Mask; 1 << (MAX_DEPTH - 2)],
    leaves: LeafIndices,
}

/// The leaf of each of up to [`ROWS`] rows in one tree.
pub(super) struct LeafIndices {
    low: [u8; ROWS],
    high: [u8; ROWS],
    deep: bool,
}

impl LeafIndices {
    /// Pairs `items` with the leaves of the first rows.
    #[inline(always)]
    pub(super) fn for_each<I: IntoIterator>(&self, items: I, mut each: impl FnMut(I::Item, usize)) {
        if self.deep {
            for ((item, low), high) in items.into_iter().zip(&self.low).zip(&self.high) {
                each(item, usize::from(*high) << 8 | usize::from(*low));
            }
        } else {
            for (item, low) in items.into_iter().zip(&self.low) {
                each(item, usize::from(*low));
            }
        }
    }
}

impl Scratch {
    pub(super) fn new() -> Self {
        let tests = vec![NONE; TESTS].into_boxed_slice();
        Self {
            tests: tests.try_into().unwrap_or_else(|_| Box::new([NONE; TESTS])),
            cuts: [NONE; 256],
            selected: [NONE; 1 << (MAX_DEPTH - 2)],
            leaves: LeafIndices {
                low: [0; ROWS],
                high: [0; ROWS],
                deep: false,
            },
        }
    }

    /// Evaluates every test of a group on at most [`ROWS`] rows.
    pub(super) fn evaluate(&mut self, group: &Group, block: &Binned, rows: Range<usize>) {
        self.tests[0] = NONE;
        let mut bytes = [0; ROWS];
        for feature in &group.features {
            bytes[..rows.len()].copy_from_slice(&block.column(feature.feature)[rows.clone()]);
            let planes = lanes::planes_of_bytes(&bytes);
            let comparisons = Comparisons::new(&planes);
            for (mask, cut) in self.cuts.iter_mut().zip(&feature.cuts) {
                *mask = comparisons.at_least(*cut);
            }
            for CutTests { indices, cuts } in &feature.tests {
                for (index, cuts) in indices.iter().zip(cuts.chunks_exact(cuts.len() / indices.len())) {
                    let mut passed = NONE;
                    for cut in cuts {
                        passed = lanes::xor(&passed, &self.cuts[usize::from(*cut)]);
                    }
                    self.tests[usize::from(*index) % TESTS] = passed;
                }
            }
        }
    }

    /// The mask of a test of the current group.
    #[inline(always)]
    pub(super) fn test(&self, index: TestIndex) -> &Mask {
        &self.tests[usize::from(index) % TESTS]
    }

    /// The leaves of one tree, whose tests in level order are `nodes`.
    #[inline(always)]
    pub(super) fn leaves(&mut self, nodes: &[TestIndex], depth: u8) -> &LeafIndices {
        let depth = usize::from(depth);
        // Bit by bit from the root: the turn taken at each level.
        let mut turns = [NONE; MAX_DEPTH as usize];
        for level in 0..depth {
            let (earlier, turn) = turns.split_at_mut(level);
            turn[0] = self.turn(&nodes[(1 << level) - 1..(2 << level) - 1], earlier);
        }
        let plane = |bit: usize| if bit < depth { turns[depth - 1 - bit] } else { NONE };
        lanes::bytes_of_planes(std::array::from_fn(plane), &mut self.leaves.low);
        self.leaves.deep = depth > 8;
        if self.leaves.deep {
            lanes::bytes_of_planes(std::array::from_fn(|bit| plane(8 + bit)), &mut self.leaves.high);
        }
        &self.leaves
    }

    /// Of the tests of one level, for each row the one that it meets after its `earlier` turns.
    #[inline(always)]
    fn turn(&mut self, nodes: &[TestIndex], earlier: &[Mask]) -> Mask {
        let Some((last, before)) = earlier.split_last() else {
            return *self.test(nodes[0]);
        };
        for (selected, pair) in self.selected.iter_mut().zip(nodes.chunks_exact(2)) {
            *selected = lanes::mux(
                last,
                &self.tests[usize::from(pair[0]) % TESTS],
                &self.tests[usize::from(pair[1]) % TESTS],
            );
        }
        for (level, select) in before.iter().enumerate().rev() {
            for i in 0..1 << level {
                self.selected[i] = lanes::mux(select, &self.selected[2 * i], &self.selected[2 * i + 1]);
            }
        }
        self.selected[0]
    }
}
