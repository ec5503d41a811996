//! Linear transforms of the slots, given by generalised diagonals.
//!
//! `(M v)_i = sum_d D_d[i] v_(i + d)` (Halevi and Shoup, *Algorithms in HElib*, Crypto 2014, section 4.3). With baby steps `b`
//! and giant steps `g`, `M v = sum_g rot_g( sum_b rot_-g(D_(g+b)) rot_b(v) )`. All baby rotations share their raised digits and
//! stay undivided by the special primes until the giant step; all giant steps share one division at the end: double
//! hoisting (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux, *Efficient bootstrapping for approximate homomorphic encryption with
//! non-sparse keys*, Eurocrypt 2021, algorithm 6).

use std::sync::Arc;

use super::ciphertext::Ciphertext;
use super::diagonals::PreparedDiagonals;
use super::error::CkksError;
use super::eval_key::SwitchingKey;
use super::evaluator::{Evaluator, Rescale, Scratch, levels_left};
use super::key_switch::{Digits, Inner, divide, shares};
use super::parallel::{self, Words, words};
use super::params::Params;
use super::plaintext::PreparedPlaintext;
use crate::ring::automorphism::Automorphism;
use crate::ring::simd;

impl Evaluator {
    /// Applies a linear transform to the slots.
    ///
    /// # Errors
    /// A ciphertext of another level than the transform's, of three parts, or of other parameters or key; a missing
    /// Galois key; no level left for [`Rescale::Now`].
    pub fn linear_transform(
        &self,
        a: &Ciphertext,
        transform: &PreparedDiagonals,
        when: Rescale,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        self.check(a)?;
        a.check_parts("a ciphertext to transform", 2)?;
        let params = self.params();
        params.check("a linear transform", transform.params)?;
        let level = a.level();
        if level != transform.level {
            return Err(CkksError::Level {
                what: "a ciphertext to transform",
                actual: level,
                expected: transform.level,
            });
        }
        let rescale = when == Rescale::Now;
        levels_left("a rescaled linear transform", level, usize::from(rescale))?;

        let degree = params.degree();
        let rows = params.extended(level).len();
        let babies = self.babies(a, &transform.babies, scratch)?;
        let mut total = words(rows * 2 * degree);
        // The first and the second halves of one giant step, `[rows, N]` each.
        let (mut firsts, mut seconds) = (words(rows * degree), words(rows * degree));
        let mut divided = words((level + 1) * degree);
        for (giant, group) in &transform.giants {
            let step = self.step(*giant, level)?;
            sum_group(params, level, &babies, group, &mut firsts, &mut seconds);
            let Some((key, automorphism)) = step else {
                let halves = firsts.chunks_exact(degree).zip(seconds.chunks_exact(degree));
                let tasks = params
                    .extended(level)
                    .zip(total.chunks_exact_mut(2 * degree).zip(halves));
                parallel::for_each(rows * degree, tasks, |(prime, (total, (first, second)))| {
                    let (total0, total1) = total.split_at_mut(degree);
                    simd::add(total0, first, params.limb(prime).reducer());
                    simd::add(total1, second, params.limb(prime).reducer());
                });
                continue;
            };
            let room = &mut scratch.room;
            let outs = divided.chunks_exact_mut(degree);
            divide(
                params,
                level,
                1,
                false,
                &mut seconds,
                &mut room.workers,
                outs,
                |row, out| {
                    out.copy_from_slice(row);
                },
            );
            shares(params, level, &divided, &mut room.shares, &mut room.workers);
            let digits = Digits::Shares {
                shares: &room.shares,
                values: &divided,
            };
            let switch = Inner {
                params,
                level,
                digits,
                key,
                add: [None, None],
            };
            switch.all(&mut room.extended, &mut room.workers);
            let pairs = room
                .extended
                .chunks_exact_mut(2 * degree)
                .zip(firsts.chunks_exact(degree));
            let tasks = params
                .extended(level)
                .zip(total.chunks_exact_mut(2 * degree).zip(pairs));
            room.workers
                .for_each(rows * degree, tasks, |(prime, (total, (pair, first))), out| {
                    let reducer = params.limb(prime).reducer();
                    simd::add(&mut pair[..degree], first, reducer);
                    for (total, half) in total.chunks_exact_mut(degree).zip(pair.chunks_exact(degree)) {
                        simd::permute(&mut out[..degree], half, automorphism.table());
                        simd::add(total, &out[..degree], reducer);
                    }
                });
        }
        let mut out = self.empty();
        let scale = a.scale() * transform.scale;
        out.reshape(a, params, level - usize::from(rescale), 2, scale);
        let [out0, out1] = &mut out.parts_mut()[..] else {
            return Ok(out);
        };
        let outs = out0
            .words_mut()
            .chunks_exact_mut(degree)
            .zip(out1.words_mut().chunks_exact_mut(degree));
        divide(
            params,
            level,
            2,
            rescale,
            &mut total,
            &mut scratch.room.workers,
            outs,
            |pair, (out0, out1)| {
                let (first, second) = pair.split_at(degree);
                out0.copy_from_slice(first);
                out1.copy_from_slice(second);
            },
        );
        if rescale {
            self.rescaled(&mut out, level);
        }
        Ok(out)
    }

