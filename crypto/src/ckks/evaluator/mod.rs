//! Arithmetic on ciphertexts.
//!
//! | module | what it holds |
//! |---|---|
//! | this one | sums, products with plaintexts and numbers, levels and scales |
//! | [`product`](self) | products of ciphertexts, relinearisation, rescaling |
//! | [`rotate`](self) | rotations, conjugation, sums over slots |
//!
//! Operands of a sum or product have one level, and those of a sum one scale: [`Evaluator::align`] takes a ciphertext to a
//! lower level with the canonical scale there.

mod product;
mod rotate;

use std::fmt;
use std::sync::Arc;

use super::ciphertext::{Ciphertext, same_scale};
use super::encoder::scaled;
use super::error::CkksError;
use super::eval_key::EvalKeys;
use super::key_switch::{Raised, Room, rescale};
use super::parallel;
use super::params::Params;
use super::plaintext::PreparedPlaintext;
use crate::ring::basis::Limb;
use crate::ring::simd;
use crate::ring::{Eval, Poly};

/// Whether a product is rescaled at once or left with the product of the scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescale {
    /// At once: one level lower. With a product of ciphertexts that costs less than to do it afterwards.
    Now,
    /// Not yet: sums of such products are rescaled once.
    Lazy,
}

/// Evaluates on ciphertexts of one key.
#[derive(Clone, Debug)]
pub struct Evaluator {
    params: Params,
    keys: Arc<EvalKeys>,
}

/// Room for an evaluator's intermediate results: one for each thread that calls it, reused from call to call. It has a
/// worker for each thread of the pool that it is made in.
pub struct Scratch {
    pub(super) room: Room,
    pub(super) raised: Raised,
    pub(super) product: Ciphertext,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch")
    }
}

impl Evaluator {
    /// An evaluator with the keys of a client.
    ///
    /// # Errors
    /// Keys for other parameters.
    pub fn new(params: &Params, keys: Arc<EvalKeys>) -> Result<Self, CkksError> {
        params.check("evaluation keys", keys.params())?;
        Ok(Self {
            params: params.clone(),
            keys,
        })
    }

    /// The parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The keys.
    pub const fn keys(&self) -> &Arc<EvalKeys> {
        &self.keys
    }

    /// Room for this evaluator's work.
    pub fn scratch(&self) -> Scratch {
        Scratch {
            room: Room::new(&self.params),
            raised: Raised::empty(),
            product: self.empty(),
        }
    }

    /// A ciphertext to be overwritten: the destination of the `_into` operations.
    pub fn empty(&self) -> Ciphertext {
        let zero = || Poly::zero(self.params.basis(0));
        Ciphertext::new(
            self.params.digest(),
            self.keys.id(),
            self.params.scale(0),
            vec![zero(), zero()],
        )
    }

