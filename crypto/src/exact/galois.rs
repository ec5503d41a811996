//! Automorphisms of ciphertexts, by hybrid key switching with one special prime.
//!
//! `X -> X^g` turns a ciphertext under `s` into one under `s(X^g)`, and a key brings it back: `c1` is cut into its
//! residues modulo each prime of `Q`; each residue, centred, multiplies an encryption of `P s(X^g)` modulo `Q P`; the
//! sum is divided by the special prime `P` (Gentry, Halevi, Smart, *Homomorphic evaluation of the AES circuit*, Crypto
//! 2012, section 3.1; Han and Ki, *Better bootstrapping for approximate homomorphic encryption*, CT-RSA 2020, with as
//! many digits as primes). The security table is asked about `Q P`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::error::ExactError;
use crate::domain;
use crate::ring::automorphism::{Automorphism, Automorphisms};
use crate::ring::basis::Limb;
use crate::ring::convert::Conversion;
use crate::ring::sample::NOISE_BOUND;
use crate::ring::simd::{self, Factor};
use crate::ring::xof::Xof;
use crate::ring::{Eval, Poly, sample};
use crate::rlwe::codec::{self, CodecError, HEADER_BYTES, Header, Kind};
use crate::rlwe::key::PublicSeed;
use crate::rlwe::{Ciphertext, KeyId, Literal, Params, SecretKey};
use crate::secret::Secret;
use crate::seed::Seed;

/// A ring `Q` with a special prime for key switches.
pub(super) struct GaloisRing {
    ring: Params,
    full: Params,
    automorphisms: Automorphisms,
    up: Vec<Conversion>,
    down: Conversion,
    special: Vec<Factor>,
    special_inverse: Vec<Factor>,
}

impl GaloisRing {
    /// The ring with one more prime, which the security table must allow.
    pub(super) fn new(ring: &Params) -> Result<Self, ExactError> {
        let literal = ring.literal();
        let full = Params::new(Literal {
            primes: literal.primes + 1,
            ..literal
        })?;
        let limbs = full.basis().limbs();
        let (special, chain) = limbs.split_last().ok_or(CodecError::Length {
            actual: 0,
            expected: 1,
        })?;
        let prime = special.modulo().modulus();
        let factor = |limb: &Limb| limb.reducer().factor(prime % limb.modulo().modulus());
        let inverse = |limb: &Limb| {
            let modulo = limb.modulo();
            limb.reducer().factor(modulo.inverse(prime % modulo.modulus()))
        };
        Ok(Self {
            ring: ring.clone(),
            automorphisms: Automorphisms::new(full.basis()),
            up: chain.iter().map(|limb| Conversion::new(&[limb], limbs)).collect(),
            down: Conversion::new(&[special], chain),
            special: chain.iter().map(factor).collect(),
            special_inverse: chain.iter().map(inverse).collect(),
            full,
        })
    }

    /// What the noise of a ciphertext grows by at most: a digit is at most half its prime and meets noise, divided by a
    /// special prime that is not below `127 / 128` of it; and the rounding of two halves.
    pub(super) fn noise_bound(&self) -> u128 {
        let degree = self.ring.degree() as u128;
        let digits = self.up.len() as u128;
        let products = digits * degree * u128::from(NOISE_BOUND) * 128 / 127 / 2;
        products + degree.div_ceil(2) + 2
    }

    /// The standard deviation of that noise, expected.
    pub(super) fn noise_deviation(&self) -> f64 {
        let degree = self.ring.degree();
        let digits = self.ring.basis().primes().map(|prime| (1, (prime as f64).log2()));
        let special = self.full.basis().primes().last().unwrap_or(1) as f64;
        let switch = crate::rlwe::noise::key_switch(degree, digits, special.log2());
        (switch + crate::rlwe::noise::division(degree, 1)).sqrt()
    }

    fn halves(&self) -> usize {
        self.full.basis().limbs().len() * codec::packed_bytes(self.ring.degree())
    }

    /// Bytes of so many keys.
    pub(super) fn bytes(&self, keys: usize) -> usize {
        HEADER_BYTES + keys * (size_of::<PublicSeed>() + self.up.len() * self.halves())
    }

