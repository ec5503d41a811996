//! The scheme without encryption: with values it is the oracle of the operators, without them the planner's simulation.
//!
//! Levels, scales, operation counts and keys are those of a real run, because both keep the same books at the seam.

mod operations;
mod slots;

use std::sync::Mutex;

use super::{Complex, KeySet, Op, Rescale, Scheme, SchemeError, Tally, normal_step};

pub use slots::{Numbers, Slots};

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

/// Exact numbers in the slots: the oracle.
pub type Noop = Clear<Numbers>;
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
        self.encode(level, values)
    }

    /// [`Clear::encrypt`] for complex values.
    ///
    /// # Errors
    /// As there.
    pub fn encrypt_complex(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<ClearCiphertext<V>, SchemeError> {
        self.encode_complex(level, values)
    }

    /// The real parts of the slots of a ciphertext (nothing in a simulation).
    pub fn decrypt<'a>(&self, ct: &'a ClearCiphertext<V>) -> &'a V::Reals {
        ct.values.reals()
    }

    fn encoded(
        &self,
        level: usize,
        values: Result<V, SchemeError>,
    ) -> Result<ClearCiphertext<V>, SchemeError> {
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
            values: values?,
        })
    }

    fn period(&self, period: usize) -> Result<(), SchemeError> {
        if period.is_power_of_two() && period <= self.slots {
            return Ok(());
        }
        Err(SchemeError::Period {
            period,
            slots: self.slots,
        })
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

    /// Refuses a level for which there is no relinearization key; else notes its use.
    fn relinearization(&self, level: usize) -> Result<(), SchemeError> {
        if let Some(keys) = &self.keys
            && keys.relinearization.is_none_or(|known| known < level)
        {
            return Err(SchemeError::MissingKey {
                key: format!("relinearization at level {level}"),
            });
        }
        self.note(|t| t.relinearization(level));
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

impl Noop {
    /// All slots of a ciphertext, with their imaginary parts.
    pub fn decrypt_complex(&self, ct: &ClearCiphertext<Numbers>) -> Vec<Complex> {
        ct.values.complex()
    }
}
