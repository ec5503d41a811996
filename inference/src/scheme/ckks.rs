//! The real scheme: `hedgerow_crypto::ckks`, with the books of the seam.

use std::sync::{Arc, Mutex, PoisonError};

use hedgerow_crypto::ckks::{
    self, Ciphertext, CkksError, Encoder, EvalKeys, Evaluator, KeyPlan, Params, Plaintext, PreparedPlaintext,
    Scratch, SecretKey, SeededCiphertext,
};
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;

use super::{KeySet, Mask, Op, PreparedMap, Rescale, Scheme, SchemeError, Tally, map, mask, normal_step};

/// Masks that are transformed at a time.
const CHUNK: usize = 32;

/// The server's side: evaluation keys of one client, and what was done with them.
pub struct Ckks {
    compact: bool,
    params: Params,
    encoder: Encoder,
    pub(super) evaluator: Evaluator,
    scratch: Mutex<Vec<Scratch>>,
    tally: Mutex<Tally>,
}

/// The client's side: the secret key.
pub struct CkksClient {
    params: Params,
    encoder: Encoder,
    secret: SecretKey,
}

fn backend(error: CkksError) -> SchemeError {
    SchemeError::Backend(error.to_string())
}

fn when(rescale: Rescale) -> ckks::Rescale {
    match rescale {
        Rescale::Now => ckks::Rescale::Now,
        Rescale::Lazy => ckks::Rescale::Lazy,
    }
}

/// A step as the back end takes it: the shorter way around does not matter, keys are named by `0..slots`.
fn signed(step: usize) -> i32 {
    i32::try_from(step).unwrap_or(i32::MAX)
}

/// The back end's name for a set of keys.
pub fn key_plan(keys: &KeySet) -> KeyPlan {
    let mut plan = KeyPlan::default();
    if let Some(level) = keys.relinearization {
        plan = plan.relinearization(level);
    }
    if let Some(level) = keys.conjugation {
        plan = plan.conjugation(level);
    }
    for (&step, &level) in &keys.rotations {
        plan = plan.rotation(signed(step), level);
    }
    plan
}

impl CkksClient {
    /// A client whose secret key comes from `seed`.
    pub fn new(params: &Params, seed: &Seed) -> Self {
        Self {
            params: params.clone(),
            encoder: Encoder::new(params),
            secret: SecretKey::generate(params, seed),
        }
    }

    /// The evaluation keys of a plan.
    ///
    /// # Errors
    /// A level that the parameters do not have.
    pub fn keys(&self, keys: &KeySet, rng: &mut (impl CryptoRng + ?Sized)) -> Result<EvalKeys, SchemeError> {
        self.secret.eval_keys(&key_plan(keys), rng).map_err(backend)
    }

