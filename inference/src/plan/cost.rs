//! What operations cost: by kind, ring and level.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Ring;
use crate::linear::StepCost;
use crate::scheme::{KeySet, Op, Tally};

/// One measured operation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The operation.
    pub op: Op,
    /// log2 of the degree.
    pub log_degree: u32,
    /// Primes of the operand.
    pub limbs: usize,
    /// Special primes of the ring.
    pub special: usize,
    /// Digits of a key switch at this level.
    pub digits: usize,
    /// Nanoseconds with keys and plaintexts in the cache.
    pub warm: f64,
    /// Nanoseconds with keys and plaintexts that come from memory.
    pub cold: f64,
}

/// Seconds of an operation, by degree and level, as measured; what was not measured is scaled from what is nearest, by
/// the transforms and passes that it makes. A line of its text is
/// `operation log_degree limbs special digits warm cold`, in nanoseconds; the line `cache bytes` tells how much keys and
/// plaintexts together may take to stay warm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostTable {
    cache: u64,
    samples: Vec<Sample>,
}

/// A cost table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "cost table, line {line}: `{text}`; expected an operation (as in `HoistedRotate`), log2 of the degree, primes, special primes, digits, and nanoseconds warm and cold; or `cache` and its bytes"
)]
pub struct CostError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// Operations by their names in a table.
const NAMES: [(&str, Op); 15] = [
    ("Add", Op::Add),
    ("AddPlain", Op::AddPlain),
    ("MulPlain", Op::MulPlain),
    ("MulPeriodic", Op::MulPeriodic),
    ("MulScalar", Op::MulScalar),
    ("Mul", Op::Mul),
    ("Tensor", Op::Tensor),
    ("Relinearize", Op::Relinearize),
    ("Rescale", Op::Rescale),
    ("Rotate", Op::Rotate),
    ("Hoist", Op::Hoist),
    ("HoistedRotate", Op::HoistedRotate),
    ("Conjugate", Op::Conjugate),
    ("Align", Op::Align),
    ("Receive", Op::Receive),
];

impl Default for CostTable {
    /// The table measured on the project's machine.
    fn default() -> Self {
        Self::parse(include_str!("costs.txt")).unwrap_or(Self::new(Vec::new(), 0))
    }
}

impl CostTable {
    /// A table from measurements.
    pub fn new(samples: Vec<Sample>, cache: u64) -> Self {
        Self { cache, samples }
    }

