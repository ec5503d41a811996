//! What released numbers say about coins: the linear estimate of least squared error.
//!
//! Canary `i` is in with probability 1/2, independently: `z_i = +-1/2`. Every released number, less what the adversary
//! knows, is `sum over i of a_i z_i` plus noise of known variance. The estimate of `z` of least squared error among the
//! linear ones (Gauss-Markov with a prior of variance 1/4) is the score.

use std::collections::BTreeMap;

use hedgerow_forest::query::SCALE;
use hedgerow_forest::table::CLASSES;

/// Variance of a number that is exact: small against what one canary moves, and not 0.
const EXACT: f64 = 1e-3;
/// Variance of a coin.
const COIN: f64 = 0.25;

/// Normal equations over `[canaries]`.
pub(super) struct Evidence {
    precision: Vec<Vec<f64>>,
    right: Vec<f64>,
}

impl Evidence {
    pub(super) fn new(canaries: usize) -> Self {
        let mut precision = vec![vec![0.0; canaries]; canaries];
        for (i, row) in precision.iter_mut().enumerate() {
            if let Some(own) = row.get_mut(i) {
                *own = 1.0 / COIN;
            }
        }
        Evidence {
            precision,
            right: vec![0.0; canaries],
        }
    }

    /// One number: `value = sum of a z + noise`.
    fn see(&mut self, value: f64, canaries: &[(usize, f64)], variance: f64) {
        for (i, a) in canaries {
            if let Some(right) = self.right.get_mut(*i) {
                *right += a * value / variance;
            }
            if let Some(row) = self.precision.get_mut(*i) {
                for (j, b) in canaries {
                    if let Some(entry) = row.get_mut(*j) {
                        *entry += a * b / variance;
                    }
                }
            }
        }
    }

    /// A released table, cell by cell. `moved` are the cells that each canary moves.
    pub(super) fn see_totals(
        &mut self,
        totals: &[i64],
        known: &[i64],
        moved: &[Vec<(usize, i64)>],
        sigma: f64,
    ) {
        for (cell, canaries) in by_cell(moved) {
            let (Some(total), Some(known)) = (totals.get(cell), known.get(cell)) else {
                continue;
            };
            let expected: f64 = canaries.iter().map(|(_, by)| by * 0.5).sum();
            // Gradients are in units of their own; what is exact is judged by what a canary moves.
            let largest = canaries.iter().map(|(_, by)| by.abs()).fold(1.0, f64::max);
            let variance = (sigma * sigma).max(EXACT * largest * largest);
            self.see(total.wrapping_sub(*known) as f64 - expected, &canaries, variance);
        }
    }

    /// Published leaf values, `[trees, leaves]` in units of `1 / SCALE`, beside the known counts
    /// `[trees, leaves, classes]` of the same trees; `sigma` is the noise of a count.
    pub(super) fn see_values(
        &mut self,
        values: &[u32],
        known: &[i64],
        moved: &[Vec<(usize, i64)>],
        sigma: f64,
    ) {
        let (negatives, positives) = known
            .chunks_exact(CLASSES)
            .fold((0.0, 0.0), |sums, leaf| match leaf {
                [negative, positive] => (sums.0 + *negative as f64, sums.1 + *positive as f64),
                _ => sums,
            });
        let base = if negatives + positives > 0.0 {
            positives / (negatives + positives)
        } else {
            0.5
        };
        // How growth smooths leaves: a row of the base rate, or as many as the noise has standard deviations.
        let prior = sigma.max(1.0);
        let mut leaves: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
        for (cell, canaries) in by_cell(moved) {
            let label = (cell % CLASSES) as f64;
            let signed = canaries.into_iter().map(|(i, _)| (i, label));
            leaves.entry(cell / CLASSES).or_default().extend(signed);
        }
        for (leaf, canaries) in leaves {
            let count = |class: usize| {
                known
                    .get(leaf * CLASSES + class)
                    .map_or(0.0, |count| *count as f64)
            };
            let Some(value) = values.get(leaf).map(|value| f64::from(*value) / f64::from(SCALE)) else {
                continue;
            };
            // To first order around the counts that are to be expected.
            let rows = count(0) + count(1) + 0.5 * canaries.len() as f64 + prior;
            let ones: f64 = canaries.iter().map(|(_, label)| 0.5 * label).sum();
            let share = (count(1) + ones + prior * base) / rows;
            let effects: Vec<(usize, f64)> = canaries
                .iter()
                .map(|(i, label)| (*i, (label - share) / rows))
                .collect();
            let noise = sigma * sigma * (share * share + (1.0 - share) * (1.0 - share));
            let variance = (noise + EXACT) / (rows * rows) + f64::from(SCALE).powi(-2);
            self.see(value - share, &effects, variance);
        }
    }

