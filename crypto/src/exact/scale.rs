//! Integers modulo `p` as multiples of `Q / p`, rounded.

use super::error::ExactError;
use crate::ring::barrett::{Barrett, Factor};
use crate::ring::basis::Limb;
use crate::ring::ntt::Ntt;
use crate::ring::{Coeff, Poly, RnsBasis};
use crate::secret::Secret;

/// The encoding `m -> round(Q m / p)` modulo each prime of `Q`, and its inverse modulo the first.
///
/// With `t = (Q m + h) mod p`, `h = floor(p / 2)`, the rounded quotient is `(Q m + h - t) / p`, and `Q` is zero modulo
/// each of its primes: what is left is `(h - t) / p`, with no number above 100 bits.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    plain: Barrett,
    product: u64,
    inverses: Vec<Factor>,
    first: Barrett,
}

/// The polynomial modulo `p` with these bits in its slots, and zeros behind them. `batch` is the transform between
/// slots and coefficients modulo `p`: forward gives slots.
///
/// # Errors
/// More bits than slots.
pub(super) fn in_slots(batch: &Ntt, bits: &[bool]) -> Result<Secret<Vec<u64>>, ExactError> {
    let slots = batch.degree();
    if bits.len() > slots {
        return Err(ExactError::Length {
            what: "bits of a block",
            actual: bits.len(),
            expected: slots,
        });
    }
    let mut values = Secret::new(vec![0; slots]);
    for (value, bit) in values.expose_mut().iter_mut().zip(bits) {
        *value = u64::from(*bit);
    }
    batch.inverse(values.expose_mut());
    Ok(values)
}

/// Plaintext moduli stay below this, so that decoding stays within 100 bits.
pub(super) const PLAINTEXT_LIMIT: u64 = 1 << 48;

impl Scale {
    /// The encoding for a plaintext modulus, which no prime of the basis divides; `None` if it is out of range.
    pub(super) fn new(basis: &RnsBasis, plaintext: u64) -> Option<Self> {
        if plaintext >= PLAINTEXT_LIMIT {
            return None;
        }
        let plain = Barrett::new(plaintext)?;
        let product = basis
            .primes()
            .fold(1, |product, prime| plain.mul(product, prime % plaintext));
        let inverses = basis
            .limbs()
            .iter()
            .map(|limb| limb.modulo().factor(limb.modulo().inverse(plaintext)))
            .collect();
        Some(Self {
            plain,
            product,
            inverses,
            first: basis.limbs().first()?.modulo(),
        })
    }

    /// Arithmetic modulo `p`.
    pub(super) const fn plain(&self) -> Barrett {
        self.plain
    }

    /// Sets the coefficients at multiples of `step` to the encodings of numbers below `p`.
    pub(super) fn encode(&self, values: &[u64], step: usize, poly: &mut Poly<Coeff>) {
        for ((limb, words), inverse) in poly.limbs_mut().zip(&self.inverses) {
            for (word, value) in words.iter_mut().step_by(step).zip(values) {
                *word = self.encode_one(*value, limb, *inverse);
            }
        }
    }

    /// As [`encode`](Self::encode) for bits, which take one product of a word each.
    pub(super) fn encode_bits(&self, bits: &[bool], poly: &mut Poly<Coeff>) {
        for ((limb, words), inverse) in poly.limbs_mut().zip(&self.inverses) {
            let one = self.encode_one(1, limb, *inverse);
            for (word, bit) in words.iter_mut().zip(bits) {
                *word = one & u64::from(*bit).wrapping_neg();
            }
        }
    }

    fn encode_one(&self, value: u64, limb: &Limb, inverse: Factor) -> u64 {
        let half = self.plain.modulus() / 2;
        let rest = self
            .plain
            .reduce(u128::from(self.product) * u128::from(value) + u128::from(half));
        limb.modulo().scale(limb.modulo().sub(half, rest), inverse)
    }

    /// `round(p phase / q) mod p` for a phase modulo the first prime `q`.
    pub(super) fn decode(&self, phase: u64) -> u64 {
        let scaled = u128::from(self.plain.modulus()) * u128::from(phase);
        let (quotient, _) = self.first.div_rem(scaled + u128::from(self.first.modulus() / 2));
        self.plain.subtract_once(quotient)
    }
}

/// The polynomial whose coefficients at multiples of `step` encode the values.
pub(super) fn encoded(
    scale: &Scale,
    basis: &std::sync::Arc<RnsBasis>,
    values: &[u64],
    step: usize,
) -> Secret<Poly<Coeff>> {
    let mut poly = Secret::new(Poly::zero(basis));
    scale.encode(values, step, poly.expose_mut());
    poly
}

#[cfg(test)]
#[path = "scale_tests.rs"]
mod tests;
