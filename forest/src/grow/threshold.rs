//! The decision threshold from a score histogram. Where rows are joined no one can count one: [`super::walks`].

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

/// As [`best_threshold`] of exact counts, but the middle of all edges around the best that are less than `slack` rows
/// worse.
pub(super) fn middle_threshold(cells: &[i64], slack: f64) -> f64 {
    let edges = best_edges(&accuracy_by_edge(cells, 0.0), slack / DEVIATIONS);
    edges.start().midpoint(*edges.end()) as f64 / (cells.len() / CLASSES).max(1) as f64
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

    #[test]
    fn noise_is_asked_few_bins_over_what_a_forest_can_score() {
        use crate::tree::{BinSet, Split};
        let right = BinSet::range(1, 1);
        let tree = Tree::new(1, vec![Split { feature: 0, right }]).unwrap();
        let trees: Arc<[Tree]> = vec![tree; 2].into();
        let quarter = SCALE / 4;
        let values: Arc<[u32]> = vec![quarter, 2 * quarter, quarter / 2, quarter].into();
        let bins = |histogram: &ScoreHistogram| histogram.query.cells() / CLASSES;
        let exact = ScoreHistogram::new(Arc::clone(&trees), &values, &[500; 8], 0.0).unwrap();
        assert_eq!((bins(&exact), exact.lowest, exact.span), (256, 0.0, 1.0));
        let noisy = |rows: i64, deviation| {
            ScoreHistogram::new(Arc::clone(&trees), &values, &[rows / 4; 8], deviation).unwrap()
        };
        let heavy = noisy(1000, 30.0);
        assert_eq!((bins(&heavy), heavy.lowest, heavy.span), (32, 0.1875, 0.25));
        assert_eq!(bins(&noisy(100_000, 30.0)), 64);
        assert_eq!(bins(&noisy(10_000_000, 30.0)), 256);
        // Rows change sides in the middle of what the forest can score: 0.3125.
        let mut cells = [1000, 0].repeat(16);
        cells.extend([0, 1000].repeat(16));
        assert_eq!(heavy.threshold(&cells, 30.0), 0.3125);
        // No row is positive.
        assert_eq!(heavy.threshold(&[1000, 0].repeat(32), 30.0), 1.0);
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
