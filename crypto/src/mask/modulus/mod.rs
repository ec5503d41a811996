//! The modulus of a sum: its arithmetic, its centred representatives, its words on the wire.
//!
//! Words are `u64` below the modulus. Nothing here branches on a word's value, and nothing divides by the modulus at
//! run time but to prepare constants: words may be secret counts, and division takes variable time on many CPUs.

mod pack;
mod primality;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use pack::WordsError;

/// Primes have at most this many bits, so that a sum of two words stays within a `u64`.
pub const MAX_PRIME_BITS: u32 = 63;

/// The modulus `M` of a sum: `2^bits` with `bits` in `1..=64`, or a prime below `2^63`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Kind", into = "Kind")]
pub struct Modulus(Kind);

/// What a [`Modulus`] is, for those who must tell the kinds apart. The checked constructors are
/// [`Modulus::power_of_two`], [`Modulus::prime`] and `Modulus::try_from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `2^bits`.
    PowerOfTwo(u32),
    /// The prime itself.
    Prime(u64),
}

impl TryFrom<Kind> for Modulus {
    type Error = ModulusError;

    fn try_from(kind: Kind) -> Result<Self, ModulusError> {
        match kind {
            Kind::PowerOfTwo(bits) => Self::power_of_two(bits),
            Kind::Prime(prime) => Self::prime(prime),
        }
    }
}

impl From<Modulus> for Kind {
    fn from(modulus: Modulus) -> Self {
        modulus.0
    }
}

impl Modulus {
    /// `2^64`: words are plain wrapping `u64`.
    pub const TWO_TO_64: Self = Self(Kind::PowerOfTwo(64));

    /// `2^bits`.
    ///
    /// # Errors
    /// `bits` outside `1..=64`.
    pub const fn power_of_two(bits: u32) -> Result<Self, ModulusError> {
        if bits == 0 || bits > 64 {
            return Err(ModulusError::Bits { actual: bits });
        }
        Ok(Self(Kind::PowerOfTwo(bits)))
    }

    /// A prime.
    ///
    /// # Errors
    /// Not a prime, or not below `2^63`.
    pub fn prime(prime: u64) -> Result<Self, ModulusError> {
        if prime >> MAX_PRIME_BITS != 0 {
            return Err(ModulusError::TooLarge { actual: prime });
        }
        if !primality::is_prime(prime) {
            return Err(ModulusError::NotPrime { actual: prime });
        }
        Ok(Self(Kind::Prime(prime)))
    }

    /// Which of the two it is.
    pub const fn kind(self) -> Kind {
        self.0
    }

    /// `M` itself.
    pub const fn value(self) -> u128 {
        match self.0 {
            Kind::PowerOfTwo(bits) => 1 << bits,
            Kind::Prime(prime) => prime as u128,
        }
    }

    /// Bits of the largest word, `M - 1`.
    pub const fn bits(self) -> u32 {
        match self.0 {
            Kind::PowerOfTwo(bits) => bits,
            Kind::Prime(prime) => u64::BITS - (prime - 1).leading_zeros(),
        }
    }

    /// Bytes of a word on the wire: `ceil(bits / 8)`, 1 to 8.
    pub const fn word_bytes(self) -> usize {
        self.bits().div_ceil(8) as usize
    }

    /// All ones up to [`bits`](Self::bits).
    pub(crate) const fn mask(self) -> u64 {
        u64::MAX >> (u64::BITS - self.bits())
    }

    /// For digests: 0 and the bits, or 1 and the prime.
    pub(crate) const fn to_parts(self) -> (u8, u64) {
        match self.0 {
            Kind::PowerOfTwo(bits) => (0, bits as u64),
            Kind::Prime(prime) => (1, prime),
        }
    }

    /// The word congruent to any `u64`.
    pub const fn reduce(self, value: u64) -> u64 {
        match self.0 {
            Kind::PowerOfTwo(_) => value & self.mask(),
            Kind::Prime(prime) => {
                // Barrett (CRYPTO '86): the quotient is at most one too small, so the remainder is below 2 M.
                let reciprocal = (1_u128 << 64) / prime as u128;
                let quotient = ((value as u128 * reciprocal) >> 64) as u64;
                subtract_once(value.wrapping_sub(quotient.wrapping_mul(prime)), prime)
            }
        }
    }

    /// The word of a signed number, the inverse of [`centred`](Self::centred). `None` outside of the centred range
    /// `-floor(M / 2) ..= floor((M - 1) / 2)`, where the number could not be told from another.
    pub const fn encode(self, value: i64) -> Option<u64> {
        let value_mod = match self.0 {
            Kind::PowerOfTwo(_) => value as u64 & self.mask(),
            Kind::Prime(prime) => (value as u64).wrapping_add(prime & (value >> 63) as u64),
        };
        let half = (self.value() / 2) as i128;
        let below = ((self.value() - 1) / 2) as i128;
        if (value as i128) < -half || value as i128 > below {
            None
        } else {
            Some(value_mod)
        }
    }