    /// Reads a table; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// A line of another form, with its number.
    pub fn parse(text: &str) -> Result<Self, CostError> {
        let mut table = Self::new(Vec::new(), 0);
        let lines = text.lines().enumerate();
        for (i, line) in lines.filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
            let error = || CostError {
                line: i + 1,
                text: line.to_owned(),
            };
            let mut words = line.split_whitespace();
            let name = words.next().ok_or_else(error)?;
            let numbers: Option<Vec<f64>> = words.map(|n| n.parse().ok()).collect();
            let numbers = numbers.ok_or_else(error)?;
            let (small, times) = numbers.split_at(numbers.len().saturating_sub(2));
            let natural = |n: &f64| *n >= 0.0 && n.fract() == 0.0 && *n < 1e15;
            if let ("cache", &[bytes]) = (name, numbers.as_slice()) {
                table.cache = natural(&bytes).then_some(bytes as u64).ok_or_else(error)?;
                continue;
            }
            let op = NAMES.iter().find(|(n, _)| *n == name).map(|(_, op)| *op);
            match (op, small, times) {
                (Some(op), &[degree, limbs, special, digits], &[warm, cold])
                    if small.iter().all(natural)
                        && (4.0..=20.0).contains(&degree)
                        && limbs >= 1.0
                        && digits >= 1.0
                        && [warm, cold].iter().all(|t| t.is_finite() && *t > 0.0) =>
                {
                    table.samples.push(Sample {
                        op,
                        log_degree: degree as u32,
                        limbs: limbs as usize,
                        special: special as usize,
                        digits: digits as usize,
                        warm,
                        cold,
                    });
                }
                _ => return Err(error()),
            }
        }
        Ok(table)
    }

    /// The table as text, to be read by [`CostTable::parse`].
    pub fn text(&self) -> String {
        let mut text = format!("cache {}\n", self.cache);
        for s in &self.samples {
            let name = NAMES
                .iter()
                .find(|(_, op)| *op == s.op)
                .map_or("", |(name, _)| name);
            let (degree, limbs, special, digits) = (s.log_degree, s.limbs, s.special, s.digits);
            text += &format!(
                "{name} {degree} {limbs} {special} {digits} {:.0} {:.0}\n",
                s.warm, s.cold
            );
        }
        text
    }

    /// What was measured.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The share of keys and plaintexts that come from memory, where they are `bytes` together.
    pub fn coldness(&self, bytes: u64) -> f64 {
        (bytes as f64 / self.cache.max(1) as f64 - 1.0).clamp(0.0, 1.0)
    }

    /// Seconds of one operation on a ciphertext at `level`, one thread, with the share `cold` of its key or plaintext
    /// from memory.
    pub fn seconds(&self, op: Op, ring: &Ring, level: usize, cold: f64) -> f64 {
        let (limbs, special) = (level + 1, ring.special().0);
        let digits = limbs.div_ceil(ring.alpha());
        let wanted = work(op, ring.log_degree, limbs, special, digits);
        let distance = |s: &Sample| {
            let degree = s.log_degree.abs_diff(ring.log_degree) as f64;
            let logs = |a: usize, b: usize| (a.max(1) as f64 / b.max(1) as f64).ln().abs();
            100.0 * degree + logs(s.limbs, limbs) + logs(s.digits, digits) + 0.5 * logs(s.special, special)
        };
        let same = self.samples.iter().filter(|s| s.op == op);
        let Some(near) = same.min_by(|a, b| distance(a).total_cmp(&distance(b))) else {
            // A nanosecond for a word of a pass: an order of magnitude, where nothing at all was measured.
            return wanted * f64::from(1u32 << ring.log_degree.min(30)) * 1e-9;
        };
        let factor = 2f64.powi(ring.log_degree as i32 - near.log_degree as i32);
        let of = work(op, near.log_degree, near.limbs, near.special, near.digits);
        (near.warm + (near.cold - near.warm) * cold) * 1e-9 * factor * wanted / of
    }

    /// Costs of rotations at a level, to split them.
    pub fn steps(&self, ring: &Ring, level: usize, cold: f64) -> StepCost {
        StepCost {
            hoist: self.seconds(Op::Hoist, ring, level, cold),
            hoisted: self.seconds(Op::HoistedRotate, ring, level, cold),
            rotate: self.seconds(Op::Rotate, ring, level, cold),
        }
    }

    /// Seconds of everything in a tally, with keys and plaintexts of `bytes` together.
    pub fn total(&self, tally: &Tally, ring: &Ring, bytes: u64) -> f64 {
        let cold = self.coldness(bytes);
        tally
            .operations
            .iter()
            .map(|(&(op, level), &times)| self.seconds(op, ring, level, cold) * times as f64)
            .sum()
    }
}

/// Passes over one residue polynomial that an operation makes, a transform counted as several.
fn work(op: Op, log_degree: u32, limbs: usize, special: usize, digits: usize) -> f64 {
    let transform = 0.5 * f64::from(log_degree);
    let (limbs, special, digits) = (limbs as f64, special as f64, digits as f64);
    let rows = limbs + special;
    // Hybrid key switching: to coefficients, each digit to all primes, inner products with the key, back by P.
    let raise = limbs * transform + (digits * rows - limbs) * transform + limbs * rows;
    let inner = 3.0 * digits * rows;
    let down = 2.0 * (special + limbs) * transform + 2.0 * special * limbs + 2.0 * limbs;
    let rescale = 2.0 * limbs * transform + 2.0 * limbs;
    match op {
        Op::Add | Op::AddPlain | Op::MulScalar | Op::MulPlain | Op::MulPeriodic | Op::Receive => limbs,
        Op::Mul => 4.0 * limbs + raise + inner + down,
        Op::Tensor => 4.0 * limbs,
        Op::Relinearize => raise + inner + down + 2.0 * limbs,
        Op::Rescale | Op::Align => rescale,
        Op::Rotate | Op::Conjugate => raise + inner + down + 2.0 * limbs,
        Op::Hoist => raise,
        Op::HoistedRotate => inner + down + 2.0 * limbs,
    }
}

/// What one evaluation should cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Seconds of the server, one thread.
    pub seconds: f64,
    /// Seconds of the server to read the input: to check its ciphertexts and to expand them from their seeds.
    #[serde(default)]
    pub receive_seconds: f64,
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
