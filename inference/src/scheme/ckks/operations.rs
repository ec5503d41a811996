//! The operations of the seam on ciphertexts.

use std::sync::PoisonError;

use hedgerow_crypto::ckks::{Ciphertext, PreparedPlaintext};

use super::{Ckks, backend, signed, when};
use crate::scheme::{
    Complex, Mask, Op, PreparedMap, Rescale, Scheme, SchemeError, Tally, map, mask, normal_step,
};

/// Masks that are transformed at a time.
const CHUNK: usize = 32;

impl Scheme for Ckks {
    type Ciphertext = Ciphertext;
    type Plaintext = PreparedPlaintext;
    type Prepared = Mask;

    fn slots(&self) -> usize {
        self.params.slots()
    }
    fn top(&self) -> usize {
        self.params.levels()
    }
    fn level(&self, ct: &Ciphertext) -> usize {
        ct.level()
    }
    fn budget_bits(&self, ct: &Ciphertext) -> f64 {
        ct.budget_bits()
    }
    fn log_scale(&self, ct: &Ciphertext) -> f64 {
        ct.scale().log2()
    }
    fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn encode(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<PreparedPlaintext, SchemeError> {
        let scale = self.scale(level)?;
        let plain = self.encoder.encode_real(&values(), scale).map_err(backend)?;
        self.encoder.prepare(&plain, level).map_err(backend)
    }
    fn encode_complex(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<PreparedPlaintext, SchemeError> {
        let scale = self.scale(level)?;
        let plain = self.encoder.encode_complex(&values(), scale).map_err(backend)?;
        self.encoder.prepare(&plain, level).map_err(backend)
    }
    fn prepare(&self, level: usize, values: impl FnOnce() -> Vec<f64>) -> Result<Mask, SchemeError> {
        let scale = self.scale(level)?;
        let plain = self.encoder.encode_real(&values(), scale).map_err(backend)?;
        self.kept(plain, level)
    }
    fn prepare_complex(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Mask, SchemeError> {
        let scale = self.scale(level)?;
        let plain = self.encoder.encode_complex(&values(), scale).map_err(backend)?;
        self.kept(plain, level)
    }
    fn prepare_periodic(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Mask, SchemeError> {
        let scale = self.scale(level)?;
        let mut numbers = values();
        numbers.resize(period, 0.0);
        let plain = self.encoder.prepare_periodic(&numbers, scale, level);
        plain.map(Mask::Periodic).map_err(backend)
    }
    fn prepare_periodic_complex(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Mask, SchemeError> {
        let scale = self.scale(level)?;
        let mut numbers = values();
        numbers.resize(period, Complex::default());
        let plain = self.encoder.prepare_periodic_complex(&numbers, scale, level);
        plain.map(Mask::Periodic).map_err(backend)
    }

    fn add(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), SchemeError> {
        Self::agree("add", a.level(), b.level())?;
        self.evaluator.add_assign(a, b).map_err(backend)?;
        self.note(|t| t.count(Op::Add, a.level(), 1));
        Ok(())
    }
    fn sub(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), SchemeError> {
        Self::agree("sub", a.level(), b.level())?;
        self.evaluator.sub_assign(a, b).map_err(backend)?;
        self.note(|t| t.count(Op::Add, a.level(), 1));
        Ok(())
    }
    fn add_plain(&self, a: &mut Ciphertext, plain: &PreparedPlaintext) -> Result<(), SchemeError> {
        Self::agree("add_plain", a.level(), plain.level())?;
        self.evaluator.add_plain_assign(a, plain).map_err(backend)?;
        self.note(|t| t.count(Op::AddPlain, a.level(), 1));
        Ok(())
    }
    fn add_scalar(&self, a: &mut Ciphertext, value: f64) -> Result<(), SchemeError> {
        self.evaluator.add_scalar_assign(a, value).map_err(backend)?;
        self.note(|t| t.count(Op::AddPlain, a.level(), 1));
        Ok(())
    }
    fn mul(&self, a: &Ciphertext, b: &Ciphertext, rescale: Rescale) -> Result<Ciphertext, SchemeError> {
        Self::agree("mul", a.level(), b.level())?;
        self.product("mul", a.level(), rescale)?;
        let mut product = self.room();
        self.with(|scratch| {
            self.evaluator
                .mul_into(&mut product, a, b, when(rescale), scratch)
        })?;
        self.note(|t| {
            t.count(Op::Mul, a.level(), 1);
            t.relinearization(a.level());
        });
        Ok(product)
    }
    fn mul_plain(&self, a: &Ciphertext, plain: &Mask, rescale: Rescale) -> Result<Ciphertext, SchemeError> {
        self.dot_plain(&[a], &[plain], rescale)
    }
    fn mul_scalar(&self, a: &Ciphertext, value: f64, rescale: Rescale) -> Result<Ciphertext, SchemeError> {
        self.product("mul_scalar", a.level(), rescale)?;
        let mut product = self.copy(a);
        self.with(|scratch| {
            self.evaluator
                .mul_scalar_assign(&mut product, value, when(rescale), scratch)
        })?;
        self.note(|t| t.count(Op::MulScalar, a.level(), 1));
        Ok(product)
    }
    fn rescale(&self, a: &mut Ciphertext) -> Result<(), SchemeError> {
        let level = a.level();
        if level == 0 {
            return Err(SchemeError::LevelExhausted { operation: "rescale" });
        }
        self.with(|scratch| self.evaluator.rescale_assign(a, scratch))?;
        self.note(|t| t.count(Op::Rescale, level, 1));
        Ok(())
    }
    fn align(&self, a: &mut Ciphertext, level: usize) -> Result<(), SchemeError> {
        let from = a.level();
        if level > from {
            return Err(SchemeError::LevelTooHigh {
                operation: "align",
                asked: level,
                actual: from,
            });
        }
        if level < from {
            let mut aligned = self.room();
            self.with(|scratch| self.evaluator.align_into(&mut aligned, a, level, scratch))?;
            self.recycle(std::mem::replace(a, aligned));
            self.note(|t| t.count(Op::Align, from, 1));
        }
        Ok(())
    }
    fn rotate(&self, a: &Ciphertext, step: i64) -> Result<Ciphertext, SchemeError> {
        let step = normal_step(step, self.slots());
        if step == 0 {
            return Ok(self.copy(a));
        }
        let mut turned = self.room();
        self.with(|scratch| self.evaluator.rotate_into(&mut turned, a, signed(step), scratch))?;
        self.note(|t| {
            t.count(Op::Rotate, a.level(), 1);
            t.rotation(step, a.level());
        });
        Ok(turned)
    }
    fn rotate_many(&self, a: &Ciphertext, steps: &[i64]) -> Result<Vec<Ciphertext>, SchemeError> {
        let normal: Vec<usize> = steps
            .iter()
            .map(|&step| normal_step(step, self.slots()))
            .collect();
        let turns: Vec<i32> = normal
            .iter()
            .filter(|&&step| step != 0)
            .map(|&step| signed(step))
            .collect();
        if turns.is_empty() {
            return Ok(steps.iter().map(|_| self.copy(a)).collect());
        }
        let mut turned: Vec<Ciphertext> = turns.iter().map(|_| self.room()).collect();
        self.with(|scratch| self.evaluator.rotate_many_into(&mut turned, a, &turns, scratch))?;
        let mut turned = turned.into_iter();
        self.note(|t| {
            t.count(Op::Hoist, a.level(), 1);
            t.count(Op::HoistedRotate, a.level(), turns.len() as u64);
            turns
                .iter()
                .for_each(|&step| t.rotation(step as usize, a.level()));
        });
        let pick = |step: usize| {
            if step == 0 {
                Some(self.copy(a))
            } else {
                turned.next()
            }
        };
        Ok(normal.into_iter().filter_map(pick).collect())
    }
    fn conjugate(&self, a: &Ciphertext) -> Result<Ciphertext, SchemeError> {
        let mut below = self.room();
        self.with(|scratch| self.evaluator.conjugate_into(&mut below, a, scratch))?;
        self.note(|t| {
            t.count(Op::Conjugate, a.level(), 1);
            t.conjugation(a.level());
        });
        Ok(below)
    }
    fn mul_i(&self, a: &mut Ciphertext) -> Result<(), SchemeError> {
        self.evaluator.mul_i_assign(a).map_err(backend)?;
        self.note(|t| t.count(Op::MulScalar, a.level(), 1));
        Ok(())
    }
    fn dot_plain(
        &self,
        cts: &[&Ciphertext],
        plains: &[&Mask],
        rescale: Rescale,
    ) -> Result<Ciphertext, SchemeError> {
        const OPERATION: &str = "dot_plain";
        if cts.len() != plains.len() {
            return Err(SchemeError::Lengths {
                operation: OPERATION,
                left: cts.len(),
                right: plains.len(),
            });
        }
        let Some(first) = cts.first() else {
            return Err(SchemeError::Empty { operation: OPERATION });
        };
        let level = first.level();
        for (ct, plain) in cts.iter().zip(plains) {
            Self::agree(OPERATION, ct.level(), plain.level())?;
        }
        if level == 0 {
            return Err(SchemeError::LevelExhausted { operation: OPERATION });
        }
        if let Some(sum) = self.dot_periodic(cts, plains) {
            let mut sum = sum?;
            if rescale == Rescale::Now {
                self.rescale(&mut sum)?;
            }
            return Ok(sum);
        }
        let mut total: Option<Ciphertext> = None;
        for (cts, plains) in cts.chunks(CHUNK).zip(plains.chunks(CHUNK)) {
            let mut made = Vec::new();
            for plain in plains {
                match plain {
                    Mask::Ready(_) => {}
                    Mask::Coefficients(plain, level) => {
                        made.push(self.encoder.prepare(plain, *level).map_err(backend)?);
                    }
                    Mask::Periodic(_) => return Err(SchemeError::Mixed { operation: OPERATION }),
                }
            }
            let mut fresh = made.iter();
            let ready = plains.iter().filter_map(|plain| match plain {
                Mask::Ready(plain) => Some(plain),
                _ => fresh.next(),
            });
            let mut part = self.room();
            self.evaluator
                .dot_plain_into(&mut part, cts, &ready.collect::<Vec<_>>())
                .map_err(backend)?;
            match &mut total {
                None => total = Some(part),
                Some(total) => {
                    self.evaluator.add_assign(total, &part).map_err(backend)?;
                    self.recycle(part);
                }
            }
        }
        let mut sum = total.ok_or(SchemeError::Empty { operation: OPERATION })?;
        self.note(|t| t.count(Op::MulPlain, level, cts.len() as u64));
        if rescale == Rescale::Now {
            self.rescale(&mut sum)?;
        }
        Ok(sum)
    }
    fn linear_transform(
        &self,
        inputs: &[Ciphertext],
        map: &PreparedMap<Mask>,
    ) -> Result<Vec<Ciphertext>, SchemeError> {
        mask::linear(self, inputs, map).unwrap_or_else(|| {
            map::compose(self, inputs, map, |cts, masks| {
                self.dot_plain(cts, masks, Rescale::Lazy)
            })
        })
    }

    fn dot(&self, a: &[&Ciphertext], b: &[&Ciphertext], rescale: Rescale) -> Result<Ciphertext, SchemeError> {
        const OPERATION: &str = "dot";
        if a.len() != b.len() {
            return Err(SchemeError::Lengths {
                operation: OPERATION,
                left: a.len(),
                right: b.len(),
            });
        }
        let Some(first) = a.first() else {
            return Err(SchemeError::Empty { operation: OPERATION });
        };
        let level = first.level();
        for ct in a.iter().chain(b) {
            Self::agree(OPERATION, level, ct.level())?;
        }
        self.product(OPERATION, level, rescale)?;
        let mut sum = self.room();
        self.with(|scratch| self.evaluator.dot_into(&mut sum, a, b, when(rescale), scratch))?;
        self.note(|t| {
            t.count(Op::Tensor, level, a.len() as u64);
            t.count(Op::Relinearize, level, 1);
            t.relinearization(level);
        });
        Ok(sum)
    }

    fn copy(&self, ct: &Ciphertext) -> Ciphertext {
        let mut copy = self.room();
        match self.evaluator.copy_into(&mut copy, ct, ct.level()) {
            Ok(()) => copy,
            // A ciphertext of another key: whatever is done with the copy says so.
            Err(_) => ct.clone(),
        }
    }

    fn recycle(&self, ct: Ciphertext) {
        self.rooms.give(ct);
    }
}
