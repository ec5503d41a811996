//! Ciphertexts, and fresh ones whose second half is a seed.

use std::fmt;

use super::error::CkksError;
use super::key::uniform_half;
use super::params::Params;
use crate::hash::Digest;
use crate::ring::{Eval, Poly};
use crate::rlwe::KeyId;
use crate::rlwe::key::PublicSeed;

/// Two numbers are one scale if they differ by less than this part. Scales come from products and quotients of doubles,
/// each within `2^-53`, fewer than `2^8` of them in a chain; an addition of scales this close adds an error of this part.
const SCALE_TOLERANCE: f64 = 1.0 / (1_u64 << 44) as f64;

/// Polynomials `c_0, c_1` (and `c_2` before relinearisation) with `c_0 + c_1 s + c_2 s^2 = message + noise`.
#[derive(Clone)]
pub struct Ciphertext {
    params: Digest,
    key: KeyId,
    scale: f64,
    parts: Vec<Poly<Eval>>,
}

impl Ciphertext {
    pub(super) fn new(params: Digest, key: KeyId, scale: f64, parts: Vec<Poly<Eval>>) -> Self {
        Self {
            params,
            key,
            scale,
            parts,
        }
    }

    /// The digest of its parameters.
    pub const fn params(&self) -> Digest {
        self.params
    }

    /// The name of the key it is under.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// What the numbers in it are multiplied by.
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// Declares another scale: multiplies what is decoded by `scale() / scale`, at no cost.
    pub fn set_scale(&mut self, scale: f64) {
        self.scale = scale;
    }

    /// How often it may be rescaled.
    pub fn level(&self) -> usize {
        self.parts[0].basis().limbs().len() - 1
    }

    /// Bits that products may still use up: `log2` of the modulus less that of the scale.
    pub fn budget_bits(&self) -> f64 {
        self.parts[0].basis().log2() - self.scale.log2()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| size_of_val(part.words())).sum()
    }

    /// Bytes that it keeps allocated: what it can be overwritten with without more.
    pub fn room(&self) -> usize {
        self.parts.iter().map(Poly::room).sum()
    }

    /// The polynomials `c_0, c_1, ..`.
    pub(super) fn parts(&self) -> &[Poly<Eval>] {
        &self.parts
    }

    pub(super) const fn parts_mut(&mut self) -> &mut Vec<Poly<Eval>> {
        &mut self.parts
    }

    /// Makes room for a result: so many parts at the level of a basis.
    pub(super) fn reshape(&mut self, like: &Self, params: &Params, level: usize, parts: usize, scale: f64) {
        let basis = params.basis(level);
        (self.params, self.key, self.scale) = (like.params, like.key, scale);
        self.parts.truncate(parts);
        for part in &mut self.parts {
            part.reshape(basis);
        }
        while self.parts.len() < parts {
            self.parts.push(Poly::zero(basis));
        }
    }

    pub(super) fn check_scale(&self, what: &'static str, scale: f64) -> Result<(), CkksError> {
        if same_scale(self.scale, scale) {
            return Ok(());
        }
        Err(CkksError::Scale {
            what,
            actual_log2: scale.log2(),
            expected_log2: self.scale.log2(),
        })
    }

    pub(super) fn check_parts(&self, what: &'static str, expected: usize) -> Result<(), CkksError> {
        if self.parts.len() == expected {
            return Ok(());
        }
        Err(CkksError::Parts {
            what,
            actual: self.parts.len(),
            expected,
        })
    }
}

/// Whether two scales are one, but for rounding.
pub(super) fn same_scale(a: f64, b: f64) -> bool {
    (a / b - 1.0).abs() < SCALE_TOLERANCE
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Ciphertext(key {}, level {}, scale 2^{:.2}, {} parts)",
            self.key,
            self.level(),
            self.scale.log2(),
            self.parts.len()
        )
    }
}

/// A fresh encryption with the secret key, as it is sent: the first half, and the seed of the second.
#[derive(Clone)]
pub struct SeededCiphertext {
    pub(super) params: Digest,
    pub(super) key: KeyId,
    pub(super) scale: f64,
    pub(super) b: Poly<Eval>,
    pub(super) seed: PublicSeed,
}

impl SeededCiphertext {
    /// Both halves.
    ///
    /// # Errors
    /// A ciphertext of other parameters.
    pub fn expand(&self, params: &Params) -> Result<Ciphertext, CkksError> {
        params.check("a ciphertext", self.params)?;
        let a = uniform_half(self.b.basis(), &self.seed);
        Ok(Ciphertext::new(
            self.params,
            self.key,
            self.scale,
            vec![self.b.clone(), a],
        ))
    }

    /// How often it may be rescaled.
    pub fn level(&self) -> usize {
        self.b.basis().limbs().len() - 1
    }
}

impl fmt::Debug for SeededCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeededCiphertext(key {}, level {})", self.key, self.level())
    }
}
