//! Products of ciphertexts, and relinearisation.

use super::{Evaluator, Rescale, Scratch, levels_left};
use crate::ckks::ciphertext::{Ciphertext, same_scale};
use crate::ckks::error::CkksError;
use crate::ckks::key_switch::{Digits, Inner, shares};
use crate::ckks::parallel;
use crate::ring::simd;

impl Evaluator {
    /// `a * b`, slot by slot.
    ///
    /// # Errors
    /// Other levels, parameters or keys; operands of three parts; no relinearisation key for the level; no level left
    /// for [`Rescale::Now`].
    pub fn mul(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        let mut out = self.empty();
        self.mul_into(&mut out, a, b, when, scratch)?;
        Ok(out)
    }

    /// `a * a`, slot by slot.
    ///
    /// # Errors
    /// As [`mul`](Self::mul).
    pub fn square(
        &self,
        a: &Ciphertext,
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        self.mul(a, a, when, scratch)
    }

    /// `a * b`, slot by slot, into a destination.
    ///
    /// # Errors
    /// As [`mul`](Self::mul).
    pub fn mul_into(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        b: &Ciphertext,
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        self.relinearized(out, when, scratch, |product| self.tensor_into(product, a, b))
    }

    /// What `fill` makes of three parts, in the room that the scratch has for them, relinearised into a destination.
    fn relinearized(
        &self,
        out: &mut Ciphertext,
        when: Rescale,
        scratch: &mut Scratch,
        fill: impl FnOnce(&mut Ciphertext) -> Result<(), CkksError>,
    ) -> Result<(), CkksError> {
        let nothing = Ciphertext::new(self.params().digest(), self.keys().id(), 1.0, Vec::new());
        let mut product = std::mem::replace(&mut scratch.product, nothing);
        let result = fill(&mut product).and_then(|()| self.relinearize_into(out, &product, when, scratch));
        scratch.product = product;
        result
    }

    /// `a * b` as a ciphertext of three parts: sums of such products are relinearised once.
    ///
    /// # Errors
    /// Other levels, parameters or keys; operands of three parts.
    pub fn tensor(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, CkksError> {
        let mut out = self.empty();
        self.tensor_into(&mut out, a, b)?;
        Ok(out)
    }

    /// As [`tensor`](Self::tensor), into a destination.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn tensor_into(&self, out: &mut Ciphertext, a: &Ciphertext, b: &Ciphertext) -> Result<(), CkksError> {
        self.check_pair(a, b)?;
        a.check_parts("a factor", 2)?;
        b.check_parts("a factor", 2)?;
        out.reshape(a, self.params(), a.level(), 3, a.scale() * b.scale());
        let [out0, out1, out2] = &mut out.parts_mut()[..] else {
            return Ok(());
        };
        let words = 3 * out0.words().len();
        let outs = out0
            .limbs_mut()
            .zip(out1.limbs_mut())
            .zip(out2.limbs_mut())
            .enumerate();
        parallel::for_each(words, outs, |(index, (((limb, out0), (_, out1)), (_, out2)))| {
            let [a0, a1, b0, b1] =
                [(a, 0), (a, 1), (b, 0), (b, 1)].map(|(ct, part)| ct.parts()[part].limb(index));
            simd::tensor(out0, out1, out2, a0, a1, b0, b1, limb.reducer());
        });
        Ok(())
    }

    /// `sum_i a_i b_i`, slot by slot, relinearised once.
    ///
    /// # Errors
    /// None or different numbers of factors; factors of three parts, or that are not of one level and key; products of
    /// different scales; no relinearisation key for the level; no level left for [`Rescale::Now`].
    pub fn dot_into(
        &self,
        out: &mut Ciphertext,
        a: &[&Ciphertext],
        b: &[&Ciphertext],
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        self.relinearized(out, when, scratch, |sum| self.dot_tensor_into(sum, a, b))
    }

