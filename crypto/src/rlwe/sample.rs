//! One coefficient of a ciphertext as a sample of learning with errors.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ring::{Coeff, Poly};

/// A vector `a` and a number `b` with `b + <a, s> = message + noise` modulo `q`, `s` the coefficients of the secret key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LweSample {
    /// `a`, as many numbers below `q` as the key has coefficients.
    pub mask: Vec<u64>,
    /// `b`.
    pub body: u64,
    /// `q`.
    pub modulus: u64,
}

impl LweSample {
    /// The coefficient of `X^at` of `c0 + c1 s`, over the first prime of its ring; `None` if there is no such coefficient.
    ///
    /// Coefficient `at` of `c1 s` is the sum of `c1[at - i] s[i]`, where `X^N = -1`.
    pub fn extract(c0: &Poly<Coeff>, c1: &Poly<Coeff>, at: usize) -> Option<Self> {
        let ((limb, first), (_, second)) = (c0.limbs().next()?, c1.limbs().next()?);
        let modulo = limb.modulo();
        let body = *first.get(at)?;
        let (low, high) = second.split_at_checked(at + 1)?;
        let ahead = low.iter().rev().copied();
        let wrapped = high.iter().rev().map(|word| modulo.sub(0, *word));
        Some(Self {
            mask: ahead.chain(wrapped).collect(),
            body,
            modulus: modulo.modulus(),
        })
    }
}

impl fmt::Debug for LweSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LweSample({} numbers modulo {})",
            self.mask.len(),
            self.modulus
        )
    }
}
