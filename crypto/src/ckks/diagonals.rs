//! Linear transforms as their diagonals, split into baby and giant steps.

use std::collections::{BTreeMap, BTreeSet};

use super::encoder::Encoder;
use super::error::CkksError;
use super::eval_key::KeyPlan;
use super::fft::Complex;
use super::params::Params;
use super::plaintext::PreparedPlaintext;
use crate::hash::Digest;
use crate::ring::RnsBasis;

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
    pub(super) params: Digest,
    pub(super) level: usize,
    pub(super) scale: f64,
    pub(super) babies: Vec<i32>,
    /// For each giant step the place of a baby step and the diagonal.
    pub(super) giants: Vec<(i32, Vec<(usize, PreparedPlaintext)>)>,
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