    /// All baby rotations times `P`, modulo all primes, `[rows, 2, N]` each.
    fn babies(&self, a: &Ciphertext, steps: &[i32], scratch: &mut Scratch) -> Result<Vec<Words>, CkksError> {
        let (params, level) = (self.params(), a.level());
        let degree = params.degree();
        let rows = params.extended(level).len();
        let [c0, c1] = a.parts() else {
            return Ok(Vec::new());
        };
        let Scratch { room, raised, .. } = scratch;
        if steps.iter().any(|step| *step != 0) {
            raised.fill(params, level, c1.words(), room);
        }
        let mut babies = Vec::with_capacity(steps.len());
        for step in steps {
            let mut baby = words(rows * 2 * degree);
            if let Some((key, automorphism)) = self.step(*step, level)? {
                let switch = Inner {
                    params,
                    level,
                    digits: Digits::Raised(raised),
                    key,
                    add: [Some(c0), None],
                };
                switch.all(&mut room.extended, &mut room.workers);
                let tasks = baby
                    .chunks_exact_mut(degree)
                    .zip(room.extended.chunks_exact(degree));
                parallel::for_each(rows * 2 * degree, tasks, |(out, source)| {
                    simd::permute(out, source, automorphism.table());
                });
            } else {
                for (prime, pair) in baby.chunks_exact_mut(2 * degree).enumerate().take(level + 1) {
                    let reducer = params.limb(prime).reducer();
                    for (out, part) in pair.chunks_exact_mut(degree).zip([c0, c1]) {
                        simd::add_scaled(out, part.limb(prime), params.tables().special[prime], reducer);
                    }
                }
            }
            babies.push(baby);
        }
        Ok(babies)
    }

    /// Key and automorphism of a rotation; nothing for one by 0.
    fn step(&self, step: i32, level: usize) -> Result<Option<(&SwitchingKey, Arc<Automorphism>)>, CkksError> {
        if step == 0 {
            return Ok(None);
        }
        let automorphisms = &self.params().tables().automorphisms;
        let exponent = automorphisms.rotation_exponent(step.into());
        let name = || format!("Galois key for a rotation by {step}");
        let key = self.keys().galois(exponent, level, name)?;
        Ok(Some((key, automorphisms.get(exponent))))
    }
}

/// The sum of the products of baby rotations with the diagonals of one giant step.
fn sum_group(
    params: &Params,
    level: usize,
    babies: &[Words],
    group: &[(usize, PreparedPlaintext)],
    firsts: &mut [u64],
    seconds: &mut [u64],
) {
    let degree = params.degree();
    let work = firsts.len() * group.len();
    let outs = firsts
        .chunks_exact_mut(degree)
        .zip(seconds.chunks_exact_mut(degree));
    let tasks = params.extended(level).zip(outs).enumerate();
    parallel::for_each(work, tasks, |(row, (prime, (first, second)))| {
        let half = |half: usize| -> Vec<&[u64]> {
            let places = group
                .iter()
                .map(|(place, _)| &babies[*place][(2 * row + half) * degree..][..degree]);
            places.collect()
        };
        let plain: Vec<&[u64]> = group
            .iter()
            .map(|(_, plaintext)| plaintext.values.limb(row))
            .collect();
        simd::dot_pair(
            first,
            second,
            &plain,
            &half(0),
            &half(1),
            params.limb(prime).reducer(),
        );
    });
}
