//! Parameters of sums of counts.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::noise::{FLOODING_BITS, NoiseBounds, NoiseSteps};
use super::super::scale::Scale;
use super::super::scheme::Scheme;
use crate::mask::modulus::Modulus;
use crate::rlwe::noise::{public_bound, summed_bound, summed_failure_log2};
use crate::rlwe::{Literal, Params, PublicKey};

/// The plaintext modulus `p`: shares and masks are numbers below it.
pub const PLAINTEXT: u64 = 1 << 30;

const MODULUS: Modulus = match Modulus::power_of_two(PLAINTEXT.ilog2()) {
    Ok(modulus) => modulus,
    Err(_) => panic!("an exponent from 1 to 64"),
};

/// The rings of counts. The second is for sums that leave too little flooding in the first; an entity costs 1.5 times
/// the bytes and 1.6 times the work in it.
const RINGS: [Literal; 2] = [
    Literal {
        degree: 4096,
        primes: 2,
    },
    Literal {
        degree: 8192,
        primes: 3,
    },
];

/// Cells per answer are at most this.
pub const MAX_SEGMENTS: usize = 1024;

/// What count parameters are made from, and what is stored of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountLiteral {
    /// Cells `m` of one answer, a power of two: a block holds `N / m` entities.
    pub segments: usize,
    /// The largest sum of all weights of one answer, over its blocks and all its cells, declared by the row party.
    /// All cells count, as the noise of a block is under every weight: cells that divide the same rows need no more
    /// than one of them.
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
    /// Parameters for `segments` cells per answer, whose weights sum up to `max_weight_sum` at most, all cells of an
    /// answer together, and predicates that are one ciphertext per block.
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
    /// Segments that are no power of two or too many, or bounds that leave less than 40 bits of flooding in every ring.
    pub fn from_literal(literal: CountLiteral) -> Result<Self, ExactError> {
        if !literal.segments.is_power_of_two() || literal.segments > MAX_SEGMENTS {
            return Err(ExactError::Cells {
                actual: literal.segments,
                largest: MAX_SEGMENTS,
            });
        }
        let mut most = 0;
        for ring in RINGS {
            if let Some(scheme) = scheme(ring, literal)? {
                if scheme.bounds.flooding_bits() >= FLOODING_BITS {
                    return Ok(Self(Arc::new(Inner { scheme, literal })));
                }
                most = scheme.bounds.flooding_bits();
            }
        }
        Err(ExactError::Flooding {
            declared: literal.max_weight_sum,
            actual: most,
            expected: FLOODING_BITS,
        })
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

    /// Weights of one block: `m` cells of `L` entities, `N` in all.
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

    /// The plaintext modulus as that of the sum that shares go into. Masks uniform modulo it come from
    /// [`Prg`](crate::mask::prg::Prg).
    pub const fn modulus(&self) -> Modulus {
        MODULUS
    }

    /// What hides the weights, and how surely an answer opens right.
    pub fn noise(&self) -> NoiseBounds {
        self.scheme().bounds
    }

    /// What noise an answer is expected to have, by the sum of the squares of all its weights, each times the number of
    /// ciphertexts that its predicate is the sum of.
    pub fn noise_steps(&self, sum_of_squares: f64) -> NoiseSteps {
        self.scheme().steps(sum_of_squares)
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

/// The scheme over one ring, if there is room for any flooding.
fn scheme(ring: Literal, literal: CountLiteral) -> Result<Option<Scheme>, ExactError> {
    let ring = Params::new(ring)?;
    let summands = literal.max_summands;
    // Noise and rounding of every summand under every weight; a fresh encryption; the rounding of the mask.
    let per_weight = u128::from(summed_bound(summands)) + u128::from(summands.div_ceil(2));
    let hidden =
        u128::from(literal.max_weight_sum) * per_weight + u128::from(public_bound(ring.degree())) + 1;
    let failure = summed_failure_log2(summands);
    let bounds = NoiseBounds::new(ring.basis(), PLAINTEXT, hidden, literal.segments, failure);
    let scale = Scale::new(ring.basis(), PLAINTEXT);
    Ok(scale.zip(bounds).map(|(scale, bounds)| Scheme {
        ring,
        scale,
        cells: literal.segments,
        bounds,
    }))
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
