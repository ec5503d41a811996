//! What operations cost: by kind, ring and level.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Ring;
use crate::linear::StepCost;
use crate::scheme::{KeySet, Op, Tally};

/// Nanoseconds of the kernels for one residue polynomial of a degree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Kernels {
    /// One number-theoretic transform.
    pub transform: f64,
    /// One multiply-accumulate pass over a polynomial.
    pub multiply: f64,
    /// One addition pass, or copy.
    pub add: f64,
    /// One multiply-accumulate pass with an operand that comes from memory: a key, a prepared mask.
    pub stream: f64,
}

/// Seconds of an operation, by degree: measured kernels, counted by operation and level. A line of its text is
/// `log_degree transform multiply add stream`, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostTable {
    kernels: BTreeMap<u32, Kernels>,
}

/// A cost table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "cost table, line {line}: `{text}`; expected log2 of the degree, then four numbers: nanoseconds of a transform, a product, a sum and a product with memory of one residue polynomial"
)]
pub struct CostError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl Default for CostTable {
    /// The table measured on the project's machine.
    fn default() -> Self {
        Self::parse(include_str!("costs.txt")).unwrap_or(Self {
            kernels: BTreeMap::new(),
        })
    }
}

impl CostTable {
    /// Reads a table; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// A line of another form, with its number.
    pub fn parse(text: &str) -> Result<Self, CostError> {
        let mut kernels = BTreeMap::new();
        for (i, line) in text
            .lines()
            .enumerate()
            .filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'))
        {
            let error = || CostError {
                line: i + 1,
                text: line.to_owned(),
            };
            let numbers: Vec<f64> = line.split_whitespace().map_while(|n| n.parse().ok()).collect();
            let &[degree, transform, multiply, add, stream] = numbers.as_slice() else {
                return Err(error());
            };
            if !(10.0..=20.0).contains(&degree)
                || [transform, multiply, add, stream]
                    .iter()
                    .any(|n| !n.is_finite() || *n < 0.0)
            {
                return Err(error());
            }
            kernels.insert(
                degree as u32,
                Kernels {
                    transform,
                    multiply,
                    add,
                    stream,
                },
            );
        }
        Ok(Self { kernels })
    }

    /// The kernels of a degree; those of the nearest one, scaled, where it was not measured.
    fn kernels(&self, log_degree: u32) -> Kernels {
        let nearest = self.kernels.iter().min_by_key(|(d, _)| d.abs_diff(log_degree));
        let Some((&degree, &kernels)) = nearest else {
            return Kernels {
                transform: 1e4,
                multiply: 5e3,
                add: 2e3,
                stream: 1e4,
            };
        };
        let factor = 2f64.powi(log_degree as i32 - degree as i32);
        Kernels {
            transform: kernels.transform * factor,
            multiply: kernels.multiply * factor,
            add: kernels.add * factor,
            stream: kernels.stream * factor,
        }
    }

    /// Seconds of one operation on a ciphertext at `level`, one thread.
    pub fn seconds(&self, op: Op, ring: &Ring, level: usize) -> f64 {
        let k = self.kernels(ring.log_degree);
        let limbs = (level + 1) as f64;
        let special = ring.special().0 as f64;
        let digits = (level + 1).div_ceil(ring.alpha()) as f64;
        let rows = limbs + special;
        // Hybrid key switching: to coefficients, each digit to all primes, inner products with the key, back by P.
        let raise = limbs * k.transform + (digits * rows - limbs) * k.transform + limbs * rows * k.multiply;
        let inner = 2.0 * digits * rows * k.stream;
        let down = 2.0 * (special + limbs) * k.transform
            + 2.0 * special * limbs * k.multiply
            + 2.0 * limbs * k.multiply;
        let rescale = 2.0 * limbs * k.transform + 2.0 * limbs * k.multiply;
        let permute = 2.0 * limbs * k.add;
        let nanoseconds = match op {
            Op::Add => 2.0 * limbs * k.add,
            Op::AddPlain => limbs * k.add,
            Op::MulPlain => limbs * (k.stream + k.multiply),
            Op::MulScalar => 2.0 * limbs * k.multiply,
            Op::Mul => 4.0 * limbs * k.multiply + raise + inner + down,
            Op::Rescale => rescale,
            Op::Rotate | Op::Conjugate => raise + inner + down + permute,
            Op::Hoist => raise,
            Op::HoistedRotate => inner + down + permute,
            Op::Align => rescale + 2.0 * limbs * k.multiply,
        };
        nanoseconds * 1e-9
    }

    /// Costs of rotations at a level, to split them.
    pub fn steps(&self, ring: &Ring, level: usize) -> StepCost {
        StepCost {
            hoist: self.seconds(Op::Hoist, ring, level),
            hoisted: self.seconds(Op::HoistedRotate, ring, level),
            rotate: self.seconds(Op::Rotate, ring, level),
        }
    }

    /// Seconds of everything in a tally.
    pub fn total(&self, tally: &Tally, ring: &Ring) -> f64 {
        tally
            .operations
            .iter()
            .map(|(&(op, level), &times)| self.seconds(op, ring, level) * times as f64)
            .sum()
    }
}

/// What one evaluation should cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Seconds of the server, one thread.
    pub seconds: f64,
    /// Bytes that the client sends for one batch.
    pub input_bytes: u64,
    /// Bytes that come back.
    pub output_bytes: u64,
    /// Bytes of the evaluation keys in the server's memory.
    pub key_bytes: u64,
    /// Bytes of the prepared model in the server's memory.
    pub model_bytes: u64,
}

impl Prediction {
    /// Bytes in the server's memory: keys and model.
    pub fn memory(&self) -> u64 {
        self.key_bytes + self.model_bytes
    }
}

/// Bytes of all keys of a set.
pub(super) fn key_bytes(ring: &Ring, keys: &KeySet) -> u64 {
    let levels = keys
        .rotations
        .values()
        .copied()
        .chain(keys.relinearization)
        .chain(keys.conjugation);
    levels.map(|level| ring.key_bytes(level)).sum()
}
