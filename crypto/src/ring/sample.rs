//! Samplers. None branches on what it returns; rejection shows how often it rejected, and nothing of what it kept.

use std::sync::Arc;

use zeroize::Zeroize;

use super::basis::{Limb, RnsBasis};
use super::poly::{Coeff, Eval, Poly};
use super::xof::Xof;

/// Bits of each half of the centred binomial distribution.
pub const BINOMIAL_BITS: u32 = 21;

/// No sample of the noise exceeds this.
pub const NOISE_BOUND: u64 = BINOMIAL_BITS as u64;

/// Variance of the noise: `21 / 2`, a standard deviation of 3.24, not below the 3.19 of the security tables.
pub const NOISE_VARIANCE: f64 = BINOMIAL_BITS as f64 / 2.0;

/// A polynomial with coefficients uniform in {-1, 0, 1}, but for a bias of `2^-62`.
pub fn ternary(basis: &Arc<RnsBasis>, xof: &mut Xof) -> Poly<Coeff> {
    small(basis, || ((u128::from(xof.word()) * 3) >> 64) as i64 - 1)
}

/// A polynomial of noise: each coefficient the difference of the weights of two uniform strings of 21 bits.
pub fn noise(basis: &Arc<RnsBasis>, xof: &mut Xof) -> Poly<Coeff> {
    const MASK: u64 = (1 << BINOMIAL_BITS) - 1;
    small(basis, || {
        let word = xof.word();
        let plus = (word & MASK).count_ones();
        let minus = (word >> BINOMIAL_BITS & MASK).count_ones();
        i64::from(plus) - i64::from(minus)
    })
}

fn small(basis: &Arc<RnsBasis>, mut each: impl FnMut() -> i64) -> Poly<Coeff> {
    let mut coefficients: Vec<i64> = (0..basis.degree()).map(|_| each()).collect();
    let poly = Poly::from_small(basis, &coefficients);
    coefficients.zeroize();
    poly
}

/// A polynomial with uniform values: for each prime its words in turn, the low 50 bits of a word of the stream each,
/// the next one tried if they are not below the prime. For public halves: which words were rejected shows.
pub fn uniform(basis: &Arc<RnsBasis>, xof: &mut Xof) -> Poly<Eval> {
    let mut poly = Poly::zero(basis);
    for (limb, words) in poly.limbs_mut() {
        uniform_words(limb, words, xof);
    }
    poly
}

/// Uniform words modulo one prime.
pub fn uniform_words(limb: &Limb, words: &mut [u64], xof: &mut Xof) {
    let prime = limb.modulo().modulus();
    let mask = u64::MAX >> (u64::BITS - limb.modulo().bits());
    // Just below a power of two a number is rejected once in 2^30 or so: all places are filled, and what is kept moves
    // down if need be.
    let mut kept = 0;
    while kept < words.len() {
        let tried = &mut words[kept..];
        xof.fill(tried);
        tried.iter_mut().for_each(|word| *word &= mask);
        kept += keep_below(tried, prime);
    }
}

/// Moves the words below a bound to the front, in their order, and tells how many there are.
fn keep_below(words: &mut [u64], bound: u64) -> usize {
    if words.iter().fold(true, |all, word| all & (*word < bound)) {
        return words.len();
    }
    let mut kept = 0;
    for index in 0..words.len() {
        if words[index] < bound {
            words[kept] = words[index];
            kept += 1;
        }
    }
    kept
}

/// A number uniform in `0..=largest`, by rejection from as many bits as it has.
pub fn uniform_up_to(largest: u128, xof: &mut Xof) -> u128 {
    let mask = u128::MAX.checked_shr(largest.leading_zeros()).unwrap_or(0);
    loop {
        let low = u128::from(xof.word());
        let candidate = (u128::from(xof.word()) << 64 | low) & mask;
        if candidate <= largest {
            return candidate;
        }
    }
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
