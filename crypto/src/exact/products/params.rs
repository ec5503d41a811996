//! Parameters of products.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::noise::NoiseModel;
use crate::exact::answer::Answer;
use crate::exact::block::EncryptedBlock;
use crate::exact::error::ExactError;
use crate::exact::galois::{GaloisRing, SQUARE};
use crate::exact::noise::{FLOODING_BITS, NoiseBounds};
use crate::exact::scale::Scale;
use crate::exact::scheme::Scheme;
use crate::mask::modulus::Modulus;
use crate::ring::ntt::Ntt;
use crate::ring::sample::NOISE_BOUND;
use crate::rlwe::noise::public_bound;
use crate::rlwe::{Params, PublicKey};

/// Primes have so many bits.
pub const PRIME_BITS: std::ops::RangeInclusive<u32> = 34..=50;
/// Most primes of a chain.
pub const MAX_CHAIN: usize = 8;

/// What parameters of products are made from, and what is stored of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductLiteral {
    /// The degree `N`, and the number of slots: 8192, 16384 or 32768.
    pub degree: usize,
    /// The plaintext modulus `p`, a prime `= 1 mod 2N` below `2^20`.
    pub plaintext: u64,
    /// Bits of the primes of the chain, the first the one that an answer is left with, the last the first that is dropped.
    pub chain: Vec<u32>,
    /// Bits of the special prime.
    pub special: u32,
    /// Primes of the chain where answers are hidden.
    pub answer_primes: usize,
    /// `log2` of what the phase of an answer does not exceed there.
    pub hidden_bits: u32,
    /// Coefficients of an answer that are opened: `N` for all slots, 1 for their sum.
    pub cells: usize,
}

/// Parameters of products. Cheap to clone. Stored as their [`ProductLiteral`] and checked again when read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "ProductLiteral", into = "ProductLiteral")]
pub struct ProductParams(Arc<Inner>);

struct Inner {
    literal: ProductLiteral,
    noise: NoiseModel,
    /// What is encrypted.
    input: Scheme,
    /// What is opened.
    output: Scheme,
    galois: GaloisRing,
    slots: Arc<Ntt>,
}

impl ProductParams {
    /// The parameters of a literal.
    ///
    /// # Errors
    /// Sizes out of range; primes that there are not; a ring, the special prime counted, below 128 bits of security; answers
    /// with less than 40 bits of flooding.
    pub fn new(literal: ProductLiteral) -> Result<Self, ExactError> {
        let plaintext = literal.plaintext;
        let step = 2 * literal.degree as u64;
        let in_range = (8192..=32_768).contains(&literal.degree) && literal.degree.is_power_of_two();
        let slots = Some(plaintext)
            .filter(|plaintext| in_range && *plaintext < 1 << 20 && plaintext % step == 1)
            .filter(|plaintext| Modulus::prime(*plaintext).is_ok())
            .and_then(|plaintext| Ntt::get(literal.degree, plaintext))
            .ok_or(ExactError::Plaintext {
                actual: plaintext,
                limit: 1 << 20,
            })?;
        let range = |what, actual: usize, most: usize| match (1..=most).contains(&actual) {
            true => Ok(()),
            false => Err(ExactError::Length {
                what,
                actual,
                expected: most,
            }),
        };
        range("primes of a chain", literal.chain.len(), MAX_CHAIN)?;
        range("primes of an answer", literal.answer_primes, literal.chain.len())?;
        range("opened coefficients", literal.cells, literal.degree)?;
        if !literal.cells.is_power_of_two() {
            return Err(ExactError::Cells {
                actual: literal.cells,
                largest: literal.degree,
            });
        }
        let bits: Vec<u32> = literal.chain.iter().copied().chain([literal.special]).collect();
        let primes = primes(step * plaintext, &bits)?;
        let (chain, _) = primes.split_at(literal.chain.len());
        let ring = Params::of_primes(literal.degree, chain)?;
        let galois = GaloisRing::over(&ring, Params::of_primes(literal.degree, &primes)?, plaintext)?;
        let last = Params::of_primes(literal.degree, &chain[..literal.answer_primes])?;
        let too_large = ExactError::Plaintext {
            actual: plaintext,
            limit: 1 << 20,
        };
        let scheme = |ring: &Params, cells, bounds| {
            Ok::<_, ExactError>(Scheme {
                scale: Scale::new(ring.basis(), plaintext).ok_or(too_large)?,
                ring: ring.clone(),
                cells,
                bounds,
            })
        };
        let no_room = |actual| ExactError::Flooding {
            declared: u64::from(literal.hidden_bits),
            actual,
            expected: FLOODING_BITS,
        };
        // The phase divided by p; its rounding; what re-randomizes.
        let hidden = 1_u128
            .checked_shl(literal.hidden_bits)
            .filter(|_| literal.hidden_bits < 127)
            .map(|phase| phase / u128::from(plaintext) + u128::from(public_bound(literal.degree)) + 3)
            .ok_or(no_room(0))?;
        let bounds = NoiseBounds::new(last.basis(), plaintext, hidden, literal.cells, f64::NEG_INFINITY)
            .ok_or(no_room(0))?;
        if bounds.flooding_bits() < FLOODING_BITS {
            return Err(no_room(bounds.flooding_bits()));
        }
        // Nothing is hidden at the input.
        let fresh = NoiseBounds::least(NOISE_BOUND.into(), literal.degree).ok_or(no_room(0))?;
        let values: Vec<f64> = primes.iter().map(|prime| *prime as f64).collect();
        let noise = NoiseModel {
            degree: literal.degree as f64,
            plain: plaintext as f64,
            special: values.last().copied().unwrap_or(1.0),
            chain: values.into_iter().take(literal.chain.len()).collect(),
        };
        Ok(Self(Arc::new(Inner {
            input: scheme(&ring, literal.degree, fresh)?,
            output: scheme(&last, literal.cells, bounds)?,
            galois,
            slots,
            noise,
            literal,
        })))
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> &ProductLiteral {
        &self.0.literal
    }

    /// The plaintext modulus `p`, a prime.
    pub fn plaintext(&self) -> u64 {
        self.0.literal.plaintext
    }

    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        self.0.literal.degree
    }

