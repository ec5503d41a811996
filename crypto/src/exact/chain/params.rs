//! Parameters of the chain.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::noise::{FLOODING_BITS, NoiseBounds};
use super::super::scale::Scale;
use super::super::scheme::Scheme;
use super::super::slots::{MAX_PLAINTEXT, prime_from};
use super::pass::PassedBlock;
use crate::mask::modulus::Modulus;
use crate::ring::ntt::Ntt;
use crate::ring::sample::NOISE_BOUND;
use crate::rlwe::noise::{self, public_bound, switch_bound};
use crate::rlwe::{Literal, Params, PublicKey};

/// What the attribute parties compute in: as many primes as the security table allows.
const RING: Literal = Literal {
    degree: 8192,
    primes: 4,
};

/// What the row party computes in.
const PASSED: Literal = Literal {
    degree: 8192,
    primes: 3,
};

/// What chain parameters are made from, and what is stored of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainLiteral {
    /// The plaintext modulus is the smallest prime `= 1 mod 16384` that is not below it.
    pub min_plaintext: u64,
    /// The largest number of blocks in one sum.
    pub max_blocks: u32,
}

/// Parameters of the chain. Cheap to clone. Stored as their [`ChainLiteral`] and checked again when read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "ChainLiteral", into = "ChainLiteral")]
pub struct ChainParams(Arc<Inner>);

struct Inner {
    /// The attribute parties' ring; all coefficients are flooded.
    first: Scheme,
    /// The row party's; one coefficient is.
    passed: Scheme,
    batch: Arc<Ntt>,
    modulus: Modulus,
    literal: ChainLiteral,
}

impl ChainParams {
    /// Parameters for totals of at least so many different values, and sums of at most so many blocks.
    ///
    /// # Errors
    /// As [`from_literal`](Self::from_literal).
    pub fn new(min_plaintext: u64, max_blocks: u32) -> Result<Self, ExactError> {
        Self::from_literal(ChainLiteral {
            min_plaintext,
            max_blocks,
        })
    }

