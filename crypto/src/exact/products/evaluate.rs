//! Who computes: sums, products, rotations, answers. Without a key it follows bounds alone, through the same code.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand_core::CryptoRng;

use super::ciphertext::{Counts, ProductCiphertext, ProductSum, Tally};
use super::noise::{Noise, NoiseModel};
use super::params::ProductParams;
use crate::exact::answer::Answer;
use crate::exact::block::EncryptedBlock;
use crate::exact::error::ExactError;
use crate::exact::galois::GaloisKeys;
use crate::exact::scheme::{length, same_key};
use crate::exact::slots::lift;
use crate::ring::{Poly, simd};
use crate::rlwe::{Ciphertext, PublicKey};
use crate::secret::Secret;

struct Ring {
    params: ProductParams,
    public: PublicKey,
    keys: GaloisKeys,
}

/// Computes on ciphertexts of one key, or on bounds alone.
pub struct ProductEvaluator {
    model: NoiseModel,
    ring: Option<Ring>,
    tally: Tally,
}

impl ProductEvaluator {
    /// An evaluator with somebody's public key and evaluation keys.
    ///
    /// # Errors
    /// Keys of two owners.
    pub fn new(params: &ProductParams, public: PublicKey, keys: GaloisKeys) -> Result<Self, ExactError> {
        same_key(public.id(), keys.id())?;
        Ok(Self {
            model: params.model().clone(),
            ring: Some(Ring {
                params: params.clone(),
                public,
                keys,
            }),
            tally: Tally::default(),
        })
    }

    /// The same without ciphertexts: what it makes has bounds and nothing else.
    pub fn bounds(model: &NoiseModel) -> Self {
        Self {
            model: model.clone(),
            ring: None,
            tally: Tally::default(),
        }
    }

    /// Bounds of these parameters.
    pub const fn model(&self) -> &NoiseModel {
        &self.model
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Counts {
            key_switches: read(&self.tally.switches),
            tensors: read(&self.tally.tensors),
            switched_primes: read(&self.tally.primes),
        }
    }

    /// A fresh encryption with the secret key, or its bound where there is no key.
    ///
    /// # Errors
    /// Another length, other parameters, another key.
    pub fn read(&self, bytes: &[u8]) -> Result<ProductCiphertext, ExactError> {
        let body = match &self.ring {
            None => None,
            Some(ring) => {
                let block = EncryptedBlock::read(ring.params.input(), bytes)?;
                same_key(ring.public.id(), block.key())?;
                Some(raised(&ring.params, ring.params.input().expand(&block)?))
            }
        };
        Ok(ProductCiphertext::new(
            self.model.levels(),
            self.model.fresh(),
            body,
        ))
    }

    /// What is read, as a bound.
    pub fn fresh(&self) -> ProductCiphertext {
        ProductCiphertext::new(self.model.levels(), self.model.fresh(), None)
    }

    /// What [`ProductPublic`](super::ProductPublic) encrypts, as a bound.
    pub fn fresh_public(&self) -> ProductCiphertext {
        ProductCiphertext::new(self.model.levels(), self.model.public(), None)
    }

    /// A number in every slot, without noise.
    pub fn constant(&self, number: i64) -> ProductCiphertext {
        let mut zero = ProductCiphertext::new(self.model.levels(), Noise::ZERO, None);
        zero.body = self.ring.as_ref().map(|ring| {
            let basis = ring.params.input().ring.basis();
            Ciphertext {
                c0: Poly::zero(basis),
                c1: Poly::zero(basis),
            }
        });
        self.add_number(&mut zero, number);
        zero
    }