    /// `sum_i a_i b_i` as a ciphertext of three parts: one reduction for many products.
    fn dot_tensor_into(
        &self,
        out: &mut Ciphertext,
        a: &[&Ciphertext],
        b: &[&Ciphertext],
    ) -> Result<(), CkksError> {
        let (Some(first), Some(other), true) = (a.first(), b.first(), a.len() == b.len()) else {
            return Err(CkksError::Length {
                what: "factors of a dot product",
                actual: b.len(),
                expected: a.len().max(1),
            });
        };
        let scale = first.scale() * other.scale();
        for (a, b) in a.iter().zip(b) {
            self.check_pair(first, a)?;
            self.check_pair(first, b)?;
            a.check_parts("a factor", 2)?;
            b.check_parts("a factor", 2)?;
            if !same_scale(a.scale() * b.scale(), scale) {
                return Err(CkksError::Scale {
                    what: "a product",
                    actual_log2: (a.scale() * b.scale()).log2(),
                    expected_log2: scale.log2(),
                });
            }
        }
        out.reshape(first, self.params(), first.level(), 3, scale);
        let [out0, out1, out2] = &mut out.parts_mut()[..] else {
            return Ok(());
        };
        let words = 4 * a.len() * out0.words().len();
        let outs = out0
            .limbs_mut()
            .zip(out1.limbs_mut())
            .zip(out2.limbs_mut())
            .enumerate();
        parallel::for_each(words, outs, |(index, (((limb, out0), (_, out1)), (_, out2)))| {
            let [a0, a1, b0, b1] = [(a, 0), (a, 1), (b, 0), (b, 1)].map(|(cts, part)| {
                let limbs = cts.iter().map(|ct| ct.parts()[part].limb(index));
                limbs.collect::<Vec<_>>()
            });
            let crossed = ([&a0[..], &a1].concat(), [&b1[..], &b0].concat());
            simd::dot(out0, &a0, &b0, limb.reducer());
            simd::dot(out1, &crossed.0, &crossed.1, limb.reducer());
            simd::dot(out2, &a1, &b1, limb.reducer());
        });
        Ok(())
    }

    /// A ciphertext of three parts as one of two, rescaled if that is asked for: the division by the level's prime is then part
    /// of that by the special primes.
    ///
    /// # Errors
    /// A ciphertext of two parts; no relinearisation key for the level; no level left for [`Rescale::Now`]; other
    /// parameters or key.
    pub fn relinearize_into(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        self.check(a)?;
        a.check_parts("a product to relinearise", 3)?;
        let (params, level) = (self.params(), a.level());
        let rescale = when == Rescale::Now;
        levels_left("a rescaled product", level, usize::from(rescale))?;
        let key = self.keys().square(level)?;
        let [c0, c1, c2] = a.parts() else { return Ok(()) };
        let room = &mut scratch.room;
        shares(params, level, c2.words(), &mut room.shares, &mut room.workers);
        let digits = Digits::Shares {
            shares: &room.shares,
            values: c2.words(),
        };
        let product = Inner {
            params,
            level,
            digits,
            key,
            add: [Some(c0), Some(c1)],
        };
        out.reshape(a, params, level - usize::from(rescale), 2, a.scale());
        let [out0, out1] = &mut out.parts_mut()[..] else {
            return Ok(());
        };
        let degree = params.degree();
        let outs = out0
            .words_mut()
            .chunks_exact_mut(degree)
            .zip(out1.words_mut().chunks_exact_mut(degree));
        product.divided(
            rescale,
            &mut room.extended,
            &mut room.workers,
            outs,
            |pair, (out0, out1)| {
                let (first, second) = pair.split_at(degree);
                out0.copy_from_slice(first);
                out1.copy_from_slice(second);
            },
        );
        if rescale {
            self.rescaled(out, level);
        }
        Ok(())
    }

    /// As [`relinearize_into`](Self::relinearize_into), as a new ciphertext.
    ///
    /// # Errors
    /// As [`relinearize_into`](Self::relinearize_into).
    pub fn relinearize(
        &self,
        a: &Ciphertext,
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        let mut out = self.empty();
        self.relinearize_into(&mut out, a, when, scratch)?;
        Ok(out)
    }
}
