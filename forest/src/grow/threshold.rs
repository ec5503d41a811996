//! The decision threshold from a score histogram.

use std::ops::RangeInclusive;

use super::NoiseScale;
use crate::table::CLASSES;

/// Under noise: bins whose total is below so many standard deviations of a cell are taken as empty, and edges whose
/// accuracy is within as many of the best as equally good.
const DEVIATIONS: f64 = 2.0;

/// The threshold among the bins' edges (1, that is never positive, among them) at which most rows of the histogram
/// `[bins, classes]` are classified rightly, a row being positive at or above it.
///
/// With exact counts the lowest of equals. Under noise the best edge is a matter of luck, above all among the many
/// empty bins, over which the noise walks at random. So empty bins count as empty, and the middle is taken of all
/// edges around the best that noise alone does not tell from it.
pub(super) fn best_threshold(cells: &[i64], noise: Option<NoiseScale>) -> f64 {
    let bins = cells.len() / CLASSES;
    let deviation = noise.map_or(0.0, |noise| noise.histogram_cell);
    let accuracy = accuracy_by_edge(cells, deviation);
    let best = accuracy
        .iter()
        .enumerate()
        .fold(0, |best, (edge, gain)| match accuracy.get(best) {
            Some(most) if gain <= most => best,
            _ => edge,
        });
    let edge = if deviation > 0.0 {
        let plateau = plateau(&accuracy, best, DEVIATIONS * deviation);
        plateau.start().midpoint(*plateau.end())
    } else {
        best
    };
    edge as f64 / bins.max(1) as f64
}

/// For each edge, how many more rows are right with the threshold there than with the threshold at 0.
fn accuracy_by_edge(cells: &[i64], deviation: f64) -> Vec<i128> {
    let mut gain = 0;
    let gains = cells.chunks_exact(CLASSES).map(|classes| {
        if let [negative, positive] = *classes {
            let (negative, positive) = (i128::from(negative), i128::from(positive));
            if deviation == 0.0 || (negative + positive) as f64 > DEVIATIONS * deviation {
                gain += negative - positive;
            }
        }
        gain
    });
    std::iter::once(0).chain(gains).collect()
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

    const fn noise(histogram_cell: f64) -> Option<NoiseScale> {
        Some(NoiseScale {
            leaf_cell: 0.0,
            histogram_cell,
        })
    }

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
            prop_assert_eq!(best_threshold(&flat, None), lowest as f64 / cells.len() as f64);
            prop_assert_eq!(best_threshold(&flat, noise(0.0)), lowest as f64 / cells.len() as f64);
        }

        #[test]
        fn any_cells_give_a_threshold(cells in proptest::collection::vec(any::<i64>(), 2..60), deviation in 0.0f64..1e6) {
            let threshold = best_threshold(&cells, noise(deviation));
            prop_assert!((0.0..=1.0).contains(&threshold));
        }
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
        assert_eq!(best_threshold(&cells, None), 0.2);
        assert_eq!(best_threshold(&cells, noise(10.0)), 0.2);
        cells[12] = 15;
        cells[15] = -12;
        assert_eq!(best_threshold(&cells, noise(10.0)), 0.2);
    }

    #[test]
    fn the_middle_of_an_empty_stretch_is_taken_under_noise() {
        let mut cells = vec![0i64; 20];
        (cells[0], cells[19]) = (500, 500);
        assert_eq!(best_threshold(&cells, None), 0.1);
        assert_eq!(best_threshold(&cells, noise(1.0)), 0.5);
    }

    #[test]
    fn a_hopeless_class_is_never_predicted() {
        assert_eq!(best_threshold(&[10, 1, 10, 2], None), 1.0);
        assert_eq!(best_threshold(&[1, 10, 2, 10], None), 0.0);
    }
}
