//! Gradients of rows, added up in leaves or in the slots of leaves.

use std::ops::Range;

use super::lanes::ROWS;
use super::{LeafIndices, Router, compile};
use crate::binning::Binned;
use crate::logistic::{MARGIN_ONE, probability};
use crate::model::Output;
use crate::query::{Gradients, Measure};
use crate::table::CLASSES;
use crate::tree::Tree;

/// Margins are rounded to so many bits less, `2^-9`, and looked up.
const STEP_BITS: u32 = 7;
/// Beyond this margin gradients are those of it.
const LARGEST: i64 = 16 * MARGIN_ONE;
/// Bits of the table's probabilities.
const TABLE_BITS: u32 = 24;

/// From margins to gradients.
#[derive(Debug)]
pub(super) struct GradientTable {
    ensemble: Router,
    output: Output,
    /// `p` and `p (1 - p)` in units of `2^-24`, at every step of the margin.
    entries: Vec<(u32, u32)>,
    bits: u32,
    clip: i64,
}

impl GradientTable {
    pub(super) fn new(gradients: &Gradients) -> Self {
        let steps = -(LARGEST >> STEP_BITS)..=LARGEST >> STEP_BITS;
        let one = f64::from(1u32 << TABLE_BITS);
        let entry = |step: i64| {
            let p = probability(step << STEP_BITS);
            ((p * one + 0.5) as u32, (p * (1.0 - p) * one + 0.5) as u32)
        };
        let measure = Measure::ScoreHistogram {
            leaf_values: gradients.leaf_values.clone(),
            bins: 1,
        };
        Self {
            ensemble: Router {
                groups: if gradients.trees.is_empty() {
                    Vec::new()
                } else {
                    compile::compile(&gradients.trees)
                },
                depth: gradients.trees.first().map_or(0, Tree::depth),
                trees: gradients.trees.len(),
                cells: 0,
                features: super::features_of(&gradients.trees),
                measure,
                gradients: None,
            },
            output: Output::LogOdds { base: gradients.base },
            entries: steps.map(entry).collect(),
            bits: gradients.bits.into(),
            clip: gradients.clip.into(),
        }
    }

    /// The features that must be there.
    pub(super) const fn features(&self) -> usize {
        self.ensemble.features
    }

    /// First and second derivative of every row, in units of `2^-bits`.
    fn of_rows(&self, block: &Binned, rows: Range<usize>, labels: &[u8]) -> Vec<(i64, i64)> {
        let sums = self.ensemble.scores_of_rows(block, rows);
        let trees = self.ensemble.trees;
        sums.into_iter()
            .zip(labels)
            .map(|(sum, label)| {
                let margin = self.output.margin(sum.into(), trees).unwrap_or_default();
                self.of_margin(margin, *label != 0)
            })
            .collect()
    }

    fn of_margin(&self, margin: i64, positive: bool) -> (i64, i64) {
        let margin = margin.clamp(-LARGEST, LARGEST);
        let nearest = (margin + LARGEST + (1 << (STEP_BITS - 1))) >> STEP_BITS;
        let (p, h) = self.entries[nearest as usize];
        // Multiplicative hashing (Knuth, volume 3, section 6.4): the threshold for rounding up.
        let shift = TABLE_BITS - self.bits;
        let hash = (margin as u32).wrapping_mul(0x9e37_79b1);
        let round = |value: u32, hash: u32| i64::from((value + (hash >> 8 & ((1 << shift) - 1))) >> shift);
        let g = round(p, hash) - (i64::from(positive) << self.bits);
        (g.clamp(-self.clip, self.clip), round(h, hash.rotate_left(16)))
    }
}

impl Router {
    pub(super) fn count_gradients(
        &self,
        (gradients, table): (&Gradients, &GradientTable),
        block: &Binned,
        rows: Range<usize>,
        labels: &[u8],
        counts: &mut [u64],
    ) {
        let pairs = table.of_rows(block, rows.clone(), labels);
        let Some(axes) = gradients.axes() else {
            let cells = CLASSES << self.depth;
            return self.for_each_tree(block, rows, |tree, chunk, indices| {
                let counts = &mut counts[tree * cells..][..cells];
                indices.for_each(&pairs[chunk], |pair, leaf| add(counts, CLASSES * leaf, pair));
            });
        };
        let per_feature = usize::from(axes.slots()) * CLASSES;
        let per_leaf = usize::from(axes.per_tree()) * per_feature;
        let first = rows.start;
        self.for_each_tree(block, rows, |tree, chunk, indices: &LeafIndices| {
            let mut places = [0; ROWS];
            let places = &mut places[..chunk.len()];
            indices.for_each(places.iter_mut(), |place, leaf| *place = leaf * per_leaf);
            let counts = &mut counts[tree * (per_leaf << self.depth)..][..per_leaf << self.depth];
            for (position, feature) in axes.of_tree(tree).iter().enumerate() {
                let slots = axes.slots_of(*feature);
                let bins = &block.column(usize::from(*feature))[first + chunk.start..first + chunk.end];
                let counts = &mut counts[position * per_feature..];
                for ((place, bin), pair) in places.iter().zip(bins).zip(&pairs[chunk.clone()]) {
                    add(
                        counts,
                        place + CLASSES * usize::from(slots[usize::from(*bin)]),
                        pair,
                    );
                }
            }
        });
    }
}

/// Adds a pair to two neighbouring counters, in two's complement.
#[inline(always)]
fn add(counts: &mut [u64], place: usize, (g, h): &(i64, i64)) {
    counts[place] = counts[place].wrapping_add(*g as u64);
    counts[place + 1] = counts[place + 1].wrapping_add(*h as u64);
}

#[cfg(test)]
mod tests;