    /// Encrypts the slots of one ciphertext at `level`.
    ///
    /// # Errors
    /// Too many values or too large ones, a level that there is not.
    pub fn encrypt(
        &self,
        level: usize,
        values: &[f64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SeededCiphertext, SchemeError> {
        let plain = self
            .encoder
            .encode_real(values, self.params.scale(level))
            .map_err(backend)?;
        self.secret.encrypt(&plain, level, rng).map_err(backend)
    }

    /// The slots of a ciphertext, for the owner of the key alone.
    ///
    /// # Errors
    /// A ciphertext of another key or of other parameters.
    pub fn decrypt(&self, ct: &Ciphertext) -> Result<Vec<f64>, SchemeError> {
        Ok(self
            .encoder
            .decode_real(&self.secret.decrypt(ct).map_err(backend)?))
    }
}

impl Ckks {
    /// An evaluator with the keys of one client.
    ///
    /// # Errors
    /// Keys for other parameters.
    pub fn new(params: &Params, keys: Arc<EvalKeys>) -> Result<Self, SchemeError> {
        let evaluator = Evaluator::new(params, keys).map_err(backend)?;
        Ok(Self {
            compact: false,
            params: params.clone(),
            encoder: Encoder::new(params),
            evaluator,
            scratch: Mutex::default(),
            tally: Mutex::default(),
        })
    }

    /// Keeps prepared plaintexts as coefficients, as many times smaller as they have primes: for models that would not
    /// fit the memory. Each use transforms anew (measured: a batch of 512 through the MLP takes 1.6 times as long).
    #[must_use]
    pub fn compact(self, compact: bool) -> Self {
        Self { compact, ..self }
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    pub(super) fn note(&self, f: impl FnOnce(&mut Tally)) {
        f(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Runs `f` with a scratch of its own, kept for the next caller.
    fn with<T>(&self, f: impl FnOnce(&mut Scratch) -> Result<T, CkksError>) -> Result<T, SchemeError> {
        let kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut scratch = kept.unwrap_or_else(|| self.evaluator.scratch());
        let result = f(&mut scratch).map_err(backend);
        self.scratch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(scratch);
        result
    }

    fn coefficients(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Plaintext, SchemeError> {
        if level > self.top() {
            return Err(SchemeError::LevelTooHigh {
                operation: "encode",
                asked: level,
                actual: self.top(),
            });
        }
        self.encoder
            .encode_real(&values(), self.params.scale(level))
            .map_err(backend)
    }

    /// That operands have one level: the back end takes a plaintext of a higher one, the plan does not.
    pub(super) fn agree(operation: &'static str, left: usize, right: usize) -> Result<(), SchemeError> {
        if left == right {
            Ok(())
        } else {
            Err(SchemeError::LevelMismatch {
                operation,
                left,
                right,
            })
        }
    }

    fn product(&self, operation: &'static str, level: usize, rescale: Rescale) -> Result<(), SchemeError> {
        if level == 0 {
            return Err(SchemeError::LevelExhausted { operation });
        }
        if rescale == Rescale::Now {
            self.note(|t| t.count(Op::Rescale, level, 1));
        }
        Ok(())
    }
}

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
        self.encoder
            .prepare(&self.coefficients(level, values)?, level)
            .map_err(backend)
    }
    fn prepare(&self, level: usize, values: impl FnOnce() -> Vec<f64>) -> Result<Mask, SchemeError> {
        let plain = self.coefficients(level, values)?;
        if self.compact {
            return Ok(Mask::Coefficients(plain, level));
        }
        Ok(Mask::Ready(self.encoder.prepare(&plain, level).map_err(backend)?))
    }
    fn prepare_periodic(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Mask, SchemeError> {
        let mut numbers = values();
        numbers.resize(period, 0.0);
        if level > self.top() {
            return Err(SchemeError::LevelTooHigh {
                operation: "encode",
                asked: level,
                actual: self.top(),
            });
        }
        let scale = self.params.scale(level);
        let plain = self.encoder.prepare_periodic(&numbers, scale, level);
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
        let product = self.with(|scratch| self.evaluator.mul(a, b, when(rescale), scratch))?;
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
        let mut product = a.clone();
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
            *a = self.with(|scratch| self.evaluator.align(a, level, scratch))?;
            self.note(|t| t.count(Op::Align, from, 1));
        }
        Ok(())
    }
    fn rotate(&self, a: &Ciphertext, step: i64) -> Result<Ciphertext, SchemeError> {
        let step = normal_step(step, self.slots());
        if step == 0 {
            return Ok(a.clone());
        }
        let turned = self.with(|scratch| self.evaluator.rotate(a, signed(step), scratch))?;
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
            return Ok(vec![a.clone(); steps.len()]);
        }
        let mut turned = self
            .with(|scratch| self.evaluator.rotate_many(a, &turns, scratch))?
            .into_iter();
        self.note(|t| {
            t.count(Op::Hoist, a.level(), 1);
            t.count(Op::HoistedRotate, a.level(), turns.len() as u64);
            turns
                .iter()
                .for_each(|&step| t.rotation(step as usize, a.level()));
        });
        let pick = |step: usize| if step == 0 { Some(a.clone()) } else { turned.next() };
        Ok(normal.into_iter().filter_map(pick).collect())
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
            let part = self
                .evaluator
                .dot_plain(cts, &ready.collect::<Vec<_>>())
                .map_err(backend)?;
            match &mut total {
                None => total = Some(part),
                Some(total) => self.evaluator.add_assign(total, &part).map_err(backend)?,
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
        mask::linear(self, inputs, map).unwrap_or_else(|| map::compose(self, inputs, map))
    }
}
