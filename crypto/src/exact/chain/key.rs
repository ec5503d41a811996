//! The first party's side: encrypt bits, open answers.

use zeroize::ZeroizeOnDrop;

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::params::ChainParams;
use crate::rlwe::{PublicKey, SecretKey};
use crate::seed::Seed;

/// The key pair of a first party for one row party. Wiped on drop, redacted; its seed is what a journal keeps.
#[derive(Clone, Debug)]
pub struct ChainKey {
    params: ChainParams,
    secret: SecretKey,
}

impl ChainKey {
    /// The key pair of a seed, which makes no other.
    pub fn generate(params: &ChainParams, seed: &Seed) -> Self {
        Self {
            params: params.clone(),
            secret: SecretKey::generate(&params.first().ring, seed),
        }
    }

    /// The public key, for the second party and the row party.
    pub const fn public(&self) -> &PublicKey {
        self.secret.public()
    }

    /// Encrypts one bit per slot, for at most as many entities as there are slots; those left out read as 0.
    ///
    /// The randomness comes from the seed, the context (which block of which predicate) and the bits: the same give
    /// the same bytes. Who sees two blocks of one context and seed learns whether their bits are equal, and nothing
    /// else.
    ///
    /// # Errors
    /// More bits than slots.
    pub fn encrypt_slots(
        &self,
        bits: &[bool],
        context: &[u8],
        seed: &Seed,
    ) -> Result<EncryptedBlock, ExactError> {
        let scheme = self.params.first();
        scheme.encrypt_slots(&self.secret, self.params.batch(), bits, context, seed)
    }

    /// The cell of an answer: this party's additive share modulo `p`.
    ///
    /// # Errors
    /// An answer of other parameters or under another key.
    pub fn open(&self, answer: &Answer) -> Result<u64, ExactError> {
        let cells = self.params.passed().open(&self.secret, answer)?;
        Ok(cells.expose().first().copied().unwrap_or_default())
    }

    /// The secret key, to measure noise with.
    #[cfg(test)]
    pub(super) const fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl ZeroizeOnDrop for ChainKey {}
