//! Skellam noise in shares.
//!
//! **Mechanism** every surviving party adds independent Skellam noise to every cell of its own table; sums of Skellam
//! variables are Skellam, so nothing is lost by the sharing, however small the shares. **Sensitivity** L2 and L1.
//! **Neighbours** add or remove one row of one party. **Theorem** Agarwal, Kairouz and Liu, *The Skellam Mechanism for
//! Differentially Private Federated Learning*, NeurIPS 2021, Corollary 4.1: for a total variance `v`, whole orders
//! `a > 1`, L1 sensitivity `D1` and squared L2 sensitivity `D2` the Renyi divergence is at most
//!
//! ```text
//! a D2 / (2 v) + min(((2 a - 1) D2 + 6 D1) / (4 v^2), 3 D1 / (2 v))
//! ```

use crate::budget::Rho;
use crate::cost::{Cost, Order};
use crate::sampler::{Skellam, Variance};
use crate::sensitivity::{L1, L2Squared};

use super::{CalibrationError, GRID, GRID_BITS, check, nats_of_tail, smallest};

/// Calibrated Skellam noise shares. Immutable; knows the table it was made for only by its number of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct DistributedSkellam {
    sampler: Skellam,
    honest_shares: u32,
    l1: L1,
    l2: L2Squared,
    cells: u64,
}

impl DistributedSkellam {
    /// The least noise, on a grid of share variances that are multiples of 2^-16, such that the sum of `honest_shares`
    /// shares has a Renyi divergence of order `order` of at most `rho` times the order, for tables of at most `cells`
    /// cells and these sensitivities. [`Budget::order`](crate::Budget::order) is the order for a budget, and
    /// [`rho_for`](crate::rho_for) what all releases together may spend at it.
    ///
    /// # Errors
    /// See [`CalibrationError`]. The sampler supports share variances up to 2^33.
    pub fn calibrate(
        rho: Rho,
        order: Order,
        l1: L1,
        l2: L2Squared,
        honest_shares: u32,
        cells: u64,
    ) -> Result<Self, CalibrationError> {
        check(rho, honest_shares, cells, l2.0.min(l1.0))?;
        let cost = |share| Cost::Skellam {
            share,
            shares: honest_shares,
            l1,
            l2,
        };
        let most = 1u64 << (Skellam::MAX_VARIANCE_LOG2 + GRID_BITS);
        let too_much = CalibrationError::TooMuchNoise {
            rho,
            max_log2: Skellam::MAX_VARIANCE_LOG2,
        };
        // The variance's type begins at 2^-10.
        let steps = smallest((GRID as u64) >> 10, most, |steps| {
            Variance::new(steps, 1 << GRID_BITS)
                .is_ok_and(|share| cost(share).at(order).is_some_and(|at| at <= rho))
        })
        .ok_or_else(|| too_much.clone())?;
        let sampler = Variance::new(steps, 1 << GRID_BITS)
            .ok()
            .and_then(|share| Skellam::new(share).ok())
            .ok_or(too_much)?;
        Ok(DistributedSkellam {
            sampler,
            honest_shares,
            l1,
            l2,
            cells,
        })
    }

    /// What one release of the sum costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost::Skellam {
            share: self.share_variance(),
            shares: self.honest_shares,
            l1: self.l1,
            l2: self.l2,
        }
    }

    /// Variance of one share, an exact rational.
    #[must_use]
    pub fn share_variance(&self) -> Variance {
        self.sampler.variance()
    }

    /// Standard deviation of a cell of the sum of `shares` shares.
    #[must_use]
    pub fn total_sigma(&self, shares: u32) -> f64 {
        (self.share_variance().value() * f64::from(shares)).sqrt()
    }

    /// A bound on the noise of every cell of the sum of `shares` shares at once, but for a probability of at most
    /// `2^-log2_prob`: Chernoff's, with the moment generating function `exp(v (cosh t - 1))`, and a union bound.
    #[must_use]
    pub fn tail_bound(&self, log2_prob: u32, shares: u32) -> u64 {
        let variance = self.share_variance().value() * f64::from(shares);
        let nats = nats_of_tail(log2_prob, self.cells);
        let start = (2.0 * nats / variance).sqrt();
        // Every t gives a bound; the best lies below the Gaussian's.
        let bound = (0..=256)
            .map(|step| start * (-f64::from(step) / 32.0).exp2())
            .map(|t| (variance * 2.0 * (t / 2.0).sinh().powi(2) + nats) / t)
            .fold(f64::INFINITY, f64::min);
        (bound * super::ROUNDING).ceil() as u64
    }

    /// The largest table that the noise was calibrated for, in cells.
    #[must_use]
    pub fn cells(&self) -> u64 {
        self.cells
    }

    pub(crate) fn sampler(&self) -> &Skellam {
        &self.sampler
    }
}