    /// The representative of a word nearest to zero, in `-floor(M / 2) ..= floor((M - 1) / 2)`.
    pub const fn centred(self, word: u64) -> i64 {
        match self.0 {
            Kind::PowerOfTwo(bits) => {
                let unused = u64::BITS - bits;
                ((word << unused) as i64) >> unused
            }
            Kind::Prime(prime) => {
                let above = ((prime - 1) / 2).wrapping_sub(word) >> 63;
                (word as i64).wrapping_sub((prime & above.wrapping_neg()) as i64)
            }
        }
    }

    /// `accumulator[i] += words[i]`, all of them words below `M`.
    ///
    /// # Panics
    /// On different lengths: vectors of one sum have one length, checked where they come in.
    pub fn add(self, accumulator: &mut [u64], words: &[u64]) {
        assert_eq!(
            accumulator.len(),
            words.len(),
            "vectors of one sum have one length"
        );
        self.add_each(accumulator, words.iter().copied());
    }

    /// `accumulator[i] -= words[i]`, all of them words below `M`.
    ///
    /// # Panics
    /// On different lengths: vectors of one sum have one length, checked where they come in.
    pub fn sub(self, accumulator: &mut [u64], words: &[u64]) {
        assert_eq!(
            accumulator.len(),
            words.len(),
            "vectors of one sum have one length"
        );
        self.sub_each(accumulator, words.iter().copied());
    }

    #[inline(always)]
    pub(super) fn add_each(self, accumulator: &mut [u64], words: impl Iterator<Item = u64>) {
        match self.0 {
            Kind::PowerOfTwo(64) => {
                accumulator
                    .iter_mut()
                    .zip(words)
                    .for_each(|(sum, word)| *sum = sum.wrapping_add(word));
            }
            Kind::PowerOfTwo(_) => {
                let mask = self.mask();
                accumulator
                    .iter_mut()
                    .zip(words)
                    .for_each(|(sum, word)| *sum = sum.wrapping_add(word) & mask);
            }
            Kind::Prime(prime) => {
                accumulator
                    .iter_mut()
                    .zip(words)
                    .for_each(|(sum, word)| *sum = subtract_once(*sum + word, prime));
            }
        }
    }

    #[inline(always)]
    pub(super) fn sub_each(self, accumulator: &mut [u64], words: impl Iterator<Item = u64>) {
        match self.0 {
            Kind::PowerOfTwo(64) => {
                accumulator
                    .iter_mut()
                    .zip(words)
                    .for_each(|(sum, word)| *sum = sum.wrapping_sub(word));
            }
            Kind::PowerOfTwo(_) => {
                let mask = self.mask();
                accumulator
                    .iter_mut()
                    .zip(words)
                    .for_each(|(sum, word)| *sum = sum.wrapping_sub(word) & mask);
            }
            Kind::Prime(prime) => accumulator
                .iter_mut()
                .zip(words)
                .for_each(|(sum, word)| *sum = subtract_once(*sum + (prime - word), prime)),
        }
    }
}

/// `value - prime` if that is not negative, without a branch: `value < 2 prime < 2^64`.
#[inline(always)]
pub(super) const fn subtract_once(value: u64, prime: u64) -> u64 {
    let difference = value.wrapping_sub(prime);
    // value < prime exactly if the difference wrapped, which sets its top bit as prime < 2^63.
    let wrapped = (difference >> 63) & ((value >> 63) ^ 1);
    difference.wrapping_add(prime & wrapped.wrapping_neg())
}

impl fmt::Display for Modulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::PowerOfTwo(bits) => write!(f, "2^{bits}"),
            Kind::Prime(prime) => write!(f, "{prime}"),
        }
    }
}

impl fmt::Debug for Modulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Modulus({self})")
    }
}

/// What is no modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModulusError {
    /// A power of two outside of the range.
    #[error("modulus 2^{actual} is out of range, expected 2^1 to 2^64")]
    Bits {
        /// Exponent given.
        actual: u32,
    },
    /// A prime that is too large.
    #[error("modulus {actual} is too large, expected a prime below 2^63")]
    TooLarge {
        /// Number given.
        actual: u64,
    },
    /// Not a prime.
    #[error("modulus {actual} is not a prime")]
    NotPrime {
        /// Number given.
        actual: u64,
    },
}

#[cfg(test)]
mod tests;
