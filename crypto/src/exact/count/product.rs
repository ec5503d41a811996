//! The row party's side: sum blocks to predicates, multiply them by weights, answer.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::scheme::{length, same_key};
use super::params::CountParams;
use crate::ring::barrett::Barrett;
use crate::ring::{Eval, Poly};
use crate::rlwe::{Ciphertext, KeyId, PublicKey};
use crate::secret::Secret;

/// One block of a predicate, ready for products: the sum of encrypted blocks, both halves as values (128 KiB).
#[derive(Clone, Debug)]
pub struct PredicateBlock {
    params: CountParams,
    sum: Ciphertext,
    summands: u32,
    key: Option<KeyId>,
}

impl PredicateBlock {
    /// The predicate that accepts nothing.
    pub fn new(params: &CountParams) -> Self {
        Self {
            params: params.clone(),
            sum: Ciphertext::zero(&params.scheme().ring),
            summands: 0,
            key: None,
        }
    }

    /// Adds a block: the predicate then accepts what it accepted and what the block says, which must not overlap.
    ///
    /// # Errors
    /// A block of other parameters or under another key, or more blocks than declared.
    pub fn add_assign(&mut self, block: &EncryptedBlock) -> Result<(), ExactError> {
        let expanded = self.params.scheme().expand(block)?;
        let first = self.key.is_none();
        self.join(block.key(), 1)?;
        if first {
            self.sum = expanded;
        } else {
            self.sum.add_assign(&expanded);
        }
        Ok(())
    }

    /// Adds another predicate's block.
    ///
    /// # Errors
    /// One of other parameters or under another key, or more blocks in both than declared.
    pub fn add_predicate(&mut self, other: &Self) -> Result<(), ExactError> {
        same_params(&self.params, &other.params)?;
        if let Some(key) = other.key {
            self.join(key, other.summands)?;
            self.sum.add_assign(&other.sum);
        }
        Ok(())
    }

    /// Back to the predicate that accepts nothing, in the same buffers.
    pub fn clear(&mut self) {
        self.sum.zeroize();
        (self.summands, self.key) = (0, None);
    }

    fn join(&mut self, key: KeyId, summands: u32) -> Result<(), ExactError> {
        same_key(self.key.unwrap_or(key), key)?;
        let declared = self.params.literal().max_summands;
        let summands = self.summands.saturating_add(summands);
        if summands > declared {
            return Err(ExactError::Summands {
                what: "a predicate",
                declared,
            });
        }
        (self.summands, self.key) = (summands, Some(key));
        Ok(())
    }
}

/// Where the weights of a block become a polynomial: one buffer for many products, one per thread. Wiped on drop.
pub struct Scratch {
    poly: Poly<Eval>,
    /// The sum of the absolute weights in it.
    weights: u64,
}

impl Scratch {
    /// A buffer for products of these parameters (64 KiB).
    pub fn new(params: &CountParams) -> Self {
        Self {
            poly: Poly::zero(params.scheme().ring.basis()),
            weights: 0,
        }
    }

    /// Weights of one block, cell by cell (`m` times `L`), for [`Product::accumulate_loaded`] with any number of
    /// predicates. They may be negative.
    ///
    /// # Errors
    /// Another number of weights.
    pub fn load(&mut self, params: &CountParams, weights: &[i32]) -> Result<(), ExactError> {
        length("weights of a block", weights.len(), params.weights_len())?;
        self.weights = weights
            .iter()
            .map(|weight| u64::from(weight.unsigned_abs()))
            .sum();
        self.fill(weights, params.block_len(), |modulo, weight| {
            // Without a branch: a negative weight gets the prime.
            let prime = modulo.modulus() as i64;
            (i64::from(weight) + (i64::from(weight >> 31) & prime)) as u64
        });
        Ok(())
    }

    /// Puts the weight of cell `g` for entity `e` at `X^(gL - e)` and transforms. `X^-e` is `-X^(N-e)`.
    fn fill<T: Copy>(&mut self, weights: &[T], block_len: usize, reduce: impl Fn(Barrett, T) -> u64) {
        let (first, others) = weights.split_at(block_len);
        let Some((constant, first)) = first.split_first() else {
            return;
        };
        for (limb, words) in self.poly.limbs_mut() {
            let modulo = limb.modulo();
            // Cell 0: entity 0 at the constant coefficient, the others from the top down, negated.
            let (below, top) = words.split_at_mut(words.len() - first.len());
            for (word, weight) in top.iter_mut().rev().zip(first) {
                *word = modulo.sub(0, reduce(modulo, *weight));
            }
            let Some((word, below)) = below.split_first_mut() else {
                return;
            };
            *word = reduce(modulo, *constant);
            // Cell g: entity 0 at gL, the others below it down to (g - 1) L + 1.
            let cells = below.chunks_exact_mut(block_len);
            for (words, weights) in cells.zip(others.chunks_exact(block_len)) {
                for (word, weight) in words.iter_mut().rev().zip(weights) {
                    *word = reduce(modulo, *weight);
                }
            }
            limb.ntt().forward(words);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.poly.zeroize();
        self.weights.zeroize();
    }
}

impl ZeroizeOnDrop for Scratch {}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(redacted)")
    }
}

