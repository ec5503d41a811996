//! Leaf values: smoothed probabilities in fixed point.

use crate::query::{MAX_LEAF_VALUE, SCALE};
use crate::table::CLASSES;
use crate::tree::Tree;

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

/// Rows that the parent's share is worth, per row of standard deviation of a node's noise, in [`shrunk_leaf_values`].
///
/// Measured at epsilon 0.1 and 1 on six data sets: 0.5 and 1 are alike, 2 loses a little; all beat a prior of the base
/// rate alone (0.001 to 0.003 of AUROC).
const PARENT_PER_NOISE: f64 = 0.5;

/// As [`leaf_values`], but every node is drawn towards its parent, from the root down: where a leaf is too small to
/// stand out from the noise, its ancestors speak. For trees whose splits were chosen, not drawn.
///
/// A leaf that no row can reach, right of a node that splits nothing, counts nowhere, so that its noise does not either.
pub(super) fn shrunk_leaf_values(cells: &[i64], trees: &[Tree], deviation: f64) -> Vec<u32> {
    let mut values = Vec::with_capacity(cells.len() / CLASSES);
    let leaves = trees.first().map_or(1, Tree::leaves);
    for (tree, cells) in trees.iter().zip(cells.chunks_exact(leaves * CLASSES)) {
        let nodes = node_sums(tree, cells);
        let mut shares: Vec<f64> = Vec::with_capacity(nodes.len());
        for (node, sum) in nodes.iter().enumerate() {
            let (negative, positive) = (sum.0.max(0) as f64, sum.1.max(0) as f64);
            let parent = node.checked_sub(1).and_then(|below| shares.get(below / 2));
            shares.push(match parent {
                None => share(negative, positive),
                Some(parent) => {
                    let noise = deviation * f64::from(sum.2).sqrt();
                    let prior = f64::max(PRIOR_ROWS, PARENT_PER_NOISE * noise);
                    (positive + prior * parent) / (negative + positive + prior)
                }
            });
        }
        values.extend(shares.into_iter().skip(leaves - 1).map(fixed_point));
    }
    values
}

/// Rows of both classes of every node in level order, and of how many leaves.
fn node_sums(tree: &Tree, cells: &[i64]) -> Vec<(i128, i128, u32)> {
    let leaves = tree.leaves();
    let mut reachable = vec![true];
    for (node, split) in tree.splits().iter().enumerate() {
        let here = reachable.get(node).copied().unwrap_or_default();
        reachable.extend([here, here && !split.is_dummy()]);
    }
    let mut nodes = vec![(0, 0, 0); leaves - 1];
    nodes.extend(
        cells
            .chunks_exact(CLASSES)
            .zip(reachable.into_iter().skip(leaves - 1))
            .map(|(cell, reachable)| match classes(cell) {
                (negative, positive) if reachable => (i128::from(negative), i128::from(positive), 1),
                _ => (0, 0, 0),
            }),
    );
    for child in (1..nodes.len()).rev() {
        let below = nodes.get(child).copied().unwrap_or_default();
        if let Some(sum) = nodes.get_mut((child - 1) / 2) {
            *sum = (sum.0 + below.0, sum.1 + below.1, sum.2 + below.2);
        }
    }
    nodes
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

    #[test]
    fn small_leaves_speak_with_their_parents_voice() {
        use crate::tree::{BinSet, Split};
        let split = Split {
            feature: 0,
            right: BinSet::range(1, 1),
        };
        let tree = Tree::new(2, vec![split, split, Split::DUMMY]).unwrap();
        // The last leaf cannot be reached: what is there is noise.
        let cells = [60, 20, 1, 1, 10, 30, 500, 900];
        let exact = shrunk_leaf_values(&cells, std::slice::from_ref(&tree), 0.0);
        let root: f64 = 51.0 / 122.0;
        let left = (21.0 + root) / 83.0;
        assert_eq!(exact[1], fixed_point((1.0 + left) / 3.0));
        assert_eq!(exact[2], fixed_point((30.0 + (30.0 + root) / 41.0) / 41.0));
        let noisy = shrunk_leaf_values(&cells, &[tree], 1000.0);
        let spread = |values: &[u32]| values[2].abs_diff(values[0]);
        assert!(spread(&noisy) < spread(&exact) / 2);
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
