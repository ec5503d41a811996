//! The scheme without encryption: with values it is the oracle of the operators, without them the planner's simulation.
//!
//! Levels, scales, operation counts and keys are those of a real run, because both keep the same books at the seam.

use std::sync::Mutex;

use super::{KeySet, Op, Rescale, Scheme, SchemeError, Tally, normal_step};

/// What a ciphertext of [`Clear`] holds: all its slots, or nothing.
pub trait Slots: Clone + Send + Sync {
    /// From the values of all slots; simulations never call `values`.
    fn from_values(slots: usize, values: impl FnOnce() -> Vec<f64>) -> Result<Self, SchemeError>;
    /// Slot by slot.
    fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self;
    /// Slot by slot.
    fn map(&self, f: impl Fn(f64) -> f64) -> Self;
    /// Slot `i` becomes slot `i + step`.
    fn rotate(&self, step: usize) -> Self;
}

impl Slots for Vec<f64> {
    fn from_values(slots: usize, values: impl FnOnce() -> Vec<f64>) -> Result<Self, SchemeError> {
        let mut values = values();
        if values.len() > slots {
            return Err(SchemeError::Slots {
                values: values.len(),
                slots,
            });
        }
        values.resize(slots, 0.0);
        Ok(values)
    }
    fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        self.iter().zip(other).map(|(&a, &b)| f(a, b)).collect()
    }
    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        self.iter().map(|&a| f(a)).collect()
    }
    fn rotate(&self, step: usize) -> Self {
        let mut turned = self.clone();
        turned.rotate_left(step);
        turned
    }
}

impl Slots for () {
    fn from_values(_: usize, _: impl FnOnce() -> Vec<f64>) -> Result<Self, SchemeError> {
        Ok(())
    }
    fn zip(&self, (): &Self, _: impl Fn(f64, f64) -> f64) -> Self {}
    fn map(&self, _: impl Fn(f64) -> f64) -> Self {}
    fn rotate(&self, _: usize) -> Self {}
}

/// Slots in the clear with the books of a leveled scheme.
#[derive(Debug)]
pub struct Clear<V> {
    slots: usize,
    top: usize,
    scale_bits: f64,
    first_bits: f64,
    keys: Option<KeySet>,
    tally: Mutex<Tally>,
    values: std::marker::PhantomData<V>,
}

/// Exact reals in the slots: the oracle.
pub type Noop = Clear<Vec<f64>>;
/// No values: what the planner runs.
pub type Sim = Clear<()>;

/// A vector at a level; `pending` where a rescale is owed.
#[derive(Debug, Clone, PartialEq)]
pub struct ClearCiphertext<V> {
    level: usize,
    pending: bool,
    values: V,
}

/// A vector for products, and whether it repeats over the slots.
#[derive(Debug, Clone, PartialEq)]
pub struct ClearMask<V> {
    plain: ClearCiphertext<V>,
    periodic: bool,
}

impl<V> ClearMask<V> {
    fn op(&self) -> Op {
        if self.periodic {
            Op::MulPeriodic
        } else {
            Op::MulPlain
        }
    }
}

impl<V: Slots> Clear<V> {
    /// A scheme with `slots` slots and `top` rescales, of 40 bits each over a last prime of 50.
    pub fn new(slots: usize, top: usize) -> Self {
        Self {
            slots,
            top,
            scale_bits: 40.0,
            first_bits: 50.0,
            keys: None,
            tally: Mutex::default(),
            values: std::marker::PhantomData,
        }
    }

    /// Refuses operations whose key is not in `keys`, as a server does that got just these.
    #[must_use]
    pub fn with_keys(mut self, keys: KeySet) -> Self {
        self.keys = Some(keys);
        self
    }

