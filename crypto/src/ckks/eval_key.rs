//! Relinearisation and Galois keys, made by a plan.

use std::collections::BTreeMap;
use std::fmt;

use rand_core::CryptoRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::CkksError;
use super::key::SecretKey;
use super::parallel::{Words, words};
use super::params::Params;
use crate::domain;
use crate::hash::Digest;
use crate::ring::simd;
use crate::ring::xof::Xof;
use crate::ring::{Eval, Poly, sample};
use crate::rlwe::KeyId;
use crate::rlwe::key::PublicSeed;
use crate::secret::Secret;
use crate::seed::Seed;

/// Which keys a computation needs, each with the highest level it is needed for: a key for a lower level is smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPlan {
    relinearization: Option<usize>,
    conjugation: Option<usize>,
    rotations: BTreeMap<i32, usize>,
}

impl KeyPlan {
    /// Adds the key for products of ciphertexts up to a level.
    #[must_use]
    pub fn relinearization(mut self, level: usize) -> Self {
        self.relinearization = self.relinearization.max(Some(level));
        self
    }

    /// Adds the key for the conjugation of ciphertexts up to a level.
    #[must_use]
    pub fn conjugation(mut self, level: usize) -> Self {
        self.conjugation = self.conjugation.max(Some(level));
        self
    }

    /// Adds the key for rotations to the left by `step` slots (to the right if negative) up to a level. A step of 0
    /// needs none.
    #[must_use]
    pub fn rotation(mut self, step: i32, level: usize) -> Self {
        if step != 0 {
            let held = self.rotations.entry(step).or_default();
            *held = level.max(*held);
        }
        self
    }

    /// Adds the keys of several rotations.
    #[must_use]
    pub fn rotations(self, steps: impl IntoIterator<Item = i32>, level: usize) -> Self {
        steps
            .into_iter()
            .fold(self, |plan, step| plan.rotation(step, level))
    }

    /// Adds all keys of another plan.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.relinearization = self.relinearization.max(other.relinearization);
        self.conjugation = self.conjugation.max(other.conjugation);
        other
            .rotations
            .iter()
            .fold(self, |plan, (step, level)| plan.rotation(*step, *level))
    }

    /// Steps and levels of the rotations.
    pub fn planned_rotations(&self) -> impl Iterator<Item = (i32, usize)> {
        self.rotations.iter().map(|(step, level)| (*step, *level))
    }

    /// The number of keys.
    pub fn keys(&self) -> usize {
        self.rotations.len()
            + usize::from(self.relinearization.is_some())
            + usize::from(self.conjugation.is_some())
    }

    /// The level of each key.
    pub(super) fn levels(&self, params: &Params) -> impl Iterator<Item = usize> + use<> {
        self.switches(params).into_values()
    }

    /// Each key, by what it switches from, with its level.
    fn switches(&self, params: &Params) -> BTreeMap<Switch, usize> {
        let automorphisms = &params.tables().automorphisms;
        let mut switches = BTreeMap::new();
        let mut add = |switch, level: usize| {
            let held: &mut usize = switches.entry(switch).or_default();
            *held = level.max(*held);
        };
        if let Some(level) = self.relinearization {
            add(Switch::Square, level);
        }
        if let Some(level) = self.conjugation {
            add(Switch::Galois(conjugation(params)), level);
        }
        for (step, level) in &self.rotations {
            let exponent = automorphisms.rotation_exponent((*step).into());
            if exponent != 1 {
                add(Switch::Galois(exponent as u32), *level);
            }
        }
        switches
    }
}

/// The exponent of the conjugation, `X -> X^-1`.
pub(super) fn conjugation(params: &Params) -> u32 {
    2 * params.degree() as u32 - 1
}

/// What a key switches from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Switch {
    /// `s^2`, to `s`.
    Square,
    /// `s`, to `s(X^(1/g))`: the automorphism `X -> X^g` is applied after the switch.
    Galois(u32),
}

/// A key from one secret to another, for ciphertexts up to a level: a pair `(b, a)` for each digit.
#[derive(Clone)]
pub(super) struct SwitchingKey {
    pub(super) level: usize,
    chain: usize,
    degree: usize,
    /// For each digit `[2, chain + special, N]`.
    pub(super) digits: Vec<Words>,
    pub(super) seed: PublicSeed,
}

impl SwitchingKey {
    /// A key from one secret to another, both given by their values modulo all primes.
    fn generate(params: &Params, from: &Poly<Eval>, to: &Poly<Eval>, level: usize, seed: &Seed) -> Self {
        let degree = params.degree();
        let public_seed = *seed.derive(domain::RLWE_PUBLIC_SEED, &[]).expose_bytes();
        let mut key = Self::with_uniform_halves(params, level, public_seed);
        let primes: Vec<usize> = params.extended(level).collect();
        for (digit, halves) in key.digits.iter_mut().enumerate() {
            let context = (digit as u64).to_le_bytes();
            let noise = sample::noise(params.full(), &mut Xof::new(seed, domain::RLWE_NOISE, &context));
            let noise = Secret::new(noise);
            let range = params.digit(digit, level);
            let (b, a) = halves.split_at_mut(primes.len() * degree);
            let rows = b.par_chunks_exact_mut(degree).zip(a.par_chunks_exact(degree));
            rows.zip(&primes).for_each(|((b, a), prime)| {
                let limb = params.limb(*prime);
                let mut product = Secret::new(a.to_vec());
                simd::mul(product.expose_mut(), to.limb(*prime), limb.reducer());
                b.copy_from_slice(noise.expose().limb(*prime));
                limb.ntt().forward(b);
                simd::sub(b, product.expose(), limb.reducer());
                if range.contains(prime) {
                    simd::add_scaled(
                        b,
                        from.limb(*prime),
                        params.tables().special[*prime],
                        limb.reducer(),
                    );
                }
            });
        }
        key
    }

