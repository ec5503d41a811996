//! What counts and slots have in common: a ring, an encoding, a flooding, and which coefficients are opened.

use rand_core::CryptoRng;

use super::answer::Answer;
use super::block::EncryptedBlock;
use super::error::ExactError;
use super::noise::{NoiseBounds, NoiseSteps};
use super::scale::{self, Scale};
use crate::domain;
use crate::ring::ntt::Ntt;
use crate::ring::xof::Xof;
use crate::ring::{Coeff, Eval, Poly};
use crate::rlwe::codec::{Header, Kind};
use crate::rlwe::{Ciphertext, KeyId, Params, PublicKey, SecretKey, SeededCiphertext};
use crate::secret::Secret;
use crate::seed::Seed;

/// A scheme whose answers open `cells` coefficients, `N / cells` apart.
#[derive(Clone, Debug)]
pub(super) struct Scheme {
    pub(super) ring: Params,
    pub(super) scale: Scale,
    pub(super) cells: usize,
    pub(super) bounds: NoiseBounds,
}

impl Scheme {
    /// Distance of opened coefficients.
    pub(super) fn step(&self) -> usize {
        self.ring.degree() / self.cells
    }

    /// What noise an answer is expected to have.
    pub(super) fn steps(&self, sum_of_squares: f64) -> NoiseSteps {
        let others = self
            .ring
            .basis()
            .primes()
            .skip(1)
            .map(|prime| prime as f64)
            .product();
        self.bounds.steps(self.ring.degree(), sum_of_squares, others)
    }

    pub(super) fn header(&self, kind: Kind) -> Header {
        let literal = self.ring.literal();
        Header {
            kind,
            degree: literal.degree,
            primes: literal.primes,
            cells: self.cells as u32,
            plaintext: self.scale.plain().modulus(),
        }
    }

    /// Encrypts bits, which `message` encodes, with randomness from the seed, the context and the bits: the same
    /// three give the same bytes, and other bits never meet the same randomness.
    pub(super) fn encrypt(
        &self,
        key: &SecretKey,
        bits: &[bool],
        message: Secret<Poly<Coeff>>,
        context: &[u8],
        seed: &Seed,
    ) -> EncryptedBlock {
        let bytes = bits.iter().map(|bit| u8::from(*bit));
        self.encrypt_bytes(key, domain::EXACT_BLOCK, bytes, message, context, seed)
    }

    /// The same for bits that lie in slots, at most as many as there are; slots left out read as 0.
    ///
    /// # Errors
    /// More bits than slots.
    pub(super) fn encrypt_slots(
        &self,
        key: &SecretKey,
        batch: &Ntt,
        bits: &[bool],
        context: &[u8],
        seed: &Seed,
    ) -> Result<EncryptedBlock, ExactError> {
        let values = scale::in_slots(batch, bits)?;
        let message = scale::encoded(&self.scale, self.ring.basis(), values.expose(), 1);
        Ok(self.encrypt(key, bits, message, context, seed))
    }

    /// The same for numbers, and never with the randomness of bits.
    pub(super) fn encrypt_numbers(
        &self,
        key: &SecretKey,
        numbers: &[i32],
        message: Secret<Poly<Coeff>>,
        context: &[u8],
        seed: &Seed,
    ) -> EncryptedBlock {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
        self.encrypt_bytes(key, domain::EXACT_NUMBERS, bytes, message, context, seed)
    }

    fn encrypt_bytes(
        &self,
        key: &SecretKey,
        domain: &str,
        plain: impl Iterator<Item = u8>,
        message: Secret<Poly<Coeff>>,
        context: &[u8],
        seed: &Seed,
    ) -> EncryptedBlock {
        // Never grown, which would leave copies behind: a length, a name of a key, at most four bytes a coefficient.
        let mut info = Secret::new(Vec::with_capacity(16 + context.len() + 4 * self.ring.degree()));
        info.expose_mut().extend((context.len() as u64).to_le_bytes());
        info.expose_mut().extend(context);
        info.expose_mut().extend(key.public().id().0);
        info.expose_mut().extend(plain);
        let seed = seed.derive(domain, info.expose());
        EncryptedBlock {
            header: self.header(Kind::Seeded),
            key: key.public().id(),
            body: SeededCiphertext::encrypt(key, message, &seed),
        }
    }

    /// Both halves of a block of these parameters.
    pub(super) fn expand(&self, block: &EncryptedBlock) -> Result<Ciphertext, ExactError> {
        same(&self.header(Kind::Seeded), &block.header)?;
        Ok(block.body.expand(&self.ring)?)
    }

