//! The row party's side: multiply what was passed on by weights, sum over slots and blocks, answer.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::scheme::{length, same, same_key};
use super::super::slots::lift;
use super::params::ChainParams;
use super::pass::{PassedBlock, without_last};
use crate::ring::{Eval, Poly};
use crate::rlwe::codec::Kind;
use crate::rlwe::{Ciphertext, KeyId, PublicKey};
use crate::secret::Secret;

/// A block that was passed on, ready for products (384 KiB).
#[derive(Clone, Debug)]
pub struct ChainBlock {
    body: Ciphertext,
    key: KeyId,
}

impl ChainBlock {
    /// Takes a block over.
    ///
    /// # Errors
    /// A block of other parameters.
    pub fn new(params: &ChainParams, block: PassedBlock) -> Result<Self, ExactError> {
        same(&params.passed().header(Kind::Passed), &block.header)?;
        Ok(Self {
            body: block.body,
            key: block.key,
        })
    }

    /// A block as its first party sent it, for sums that no second party has a part in: without its last prime. It has
    /// less noise than one that was passed on.
    ///
    /// # Errors
    /// A block of other parameters.
    pub fn direct(params: &ChainParams, block: &EncryptedBlock) -> Result<Self, ExactError> {
        Ok(Self {
            body: without_last(&params.first().expand(block)?)?,
            key: block.key(),
        })
    }
}

/// Where weights become a polynomial: one buffer for many products, one per thread. Wiped on drop.
pub struct ChainScratch {
    coefficients: Secret<Vec<u64>>,
    values: Secret<Poly<Eval>>,
}

impl ChainScratch {
    /// A buffer for products of these parameters (256 KiB).
    pub fn new(params: &ChainParams) -> Self {
        Self {
            coefficients: Secret::new(vec![0; params.slots()]),
            values: Secret::new(Poly::zero(params.passed().ring.basis())),
        }
    }

    /// Weights as `N` times the polynomial that has them in its slots: what it multiplies has the sum over slots in
    /// its constant coefficient.
    fn load(&mut self, params: &ChainParams, weights: &[u64]) {
        let coefficients = self.coefficients.expose_mut();
        coefficients.copy_from_slice(weights);
        params.batch().inverse_times_degree(coefficients);
        lift(params.plaintext(), coefficients, self.values.expose_mut());
    }
}

impl ZeroizeOnDrop for ChainScratch {}

impl fmt::Debug for ChainScratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainScratch(redacted)")
    }
}

/// The sum over blocks of weights times what was passed on. It tells the weights to whoever has the secret key: only
/// [`answer`](Self::answer) leaves the row party. Wiped on drop.
pub struct ChainProduct {
    params: ChainParams,
    sum: Secret<Ciphertext>,
    blocks: u32,
    key: Option<KeyId>,
}

impl ChainProduct {
    /// The sum of nothing.
    pub fn new(params: &ChainParams) -> Self {
        Self {
            params: params.clone(),
            sum: Secret::new(Ciphertext::zero(&params.passed().ring)),
            blocks: 0,
            key: None,
        }
    }

    /// Adds the products of one weight per slot, each below `p`, with a block. Allocates nothing. Four transforms and
    /// six products of vectors, whatever the weights are.
    ///
    /// # Errors
    /// Another number of weights, one that is not below `p`, a block under another key, or more blocks than
    /// declared. The sum is as before then.
    pub fn accumulate(
        &mut self,
        weights: &[u64],
        block: &ChainBlock,
        scratch: &mut ChainScratch,
    ) -> Result<(), ExactError> {
        let params = &self.params;
        params.passed().check("weight", weights, params.slots())?;
        same_key(self.key.unwrap_or(block.key), block.key)?;
        let declared = params.literal().max_blocks;
        let blocks = self
            .blocks
            .checked_add(1)
            .filter(|blocks| *blocks <= declared)
            .ok_or(ExactError::Summands {
                what: "a sum",
                declared,
            })?;
        (self.blocks, self.key) = (blocks, Some(block.key));
        scratch.load(params, weights);
        self.sum
            .expose_mut()
            .mul_accumulate(scratch.values.expose(), &block.body);
        Ok(())
    }

    /// Back to the sum of nothing, in the same buffers.
    pub fn clear(&mut self) {
        self.sum.expose_mut().zeroize();
        (self.blocks, self.key) = (0, None);
    }

    /// The answer that opens to the sum plus the mask modulo `p`. The mask is uniform below `p` and used for this
    /// answer only; the row party's share of the sum is minus its mask. `key` is the first party's.
    ///
    /// # Errors
    /// A mask that is not below `p`, or another key than that of the blocks.
    pub fn answer(
        &self,
        key: &PublicKey,
        mask: u64,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Answer, ExactError> {
        let scheme = self.params.passed();
        length("cells", scheme.cells, 1)?;
        scheme.check("mask", &[mask], 1)?;
        same_key(self.key.unwrap_or(key.id()), key.id())?;
        let key = key.truncated(&scheme.ring);
        Ok(scheme.answer(self.sum.expose(), &[mask], &key, rng))
    }

    /// The sum, to measure noise with.
    #[cfg(test)]
    pub(super) fn ciphertext(&self) -> &Ciphertext {
        self.sum.expose()
    }
}

impl ZeroizeOnDrop for ChainProduct {}

impl fmt::Debug for ChainProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainProduct(redacted)")
    }
}
