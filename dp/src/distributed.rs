//! How wide every party's share of the noise must be.
//!
//! **Mechanism** every surviving party adds independent discrete Gaussian noise to every cell of its own table; the
//! summation adds up the tables. **Sensitivity** L2. **Neighbours** add or remove one row of one party. **Theorem**
//! Kairouz, Liu and Steinke, *The Distributed Discrete Gaussian Mechanism for Federated Learning with Secure
//! Aggregation*, ICML 2021, Theorem 1 and Proposition 14 (numbering of arXiv 2102.06387, as its public implementations cite it): for `n` shares of
//! variance parameter `s >= 1/4`, `d` cells and squared L2 sensitivity `D`, the sum is rho-zCDP with
//!
//! ```text
//! rho = min( D / (2 n s) + tau d,   (sqrt(D / (n s)) + tau sqrt(d))^2 / 2 )
//! tau = 10 * sum over k = 1 .. n-1 of exp(-2 pi^2 s k / (k + 1))
//! ```
//!
//! `tau` is the price of a sum of discrete Gaussians not being a discrete Gaussian; it is 0 for one share and falls
//! with `exp(-pi^2 s)`. (Proposition 14 states the first bound as a Renyi divergence `alpha D / (2 n s) + tau d` of
//! every order `alpha >= 1`; `alpha -> 1` gives the form above, which is what zCDP needs.)

pub mod laplace;
pub mod skellam;

use std::f64::consts::{LN_2, PI};

use thiserror::Error;

use crate::budget::Rho;
use crate::sampler::{DiscreteGaussian, Variance};
use crate::sensitivity::L2Squared;

/// Why no noise could be calibrated.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// A rho of zero allows no release at all.
    #[error("rho is 0, which allows no release")]
    NoBudget,
    /// With no honest share there is no noise.
    #[error("no honest share of the noise is left (minimum of survivors minus collusion bound is 0)")]
    NoHonestShares,
    /// A table without cells, or one that no row can change, is a mistake of the caller.
    #[error("a table of {cells} cells with sensitivity {sensitivity} has nothing to protect")]
    NothingToProtect {
        /// Cells of the table.
        cells: u64,
        /// Its sensitivity (squared L2, or L1).
        sensitivity: u64,
    },
    /// Pure differential privacy needs an epsilon.
    #[error("pure epsilon is {epsilon}, expected a finite number above 0")]
    NoPureBudget {
        /// The epsilon given.
        epsilon: f64,
    },
    /// A discrete Laplace of a scale beyond 2^16 would be needed.
    #[error(
        "pure epsilon {epsilon} at L1 sensitivity {sensitivity} needs discrete Laplace noise of a scale above 2^16"
    )]
    TooMuchLaplace {
        /// The epsilon asked for.
        epsilon: f64,
        /// L1 sensitivity.
        sensitivity: u64,
    },
    /// More noise would be needed than the sampler supports.
    #[error("rho {rho} needs shares of a variance above the largest supported, 2^{max_log2}")]
    TooMuchNoise {
        /// The rho asked for.
        rho: Rho,
        /// Binary logarithm of the largest share variance.
        max_log2: u32,
    },
}

/// Calibrated noise shares. Immutable; knows the table it was made for only by its number of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct DistributedGaussian {
    sampler: DiscreteGaussian,
    cost: Rho,
    honest_shares: u32,
    sensitivity: L2Squared,
    cells: u64,
}

/// Share variances are multiples of 2^-16.
const GRID_BITS: u32 = 16;
const GRID: f64 = (1u64 << GRID_BITS) as f64;
/// The theorem asks for 1/4 or more; from 1 on a sum of shares is a discrete Gaussian for all purposes but proof.
const MIN_GRID_VARIANCE: u64 = 1 << GRID_BITS;
/// A standard deviation of 8.4 million in one share.
const MAX_VARIANCE_LOG2: u32 = 46;
/// The correction by `tau` may make up this part of the cost at most: the theorem's slack is paid for in variance,
/// which it hardly costs, and never in budget.
const NEGLIGIBLE: f64 = 1.0 / 1024.0;
/// Covers the rounding of the few dozen operations of [`cost_of`] many times over.
const ROUNDING: f64 = 1.0 + 1e-9;
/// Terms of `tau` that are summed one by one; the rest is bounded by the last of these.
const TERMS: u32 = 512;

/// zCDP cost of the sum without and with the correction, both rounded up.
fn cost_of(variance: f64, sensitivity: f64, shares: u32, cells: f64) -> (f64, f64) {
    let term = |k: u32| (-2.0 * PI * PI * variance * f64::from(k) / (f64::from(k) + 1.0)).exp();
    let terms = shares - 1;
    let summed = terms.min(TERMS);
    // The terms fall with k, so the last one that is summed bounds those that are not.
    let rest = if terms > summed {
        f64::from(terms - summed) * term(summed)
    } else {
        0.0
    };
    let tau = 10.0 * ((1..=summed).map(term).sum::<f64>() + rest);
    let ratio = sensitivity / (f64::from(shares) * variance);
    let added = 0.5 * ratio + tau * cells;
    let squared = 0.5 * (ratio.sqrt() + tau * cells.sqrt()).powi(2);
    (0.5 * ratio * ROUNDING, added.min(squared) * ROUNDING)
}

