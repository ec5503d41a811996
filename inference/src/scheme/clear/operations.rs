//! The operations in the clear, with their books.

use super::{Clear, ClearCiphertext, ClearMask, Slots};
use crate::scheme::{Complex, Op, Rescale, Scheme, SchemeError, Tally, normal_step};

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
        self.encoded(level, V::from_values(self.slots, values))
    }
    fn encode_complex(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Self::Plaintext, SchemeError> {
        self.encoded(level, V::from_complex(self.slots, values))
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
    fn prepare_complex(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Self::Prepared, SchemeError> {
        Ok(ClearMask {
            plain: self.encode_complex(level, values)?,
            periodic: false,
        })
    }
    fn prepare_periodic(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Self::Prepared, SchemeError> {
        self.period(period)?;
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
    fn prepare_periodic_complex(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Self::Prepared, SchemeError> {
        self.period(period)?;
        let repeated = || {
            let mut once = values();
            once.resize(period, Complex::default());
            once.repeat(self.slots / period)
        };
        Ok(ClearMask {
            plain: self.encode_complex(level, repeated)?,
            periodic: true,
        })
    }

    fn add(&self, a: &mut Self::Ciphertext, b: &Self::Ciphertext) -> Result<(), SchemeError> {
        self.agree("add", a, b)?;
        self.note(|t| t.count(Op::Add, a.level, 1));
        a.values = a.values.add(&b.values);
        Ok(())
    }
    fn sub(&self, a: &mut Self::Ciphertext, b: &Self::Ciphertext) -> Result<(), SchemeError> {
        self.agree("sub", a, b)?;
        self.note(|t| t.count(Op::Add, a.level, 1));
        a.values = a.values.sub(&b.values);
        Ok(())
    }
    fn add_plain(&self, a: &mut Self::Ciphertext, plain: &Self::Plaintext) -> Result<(), SchemeError> {
        self.agree("add_plain", a, plain)?;
        self.note(|t| t.count(Op::AddPlain, a.level, 1));
        a.values = a.values.add(&plain.values);
        Ok(())
    }
    fn add_scalar(&self, a: &mut Self::Ciphertext, value: f64) -> Result<(), SchemeError> {
        self.note(|t| t.count(Op::AddPlain, a.level, 1));
        a.values = a.values.add_scalar(value);
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
        self.relinearization(a.level)?;
        self.note(|t| t.count(Op::Mul, a.level, 1));
        self.product("mul", a, a.values.mul(&b.values), rescale)
    }
    fn mul_plain(
        &self,
        a: &Self::Ciphertext,
        plain: &Self::Prepared,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError> {
        self.agree("mul_plain", a, &plain.plain)?;
        self.note(|t| t.count(plain.op(), a.level, 1));
        let values = a.values.mul(&plain.plain.values);
        self.product("mul_plain", a, values, rescale)
    }
    fn mul_scalar(
        &self,
        a: &Self::Ciphertext,
        value: f64,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError> {
        self.note(|t| t.count(Op::MulScalar, a.level, 1));
        self.product("mul_scalar", a, a.values.scale(value), rescale)
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
    fn conjugate(&self, a: &Self::Ciphertext) -> Result<Self::Ciphertext, SchemeError> {
        if let Some(keys) = &self.keys
            && keys.conjugation.is_none_or(|known| known < a.level)
        {
            return Err(SchemeError::MissingKey {
                key: format!("the conjugation at level {}", a.level),
            });
        }
        self.note(|t| {
            t.count(Op::Conjugate, a.level, 1);
            t.conjugation(a.level);
        });
        Ok(ClearCiphertext {
            level: a.level,
            pending: a.pending,
            values: a.values.conjugate(),
        })
    }
    fn mul_i(&self, a: &mut Self::Ciphertext) -> Result<(), SchemeError> {
        self.note(|t| t.count(Op::MulScalar, a.level, 1));
        a.values = a.values.times_i();
        Ok(())
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
                    sum.values = sum.values.add(&term.values);
                }
            }
        }
        let mut sum = sum.ok_or(SchemeError::Empty { operation: OPERATION })?;
        if rescale == Rescale::Now {
            self.rescale(&mut sum)?;
        }
        Ok(sum)
    }

    fn dot(
        &self,
        a: &[&Self::Ciphertext],
        b: &[&Self::Ciphertext],
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError> {
        const OPERATION: &str = "dot";
        if a.len() != b.len() {
            return Err(SchemeError::Lengths {
                operation: OPERATION,
                left: a.len(),
                right: b.len(),
            });
        }
        let (Some(first), Some(other)) = (a.first(), b.first()) else {
            return Err(SchemeError::Empty { operation: OPERATION });
        };
        let mut values = first.values.mul(&other.values);
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            self.agree(OPERATION, first, x)?;
            self.agree(OPERATION, first, y)?;
            if i > 0 {
                values = values.add(&x.values.mul(&y.values));
            }
        }
        let product = self.product(OPERATION, first, values, Rescale::Lazy)?;
        self.relinearization(first.level)?;
        self.note(|t| {
            t.count(Op::Tensor, first.level, a.len() as u64);
            t.count(Op::Relinearize, first.level, 1);
        });
        let mut product = product;
        if rescale == Rescale::Now {
            self.rescale(&mut product)?;
        }
        Ok(product)
    }
}
