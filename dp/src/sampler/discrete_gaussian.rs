//! The discrete Gaussian `N_Z(0, sigma^2)`: `P(x)` proportional to `exp(-x^2 / (2 sigma^2))` on the integers.
//!
//! **Source** of the distribution, its tails and its privacy: Canonne, Kamath and Steinke, *The Discrete Gaussian for
//! Differential Privacy*, NeurIPS 2020. Their Algorithms 1-3 reject from a discrete Laplace built of coin flips, each
//! exact by rational arithmetic. This sampler rejects too, and is exact too, but with one proposal and one comparison
//! in the place of some fifteen coins; exact lazy comparison is after Karney, *Sampling Exactly from the Normal
//! Distribution*, ACM TOMS 2016.
//!
//! # The algorithm
//! Let `t` be an integer with `t^2 >= 2 ln 2 sigma^2`.
//! 1. Draw `v` with `P(v) = 2^-(v+1)` (the zeros at the end of a random word), `u` uniform in `0..t` and a sign.
//!    Every magnitude `y = v t + u` is proposed with probability `2^-(v+1) / t`. Reject `-0`.
//! 2. Accept with probability `p = 2^v exp(-y^2 / (2 sigma^2))`. This is at most 1, because `y >= v t` gives
//!    `y^2 / (2 sigma^2) >= v^2 ln 2 >= v ln 2`. What is accepted has probability proportional to
//!    `exp(-y^2 / (2 sigma^2))`; the part accepted is about 0.53.
//!
//! Step 2 compares a uniform real `U`, given by an endless stream of random bits, with `p`. The first 64 bits of `U`
//! and a fixed-point approximation of `p` with a *certified* error decide unless `U` lies within `2^-39` of `p`; then
//! `bignum` continues with as many further bits of `U` and digits of `p` as it takes. So the decision
//! is that of real numbers: the approximation decides the speed, never the distribution.
//!
//! # Timing
//! The number of proposals that a sample takes is geometric and independent of the value accepted. Beyond that nothing
//! is hardened against an observer who can time single samples (table look-ups, rare long comparisons); the protocol
//! shows only whole tables.

use rand_core::CryptoRng;

use super::variance::Variance;
use super::words::Words;
use super::{bignum, exp2};

/// An exact sampler for one variance.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscreteGaussian {
    variance: Variance,
    /// `t` of the algorithm; below 2^30 for every supported variance.
    stride: u64,
    /// `2^32 mod stride`: what a 32-bit uniform must reject to be uniform below `stride` (Lemire 2019).
    biased: u32,
    /// `root * 2^-shift = 2^58 sqrt(log2(e) / (2 sigma^2))`, rounded down.
    root: u64,
    shift: u32,
}

/// `log2(e)` times `2^63`, rounded down.
const LOG2_E: u64 = 0xb8aa_3b29_5c17_f0bb;
/// Binary places of `y sqrt(log2(e) / (2 sigma^2))`.
const ROOT_PLACES: u32 = 58;

/// `-log2 p` as whole part and the probability as fixed point.
struct Approximation {
    /// `p < 2^(1 - whole)`.
    whole: u64,
    /// `|p - probability 2^-63| < (probability 2^-40 + 2) 2^-63`.
    probability: u64,
}

impl Approximation {
    /// For proposals so far out that the fixed-point format ends: `y^2 / (2 sigma^2) log2(e) >= 4096`, or `v >= 64`,
    /// where `-log2 p >= v^2 - v >= 4032`.
    const FAR: Approximation = Approximation {
        whole: 4000,
        probability: 0,
    };

    fn margin(&self) -> u64 {
        (self.probability >> 40) + 2
    }
}

impl DiscreteGaussian {
    /// A sampler for `N_Z(0, variance)`.
    #[must_use]
    pub fn new(variance: Variance) -> Self {
        let (numerator, denominator) = (
            u128::from(variance.numerator()),
            u128::from(variance.denominator()),
        );
        // 1.3862944 > 2 ln 2. Rounding the square up and its root up keeps t^2 >= 2 ln 2 sigma^2.
        let square = (numerator * 13_862_944).div_ceil(denominator * 10_000_000);
        let stride = square.isqrt() as u64 + 1;
        let biased = ((1u64 << 32) % stride) as u32;

        // log2(e) / (2 sigma^2) = quotient 2^-(64 + up), with 65 significant bits or more.
        let product = denominator * u128::from(LOG2_E);
        let up = product.leading_zeros();
        let quotient = (product << up) / numerator;
        // root^2 = quotient 2^(2 ROOT_PLACES + 2 shift - 64 - up) shall nearly fill 128 bits, with an even exponent.
        let spare = quotient.leading_zeros();
        let (aligned, moved) = match (up + spare).is_multiple_of(2) {
            true => (quotient << spare, up + spare),
            false if spare > 0 => (quotient << (spare - 1), up + spare - 1),
            false => (quotient >> 1, up - 1),
        };
        let root = aligned.isqrt() as u64;
        let shift = (moved + 64 - 2 * ROOT_PLACES) / 2;
        DiscreteGaussian {
            variance,
            stride,
            biased,
            root,
            shift,
        }
    }

