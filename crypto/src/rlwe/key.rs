//! Secret and public keys.

use std::fmt;

use zeroize::ZeroizeOnDrop;

use super::codec::{self, CodecError, Header, Kind};
use super::params::Params;
use crate::domain;
use crate::hash::hash;
use crate::ring::xof::Xof;
use crate::ring::{Eval, Poly, sample};
use crate::secret::Secret;
use crate::seed::Seed;

/// The seed of a uniform half, public.
pub type PublicSeed = [u8; 32];

/// Names a key pair: the first 8 bytes of the hash of the public key. Two keys of one party differ by it; it is no
/// protection against somebody who looks for a collision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// Accepts this key only.
    ///
    /// # Errors
    /// Another key.
    pub fn check(self, actual: Self) -> Result<(), CodecError> {
        if actual == self {
            Ok(())
        } else {
            Err(CodecError::Key {
                actual,
                expected: self,
            })
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A secret key: a uniform ternary polynomial. Wiped on drop, redacted, never serialised; the seed it came from is
/// what a journal keeps.
#[derive(Clone)]
pub struct SecretKey {
    params: Params,
    values: Secret<Poly<Eval>>,
    first: Secret<Poly<Eval>>,
    public: PublicKey,
}

impl SecretKey {
    /// The key pair of a seed. One seed and one ring give one key pair.
    pub fn generate(params: &Params, seed: &Seed) -> Self {
        let basis = params.basis();
        let literal = params.literal();
        let context = [literal.degree as u64, literal.primes as u64].map(u64::to_le_bytes);
        let context = context.as_flattened();
        let secret = sample::ternary(basis, &mut Xof::new(seed, domain::RLWE_SECRET, context));
        let values = Secret::new(secret.into_eval());
        let public_seed = *seed.derive(domain::RLWE_PUBLIC_SEED, context).expose_bytes();
        let noise = sample::noise(basis, &mut Xof::new(seed, domain::RLWE_NOISE, context));
        let a = uniform_half(params, &public_seed);
        let mut b = noise.into_eval();
        b.sub_assign(Secret::new(Poly::product(&a, values.expose())).expose());
        Self {
            params: params.clone(),
            first: Secret::new(values.expose().truncated(basis.first())),
            values,
            public: PublicKey::from_halves(params.clone(), b, a, public_seed),
        }
    }

    /// The public key of the pair.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The ring.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The key's values modulo all primes.
    pub(crate) const fn values(&self) -> &Secret<Poly<Eval>> {
        &self.values
    }

    /// The key's coefficients, -1, 0 and 1.
    pub(crate) fn ternary(&self) -> Secret<Vec<i64>> {
        let coefficients = Secret::new(self.first.expose().clone().into_coeff());
        let mut small = Secret::new(vec![0_i64; self.params.degree()]);
        for (limb, words) in coefficients.expose().limbs() {
            let prime = limb.modulo().modulus();
            for (small, word) in small.expose_mut().iter_mut().zip(words) {
                let negative = ((prime / 2).wrapping_sub(*word) >> 63) as i64;
                *small = *word as i64 - (negative * prime as i64);
            }
        }
        small
    }

    /// The key's values modulo the first prime.
    pub(crate) const fn first(&self) -> &Secret<Poly<Eval>> {
        &self.first
    }
}

impl ZeroizeOnDrop for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, redacted)", self.public.id)
    }
}

/// A public key `(b, a)` with `b + a s` small. `a` is expanded from a seed and never sent.
#[derive(Clone)]
pub struct PublicKey {
    params: Params,
    b: Poly<Eval>,
    a: Poly<Eval>,
    seed: PublicSeed,
    id: KeyId,
}

impl PublicKey {
    fn from_halves(params: Params, b: Poly<Eval>, a: Poly<Eval>, seed: PublicSeed) -> Self {
        let packed = packed(&b);
        let digest = hash(domain::RLWE_KEY_ID, &[&seed, &packed]);
        let mut id = [0; 8];
        id.copy_from_slice(&digest.0[..8]);
        Self {
            params,
            b,
            a,
            seed,
            id: KeyId(id),
        }
    }

