//! The kernel: routes binned rows through all trees of a query, and counts or scores.
//!
//! Rows are not walked down node by node. For 512 rows at a time every distinct test of the query is evaluated once,
//! as a mask of one bit per row; a tree then selects, level by level, the bit of the node where each row stands, by
//! `2^level - 1` bitwise multiplexers that serve all 512 rows at once. There is no branch and no dependent load per
//! row, so the time of a tree depends on its depth alone. (The idea of evaluating all nodes with bitwise operations
//! is that of QuickScorer: Lucchese et al., SIGIR 2015; here bits are rows, not leaves.)

// Sizes are fixed by construction: tables are filled and read with the indices that `compile` made for them.
#![expect(
    clippy::indexing_slicing,
    reason = "hot kernel over tables of its own making; slices are cut to size once"
)]

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::binning::Binned;
use crate::query::{Measure, SCALE, TableQuery};
use crate::table::CLASSES;
use crate::tree::Tree;

mod compile;
pub(crate) mod gradients;
mod histograms;
pub(crate) mod lanes;
mod leaves;
pub(crate) mod reach;

use compile::Group;
use gradients::GradientTable;
use lanes::ROWS;
use leaves::{LeafIndices, Scratch};

/// Rows that a thread takes at a time.
const PARALLEL_ROWS: usize = 16 * 1024;

/// A query compiled for routing. Immutable and `Sync`; one serves all threads.
#[derive(Debug)]
pub struct Router {
    groups: Vec<Group>,
    depth: u8,
    trees: usize,
    cells: usize,
    features: usize,
    measure: Measure,
    gradients: Option<Box<GradientTable>>,
}

impl Router {
    /// Compiles a query. Costs about as much as routing some hundred rows.
    pub fn new(query: &TableQuery) -> Self {
        let trees = query.trees();
        let (axes, gradients) = match query.measure() {
            Measure::Histograms(axes) => (Some(axes), None),
            Measure::Gradients(of) => (of.axes(), Some(Box::new(GradientTable::new(of)))),
            _ => (None, None),
        };
        let counted = axes.and_then(|axes| axes.features().iter().copied().max());
        let counted = counted.map_or(0, |last| usize::from(last) + 1);
        let ensemble = gradients.as_ref().map_or(0, |table| table.features());
        Self {
            groups: compile::compile(trees),
            depth: query.depth(),
            trees: trees.len(),
            cells: query.cells(),
            features: features_of(trees).max(counted).max(ensemble),
            measure: query.measure().clone(),
            gradients,
        }
    }

    /// Number of cells that [`Router::count`] fills.
    pub const fn cells(&self) -> usize {
        self.cells
    }

    /// Adds the rows of a block to `counts`, in the layout of the query's shape. A row is positive if its label is
    /// not 0. Counters of gradients are signed, in two's complement: add them with `wrapping_add`.
    ///
    /// # Panics
    /// If `labels` is not one per row, `counts` not one per cell, or the block lacks a feature of the query.
    pub fn count(&self, block: &Binned, labels: &[u8], counts: &mut [u64]) {
        assert_eq!(labels.len(), block.rows(), "labels of a block");
        assert_eq!(counts.len(), self.cells, "counters of a query");
        self.count_rows(block, 0..block.rows(), labels, counts);
    }

    /// As [`Router::count`] over many blocks with their labels, on all threads of the current rayon pool.
    ///
    /// # Panics
    /// As [`Router::count`].
    pub fn count_parallel<B, L>(&self, blocks: &[(B, L)]) -> Vec<u64>
    where
        B: AsRef<Binned> + Sync,
        L: AsRef<[u8]> + Sync,
    {
        let pieces: Vec<(&Binned, &[u8], Range<usize>)> = blocks
            .iter()
            .flat_map(|(block, labels)| {
                let (block, labels) = (block.as_ref(), labels.as_ref());
                assert_eq!(labels.len(), block.rows(), "labels of a block");
                let rows = block.rows();
                (0..rows).step_by(PARALLEL_ROWS).map(move |start| {
                    let piece = start..rows.min(start + PARALLEL_ROWS);
                    (block, &labels[piece.clone()], piece)
                })
            })
            .collect();
        let add = |mut sum: Vec<u64>, more: Vec<u64>| {
            let cells = sum.iter_mut().zip(more);
            cells.for_each(|(sum, more)| *sum = sum.wrapping_add(more));
            sum
        };
        pieces
            .into_par_iter()
            .fold(
                || vec![0; self.cells],
                |mut counts, (block, labels, rows)| {
                    self.count_rows(block, rows, labels, &mut counts);
                    counts
                },
            )
            .reduce(|| vec![0; self.cells], add)
    }

