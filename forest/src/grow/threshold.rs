//! The decision threshold: from a score histogram, or, where rows are joined and no one could count scores, from the
//! leaf table itself.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::query::{MAX_LEAF_VALUE, QueryError, SCALE, TableQuery};
use crate::table::CLASSES;
use crate::tree::Tree;

/// Most bins of the score histogram, and all there are if counts are exact.
pub const SCORE_BINS: u16 = 256;
/// Bins of the score histogram under heavy noise: half and double as many lose about 0.001 of accuracy more, 256 lose
/// 0.04 (eight data sets at epsilon 0.1).
const NOISY_BINS: u16 = 32;
/// Rows that a bin should hold per row of standard deviation of its noise, if all held the same, before there are more
/// than [`NOISY_BINS`].
const ROWS_PER_NOISE: f64 = 32.0;

/// A score histogram, and where its bins lie.
#[derive(Debug, Clone)]
pub(super) struct ScoreHistogram {
    pub(super) query: TableQuery,
    /// The score at the lowest edge.
    lowest: f64,
    /// Scores between the lowest and the highest edge.
    span: f64,
}

impl ScoreHistogram {
    /// The histogram to ask of a forest grown from the leaf table `cells`, with noise of this deviation.
    ///
    /// With exact counts its bins divide all scores from 0 to 1. Under noise they are few, because the error of a
    /// sum of counts grows with its bins, and they divide the scores that the forest can give: averages over noisy
    /// trees lie close together. For that the query's leaf values are stretched, each tree's from its lowest, by one
    /// factor for all, which keeps the order of scores.
    pub(super) fn new(
        trees: Arc<[Tree]>,
        leaf_values: &Arc<[u32]>,
        cells: &[i64],
        deviation: f64,
    ) -> Result<Self, QueryError> {
        if deviation == 0.0 {
            let query = TableQuery::score_histogram(trees, Arc::clone(leaf_values), SCORE_BINS)?;
            return Ok(Self {
                query,
                lowest: 0.0,
                span: 1.0,
            });
        }
        let leaves = trees.first().map_or(1, Tree::leaves);
        let of_trees = || leaf_values.chunks(leaves);
        let lowest = |tree: &[u32]| tree.iter().copied().min().unwrap_or_default();
        let span = of_trees()
            .map(|tree| tree.iter().copied().max().unwrap_or_default() - lowest(tree))
            .max()
            .unwrap_or_default()
            .max(1);
        let stretched = of_trees().flat_map(|tree| {
            let lowest = lowest(tree);
            let stretch = move |value: &u32| u64::from(value - lowest) * u64::from(SCALE) / u64::from(span);
            tree.iter()
                .map(move |value| (stretch(value) as u32).min(MAX_LEAF_VALUE))
        });
        let rows =
            cells.iter().map(|cell| i128::from(*cell)).sum::<i128>() as f64 / trees.len().max(1) as f64;
        let mut bins = NOISY_BINS;
        while bins < SCORE_BINS && rows >= ROWS_PER_NOISE * deviation * f64::from(2 * bins) {
            bins *= 2;
        }
        let sum: u64 = of_trees().map(|tree| u64::from(lowest(tree))).sum();
        let scale = f64::from(SCALE);
        Ok(Self {
            lowest: sum as f64 / (trees.len().max(1) as f64 * scale),
            span: f64::from(span) / scale,
            query: TableQuery::score_histogram(trees, stretched.collect(), bins)?,
        })
    }

    /// The threshold that the answer to the query suggests. The highest edge is 1: no row is positive.
    pub(super) fn threshold(&self, cells: &[i64], deviation: f64) -> f64 {
        let edge = best_threshold(cells, deviation);
        if edge < 1.0 {
            self.lowest + edge * self.span
        } else {
            1.0
        }
    }
}

/// Under noise: bins whose total is below so many standard deviations of a cell are taken as empty, and edges whose
/// accuracy is within as many of the best as equally good.
const DEVIATIONS: f64 = 2.0;

/// The threshold among the bins' edges (1, that is never positive, among them) at which most rows of the histogram
/// `[bins, classes]` are classified rightly, a row being positive at or above it.
///
/// With exact counts the lowest of equals. Under noise the best edge is a matter of luck, above all among the many
/// empty bins, over which the noise walks at random. So empty bins count as empty, and the middle is taken of all
/// edges around the best that noise alone does not tell from it.
fn best_threshold(cells: &[i64], deviation: f64) -> f64 {
    let bins = cells.len() / CLASSES;
    let edges = best_edges(&accuracy_by_edge(cells, deviation), deviation);
    edges.start().midpoint(*edges.end()) as f64 / bins.max(1) as f64
}

