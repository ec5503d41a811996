//! Linear transforms of the slots, given by generalised diagonals.
//!
//! `(M v)_i = sum_d D_d[i] v_(i + d)` (Halevi and Shoup, *Algorithms in HElib*, Crypto 2014, section 4.3). With baby steps `b`
//! and giant steps `g`, `M v = sum_g rot_g( sum_b rot_-g(D_(g+b)) rot_b(v) )`. All baby rotations share their raised digits and
//! stay undivided by the special primes until the giant step; all giant steps share one division at the end: double
//! hoisting (Bossuat, Mouchet, Troncoso-Pastoriza, Hubaux, *Efficient bootstrapping for approximate homomorphic encryption with
//! non-sparse keys*, Eurocrypt 2021, algorithm 6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ciphertext::Ciphertext;
use super::encoder::Encoder;
use super::error::CkksError;
use super::eval_key::{KeyPlan, SwitchingKey};
use super::evaluator::{Evaluator, Rescale, Scratch, levels_left};
use super::fft::Complex;
use super::key_switch::{Digits, divide, inner, shares};
use super::parallel::{self, Words, words};
use super::params::Params;
use super::plaintext::PreparedPlaintext;
use crate::hash::Digest;
use crate::ring::RnsBasis;
use crate::ring::automorphism::Automorphism;
use crate::ring::simd;

/// A linear transform as its diagonals that are not zero: `[slots]` numbers each, by the step that they meet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagonals(BTreeMap<i32, Vec<Complex>>);

impl Diagonals {
    /// The transform that is zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The square matrix `[slots, slots]` of a function of row and column, without the diagonals that are zero.
    pub fn of_matrix(slots: usize, entry: impl Fn(usize, usize) -> Complex) -> Self {
        let mut diagonals = Self::new();
        for step in 0..slots {
            let diagonal: Vec<Complex> = (0..slots).map(|row| entry(row, (row + step) % slots)).collect();
            if diagonal.iter().any(|number| *number != Complex::default()) {
                diagonals.0.insert(step as i32, diagonal);
            }
        }
        diagonals
    }

    /// Sets the diagonal that meets slots `step` to the right of where its numbers stand.
    #[must_use]
    pub fn with(mut self, step: i32, numbers: Vec<Complex>) -> Self {
        self.0.insert(step, numbers);
        self
    }

    /// As [`with`](Self::with) for real numbers.
    #[must_use]
    pub fn with_real(self, step: i32, numbers: &[f64]) -> Self {
        let numbers = numbers.iter().map(|number| Complex::new(*number, 0.0)).collect();
        self.with(step, numbers)
    }

    /// The diagonal at a step.
    pub fn get(&self, step: i32) -> Option<&[Complex]> {
        self.0.get(&step).map(Vec::as_slice)
    }

    /// The steps of the diagonals.
    pub fn steps(&self) -> impl Iterator<Item = i32> {
        self.0.keys().copied()
    }
}

/// How diagonals are split into baby and giant steps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Split {
    babies: Vec<i32>,
    giants: Vec<i32>,
    width: i32,
}

impl Split {
    /// The split with the least work: a giant step costs about twice a baby step.
    fn new(slots: usize, steps: &BTreeSet<i32>) -> Self {
        let split = |width: i32| {
            let of = |part: fn(i32, i32) -> i32| -> Vec<i32> {
                let parts: BTreeSet<i32> = steps.iter().map(|step| part(*step, width)).collect();
                parts.into_iter().collect()
            };
            Self {
                babies: of(|step, width| step % width),
                giants: of(|step, width| step - step % width),
                width,
            }
        };
        let cost = |split: &Self| {
            let rotations = |steps: &[i32]| steps.iter().filter(|step| **step != 0).count();
            rotations(&split.babies) + 2 * rotations(&split.giants)
        };
        let widths = (0..=slots.ilog2()).map(|log| split(1 << log));
        widths.min_by_key(cost).unwrap_or_else(|| split(1))
    }
}

