//! What an evaluation did: operations by kind and level, and the keys it used.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of operation whose cost differs. Levels are those of the operand, before any rescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Op {
    /// Sum or difference of two ciphertexts.
    Add,
    /// Sum with a plaintext or a scalar.
    AddPlain,
    /// One term `ciphertext * prepared plaintext` of an inner product (or the product alone).
    MulPlain,
    /// One such term whose plaintext repeats over the slots.
    MulPeriodic,
    /// Product with a scalar, `i` among them.
    MulScalar,
    /// Product or square of ciphertexts, relinearized.
    Mul,
    /// One term `ciphertext * ciphertext` of an inner product, not relinearized.
    Tensor,
    /// The relinearization of an inner product.
    Relinearize,
    /// Division by the last prime.
    Rescale,
    /// A rotation alone.
    Rotate,
    /// The shared part of hoisted rotations: once for each ciphertext.
    Hoist,
    /// One rotation of a hoisted ciphertext.
    HoistedRotate,
    /// Complex conjugation.
    Conjugate,
    /// Going down to a lower level at that level's scale.
    Align,
    /// Reading a fresh ciphertext: its bytes checked, its second half expanded from a seed. No evaluation counts it.
    Receive,
}

/// The keys that an evaluation needs, each at the highest level at which it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeySet {
    /// Level of the relinearization key.
    pub relinearization: Option<usize>,
    /// Level of the conjugation key.
    pub conjugation: Option<usize>,
    /// Rotation by so many slots to the left (in `1..slots`) -> level.
    pub rotations: BTreeMap<usize, usize>,
}

/// Operations as a list of `(kind, level, times)`: not every format has pairs for keys.
mod list {
    use super::{BTreeMap, Deserialize, Op, Serialize};

    pub fn serialize<S: serde::Serializer>(
        map: &BTreeMap<(Op, usize), u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let list: Vec<(Op, usize, u64)> = map
            .iter()
            .map(|(&(op, level), &times)| (op, level, times))
            .collect();
        list.serialize(serializer)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        d: D,
    ) -> Result<BTreeMap<(Op, usize), u64>, D::Error> {
        let list = Vec::<(Op, usize, u64)>::deserialize(d)?;
        Ok(list
            .into_iter()
            .map(|(op, level, times)| ((op, level), times))
            .collect())
    }
}

/// Operations done since the scheme was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// How often each operation ran at each level.
    #[serde(with = "list")]
    pub operations: BTreeMap<(Op, usize), u64>,
    /// Keys used.
    pub keys: KeySet,
}

impl Tally {
    /// Counts `times` operations at `level`.
    pub fn count(&mut self, op: Op, level: usize, times: u64) {
        if times > 0 {
            *self.operations.entry((op, level)).or_default() += times;
        }
    }

    /// Notes a use of the relinearization key at `level`.
    pub fn relinearization(&mut self, level: usize) {
        let seen = self.keys.relinearization.get_or_insert(level);
        *seen = level.max(*seen);
    }

    /// Notes a use of the conjugation key at `level`.
    pub fn conjugation(&mut self, level: usize) {
        let seen = self.keys.conjugation.get_or_insert(level);
        *seen = level.max(*seen);
    }

    /// Notes a use of the key for a rotation by `step` (in `1..slots`) at `level`.
    pub fn rotation(&mut self, step: usize, level: usize) {
        let seen = self.keys.rotations.entry(step).or_insert(level);
        *seen = level.max(*seen);
    }

    /// How often an operation ran, over all levels.
    pub fn total(&self, op: Op) -> u64 {
        self.operations
            .iter()
            .filter(|((o, _), _)| *o == op)
            .map(|(_, times)| times)
            .sum()
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.operations.values_mut().for_each(|count| *count *= times);
        self
    }

    /// What was done since `earlier`, a former value of the same tally. Keys stay those of the whole.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut operations = self.operations.clone();
        for (key, times) in &earlier.operations {
            if let Some(now) = operations.get_mut(key) {
                *now = now.saturating_sub(*times);
            }
        }
        operations.retain(|_, times| *times > 0);
        Self {
            operations,
            keys: self.keys.clone(),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops = [
            (Op::Rotate, "rotations"),
            (Op::HoistedRotate, "hoisted rotations"),
            (Op::Conjugate, "conjugations"),
            (Op::MulPlain, "plaintext products"),
            (Op::MulPeriodic, "products with repeated plaintexts"),
            (Op::MulScalar, "scalar products"),
            (Op::Mul, "products"),
            (Op::Tensor, "terms of products"),
            (Op::Relinearize, "relinearizations"),
            (Op::Rescale, "rescales"),
            (Op::Add, "additions"),
        ];
        let mut first = true;
        for (op, name) in ops {
            let total = self.total(op);
            if total > 0 {
                write!(f, "{}{total} {name}", if first { "" } else { ", " })?;
                first = false;
            }
        }
        if first { f.write_str("nothing") } else { Ok(()) }
    }
}
