//! The decision threshold from a score histogram.

use super::NoiseScale;
use crate::table::CLASSES;

/// The threshold among the bins' edges at which most rows of the histogram `[bins, classes]` are classified rightly,
/// a row being positive at or above it; the lowest of equals. 1 (never positive) is among the edges.
pub(super) fn best_threshold(cells: &[i64], _noise: Option<NoiseScale>) -> f64 {
    let bins = cells.len() / CLASSES;
    let (mut gain, mut best, mut best_edge) = (0, 0, 0);
    for (bin, classes) in cells.chunks_exact(CLASSES).enumerate() {
        if let [negative, positive, ..] = classes {
            gain += i128::from(*negative) - i128::from(*positive);
        }
        if gain > best {
            (best, best_edge) = (gain, bin + 1);
        }
    }
    best_edge as f64 / bins as f64
}