    fn header(&self, keys: usize) -> Header {
        let literal = self.full.literal();
        Header {
            kind: Kind::GaloisKeys,
            degree: literal.degree,
            primes: literal.primes,
            cells: keys as u32,
            plaintext: 0,
        }
    }

    /// The keys of these exponents for a secret key.
    pub(super) fn generate(&self, secret: &SecretKey, exponents: &[usize], seed: &Seed) -> GaloisKeys {
        let values = Secret::new(self.extended(secret));
        let keys = exponents.iter().map(|exponent| {
            let seed = seed.derive(domain::EXACT_GALOIS, &(*exponent as u64).to_le_bytes());
            let image = Secret::new(self.automorphisms.get(*exponent).apply(values.expose()));
            (*exponent, self.key(&image, &values, &seed))
        });
        GaloisKeys {
            id: secret.public().id(),
            keys: keys.collect(),
        }
    }

    /// The secret key modulo all primes, the special one too: its coefficients are -1, 0 and 1.
    fn extended(&self, secret: &SecretKey) -> Poly<Eval> {
        let coefficients = Secret::new(secret.first().expose().clone().into_coeff());
        let mut small = Secret::new(vec![0_i64; self.ring.degree()]);
        for (limb, words) in coefficients.expose().limbs() {
            let half = limb.modulo().modulus() / 2;
            for (small, word) in small.expose_mut().iter_mut().zip(words) {
                let negative = (half.wrapping_sub(*word) >> 63) as i64;
                *small = *word as i64 - (negative * limb.modulo().modulus() as i64);
            }
        }
        Poly::from_small(self.full.basis(), small.expose()).into_eval()
    }

    fn uniform(&self, seed: &PublicSeed, digit: usize) -> Poly<Eval> {
        let context = (digit as u64).to_le_bytes();
        let mut xof = Xof::new(&Seed::from_bytes(*seed), domain::RLWE_UNIFORM, &context);
        sample::uniform(self.full.basis(), &mut xof)
    }

    fn key(&self, from: &Secret<Poly<Eval>>, to: &Secret<Poly<Eval>>, seed: &Seed) -> GaloisKey {
        let public = *seed.derive(domain::RLWE_PUBLIC_SEED, &[]).expose_bytes();
        let digit = |digit: usize| {
            let context = (digit as u64).to_le_bytes();
            let noise = sample::noise(
                self.full.basis(),
                &mut Xof::new(seed, domain::RLWE_NOISE, &context),
            );
            let a = self.uniform(&public, digit);
            let mut b = noise.into_eval();
            b.sub_assign(Secret::new(Poly::product(&a, to.expose())).expose());
            if let Some((limb, words)) = b.limbs_mut().nth(digit) {
                simd::add_scaled(
                    words,
                    from.expose().limb(digit),
                    self.special[digit],
                    limb.reducer(),
                );
            }
            [b, a]
        };
        GaloisKey {
            seed: public,
            digits: (0..self.up.len()).map(digit).collect(),
        }
    }

    /// Keys of exactly these exponents.
    pub(super) fn read(&self, exponents: &[usize], bytes: &[u8]) -> Result<GaloisKeys, ExactError> {
        let length = self.bytes(exponents.len()) - HEADER_BYTES;
        let (id, mut rest) = self.header(exponents.len()).read(bytes, length)?;
        let mut keys = BTreeMap::new();
        let short = |bytes: &[u8]| CodecError::Length {
            actual: bytes.len(),
            expected: length,
        };
        for exponent in exponents {
            let (seed, others) = rest.split_first_chunk().ok_or(short(rest))?;
            rest = others;
            let mut digits = Vec::with_capacity(self.up.len());
            for digit in 0..self.up.len() {
                let (packed, others) = rest.split_at_checked(self.halves()).ok_or(short(rest))?;
                rest = others;
                let b = crate::rlwe::key::unpacked(&self.full, packed)?;
                digits.push([b, self.uniform(seed, digit)]);
            }
            keys.insert(*exponent, GaloisKey { seed: *seed, digits });
        }
        Ok(GaloisKeys { id, keys })
    }

