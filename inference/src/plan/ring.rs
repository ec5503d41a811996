//! Degree, primes and digits: which rings a depth allows at 128 bits of security.

use std::fmt;

use hedgerow_crypto::ckks::{CkksError, Params, ParamsLiteral};
use serde::{Deserialize, Serialize};

/// log2(QP) at most, by log2(N): 128 bits, ternary secrets (Bossuat et al., ePrint 2024/463). The scheme checks again.
const LIMITS: [(u32, u32); 5] = [(12, 106), (13, 214), (14, 430), (15, 868), (16, 1747)];
/// Primes have at most so many bits.
const MAX_BITS: u32 = 50;
/// Bits before the binary point that the first prime leaves.
const INTEGER_BITS: u32 = 10;

/// A CKKS ring: what `hedgerow_crypto::ckks::ParamsLiteral` is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ring {
    /// `log2 N`; a ciphertext has `N / 2` slots.
    pub log_degree: u32,
    /// log2 of the scale, and bits of all primes but the first.
    pub scale_bits: u32,
    /// Bits of the first prime.
    pub first_bits: u32,
    /// Rescales of a fresh ciphertext.
    pub levels: usize,
    /// Digits of a key switch at the top level.
    pub dnum: usize,
}

impl Ring {
    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        1 << (self.log_degree - 1)
    }

    /// The back end's parameters, checked against its own security table.
    ///
    /// # Errors
    /// Bits, levels or digits that the back end does not have, or less than 128 bits of security.
    pub fn params(&self) -> Result<Params, CkksError> {
        Params::new(self.literal())
    }

    /// What the back end's parameters are made from.
    pub fn literal(&self) -> ParamsLiteral {
        ParamsLiteral {
            log_degree: self.log_degree,
            scale_bits: self.scale_bits,
            first_bits: self.first_bits,
            levels: self.levels as u32,
            dnum: self.dnum as u32,
        }
    }

    /// Primes of a digit.
    pub fn alpha(&self) -> usize {
        (self.levels + 1).div_ceil(self.dnum)
    }

    /// Number of special primes, and the bits of each.
    pub fn special(&self) -> (usize, u32) {
        let digit = self.first_bits + (self.alpha() as u32 - 1) * self.scale_bits;
        let count = digit.div_ceil(MAX_BITS);
        (count as usize, digit.div_ceil(count))
    }

    /// log2 of the modulus at a level, to the bit.
    pub fn log2_q(&self, level: usize) -> u32 {
        self.first_bits + level as u32 * self.scale_bits
    }

    /// log2 of all primes together, to the bit.
    pub fn log2_qp(&self) -> u32 {
        let (count, bits) = self.special();
        self.log2_q(self.levels) + count as u32 * bits
    }

    /// Bytes of a fresh ciphertext with the seed of its second half, coefficients packed to the bit.
    pub fn fresh_bytes(&self, level: usize) -> u64 {
        ((1u64 << self.log_degree) * u64::from(self.log2_q(level))) / 8 + 32
    }

    /// Bytes of a ciphertext, packed to the bit.
    pub fn ciphertext_bytes(&self, level: usize) -> u64 {
        2 * ((1u64 << self.log_degree) * u64::from(self.log2_q(level))) / 8
    }

    /// Bytes in memory of `limbs` residues of one polynomial.
    pub fn limb_bytes(&self, limbs: usize) -> u64 {
        (limbs as u64) << (self.log_degree + 3)
    }

    /// Bytes in memory of a switching key up to a level.
    pub fn key_bytes(&self, level: usize) -> u64 {
        let digits = (level + 1).div_ceil(self.alpha()) as u64;
        2 * digits * self.limb_bytes(level + 1 + self.special().0)
    }

    /// For every degree that allows `levels`: rings of all digit counts, each with the largest scale that fits, at
    /// most `scale_bits` and at least `least_bits`.
    pub fn choices(levels: usize, scale_bits: u32, least_bits: u32) -> Vec<Self> {
        let mut rings = Vec::new();
        for (log_degree, limit) in LIMITS {
            let least = least_bits.max(26).max(log_degree + 12);
            let mut seen = Vec::new();
            for dnum in 1..=levels + 1 {
                let best = (least..=scale_bits.min(MAX_BITS)).rev().find_map(|scale_bits| {
                    let first_bits = (scale_bits + INTEGER_BITS).min(MAX_BITS);
                    let ring = Self {
                        log_degree,
                        scale_bits,
                        first_bits,
                        levels,
                        dnum,
                    };
                    (ring.log2_qp() <= limit && ring.alpha() <= 14).then_some(ring)
                });
                if let Some(ring) = best
                    && !seen.contains(&ring.alpha())
                {
                    seen.push(ring.alpha());
                    rings.push(ring);
                }
            }
        }
        rings
    }
}

impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, bits) = self.special();
        write!(
            f,
            "N = 2^{}, {} + {} x {} bits, {count} special x {bits}, {} digits",
            self.log_degree, self.first_bits, self.levels, self.scale_bits, self.dnum
        )
    }
}
