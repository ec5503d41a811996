//! Sums and products with plaintexts and numbers.

use super::{Evaluator, Rescale, Scratch, levels_left};
use crate::ckks::ciphertext::{Ciphertext, same_scale};
use crate::ckks::encoder::scaled;
use crate::ckks::error::CkksError;
use crate::ckks::parallel;
use crate::ckks::plaintext::PreparedPlaintext;
use crate::ring::basis::Limb;
use crate::ring::simd;

impl Evaluator {
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
        let mut out = self.empty();
        self.dot_plain_into(&mut out, a, b)?;
        Ok(out)
    }

    /// As [`dot_plain`](Self::dot_plain), into a destination.
    ///
    /// # Errors
    /// As [`dot_plain`](Self::dot_plain).
    pub fn dot_plain_into(
        &self,
        out: &mut Ciphertext,
        a: &[&Ciphertext],
        b: &[&PreparedPlaintext],
    ) -> Result<(), CkksError> {
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
        out.reshape(first, &self.params, first.level(), 2, scale);
        let words = 2 * a.len() * first.parts()[0].words().len();
        let [c0, c1] = &mut out.parts_mut()[..] else {
            return Ok(());
        };
        let tasks = c0.limbs_mut().zip(c1.limbs_mut()).enumerate();
        parallel::for_each(words, tasks, |(index, ((limb, c0), (_, c1)))| {
            let plain: Vec<&[u64]> = b.iter().map(|b| b.values.limb(index)).collect();
            let part =
                |part: usize| -> Vec<&[u64]> { a.iter().map(|a| a.parts()[part].limb(index)).collect() };
            simd::dot_pair(c0, c1, &plain, &part(0), &part(1), limb.reducer());
        });
        Ok(())
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

    /// `a *= i`, without a change of scale or level.
    ///
    /// # Errors
    /// Other parameters or key.
    pub fn mul_i_assign(&self, a: &mut Ciphertext) -> Result<(), CkksError> {
        self.check(a)?;
        for part in a.parts_mut() {
            for ((limb, words), factors) in part.limbs_mut().zip(&self.params.tables().imaginary) {
                let halves = words.chunks_exact_mut(limb.degree() / 2);
                halves
                    .zip(factors)
                    .for_each(|(half, factor)| simd::scale(half, *factor, 0, limb.reducer()));
            }
        }
        Ok(())
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
