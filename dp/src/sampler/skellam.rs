//! The Skellam distribution `Sk(0, v)`: the difference of two independent Poisson variables of mean `v / 2` each. Its
//! variance is `v`, and a sum of independent Skellam variables is Skellam with the sum of their variances.
//!
//! **Source** of the mechanism: Agarwal, Kairouz and Liu, *The Skellam Mechanism for Differentially Private Federated
//! Learning*, NeurIPS 2021. The Poisson variables are drawn exactly, by inversion of rational weights
//! `w(k + 1) / w(k) = mean / (k + 1)`.

use rand_core::CryptoRng;
use thiserror::Error;

use super::inversion::{Factor, Inversion, Weights};
use super::variance::Variance;
use super::words::Words;

/// A variance that the Skellam sampler does not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "Skellam noise of variance {variance} is not supported, expected at most 2^{} with a denominator of at most 2^{}",
    Skellam::MAX_VARIANCE_LOG2,
    Skellam::MAX_DENOMINATOR_LOG2
)]
#[non_exhaustive]
pub struct UnsupportedSkellam {
    /// The variance asked for.
    pub variance: Variance,
}

/// An exact sampler for one variance. Clones share the table that the first sample makes: about 13 standard deviations
/// of 16 bytes each.
#[derive(Clone, Debug)]
pub struct Skellam {
    variance: Variance,
    poisson: Inversion<Poisson>,
}

impl PartialEq for Skellam {
    fn eq(&self, other: &Self) -> bool {
        self.variance == other.variance
    }
}

#[derive(Clone, Debug)]
struct Poisson {
    numerator: u64,
    denominator: u64,
}

impl Poisson {
    /// `(k denominator, numerator)` of `k / mean`; both below 2^60.
    fn relative(&self, k: u64) -> (u64, u64) {
        (k.saturating_mul(self.denominator), self.numerator)
    }
}

impl Weights for Poisson {
    fn mode(&self) -> u64 {
        self.numerator / self.denominator
    }

    fn up(&self, k: u64) -> Factor {
        ([self.numerator, 1], [self.denominator, k + 1])
    }

    fn down(&self, k: u64) -> Factor {
        ([k, self.denominator], [self.numerator, 1])
    }

    // Ratios fall from k on, so the rest is at most a geometric series: r / (1 - r), r = mean / (k + 1).
    fn above(&self, k: u64) -> Option<u64> {
        let (next, mean) = self.relative(k + 1);
        let room = next.checked_sub(mean).filter(|room| *room > 0)?;
        Some(mean.div_ceil(room))
    }

    // Likewise with r = k / mean.
    fn below(&self, k: u64) -> Option<u64> {
        let (this, mean) = self.relative(k);
        let room = mean.checked_sub(this).filter(|room| *room > 0)?;
        Some(this.div_ceil(room))
    }
}

impl Skellam {
    /// Largest variance, as a binary logarithm: a standard deviation of 92,681.
    pub const MAX_VARIANCE_LOG2: u32 = 33;
    /// Largest denominator of the variance in lowest terms, as a binary logarithm.
    pub const MAX_DENOMINATOR_LOG2: u32 = 20;

    /// A sampler for `Sk(0, variance)`.
    ///
    /// # Errors
    /// [`UnsupportedSkellam`] for a variance above 2^33 or a denominator above 2^20.
    pub fn new(variance: Variance) -> Result<Self, UnsupportedSkellam> {
        let (numerator, denominator) = (variance.numerator(), variance.denominator());
        if denominator > 1 << Self::MAX_DENOMINATOR_LOG2 || numerator > denominator << Self::MAX_VARIANCE_LOG2
        {
            return Err(UnsupportedSkellam { variance });
        }
        Ok(Skellam {
            variance,
            poisson: Inversion::new(Poisson {
                numerator,
                denominator: 2 * denominator,
            }),
        })
    }

    /// The variance.
    #[must_use]
    pub fn variance(&self) -> Variance {
        self.variance
    }

