//! Which parameters, how many bootstraps, how many bytes.
//!
//! Dimensions and noises are those of `V1_1_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M64` of tfhe-rs (128 bits of
//! security, binary keys): an LWE key of 879 bits, a GLWE key of one polynomial of 2,048 bits. Its decompositions are finer
//! here, which security does not depend on: what a bootstrap gives must be precise to some 25 bits, not to 5.

use serde::{Deserialize, Serialize};

use super::error::SignError;
use super::noise;
use crate::rlwe::codec::HEADER_BYTES;

/// Bits of the small key.
pub const LWE_DIMENSION: usize = 879;
/// Coefficients of the large key, one polynomial.
pub const POLYNOMIAL: usize = 2048;
/// Noise under the small key is uniform in `-2^46 ..= 2^46`, of `2^64`.
pub const LWE_NOISE_LOG2: u32 = 46;
/// Noise under the large key is uniform in `-2^17 ..= 2^17`, of `2^64`.
pub const GLWE_NOISE_LOG2: u32 = 17;

/// A decomposition: `levels` digits of `base_log` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decomposition {
    /// Bits of a digit.
    pub base_log: usize,
    /// Digits.
    pub levels: usize,
}

/// Of a bootstrap.
pub const BOOTSTRAP: Decomposition = Decomposition {
    base_log: 12,
    levels: 3,
};
/// Of the switch from the large key to the small one.
pub const SWITCH: Decomposition = Decomposition {
    base_log: 2,
    levels: 8,
};
/// Of the switch from the key of what comes in to the large one.
pub const ENTRY: Decomposition = Decomposition {
    base_log: 12,
    levels: 3,
};

/// Bits that a bootstrap can tell, and that the last one takes.
pub const WINDOW: u32 = 5;
/// Bits that a step clears, by two bootstraps.
pub const DIGIT: u32 = WINDOW - 1;
/// Bootstraps of the washing, each with a soak before it; one more soak is after the last.
pub const WASHES: usize = 2;
/// A soak adds a number uniform in `-B ..= B`, of `2^64`.
pub const SOAK: u64 = 3 << 60;
/// Bits of each number of an answer.
pub const ANSWER_BITS: u32 = 16;

/// Bytes of each number of the bootstrapping key and of the switching key: below these are bits of noise alone.
pub(super) const BOOTSTRAP_BYTES: usize = 6;
pub(super) const SWITCH_BYTES: usize = 3;
pub(super) const SEED_BYTES: usize = 16;

/// What parameters are made from, and what is stored of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignLiteral {
    /// Coefficients of the key of what comes in, a multiple of 2,048 up to 16,384.
    pub dimension: usize,
    /// `P`: a number `m` in `-2^(P-1) .. 2^(P-1)` comes in as `m / 2^P` of the modulus.
    pub precision: u32,
}

/// Parameters of a sign. Stored as their [`SignLiteral`] and checked again when read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SignLiteral", into = "SignLiteral")]
pub struct SignParams(SignLiteral);

/// Most bits of a number.
pub const MAX_PRECISION: u32 = 23;

impl SignParams {
    /// The parameters of a literal.
    ///
    /// # Errors
    /// A dimension or a precision out of range.
    pub fn new(literal: SignLiteral) -> Result<Self, SignError> {
        let range = |what, actual: u64, least, most| match actual {
            actual if (least..=most).contains(&actual) => Ok(()),
            actual => Err(SignError::Range {
                what,
                actual,
                least,
                most,
            }),
        };
        let polynomial = POLYNOMIAL as u64;
        range("dimension", literal.dimension as u64, polynomial, 8 * polynomial)?;
        range(
            "dimension modulo 2048",
            literal.dimension as u64 % polynomial,
            0,
            0,
        )?;
        range("precision", literal.precision.into(), 2, MAX_PRECISION.into())?;
        Ok(Self(literal))
    }

    /// What these parameters were made from.
    pub const fn literal(&self) -> SignLiteral {
        self.0
    }

    /// Polynomials of the key of what comes in.
    pub const fn polynomials(&self) -> usize {
        self.0.dimension / POLYNOMIAL
    }

    /// Steps that clear a digit.
    pub const fn steps(&self) -> usize {
        self.0.precision.saturating_sub(WINDOW).div_ceil(DIGIT) as usize
    }

    /// Programmable bootstraps of one sign: two for each digit, one for the sign, those of the washing.
    pub const fn bootstraps(&self) -> usize {
        2 * self.steps() + 1 + WASHES
    }

    /// Bytes of the keys that the server gets, once.
    pub const fn key_bytes(&self) -> usize {
        HEADER_BYTES
            + SEED_BYTES
            + POLYNOMIAL * 8
            + self.entry_words() * 8
            + SEED_BYTES
            + SWITCH_WORDS * SWITCH_BYTES
            + SEED_BYTES
            + BOOTSTRAP_WORDS * BOOTSTRAP_BYTES
    }

    /// Bytes of the same keys in the server's memory.
    pub const fn key_memory(&self) -> usize {
        // The bootstrapping key is kept transformed: half as many complex numbers of 16 bytes, and both polynomials.
        BOOTSTRAP_WORDS * 2 * 8
            + SWITCH_WORDS * (LWE_DIMENSION + 1) * 8
            + self.entry_words() * 8
            + 2 * POLYNOMIAL * 8
    }

    /// Bytes of an answer.
    pub const fn answer_bytes(&self) -> usize {
        HEADER_BYTES + (POLYNOMIAL + 1) * (ANSWER_BITS as usize / 8)
    }

    /// `log2` of the chance that a sign is wrong, for what comes in with this standard deviation, of the modulus.
    pub fn failure_log2(&self, deviation: f64) -> f64 {
        noise::failure_log2(self, deviation)
    }

    /// `log2` of the statistical distance of an answer from one that depends on the sign alone.
    pub fn distance_log2(&self) -> f64 {
        noise::distance_log2()
    }

    pub(super) const fn entry_words(&self) -> usize {
        self.polynomials() * ENTRY.levels * 2 * POLYNOMIAL
    }
}

/// Numbers of the bootstrapping key: for each bit of the small key and each level two polynomials' bodies.
pub(super) const BOOTSTRAP_WORDS: usize = LWE_DIMENSION * BOOTSTRAP.levels * 2 * POLYNOMIAL;
/// Numbers of the switching key.
pub(super) const SWITCH_WORDS: usize = POLYNOMIAL * SWITCH.levels;

impl TryFrom<SignLiteral> for SignParams {
    type Error = SignError;

    fn try_from(literal: SignLiteral) -> Result<Self, SignError> {
        Self::new(literal)
    }
}

impl From<SignParams> for SignLiteral {
    fn from(params: SignParams) -> Self {
        params.literal()
    }
}
