//! Gradients of rows, added up in leaves or in the slots of leaves.

use std::ops::Range;

use super::lanes::ROWS;
use super::{LeafIndices, Router, compile};
use crate::binning::Binned;
use crate::logistic::{MARGIN_ONE, probability};
use crate::model::Output;
use crate::query::{Gradients, HAT_BITS, Knots, Measure};
use crate::table::CLASSES;
use crate::tree::Tree;

/// Margins are rounded to so many bits less, `2^-9`, and looked up.
const STEP_BITS: u32 = 7;
/// Beyond this margin gradients are those of it.
const LARGEST: i64 = 16 * MARGIN_ONE;
/// Bits of the table's probabilities.
const TABLE_BITS: u32 = 24;

/// Margins of rows under an ensemble.
#[derive(Debug)]
pub(crate) struct Margins {
    ensemble: Router,
    output: Output,
}

impl Margins {
    /// Of trees of one depth with their log-odds leaf values, `[trees, leaves]`, from a base margin on.
    pub(crate) fn new(trees: &[Tree], leaf_values: Vec<u32>, base: i32) -> Self {
        let measure = Measure::ScoreHistogram {
            leaf_values: leaf_values.into(),
            bins: 1,
        };
        Self {
            ensemble: Router {
                groups: if trees.is_empty() {
                    Vec::new()
                } else {
                    compile::compile(trees)
                },
                depth: trees.first().map_or(0, Tree::depth),
                trees: trees.len(),
                cells: 0,
                features: super::features_of(trees),
                measure,
                gradients: None,
            },
            output: Output::LogOdds { base },
        }
    }

    /// The margins of some rows of a block, in units of `2^-16`.
    pub(crate) fn of_rows(&self, block: &Binned, rows: Range<usize>) -> Vec<i64> {
        let sums = self.ensemble.scores_of_rows(block, rows);
        let trees = self.ensemble.trees;
        let margin = |sum: u32| self.output.margin(sum.into(), trees).unwrap_or_default();
        sums.into_iter().map(margin).collect()
    }
}

/// First and second derivatives of the logistic loss, by the margin.
#[derive(Debug)]
pub(crate) struct Derivatives {
    /// `p` and `p (1 - p)` in units of `2^-24`, at every step of the margin.
    entries: Vec<(u32, u32)>,
    bits: u32,
    clip: i64,
}

impl Derivatives {
    /// In units of `2^-bits`, the first clipped.
    pub(crate) fn new(bits: u8, clip: u32) -> Self {
        let steps = -(LARGEST >> STEP_BITS)..=LARGEST >> STEP_BITS;
        let one = f64::from(1u32 << TABLE_BITS);
        let entry = |step: i64| {
            let p = probability(step << STEP_BITS);
            ((p * one + 0.5) as u32, (p * (1.0 - p) * one + 0.5) as u32)
        };
        Self {
            entries: steps.map(entry).collect(),
            bits: bits.into(),
            clip: clip.into(),
        }
    }

    /// Between knots: in units that leave room for hats.
    pub(crate) fn between_knots(gradients: &Gradients) -> Self {
        Self::new(gradients.bits - HAT_BITS, gradients.clip >> HAT_BITS)
    }

    pub(crate) fn of_margin(&self, margin: i64, positive: bool) -> (i64, i64) {
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

/// From rows to gradients.
#[derive(Debug)]
pub(super) struct GradientTable {
    rows: Margins,
    /// The part of the margin that is interpolated.
    entities: Option<(Margins, Knots)>,
    derivatives: Derivatives,
}

impl GradientTable {
    pub(super) fn new(gradients: &Gradients) -> Self {
        let margins = |attribute: bool, base: i32| {
            let (trees, values) = gradients.of_side(attribute);
            Margins::new(&trees, values, base)
        };
        let entities = gradients.knots().map(|knots| (margins(true, 0), knots));
        Self {
            rows: margins(false, gradients.base),
            derivatives: if entities.is_some() {
                Derivatives::between_knots(gradients)
            } else {
                Derivatives::new(gradients.bits, gradients.clip)
            },
            entities,
        }
    }

    /// The features that must be there.
    pub(super) fn features(&self) -> usize {
        let entities = self
            .entities
            .as_ref()
            .map_or(0, |(margins, _)| margins.ensemble.features);
        self.rows.ensemble.features.max(entities)
    }

    /// First and second derivative of every row, in units of `2^-bits`.
    fn of_rows(&self, block: &Binned, rows: Range<usize>, labels: &[u8]) -> Vec<(i64, i64)> {
        let margins = self.rows.of_rows(block, rows.clone()).into_iter().zip(labels);
        let Some((entities, knots)) = &self.entities else {
            let of = |(margin, label): (i64, &u8)| self.derivatives.of_margin(margin, *label != 0);
            return margins.map(of).collect();
        };
        let at: Vec<i64> = knots.margins().collect();
        let entities = entities.of_rows(block, rows);
        margins
            .zip(entities)
            .map(|((margin, label), entity)| {
                let of = |knot: usize| self.derivatives.of_margin(margin + at[knot], *label != 0);
                knots.hat(entity).interpolate(of)
            })
            .collect()
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
