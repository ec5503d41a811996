//! Histograms: the slots of the rows of every leaf.
//!
//! A piece of rows at a time: first the leaf of every (tree, row) with the bit-sliced kernel, and for each feature
//! the position of every row's slot and class; then tree by tree, so that one tree's counters stay in the cache, one
//! increment for each feature.

use std::ops::Range;

use super::Router;
use crate::binning::Binned;
use crate::query::Axes;
use crate::table::CLASSES;

/// Rows whose leaves in all trees are kept at a time.
const PIECE: usize = 8 * 1024;
/// Most leaves of all trees that are kept at a time: bounds the memory where trees are many.
const LEAVES: usize = 1 << 20;

impl Router {
    pub(super) fn count_histograms(
        &self,
        axes: &Axes,
        block: &Binned,
        rows: Range<usize>,
        labels: &[u8],
        counts: &mut [u64],
    ) {
        let piece = (LEAVES / self.trees.max(1)).clamp(super::ROWS, PIECE);
        let mut leaves = vec![0u16; self.trees * piece.min(rows.len())];
        let mut distinct: Vec<u16> = axes.features().to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let mut places: Vec<Vec<u16>> = vec![Vec::new(); distinct.len()];
        for start in rows.clone().step_by(piece) {
            let rows_here = start..rows.end.min(start + piece);
            let count = rows_here.len();
            self.for_each_tree(block, rows_here.clone(), |tree, chunk, indices| {
                let out = &mut leaves[tree * count..][chunk];
                indices.for_each(out, |out, leaf| *out = leaf as u16);
            });
            let labels = &labels[start - rows.start..][..count];
            for (feature, places) in distinct.iter().zip(&mut places) {
                let slots: &[u8] = axes.slots_of(*feature);
                let bins = &block.column(usize::from(*feature))[rows_here.clone()];
                places.clear();
                places.extend(bins.iter().zip(labels).map(|(bin, label)| {
                    CLASSES as u16 * u16::from(slots[usize::from(*bin)]) + u16::from(*label != 0)
                }));
            }
            let per_feature = usize::from(axes.slots()) * CLASSES;
            let per_leaf = usize::from(axes.per_tree()) * per_feature;
            for tree in 0..self.trees {
                let counts = &mut counts[tree * (per_leaf << self.depth)..][..per_leaf << self.depth];
                let leaves = &leaves[tree * count..][..count];
                for (position, feature) in axes.of_tree(tree).iter().enumerate() {
                    let places = &places[distinct.partition_point(|other| other < feature)];
                    let counts = &mut counts[position * per_feature..];
                    for (leaf, place) in leaves.iter().zip(places) {
                        counts[usize::from(*leaf) * per_leaf + usize::from(*place)] += 1;
                    }
                }
            }
        }
    }
}
