//! Bytes of ciphertexts and keys.
//!
//! A header of 64 bytes: kind, version 1, level, number of parts or keys (one byte each, the last as `u32`; 1 byte is
//! zero); key id (8 bytes); scale (`f64`, zero where there is none); 8 zero bytes; digest of the parameters (32 bytes). Then
//! polynomials, prime by prime, each word packed to the bits of its prime from the lowest up, each prime's words ending with
//! a byte. Uniform halves are their 32-byte seeds. Numbers are little-endian. Lengths are exact: they follow from header and
//! parameters, and nothing is allocated before they are checked.

use super::bits::{pack, packed_bytes, unpack};
use super::ciphertext::{Ciphertext, SeededCiphertext};
use super::error::CkksError;
use super::key::{PublicKey, uniform_half};
use super::params::Params;
use crate::hash::Digest;
use crate::ring::{Eval, Poly};
use crate::rlwe::key::PublicSeed;
use crate::rlwe::{CodecError, KeyId};

/// Version of all byte formats of this scheme.
pub const VERSION: u8 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 64;

pub(super) const SEED_BYTES: usize = size_of::<PublicSeed>();

/// What the bytes behind a header are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Ciphertext = 65,
    Seeded = 66,
    PublicKey = 67,
    EvalKeys = 68,
}

#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) level: usize,
    pub(super) count: u32,
    pub(super) key: KeyId,
    pub(super) scale: f64,
    pub(super) params: Digest,
}

impl Header {
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend([self.kind as u8, VERSION, self.level as u8, 0]);
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.key.0);
        bytes.extend(self.scale.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(self.params.0);
    }

    pub(super) fn read<'a>(
        params: &Params,
        kind: Kind,
        bytes: &'a [u8],
    ) -> Result<(Self, &'a [u8]), CkksError> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(length(bytes.len(), HEADER_BYTES));
        };
        let mut reader = Reader(header);
        let [actual, version, level, zero] = reader.take()?;
        let header = Self {
            kind,
            level: level.into(),
            count: u32::from_le_bytes(reader.take()?),
            key: KeyId(reader.take()?),
            scale: f64::from_le_bytes(reader.take()?),
            params: {
                field("reserved bytes", u64::from_le_bytes(reader.take()?), 0)?;
                Digest(reader.take()?)
            },
        };
        field("kind", actual.into(), kind as u64)?;
        field("version", version.into(), VERSION.into())?;
        field("reserved byte", zero.into(), 0)?;
        params.check("bytes", header.params)?;
        params.check_level("bytes", header.level)?;
        let has_scale = matches!(kind, Kind::Ciphertext | Kind::Seeded);
        if has_scale && !(header.scale.is_finite() && header.scale >= 1.0)
            || !has_scale && header.scale != 0.0
        {
            return Err(CkksError::Scale {
                what: "bytes",
                actual_log2: header.scale.log2(),
                expected_log2: if has_scale {
                    params.scale(header.level).log2()
                } else {
                    f64::NEG_INFINITY
                },
            });
        }
        Ok((header, rest))
    }
}

/// Bytes that are left.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], CkksError> {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .ok_or_else(|| length(self.0.len(), N))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn slice(&mut self, count: usize) -> Result<&'a [u8], CkksError> {
        let (first, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| length(self.0.len(), count))?;
        self.0 = rest;
        Ok(first)
    }

    fn poly(&mut self, params: &Params, level: usize) -> Result<Poly<Eval>, CkksError> {
        let mut poly = Poly::zero(params.basis(level));
        for (limb, words) in poly.limbs_mut() {
            unpack(limb, self.slice(packed_bytes(limb))?, words)?;
        }
        Ok(poly)
    }
}

pub(super) fn length(actual: usize, expected: usize) -> CkksError {
    CodecError::Length { actual, expected }.into()
}

pub(super) fn field(field: &'static str, actual: u64, expected: u64) -> Result<(), CkksError> {
    if actual == expected {
        return Ok(());
    }
    Err(CodecError::Parameter {
        field,
        actual,
        expected,
    }
    .into())
}

fn exact(bytes: &[u8], expected: usize) -> Result<(), CkksError> {
    if bytes.len() == expected {
        return Ok(());
    }
    Err(length(HEADER_BYTES + bytes.len(), HEADER_BYTES + expected))
}