impl std::fmt::Display for DistributedSkellam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "distributed Skellam, variance {} per share, {} honest shares, L1 sensitivity {}, squared L2 sensitivity {} \
             (add or remove one row)",
            self.share_variance(),
            self.honest_shares,
            self.l1.0,
            self.l2.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DistributedGaussian;
    use crate::budget::{Budget, rho_for};
    use crate::sampler::testing::rng;

    #[test]
    fn nearly_as_little_noise_as_the_gaussian() {
        for (epsilon, delta) in [(0.1, 1e-6), (1.0, 1e-7), (5.0, 1e-5)] {
            let budget = Budget::new(epsilon, delta).unwrap();
            let rho = rho_for(&budget).unwrap();
            let skellam =
                DistributedSkellam::calibrate(rho, budget.order(), L1(100), L2Squared(100), 8, 51_200)
                    .unwrap();
            let gaussian = DistributedGaussian::calibrate(rho, L2Squared(100), 8, 51_200).unwrap();
            let ratio = skellam.total_sigma(8) / gaussian.total_sigma(8);
            assert!((1.0..1.02).contains(&ratio), "epsilon {epsilon}: {ratio}");
            assert!(skellam.cost().at(budget.order()).unwrap() <= rho);
        }
    }

    #[test]
    fn shares_may_be_tiny() {
        let budget = Budget::new(1.0, 1e-6).unwrap();
        let rho = rho_for(&budget).unwrap();
        let skellam =
            DistributedSkellam::calibrate(rho, budget.order(), L1(1), L2Squared(1), 1000, 64).unwrap();
        let share = skellam.share_variance().value();
        assert!(share < 0.1, "a Gaussian share could not be as small: {share}");
    }

    #[test]
    fn the_tail_bound_holds_and_is_not_wasteful() {
        for shares in [1, 50] {
            let budget = Budget::new(1.0, 1e-6).unwrap();
            let skellam = DistributedSkellam::calibrate(
                Rho::new(2.0).unwrap(),
                budget.order(),
                L1(1),
                L2Squared(1),
                1,
                1 << 18,
            )
            .unwrap();
            let bound = skellam.tail_bound(10, shares);
            let mut cells = vec![0i64; 1 << 18];
            for seed in 0..shares {
                skellam.sampler().add_to(&mut cells, &mut rng(seed as u8));
            }
            let most = cells.iter().map(|x| x.unsigned_abs()).max().unwrap();
            assert!(
                most <= bound && bound <= most * 2,
                "{shares} shares: {most} {bound}"
            );
        }
    }

    #[test]
    fn refuses_what_cannot_be_calibrated() {
        let order = Order::new(2.0).unwrap();
        let calibrate = |rho: f64, l1, shares, cells| {
            DistributedSkellam::calibrate(
                Rho::new(rho).unwrap(),
                order,
                L1(l1),
                L2Squared(l1),
                shares,
                cells,
            )
        };
        assert_eq!(calibrate(0.0, 1, 1, 1), Err(CalibrationError::NoBudget));
        assert_eq!(calibrate(0.1, 1, 0, 1), Err(CalibrationError::NoHonestShares));
        assert!(matches!(
            calibrate(0.1, 0, 1, 1),
            Err(CalibrationError::NothingToProtect { .. })
        ));
        assert!(matches!(
            calibrate(1e-9, 1 << 30, 1, 1),
            Err(CalibrationError::TooMuchNoise { max_log2: 33, .. })
        ));
    }
}
