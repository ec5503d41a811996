//! Leaf values: smoothed probabilities in fixed point.

use super::NoiseScale;
use crate::query::{MAX_LEAF_VALUE, SCALE};
use crate::table::CLASSES;

/// Rows that the prior of a leaf is worth if counts are exact.
const PRIOR_ROWS: f64 = 1.0;
/// Rows that the prior of a leaf is worth, per row of standard deviation of a cell's noise.
const PRIOR_PER_NOISE: f64 = 2.0;

/// One value per leaf, in units of `1 / SCALE`: the share of positives among its rows, drawn towards the base rate
/// of all rows as if some more rows of it had been seen there. `cells` is `[trees, leaves, classes]`.
///
/// A cell may be negative under noise, and is then taken as 0. The prior grows with the noise: a leaf with fewer rows
/// than the noise has standard deviation says nothing, and must not shout. All this is post-processing of released
/// cells and costs no privacy.
pub(super) fn leaf_values(cells: &[i64], noise: Option<NoiseScale>) -> Vec<u32> {
    let sums = cells.chunks_exact(CLASSES).fold((0.0, 0.0), |sums, leaf| {
        let (negative, positive) = classes(leaf);
        (sums.0 + negative, sums.1 + positive)
    });
    let base_rate = share(f64::max(sums.0, 0.0), f64::max(sums.1, 0.0)).unwrap_or(0.5);
    let prior = noise.map_or(PRIOR_ROWS, |noise| {
        f64::max(PRIOR_ROWS, PRIOR_PER_NOISE * noise.leaf_cell)
    });
    cells
        .chunks_exact(CLASSES)
        .map(|leaf| {
            let (negative, positive) = classes(leaf);
            let (negative, positive) = (f64::max(negative, 0.0), f64::max(positive, 0.0));
            let probability = (positive + prior * base_rate) / (negative + positive + prior);
            fixed_point(probability)
        })
        .collect()
}

fn classes(leaf: &[i64]) -> (f64, f64) {
    match leaf {
        [negative, positive, ..] => (*negative as f64, *positive as f64),
        _ => (0.0, 0.0),
    }
}

fn share(negative: f64, positive: f64) -> Option<f64> {
    (negative + positive > 0.0).then(|| positive / (negative + positive))
}

fn fixed_point(probability: f64) -> u32 {
    ((probability * f64::from(SCALE)).round() as u32).min(MAX_LEAF_VALUE)
}