    /// Adds an independent sample to every cell, modulo 2^64.
    pub fn add_to(&self, cells: &mut [i64], rng: &mut impl CryptoRng) {
        let mut words = Words::new(rng);
        let poisson = self.poisson.drawer();
        for cell in cells {
            let (plus, minus) = (poisson(&mut words), poisson(&mut words));
            *cell = cell.wrapping_add_unsigned(plus).wrapping_sub_unsigned(minus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::inversion::Inversion;
    use crate::sampler::testing::{chi_squared_p, samples};

    fn skellam(numerator: u64, denominator: u64) -> Skellam {
        Skellam::new(Variance::new(numerator, denominator).unwrap()).unwrap()
    }

    /// `P(Poisson(mean) = k)` for `k` in `0..n`, by the textbook in logarithms.
    fn poisson(mean: f64, n: usize) -> Vec<f64> {
        let mut log = -mean;
        (0..n)
            .map(|k| {
                if k > 0 {
                    log += (mean / k as f64).ln();
                }
                log.exp()
            })
            .collect()
    }

    /// `P(Sk(0, variance) = x)` for `x` in `-reach..=reach`.
    pub(crate) fn probabilities(variance: f64, reach: i64) -> Vec<f64> {
        let half = poisson(
            variance / 2.0,
            (variance / 2.0 + 14.0 * variance.sqrt() + 40.0) as usize,
        );
        let at = |k: i64| {
            usize::try_from(k)
                .ok()
                .and_then(|k| half.get(k))
                .copied()
                .unwrap_or(0.0)
        };
        (-reach..=reach)
            .map(|x| (0..half.len() as i64).map(|k| at(k) * at(k + x)).sum())
            .collect()
    }

    #[test]
    fn the_poisson_sampler_follows_the_textbook() {
        for (numerator, denominator) in [(1, 1024), (1, 3), (1, 1), (7, 2), (100, 1), (5001, 2)] {
            let sampler = Inversion::new(Poisson {
                numerator,
                denominator,
            });
            let mean = numerator as f64 / denominator as f64;
            let expected = poisson(mean, (mean + 12.0 * mean.sqrt() + 40.0) as usize);
            let draws = samples(400_000, numerator as u8, |words| sampler.drawer()(words) as i64);
            let p = chi_squared_p(&draws, 0, &expected);
            assert!(p > 1e-4 && p < 0.99995, "mean {numerator}/{denominator}: p {p}");
            // The test can tell: a mean that is 1 % off is seen.
            let wrong = poisson(mean * 1.01 + 0.003, expected.len());
            assert!(chi_squared_p(&draws, 0, &wrong) < 1e-4);
        }
    }

    #[test]
    fn a_sum_of_shares_is_the_closed_form() {
        // Three shares of variance 5/2 are Skellam of variance 15/2.
        let share = skellam(5, 2);
        let mut cells = vec![0; 400_000];
        for seed in 0..3 {
            let mut rng = crate::sampler::testing::rng(seed);
            share.add_to(&mut cells, &mut rng);
        }
        let p = chi_squared_p(&cells, -40, &probabilities(7.5, 40));
        assert!(p > 1e-4, "{p}");
        assert!(chi_squared_p(&cells, -40, &probabilities(7.8, 40)) < 1e-4);
    }

    #[test]
    fn wide_noise_has_its_moments() {
        for log2 in [20u32, 33] {
            let variance = 2f64.powi(log2 as i32);
            let mut cells = vec![0i64; 200_000];
            skellam(1 << log2, 1).add_to(&mut cells, &mut crate::sampler::testing::rng(9));
            let n = cells.len() as f64;
            let mean = cells.iter().map(|x| *x as f64).sum::<f64>() / n;
            let second = cells.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / n;
            assert!(mean.abs() < 4.0 * (variance / n).sqrt(), "mean {mean}");
            // The variance of a square is twice that of a Gaussian.
            assert!(
                (second / variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(),
                "{}",
                second / variance
            );
        }
    }

    #[test]
    fn refuses_what_is_too_wide() {
        let of = |numerator, denominator| Skellam::new(Variance::new(numerator, denominator).unwrap());
        assert!(of(1 << 33, 1).is_ok());
        assert!(of((1 << 33) + 1, 1).is_err());
        assert!(of(1, 1024).is_ok());
        assert!(
            of(1 << 15, (1 << 20) + 1)
                .unwrap_err()
                .to_string()
                .contains("at most 2^33")
        );
    }
}