    /// The bytes of keys.
    pub(super) fn write(&self, keys: &GaloisKeys) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes(keys.keys.len()));
        self.header(keys.keys.len()).write(keys.id, &mut bytes);
        for key in keys.keys.values() {
            bytes.extend(key.seed);
            for [b, _] in &key.digits {
                bytes.extend(crate::rlwe::key::packed(b));
            }
        }
        bytes
    }

    /// The image of a ciphertext under `X -> X^exponent`; `None` without a key for it.
    pub(super) fn apply(&self, ct: &Ciphertext, exponent: usize, keys: &GaloisKeys) -> Option<Ciphertext> {
        let key = keys.keys.get(&exponent)?;
        let automorphism: Arc<Automorphism> = self.automorphisms.get(exponent);
        let mut image = Ciphertext {
            c0: automorphism.apply(&ct.c0),
            c1: automorphism.apply(&ct.c1),
        };
        self.switch(&mut image, &key.digits);
        Some(image)
    }

    /// Replaces `c1` by its key switch, whose first half is added to `c0`.
    fn switch(&self, ct: &mut Ciphertext, key: &[[Poly<Eval>; 2]]) {
        let degree = self.ring.degree();
        let limbs = self.full.basis().limbs();
        let chain = self.up.len();
        // The digits as coefficients, then modulo every prime, `[primes, digits, N]`.
        let mut shares = ct.c1.words().to_vec();
        let mut raised = vec![0; limbs.len() * chain * degree];
        for (digit, (share, up)) in shares.chunks_exact_mut(degree).zip(&self.up).enumerate() {
            up.source(0, &limbs[digit], share);
        }
        for (prime, (limb, rows)) in limbs
            .iter()
            .zip(raised.chunks_exact_mut(chain * degree))
            .enumerate()
        {
            for (digit, row) in rows.chunks_exact_mut(degree).enumerate() {
                if digit == prime {
                    row.copy_from_slice(ct.c1.limb(digit));
                } else {
                    self.up[digit].target(prime, limb, &shares[digit * degree..][..degree], row);
                }
            }
        }
        let mut sums = vec![0; limbs.len() * 2 * degree];
        for (prime, (limb, pair)) in limbs.iter().zip(sums.chunks_exact_mut(2 * degree)).enumerate() {
            let rows: Vec<&[u64]> = raised[prime * chain * degree..][..chain * degree]
                .chunks_exact(degree)
                .collect();
            let half =
                |half: usize| -> Vec<&[u64]> { key.iter().map(|digit| digit[half].limb(prime)).collect() };
            let (first, second) = pair.split_at_mut(degree);
            simd::dot_pair(first, second, &rows, &half(0), &half(1), limb.reducer());
        }
        let (kept, special) = sums.split_at_mut(chain * 2 * degree);
        self.down.source(0, &limbs[chain], special);
        let mut room = vec![0; 2 * degree];
        let halves = ct.c0.limbs_mut().zip(ct.c1.limbs_mut());
        for (prime, (((limb, c0), (_, c1)), pair)) in
            halves.zip(kept.chunks_exact_mut(2 * degree)).enumerate()
        {
            self.down.target(prime, limb, special, &mut room);
            simd::sub_scale(pair, &room, self.special_inverse[prime], limb.reducer());
            simd::add(c0, &pair[..degree], limb.reducer());
            c1.copy_from_slice(&pair[degree..]);
        }
    }
}

impl fmt::Debug for GaloisRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GaloisRing({:?})", self.full.literal())
    }
}

#[derive(Clone)]
struct GaloisKey {
    seed: PublicSeed,
    /// For each digit `(b, a)` modulo all primes.
    digits: Vec<[Poly<Eval>; 2]>,
}

/// The keys with which a server applies automorphisms to ciphertexts of one client. Not secret.
#[derive(Clone)]
pub struct GaloisKeys {
    id: KeyId,
    keys: BTreeMap<usize, GaloisKey>,
}

impl GaloisKeys {
    /// The name of the secret key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl fmt::Debug for GaloisKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GaloisKeys(key {}, {} keys)", self.id, self.len())
    }
}

#[cfg(test)]
#[path = "galois_tests.rs"]
mod tests;