    /// `a += number b`; where levels differ, `a` comes to the lower one. Numbers are small: their absolute value grows the
    /// noise.
    pub fn add_scaled(&self, a: &mut ProductCiphertext, b: &ProductCiphertext, number: i64) {
        let level = a.level.min(b.level);
        self.lower(a, level);
        let lowered;
        let b = if b.level > level {
            let mut other = b.clone();
            self.lower(&mut other, level);
            lowered = other;
            &lowered
        } else {
            b
        };
        a.noise = a.noise.plus(b.noise.times(number.unsigned_abs() as f64));
        let (Some(a), Some(b)) = (&mut a.body, &b.body) else {
            return;
        };
        for (a, b) in [(&mut a.c0, &b.c0), (&mut a.c1, &b.c1)] {
            for ((limb, a), (_, b)) in a.limbs_mut().zip(b.limbs()) {
                match number {
                    1 => simd::add(a, b, limb.reducer()),
                    -1 => simd::sub(a, b, limb.reducer()),
                    _ => {
                        let modulus = limb.modulo().modulus() as i64;
                        let factor = limb.reducer().factor(number.rem_euclid(modulus) as u64);
                        simd::add_scaled(a, b, factor, limb.reducer());
                    }
                }
            }
        }
    }

    /// `a += number` in every slot.
    pub fn add_number(&self, a: &mut ProductCiphertext, number: i64) {
        a.noise = a.noise.plus(self.model.number(number));
        let Some(body) = &mut a.body else { return };
        for (limb, words) in body.c0.limbs_mut() {
            let modulus = limb.modulo().modulus() as i64;
            let shift = number.rem_euclid(modulus) as u64;
            simd::scale(words, limb.reducer().factor(1), shift, limb.reducer());
        }
    }

    /// `number a`, for a small number.
    pub fn times(&self, a: &ProductCiphertext, number: i64) -> ProductCiphertext {
        let mut out = a.clone();
        out.noise = out.noise.times(number.unsigned_abs() as f64);
        if let Some(body) = &mut out.body {
            for half in [&mut body.c0, &mut body.c1] {
                for (limb, words) in half.limbs_mut() {
                    let modulus = limb.modulo().modulus() as i64;
                    let factor = limb.reducer().factor(number.rem_euclid(modulus) as u64);
                    simd::scale(words, factor, 0, limb.reducer());
                }
            }
        }
        out
    }

    /// `a` times numbers modulo `p` slot by slot, in the order of [`ProductParams::slot_places`].
    ///
    /// # Errors
    /// Another number of slots, or numbers not below `p`.
    pub fn times_slots(
        &self,
        a: &ProductCiphertext,
        numbers: &[u64],
    ) -> Result<ProductCiphertext, ExactError> {
        let mut out = a.clone();
        out.noise = self.model.weighted(a.noise);
        let (Some(body), Some(ring)) = (&mut out.body, &self.ring) else {
            return Ok(out);
        };
        let coefficients = coefficients(&ring.params, numbers)?;
        let mut weights = Secret::new(Poly::zero(body.c0.basis()));
        lift(
            ring.params.plaintext(),
            coefficients.expose(),
            weights.expose_mut(),
        );
        for half in [&mut body.c0, &mut body.c1] {
            for ((limb, words), (_, weights)) in half.limbs_mut().zip(weights.expose().limbs()) {
                simd::mul(words, weights, limb.reducer());
            }
        }
        Ok(out)
    }

    /// Brings a ciphertext to a length of the chain. A prime is dropped as it is where that leaves less noise than a
    /// division by it, which rounds.
    pub fn lower(&self, a: &mut ProductCiphertext, level: usize) {
        while a.level > level.max(1) {
            let divided = self.model.dropped(a.noise, a.level);
            if divided.bound < a.noise.bound {
                if let (Some(body), Some(ring)) = (&mut a.body, &self.ring) {
                    *body = ring.params.galois().drop_last(body);
                }
                a.noise = divided;
            } else if let (Some(body), Some(ring)) = (&mut a.body, &self.ring) {
                let basis = ring.params.galois().level(a.level - 1);
                body.c0.truncate(basis);
                body.c1.truncate(basis);
            }
            a.level -= 1;
        }
    }

    /// The product, without the last prime of the chain.
    ///
    /// # Errors
    /// No prime left to drop; noise that leaves no room for the message.
    pub fn mul(&self, a: &ProductCiphertext, b: &ProductCiphertext) -> Result<ProductCiphertext, ExactError> {
        let mut sum = self.sum(a.level.min(b.level));
        self.add_product(&mut sum, a, b)?;
        self.finish(sum, true)
    }