    /// The estimates of all `z`, by Cholesky's method; the matrix is positive definite by the prior.
    pub(super) fn scores(mut self) -> Vec<f64> {
        let canaries = self.right.len();
        let entry = |matrix: &[Vec<f64>], i: usize, j: usize| -> f64 {
            matrix.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0)
        };
        for j in 0..canaries {
            let pivot = (0..j).fold(entry(&self.precision, j, j), |sum, k| {
                sum - entry(&self.precision, j, k).powi(2)
            });
            let pivot = pivot.max(f64::MIN_POSITIVE).sqrt();
            let row_j: Vec<f64> = (0..j).map(|k| entry(&self.precision, j, k)).collect();
            for row in self.precision.iter_mut().skip(j + 1) {
                let dot: f64 = row.iter().zip(&row_j).map(|(a, b)| a * b).sum();
                if let Some(value) = row.get_mut(j) {
                    *value = (*value - dot) / pivot;
                }
            }
            if let Some(own) = self.precision.get_mut(j).and_then(|row| row.get_mut(j)) {
                *own = pivot;
            }
        }
        let mut solved = self.right;
        for i in 0..canaries {
            let sum: f64 = (0..i)
                .map(|k| entry(&self.precision, i, k) * solved.get(k).unwrap_or(&0.0))
                .sum();
            let own = entry(&self.precision, i, i);
            if let Some(value) = solved.get_mut(i) {
                *value = (*value - sum) / own;
            }
        }
        for i in (0..canaries).rev() {
            let sum: f64 = (i + 1..canaries)
                .map(|k| entry(&self.precision, k, i) * solved.get(k).unwrap_or(&0.0))
                .sum();
            let own = entry(&self.precision, i, i);
            if let Some(value) = solved.get_mut(i) {
                *value = (*value - sum) / own;
            }
        }
        solved
    }
}

/// From the cells of each canary to the canaries of each cell.
fn by_cell(moved: &[Vec<(usize, i64)>]) -> BTreeMap<usize, Vec<(usize, f64)>> {
    let mut cells: BTreeMap<usize, Vec<(usize, f64)>> = BTreeMap::new();
    for (canary, own) in moved.iter().enumerate() {
        for (cell, by) in own {
            cells.entry(*cell).or_default().push((canary, *by as f64));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_sums_are_solved_for_the_coins() {
        // Three canaries, seen in overlapping sums.
        let coins = [0.5, -0.5, 0.5];
        let mut evidence = Evidence::new(3);
        for group in [vec![0, 1], vec![1, 2], vec![0, 2]] {
            let value = group.iter().map(|i| coins[*i]).sum();
            let canaries: Vec<(usize, f64)> = group.into_iter().map(|i| (i, 1.0)).collect();
            evidence.see(value, &canaries, 1e-6);
        }
        for (score, coin) in evidence.scores().iter().zip(coins) {
            assert!((score - coin).abs() < 1e-4, "{score} {coin}");
        }
    }

    #[test]
    fn noise_leaves_the_prior() {
        let mut evidence = Evidence::new(1);
        evidence.see(100.0, &[(0, 1.0)], 1e8);
        // z = (100 / 1e8) / (4 + 1e-8)
        assert!((evidence.scores()[0] - 2.5e-7).abs() < 1e-9);
    }
}