/// The sum over blocks of weights times predicate, for the `m` cells of one answer. It tells the weights to whoever
/// has the secret key: only [`answer`](Self::answer) leaves the row party. Wiped on drop.
pub struct Product {
    params: CountParams,
    sum: Secret<Ciphertext>,
    weights: Secret<u64>,
    key: Option<KeyId>,
}

impl Product {
    /// The sum of nothing.
    pub fn new(params: &CountParams) -> Self {
        Self {
            params: params.clone(),
            sum: Secret::new(Ciphertext::zero(&params.scheme().ring)),
            weights: Secret::new(0),
            key: None,
        }
    }

    /// Adds the products of one block's weights, cell by cell (`m` times `L`), with its predicate. Allocates nothing.
    /// Two forward transforms and four products of vectors, whatever the weights are.
    ///
    /// # Errors
    /// Another number of weights, or a predicate under another key. The sum is as before then.
    pub fn accumulate(
        &mut self,
        weights: &[u32],
        predicate: &PredicateBlock,
        scratch: &mut Scratch,
    ) -> Result<(), ExactError> {
        length("weights of a block", weights.len(), self.params.weights_len())?;
        same_params(&self.params, &predicate.params)?;
        scratch.weights = weights.iter().map(|weight| u64::from(*weight)).sum();
        scratch.fill(weights, self.params.block_len(), |_, weight| u64::from(weight));
        self.accumulate_loaded(predicate, scratch)
    }

    /// Adds the products of loaded weights ([`Scratch::load`]) with a predicate.
    ///
    /// # Errors
    /// A predicate of other parameters or under another key. The sum is as before then.
    pub fn accumulate_loaded(
        &mut self,
        predicate: &PredicateBlock,
        scratch: &Scratch,
    ) -> Result<(), ExactError> {
        same_params(&self.params, &predicate.params)?;
        self.join(predicate.key)?;
        *self.weights.expose_mut() += scratch.weights;
        self.sum
            .expose_mut()
            .mul_accumulate(&scratch.poly, &predicate.sum);
        Ok(())
    }

    /// Adds another sum of the same cells, as when blocks were divided among threads.
    ///
    /// # Errors
    /// A sum of other parameters or under another key.
    pub fn add_assign(&mut self, other: &Self) -> Result<(), ExactError> {
        same_params(&self.params, &other.params)?;
        self.join(other.key)?;
        self.sum.expose_mut().add_assign(other.sum.expose());
        *self.weights.expose_mut() += other.weights.expose();
        Ok(())
    }

    /// Back to the sum of nothing, in the same buffers.
    pub fn clear(&mut self) {
        self.sum.expose_mut().zeroize();
        self.weights.expose_mut().zeroize();
        self.key = None;
    }

    /// The answer that opens to every cell plus its mask modulo `p`. The masks are uniform below `p` and used for
    /// this answer only; the row party's share of a cell is minus its mask.
    ///
    /// # Errors
    /// Another number of masks than cells, a mask that is not below `p`, another key than that of the predicates, or
    /// weights that sum up, over all cells, to more than declared.
    pub fn answer(
        &self,
        key: &PublicKey,
        masks: &[u64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Answer, ExactError> {
        let scheme = self.params.scheme();
        scheme.check("mask", masks, scheme.cells)?;
        same_key(self.key.unwrap_or(key.id()), key.id())?;
        let declared = self.params.literal().max_weight_sum;
        if *self.weights.expose() > declared {
            return Err(ExactError::Weights { declared });
        }
        Ok(scheme.answer(self.sum.expose(), masks, key, rng))
    }

    /// The sum, to measure noise with.
    #[cfg(test)]
    pub(in super::super) fn ciphertext(&self) -> &Ciphertext {
        self.sum.expose()
    }

    fn join(&mut self, key: Option<KeyId>) -> Result<(), ExactError> {
        if let Some(key) = key {
            same_key(self.key.unwrap_or(key), key)?;
            self.key = Some(key);
        }
        Ok(())
    }
}

impl ZeroizeOnDrop for Product {}

impl fmt::Debug for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Product(redacted)")
    }
}

/// The same cells, hence the same meaning of every coefficient.
fn same_params(expected: &CountParams, actual: &CountParams) -> Result<(), ExactError> {
    let (expected, actual) = (expected.literal(), actual.literal());
    let fields = [
        (
            "number of cells",
            actual.segments as u64,
            expected.segments as u64,
        ),
        (
            "largest sum of weights",
            actual.max_weight_sum,
            expected.max_weight_sum,
        ),
        (
            "largest number of summands",
            actual.max_summands.into(),
            expected.max_summands.into(),
        ),
    ];
    for (field, actual, expected) in fields {
        if actual != expected {
            return Err(ExactError::Parameters {
                field,
                actual,
                expected,
            });
        }
    }
    Ok(())
}
