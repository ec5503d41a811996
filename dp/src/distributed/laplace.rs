//! Discrete Laplace noise in Polya shares: pure differential privacy.
//!
//! **Mechanism** every surviving party adds the difference of two negative binomial variables `NB(1/n, q)` to every cell
//! of its own table; `n` of these sum to the discrete Laplace `P(x) = (1 - q) / (1 + q) q^|x|` exactly, and more
//! survivors only add independent noise. **Sensitivity** L1. **Neighbours** add or remove one row of one party.
//! **Theorem** Ghosh, Roughgarden and Sundararajan, *Universally Utility-Maximizing Privacy Mechanisms*, STOC 2009: with
//! L1 sensitivity `D` the release is `-D ln q`-differentially private, delta = 0. Shares after Goryczka and Xiong 2017.

use crate::cost::{Cost, Order};
use crate::sampler::Polya;
use crate::sensitivity::L1;

use super::{CalibrationError, ROUNDING, nats_of_tail, smallest};

/// Calibrated shares of discrete Laplace noise. Immutable; knows the table only by its number of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct DistributedLaplace {
    sampler: Polya,
    l1: L1,
    cells: u64,
}

impl DistributedLaplace {
    /// The least noise, on a grid of `q` in multiples of 2^-32, such that the sum of `honest_shares` shares is
    /// `epsilon`-differentially private for tables of this L1 sensitivity. `cells` is what the tail bound covers.
    ///
    /// # Errors
    /// [`CalibrationError::NoPureBudget`] unless epsilon is a finite number above 0; [`CalibrationError::NoHonestShares`],
    /// [`CalibrationError::NothingToProtect`]; [`CalibrationError::TooMuchLaplace`] where the scale `D / epsilon` would
    /// be beyond 2^16.
    pub fn calibrate(epsilon: f64, l1: L1, honest_shares: u32, cells: u64) -> Result<Self, CalibrationError> {
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(CalibrationError::NoPureBudget { epsilon });
        }
        if honest_shares == 0 {
            return Err(CalibrationError::NoHonestShares);
        }
        if cells == 0 || l1.0 == 0 {
            return Err(CalibrationError::NothingToProtect {
                cells,
                sensitivity: l1.0,
            });
        }
        let too_much = CalibrationError::TooMuchLaplace {
            epsilon,
            sensitivity: l1.0,
        };
        // Noise falls with the gap, so the largest that is still private is wanted: search its complement.
        let least = u64::from(u32::MAX - Polya::MIN_GAP);
        let complement = smallest(0, least, |complement| {
            let gap = u32::MAX - complement as u32;
            Cost::Laplace { gap, l1 }.divergence(Order::PURE) * ROUNDING <= epsilon
        })
        .ok_or_else(|| too_much.clone())?;
        let sampler = Polya::new(honest_shares, u32::MAX - complement as u32).map_err(|_| too_much)?;
        Ok(DistributedLaplace { sampler, l1, cells })
    }

    /// What one release of the sum costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost::Laplace {
            gap: self.sampler.gap(),
            l1: self.l1,
        }
    }

    /// The epsilon of pure differential privacy, at most what was asked for.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.cost().divergence(Order::PURE)
    }

    fn gap(&self) -> f64 {
        f64::from(self.sampler.gap()) / 2f64.powi(32)
    }

    /// Standard deviation of a cell of the sum of `shares` shares: the variance of one is `2 q / (n (1 - q)^2)`.
    #[must_use]
    pub fn total_sigma(&self, shares: u32) -> f64 {
        let gap = self.gap();
        let parts = f64::from(shares) / f64::from(self.sampler.shares());
        (2.0 * (1.0 - gap) * parts).sqrt() / gap
    }

    /// A bound on the noise of every cell of the sum of `shares` shares at once, but for a probability of at most
    /// `2^-log2_prob`: Chernoff's, with the moment generating function
    /// `((1 - q)^2 / ((1 - q e^t) (1 - q e^-t)))^(shares / n)`, and a union bound.
    #[must_use]
    pub fn tail_bound(&self, log2_prob: u32, shares: u32) -> u64 {
        let gap = self.gap();
        let nats = nats_of_tail(log2_prob, self.cells);
        let parts = f64::from(shares) / f64::from(self.sampler.shares());
        let rate = -(-gap).ln_1p();
        // (1 - q e^t)(1 - q e^-t) = (1 - q)^2 - q (2 sinh(t/2))^2
        let bound = (1..512)
            .map(|step| rate * f64::from(step) / 512.0)
            .filter_map(|t| {
                let less = (1.0 - gap) * (2.0 * (t / 2.0).sinh()).powi(2) / (gap * gap);
                (less < 1.0).then(|| (-(-less).ln_1p() * parts + nats) / t)
            })
            .fold(f64::INFINITY, f64::min);
        (bound * ROUNDING).ceil() as u64
    }

    /// The largest table that the tail bound covers, in cells.
    #[must_use]
    pub fn cells(&self) -> u64 {
        self.cells
    }

    pub(crate) fn sampler(&self) -> &Polya {
        &self.sampler
    }
}