    /// The variance parameter.
    #[must_use]
    pub fn variance(&self) -> Variance {
        self.variance
    }

    /// One sample. For many, [`Self::add_to`] is faster: it buffers random bytes over the samples.
    pub fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        self.draw(&mut Words::new(rng))
    }

    /// Adds an independent sample to every cell, modulo 2^64.
    pub fn add_to(&self, cells: &mut [i64], rng: &mut impl CryptoRng) {
        let mut words = Words::new(rng);
        for cell in cells {
            *cell = cell.wrapping_add(self.draw(&mut words));
        }
    }

    #[inline]
    fn draw<R: CryptoRng>(&self, words: &mut Words<'_, R>) -> i64 {
        loop {
            // One word proposes: 32 bits for u, one for the sign, 31 for v.
            let word = words.next();
            let scaled = (word >> 32) * self.stride;
            if (scaled as u32) < self.biased {
                continue;
            }
            let u = scaled >> 32;
            let negative = word >> 31 & 1 == 1;
            let coins = word as u32 & 0x7fff_ffff;
            let v = if coins == 0 {
                31 + zeros(words)
            } else {
                u64::from(coins.trailing_zeros())
            };
            // y < 2^63 fails for v >= 2^33 only: after that many zero bits, which nobody will see.
            let Some(y) = v.checked_mul(self.stride).and_then(|y| i64::try_from(y + u).ok()) else {
                continue;
            };
            if (y != 0 || !negative) && self.accept(v, y.unsigned_abs(), words) {
                return if negative { -y } else { y };
            }
        }
    }

    /// Whether a fresh uniform number is below `2^v exp(-y^2 / (2 sigma^2))`.
    #[inline]
    fn accept<R: CryptoRng>(&self, v: u64, y: u64, words: &mut Words<'_, R>) -> bool {
        let approximation = self.approximate(v, y);
        let uniform = words.next();
        // U lies in [leading, leading + 1) 2^-63.
        let leading = uniform >> 1;
        if leading + approximation.margin() < approximation.probability {
            true
        } else if leading >= approximation.probability + approximation.margin() {
            false
        } else {
            self.accept_exactly(v, y, uniform, &approximation, words)
        }
    }

    #[inline]
    fn approximate(&self, v: u64, y: u64) -> Approximation {
        let Ok(root) = u64::try_from((u128::from(y) * u128::from(self.root)) >> self.shift) else {
            return Approximation::FAR;
        };
        if v >= 64 {
            return Approximation::FAR;
        }
        // Rounded down by at most 2^-58 + 2^-62 root, so the square's 116 places are good to 2^-48, and p to as much
        // relative to itself: 2^8 times better than the margin. v may exceed a square that was rounded down.
        let square = u128::from(root) * u128::from(root);
        let exponent = square.saturating_sub(u128::from(v) << (2 * ROOT_PLACES));
        let whole = (exponent >> (2 * ROOT_PLACES)) as u64;
        let fraction = (exponent >> (2 * ROOT_PLACES - 64)) as u64;
        let probability = if whole < 63 {
            exp2::exp2_neg(fraction) >> whole
        } else {
            0
        };
        Approximation { whole, probability }
    }

    #[cold]
    fn accept_exactly<R: CryptoRng>(
        &self,
        v: u64,
        y: u64,
        uniform: u64,
        approximation: &Approximation,
        words: &mut Words<'_, R>,
    ) -> bool {
        if y == 0 {
            return true;
        }
        let mut digits = vec![uniform];
        loop {
            // U >= 2^-(zeros + 1) and p < 2^(1 - whole): this settles all but a part 2^-whole of the far tail, where
            // the exponential would be long.
            while digits.iter().all(|digit| *digit == 0) && (digits.len() as u64) * 64 < approximation.whole {
                digits.push(words.next());
            }
            let set = digits.iter().position(|digit| *digit != 0);
            if let Some(set) = set {
                let zeros = set as u64 * 64 + u64::from(digits[set].leading_zeros());
                if zeros + 2 <= approximation.whole {
                    return false;
                }
            }
            let factors = [y, y, self.variance.denominator()];
            let divisors = [self.variance.numerator(), 2];
            match bignum::is_below(&digits, v, factors, divisors) {
                Some(decided) => return decided,
                None => digits.push(words.next()),
            }
        }
    }
}

/// Zeros before the first one in a stream of random bits.
#[cold]
fn zeros<R: CryptoRng>(words: &mut Words<'_, R>) -> u64 {
    let mut zeros = 0;
    loop {
        match words.next() {
            0 => zeros += 64,
            word => return zeros + u64::from(word.trailing_zeros()),
        }
    }
}

#[cfg(test)]
mod tests;
