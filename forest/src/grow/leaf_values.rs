//! Leaf values: smoothed probabilities in fixed point.

use crate::query::{MAX_LEAF_VALUE, SCALE};
use crate::table::CLASSES;

/// Rows that the prior of a leaf is worth if counts are exact.
const PRIOR_ROWS: f64 = 1.0;
/// Rows that the prior of a leaf is worth, per row of standard deviation of a cell's noise.
///
/// Measured at epsilon 1: data with a few strong features wants less (0.5), with many weak ones more (4); either
/// loses less than 0.01 of AUROC here. Shrinking leaves towards their ancestors instead is better on the former by
/// 0.004 and worse on the latter by 0.01, and empirical-Bayes weights per tree are no better than either.
const PRIOR_PER_NOISE: f64 = 1.0;

/// One value per leaf, in units of `1 / SCALE`: the share of positives among its rows, drawn towards the base rate
/// of all rows as if some more rows of it had been seen there. `cells` is `[trees, leaves, classes]`.
///
/// A cell may be negative under noise, and is then taken as 0. The prior grows with the noise: a leaf with fewer rows
/// than the noise has standard deviation says nothing, and must not shout. All this is post-processing of released
/// cells and costs no privacy.
/// `deviation` is the noise's in a cell.
pub(super) fn leaf_values(cells: &[i64], deviation: f64) -> Vec<u32> {
    // Sums in integers, so that they do not depend on an order of summation.
    let (negative, positive) = cells
        .chunks_exact(CLASSES)
        .map(classes)
        .fold((0i128, 0i128), |sums, leaf| {
            (sums.0 + i128::from(leaf.0), sums.1 + i128::from(leaf.1))
        });
    let base_rate = share(negative.max(0) as f64, positive.max(0) as f64);
    let prior = f64::max(PRIOR_ROWS, PRIOR_PER_NOISE * deviation);
    cells
        .chunks_exact(CLASSES)
        .map(|leaf| {
            let (negative, positive) = classes(leaf);
            let (negative, positive) = (negative.max(0) as f64, positive.max(0) as f64);
            fixed_point((positive + prior * base_rate) / (negative + positive + prior))
        })
        .collect()
}

fn classes(leaf: &[i64]) -> (i64, i64) {
    match leaf {
        [negative, positive] => (*negative, *positive),
        _ => (0, 0),
    }
}

/// One half if there is nothing to share.
fn share(negative: f64, positive: f64) -> f64 {
    if negative + positive > 0.0 {
        positive / (negative + positive)
    } else {
        0.5
    }
}

fn fixed_point(probability: f64) -> u32 {
    ((probability * f64::from(SCALE)).round() as u32).min(MAX_LEAF_VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_smoothed_shares() {
        // 12 rows, 3 positive: a base rate of one quarter, worth one row in each leaf.
        let values = leaf_values(&[9, 0, 0, 3], 0.0);
        assert_eq!(
            values,
            [
                (0.25 / 10.0 * 1_048_576.0f64).round() as u32,
                (3.25 / 4.0 * 1_048_576.0) as u32
            ]
        );
        // Noise of 9 rows makes it worth nine.
        let values = leaf_values(&[9, 0, 0, 3], 9.0);
        assert_eq!(
            values,
            [(0.125 * 1_048_576.0) as u32, (5.25 / 12.0 * 1_048_576.0) as u32]
        );
        // Noise below one row changes nothing.
        assert_eq!(leaf_values(&[9, 0, 0, 3], 0.5), leaf_values(&[9, 0, 0, 3], 0.0));
    }

    #[test]
    fn no_rows_and_negative_cells_are_no_evidence() {
        assert_eq!(leaf_values(&[0, 0, 0, 0], 0.0), [SCALE / 2; 2]);
        assert_eq!(leaf_values(&[-5, -7, -1, 0], 0.0), [SCALE / 2; 2]);
        let values = leaf_values(&[-5, -7, 75, 37], 0.0);
        assert_eq!(values[0], (0.3 * 1_048_576.0f64).round() as u32);
    }

    #[test]
    fn certainty_stays_below_one() {
        assert_eq!(leaf_values(&[0, 7], 0.0), [MAX_LEAF_VALUE]);
    }

    proptest! {
        #[test]
        fn any_cells_give_probabilities(cells in proptest::collection::vec(any::<i64>(), 0..40), deviation in 0.0f64..1e9) {
            let values = leaf_values(&cells, deviation);
            prop_assert_eq!(values.len(), cells.len() / 2);
            prop_assert!(values.iter().all(|value| *value <= MAX_LEAF_VALUE));
        }
    }
}
