//! The attribute party's side: encrypt bits, open answers.

use zeroize::ZeroizeOnDrop;

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::params::SlotParams;
use crate::rlwe::{PublicKey, SecretKey};
use crate::seed::Seed;

/// The key pair of an attribute party for one row party. Wiped on drop, redacted; its seed is what a journal keeps.
#[derive(Clone, Debug)]
pub struct SlotKey {
    params: SlotParams,
    secret: SecretKey,
}

impl SlotKey {
    /// The key pair of a seed, which makes no other.
    pub fn generate(params: &SlotParams, seed: &Seed) -> Self {
        Self {
            params: params.clone(),
            secret: SecretKey::generate(&params.scheme().ring, seed),
        }
    }

    /// The public key, for the row party.
    pub const fn public(&self) -> &PublicKey {
        self.secret.public()
    }

    /// Encrypts one bit per slot, for at most as many entities as there are slots; those left out read as 0.
    ///
    /// The randomness comes from the seed, the context (which block of which profile) and the bits: the same give
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
        let scheme = self.params.scheme();
        scheme.encrypt_slots(&self.secret, self.params.batch(), bits, context, seed)
    }

    /// The slots of an answer: this party's additive shares modulo `p`.
    ///
    /// # Errors
    /// An answer of other parameters or under another key.
    pub fn open(&self, answer: &Answer) -> Result<Vec<u64>, ExactError> {
        let cells = self.params.scheme().open(&self.secret, answer)?;
        let mut slots = cells.expose().clone();
        self.params.batch().forward(&mut slots);
        Ok(slots)
    }

    /// The secret key, to measure noise with.
    #[cfg(test)]
    pub(super) const fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl ZeroizeOnDrop for SlotKey {}