    /// The key's name.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The ring.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The first half, `b = -a s + e`.
    pub(crate) const fn b(&self) -> &Poly<Eval> {
        &self.b
    }

    /// The uniform half.
    pub(crate) const fn a(&self) -> &Poly<Eval> {
        &self.a
    }

    /// The same key over a ring whose primes begin this one's, under the same name: what was switched to that ring is
    /// still under the same secret.
    pub(crate) fn truncated(&self, params: &Params) -> Self {
        Self {
            params: params.clone(),
            b: self.b.truncated(params.basis()),
            a: self.a.truncated(params.basis()),
            seed: self.seed,
            id: self.id,
        }
    }

    /// Bytes of a public key of a ring.
    pub fn bytes(params: &Params) -> usize {
        codec::HEADER_BYTES + poly_bytes(params) + size_of::<PublicSeed>()
    }

    /// Header, first half, seed of the second.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::bytes(&self.params));
        Self::header(&self.params).write(self.id, &mut bytes);
        bytes.extend(packed(&self.b));
        bytes.extend(self.seed);
        bytes
    }

    /// A public key of a ring from its bytes.
    ///
    /// # Errors
    /// Another length, header or ring, a word that is not reduced, or a name that is not the key's.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, CodecError> {
        let length = Self::bytes(params) - codec::HEADER_BYTES;
        let (id, rest) = Self::header(params).read(bytes, length)?;
        let (b, seed) = split_seed(rest)?;
        let b = unpacked(params, b)?;
        let key = Self::from_halves(params.clone(), b, uniform_half(params, &seed), seed);
        key.id.check(id)?;
        Ok(key)
    }

    fn header(params: &Params) -> Header {
        let literal = params.literal();
        Header {
            kind: Kind::PublicKey,
            degree: literal.degree,
            primes: literal.primes,
            cells: 0,
            plaintext: 0,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// The uniform polynomial of a public seed.
pub(crate) fn uniform_half(params: &Params, seed: &PublicSeed) -> Poly<Eval> {
    let seed = Seed::from_bytes(*seed);
    sample::uniform(params.basis(), &mut Xof::new(&seed, domain::RLWE_UNIFORM, &[]))
}

/// Bytes of a packed polynomial.
pub(crate) fn poly_bytes(params: &Params) -> usize {
    let limbs = params.basis().limbs().iter();
    limbs.map(|limb| codec::packed_bytes(limb, limb.degree())).sum()
}

/// The packed words of a polynomial, limb by limb.
pub(crate) fn packed(poly: &Poly<Eval>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (limb, words) in poly.limbs() {
        codec::pack(limb, words, &mut bytes);
    }
    bytes
}

/// A polynomial from its packed words.
pub(crate) fn unpacked(params: &Params, bytes: &[u8]) -> Result<Poly<Eval>, CodecError> {
    let mut poly = Poly::zero(params.basis());
    let mut rest = bytes;
    for (limb, words) in poly.limbs_mut() {
        let (packed, others) = split(rest, codec::packed_bytes(limb, words.len()))?;
        codec::unpack_into(limb, packed, words)?;
        rest = others;
    }
    split(rest, 0).map(|_| poly)
}

/// The last 32 bytes as a seed, and what is before them.
pub(crate) fn split_seed(bytes: &[u8]) -> Result<(&[u8], PublicSeed), CodecError> {
    bytes
        .split_last_chunk()
        .map(|(rest, seed)| (rest, *seed))
        .ok_or(CodecError::Length {
            actual: bytes.len(),
            expected: size_of::<PublicSeed>(),
        })
}

fn split(bytes: &[u8], at: usize) -> Result<(&[u8], &[u8]), CodecError> {
    bytes.split_at_checked(at).ok_or(CodecError::Length {
        actual: bytes.len(),
        expected: at,
    })
}