/// The lowest of the best edges; under noise, all around it that are as good as far as one can tell.
fn best_edges(accuracy: &[i128], deviation: f64) -> RangeInclusive<usize> {
    let best = accuracy
        .iter()
        .enumerate()
        .fold(0, |best, (edge, gain)| match accuracy.get(best) {
            Some(most) if gain <= most => best,
            _ => edge,
        });
    if deviation > 0.0 {
        plateau(accuracy, best, DEVIATIONS * deviation)
    } else {
        best..=best
    }
}

/// The threshold from the leaf table `[trees, leaves, classes]` and its leaf values, for forests over links: no party
/// could count a histogram of joined scores, and a second table would cost budget.
///
/// Every tree alone classifies the rows by its own leaf values; the threshold is the one that maximises the accuracy
/// over the training rows so classified, in the mean over the trees. Candidates are the leaf values (at the lowest all
/// rows are positive) and 1 (none is). Equals and noise are treated as in [`best_threshold`], with leaves for bins:
/// with exact counts the lowest of equals; under noise leaves that noise alone could fill count as empty, and the
/// middle is taken of the candidates around the best that noise does not tell from it.
///
/// An average over many trees is nearer to the base rate than any one of them, so where positives are rare this errs
/// to the side of too few alarms; a ranking needs no threshold.
pub(super) fn threshold_of_leaves(cells: &[i64], leaf_values: &[u32], deviation: f64) -> f64 {
    let mut leaves: Vec<(u32, i128)> = leaf_values
        .iter()
        .copied()
        .zip(
            cells
                .chunks_exact(CLASSES)
                .map(|classes| gain(classes, deviation)),
        )
        .collect();
    leaves.sort_unstable();
    // Accuracy with the threshold at each candidate, compared to that at the lowest.
    let (mut candidates, mut accuracy) = (Vec::new(), Vec::new());
    let mut sum = 0;
    for same in leaves.chunk_by(|a, b| a.0 == b.0) {
        candidates.extend(same.first().map(|(value, _)| *value));
        accuracy.push(sum);
        sum += same.iter().map(|(_, gain)| gain).sum::<i128>();
    }
    candidates.push(SCALE);
    accuracy.push(sum);
    let plateau = best_edges(&accuracy, deviation);
    let value = |edge: &usize| u64::from(candidates.get(*edge).copied().unwrap_or(SCALE));
    let twice = value(plateau.start()) + value(plateau.end());
    twice as f64 / (2.0 * f64::from(SCALE))
}

/// For each edge, how many more rows are right with the threshold there than with the threshold at 0.
fn accuracy_by_edge(cells: &[i64], deviation: f64) -> Vec<i128> {
    let mut sum = 0;
    let sums = cells.chunks_exact(CLASSES).map(|classes| {
        sum += gain(classes, deviation);
        sum
    });
    std::iter::once(0).chain(sums).collect()
}

/// How many more rows of a bin are right if they are classified as negative than as positive.
fn gain(classes: &[i64], deviation: f64) -> i128 {
    match *classes {
        [negative, positive] => {
            let (negative, positive) = (i128::from(negative), i128::from(positive));
            if deviation == 0.0 || (negative + positive) as f64 > DEVIATIONS * deviation {
                negative - positive
            } else {
                0
            }
        }
        _ => 0,
    }
}

