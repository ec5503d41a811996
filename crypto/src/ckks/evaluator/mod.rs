//! Arithmetic on ciphertexts.
//!
//! | module | what it holds |
//! |---|---|
//! | this one | sums, levels and scales |
//! | [`plain`](self) | sums and products with plaintexts and numbers |
//! | [`product`](self) | products of ciphertexts, relinearisation, rescaling |
//! | [`rotate`](self) | rotations, conjugation, sums over slots |
//!
//! Operands of a sum or product have one level, and those of a sum one scale: [`Evaluator::align`] takes a ciphertext to a
//! lower level with the canonical scale there.

mod plain;
mod product;
mod rotate;

use std::fmt;
use std::sync::Arc;

use super::ciphertext::{Ciphertext, same_scale};
use super::error::CkksError;
use super::eval_key::EvalKeys;
use super::key_switch::{Raised, Room, rescale};
use super::params::Params;
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

    /// `out = a`, without the primes above `level`.
    ///
    /// # Errors
    /// A higher level than the ciphertext's, or other parameters or key.
    pub fn copy_into(&self, out: &mut Ciphertext, a: &Ciphertext, level: usize) -> Result<(), CkksError> {
        self.check(a)?;
        self.check_below(a, level)?;
        out.reshape(a, &self.params, level, a.parts().len(), a.scale());
        for (out, part) in out.parts_mut().iter_mut().zip(a.parts()) {
            let length = out.words().len();
            out.words_mut().copy_from_slice(&part.words()[..length]);
        }
        Ok(())
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
        self.check_below(a, level)?;
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
        let mut out = self.empty();
        self.align_into(&mut out, a, level, scratch)?;
        Ok(out)
    }

    /// As [`align`](Self::align), into a destination.
    ///
    /// # Errors
    /// As [`align`](Self::align).
    pub fn align_into(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        level: usize,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        self.check(a)?;
        let wanted = self.params.scale(level);
        if a.level() == level {
            if same_scale(a.scale(), wanted) {
                self.copy_into(out, a, level)?;
                out.set_scale(wanted);
                return Ok(());
            }
            return Err(CkksError::Scale {
                what: "a ciphertext to align",
                actual_log2: a.scale().log2(),
                expected_log2: wanted.log2(),
            });
        }
        self.check_below(a, level.saturating_add(1))?;
        let prime = self.params.prime(level + 1) as f64;
        let factor = (wanted * prime / a.scale()).round();
        if factor < f64::from(1 << 16) || factor.log2() > 61.0 {
            return Err(CkksError::Scale {
                what: "a ciphertext to align",
                actual_log2: a.scale().log2(),
                expected_log2: wanted.log2(),
            });
        }
        self.copy_into(out, a, level + 1)?;
        self.scale_by(out, factor as i64);
        out.set_scale(wanted * prime);
        self.rescale_assign(out, scratch)
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

    fn check_below(&self, a: &Ciphertext, level: usize) -> Result<(), CkksError> {
        if level <= a.level() {
            return Ok(());
        }
        Err(CkksError::Level {
            what: "a ciphertext",
            actual: a.level(),
            expected: level,
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
