//! Shamir's secret sharing of seeds (*How to share a secret*, CACM 22(11), 1979).
//!
//! # Construction
//! A 32-byte seed is two 128-bit halves, each the constant term of its own polynomial of degree `threshold - 1` over
//! the integers modulo the prime order of Curve25519's large subgroup, `2^252 + ...`. All other coefficients are
//! uniform, zero included. So every seed can be shared (whole seeds exceed that prime), fewer than `threshold`
//! shares are consistent with every seed, equally, and a wrong share shows: the halves it leads to are below `2^128`
//! by a chance of `2^-124` each. That finds errors, not a holder who knows the others' shares and picks its own to
//! shift a seed by little.
//!
//! The arithmetic is curve25519-dalek's `Scalar`, constant time. Indices of holders are public. `vsss-rs` 6.0.1 was
//! looked at: it fits our generation of crates, but brings Feldman and Pedersen commitments, two array crates and
//! further fields along, and would leave the halves, the codec and these checks to us all the same.

use std::fmt;

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::secret::Secret;
use crate::seed::Seed;

/// One holder's share of a seed. Wiped on drop, redacted, never serialised but by [`to_bytes`](Self::to_bytes).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Share {
    #[zeroize(skip)]
    index: u16,
    halves: [Scalar; 2],
}

impl Share {
    /// Length of a share in bytes: the index and two scalars, little-endian.
    pub const BYTES: usize = 66;

    /// The point at which the polynomials were evaluated: the holder's number, from 1.
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// The bytes to seal for the holder.
    pub fn to_bytes(&self) -> Secret<[u8; Self::BYTES]> {
        let mut bytes = Secret::new([0; Self::BYTES]);
        let (index, halves) = bytes.expose_mut().split_at_mut(2);
        index.copy_from_slice(&self.index.to_le_bytes());
        for (bytes, half) in halves.chunks_exact_mut(32).zip(&self.halves) {
            bytes.copy_from_slice(half.as_bytes());
        }
        bytes
    }

    /// A share from its bytes.
    ///
    /// # Errors
    /// Another length, index 0, or a number that is not reduced.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShamirError> {
        let (index, halves) = match bytes.split_first_chunk::<2>() {
            Some((index, halves)) if bytes.len() == Self::BYTES => (u16::from_le_bytes(*index), halves),
            _ => {
                return Err(ShamirError::Length {
                    actual: bytes.len(),
                    expected: Self::BYTES,
                });
            }
        };
        if index == 0 {
            return Err(ShamirError::IndexZero);
        }
        let mut share = Self {
            index,
            halves: [Scalar::ZERO; 2],
        };
        for (half, bytes) in share.halves.iter_mut().zip(halves.as_chunks::<32>().0) {
            *half = Option::from(Scalar::from_canonical_bytes(*bytes))
                .ok_or(ShamirError::NotReduced { index })?;
        }
        Ok(share)
    }
}

/// Constant time in the values; indices are public.
impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && bool::from(self.halves.ct_eq(&other.halves))
    }
}

impl Eq for Share {}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({}, redacted)", self.index)
    }
}