fn poly_bytes(params: &Params, level: usize) -> usize {
    params.basis(level).limbs().iter().map(packed_bytes).sum()
}

fn write_poly(poly: &Poly<Eval>, bytes: &mut Vec<u8>) {
    poly.limbs().for_each(|(limb, words)| pack(limb, words, bytes));
}

impl Params {
    /// Bytes of a ciphertext of two parts at a level.
    pub fn ciphertext_bytes(&self, level: usize) -> usize {
        HEADER_BYTES + 2 * poly_bytes(self, level)
    }

    /// Bytes of a fresh ciphertext of a client at a level.
    pub fn seeded_bytes(&self, level: usize) -> usize {
        HEADER_BYTES + poly_bytes(self, level) + SEED_BYTES
    }

    /// Bytes of one relinearisation or Galois key for a level.
    pub fn switching_key_bytes(&self, level: usize) -> usize {
        let row: usize = self
            .extended(level)
            .map(|prime| packed_bytes(self.limb(prime)))
            .sum();
        8 + SEED_BYTES + self.digits(level) * row
    }
}

impl Ciphertext {
    /// Header and all parts.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = Header {
            kind: Kind::Ciphertext,
            level: self.level(),
            count: self.parts().len() as u32,
            key: self.key(),
            scale: self.scale(),
            params: self.params(),
        };
        header.write(&mut bytes);
        self.parts().iter().for_each(|part| write_poly(part, &mut bytes));
        bytes
    }

    /// A ciphertext from its bytes.
    ///
    /// # Errors
    /// Other parameters, kind, version or length; a word that is not reduced.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, CkksError> {
        let (header, rest) = Header::read(params, Kind::Ciphertext, bytes)?;
        if !(2..=3).contains(&header.count) {
            field("number of parts", header.count.into(), 2)?;
        }
        exact(rest, header.count as usize * poly_bytes(params, header.level))?;
        let mut reader = Reader(rest);
        let parts = (0..header.count).map(|_| reader.poly(params, header.level));
        Ok(Self::new(
            header.params,
            header.key,
            header.scale,
            parts.collect::<Result<_, _>>()?,
        ))
    }
}

impl SeededCiphertext {
    /// Header, first half, seed of the second.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = Header {
            kind: Kind::Seeded,
            level: self.level(),
            count: 1,
            key: self.key,
            scale: self.scale,
            params: self.params,
        };
        header.write(&mut bytes);
        write_poly(&self.b, &mut bytes);
        bytes.extend(self.seed);
        bytes
    }

    /// A fresh ciphertext from its bytes.
    ///
    /// # Errors
    /// Other parameters, kind, version or length; a word that is not reduced.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, CkksError> {
        let (header, rest) = Header::read(params, Kind::Seeded, bytes)?;
        field("number of parts", header.count.into(), 1)?;
        exact(rest, poly_bytes(params, header.level) + SEED_BYTES)?;
        let mut reader = Reader(rest);
        Ok(Self {
            params: header.params,
            key: header.key,
            scale: header.scale,
            b: reader.poly(params, header.level)?,
            seed: reader.take()?,
        })
    }
}

impl PublicKey {
    /// Header, first half, seed of the second.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = Header {
            kind: Kind::PublicKey,
            level: self.params.levels(),
            count: 1,
            key: self.id,
            scale: 0.0,
            params: self.params.digest(),
        };
        header.write(&mut bytes);
        write_poly(&self.b, &mut bytes);
        bytes.extend(self.seed);
        bytes
    }

    /// A public key from its bytes.
    ///
    /// # Errors
    /// Other parameters, kind, version or length; a word that is not reduced.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, CkksError> {
        let (header, rest) = Header::read(params, Kind::PublicKey, bytes)?;
        field("number of parts", header.count.into(), 1)?;
        field("level", header.level as u64, params.levels() as u64)?;
        exact(rest, poly_bytes(params, header.level) + SEED_BYTES)?;
        let mut reader = Reader(rest);
        let b = reader.poly(params, header.level)?;
        let seed = reader.take()?;
        Ok(Self {
            params: params.clone(),
            id: header.key,
            a: uniform_half(params.basis(header.level), &seed),
            b,
            seed,
        })
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