    /// `a += b`.
    ///
    /// # Errors
    /// Other levels, scales, parameters or keys.
    pub fn add_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), CkksError> {
        self.check_pair(a, b)?;
        a.check_scale("a summand", b.scale())?;
        self.zip(a, b, simd::add, false);
        Ok(())
    }

    /// `a -= b`.
    ///
    /// # Errors
    /// Other levels, scales, parameters or keys.
    pub fn sub_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), CkksError> {
        self.check_pair(a, b)?;
        a.check_scale("a subtrahend", b.scale())?;
        self.zip(a, b, simd::sub, true);
        Ok(())
    }

    /// `a + b`.
    ///
    /// # Errors
    /// As [`add_assign`](Self::add_assign).
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, CkksError> {
        let mut sum = a.clone();
        self.add_assign(&mut sum, b)?;
        Ok(sum)
    }

    /// `a - b`.
    ///
    /// # Errors
    /// As [`sub_assign`](Self::sub_assign).
    pub fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, CkksError> {
        let mut difference = a.clone();
        self.sub_assign(&mut difference, b)?;
        Ok(difference)
    }

    /// `a = -a`.
    ///
    /// # Errors
    /// Other parameters or key.
    pub fn neg_assign(&self, a: &mut Ciphertext) -> Result<(), CkksError> {
        self.check(a)?;
        for part in a.parts_mut() {
            part.limbs_mut()
                .for_each(|(limb, words)| simd::negate(words, limb.reducer()));
        }
        Ok(())
    }

    /// `a += numbers`.
    ///
    /// # Errors
    /// Another scale or other parameters, or a plaintext prepared for a lower level.
    pub fn add_plain_assign(&self, a: &mut Ciphertext, b: &PreparedPlaintext) -> Result<(), CkksError> {
        self.check_plain(a, b)?;
        a.check_scale("a plaintext summand", b.scale)?;
        for (index, (limb, words)) in a.parts_mut()[0].limbs_mut().enumerate() {
            simd::add(words, b.values.limb(index), limb.reducer());
        }
        Ok(())
    }

    /// `a += number` in every slot.
    ///
    /// # Errors
    /// A number that is not finite, or a ciphertext of other parameters or under another key.
    pub fn add_scalar_assign(&self, a: &mut Ciphertext, number: f64) -> Result<(), CkksError> {
        self.check(a)?;
        let product = number * a.scale();
        if !product.is_finite() {
            return Err(CkksError::Magnitude {
                what: "a number to add",
                actual_log2: f64::INFINITY,
                limit_log2: f64::MAX.log2(),
            });
        }
        for (limb, words) in a.parts_mut()[0].limbs_mut() {
            let (modulo, constant) = (limb.modulo(), residue(product, limb));
            words
                .iter_mut()
                .for_each(|word| *word = modulo.add(*word, constant));
        }
        Ok(())
    }

    /// `a *= numbers`, slot by slot, with the product of the scales.
    ///
    /// # Errors
    /// Other parameters or key, or a plaintext prepared for a lower level.
    pub fn mul_plain_assign(&self, a: &mut Ciphertext, b: &PreparedPlaintext) -> Result<(), CkksError> {
        self.check_plain(a, b)?;
        for part in a.parts_mut() {
            let words = part.words().len();
            parallel::for_each(words, part.limbs_mut().enumerate(), |(index, (limb, words))| {
                simd::mul(words, b.values.limb(index), limb.reducer());
            });
        }
        a.set_scale(a.scale() * b.scale);
        Ok(())
    }

    /// `a * numbers`, slot by slot, with the product of the scales, into a destination.
    ///
    /// # Errors
    /// As [`mul_plain_assign`](Self::mul_plain_assign).
    pub fn mul_plain_into(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        b: &PreparedPlaintext,
    ) -> Result<(), CkksError> {
        self.check_plain(a, b)?;
        out.reshape(a, &self.params, a.level(), a.parts().len(), a.scale() * b.scale);
        for (out, part) in out.parts_mut().iter_mut().zip(a.parts()) {
            let words = part.words().len();
            parallel::for_each(words, out.limbs_mut().enumerate(), |(index, (limb, out))| {
                simd::mul_into(out, part.limb(index), b.values.limb(index), limb.reducer());
            });
        }
        Ok(())
    }

    /// `a * numbers`, slot by slot, with the product of the scales.
    ///
    /// # Errors
    /// As [`mul_plain_assign`](Self::mul_plain_assign).
    pub fn mul_plain(&self, a: &Ciphertext, b: &PreparedPlaintext) -> Result<Ciphertext, CkksError> {
        let mut out = self.empty();
        self.mul_plain_into(&mut out, a, b)?;
        Ok(out)
    }

    /// `sum_i a_i * numbers_i`, slot by slot, with the product of the scales: one reduction for many products.
    ///
    /// # Errors
    /// None or different numbers of ciphertexts and plaintexts; ciphertexts of three parts, or that are not of one level
    /// and key; products of different scales; plaintexts prepared for a lower level.
    pub fn dot_plain(&self, a: &[&Ciphertext], b: &[&PreparedPlaintext]) -> Result<Ciphertext, CkksError> {
        let (Some(first), Some(first_plain)) = (a.first(), b.first()) else {
            return Err(CkksError::Length {
                what: "pairs of a dot product",
                actual: 0,
                expected: a.len().max(b.len()).max(1),
            });
        };
        if a.len() != b.len() {
            return Err(CkksError::Length {
                what: "plaintexts of a dot product",
                actual: b.len(),
                expected: a.len(),
            });
        }
        let scale = first.scale() * first_plain.scale;
        for (a, b) in a.iter().zip(b) {
            self.check_pair(first, a)?;
            self.check_plain(a, b)?;
            a.check_parts("a factor of a dot product", 2)?;
            if !same_scale(a.scale() * b.scale, scale) {
                return Err(CkksError::Scale {
                    what: "a product",
                    actual_log2: (a.scale() * b.scale).log2(),
                    expected_log2: scale.log2(),
                });
            }
        }
        let mut out = self.empty();
        out.reshape(first, &self.params, first.level(), 2, scale);
        let words = 2 * a.len() * first.parts()[0].words().len();
        let [c0, c1] = &mut out.parts_mut()[..] else {
            return Ok(out);
        };
        let tasks = c0.limbs_mut().zip(c1.limbs_mut()).enumerate();
        parallel::for_each(words, tasks, |(index, ((limb, c0), (_, c1)))| {
            let plain: Vec<&[u64]> = b.iter().map(|b| b.values.limb(index)).collect();
            let part =
                |part: usize| -> Vec<&[u64]> { a.iter().map(|a| a.parts()[part].limb(index)).collect() };
            simd::dot_pair(c0, c1, &plain, &part(0), &part(1), limb.reducer());
        });
        Ok(out)
    }

    /// `a *= number`. With [`Rescale::Now`] a canonical scale stays canonical; with [`Rescale::Lazy`] the scale is multiplied by
    /// the canonical scale of the level.
    ///
    /// # Errors
    /// A number that is not finite or too large, no level left, or other parameters or key.
    pub fn mul_scalar_assign(
        &self,
        a: &mut Ciphertext,
        number: f64,
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        self.check(a)?;
        let scale = self.params.scale(a.level());
        let factor = scaled(number, scale)?;
        if when == Rescale::Now {
            levels_left("a product with a number", a.level(), 1)?;
        }
        self.scale_by(a, factor);
        a.set_scale(a.scale() * scale);
        if when == Rescale::Now {
            self.rescale_assign(a, scratch)?;
        }
        Ok(())
    }

    /// `a *= integer`, without a change of scale or level.
    ///
    /// # Errors
    /// Other parameters or key.
    pub fn mul_integer_assign(&self, a: &mut Ciphertext, factor: i32) -> Result<(), CkksError> {
        self.check(a)?;
        self.scale_by(a, factor.into());
        Ok(())
    }

    /// Divides by the prime of the level and drops the level: the scale is divided by that prime too.
    ///
    /// # Errors
    /// No level left, or other parameters or key.
    pub fn rescale_assign(&self, a: &mut Ciphertext, scratch: &mut Scratch) -> Result<(), CkksError> {
        self.check(a)?;
        let level = a.level();
        levels_left("a rescale", level, 1)?;
        rescale(&self.params, level, a.parts_mut(), &mut scratch.room);
        self.rescaled(a, level);
        Ok(())
    }

    /// Drops primes: the same numbers at the same scale, at a lower level.
    ///
    /// # Errors
    /// A higher level than the ciphertext's.
    pub fn drop_level(&self, a: &mut Ciphertext, level: usize) -> Result<(), CkksError> {
        self.check(a)?;
        if level > a.level() {
            return Err(CkksError::Level {
                what: "a ciphertext",
                actual: a.level(),
                expected: level,
            });
        }
        a.parts_mut()
            .iter_mut()
            .for_each(|part| part.truncate(self.params.basis(level)));
        Ok(())
    }

    /// The same numbers at a level, with its canonical scale: drops primes, and multiplies by a constant that makes up for the
    /// scale, which is right but for one part in `2^scale_bits`.
    ///
    /// # Errors
    /// A ciphertext of a lower level, or of this one and not its canonical scale, or of a scale so large or small that a
    /// constant does not make up for it.
    pub fn align(
        &self,
        a: &Ciphertext,
        level: usize,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        self.check(a)?;
        let mut out = a.clone();
        let wanted = self.params.scale(level);
        if a.level() == level {
            if same_scale(a.scale(), wanted) {
                out.set_scale(wanted);
                return Ok(out);
            }
            return Err(CkksError::Scale {
                what: "a ciphertext to align",
                actual_log2: a.scale().log2(),
                expected_log2: wanted.log2(),
            });
        }
        self.drop_level(&mut out, level.saturating_add(1))?;
        let prime = self.params.prime(level + 1) as f64;
        let factor = (wanted * prime / a.scale()).round();
        if factor < f64::from(1 << 16) || factor.log2() > 61.0 {
            return Err(CkksError::Scale {
                what: "a ciphertext to align",
                actual_log2: a.scale().log2(),
                expected_log2: wanted.log2(),
            });
        }
        self.scale_by(&mut out, factor as i64);
        out.set_scale(wanted * prime);
        self.rescale_assign(&mut out, scratch)?;
        Ok(out)
    }

    /// Multiplies all words by an integer.
    pub(super) fn scale_by(&self, a: &mut Ciphertext, factor: i64) {
        for part in a.parts_mut() {
            for (limb, words) in part.limbs_mut() {
                let modulus = limb.modulo().modulus();
                let factor = limb.reducer().factor(factor.rem_euclid(modulus as i64) as u64);
                simd::scale(words, factor, 0, limb.reducer());
            }
        }
    }

    /// `a += b * integer`, whatever the scales; `b` may have a higher level and fewer parts.
    pub(super) fn add_scaled(&self, a: &mut Ciphertext, b: &Ciphertext, factor: i64) {
        for (a, b) in a.parts_mut().iter_mut().zip(b.parts()) {
            for (index, (limb, words)) in a.limbs_mut().enumerate() {
                let modulus = limb.modulo().modulus();
                let factor = limb.reducer().factor(factor.rem_euclid(modulus as i64) as u64);
                simd::add_scaled(words, b.limb(index), factor, limb.reducer());
            }
        }
    }

    /// Sets the scale after a rescale at a level; to the last bit if it is the canonical one.
    pub(super) fn rescaled(&self, a: &mut Ciphertext, level: usize) {
        let scale = a.scale() / self.params.prime(level) as f64;
        let canonical = self.params.scale(level - 1);
        a.set_scale(if same_scale(scale, canonical) {
            canonical
        } else {
            scale
        });
    }

    pub(super) fn check(&self, a: &Ciphertext) -> Result<(), CkksError> {
        self.params.check("a ciphertext", a.params())?;
        if a.key() == self.keys.id() {
            return Ok(());
        }
        Err(CkksError::Key {
            what: "a ciphertext",
            actual: a.key(),
            expected: self.keys.id(),
        })
    }

    pub(super) fn check_pair(&self, a: &Ciphertext, b: &Ciphertext) -> Result<(), CkksError> {
        self.check(a)?;
        self.check(b)?;
        if a.level() == b.level() {
            return Ok(());
        }
        Err(CkksError::Level {
            what: "the second operand",
            actual: b.level(),
            expected: a.level(),
        })
    }

    fn check_plain(&self, a: &Ciphertext, b: &PreparedPlaintext) -> Result<(), CkksError> {
        self.check(a)?;
        self.params.check("a plaintext", b.params)?;
        if b.level() >= a.level() {
            return Ok(());
        }
        Err(CkksError::Level {
            what: "a plaintext prepared",
            actual: b.level(),
            expected: a.level(),
        })
    }

    /// `a = kernel(a, b)` part by part; a part that `a` lacks is that of `b`, or its negative.
    fn zip(
        &self,
        a: &mut Ciphertext,
        b: &Ciphertext,
        kernel: fn(&mut [u64], &[u64], simd::Reducer),
        negative: bool,
    ) {
        for (a, b) in a.parts_mut().iter_mut().zip(b.parts()) {
            for (index, (limb, words)) in a.limbs_mut().enumerate() {
                kernel(words, b.limb(index), limb.reducer());
            }
        }
        for part in &b.parts()[a.parts().len().min(b.parts().len())..] {
            let mut part: Poly<Eval> = part.clone();
            if negative {
                part.limbs_mut()
                    .for_each(|(limb, words)| simd::negate(words, limb.reducer()));
            }
            a.parts_mut().push(part);
        }
    }
}

pub(super) fn levels_left(what: &'static str, actual: usize, needed: usize) -> Result<(), CkksError> {
    if actual >= needed {
        return Ok(());
    }
    Err(CkksError::LevelsExhausted { what, actual, needed })
}

/// A finite number, rounded, modulo a prime.
fn residue(number: f64, limb: &Limb) -> u64 {
    let modulo = limb.modulo();
    let magnitude = number.abs().round();
    // A double of 2^53 and more is an integer times a power of two.
    let exponent = (magnitude.log2() as i32 - 60).max(0);
    let mantissa = (magnitude / 2_f64.powi(exponent)) as u64 % modulo.modulus();
    let word = modulo.mul(mantissa, modulo.power(2, exponent as u64));
    if number < 0.0 { modulo.sub(0, word) } else { word }
}