    /// A fresh ciphertext at `level`.
    ///
    /// # Errors
    /// Too many values, or a level above the top.
    pub fn encrypt(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<ClearCiphertext<V>, SchemeError> {
        let values = self.encode(level, values)?.values;
        Ok(ClearCiphertext {
            level,
            pending: false,
            values,
        })
    }

    /// The slots of a ciphertext (nothing in a simulation).
    pub fn decrypt<'a>(&self, ct: &'a ClearCiphertext<V>) -> &'a V {
        &ct.values
    }

    fn note(&self, f: impl FnOnce(&mut Tally)) {
        f(&mut self
            .tally
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn agree(
        &self,
        operation: &'static str,
        a: &ClearCiphertext<V>,
        b: &ClearCiphertext<V>,
    ) -> Result<(), SchemeError> {
        if a.level != b.level {
            return Err(SchemeError::LevelMismatch {
                operation,
                left: a.level,
                right: b.level,
            });
        }
        if a.pending != b.pending {
            let (left, right) = (self.log_scale(a), self.log_scale(b));
            return Err(SchemeError::ScaleMismatch {
                operation,
                left,
                right,
            });
        }
        Ok(())
    }

    fn product(
        &self,
        operation: &'static str,
        a: &ClearCiphertext<V>,
        values: V,
        rescale: Rescale,
    ) -> Result<ClearCiphertext<V>, SchemeError> {
        if a.pending {
            let (left, right) = (self.log_scale(a), self.scale_bits);
            return Err(SchemeError::ScaleMismatch {
                operation,
                left,
                right,
            });
        }
        if a.level == 0 {
            return Err(SchemeError::LevelExhausted { operation });
        }
        let mut product = ClearCiphertext {
            level: a.level,
            pending: true,
            values,
        };
        if rescale == Rescale::Now {
            self.rescale(&mut product)?;
        }
        Ok(product)
    }

    fn turn(&self, a: &ClearCiphertext<V>, step: i64, op: Op) -> Result<ClearCiphertext<V>, SchemeError> {
        let step = normal_step(step, self.slots);
        if step == 0 {
            return Ok(a.clone());
        }
        if let Some(keys) = &self.keys
            && keys.rotations.get(&step).is_none_or(|&level| level < a.level)
        {
            let key = format!("a rotation by {step} at level {}", a.level);
            return Err(SchemeError::MissingKey { key });
        }
        self.note(|t| {
            t.count(op, a.level, 1);
            t.rotation(step, a.level);
        });
        Ok(ClearCiphertext {
            level: a.level,
            pending: a.pending,
            values: a.values.rotate(step),
        })
    }
}

impl<V: Slots> Scheme for Clear<V> {
    type Ciphertext = ClearCiphertext<V>;
    type Plaintext = ClearCiphertext<V>;
    type Prepared = ClearMask<V>;

    fn slots(&self) -> usize {
        self.slots
    }
    fn top(&self) -> usize {
        self.top
    }
    fn level(&self, ct: &Self::Ciphertext) -> usize {
        ct.level
    }
    fn budget_bits(&self, ct: &Self::Ciphertext) -> f64 {
        self.first_bits + ct.level as f64 * self.scale_bits - self.log_scale(ct)
    }
    fn log_scale(&self, ct: &Self::Ciphertext) -> f64 {
        if ct.pending {
            2.0 * self.scale_bits
        } else {
            self.scale_bits
        }
    }
    fn tally(&self) -> Tally {
        self.tally
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn encode(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Self::Plaintext, SchemeError> {
        if level > self.top {
            return Err(SchemeError::LevelTooHigh {
                operation: "encode",
                asked: level,
                actual: self.top,
            });
        }
        Ok(ClearCiphertext {
            level,
            pending: false,
            values: V::from_values(self.slots, values)?,
        })
    }
    fn prepare(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Self::Prepared, SchemeError> {
        Ok(ClearMask {
            plain: self.encode(level, values)?,
            periodic: false,
        })
    }
    fn prepare_periodic(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Self::Prepared, SchemeError> {
        if !period.is_power_of_two() || period > self.slots {
            return Err(SchemeError::Period {
                period,
                slots: self.slots,
            });
        }
        let repeated = || {
            let mut once = values();
            once.resize(period, 0.0);
            once.repeat(self.slots / period)
        };
        Ok(ClearMask {
            plain: self.encode(level, repeated)?,
            periodic: true,
        })
    }

    fn add(&self, a: &mut Self::Ciphertext, b: &Self::Ciphertext) -> Result<(), SchemeError> {
        self.agree("add", a, b)?;
        self.note(|t| t.count(Op::Add, a.level, 1));
        a.values = a.values.zip(&b.values, |x, y| x + y);
        Ok(())
    }
    fn sub(&self, a: &mut Self::Ciphertext, b: &Self::Ciphertext) -> Result<(), SchemeError> {
        self.agree("sub", a, b)?;
        self.note(|t| t.count(Op::Add, a.level, 1));
        a.values = a.values.zip(&b.values, |x, y| x - y);
        Ok(())
    }
    fn add_plain(&self, a: &mut Self::Ciphertext, plain: &Self::Plaintext) -> Result<(), SchemeError> {
        self.agree("add_plain", a, plain)?;
        self.note(|t| t.count(Op::AddPlain, a.level, 1));
        a.values = a.values.zip(&plain.values, |x, y| x + y);
        Ok(())
    }
    fn add_scalar(&self, a: &mut Self::Ciphertext, value: f64) -> Result<(), SchemeError> {
        self.note(|t| t.count(Op::AddPlain, a.level, 1));
        a.values = a.values.map(|x| x + value);
        Ok(())
    }
    fn mul(
        &self,
        a: &Self::Ciphertext,
        b: &Self::Ciphertext,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError> {
        self.agree("mul", a, b)?;
        if a.level == 0 {
            return Err(SchemeError::LevelExhausted { operation: "mul" });
        }
        if let Some(keys) = &self.keys
            && keys.relinearization.is_none_or(|level| level < a.level)
        {
            return Err(SchemeError::MissingKey {
                key: format!("relinearization at level {}", a.level),
            });
        }
        self.note(|t| {
            t.count(Op::Mul, a.level, 1);
            t.relinearization(a.level);
        });
        self.product("mul", a, a.values.zip(&b.values, |x, y| x * y), rescale)
    }
    fn mul_plain(
        &self,
        a: &Self::Ciphertext,
        plain: &Self::Prepared,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError> {
        self.agree("mul_plain", a, &plain.plain)?;
        self.note(|t| t.count(plain.op(), a.level, 1));
        let values = a.values.zip(&plain.plain.values, |x, y| x * y);
        self.product("mul_plain", a, values, rescale)
    }
    fn mul_scalar(
        &self,
        a: &Self::Ciphertext,
        value: f64,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError> {
        self.note(|t| t.count(Op::MulScalar, a.level, 1));
        self.product("mul_scalar", a, a.values.map(|x| x * value), rescale)
    }
    fn rescale(&self, a: &mut Self::Ciphertext) -> Result<(), SchemeError> {
        if !a.pending {
            let (left, right) = (self.scale_bits, 2.0 * self.scale_bits);
            return Err(SchemeError::ScaleMismatch {
                operation: "rescale",
                left,
                right,
            });
        }
        let level = a
            .level
            .checked_sub(1)
            .ok_or(SchemeError::LevelExhausted { operation: "rescale" })?;
        self.note(|t| t.count(Op::Rescale, a.level, 1));
        (a.level, a.pending) = (level, false);
        Ok(())
    }
    fn align(&self, a: &mut Self::Ciphertext, level: usize) -> Result<(), SchemeError> {
        if level > a.level {
            return Err(SchemeError::LevelTooHigh {
                operation: "align",
                asked: level,
                actual: a.level,
            });
        }
        if a.pending {
            let (left, right) = (self.log_scale(a), self.scale_bits);
            return Err(SchemeError::ScaleMismatch {
                operation: "align",
                left,
                right,
            });
        }
        if level < a.level {
            self.note(|t| t.count(Op::Align, a.level, 1));
            a.level = level;
        }
        Ok(())
    }
    fn rotate(&self, a: &Self::Ciphertext, step: i64) -> Result<Self::Ciphertext, SchemeError> {
        self.turn(a, step, Op::Rotate)
    }
    fn rotate_many(&self, a: &Self::Ciphertext, steps: &[i64]) -> Result<Vec<Self::Ciphertext>, SchemeError> {
        if steps.iter().any(|&step| normal_step(step, self.slots) != 0) {
            self.note(|t| t.count(Op::Hoist, a.level, 1));
        }
        steps
            .iter()
            .map(|&step| self.turn(a, step, Op::HoistedRotate))
            .collect()
    }

    fn dot_plain(
        &self,
        cts: &[&Self::Ciphertext],
        plains: &[&Self::Prepared],
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError> {
        const OPERATION: &str = "dot_plain";
        if cts.len() != plains.len() {
            return Err(SchemeError::Lengths {
                operation: OPERATION,
                left: cts.len(),
                right: plains.len(),
            });
        }
        let mut sum: Option<Self::Ciphertext> = None;
        for (ct, plain) in cts.iter().zip(plains) {
            let term = self.mul_plain(ct, plain, Rescale::Lazy)?;
            match &mut sum {
                None => sum = Some(term),
                Some(sum) => {
                    self.agree(OPERATION, sum, &term)?;
                    sum.values = sum.values.zip(&term.values, |x, y| x + y);
                }
            }
        }
        let mut sum = sum.ok_or(SchemeError::Empty { operation: OPERATION })?;
        if rescale == Rescale::Now {
            self.rescale(&mut sum)?;
        }
        Ok(sum)
    }
}
