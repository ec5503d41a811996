//! The attribute party's side: encrypt bits, open answers.

use zeroize::ZeroizeOnDrop;

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::params::CountParams;
use crate::ring::Poly;
use crate::rlwe::{PublicKey, SecretKey};
use crate::secret::Secret;
use crate::seed::Seed;

/// The key pair of an attribute party for one row party. Wiped on drop, redacted; its seed is what a journal keeps.
#[derive(Clone, Debug)]
pub struct AttributeKey {
    params: CountParams,
    secret: SecretKey,
}

impl AttributeKey {
    /// The key pair of a seed, which makes no other.
    pub fn generate(params: &CountParams, seed: &Seed) -> Self {
        Self {
            params: params.clone(),
            secret: SecretKey::generate(&params.scheme().ring, seed),
        }
    }

    /// The public key, for the row party.
    pub const fn public(&self) -> &PublicKey {
        self.secret.public()
    }

    /// Encrypts the bits of at most `block_len` entities; those left out read as 0.
    ///
    /// The randomness comes from the seed, the context (which block of which predicate) and the bits: the same give
    /// the same bytes, so that a message may be made again after a crash. Who sees two blocks of one context and
    /// seed learns whether their bits are equal, and nothing else.
    ///
    /// # Errors
    /// More bits than a block has.
    pub fn encrypt_block(
        &self,
        bits: &[bool],
        context: &[u8],
        seed: &Seed,
    ) -> Result<EncryptedBlock, ExactError> {
        let scheme = self.params.scheme();
        if bits.len() > self.params.block_len() {
            return Err(ExactError::Length {
                what: "bits of a block",
                actual: bits.len(),
                expected: self.params.block_len(),
            });
        }
        let mut message = Secret::new(Poly::zero(scheme.ring.basis()));
        scheme.scale.encode_bits(bits, message.expose_mut());
        Ok(scheme.encrypt(&self.secret, bits, message, context, seed))
    }

    /// As [`Self::encrypt_block`] for numbers, which may be negative: read modulo `p`, so that sums of products by weights
    /// are right modulo `p`. The noise, hence what parameters allow, does not depend on them.
    ///
    /// # Errors
    /// More numbers than a block has entities.
    pub fn encrypt_numbers(
        &self,
        numbers: &[i32],
        context: &[u8],
        seed: &Seed,
    ) -> Result<EncryptedBlock, ExactError> {
        let scheme = self.params.scheme();
        if numbers.len() > self.params.block_len() {
            return Err(ExactError::Length {
                what: "numbers of a block",
                actual: numbers.len(),
                expected: self.params.block_len(),
            });
        }
        let plaintext = self.params.plaintext() as i64;
        // Without a branch: a negative number gets p.
        let reduced = |number: &i32| (i64::from(*number) + (i64::from(*number >> 31) & plaintext)) as u64;
        let reduced = Secret::new(numbers.iter().map(reduced).collect::<Vec<u64>>());
        scheme.check("number", reduced.expose(), numbers.len())?;
        let mut message = Secret::new(Poly::zero(scheme.ring.basis()));
        scheme.scale.encode(reduced.expose(), 1, message.expose_mut());
        Ok(scheme.encrypt_numbers(&self.secret, numbers, message, context, seed))
    }

    /// The cells of an answer, one for each segment: this party's additive shares modulo `p`.
    ///
    /// # Errors
    /// An answer of other parameters or under another key.
    pub fn open(&self, answer: &Answer) -> Result<Vec<u64>, ExactError> {
        let cells = self.params.scheme().open(&self.secret, answer)?;
        Ok(cells.expose().clone())
    }

    /// The noise of an answer's opened cells, in units of the flooding bound: with [`Self::open`] everything that
    /// the key shows of an answer. For audits: it must not depend on what was counted.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn residuals(&self, answer: &Answer) -> Result<Vec<f64>, ExactError> {
        self.params.scheme().residuals(&self.secret, answer)
    }

    /// The secret key, to measure noise with.
    #[cfg(test)]
    pub(in super::super) const fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl ZeroizeOnDrop for AttributeKey {}