    /// The product with a mask, flooded and switched to one prime. `masks` encode what is added to each cell.
    pub(super) fn answer(
        &self,
        product: &Ciphertext,
        masks: &[u64],
        key: &PublicKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Answer {
        let sum = self.hidden(product, masks, key, rng);
        let step = self.step();
        let switched = |half: &Poly<Eval>| half.clone().into_coeff().switched_to_first();
        let c0 = Secret::new(switched(&sum.expose().c0));
        Answer {
            header: self.header(Kind::Answer),
            key: key.id(),
            opened: c0.expose().words().iter().step_by(step).copied().collect(),
            second: switched(&sum.expose().c1),
        }
    }

    /// The product plus a fresh encryption with the public key of the masks, flooded where cells are.
    pub(super) fn hidden(
        &self,
        product: &Ciphertext,
        masks: &[u64],
        key: &PublicKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Secret<Ciphertext> {
        let seed = Seed::random(rng);
        let step = self.step();
        let mut message = scale::encoded(&self.scale, self.ring.basis(), masks, step);
        let mut xof = Xof::new(&seed, domain::EXACT_FLOOD, &[]);
        self.bounds.flood(message.expose_mut(), step, &mut xof);
        let mut sum = Secret::new(key.encrypt(&message, &seed.derive(domain::EXACT_ANSWER, &[])));
        sum.expose_mut().add_assign(product);
        sum
    }

    /// The numbers modulo `p` in the cells of an answer under this key.
    pub(super) fn open(&self, key: &SecretKey, answer: &Answer) -> Result<Secret<Vec<u64>>, ExactError> {
        let mut cells = self.phases(key, answer)?;
        for cell in cells.expose_mut() {
            *cell = self.scale.decode(*cell);
        }
        Ok(cells)
    }

    /// Message and noise of the cells of an answer, modulo the first prime.
    pub(super) fn phases(&self, key: &SecretKey, answer: &Answer) -> Result<Secret<Vec<u64>>, ExactError> {
        same(&self.header(Kind::Answer), &answer.header)?;
        same_key(key.public().id(), answer.key)?;
        let second = answer.second.clone().into_eval();
        let product = Secret::new(Poly::product(&second, key.first().expose()).into_coeff());
        let mut phases = Secret::new(answer.opened.clone());
        if let Some((limb, words)) = product.expose().limbs().next() {
            for (phase, product) in phases
                .expose_mut()
                .iter_mut()
                .zip(words.iter().step_by(self.step()))
            {
                *phase = limb.modulo().add(*phase, *product);
            }
        }
        Ok(phases)
    }

    /// Numbers below the plaintext modulus, as many as expected.
    /// The noise of opened cells in units of the flooding bound.
    pub(super) fn residuals(&self, key: &SecretKey, answer: &Answer) -> Result<Vec<f64>, ExactError> {
        let mut primes = self.ring.basis().primes();
        let kept = primes.next().unwrap_or(1);
        let bound = primes.fold(self.bounds.flood_bound() as f64, |bound, prime| {
            bound / prime as f64
        });
        let plaintext = u128::from(self.scale.plain().modulus());
        let phases = self.phases(key, answer)?;
        let residual = |phase: &u64| {
            let cell = u128::from(self.scale.decode(*phase)) * u128::from(kept);
            let off = i128::from(*phase) - ((cell + plaintext / 2) / plaintext) as i128;
            let whole = i128::from(kept);
            let off = if off > whole / 2 {
                off - whole
            } else if off < -whole / 2 {
                off + whole
            } else {
                off
            };
            off as f64 / bound
        };
        Ok(phases.expose().iter().map(residual).collect())
    }

    pub(super) fn check(
        &self,
        what: &'static str,
        values: &[u64],
        expected: usize,
    ) -> Result<(), ExactError> {
        length(what, values.len(), expected)?;
        let modulus = self.scale.plain().modulus();
        // All are looked at before any is named: they may be secret.
        if values
            .iter()
            .fold(false, |found, value| found | (*value >= modulus))
        {
            let index = values
                .iter()
                .position(|value| *value >= modulus)
                .unwrap_or_default();
            return Err(ExactError::NotReduced { what, index, modulus });
        }
        Ok(())
    }
}

/// The same length.
pub(super) fn length(what: &'static str, actual: usize, expected: usize) -> Result<(), ExactError> {
    if actual == expected {
        Ok(())
    } else {
        Err(ExactError::Length {
            what,
            actual,
            expected,
        })
    }
}

/// The same key.
pub(super) fn same_key(expected: KeyId, actual: KeyId) -> Result<(), ExactError> {
    if actual == expected {
        Ok(())
    } else {
        Err(ExactError::Key { actual, expected })
    }
}

/// The same parameters.
pub(super) fn same(expected: &Header, actual: &Header) -> Result<(), ExactError> {
    let fields = [
        ("degree", actual.degree as u64, expected.degree as u64),
        ("number of primes", actual.primes as u64, expected.primes as u64),
        ("number of cells", actual.cells.into(), expected.cells.into()),
        ("plaintext modulus", actual.plaintext, expected.plaintext),
    ];
    for (field, actual, expected) in fields {
        if actual != expected {
            return Err(ExactError::Parameters {
                field,
                actual,
                expected,
            });
        }
    }
    Ok(())
}
