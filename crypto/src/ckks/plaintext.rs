//! Encoded numbers: as coefficients, as values, and as they come out of a decryption.

use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::hash::Digest;
use crate::ring::{Eval, Poly};
use crate::secret::Secret;

/// Encoded numbers: rounded integer coefficients, `[N]`, of no level yet. What is the client's secret is the client's to
/// keep: a plaintext is not wiped.
#[derive(Clone, PartialEq)]
pub struct Plaintext {
    pub(super) coefficients: Vec<i64>,
    pub(super) scale: f64,
}

impl Plaintext {
    /// What the numbers were multiplied by.
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// The coefficients of the polynomial, `[N]`.
    pub fn coefficients(&self) -> &[i64] {
        &self.coefficients
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Plaintext(degree {}, scale 2^{:.2})",
            self.coefficients.len(),
            self.scale.log2()
        )
    }
}

/// Encoded numbers as values modulo the primes of one level, ready for products and sums with ciphertexts of that level
/// and of lower ones.
#[derive(Clone, Debug)]
pub struct PreparedPlaintext {
    pub(super) values: Poly<Eval>,
    pub(super) scale: f64,
    pub(super) params: Digest,
}

impl PreparedPlaintext {
    /// What the numbers were multiplied by.
    pub const fn scale(&self) -> f64 {
        self.scale
    }

    /// The highest level of a ciphertext that it meets.
    pub fn level(&self) -> usize {
        self.values.basis().limbs().len() - 1
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(self.values.words())
    }
}

/// What a decryption gives: coefficients with their noise, `[N]`. Wiped on drop; numbers are read from it by
/// [`Encoder`](super::Encoder).
#[derive(Clone)]
pub struct Decrypted {
    pub(super) coefficients: Secret<Vec<f64>>,
    pub(super) scale: f64,
}

impl Decrypted {
    /// The scale of the ciphertext.
    pub const fn scale(&self) -> f64 {
        self.scale
    }
}

impl ZeroizeOnDrop for Decrypted {}

impl From<&Plaintext> for Decrypted {
    fn from(plaintext: &Plaintext) -> Self {
        Self {
            coefficients: Secret::new(
                plaintext
                    .coefficients
                    .iter()
                    .map(|number| *number as f64)
                    .collect(),
            ),
            scale: plaintext.scale,
        }
    }
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decrypted(scale 2^{:.2}, redacted)", self.scale.log2())
    }
}