    /// An empty sum of products at a length of the chain.
    pub fn sum(&self, level: usize) -> ProductSum {
        let body = self.ring.as_ref().map(|ring| {
            let basis = ring.params.galois().level(level);
            [Poly::zero(basis), Poly::zero(basis), Poly::zero(basis)]
        });
        ProductSum {
            level,
            noise: Noise::ZERO,
            body,
        }
    }

    /// Adds a product to a sum, three words a slot and prime: nothing is relinearised.
    ///
    /// # Errors
    /// A factor below the level of the sum.
    pub fn add_product(
        &self,
        sum: &mut ProductSum,
        a: &ProductCiphertext,
        b: &ProductCiphertext,
    ) -> Result<(), ExactError> {
        if a.level.min(b.level) < sum.level {
            return Err(ExactError::Length {
                what: "primes of a factor",
                actual: a.level.min(b.level),
                expected: sum.level,
            });
        }
        let lowered = |ct: &ProductCiphertext| {
            let mut ct = ct.clone();
            self.lower(&mut ct, sum.level);
            ct
        };
        let (low_a, low_b);
        let a = if a.level > sum.level {
            low_a = lowered(a);
            &low_a
        } else {
            a
        };
        let b = if b.level > sum.level {
            low_b = lowered(b);
            &low_b
        } else {
            b
        };
        self.tally.tensors.fetch_add(1, Ordering::Relaxed);
        sum.noise = sum.noise.plus(self.model.product(a.noise, b.noise));
        let (Some([c0, c1, c2]), Some(a), Some(b)) = (&mut sum.body, &a.body, &b.body) else {
            return Ok(());
        };
        let outs = c0.limbs_mut().zip(c1.limbs_mut()).zip(c2.limbs_mut());
        for (prime, (((limb, c0), (_, c1)), (_, c2))) in outs.enumerate() {
            let [a0, a1, b0, b1] = [&a.c0, &a.c1, &b.c0, &b.c1].map(|half| half.limb(prime));
            simd::mul_add(c0, a0, b0, limb.reducer());
            simd::mul_add(c1, a0, b1, limb.reducer());
            simd::mul_add(c1, a1, b0, limb.reducer());
            simd::mul_add(c2, a1, b1, limb.reducer());
        }
        Ok(())
    }

    /// `a += b`, for sums at one length of the chain.
    pub fn merge(&self, a: &mut ProductSum, b: &ProductSum) {
        a.noise = a.noise.plus(b.noise);
        if let (Some(a), Some(b)) = (&mut a.body, &b.body) {
            a.iter_mut().zip(b).for_each(|(a, b)| a.add_assign(b));
        }
    }

    /// A sum of products as a ciphertext of two parts, without the last prime of the chain if that is asked for.
    ///
    /// # Errors
    /// No prime left to drop; noise that leaves no room for the message.
    pub fn finish(&self, sum: ProductSum, drop: bool) -> Result<ProductCiphertext, ExactError> {
        let level = sum.level;
        if drop && level < 2 {
            return Err(ExactError::Length {
                what: "primes of the chain",
                actual: level,
                expected: 2,
            });
        }
        self.fits(sum.noise, level)?;
        let noise = match drop {
            true => self.model.switched_and_dropped(sum.noise, level),
            false => self.model.switched(sum.noise, level),
        };
        let left = level - usize::from(drop);
        self.fits(noise, left)?;
        self.count_switch(level);
        let body = match (&self.ring, &sum.body) {
            (Some(ring), Some([c0, c1, c2])) => {
                ring.params.galois().relinearize([c0, c1, c2], &ring.keys, drop)
            }
            _ => None,
        };
        Ok(ProductCiphertext::new(left, noise, body))
    }

    /// Both rows of slots turned to the left by so many columns.
    ///
    /// # Errors
    /// No key for that rotation.
    pub fn rotate(&self, a: &ProductCiphertext, by: usize) -> Result<ProductCiphertext, ExactError> {
        self.count_switch(a.level);
        let noise = self.model.switched(a.noise, a.level);
        self.fits(noise, a.level)?;
        let body = match (&self.ring, &a.body) {
            (Some(ring), Some(body)) => {
                let exponent = ring.params.rotation(by);
                let image = ring.params.galois().apply(body, exponent, &ring.keys);
                Some(image.ok_or(ExactError::Length {
                    what: "keys for a rotation",
                    actual: 0,
                    expected: 1,
                })?)
            }
            _ => None,
        };
        Ok(ProductCiphertext::new(a.level, noise, body))
    }

