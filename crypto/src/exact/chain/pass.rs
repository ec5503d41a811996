//! The second party's side: multiply by its own bits, hide them, pass on.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::scale;
use super::super::scheme::same_key;
use super::super::slots::lift;
use super::params::ChainParams;
use crate::ring::{Eval, Poly};
use crate::rlwe::codec::{self, CodecError, HEADER_BYTES, Header, Kind};
use crate::rlwe::{Ciphertext, KeyId, PublicKey};
use crate::secret::Secret;

/// A block that the second party has multiplied by its bits: both halves, over three primes. Under the first party's
/// key.
#[derive(Clone)]
pub struct PassedBlock {
    pub(super) header: Header,
    pub(super) key: KeyId,
    pub(super) body: Ciphertext,
}

impl PassedBlock {
    /// The key that it is encrypted under.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// Header, then both halves in values, packed to 50 bits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.header.write(self.key, &mut bytes);
        for half in [&self.body.c0, &self.body.c1] {
            for (limb, words) in half.limbs() {
                codec::pack(limb, words, &mut bytes);
            }
        }
        bytes
    }

    pub(super) fn bytes(params: &ChainParams) -> usize {
        HEADER_BYTES + 2 * half_bytes(params)
    }

    pub(super) fn read(params: &ChainParams, bytes: &[u8]) -> Result<Self, ExactError> {
        let header = params.passed().header(Kind::Passed);
        let half = half_bytes(params);
        let (key, rest) = header.read(bytes, 2 * half)?;
        let (first, second) = rest.split_at_checked(half).ok_or(CodecError::Length {
            actual: rest.len(),
            expected: 2 * half,
        })?;
        let ring = &params.passed().ring;
        let read = |bytes: &[u8]| crate::rlwe::key::unpacked(ring, bytes);
        let body = Ciphertext {
            c0: read(first)?,
            c1: read(second)?,
        };
        Ok(Self { header, key, body })
    }
}

impl fmt::Debug for PassedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassedBlock({})", self.key)
    }
}

impl ChainParams {
    /// The second party's step: the first party's block times own bits, slot by slot, with a fresh encryption of zero
    /// and the flooding of every coefficient; then without its last prime. Bits left out read as 0.
    ///
    /// # Errors
    /// More bits than slots, a block of other parameters, or one under another key.
    pub fn pass_on(
        &self,
        key: &PublicKey,
        block: &EncryptedBlock,
        bits: &[bool],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<PassedBlock, ExactError> {
        same_key(block.key(), key.id())?;
        let product = self.multiplied(block, bits)?;
        let hidden = self.first().hidden(product.expose(), &[], key, rng);
        Ok(PassedBlock {
            header: self.passed().header(Kind::Passed),
            key: key.id(),
            body: without_last(hidden.expose())?,
        })
    }

    /// The bare product, which tells the bits to whoever has the key.
    pub(super) fn multiplied(
        &self,
        block: &EncryptedBlock,
        bits: &[bool],
    ) -> Result<Secret<Ciphertext>, ExactError> {
        let scheme = self.first();
        let encrypted = scheme.expand(block)?;
        let coefficients = scale::in_slots(self.batch(), bits)?;
        let mut values = Secret::new(Poly::zero(scheme.ring.basis()));
        lift(self.plaintext(), coefficients.expose(), values.expose_mut());
        let mut product = Secret::new(Ciphertext::zero(&scheme.ring));
        product.expose_mut().mul_accumulate(values.expose(), &encrypted);
        values.expose_mut().zeroize();
        Ok(product)
    }
}

/// A ciphertext divided by its last prime, and rounded.
pub(super) fn without_last(ciphertext: &Ciphertext) -> Result<Ciphertext, ExactError> {
    let dropped = |half: &Poly<Eval>| {
        let half = half.clone().into_coeff().divide_by_last().map(Poly::into_eval);
        half.ok_or(ExactError::Length {
            what: "primes to drop",
            actual: 0,
            expected: 1,
        })
    };
    Ok(Ciphertext {
        c0: dropped(&ciphertext.c0)?,
        c1: dropped(&ciphertext.c1)?,
    })
}

/// Bytes of one half.
fn half_bytes(params: &ChainParams) -> usize {
    let ring = &params.passed().ring;
    crate::rlwe::key::poly_bytes(ring)
}
