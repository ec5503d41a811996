//! Bytes: words packed to the width of their prime, behind a header that says what they are and for whom.
//!
//! Header, 24 bytes: kind, version 1, `log2 N`, number of primes (one byte each); cells per ciphertext (`u32`);
//! plaintext modulus (`u64`); key id (8 bytes). Numbers are little-endian. A stream of words is packed from the lowest
//! bit up, and the bits that are left in its last byte are zero.

use crate::ring::barrett::MAX_BITS;
use crate::ring::basis::Limb;

use super::key::KeyId;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 24;

/// Version of all byte formats of lattice schemes.
pub const VERSION: u8 = 1;

/// What the bytes behind a header are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A public key.
    PublicKey = 1,
    /// A ciphertext whose second half is a seed.
    Seeded = 2,
    /// A ciphertext over one prime, as much of its first half as is opened.
    Answer = 3,
    /// A ciphertext with both halves, on its way from one party's product to another's.
    Passed = 4,
    /// Keys that switch images under automorphisms back to their key.
    GaloisKeys = 7,
    /// Keys that a sign is computed with.
    SignKeys = 9,
    /// An encrypted sign.
    SignAnswer = 10,
}

/// What bytes are for: written before them, and compared when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// `N`.
    pub degree: usize,
    /// Number of primes of the scheme (not of what follows).
    pub primes: usize,
    /// Cells that one answer opens; 0 for a public key.
    pub cells: u32,
    /// Plaintext modulus; 0 for a public key.
    pub plaintext: u64,
}

impl Header {
    /// Writes the header.
    pub fn write(&self, key: KeyId, bytes: &mut Vec<u8>) {
        bytes.extend([
            self.kind as u8,
            VERSION,
            self.degree.ilog2() as u8,
            self.primes as u8,
        ]);
        bytes.extend(self.cells.to_le_bytes());
        bytes.extend(self.plaintext.to_le_bytes());
        bytes.extend(key.0);
    }

    /// Splits a header off, which must be this one, and the rest, which must have `length` bytes.
    ///
    /// # Errors
    /// Another length, or a header for something else.
    pub fn read<'a>(&self, bytes: &'a [u8], length: usize) -> Result<(KeyId, &'a [u8]), CodecError> {
        let too_short = CodecError::Length {
            actual: bytes.len(),
            expected: HEADER_BYTES + length,
        };
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(too_short);
        };
        let [kind, version, log_degree, primes, c0, c1, c2, c3, ..] = *header;
        let (plaintext, key) = header[8..].split_at(8);
        let (mut plain, mut id) = ([0; 8], [0; 8]);
        plain.copy_from_slice(plaintext);
        id.copy_from_slice(key);
        let fields: [(&'static str, u64, u64); 6] = [
            ("kind", kind.into(), self.kind as u64),
            ("version", version.into(), VERSION.into()),
            (
                "log2 of the degree",
                log_degree.into(),
                self.degree.ilog2().into(),
            ),
            ("number of primes", primes.into(), self.primes as u64),
            (
                "number of cells",
                u32::from_le_bytes([c0, c1, c2, c3]).into(),
                self.cells.into(),
            ),
            ("plaintext modulus", u64::from_le_bytes(plain), self.plaintext),
        ];
        for (field, actual, expected) in fields {
            if actual != expected {
                return Err(CodecError::Parameter {
                    field,
                    actual,
                    expected,
                });
            }
        }
        if rest.len() != length {
            return Err(too_short);
        }
        Ok((KeyId(id), rest))
    }
}

/// Bits of the words that are packed in groups: most primes are just under `2^50`.
const WORD_BITS: usize = MAX_BITS as usize;
const WORD_MASK: u64 = (1 << WORD_BITS) - 1;

/// Words of 50 bits are packed in groups that end with a byte.
const GROUP: usize = 4;
const GROUP_BYTES: usize = GROUP * WORD_BITS / 8;

/// Bytes of `words` packed words modulo a prime.
pub const fn packed_bytes(limb: &Limb, words: usize) -> usize {
    (words * limb.modulo().bits() as usize).div_ceil(8)
}

/// Appends reduced words, each in the bits of the prime.
pub fn pack(limb: &Limb, words: &[u64], bytes: &mut Vec<u8>) {
    bytes.reserve(packed_bytes(limb, words.len()));
    if limb.modulo().bits() != MAX_BITS {
        return pack_any(limb.modulo().bits(), words, bytes);
    }
    let (groups, rest) = words.as_chunks::<GROUP>();
    for group in groups {
        bytes.extend_from_slice(&pack_group(*group));
    }
    let mut last = [0; GROUP];
    last[..rest.len()].copy_from_slice(rest);
    bytes.extend_from_slice(&pack_group(last)[..packed_bytes(limb, rest.len())]);
}