    /// The answer that opens to a ciphertext plus masks, numbers modulo `p`: as many coefficients as the parameters say.
    /// Re-randomized with the public key and flooded by at least 40 bits over the bound, whatever the ciphertext is.
    ///
    /// # Errors
    /// An evaluator without a key; more noise than the parameters declare, or too few primes; another number of masks, or some not below `p`.
    pub fn answer(
        &self,
        a: &ProductCiphertext,
        masks: &[u64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Answer, ExactError> {
        let Some(ring) = &self.ring else {
            return Err(ExactError::Length {
                what: "keys",
                actual: 0,
                expected: 1,
            });
        };
        let scheme = ring.params.output();
        let literal = ring.params.literal();
        scheme.check("mask", masks, scheme.cells)?;
        length("primes of an answer", a.level, literal.answer_primes)?;
        let declared = f64::from(literal.hidden_bits).exp2();
        let body = a.body.as_ref().filter(|_| a.noise.bound <= declared);
        let Some(body) = body else {
            return Err(ExactError::Flooding {
                declared: u64::from(literal.hidden_bits),
                actual: a.noise.bound.log2().ceil() as u32,
                expected: literal.hidden_bits,
            });
        };
        // -1 / p: the message becomes a multiple of Q / p, rounded.
        let plain = ring.params.plaintext();
        let mut divided = Secret::new(body.clone());
        let Ciphertext { c0, c1 } = divided.expose_mut();
        for half in [c0, c1] {
            for (limb, words) in half.limbs_mut() {
                let modulo = limb.modulo();
                let inverse = modulo.sub(0, modulo.inverse(plain));
                simd::scale(words, limb.reducer().factor(inverse), 0, limb.reducer());
            }
        }
        let public = ring.public.truncated(&scheme.ring);
        Ok(scheme.answer(divided.expose(), masks, &public, rng))
    }

    fn count_switch(&self, level: usize) {
        self.tally.switches.fetch_add(1, Ordering::Relaxed);
        self.tally
            .primes
            .fetch_add(level * (level + 1), Ordering::Relaxed);
    }

    fn fits(&self, noise: Noise, level: usize) -> Result<(), ExactError> {
        if noise.bound < self.model.room(level) {
            return Ok(());
        }
        Err(ExactError::Flooding {
            declared: noise.bound.log2() as u64,
            actual: 0,
            expected: crate::exact::noise::FLOODING_BITS,
        })
    }
}

/// The phase of an encryption as the message plus a multiple of `p`.
pub(super) fn raised(params: &ProductParams, mut body: Ciphertext) -> Ciphertext {
    for half in [&mut body.c0, &mut body.c1] {
        for (limb, words) in half.limbs_mut() {
            simd::scale(
                words,
                limb.reducer().factor(params.plaintext()),
                0,
                limb.reducer(),
            );
        }
    }
    body
}

/// The coefficients modulo `p` of numbers in slots, those left out 0.
pub(super) fn coefficients(params: &ProductParams, numbers: &[u64]) -> Result<Secret<Vec<u64>>, ExactError> {
    let mut words = Secret::new(vec![0; params.slots()]);
    if numbers.len() > params.slots() {
        length("slots", numbers.len(), params.slots())?;
    }
    params.input().check("number", numbers, numbers.len())?;
    for (place, number) in params.slot_places().iter().zip(numbers) {
        if let Some(word) = words.expose_mut().get_mut(*place) {
            *word = *number;
        }
    }
    params.transform().inverse(words.expose_mut());
    Ok(words)
}

impl fmt::Debug for ProductEvaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ring {
            Some(ring) => write!(f, "ProductEvaluator({:?}, {:?})", ring.params, ring.public),
            None => f.write_str("ProductEvaluator(bounds)"),
        }
    }
}
