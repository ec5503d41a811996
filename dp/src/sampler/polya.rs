//! The Polya (negative binomial) distribution `NB(1/n, q)`: `P(k) = binom(k + 1/n - 1, k) (1 - q)^(1/n) q^k`. The sum
//! of `n` independent copies is geometric, and the difference of two such sums is the discrete Laplace distribution
//! `P(x) = (1 - q) / (1 + q) q^|x|` (Goryczka and Xiong, *A Comprehensive Comparison of Multiparty Secure Additions
//! with Differential Privacy*, IEEE TDSC 2017; Bagdasaryan et al. 2021 and Balle et al. 2020 use the same division).
//!
//! `q` is a multiple of 2^-32, so that all ratios of weights `w(k + 1) / w(k) = q (n k + 1) / (n (k + 1))` are
//! rational and the samples are exact.

use rand_core::CryptoRng;
use thiserror::Error;

use super::inversion::{Factor, Inversion, Weights};
use super::words::Words;

/// Parameters that the Polya sampler does not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "Polya noise in {shares} shares with 1 - q = {gap} 2^-32 is not supported, expected 1 share or more and at least \
     {} 2^-32",
    Polya::MIN_GAP
)]
#[non_exhaustive]
pub struct UnsupportedPolya {
    /// Shares asked for.
    pub shares: u32,
    /// `1 - q` asked for, in units of 2^-32.
    pub gap: u32,
}

/// An exact sampler of differences of two Polya variables: one of `shares` shares of a discrete Laplace variable.
/// Clones share the table that the first sample makes: about `60 / (1 - q)` entries of 16 bytes.
#[derive(Clone, Debug)]
pub struct Polya {
    weights: NegativeBinomial,
    sampler: Inversion<NegativeBinomial>,
}

impl PartialEq for Polya {
    fn eq(&self, other: &Self) -> bool {
        self.weights == other.weights
    }
}

#[derive(Clone, Debug, PartialEq)]
struct NegativeBinomial {
    shares: u32,
    gap: u32,
}

const ONE: u64 = 1 << 32;

impl Weights for NegativeBinomial {
    fn mode(&self) -> u64 {
        0
    }

    fn up(&self, k: u64) -> Factor {
        let shares = u64::from(self.shares);
        (
            [ONE - u64::from(self.gap), shares * k + 1],
            [ONE, shares * (k + 1)],
        )
    }

    fn down(&self, _: u64) -> Factor {
        ([0, 0], [1, 1])
    }

    // Every ratio is at most q.
    fn above(&self, _: u64) -> Option<u64> {
        let gap = u64::from(self.gap);
        Some((ONE - gap).div_ceil(gap))
    }

    fn below(&self, _: u64) -> Option<u64> {
        Some(0)
    }
}

impl Polya {
    /// The least `1 - q` in units of 2^-32: a discrete Laplace of scale 2^16.
    pub const MIN_GAP: u32 = 1 << 16;

    /// A sampler of one share in `shares` of a discrete Laplace with `q = 1 - gap 2^-32`.
    ///
    /// # Errors
    /// [`UnsupportedPolya`] for no share or a gap below [`Self::MIN_GAP`].
    pub fn new(shares: u32, gap: u32) -> Result<Self, UnsupportedPolya> {
        // A billion shares would leave the arithmetic of the ratios; nobody has as many.
        if shares == 0 || shares > 1 << 30 || gap < Self::MIN_GAP {
            return Err(UnsupportedPolya { shares, gap });
        }
        let weights = NegativeBinomial { shares, gap };
        Ok(Polya {
            sampler: Inversion::new(weights.clone()),
            weights,
        })
    }

    /// Shares that make one discrete Laplace variable.
    #[must_use]
    pub fn shares(&self) -> u32 {
        self.weights.shares
    }

    /// `1 - q` in units of 2^-32.
    #[must_use]
    pub fn gap(&self) -> u32 {
        self.weights.gap
    }

