//! How much noise there is: variances for what is expected, bounds for what is promised.
//!
//! Noise terms are sums of independent centred binomials with known factors. Such a sum is sub-Gaussian with its own
//! variance (Hoeffding, 1963: it is a sum of independent terms of +-1/2 times the factors), so that
//! `P(|x| > t sigma) <= 2 exp(-t^2 / 2)` holds exactly and not only in the limit.

use crate::ring::sample::{NOISE_BOUND, NOISE_VARIANCE};

/// `log2` of the chance with which one bound of this module may fail where it is not certain.
pub const TAIL_LOG2: f64 = -64.0;

/// Variance of one coefficient of a fresh encryption with the secret key.
pub const fn fresh() -> f64 {
    NOISE_VARIANCE
}

/// Variance of one coefficient of `sum of w_i x_i` for noise terms `x_i` of this variance, by the sum of `w_i^2`.
pub fn weighted(variance: f64, sum_of_squares: f64) -> f64 {
    variance * sum_of_squares
}

/// Variance of one coefficient of an encryption with the public key: `e v + e0 + e1 s` with ternary `v` and `s`.
pub fn public(degree: usize) -> f64 {
    NOISE_VARIANCE * (1.0 + 2.0 * degree as f64 * TERNARY_VARIANCE)
}

/// What the noise of an encryption with the public key never exceeds.
pub const fn public_bound(degree: usize) -> u64 {
    NOISE_BOUND * (2 * degree as u64 + 1)
}

/// Variance of a number uniform in `-bound ..= bound`.
pub fn uniform(bound: f64) -> f64 {
    bound * (bound + 1.0) / 3.0
}

/// Variance that the rounding of a switch to a smaller modulus adds: `r0 + r1 s` with uniform `r` within 1/2.
pub fn switch(degree: usize) -> f64 {
    (1.0 + degree as f64 * TERNARY_VARIANCE) / 12.0
}

/// Variance that a division by the product of several primes adds when what is divided is converted from them without a
/// correction: `r0 + r1 s`, each `r` a sum of one number uniform within 1/2 for each prime.
pub fn division(degree: usize, primes: usize) -> f64 {
    primes as f64 * switch(degree)
}

/// Variance of one coefficient of the product of two polynomials, by the mean squares of theirs.
pub fn product(degree: usize, a: f64, b: f64) -> f64 {
    degree as f64 * a * b
}

/// Variance that a hybrid key switch adds, without the rounding of its division: for each digit its number of primes and
/// `log2` of their product, and `log2` of the product of the special primes. A digit, raised without a correction, is a sum
/// of one number uniform within half of the digit's modulus for each prime; it multiplies fresh noise.
pub fn key_switch(degree: usize, digits: impl IntoIterator<Item = (usize, f64)>, special_log2: f64) -> f64 {
    let digit = |(primes, log2): (usize, f64)| primes as f64 / 12.0 * (2.0 * (log2 - special_log2)).exp2();
    product(degree, digits.into_iter().map(digit).sum(), fresh())
}

/// What the rounding of a switch to a smaller modulus never exceeds, rounded up.
pub const fn switch_bound(degree: usize) -> u64 {
    (degree as u64 + 2).div_ceil(2)
}

/// What the sum of `summands` fresh noise terms exceeds, in units of one weight, with a chance of at most
/// `2^TAIL_LOG2`, rounded up; the certain bound where that is smaller.
pub fn summed_bound(summands: u32) -> u64 {
    let certain = NOISE_BOUND.saturating_mul(summands.into());
    certain.min((tail_factor() * (NOISE_VARIANCE * f64::from(summands)).sqrt()).ceil() as u64)
}

/// `log2` of the chance that [`summed_bound`] fails: `-inf` where it is certain.
pub fn summed_failure_log2(summands: u32) -> f64 {
    let certain = NOISE_BOUND.saturating_mul(summands.into());
    if summed_bound(summands) == certain {
        f64::NEG_INFINITY
    } else {
        TAIL_LOG2
    }
}

/// The `t` with `2 exp(-t^2 / 2) = 2^TAIL_LOG2`.
fn tail_factor() -> f64 {
    (2.0 * (1.0 - TAIL_LOG2) * std::f64::consts::LN_2).sqrt()
}

/// Variance of a uniform number of {-1, 0, 1}.
const TERNARY_VARIANCE: f64 = 2.0 / 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_certain_for_few_and_grow_as_the_root_for_many() {
        assert_eq!(summed_bound(1), 21);
        assert_eq!(summed_failure_log2(1), f64::NEG_INFINITY);
        assert_eq!(summed_failure_log2(100), -64.0);
        let ratio = summed_bound(40_000) as f64 / summed_bound(10_000) as f64;
        assert!((ratio - 2.0).abs() < 0.01, "{ratio}");
        assert!((tail_factor() - 9.49).abs() < 0.01);
    }
}
