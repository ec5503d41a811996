//! Rotations, conjugation, sums over slots.
//!
//! The key is switched first, from `s` to the secret whose image under the automorphism is `s`, and the automorphism applied
//! to the result: so that several rotations share the raised digits (hoisting; Halevi and Shoup, *Faster homomorphic linear
//! transformations in HElib*, Crypto 2018, section 5).

use super::{Evaluator, Scratch};
use crate::ckks::ciphertext::Ciphertext;
use crate::ckks::error::CkksError;
use crate::ckks::eval_key::conjugation;
use crate::ckks::key_switch::{Digits, Inner, Raised, Room, shares};
use crate::ring::simd;

impl Evaluator {
    /// Rotates the slots to the left by `step`, to the right if it is negative.
    ///
    /// # Errors
    /// No Galois key for the step and level; a ciphertext of three parts, or of other parameters or key.
    pub fn rotate(&self, a: &Ciphertext, step: i32, scratch: &mut Scratch) -> Result<Ciphertext, CkksError> {
        let mut out = self.empty();
        self.rotate_into(&mut out, a, step, scratch)?;
        Ok(out)
    }

    /// As [`rotate`](Self::rotate), into a destination.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn rotate_into(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        step: i32,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        let exponent = self
            .params()
            .tables()
            .automorphisms
            .rotation_exponent(step.into());
        self.galois(
            out,
            a,
            exponent,
            || format!("Galois key for a rotation by {step}"),
            scratch,
        )
    }

    /// The complex conjugates of all slots.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn conjugate(&self, a: &Ciphertext, scratch: &mut Scratch) -> Result<Ciphertext, CkksError> {
        let mut out = self.empty();
        self.conjugate_into(&mut out, a, scratch)?;
        Ok(out)
    }

    /// As [`conjugate`](Self::conjugate), into a destination.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn conjugate_into(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        let exponent = conjugation(self.params()) as usize;
        self.galois(
            out,
            a,
            exponent,
            || "Galois key for the conjugation".into(),
            scratch,
        )
    }

    /// Several rotations of one ciphertext, which share the most expensive part.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn rotate_many(
        &self,
        a: &Ciphertext,
        steps: &[i32],
        scratch: &mut Scratch,
    ) -> Result<Vec<Ciphertext>, CkksError> {
        let mut outs: Vec<Ciphertext> = steps.iter().map(|_| self.empty()).collect();
        self.rotate_many_into(&mut outs, a, steps, scratch)?;
        Ok(outs)
    }

    /// As [`rotate_many`](Self::rotate_many), into one destination for each step.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate), and another number of destinations.
    pub fn rotate_many_into(
        &self,
        outs: &mut [Ciphertext],
        a: &Ciphertext,
        steps: &[i32],
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        self.check(a)?;
        a.check_parts("a ciphertext to rotate", 2)?;
        if outs.len() != steps.len() {
            return Err(CkksError::Length {
                what: "destinations of rotations",
                actual: outs.len(),
                expected: steps.len(),
            });
        }
        let params = self.params();
        let Scratch { room, raised, .. } = scratch;
        raised.fill(params, a.level(), a.parts()[1].words(), room);
        for (out, step) in outs.iter_mut().zip(steps) {
            let exponent = params.tables().automorphisms.rotation_exponent((*step).into());
            let name = || format!("Galois key for a rotation by {step}");
            self.switch(out, a, exponent, name, Some(raised), room)?;
        }
        Ok(())
    }

    /// In every slot `i` the sum of slots `i + stride * j` for `j` below `count`, a power of two, around the end:
    /// `log2 count` rotations by `stride`, `2 stride`, ...
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate), and a count that is no power of two.
    pub fn rotate_and_sum(
        &self,
        a: &Ciphertext,
        count: usize,
        stride: i32,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        if !count.is_power_of_two() {
            return Err(CkksError::Length {
                what: "summands of a sum by rotations",
                actual: count,
                expected: count.next_power_of_two(),
            });
        }
        self.check(a)?;
        let mut sum = a.clone();
        let mut rotated = self.empty();
        for doubling in 0..count.ilog2() {
            self.rotate_into(&mut rotated, &sum, stride << doubling, scratch)?;
            self.add_assign(&mut sum, &rotated)?;
        }
        Ok(sum)
    }

    fn galois(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        exponent: usize,
        name: impl Fn() -> String,
        scratch: &mut Scratch,
    ) -> Result<(), CkksError> {
        self.check(a)?;
        a.check_parts("a ciphertext to rotate", 2)?;
        self.switch(out, a, exponent, name, None, &mut scratch.room)
    }

    /// Switches the key and applies the automorphism.
    fn switch(
        &self,
        out: &mut Ciphertext,
        a: &Ciphertext,
        exponent: usize,
        name: impl Fn() -> String,
        raised: Option<&Raised>,
        room: &mut Room,
    ) -> Result<(), CkksError> {
        let (params, level) = (self.params(), a.level());
        out.reshape(a, params, level, 2, a.scale());
        if exponent == 1 {
            for (out, part) in out.parts_mut().iter_mut().zip(a.parts()) {
                out.words_mut().copy_from_slice(part.words());
            }
            return Ok(());
        }
        let key = self.keys().galois(exponent, level, name)?;
        let [c0, c1] = a.parts() else { return Ok(()) };
        if raised.is_none() {
            shares(params, level, c1.words(), &mut room.shares, &mut room.workers);
        }
        let digits = raised.map_or(
            Digits::Shares {
                shares: &room.shares,
                values: c1.words(),
            },
            Digits::Raised,
        );
        let switch = Inner {
            params,
            level,
            digits,
            key,
            add: [Some(c0), None],
        };
        let automorphism = params.tables().automorphisms.get(exponent);
        let [out0, out1] = &mut out.parts_mut()[..] else {
            return Ok(());
        };
        let degree = params.degree();
        let outs = out0
            .words_mut()
            .chunks_exact_mut(degree)
            .zip(out1.words_mut().chunks_exact_mut(degree));
        switch.divided(
            false,
            &mut room.extended,
            &mut room.workers,
            outs,
            |pair, (out0, out1)| {
                let (first, second) = pair.split_at(degree);
                simd::permute(out0, first, automorphism.table());
                simd::permute(out1, second, automorphism.table());
            },
        );
        Ok(())
    }
}
