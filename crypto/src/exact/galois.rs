//! Automorphisms and products of ciphertexts, by hybrid key switching with one special prime.
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
use crate::ring::{Eval, Poly, RnsBasis, sample};
use crate::rlwe::codec::{CodecError, HEADER_BYTES, Header, Kind};
use crate::rlwe::key::PublicSeed;
use crate::rlwe::{Ciphertext, KeyId, Literal, Params, SecretKey};
use crate::secret::Secret;
use crate::seed::Seed;

/// The exponent that stands for the square of the secret key among the exponents of automorphisms, which are odd.
pub(super) const SQUARE: usize = 0;

/// A chain of primes `Q` with a special prime for key switches, at any length of the chain.
///
/// All noise that a switch adds, and all rounding, is a multiple of a number: 1 where messages are multiples of `Q / p`, the
/// plaintext modulus where they are the residue of a phase (Brakerski, Gentry, Vaikuntanathan, ITCS 2012).
pub(super) struct GaloisRing {
    ring: Params,
    full: Params,
    multiple: u64,
    automorphisms: Automorphisms,
    /// The chain up to each length.
    levels: Vec<Arc<RnsBasis>>,
    up: Vec<Conversion>,
    special: Vec<Factor>,
    down: Division,
    /// By the special prime and the last one of the chain, and by the latter alone, for each length.
    down_both: Vec<Division>,
    down_last: Vec<Division>,
}

/// A division by some primes: what is subtracted first, and by what all is multiplied then.
struct Division {
    conversion: Conversion,
    inverses: Vec<Factor>,
}

impl Division {
    fn new(by: &[&Limb], left: &[Limb], multiple: u64) -> Self {
        let inverse = |limb: &Limb| {
            let modulo = limb.modulo();
            let product = by.iter().fold(1, |product, by| {
                modulo.mul(product, by.modulo().modulus() % modulo.modulus())
            });
            limb.reducer().factor(modulo.inverse(product))
        };
        Self {
            conversion: Conversion::to_multiples(by, left, multiple),
            inverses: left.iter().map(inverse).collect(),
        }
    }

    /// Divides what is prepared: `rest` by [`Conversion::source`], modulo one of the primes that are left.
    fn divide(&self, prime: usize, limb: &Limb, rest: &[u64], words: &mut [u64], room: &mut [u64]) {
        self.conversion.target(prime, limb, rest, room);
        simd::sub_scale(words, room, self.inverses[prime], limb.reducer());
    }
}

impl GaloisRing {
    /// The ring with one more prime, which the security table must allow.
    pub(super) fn new(ring: &Params) -> Result<Self, ExactError> {
        let literal = ring.literal();
        let full = Params::new(Literal {
            primes: literal.primes + 1,
            ..literal
        })?;
        Self::over(ring, full, 1)
    }