impl std::fmt::Display for DistributedLaplace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "distributed discrete Laplace (Polya shares), 1 - q = {}/2^32, {} honest shares, L1 sensitivity {} (add or \
             remove one row), epsilon {}",
            self.sampler.gap(),
            self.sampler.shares(),
            self.l1.0,
            self.epsilon()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::testing::{chi_squared_p, rng};

    #[test]
    fn the_sum_of_honest_shares_is_private_in_every_outcome() {
        // Exact: likelihood ratios of the closed form for a move by the L1 sensitivity.
        let laplace = DistributedLaplace::calibrate(0.7, L1(3), 4, 100).unwrap();
        assert!(laplace.epsilon() <= 0.7 && laplace.epsilon() > 0.7 - 1e-6);
        let q = 1.0 - laplace.gap();
        let log_p = |x: i64| x.abs() as f64 * q.ln();
        for x in -50..50 {
            assert!((log_p(x) - log_p(x - 3)).abs() <= 0.7 + 1e-12);
        }
        // And the samples are that closed form.
        let mut cells = vec![0i64; 200_000];
        for seed in 0..4 {
            laplace.sampler().add_to(&mut cells, &mut rng(seed));
        }
        let expected: Vec<f64> = (-200i64..=200)
            .map(|x| (1.0 - q) / (1.0 + q) * q.powi(x.abs() as i32))
            .collect();
        assert!(chi_squared_p(&cells, -200, &expected) > 1e-4);
        let second = cells.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / cells.len() as f64;
        assert!((second.sqrt() / laplace.total_sigma(4) - 1.0).abs() < 0.02);
    }

    #[test]
    fn the_tail_bound_holds_and_is_not_wasteful() {
        for shares in [4u32, 9] {
            let laplace = DistributedLaplace::calibrate(0.7, L1(3), 4, 1 << 18).unwrap();
            let bound = laplace.tail_bound(10, shares);
            let mut cells = vec![0i64; 1 << 18];
            for seed in 0..shares {
                laplace.sampler().add_to(&mut cells, &mut rng(seed as u8));
            }
            let most = cells.iter().map(|x| x.unsigned_abs()).max().unwrap();
            assert!(
                most <= bound && bound <= most * 3,
                "{shares} shares: {most} {bound}"
            );
        }
    }

    #[test]
    fn refuses_what_cannot_be_calibrated() {
        let calibrate = DistributedLaplace::calibrate;
        for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                calibrate(epsilon, L1(1), 1, 1),
                Err(CalibrationError::NoPureBudget { .. })
            ));
        }
        assert_eq!(calibrate(1.0, L1(1), 0, 1), Err(CalibrationError::NoHonestShares));
        assert!(matches!(
            calibrate(1.0, L1(0), 1, 1),
            Err(CalibrationError::NothingToProtect { .. })
        ));
        assert!(matches!(
            calibrate(1.0, L1(1 << 20), 1, 1),
            Err(CalibrationError::TooMuchLaplace { .. })
        ));
        assert!(
            calibrate(100.0, L1(1), 1, 1).unwrap().epsilon() > 20.0,
            "the grid ends at 2^-32"
        );
    }
}