    /// The parameters of a literal.
    ///
    /// # Errors
    /// A plaintext modulus of `2^36` or more, or so large a modulus or so many blocks that less than 40 bits of
    /// flooding are left for the row party.
    pub fn from_literal(literal: ChainLiteral) -> Result<Self, ExactError> {
        let (ring, small) = (Params::new(RING)?, Params::new(PASSED)?);
        let degree = ring.degree();
        let too_large = ExactError::Plaintext {
            actual: literal.min_plaintext,
            limit: MAX_PLAINTEXT,
        };
        let (plaintext, modulus) = prime_from(literal.min_plaintext, 2 * degree as u64).ok_or(too_large)?;
        let scale = |ring: &Params| Scale::new(ring.basis(), plaintext).ok_or(too_large);
        let batch = Ntt::get(degree, plaintext).ok_or(too_large)?;
        // Centred coefficients are at most p / 2, N of them; noise and rounding stay below the bound plus 1.
        let norm = u128::from(plaintext) / 2 * degree as u128;
        let fresh = u128::from(public_bound(degree)) + 1;
        let no_room = |actual| ExactError::Flooding {
            declared: literal.max_blocks.into(),
            actual,
            expected: FLOODING_BITS,
        };
        let passed_on =
            NoiseBounds::least(norm * u128::from(NOISE_BOUND + 1) + fresh, degree).ok_or(no_room(0))?;
        // Both bases begin with the same primes: the last one of the larger is what is dropped.
        let dropped = ring.basis().primes().last().unwrap_or(1);
        let arrived = passed_on.most() / u128::from(dropped) + 1 + u128::from(switch_bound(degree)) + 1;
        let hidden = norm
            .checked_mul(literal.max_blocks.into())
            .and_then(|norm| norm.checked_mul(arrived))
            .and_then(|hidden| hidden.checked_add(fresh))
            .ok_or(no_room(0))?;
        let bounds =
            NoiseBounds::new(small.basis(), plaintext, hidden, 1, f64::NEG_INFINITY).ok_or(no_room(0))?;
        if bounds.flooding_bits() < FLOODING_BITS {
            return Err(no_room(bounds.flooding_bits()));
        }
        Ok(Self(Arc::new(Inner {
            first: Scheme {
                scale: scale(&ring)?,
                ring,
                cells: degree,
                bounds: passed_on,
            },
            passed: Scheme {
                scale: scale(&small)?,
                ring: small,
                cells: 1,
                bounds,
            },
            batch,
            modulus,
            literal,
        })))
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> ChainLiteral {
        self.0.literal
    }

    /// Slots `N` of a block: entities.
    pub fn slots(&self) -> usize {
        self.first().cells
    }

    /// Blocks of so many entities.
    pub fn blocks(&self, entities: usize) -> usize {
        entities.div_ceil(self.slots())
    }

    /// The plaintext modulus `p`, a prime: weights, masks and shares are numbers below it.
    pub fn plaintext(&self) -> u64 {
        self.first().scale.plain().modulus()
    }

    /// The plaintext modulus as that of the sum that shares go into.
    pub fn modulus(&self) -> Modulus {
        self.0.modulus
    }

    /// What the second party's flooding hides of its bits, on each of `N` coefficients.
    pub fn passing_noise(&self) -> NoiseBounds {
        self.first().bounds
    }

    /// What the row party's flooding hides of weights and of both parties' noise, on the one coefficient opened.
    pub fn noise(&self) -> NoiseBounds {
        self.passed().bounds
    }

    /// Standard deviations that are expected, as `log2`, for uniform bits and for weights uniform modulo `p`: of the
    /// second party's product, of what arrives at the row party, of its product of so many blocks, and of what the
    /// first party opens (each in units of the last place of the ring that it is in).
    pub fn noise_steps(&self, blocks: u32) -> [f64; 4] {
        let degree = self.slots();
        let square = (self.plaintext() as f64).powi(2) / 12.0 * degree as f64;
        // Encoding rounds, too: 1/12 beside the noise.
        let product = noise::weighted(noise::fresh() + 1.0 / 12.0, square);
        let flooded =
            product + noise::public(degree) + noise::uniform(self.passing_noise().flood_bound() as f64);
        let primes = |scheme: &Scheme| {
            scheme
                .ring
                .basis()
                .primes()
                .map(|prime| prime as f64)
                .collect::<Vec<_>>()
        };
        let dropped = primes(self.first()).last().copied().unwrap_or(1.0);
        let arrived = flooded / dropped.powi(2) + noise::switch(degree);
        let summed = noise::weighted(arrived, square * f64::from(blocks));
        let others: f64 = primes(self.passed()).iter().skip(1).product();
        let opened = summed + noise::public(degree) + noise::uniform(self.noise().flood_bound() as f64);
        let opened = opened / others.powi(2) + noise::switch(degree);
        [product, arrived, summed, opened].map(|variance| variance.log2() / 2.0)
    }

    /// Bytes of the first party's public key.
    pub fn public_key_bytes(&self) -> usize {
        PublicKey::bytes(&self.first().ring)
    }

    /// Bytes of a block that the first party encrypts.
    pub fn block_bytes(&self) -> usize {
        EncryptedBlock::bytes(self.first())
    }

    /// Bytes of a block that the second party passes on.
    pub fn passed_bytes(&self) -> usize {
        PassedBlock::bytes(self)
    }

    /// Bytes of an answer.
    pub fn answer_bytes(&self) -> usize {
        Answer::bytes(self.passed())
    }

    /// The first party's public key from its bytes.
    ///
    /// # Errors
    /// Bytes that are no public key of these parameters.
    pub fn read_public_key(&self, bytes: &[u8]) -> Result<PublicKey, ExactError> {
        Ok(PublicKey::from_bytes(&self.first().ring, bytes)?)
    }

    /// An encrypted block from its bytes.
    ///
    /// # Errors
    /// Bytes that are no block of these parameters.
    pub fn read_block(&self, bytes: &[u8]) -> Result<EncryptedBlock, ExactError> {
        EncryptedBlock::read(self.first(), bytes)
    }

    /// A block that was passed on, from its bytes.
    ///
    /// # Errors
    /// Bytes that are no such block of these parameters.
    pub fn read_passed(&self, bytes: &[u8]) -> Result<PassedBlock, ExactError> {
        PassedBlock::read(self, bytes)
    }

    /// An answer from its bytes.
    ///
    /// # Errors
    /// Bytes that are no answer of these parameters.
    pub fn read_answer(&self, bytes: &[u8]) -> Result<Answer, ExactError> {
        Answer::read(self.passed(), bytes)
    }

    pub(super) fn first(&self) -> &Scheme {
        &self.0.first
    }

    pub(super) fn passed(&self) -> &Scheme {
        &self.0.passed
    }

    /// The transform between slots and coefficients modulo `p`: forward gives slots.
    pub(super) fn batch(&self) -> &Ntt {
        &self.0.batch
    }
}

impl PartialEq for ChainParams {
    fn eq(&self, other: &Self) -> bool {
        self.literal() == other.literal()
    }
}

impl Eq for ChainParams {}

impl fmt::Debug for ChainParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.literal().fmt(f)
    }
}

impl TryFrom<ChainLiteral> for ChainParams {
    type Error = ExactError;

    fn try_from(literal: ChainLiteral) -> Result<Self, ExactError> {
        Self::from_literal(literal)
    }
}

impl From<ChainParams> for ChainLiteral {
    fn from(params: ChainParams) -> Self {
        params.literal()
    }
}