    /// The ring of a chain, and of the chain with the special prime behind it, whose noise is a multiple of a number.
    pub(super) fn over(ring: &Params, full: Params, multiple: u64) -> Result<Self, ExactError> {
        let limbs = full.basis().limbs();
        let (special, chain) = limbs.split_last().ok_or(CodecError::Length {
            actual: 0,
            expected: 1,
        })?;
        let prime = special.modulo().modulus();
        let factor = |limb: &Limb| limb.reducer().factor(prime % limb.modulo().modulus());
        let mut levels = vec![Arc::clone(ring.basis())];
        while let Some(smaller) = levels.last().and_then(|basis| basis.without_last()) {
            levels.push(Arc::clone(smaller));
        }
        levels.reverse();
        let last = |by: fn(&[Limb], usize) -> Vec<&Limb>| {
            let each = |level: usize| Division::new(&by(limbs, level), &chain[..level], multiple);
            (0..chain.len()).map(each).collect()
        };
        Ok(Self {
            ring: ring.clone(),
            multiple,
            automorphisms: Automorphisms::new(full.basis()),
            levels,
            up: chain.iter().map(|limb| Conversion::new(&[limb], limbs)).collect(),
            special: chain.iter().map(factor).collect(),
            down: Division::new(&[special], chain, multiple),
            down_both: last(|limbs, level| vec![&limbs[level], &limbs[limbs.len() - 1]]),
            down_last: last(|limbs, level| vec![&limbs[level]]),
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

    /// The chain of so many primes.
    pub(super) fn level(&self, primes: usize) -> &Arc<RnsBasis> {
        &self.levels[primes - 1]
    }

    fn halves(&self) -> usize {
        crate::rlwe::key::poly_bytes(&self.full)
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
            plaintext: self.multiple - 1,
        }
    }

    /// The keys of these exponents for a secret key, [`SQUARE`] among them for products.
    pub(super) fn generate(&self, secret: &SecretKey, exponents: &[usize], seed: &Seed) -> GaloisKeys {
        let values = Secret::new(self.extended(secret));
        let keys = exponents.iter().map(|exponent| {
            let seed = seed.derive(domain::EXACT_GALOIS, &(*exponent as u64).to_le_bytes());
            let values_of = values.expose();
            let image = Secret::new(match *exponent {
                SQUARE => Poly::product(values_of, values_of),
                exponent => self.automorphisms.get(exponent).apply(values_of),
            });
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
            self.raise(&mut b);
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

    /// Multiplies by the number that noise is a multiple of.
    fn raise(&self, poly: &mut Poly<Eval>) {
        for (limb, words) in poly.limbs_mut() {
            let factor = limb.reducer().factor(self.multiple % limb.modulo().modulus());
            simd::scale(words, factor, 0, limb.reducer());
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
        let (c0, c1) = (automorphism.apply(&ct.c0), automorphism.apply(&ct.c1));
        Some(self.switch(&c1, key, [Some(&c0), None], false))
    }

    /// The product of a ciphertext of three parts as one of two, without the last prime of its chain if that is asked for;
    /// `None` without a key for it.
    pub(super) fn relinearize(
        &self,
        [c0, c1, c2]: [&Poly<Eval>; 3],
        keys: &GaloisKeys,
        drop: bool,
    ) -> Option<Ciphertext> {
        Some(self.switch(c2, keys.keys.get(&SQUARE)?, [Some(c0), Some(c1)], drop))
    }

    /// The same ciphertext without the last prime of its chain, its phase divided by that prime.
    pub(super) fn drop_last(&self, ct: &Ciphertext) -> Ciphertext {
        let kept = ct.c0.basis().limbs().len() - 1;
        let division = &self.down_last[kept];
        let limbs = self.full.basis().limbs();
        let half = |poly: &Poly<Eval>| {
            let mut last = poly.limb(kept).to_vec();
            division.conversion.source(0, &limbs[kept], &mut last);
            let mut room = vec![0; self.ring.degree()];
            let mut out = poly.truncated(self.level(kept));
            for (prime, (limb, words)) in out.limbs_mut().enumerate() {
                division.divide(prime, limb, &last, words, &mut room);
            }
            out
        };
        Ciphertext {
            c0: half(&ct.c0),
            c1: half(&ct.c1),
        }
    }

    /// The key switch of a polynomial at any length of the chain, added to a pair, without the last prime of the chain if
    /// that is asked for: one division then takes both primes out.
    fn switch(
        &self,
        from: &Poly<Eval>,
        key: &GaloisKey,
        add: [Option<&Poly<Eval>>; 2],
        drop: bool,
    ) -> Ciphertext {
        let degree = self.ring.degree();
        let limbs = self.full.basis().limbs();
        let level = from.basis().limbs().len();
        let kept = level - usize::from(drop);
        let mut shares = from.words().to_vec();
        for (digit, share) in shares.chunks_exact_mut(degree).enumerate() {
            self.up[digit].source(0, &limbs[digit], share);
        }
        // Modulo one prime after the other: all digits, their products with the key, `[primes, 2, N]`.
        let primes: Vec<usize> = (0..level).chain([self.up.len()]).collect();
        let mut raised = vec![0; level * degree];
        let mut sums = vec![0; primes.len() * 2 * degree];
        for (prime, pair) in primes.iter().zip(sums.chunks_exact_mut(2 * degree)) {
            let limb = &limbs[*prime];
            let rows: Vec<&[u64]> = raised
                .chunks_exact_mut(degree)
                .enumerate()
                .map(|(digit, row)| {
                    if digit == *prime {
                        return from.limb(digit);
                    }
                    self.up[digit].target(*prime, limb, &shares[digit * degree..][..degree], row);
                    &*row
                })
                .collect();
            let digits = &key.digits[..level];
            let half = |half: usize| -> Vec<&[u64]> {
                digits.iter().map(|digit| digit[half].limb(*prime)).collect()
            };
            let (first, second) = pair.split_at_mut(degree);
            simd::dot_pair(first, second, &rows, &half(0), &half(1), limb.reducer());
            if *prime < level {
                for (half, add) in [first, second].into_iter().zip(add) {
                    if let Some(add) = add {
                        simd::add_scaled(half, add.limb(*prime), self.special[*prime], limb.reducer());
                    }
                }
            }
        }
        let division = match drop {
            true => &self.down_both[kept],
            false => &self.down,
        };
        let (sums, rest) = sums.split_at_mut(kept * 2 * degree);
        let divided_by = primes.iter().skip(kept).zip(rest.chunks_exact_mut(2 * degree));
        for (index, (prime, words)) in divided_by.enumerate() {
            division.conversion.source(index, &limbs[*prime], words);
        }
        let mut room = vec![0; 2 * degree];
        let basis = self.level(kept);
        let mut out = Ciphertext {
            c0: Poly::zero(basis),
            c1: Poly::zero(basis),
        };
        let halves = out.c0.limbs_mut().zip(out.c1.limbs_mut());
        for (prime, (((limb, c0), (_, c1)), pair)) in
            halves.zip(sums.chunks_exact_mut(2 * degree)).enumerate()
        {
            division.divide(prime, limb, rest, pair, &mut room);
            c0.copy_from_slice(&pair[..degree]);
            c1.copy_from_slice(&pair[degree..]);
        }
        out
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
