//! Encryption with the secret key, whose second half is a seed, and with the public key.

use std::fmt;

use zeroize::Zeroize;

use super::codec::CodecError;
use super::key::{PublicKey, PublicSeed, SecretKey, packed, poly_bytes, uniform_half, unpacked};
use super::params::Params;
use crate::domain;
use crate::ring::xof::Xof;
use crate::ring::{Coeff, Eval, Poly, sample};
use crate::secret::Secret;
use crate::seed::Seed;

/// A pair `(c0, c1)` with `c0 + c1 s` the message and its noise.
#[derive(Clone)]
pub struct Ciphertext {
    /// The half that holds the message.
    pub c0: Poly<Eval>,
    /// The half that the secret key multiplies.
    pub c1: Poly<Eval>,
}

impl Ciphertext {
    /// The encryption of 0 without noise, which hides nothing: what a sum begins with.
    pub fn zero(params: &Params) -> Self {
        Self {
            c0: Poly::zero(params.basis()),
            c1: Poly::zero(params.basis()),
        }
    }

    /// Adds the messages, and the noises.
    pub fn add_assign(&mut self, other: &Self) {
        self.c0.add_assign(&other.c0);
        self.c1.add_assign(&other.c1);
    }

    /// Adds the product of a polynomial with another ciphertext.
    pub fn mul_accumulate(&mut self, factor: &Poly<Eval>, other: &Self) {
        self.c0.mul_accumulate(factor, &other.c0);
        self.c1.mul_accumulate(factor, &other.c1);
    }

    /// Message and noise, `c0 + c1 s`. For whoever made the message; what others computed is opened flooded.
    pub fn phase(&self, secret: &SecretKey) -> Secret<Poly<Coeff>> {
        let mut phase = self.c0.clone();
        phase.mul_accumulate(&self.c1, secret.values().expose());
        Secret::new(phase.into_coeff())
    }
}

impl Zeroize for Ciphertext {
    fn zeroize(&mut self) {
        self.c0.zeroize();
        self.c1.zeroize();
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({:?})", self.c0)
    }
}

impl PublicKey {
    /// Encrypts a message, already scaled, with the randomness of a seed that is used for nothing else:
    /// `(b v + e0 + message, a v + e1)` with ternary `v`.
    pub fn encrypt(&self, message: &Secret<Poly<Coeff>>, seed: &Seed) -> Ciphertext {
        let basis = self.params().basis();
        let mut xof = Xof::new(seed, domain::RLWE_ENCRYPT, &[]);
        let v = Secret::new(sample::ternary(basis, &mut xof).into_eval());
        let mut c0 = sample::noise(basis, &mut xof);
        c0.add_assign(message.expose());
        let mut c0 = c0.into_eval();
        c0.mul_accumulate(self.b(), v.expose());
        let mut c1 = sample::noise(basis, &mut xof).into_eval();
        c1.mul_accumulate(self.a(), v.expose());
        Ciphertext { c0, c1 }
    }
}

/// A fresh encryption with the secret key: the first half packed, the second as the seed that it is expanded from.
#[derive(Clone, PartialEq, Eq)]
pub struct SeededCiphertext {
    packed: Vec<u8>,
    seed: PublicSeed,
}

impl SeededCiphertext {
    /// Encrypts a message, already scaled, with the randomness of a seed: `(message + e - a s, a)`.
    ///
    /// The seed is used for this message only: two messages under one seed would show their difference. The callers
    /// of this crate derive it from the message among others.
    pub fn encrypt(secret: &SecretKey, message: Secret<Poly<Coeff>>, seed: &Seed) -> Self {
        let params = secret.params();
        let public_seed = *seed.derive(domain::RLWE_PUBLIC_SEED, &[]).expose_bytes();
        let mut c0 = sample::noise(params.basis(), &mut Xof::new(seed, domain::RLWE_NOISE, &[]));
        c0.add_assign(message.expose());
        let mut c0 = c0.into_eval();
        let a = uniform_half(params, &public_seed);
        c0.sub_assign(Secret::new(Poly::product(&a, secret.values().expose())).expose());
        Self {
            packed: packed(&c0),
            seed: public_seed,
        }
    }

    /// Bytes of a seeded ciphertext of a ring.
    pub fn bytes(params: &Params) -> usize {
        poly_bytes(params) + size_of::<PublicSeed>()
    }

    /// Appends the first half and the seed.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.packed);
        bytes.extend(self.seed);
    }

    /// A ciphertext of a ring from its bytes.
    ///
    /// # Errors
    /// Another length, or a word that is not reduced.
    pub fn read(params: &Params, bytes: &[u8]) -> Result<Self, CodecError> {
        let (packed, seed) = super::key::split_seed(bytes)?;
        unpacked(params, packed)?;
        Ok(Self {
            packed: packed.to_vec(),
            seed,
        })
    }

    /// Both halves.
    ///
    /// # Errors
    /// A ciphertext of another ring.
    pub fn expand(&self, params: &Params) -> Result<Ciphertext, CodecError> {
        Ok(Ciphertext {
            c0: unpacked(params, &self.packed)?,
            c1: uniform_half(params, &self.seed),
        })
    }
}

impl fmt::Debug for SeededCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeededCiphertext({} bytes)", self.packed.len())
    }
}

#[cfg(test)]
#[path = "ciphertext_tests.rs"]
mod tests;