/// What no mechanism can be calibrated for.
fn check(rho: Rho, honest_shares: u32, cells: u64, sensitivity: u64) -> Result<(), CalibrationError> {
    if rho == Rho::ZERO {
        return Err(CalibrationError::NoBudget);
    }
    if honest_shares == 0 {
        return Err(CalibrationError::NoHonestShares);
    }
    if cells == 0 || sensitivity == 0 {
        return Err(CalibrationError::NothingToProtect { cells, sensitivity });
    }
    Ok(())
}

/// The smallest number from `low` to `high` for which `enough` holds, by bisection: it holds for all above one for
/// which it holds.
fn smallest(mut low: u64, mut high: u64, enough: impl Fn(u64) -> bool) -> Option<u64> {
    if !enough(high) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if enough(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

/// Nats of a probability of `2^-log2_prob`, divided between two sides of `cells` cells.
fn nats_of_tail(log2_prob: u32, cells: u64) -> f64 {
    (f64::from(log2_prob) + 1.0 + (cells as f64).log2()) * LN_2
}

impl DistributedGaussian {
    /// The least noise, on a grid of share variances that are multiples of 2^-16 and at least 1, such that the sum
    /// of `honest_shares` shares is `rho`-zCDP for tables of at most `cells` cells and squared L2 sensitivity
    /// `sensitivity`, and the theorem's correction is at most a thousandth of the cost.
    ///
    /// `honest_shares` = fewest survivors the query accepts minus the colluding parties tolerated (who know their own
    /// noise). More survivors only add noise.
    ///
    /// # Errors
    /// See [`CalibrationError`].
    pub fn calibrate(
        rho: Rho,
        sensitivity: L2Squared,
        honest_shares: u32,
        cells: u64,
    ) -> Result<Self, CalibrationError> {
        check(rho, honest_shares, cells, sensitivity.0)?;
        let cost = |steps: u64| {
            cost_of(
                steps as f64 / GRID,
                sensitivity.0 as f64,
                honest_shares,
                cells as f64,
            )
        };
        let enough = |steps: u64| {
            let (plain, corrected) = cost(steps);
            corrected <= rho.value() && corrected <= plain * (1.0 + NEGLIGIBLE)
        };
        let too_much = CalibrationError::TooMuchNoise {
            rho,
            max_log2: MAX_VARIANCE_LOG2,
        };
        // Both conditions become easier as the variance grows, so bisection finds the first step that is enough.
        let most = 1u64 << (MAX_VARIANCE_LOG2 + GRID_BITS);
        let steps = smallest(MIN_GRID_VARIANCE, most, enough).ok_or_else(|| too_much.clone())?;
        let variance = Variance::new(steps, 1 << GRID_BITS).map_err(|_| too_much.clone())?;
        let cost = Rho::at_least(cost(steps).1).map_err(|_| too_much)?;
        Ok(DistributedGaussian {
            sampler: DiscreteGaussian::new(variance),
            cost,
            honest_shares,
            sensitivity,
            cells,
        })
    }

    /// The zCDP cost of one release of the sum, at most the rho that was asked for.
    #[must_use]
    pub fn cost(&self) -> Rho {
        self.cost
    }

    /// Variance parameter of one share, an exact rational.
    #[must_use]
    pub fn share_variance(&self) -> Variance {
        self.sampler.variance()
    }

    /// Standard deviation of one share; for reports and for growth that wants to know how noisy its answers are.
    #[must_use]
    pub fn share_sigma(&self) -> f64 {
        self.share_variance().value().sqrt()
    }

    /// Standard deviation of a cell of the sum of `shares` shares.
    #[must_use]
    pub fn total_sigma(&self, shares: u32) -> f64 {
        (self.share_variance().value() * f64::from(shares)).sqrt()
    }

    /// A bound on the noise of every cell of the sum of `shares` shares at once, but for a probability of at most
    /// `2^-log2_prob`: the noise of a cell is sub-Gaussian with the sum of the shares' variance parameters (Canonne,
    /// Kamath and Steinke 2020, and independence); union bound over the calibrated number of cells and
    /// two sides.
    #[must_use]
    pub fn tail_bound(&self, log2_prob: u32, shares: u32) -> u64 {
        let variance = self.share_variance().value() * f64::from(shares);
        let nats = nats_of_tail(log2_prob, self.cells);
        // The cast saturates; the largest value is below 2^46 anyway.
        ((2.0 * variance * nats).sqrt() * ROUNDING).ceil() as u64
    }

    /// The fewest honest shares that the cost was computed for.
    #[must_use]
    pub fn honest_shares(&self) -> u32 {
        self.honest_shares
    }

    /// The sensitivity that the cost was computed for.
    #[must_use]
    pub fn sensitivity(&self) -> L2Squared {
        self.sensitivity
    }

    /// The largest table that the cost was computed for, in cells.
    #[must_use]
    pub fn cells(&self) -> u64 {
        self.cells
    }

    pub(crate) fn sampler(&self) -> &DiscreteGaussian {
        &self.sampler
    }
}

impl std::fmt::Display for DistributedGaussian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "distributed discrete Gaussian, variance {} per share, {} honest shares, squared L2 sensitivity {} (add \
             or remove one row), rho {}",
            self.share_variance(),
            self.honest_shares,
            self.sensitivity.0,
            self.cost
        )
    }
}

#[cfg(test)]
mod tests;