    /// Adds an independent sample to every cell, modulo 2^64.
    pub fn add_to(&self, cells: &mut [i64], rng: &mut impl CryptoRng) {
        let mut words = Words::new(rng);
        let polya = self.sampler.drawer();
        for cell in cells {
            let (plus, minus) = (polya(&mut words), polya(&mut words));
            *cell = cell.wrapping_add_unsigned(plus).wrapping_sub_unsigned(minus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::testing::{chi_squared_p, rng, samples};

    fn gap_of(q: f64) -> u32 {
        ((1.0 - q) * ONE as f64) as u32
    }

    fn negative_binomial(shares: u32, q: f64, n: usize) -> Vec<f64> {
        let r = 1.0 / f64::from(shares);
        let mut p = (1.0 - q).powf(r);
        (0..n)
            .map(|k| {
                let this = p;
                p *= q * (k as f64 + r) / (k as f64 + 1.0);
                this
            })
            .collect()
    }

    fn laplace(q: f64, reach: i64) -> Vec<f64> {
        (-reach..=reach)
            .map(|x| (1.0 - q) / (1.0 + q) * q.powi(x.abs() as i32))
            .collect()
    }

    /// The same distribution by coins alone: walk up while a coin of probability q says so; at each step another coin
    /// of probability (n k + 1) / (n (k + 1)) may send back to the start. Rejection from the geometric distribution.
    fn by_coins(weights: &NegativeBinomial, words: &mut Words<'_, impl CryptoRng>) -> u64 {
        let below = |words: &mut Words<'_, _>, bound: u64| {
            let accept = u64::MAX - u64::MAX % bound;
            loop {
                let word = words.next();
                if word < accept {
                    return word % bound;
                }
            }
        };
        let shares = u64::from(weights.shares);
        'start: loop {
            let mut k = 0;
            loop {
                if below(words, ONE) < u64::from(weights.gap) {
                    return k;
                }
                if below(words, shares * (k + 1)) > shares * k {
                    continue 'start;
                }
                k += 1;
            }
        }
    }

    #[test]
    fn samples_follow_the_distribution_and_so_do_coins() {
        for (i, (shares, q)) in [(1, 0.5), (1, 0.99), (2, 0.9), (5, 0.999), (9, 0.3), (1000, 0.99)]
            .into_iter()
            .enumerate()
        {
            let polya = Polya::new(shares, gap_of(q)).unwrap();
            let expected = negative_binomial(shares, q, (80.0 / (1.0 - q)) as usize);
            let draws = samples(300_000, i as u8, |words| polya.sampler.drawer()(words) as i64);
            let p = chi_squared_p(&draws, 0, &expected);
            assert!(p > 1e-4 && p < 0.99995, "{shares} shares, q {q}: p {p}");
            let coins = samples(60_000, i as u8 + 100, |words| {
                by_coins(&polya.weights, words) as i64
            });
            let p = chi_squared_p(&coins, 0, &expected);
            assert!(p > 1e-4 && p < 0.99995, "coins, {shares} shares, q {q}: p {p}");
        }
        // The test can tell 2 shares from 3.
        let polya = Polya::new(2, gap_of(0.9)).unwrap();
        let draws = samples(300_000, 1, |words| polya.sampler.drawer()(words) as i64);
        assert!(chi_squared_p(&draws, 0, &negative_binomial(3, 0.9, 800)) < 1e-9);
    }

    #[test]
    fn a_sum_of_all_shares_is_the_discrete_laplace() {
        for (shares, q) in [(1, 0.8), (2, 0.8), (7, 0.97)] {
            let polya = Polya::new(shares, gap_of(q)).unwrap();
            let mut cells = vec![0; 300_000];
            for seed in 0..shares {
                polya.add_to(&mut cells, &mut rng(seed as u8));
            }
            let reach = (60.0 / (1.0 - q)) as i64;
            let p = chi_squared_p(&cells, -reach, &laplace(q, reach));
            assert!(p > 1e-4, "{shares} shares: {p}");
            assert!(chi_squared_p(&cells, -reach, &laplace(q - 0.01, reach)) < 1e-4);
        }
    }

    #[test]
    fn refuses_what_is_not_supported() {
        assert!(Polya::new(0, 1 << 20).is_err());
        assert!(Polya::new(1, Polya::MIN_GAP - 1).is_err());
        let widest = Polya::new(3, Polya::MIN_GAP).unwrap();
        let mut cells = vec![0; 1000];
        widest.add_to(&mut cells, &mut rng(0));
        assert!(cells.iter().any(|cell| cell.abs() > 10_000));
    }
}