    /// The ensemble's score of every row: the sum of the leaf values of all trees, in units of `2^-20` times the
    /// number of trees. A query of leaf counts has no leaf values; its scores are 0.
    ///
    /// # Panics
    /// If the block lacks a feature of the query.
    pub fn scores(&self, block: &Binned) -> Vec<u32> {
        self.scores_of_rows(block, 0..block.rows())
    }

    /// The leaf of every (tree, row): `[trees, rows]`.
    ///
    /// # Panics
    /// If the block lacks a feature of the query.
    pub fn leaves(&self, block: &Binned) -> Vec<u16> {
        let rows = block.rows();
        let mut leaves = vec![0; self.trees * rows];
        self.for_each_tree(block, 0..rows, |tree, chunk, indices| {
            let out = &mut leaves[tree * rows..][chunk];
            indices.for_each(out.iter_mut(), |out, leaf| *out = leaf as u16);
        });
        leaves
    }

    fn count_rows(&self, block: &Binned, rows: Range<usize>, labels: &[u8], counts: &mut [u64]) {
        match &self.measure {
            Measure::LeafCounts => {
                let cells = CLASSES << self.depth;
                self.for_each_tree(block, rows, |tree, chunk, indices| {
                    let counts = &mut counts[tree * cells..][..cells];
                    indices.for_each(&labels[chunk], |label, leaf| {
                        counts[CLASSES * leaf + usize::from(*label != 0)] += 1;
                    });
                });
            }
            Measure::ScoreHistogram { bins, .. } => {
                for (score, label) in self.scores_of_rows(block, rows).into_iter().zip(labels) {
                    let bin = score_bin(score, self.trees, *bins);
                    counts[CLASSES * bin + usize::from(*label != 0)] += 1;
                }
            }
            Measure::Histograms(axes) => self.count_histograms(axes, block, rows, labels, counts),
            Measure::Gradients(gradients) => {
                if let Some(table) = &self.gradients {
                    self.count_gradients((gradients, table), block, rows, labels, counts);
                }
            }
        }
    }

    /// [`Router::scores`] of some rows of a block.
    pub(crate) fn scores_of_rows(&self, block: &Binned, rows: Range<usize>) -> Vec<u32> {
        let mut scores = vec![0; rows.len()];
        if let Measure::ScoreHistogram { leaf_values, .. } = &self.measure {
            let leaf_values = Arc::as_ref(leaf_values);
            self.for_each_tree(block, rows, |tree, chunk, indices| {
                let values = &leaf_values[tree << self.depth..][..1 << self.depth];
                indices.for_each(&mut scores[chunk], |score, leaf| *score += values[leaf]);
            });
        }
        scores
    }

    /// Calls `visit` with every tree and every chunk of rows, counted from the start of `rows`.
    #[inline(always)]
    fn for_each_tree(
        &self,
        block: &Binned,
        rows: Range<usize>,
        mut visit: impl FnMut(usize, Range<usize>, &LeafIndices),
    ) {
        assert!(
            block.features() >= self.features,
            "a block of {} features, the query asks for {}",
            block.features(),
            self.features
        );
        let nodes = (1 << self.depth) - 1;
        let mut scratch = Scratch::new();
        for group in &self.groups {
            for start in (0..rows.len()).step_by(ROWS) {
                let chunk = start..rows.len().min(start + ROWS);
                scratch.evaluate(group, block, rows.start + chunk.start..rows.start + chunk.end);
                for (position, tree) in group.trees.clone().enumerate() {
                    let nodes = &group.nodes[position * nodes..][..nodes];
                    visit(tree, chunk.clone(), scratch.leaves(nodes, self.depth));
                }
            }
        }
    }
}

/// One more than the last feature that any tree tests.
fn features_of(trees: &[Tree]) -> usize {
    let tests = trees.iter().flat_map(|tree| tree.splits());
    let tested = tests.filter(|split| !split.is_dummy()).map(|split| split.feature);
    tested.max().map_or(0, |last| usize::from(last) + 1)
}

/// The histogram bin of a score summed over `trees`: the `b` with `b/bins <= score < (b+1)/bins`, exactly.
fn score_bin(score: u32, trees: usize, bins: u16) -> usize {
    let bin = u64::from(score) * u64::from(bins) / (trees as u64 * u64::from(SCALE));
    (bin as usize).min(usize::from(bins) - 1)
}

#[cfg(test)]
mod tests;