/// The edges around `best`, without a gap, that are at most `slack` worse.
fn plateau(accuracy: &[i128], best: usize, slack: f64) -> RangeInclusive<usize> {
    let (before, after) = accuracy.split_at(best.min(accuracy.len()));
    let most = after.first().copied().unwrap_or_default();
    let near = |gain: &&i128| (most - **gain) as f64 <= slack;
    let below = before.iter().rev().take_while(near).count();
    let above = after.iter().skip(1).take_while(near).count();
    best - below..=best + above
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exact_counts_give_the_lowest_best_edge(cells in proptest::collection::vec((0i64..9, 0i64..9), 1..20)) {
            let right = |edge: usize| -> i64 {
                let below: i64 = cells[..edge].iter().map(|cell| cell.0).sum();
                below + cells[edge..].iter().map(|cell| cell.1).sum::<i64>()
            };
            let most = (0..=cells.len()).map(right).max().unwrap();
            let lowest = (0..=cells.len()).find(|edge| right(*edge) == most).unwrap();
            let flat: Vec<i64> = cells.iter().flat_map(|(negative, positive)| [*negative, *positive]).collect();
            prop_assert_eq!(best_threshold(&flat, 0.0), lowest as f64 / cells.len() as f64);
        }

        #[test]
        fn any_cells_give_a_threshold(cells in proptest::collection::vec(any::<i64>(), 2..60), deviation in 0.0f64..1e6) {
            let threshold = best_threshold(&cells, deviation);
            prop_assert!((0.0..=1.0).contains(&threshold));
        }
    }

    proptest! {
        #[test]
        fn exact_leaves_give_the_lowest_best_candidate(
            leaves in proptest::collection::vec((0u32..6, 0i64..9, 0i64..9), 1..20)
        ) {
            let right = |threshold: u32| -> i64 {
                let class = |(value, negative, positive): &(u32, i64, i64)| {
                    if *value >= threshold { *positive } else { *negative }
                };
                leaves.iter().map(class).sum()
            };
            let mut candidates: Vec<u32> = leaves.iter().map(|leaf| leaf.0).chain([SCALE]).collect();
            candidates.sort_unstable();
            let most = candidates.iter().map(|candidate| right(*candidate)).max().unwrap();
            let lowest = candidates.into_iter().find(|candidate| right(*candidate) == most).unwrap();
            let cells: Vec<i64> = leaves.iter().flat_map(|(_, negative, positive)| [*negative, *positive]).collect();
            let values: Vec<u32> = leaves.iter().map(|leaf| leaf.0).collect();
            let expected = f64::from(lowest) / f64::from(SCALE);
            prop_assert_eq!(threshold_of_leaves(&cells, &values, 0.0), expected);
            // The order of trees and leaves does not matter.
            let cells: Vec<i64> = cells.chunks_exact(2).rev().flatten().copied().collect();
            let values: Vec<u32> = values.into_iter().rev().collect();
            prop_assert_eq!(threshold_of_leaves(&cells, &values, 0.0), expected);
        }

        #[test]
        fn any_leaves_give_a_threshold(
            leaves in proptest::collection::vec((0..SCALE, any::<i64>(), any::<i64>()), 0..40), leaf_cell in 0.0f64..1e6
        ) {
            let cells: Vec<i64> = leaves.iter().flat_map(|(_, negative, positive)| [*negative, *positive]).collect();
            let values: Vec<u32> = leaves.iter().map(|leaf| leaf.0).collect();
            prop_assert!((0.0..=1.0).contains(&threshold_of_leaves(&cells, &values, leaf_cell)));
        }
    }

    #[test]
    fn small_leaves_do_not_decide_under_noise() {
        // Two trees that change sides between a quarter and three quarters; between them a leaf of noise alone.
        let quarter = SCALE / 4;
        let values = [quarter, 3 * quarter, quarter, 3 * quarter, 2 * quarter];
        let cells = [900, 300, 100, 300, 900, 300, 100, 300, -4, 15];
        assert_eq!(threshold_of_leaves(&cells, &values, 0.0), 0.5);
        assert_eq!(threshold_of_leaves(&cells, &values, 10.0), 0.625);
    }

    #[test]
    fn one_noisy_cell_in_an_empty_stretch_does_not_decide() {
        // Rows in the first four bins of ten, changing sides at edge 2; noise of 10 rows elsewhere.
        let mut cells = vec![0i64; 20];
        for (bin, (negative, positive)) in [(900, 100), (600, 400), (300, 500), (100, 600)]
            .into_iter()
            .enumerate()
        {
            (cells[2 * bin], cells[2 * bin + 1]) = (negative, positive);
        }
        assert_eq!(best_threshold(&cells, 0.0), 0.2);
        assert_eq!(best_threshold(&cells, 10.0), 0.2);
        cells[12] = 15;
        cells[15] = -12;
        assert_eq!(best_threshold(&cells, 10.0), 0.2);
    }

    #[test]
    fn the_middle_of_an_empty_stretch_is_taken_under_noise() {
        let mut cells = vec![0i64; 20];
        (cells[0], cells[19]) = (500, 500);
        assert_eq!(best_threshold(&cells, 0.0), 0.1);
        assert_eq!(best_threshold(&cells, 1.0), 0.5);
    }

    #[test]
    fn a_hopeless_class_is_never_predicted() {
        assert_eq!(best_threshold(&[10, 1, 10, 2], 0.0), 1.0);
        assert_eq!(best_threshold(&[1, 10, 2, 10], 0.0), 0.0);
    }
}