/// Splits a seed into one share for each of `holders`, with indices `1..=holders`, such that any `threshold` of them
/// give it back.
///
/// # Errors
/// A threshold of 0 or above the number of holders, or more than 65535 holders.
pub fn split(
    secret: &Seed,
    threshold: usize,
    holders: usize,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<Share>, ShamirError> {
    let last = match u16::try_from(holders) {
        Ok(last) if (1..=holders).contains(&threshold) => last,
        _ => return Err(ShamirError::Threshold { threshold, holders }),
    };
    let [low, high] = halves(secret).map(|half| Polynomial::random(half, threshold, rng));
    Ok((1..=last)
        .map(|index| Share {
            index,
            halves: [low.at(index), high.at(index)],
        })
        .collect())
}

/// Gives a seed back from at least `threshold` shares of it, the threshold with which it was split. Shares beyond the
/// threshold are checked against the others.
///
/// # Errors
/// Fewer shares, two with one index, or shares that are not of one seed split at this threshold.
pub fn combine(threshold: usize, shares: &[Share]) -> Result<Seed, ShamirError> {
    if threshold == 0 {
        return Err(ShamirError::Threshold {
            threshold,
            holders: shares.len(),
        });
    }
    let Some((basis, others)) = shares.split_at_checked(threshold) else {
        return Err(ShamirError::TooFew {
            actual: shares.len(),
            expected: threshold,
        });
    };
    let mut indices: Vec<u16> = shares.iter().map(|share| share.index).collect();
    indices.sort_unstable();
    if let Some(&[index, _]) = indices.array_windows().find(|[left, right]| left == right) {
        return Err(ShamirError::Duplicate { index });
    }
    for other in others {
        let expected = interpolate(basis, other.index);
        if !bool::from(expected.expose().ct_eq(&other.halves)) {
            return Err(ShamirError::Inconsistent {
                index: Some(other.index),
            });
        }
    }
    let halves = interpolate(basis, 0);
    let mut bytes = Secret::new([0; 32]);
    let mut excess = 0;
    for (bytes, half) in bytes.expose_mut().chunks_exact_mut(16).zip(halves.expose()) {
        let (low, high) = half.as_bytes().split_at(16);
        bytes.copy_from_slice(low);
        excess = high.iter().fold(excess, |excess, byte| excess | byte);
    }
    if excess != 0 {
        return Err(ShamirError::Inconsistent { index: None });
    }
    Ok(Seed::from_bytes(*bytes.expose()))
}

fn halves(seed: &Seed) -> [Scalar; 2] {
    let (low, high) = seed.expose_bytes().split_at(16);
    [low, high].map(|half| {
        let mut bytes = Secret::new([0; 32]);
        bytes.expose_mut()[..16].copy_from_slice(half);
        Scalar::from_bytes_mod_order(*bytes.expose())
    })
}

/// Coefficients, the constant first.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Polynomial(Vec<Scalar>);

impl Polynomial {
    fn random(constant: Scalar, threshold: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        // Capacity first: a vector that grows leaves copies behind.
        let mut coefficients = Vec::with_capacity(threshold);
        coefficients.push(constant);
        coefficients.extend((1..threshold).map(|_| Scalar::random(rng)));
        Self(coefficients)
    }

    fn at(&self, index: u16) -> Scalar {
        let x = Scalar::from(index);
        self.0
            .iter()
            .rev()
            .fold(Scalar::ZERO, |value, coefficient| value * x + coefficient)
    }
}

/// The value at `x` of the polynomials of least degree through the shares, whose indices differ (Lagrange).
fn interpolate(shares: &[Share], x: u16) -> Secret<[Scalar; 2]> {
    let x = Scalar::from(x);
    let points: Vec<Scalar> = shares.iter().map(|share| Scalar::from(share.index)).collect();
    let others = |at: usize| {
        points
            .iter()
            .enumerate()
            .filter(move |(other, _)| *other != at)
            .map(|(_, point)| point)
    };
    // Inverted all at once: an inversion costs as much as 250 products.
    let mut inverses: Vec<Scalar> = points
        .iter()
        .enumerate()
        .map(|(at, point)| others(at).map(|other| point - other).product())
        .collect();
    Scalar::invert_batch_alloc(&mut inverses);
    let mut values = Secret::new([Scalar::ZERO; 2]);
    for (at, (share, inverse)) in shares.iter().zip(inverses).enumerate() {
        let weight = others(at).map(|other| x - other).product::<Scalar>() * inverse;
        for (value, half) in values.expose_mut().iter_mut().zip(&share.halves) {
            *value += weight * half;
        }
    }
    values
}

/// Why a seed cannot be split or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShamirError {
    /// The threshold does not fit the number of holders.
    #[error(
        "a threshold of {threshold} does not fit {holders} holders, expected 1 to {holders} and at most 65535"
    )]
    Threshold {
        /// Threshold given.
        threshold: usize,
        /// Holders given.
        holders: usize,
    },
    /// Fewer shares than the threshold.
    #[error("{actual} shares are too few, expected at least {expected}")]
    TooFew {
        /// Shares given.
        actual: usize,
        /// The threshold.
        expected: usize,
    },
    /// Two shares of one holder.
    #[error("two shares have index {index}, expected one of each holder")]
    Duplicate {
        /// The index.
        index: u16,
    },
    /// The shares do not lie on polynomials of the threshold's degree whose constants are halves of a seed.
    #[error("the shares are not of one seed at this threshold{}", .index.map_or_else(String::new, |index| format!(": index {index} differs from those before it")))]
    Inconsistent {
        /// The first share that differs from those before it, where there are more than the threshold.
        index: Option<u16>,
    },
    /// Bytes of another length.
    #[error("{actual} bytes are no share, expected {expected}")]
    Length {
        /// Bytes given.
        actual: usize,
        /// Bytes of a share.
        expected: usize,
    },
    /// The index at which the secret itself lies.
    #[error("a share has index 0, expected 1 or above")]
    IndexZero,
    /// A number at or above the order of the field.
    #[error("the share of index {index} is not reduced")]
    NotReduced {
        /// The index.
        index: u16,
    },
}

#[cfg(test)]
#[path = "shamir_tests.rs"]
mod tests;
