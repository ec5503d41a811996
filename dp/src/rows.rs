//! Disjoint rows for each tree of an ensemble, or all rows in all trees?
//!
//! An ensemble of `T` trees averages what its trees say about the leaf of a row. Let a leaf of one tree hold the part `f` of
//! the rows that the tree was given. **All rows in all trees**: every row moves one cell of each tree, so the release has L2
//! sensitivity `sqrt(T)` and L1 sensitivity `T`, and a leaf holds `f n` rows. **Disjoint**: every row belongs to one tree,
//! sensitivity 1, and a leaf holds `f n / T` rows. With noise of standard deviation `s` at sensitivity 1 the mean over trees
//! of noise / rows has the standard deviation
//!
//! | noise | pays by | all rows | disjoint |
//! |---|---|---|---|
//! | discrete Gaussian, Skellam | L2 | `s sqrt(T) / (f n sqrt(T)) = s / (f n)` | `s T / (f n sqrt(T)) = sqrt(T) s / (f n)` |
//! | discrete Laplace | L1 | `s T / (f n sqrt(T)) = sqrt(T) s / (f n)` | `sqrt(T) s / (f n)` |
//!
//! So all rows in all trees is never worse, and under L2 noise `sqrt(T)` times better at the same budget: the noise that a
//! tree pays for its share of the budget averages out over the trees. One tree alone sees the ratio in its own cells, too,
//! which is what the choice of a split goes by. Hedgerow therefore gives all rows to all trees. (Mechanism, neighbours:
//! those of [`Noise`]; disjoint rows are parallel composition, McSherry, SIGMOD 2009.)

use crate::noise::Noise;

/// Which rows a tree of an ensemble is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    All,
    /// Those of a part of the data that is its own.
    Disjoint,
}

/// Standard deviation of the mean over `trees` trees of (noise of a leaf's cell / rows of that leaf), relative to one tree
/// that has all rows and the whole budget.
#[must_use]
pub fn noise_of_the_mean(noise: Noise, rows: Rows, trees: u32) -> f64 {
    let trees = f64::from(trees);
    // Sensitivity to the ensemble's release, and the loss of rows in a leaf; the mean of T terms divides by sqrt(T).
    let (sensitivity, rows) = match (rows, noise) {
        (Rows::All, Noise::DiscreteGaussian | Noise::Skellam) => (trees.sqrt(), 1.0),
        (Rows::All, Noise::DiscreteLaplace) => (trees, 1.0),
        (Rows::Disjoint, _) => (1.0, 1.0 / trees),
    };
    sensitivity / rows / trees.sqrt()
}

/// The better of the two for this noise; all rows where both are alike, because no tree then learns from less.
#[must_use]
pub fn better(noise: Noise, trees: u32) -> Rows {
    let of = |rows| noise_of_the_mean(noise, rows, trees);
    if of(Rows::Disjoint) < of(Rows::All) {
        Rows::Disjoint
    } else {
        Rows::All
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::testing::rng;
    use crate::{Budget, L1, L2Squared, Release};

    /// The mean over trees of noise / rows for one leaf of every tree, drawn with the real mechanisms.
    fn measured(noise: Noise, rows: Rows, trees: u32) -> f64 {
        let budget = Budget::new(0.5, 1e-6).unwrap();
        let moved = match rows {
            Rows::All => u64::from(trees),
            Rows::Disjoint => 1,
        };
        let release = Release {
            l1: L1(moved),
            l2: L2Squared(moved),
            cells: 1 << 20,
            honest_shares: 1,
        };
        let mechanism = noise.mechanism(&budget, 1, 1, release).unwrap();
        let mut books = noise.books(&budget).unwrap();
        let charge = books.charge("leaf counts", mechanism.renyi_cost()).unwrap();
        let repeats = 4000;
        let cells = mechanism
            .apply(
                vec![0i64; repeats * trees as usize],
                charge,
                &mut rng(moved as u8),
            )
            .unwrap()
            .into_inner();
        let in_leaf = match rows {
            Rows::All => 1.0,
            Rows::Disjoint => 1.0 / f64::from(trees),
        };
        let square: f64 = cells
            .chunks(trees as usize)
            .map(|cells| (cells.iter().sum::<i64>() as f64 / in_leaf / f64::from(trees)).powi(2))
            .sum();
        (square / repeats as f64).sqrt()
    }

    #[test]
    fn the_formula_is_what_the_mechanisms_do() {
        for noise in [Noise::DiscreteGaussian, Noise::Skellam, Noise::DiscreteLaplace] {
            let one = measured(noise, Rows::All, 1);
            for rows in [Rows::All, Rows::Disjoint] {
                let (expected, measured) = (
                    noise_of_the_mean(noise, rows, 16),
                    measured(noise, rows, 16) / one,
                );
                assert!(
                    (measured / expected - 1.0).abs() < 0.1,
                    "{noise:?} {rows:?}: {measured} {expected}"
                );
            }
        }
    }

    #[test]
    fn all_rows_is_never_worse() {
        for trees in [1, 2, 100, 4096] {
            for noise in [Noise::DiscreteGaussian, Noise::Skellam, Noise::DiscreteLaplace] {
                assert_eq!(better(noise, trees), Rows::All);
            }
        }
        assert_eq!(
            noise_of_the_mean(Noise::DiscreteGaussian, Rows::Disjoint, 100),
            10.0
        );
        assert_eq!(noise_of_the_mean(Noise::DiscreteGaussian, Rows::All, 100), 1.0);
    }
}
