//! What noise never exceeds, certain for all messages and all randomness, and what it is expected to be.
//!
//! Bounds are on the coefficients of phases. Secrets are ternary, so that a product with one is at most `N` times as large;
//! fresh noise is at most [`NOISE_BOUND`]. Variances take coefficients as independent and messages as uniform. Numbers are
//! `f64` from `2^20` to `2^800`, far from where they round.

use crate::ring::sample::NOISE_BOUND;
use crate::rlwe::noise as rlwe;

/// Bound and variance of the coefficients of a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// What none exceeds.
    pub bound: f64,
    /// What is expected.
    pub variance: f64,
}

impl Noise {
    /// None.
    pub const ZERO: Self = Self {
        bound: 0.0,
        variance: 0.0,
    };

    /// A sum of independent ones.
    pub fn plus(self, other: Self) -> Self {
        Self {
            bound: self.bound + other.bound,
            variance: self.variance + other.variance,
        }
    }

    /// A multiple.
    pub fn times(self, factor: f64) -> Self {
        Self {
            bound: self.bound * factor,
            variance: self.variance * factor * factor,
        }
    }
}

/// Noise by the sizes of degree, plaintext modulus and primes.
#[derive(Clone, Debug)]
pub struct NoiseModel {
    pub(super) degree: f64,
    pub(super) plain: f64,
    /// The primes of the chain, the first the one that an answer is left with.
    pub(super) chain: Vec<f64>,
    pub(super) special: f64,
}

impl NoiseModel {
    /// A chain of so many primes of 50 bits: to count what a circuit takes before its parameters are known.
    pub fn rough(degree: usize, plaintext: u64, primes: usize) -> Self {
        let prime = 50.0_f64.exp2();
        Self {
            degree: degree as f64,
            plain: plaintext as f64,
            chain: vec![prime; primes],
            special: prime,
        }
    }

    /// The length of the whole chain.
    pub const fn levels(&self) -> usize {
        self.chain.len()
    }

    /// A message in slots: coefficients uniform modulo `p`, centred.
    fn message(&self) -> Noise {
        Noise {
            bound: self.plain / 2.0,
            variance: self.plain.powi(2) / 12.0,
        }
    }

    /// A number in every slot: one coefficient.
    pub fn number(&self, number: i64) -> Noise {
        let size = number.unsigned_abs() as f64;
        Noise {
            bound: size,
            variance: size * size / self.degree,
        }
    }

    /// A fresh encryption with the secret key: a message, and `p` times fresh noise.
    pub fn fresh(&self) -> Noise {
        let noise = Noise {
            bound: NOISE_BOUND as f64,
            variance: rlwe::fresh(),
        };
        self.message().plus(noise.times(self.plain))
    }

    /// A fresh encryption with the public key.
    pub fn public(&self) -> Noise {
        let degree = self.degree as usize;
        let noise = Noise {
            bound: rlwe::public_bound(degree) as f64,
            variance: rlwe::public(degree),
        };
        self.message().plus(noise.times(self.plain))
    }

    /// A product of two phases.
    pub fn product(&self, a: Noise, b: Noise) -> Noise {
        Noise {
            bound: self.degree * a.bound * b.bound,
            variance: self.degree * a.variance * b.variance,
        }
    }

    /// The product with a polynomial whose slots are any numbers.
    pub fn weighted(&self, a: Noise) -> Noise {
        self.product(a, self.message())
    }

    /// What rounding adds when so many primes are divided by: a multiple of `p`, at most `p / 2` for each prime, in both
    /// halves.
    pub fn rounding(&self, primes: usize) -> Noise {
        let count = primes as f64;
        let one = Noise {
            bound: count / 2.0 * (1.0 + self.degree),
            variance: count * rlwe::switch(self.degree as usize),
        };
        one.times(self.plain)
    }

    /// What a key switch at a length of the chain adds, without its rounding: digits of at most half their prime meet `p` times
    /// fresh noise, divided by the special prime.
    fn switch(&self, level: usize) -> Noise {
        let digits = self.chain.iter().take(level);
        let bound: f64 = digits.clone().map(|prime| prime / 2.0).sum();
        let one = Noise {
            bound: self.degree * bound * NOISE_BOUND as f64 / self.special,
            variance: rlwe::key_switch(
                self.degree as usize,
                digits.map(|prime| (1, prime.log2())),
                self.special.log2(),
            ),
        };
        one.times(self.plain)
    }

    /// After a key switch at a length of the chain.
    pub fn switched(&self, a: Noise, level: usize) -> Noise {
        a.plus(self.switch(level)).plus(self.rounding(1))
    }

    /// After a key switch which takes out the last prime of the chain, too.
    pub fn switched_and_dropped(&self, a: Noise, level: usize) -> Noise {
        let sum = a.plus(self.switch(level));
        sum.times(1.0 / self.last(level)).plus(self.rounding(2))
    }

    /// Without the last prime.
    pub fn dropped(&self, a: Noise, level: usize) -> Noise {
        a.times(1.0 / self.last(level)).plus(self.rounding(1))
    }

    /// Half of the product of the primes: what is larger opens wrong.
    pub fn room(&self, level: usize) -> f64 {
        self.chain.iter().take(level).product::<f64>() / 2.0
    }

    fn last(&self, level: usize) -> f64 {
        level
            .checked_sub(1)
            .and_then(|at| self.chain.get(at))
            .copied()
            .unwrap_or(1.0)
    }
}
