//! Parameters of sums of counts.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::noise::{FLOODING_BITS, NoiseBounds};
use super::super::scale::Scale;
use super::super::scheme::Scheme;
use crate::rlwe::noise::{public_bound, summed_bound, summed_failure_log2};
use crate::rlwe::{Literal, Params, PublicKey};

/// The plaintext modulus `p`: shares and masks are numbers below it.
pub const PLAINTEXT: u64 = 1 << 30;

const RING: Literal = Literal {
    degree: 4096,
    primes: 2,
};

/// Cells per answer are at most this.
pub const MAX_SEGMENTS: usize = 1024;

/// What count parameters are made from, and what is stored of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountLiteral {
    /// Cells `m` of one answer, a power of two: a block holds `4096 / m` entities.
    pub segments: usize,
    /// The largest sum of one cell's weights over all blocks, declared by the row party.
    pub max_weight_sum: u64,
    /// The largest number of ciphertexts that are added to one predicate.
    pub max_summands: u32,
}

/// Parameters of sums of counts. Cheap to clone. Stored as their [`CountLiteral`] and checked again when read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "CountLiteral", into = "CountLiteral")]
pub struct CountParams(Arc<Inner>);

struct Inner {
    scheme: Scheme,
    literal: CountLiteral,
}

impl CountParams {
    /// Parameters for `segments` cells per answer, whose weights sum up to `max_weight_sum` at most, and predicates
    /// that are one ciphertext per block.
    ///
    /// # Errors
    /// As [`from_literal`](Self::from_literal).
    pub fn new(segments: usize, max_weight_sum: u64) -> Result<Self, ExactError> {
        Self::from_literal(CountLiteral {
            segments,
            max_weight_sum,
            max_summands: 1,
        })
    }

    /// Parameters that say also how many ciphertexts a predicate may be the sum of.
    ///
    /// # Errors
    /// Segments that are no power of two or too many, or bounds that leave less than 40 bits of flooding.
    pub fn from_literal(literal: CountLiteral) -> Result<Self, ExactError> {
        let CountLiteral {
            segments,
            max_weight_sum,
            max_summands,
        } = literal;
        if !segments.is_power_of_two() || segments > MAX_SEGMENTS {
            return Err(ExactError::Cells {
                actual: segments,
                largest: MAX_SEGMENTS,
            });
        }
        let ring = Params::new(RING)?;
        let no_room = |actual| ExactError::Flooding {
            declared: max_weight_sum,
            actual,
            expected: FLOODING_BITS,
        };
        let scale = Scale::new(ring.basis(), PLAINTEXT).ok_or(no_room(0))?;
        // Noise and rounding of every summand under every weight; a fresh encryption; the rounding of the mask.
        let per_weight = summed_bound(max_summands) + u64::from(max_summands).div_ceil(2);
        let hidden =
            u128::from(max_weight_sum) * u128::from(per_weight) + u128::from(public_bound(ring.degree())) + 1;
        let failure = summed_failure_log2(max_summands);
        let bounds =
            NoiseBounds::new(ring.basis(), PLAINTEXT, hidden, segments, failure).ok_or(no_room(0))?;
        if bounds.flooding_bits() < FLOODING_BITS {
            return Err(no_room(bounds.flooding_bits()));
        }
        Ok(Self(Arc::new(Inner {
            scheme: Scheme {
                ring,
                scale,
                cells: segments,
                bounds,
            },
            literal,
        })))
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> CountLiteral {
        self.0.literal
    }

    /// Cells `m` of one answer.
    pub fn segments(&self) -> usize {
        self.scheme().cells
    }

    /// Entities `L` of one block.
    pub fn block_len(&self) -> usize {
        self.scheme().step()
    }

    /// Weights of one block: `m` cells of `L` entities.
    pub fn weights_len(&self) -> usize {
        self.scheme().ring.degree()
    }

    /// Blocks of so many entities.
    pub fn blocks(&self, entities: usize) -> usize {
        entities.div_ceil(self.block_len())
    }

    /// The plaintext modulus `p`.
    pub const fn plaintext(&self) -> u64 {
        PLAINTEXT
    }

    /// What hides the weights, and how surely an answer opens right.
    pub fn noise(&self) -> NoiseBounds {
        self.scheme().bounds
    }

    /// Bytes of a public key.
    pub fn public_key_bytes(&self) -> usize {
        PublicKey::bytes(&self.scheme().ring)
    }

    /// Bytes of an encrypted block.
    pub fn block_bytes(&self) -> usize {
        EncryptedBlock::bytes(self.scheme())
    }

    /// Bytes of an answer.
    pub fn answer_bytes(&self) -> usize {
        Answer::bytes(self.scheme())
    }

    /// A public key from its bytes.
    ///
    /// # Errors
    /// Bytes that are no public key of these parameters.
    pub fn read_public_key(&self, bytes: &[u8]) -> Result<PublicKey, ExactError> {
        Ok(PublicKey::from_bytes(&self.scheme().ring, bytes)?)
    }

    /// An encrypted block from its bytes.
    ///
    /// # Errors
    /// Bytes that are no block of these parameters.
    pub fn read_block(&self, bytes: &[u8]) -> Result<EncryptedBlock, ExactError> {
        EncryptedBlock::read(self.scheme(), bytes)
    }

    /// An answer from its bytes.
    ///
    /// # Errors
    /// Bytes that are no answer of these parameters.
    pub fn read_answer(&self, bytes: &[u8]) -> Result<Answer, ExactError> {
        Answer::read(self.scheme(), bytes)
    }

    pub(in super::super) fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }
}

impl PartialEq for CountParams {
    fn eq(&self, other: &Self) -> bool {
        self.literal() == other.literal()
    }
}

impl Eq for CountParams {}

impl fmt::Debug for CountParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.literal().fmt(f)
    }
}

impl TryFrom<CountLiteral> for CountParams {
    type Error = ExactError;

    fn try_from(literal: CountLiteral) -> Result<Self, ExactError> {
        Self::from_literal(literal)
    }
}

impl From<CountParams> for CountLiteral {
    fn from(params: CountParams) -> Self {
        params.literal()
    }
}
