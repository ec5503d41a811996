//! The row party's side: multiply blocks by weights slot by slot, sum, answer.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::scheme::same_key;
use super::params::SlotParams;
use crate::ring::{Eval, Poly};
use crate::rlwe::{Ciphertext, KeyId, PublicKey};
use crate::secret::Secret;

/// An encrypted block ready for products, both halves as values (384 KiB).
#[derive(Clone, Debug)]
pub struct SlotBlock {
    body: Ciphertext,
    key: KeyId,
}

impl SlotBlock {
    /// Expands a block.
    ///
    /// # Errors
    /// A block of other parameters.
    pub fn new(params: &SlotParams, block: &EncryptedBlock) -> Result<Self, ExactError> {
        Ok(Self {
            body: params.scheme().expand(block)?,
            key: block.key(),
        })
    }
}

/// Where weights become a polynomial: one buffer for many products, one per thread. Wiped on drop.
pub struct SlotScratch {
    coefficients: Secret<Vec<u64>>,
    values: Secret<Poly<Eval>>,
}

impl SlotScratch {
    /// A buffer for products of these parameters (256 KiB).
    pub fn new(params: &SlotParams) -> Self {
        Self {
            coefficients: Secret::new(vec![0; params.slots()]),
            values: Secret::new(Poly::zero(params.scheme().ring.basis())),
        }
    }

    /// Turns weights in slots into the values of the polynomial whose coefficients are nearest to zero.
    fn load(&mut self, params: &SlotParams, weights: &[u64]) {
        let coefficients = self.coefficients.expose_mut();
        coefficients.copy_from_slice(weights);
        params.batch().inverse(coefficients);
        lift(params.plaintext(), coefficients, self.values.expose_mut());
    }
}

/// The values of the polynomial that has these coefficients modulo `plain`, each the one nearest to zero.
pub(in crate::exact) fn lift(plain: u64, coefficients: &[u64], values: &mut Poly<Eval>) {
    for (limb, words) in values.limbs_mut() {
        // A coefficient above p / 2 becomes itself less p: q - p more.
        let lift = limb.modulo().modulus() - plain;
        for (word, coefficient) in words.iter_mut().zip(coefficients) {
            let above = (plain / 2).wrapping_sub(*coefficient) >> 63;
            *word = coefficient + (lift & above.wrapping_neg());
        }
        limb.ntt().forward(words);
    }
}

impl ZeroizeOnDrop for SlotScratch {}

impl fmt::Debug for SlotScratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotScratch(redacted)")
    }
}

/// The sum of weights times blocks, slot by slot. It tells the weights to whoever has the secret key: only
/// [`answer`](Self::answer) leaves the row party. Wiped on drop.
pub struct SlotProduct {
    params: SlotParams,
    sum: Secret<Ciphertext>,
    products: u32,
    key: Option<KeyId>,
}

impl SlotProduct {
    /// The sum of nothing.
    pub fn new(params: &SlotParams) -> Self {
        Self {
            params: params.clone(),
            sum: Secret::new(Ciphertext::zero(&params.scheme().ring)),
            products: 0,
            key: None,
        }
    }

    /// Adds the products of one weight per slot, each below `p`, with a block. Allocates nothing. Four transforms and
    /// six products of vectors, whatever the weights are.
    ///
    /// # Errors
    /// Another number of weights, one that is not below `p`, a block under another key, or more products than
    /// declared. The sum is as before then.
    pub fn accumulate(
        &mut self,
        weights: &[u64],
        block: &SlotBlock,
        scratch: &mut SlotScratch,
    ) -> Result<(), ExactError> {
        let params = &self.params;
        params.scheme().check("weight", weights, params.slots())?;
        same_key(self.key.unwrap_or(block.key), block.key)?;
        self.products = self.counted(1)?;
        self.key = Some(block.key);
        scratch.load(&self.params, weights);
        self.sum
            .expose_mut()
            .mul_accumulate(scratch.values.expose(), &block.body);
        Ok(())
    }

    /// Adds another sum, as when blocks were divided among threads.
    ///
    /// # Errors
    /// A sum of other parameters or under another key, or more products in both than declared.
    pub fn add_assign(&mut self, other: &Self) -> Result<(), ExactError> {
        if other.params != self.params {
            return Err(ExactError::Parameters {
                field: "plaintext modulus",
                actual: other.params.plaintext(),
                expected: self.params.plaintext(),
            });
        }
        if let Some(key) = other.key {
            same_key(self.key.unwrap_or(key), key)?;
            self.products = self.counted(other.products)?;
            self.key = Some(key);
            self.sum.expose_mut().add_assign(other.sum.expose());
        }
        Ok(())
    }

    /// Back to the sum of nothing, in the same buffers.
    pub fn clear(&mut self) {
        self.sum.expose_mut().zeroize();
        (self.products, self.key) = (0, None);
    }

    /// The answer that opens to every slot plus its mask modulo `p`. The masks are uniform below `p` and used for
    /// this answer only; the row party's share of a slot is minus its mask.
    ///
    /// # Errors
    /// Another number of masks than slots, a mask that is not below `p`, or another key than that of the blocks.
    pub fn answer(
        &self,
        key: &PublicKey,
        masks: &[u64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Answer, ExactError> {
        let scheme = self.params.scheme();
        scheme.check("mask", masks, scheme.cells)?;
        same_key(self.key.unwrap_or(key.id()), key.id())?;
        let mut coefficients = Secret::new(masks.to_vec());
        self.params.batch().inverse(coefficients.expose_mut());
        Ok(scheme.answer(self.sum.expose(), coefficients.expose(), key, rng))
    }

    /// The sum, to measure noise with.
    #[cfg(test)]
    pub(super) fn ciphertext(&self) -> &Ciphertext {
        self.sum.expose()
    }

    fn counted(&self, more: u32) -> Result<u32, ExactError> {
        let declared = self.params.literal().max_products;
        self.products
            .checked_add(more)
            .filter(|products| *products <= declared)
            .ok_or(ExactError::Summands {
                what: "a sum",
                declared,
            })
    }
}

impl ZeroizeOnDrop for SlotProduct {}

impl fmt::Debug for SlotProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotProduct(redacted)")
    }
}