    /// Bounds on noise.
    pub fn model(&self) -> &NoiseModel {
        &self.0.noise
    }

    /// What hides an answer, and how surely it opens right.
    pub fn noise(&self) -> NoiseBounds {
        self.0.output.bounds
    }

    /// Bytes of an encryption with the secret key.
    pub fn input_bytes(&self) -> usize {
        EncryptedBlock::bytes(&self.0.input)
    }

    /// Bytes of an answer.
    pub fn answer_bytes(&self) -> usize {
        Answer::bytes(&self.0.output)
    }

    /// Bytes of a public key.
    pub fn public_key_bytes(&self) -> usize {
        PublicKey::bytes(&self.0.input.ring)
    }

    /// Bytes of the evaluation keys: that for products, and one for each rotation.
    pub fn evaluation_key_bytes(&self, rotations: &[usize]) -> usize {
        self.0.galois.bytes(self.exponents(rotations).len())
    }

    /// An answer from its bytes.
    ///
    /// # Errors
    /// Bytes that are no answer of these parameters.
    pub fn read_answer(&self, bytes: &[u8]) -> Result<Answer, ExactError> {
        Answer::read(&self.0.output, bytes)
    }

    /// Where the transform keeps the slots: two rows of `N / 2`, the value at `5^j` and at `-5^j` of row 0 and 1, column
    /// `j`. Rotations turn both rows.
    pub fn slot_places(&self) -> Vec<usize> {
        let degree = self.slots();
        let bits = degree.ilog2();
        let mut places = vec![0; degree];
        let mut exponent = 1;
        for column in 0..degree / 2 {
            for (row, exponent) in [exponent, 2 * degree - exponent].into_iter().enumerate() {
                let place = (exponent / 2).reverse_bits() >> (usize::BITS - bits);
                if let Some(slot) = places.get_mut(row * degree / 2 + column) {
                    *slot = place;
                }
            }
            exponent = exponent * 5 % (2 * degree);
        }
        places
    }

    /// Those of the keys: for products, then for rotations to the left by so many columns, ascending.
    pub(super) fn exponents(&self, rotations: &[usize]) -> Vec<usize> {
        let mut exponents: Vec<usize> = rotations.iter().map(|by| self.rotation(*by)).collect();
        exponents.push(SQUARE);
        exponents.sort_unstable();
        exponents.dedup();
        exponents
    }

    pub(super) fn rotation(&self, by: usize) -> usize {
        let turn = 2 * self.slots();
        (0..by % (self.slots() / 2)).fold(1, |exponent, _| exponent * 5 % turn)
    }

    pub(super) fn input(&self) -> &Scheme {
        &self.0.input
    }

    pub(super) fn output(&self) -> &Scheme {
        &self.0.output
    }

    pub(super) fn galois(&self) -> &GaloisRing {
        &self.0.galois
    }

    /// The transform between slots and coefficients modulo `p`: forward gives slots.
    pub(super) fn transform(&self) -> &Ntt {
        &self.0.slots
    }
}

/// For each number of bits the largest prime `= 1 mod step` that is not taken yet.
fn primes(step: u64, bits: &[u32]) -> Result<Vec<u64>, ExactError> {
    let mut primes: Vec<u64> = Vec::with_capacity(bits.len());
    for bits in bits {
        let prime = Some(*bits)
            .filter(|bits| PRIME_BITS.contains(bits))
            .and_then(|bits| {
                let (least, most) = (1_u64 << (bits - 1), (1_u64 << bits) / step);
                let candidates = (1..=most).rev().map(|index| index * step + 1);
                candidates
                    .take_while(|candidate| *candidate > least)
                    .filter(|candidate| *candidate < 1 << bits && !primes.contains(candidate))
                    .find(|candidate| Modulus::prime(*candidate).is_ok())
            })
            .ok_or(ExactError::Length {
                what: "bits of a prime, of which there are not enough: the next size",
                actual: *bits as usize,
                expected: *bits as usize + 1,
            })?;
        primes.push(prime);
    }
    Ok(primes)
}

impl PartialEq for ProductParams {
    fn eq(&self, other: &Self) -> bool {
        self.literal() == other.literal()
    }
}

impl Eq for ProductParams {}

impl fmt::Debug for ProductParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.literal().fmt(f)
    }
}

impl TryFrom<ProductLiteral> for ProductParams {
    type Error = ExactError;

    fn try_from(literal: ProductLiteral) -> Result<Self, ExactError> {
        Self::new(literal)
    }
}

impl From<ProductParams> for ProductLiteral {
    fn from(params: ProductParams) -> Self {
        params.literal().clone()
    }
}