fn pack_any(bits: u32, words: &[u64], bytes: &mut Vec<u8>) {
    let (mut held, mut count) = (0_u128, 0);
    for word in words {
        held |= u128::from(*word) << count;
        count += bits;
        if count >= 64 {
            bytes.extend((held as u64).to_le_bytes());
            held >>= 64;
            count -= 64;
        }
    }
    bytes.extend_from_slice(&held.to_le_bytes()[..count.div_ceil(8) as usize]);
}

/// Fills `words` from exactly their bytes.
///
/// # Errors
/// Another number of bytes, a word that is not below the prime, or bits after the last.
pub fn unpack_into(limb: &Limb, bytes: &[u8], words: &mut [u64]) -> Result<(), CodecError> {
    let expected = packed_bytes(limb, words.len());
    if bytes.len() != expected {
        return Err(CodecError::Length {
            actual: bytes.len(),
            expected,
        });
    }
    let padded = match limb.modulo().bits() {
        MAX_BITS => unpack_groups(bytes, words),
        bits => unpack_any(bits, bytes, words),
    };
    // One pass without early exit is the fast one.
    let modulus = limb.modulo().modulus();
    if words.iter().fold(false, |found, word| found | (*word >= modulus)) {
        let index = words.iter().position(|word| *word >= modulus).unwrap_or_default();
        return Err(CodecError::NotReduced { index, modulus });
    }
    if padded {
        return Err(CodecError::Padding);
    }
    Ok(())
}

/// Whether bits are left after the last word.
fn unpack_groups(bytes: &[u8], words: &mut [u64]) -> bool {
    let (sources, last_source) = bytes.as_chunks::<GROUP_BYTES>();
    let (groups, rest) = words.as_chunks_mut::<GROUP>();
    for (group, source) in groups.iter_mut().zip(sources) {
        *group = unpack_group(source);
    }
    let mut padded = [0; GROUP_BYTES];
    padded[..last_source.len()].copy_from_slice(last_source);
    let last = unpack_group(&padded);
    let (last, padding) = last.split_at(rest.len());
    rest.copy_from_slice(last);
    padding.iter().any(|word| *word != 0)
}

fn unpack_any(bits: u32, bytes: &[u8], words: &mut [u64]) -> bool {
    let mask = u64::MAX >> (64 - bits);
    let mut chunks = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let (mut held, mut count) = (0_u128, 0);
    for word in words {
        if count < bits {
            held |= u128::from(chunks.next().unwrap_or_default()) << count;
            count += 64;
        }
        *word = held as u64 & mask;
        held >>= bits;
        count -= bits;
    }
    held != 0
}

#[inline(always)]
fn pack_group([a, b, c, d]: [u64; GROUP]) -> [u8; GROUP_BYTES] {
    let [a, b, c, d] = [a, b, c, d].map(u128::from);
    let low = a | b << WORD_BITS | c << (2 * WORD_BITS);
    let high = c >> (128 - 2 * WORD_BITS) | d << (3 * WORD_BITS - 128);
    let mut bytes = [0; GROUP_BYTES];
    bytes[..16].copy_from_slice(&low.to_le_bytes());
    bytes[16..].copy_from_slice(&high.to_le_bytes()[..GROUP_BYTES - 16]);
    bytes
}

#[inline(always)]
fn unpack_group(bytes: &[u8; GROUP_BYTES]) -> [u64; GROUP] {
    let (mut low, mut high) = ([0; 16], [0; 16]);
    low.copy_from_slice(&bytes[..16]);
    high[..GROUP_BYTES - 16].copy_from_slice(&bytes[16..]);
    let (low, high) = (u128::from_le_bytes(low), u128::from_le_bytes(high));
    [
        low as u64,
        (low >> WORD_BITS) as u64,
        (low >> (2 * WORD_BITS)) as u64 | (high << (128 - 2 * WORD_BITS)) as u64,
        (high >> (3 * WORD_BITS - 128)) as u64,
    ]
    .map(|word| word & WORD_MASK)
}

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Cut, or followed by something.
    #[error("{actual} bytes, expected {expected}")]
    Length {
        /// Bytes given.
        actual: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// For other parameters, or something else.
    #[error("{field} is {actual}, expected {expected}")]
    Parameter {
        /// Which field of the header.
        field: &'static str,
        /// Its value.
        actual: u64,
        /// The value expected.
        expected: u64,
    },
    /// A word that is too large. Its value is not told: it may be noise.
    #[error("word {index} is not below {modulus}")]
    NotReduced {
        /// Which word, from 0.
        index: usize,
        /// The prime.
        modulus: u64,
    },
    /// Bits after the last word.
    #[error("bits after the last word are not zero")]
    Padding,
    /// Made for, or by, another key.
    #[error("made under key {actual}, expected key {expected}")]
    Key {
        /// Key named in the bytes.
        actual: KeyId,
        /// Key expected.
        expected: KeyId,
    },
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