    /// A key whose second halves are expanded and whose first are zero.
    pub(super) fn with_uniform_halves(params: &Params, level: usize, seed: PublicSeed) -> Self {
        let degree = params.degree();
        let primes = params.extended(level);
        let digits = (0..params.digits(level))
            .into_par_iter()
            .map(|digit| {
                let mut halves = words(2 * primes.len() * degree);
                let context = (digit as u64).to_le_bytes();
                let mut xof = Xof::new(&Seed::from_bytes(seed), domain::RLWE_UNIFORM, &context);
                let rows = halves[primes.len() * degree..].chunks_exact_mut(degree);
                for (prime, row) in primes.clone().zip(rows) {
                    sample::uniform_words(params.limb(prime), row, &mut xof);
                }
                halves
            })
            .collect();
        Self {
            level,
            chain: params.levels() + 1,
            degree,
            digits,
            seed,
        }
    }

    /// The words of a digit's half modulo one prime, among all primes.
    pub(super) fn limb(&self, digit: usize, half: usize, prime: usize) -> &[u64] {
        let place = if prime <= self.level {
            prime
        } else {
            prime - self.chain + self.level + 1
        };
        let half_length = self.digits[digit].len() / 2;
        &self.digits[digit][half * half_length + place * self.degree..][..self.degree]
    }
}

/// The keys with which a server computes on ciphertexts of one client. Not secret.
#[derive(Clone)]
pub struct EvalKeys {
    pub(super) params: Digest,
    pub(super) id: KeyId,
    pub(super) keys: BTreeMap<Switch, SwitchingKey>,
}

impl SecretKey {
    /// The keys of a plan.
    ///
    /// # Errors
    /// A level that the parameters do not have.
    pub fn eval_keys(
        &self,
        plan: &KeyPlan,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<EvalKeys, CkksError> {
        let params = self.params();
        let automorphisms = &params.tables().automorphisms;
        let mut keys = BTreeMap::new();
        for (switch, level) in plan.switches(params) {
            params.check_level("an evaluation key", level)?;
            let seed = Seed::random(rng).derive(domain::CKKS_EVAL_KEY, &[]);
            let secret = self.values().expose();
            let key = match switch {
                Switch::Square => {
                    let square = Secret::new(Poly::product(secret, secret));
                    SwitchingKey::generate(params, square.expose(), secret, level, &seed)
                }
                Switch::Galois(exponent) => {
                    let inverse = inverse_exponent(exponent as usize, 2 * params.degree());
                    let image = Secret::new(automorphisms.get(inverse).apply(secret));
                    SwitchingKey::generate(params, secret, image.expose(), level, &seed)
                }
            };
            keys.insert(switch, key);
        }
        Ok(EvalKeys {
            params: params.digest(),
            id: self.id(),
            keys,
        })
    }
}

/// The inverse of an odd number modulo a power of two.
fn inverse_exponent(exponent: usize, modulus: usize) -> usize {
    // Newton's iteration doubles the bits that are right; an odd number is its own inverse modulo 8.
    let mut inverse = exponent;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2_usize.wrapping_sub(exponent.wrapping_mul(inverse)));
    }
    inverse % modulus
}

impl EvalKeys {
    /// No keys: for sums and products with plaintexts of the ciphertexts of one key.
    pub fn none(params: &Params, id: KeyId) -> Self {
        Self {
            params: params.digest(),
            id,
            keys: BTreeMap::new(),
        }
    }

    /// The name of the secret key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The digest of its parameters.
    pub const fn params(&self) -> Digest {
        self.params
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let words = self.keys.values().flat_map(|key| &key.digits);
        words.map(|digit| size_of_val(&digit[..])).sum()
    }

    /// Refuses other keys than those of a plan.
    ///
    /// # Errors
    /// A key that is missing or stops at a lower level, or keys that the plan does not have.
    pub fn check(&self, params: &Params, plan: &KeyPlan) -> Result<(), CkksError> {
        let planned = plan.switches(params);
        for (switch, level) in &planned {
            self.get(*switch, *level, || format!("{switch:?} key"))?;
        }
        if self.keys.len() == planned.len() {
            return Ok(());
        }
        Err(CkksError::Length {
            what: "evaluation keys",
            actual: self.keys.len(),
            expected: planned.len(),
        })
    }

    /// The key for products.
    pub(super) fn square(&self, level: usize) -> Result<&SwitchingKey, CkksError> {
        self.get(Switch::Square, level, || "relinearisation key".into())
    }

    /// The key for an automorphism.
    pub(super) fn galois(
        &self,
        exponent: usize,
        level: usize,
        name: impl Fn() -> String,
    ) -> Result<&SwitchingKey, CkksError> {
        self.get(Switch::Galois(exponent as u32), level, name)
    }

    fn get(
        &self,
        switch: Switch,
        level: usize,
        name: impl Fn() -> String,
    ) -> Result<&SwitchingKey, CkksError> {
        let key = self.keys.get(&switch).filter(|key| key.level >= level);
        key.ok_or_else(|| CkksError::MissingKey { key: name(), level })
    }
}

impl fmt::Debug for EvalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EvalKeys(key {}, {} keys, {} bytes)",
            self.id,
            self.len(),
            self.bytes()
        )
    }
}