/// A linear transform encoded for ciphertexts of one level.
#[derive(Clone, Debug)]
pub struct PreparedDiagonals {
    params: Digest,
    level: usize,
    scale: f64,
    babies: Vec<i32>,
    /// For each giant step the place of a baby step and the diagonal.
    giants: Vec<(i32, Vec<(usize, PreparedPlaintext)>)>,
}

impl PreparedDiagonals {
    /// Encodes a transform for ciphertexts of a level, by the canonical scale of that level: the result, rescaled, has the
    /// canonical scale again.
    ///
    /// # Errors
    /// Diagonals of another length than the number of slots, none at all, numbers too large for the scale, no such level.
    pub fn new(encoder: &Encoder, diagonals: &Diagonals, level: usize) -> Result<Self, CkksError> {
        let params = encoder.params();
        params.check_level("a linear transform", level)?;
        let (slots, scale) = (params.slots(), params.scale(level));
        let mut by_step = BTreeMap::new();
        for (step, numbers) in &diagonals.0 {
            if numbers.len() != slots {
                return Err(CkksError::Length {
                    what: "numbers of a diagonal",
                    actual: numbers.len(),
                    expected: slots,
                });
            }
            by_step.insert(step.rem_euclid(slots as i32), numbers);
        }
        if by_step.is_empty() {
            return Err(CkksError::Length {
                what: "diagonals of a linear transform",
                actual: 0,
                expected: 1,
            });
        }
        let split = Split::new(slots, &by_step.keys().copied().collect());
        let primes: Vec<u64> = params.extended(level).map(|prime| params.prime(prime)).collect();
        let basis = RnsBasis::of_primes(params.degree(), &primes)?;
        let giants = split.giants.iter().map(|giant| {
            let mut group = Vec::new();
            for (place, baby) in split.babies.iter().enumerate() {
                let Some(numbers) = by_step.get(&(giant + baby)) else {
                    continue;
                };
                // The result is rotated to the left by the giant step, so the diagonal is rotated to the right before.
                let mut numbers = (*numbers).clone();
                numbers.rotate_right(*giant as usize);
                let plaintext = encoder.encode_complex(&numbers, scale)?;
                group.push((place, encoder.prepare_over(&plaintext, &basis)?));
            }
            Ok((*giant, group))
        });
        Ok(Self {
            params: params.digest(),
            level,
            scale,
            giants: giants.collect::<Result<_, CkksError>>()?,
            babies: split.babies,
        })
    }

    /// The keys that the transform needs.
    pub fn key_plan(&self) -> KeyPlan {
        let giants = self.giants.iter().map(|(giant, _)| *giant);
        KeyPlan::default().rotations(self.babies.iter().copied().chain(giants), self.level)
    }

    /// The keys that a transform with diagonals at these steps will need at a level.
    pub fn plan(params: &Params, steps: impl IntoIterator<Item = i32>, level: usize) -> KeyPlan {
        let slots = params.slots();
        let steps = steps
            .into_iter()
            .map(|step| step.rem_euclid(slots as i32))
            .collect();
        let split = Split::new(slots, &steps);
        KeyPlan::default().rotations(split.babies.into_iter().chain(split.giants), level)
    }

    /// The level of the ciphertexts that it takes.
    pub const fn level(&self) -> usize {
        self.level
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let plaintexts = self.giants.iter().flat_map(|(_, group)| group);
        plaintexts.map(|(_, plaintext)| plaintext.bytes()).sum()
    }
}

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
                |_, row, out| {
                    out.copy_from_slice(row);
                },
            );
            shares(params, level, &divided, &mut room.shares, &mut room.workers);
            let digits = Digits::Shares {
                shares: &room.shares,
                values: &divided,
            };
            inner(
                params,
                level,
                digits,
                key,
                [None, None],
                &mut room.extended,
                &mut room.workers,
            );
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
            |_, pair, (out0, out1)| {
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
                inner(
                    params,
                    level,
                    Digits::Raised(raised),
                    key,
                    [Some(c0), None],
                    &mut room.extended,
                    &mut room.workers,
                );
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
