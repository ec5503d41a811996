//! Parameters of sums in slots.

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
use crate::ring::ntt::Ntt;
use crate::ring::sample::NOISE_BOUND;
use crate::rlwe::noise::public_bound;
use crate::rlwe::{Literal, Params, PublicKey};

/// The plaintext modulus stays below this, so that the rounding of the switch to one prime fits beside it.
pub const MAX_PLAINTEXT: u64 = 1 << 36;

const RING: Literal = Literal {
    degree: 8192,
    primes: 3,
};

/// What slot parameters are made from, and what is stored of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotLiteral {
    /// Totals stay below this in magnitude of their range: the plaintext modulus is the smallest prime
    /// `= 1 mod 16384` that is not below it.
    pub min_plaintext: u64,
    /// The largest number of products in one sum: blocks times profiles, for one link and attribute party.
    pub max_products: u32,
}

/// Parameters of sums in slots. Cheap to clone. Stored as their [`SlotLiteral`] and checked again when read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "SlotLiteral", into = "SlotLiteral")]
pub struct SlotParams(Arc<Inner>);

struct Inner {
    scheme: Scheme,
    batch: Arc<Ntt>,
    modulus: Modulus,
    literal: SlotLiteral,
}

impl SlotParams {
    /// Parameters for totals of at least so many different values, and sums of at most `max_products` products.
    ///
    /// # Errors
    /// As [`from_literal`](Self::from_literal).
    pub fn new(min_plaintext: u64, max_products: u32) -> Result<Self, ExactError> {
        Self::from_literal(SlotLiteral {
            min_plaintext,
            max_products,
        })
    }

    /// The parameters of a literal.
    ///
    /// # Errors
    /// A plaintext modulus of `2^36` or more, or so many products that less than 40 bits of flooding are left.
    pub fn from_literal(literal: SlotLiteral) -> Result<Self, ExactError> {
        let ring = Params::new(RING)?;
        let degree = ring.degree();
        let too_large = ExactError::Plaintext {
            actual: literal.min_plaintext,
            limit: MAX_PLAINTEXT,
        };
        let (plaintext, modulus) = prime_from(literal.min_plaintext, 2 * degree as u64).ok_or(too_large)?;
        let scale = Scale::new(ring.basis(), plaintext).ok_or(too_large)?;
        let batch = Ntt::get(degree, plaintext).ok_or(too_large)?;
        // Centred weights are at most p / 2 on each of N coefficients; noise and rounding stay below the bound plus 1.
        let weight = u128::from(plaintext) / 2 * degree as u128;
        let hidden = weight * u128::from(literal.max_products) * u128::from(NOISE_BOUND + 1)
            + u128::from(public_bound(degree))
            + 1;
        let no_room = |actual| ExactError::Flooding {
            declared: literal.max_products.into(),
            actual,
            expected: FLOODING_BITS,
        };
        let bounds =
            NoiseBounds::new(ring.basis(), plaintext, hidden, degree, f64::NEG_INFINITY).ok_or(no_room(0))?;
        if bounds.flooding_bits() < FLOODING_BITS {
            return Err(no_room(bounds.flooding_bits()));
        }
        Ok(Self(Arc::new(Inner {
            scheme: Scheme {
                ring,
                scale,
                cells: degree,
                bounds,
            },
            batch,
            modulus,
            literal,
        })))
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> SlotLiteral {
        self.0.literal
    }

    /// Slots `N` of a block and of an answer.
    pub fn slots(&self) -> usize {
        self.scheme().cells
    }

    /// Blocks of so many entities.
    pub fn blocks(&self, entities: usize) -> usize {
        entities.div_ceil(self.slots())
    }

    /// The plaintext modulus `p`, a prime: weights, masks and shares are numbers below it.
    pub fn plaintext(&self) -> u64 {
        self.scheme().scale.plain().modulus()
    }

    /// The plaintext modulus as that of the sum that shares go into. Masks uniform modulo it come from
    /// [`Prg`](crate::mask::prg::Prg).
    pub fn modulus(&self) -> Modulus {
        self.0.modulus
    }

    /// What hides the weights, and how surely an answer opens right.
    pub fn noise(&self) -> NoiseBounds {
        self.scheme().bounds
    }

    /// What noise an answer of so many products is expected to have, for weights uniform modulo `p`.
    pub fn noise_steps(&self, products: u32) -> NoiseSteps {
        let square = (self.plaintext() as f64).powi(2) / 12.0;
        self.scheme()
            .steps(f64::from(products) * self.slots() as f64 * square)
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

    pub(super) fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }

    /// The transform between slots and coefficients modulo `p`: forward gives slots.
    pub(super) fn batch(&self) -> &Ntt {
        &self.0.batch
    }
}

/// The smallest prime `= 1 mod step` from a number on, if there is one below the limit.
pub(in crate::exact) fn prime_from(least: u64, step: u64) -> Option<(u64, Modulus)> {
    let first = least.max(2).saturating_sub(1).div_ceil(step);
    (first..MAX_PLAINTEXT / step)
        .map(|index| index * step + 1)
        .find_map(|candidate| Some((candidate, Modulus::prime(candidate).ok()?)))
}

impl PartialEq for SlotParams {
    fn eq(&self, other: &Self) -> bool {
        self.literal() == other.literal()
    }
}

impl Eq for SlotParams {}

impl fmt::Debug for SlotParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.literal().fmt(f)
    }
}

impl TryFrom<SlotLiteral> for SlotParams {
    type Error = ExactError;

    fn try_from(literal: SlotLiteral) -> Result<Self, ExactError> {
        Self::from_literal(literal)
    }
}

impl From<SlotParams> for SlotLiteral {
    fn from(params: SlotParams) -> Self {
        params.literal()
    }
}
