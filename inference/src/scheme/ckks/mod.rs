//! The real scheme: `hedgerow_crypto::ckks`, with the books of the seam.

mod client;
mod operations;
mod rooms;

use std::sync::{Arc, Mutex, PoisonError};

use hedgerow_crypto::ckks::{
    self, Ciphertext, CkksError, Encoder, EvalKeys, Evaluator, Params, Plaintext, Scratch,
};

use super::{Mask, Op, Rescale, SchemeError, Tally};

pub use client::{CkksClient, key_plan};
pub use rooms::Rooms;

/// The server's side: evaluation keys of one client, and what was done with them.
pub struct Ckks {
    compact: bool,
    params: Params,
    encoder: Encoder,
    pub(super) evaluator: Evaluator,
    scratch: Mutex<Vec<Scratch>>,
    rooms: Arc<Rooms>,
    tally: Mutex<Tally>,
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
            rooms: Arc::default(),
            tally: Mutex::default(),
        })
    }

    /// Keeps prepared plaintexts as coefficients, as many times smaller as they have primes: for models that would not
    /// fit the memory. Each use transforms anew (measured: a batch of 512 through the MLP takes 1.6 times as long).
    #[must_use]
    pub fn compact(self, compact: bool) -> Self {
        Self { compact, ..self }
    }

    /// Takes room for results from where others of the same parameters do.
    #[must_use]
    pub fn sharing(self, rooms: Arc<Rooms>) -> Self {
        Self { rooms, ..self }
    }

    /// A ciphertext to be written to.
    fn room(&self) -> Ciphertext {
        self.rooms.take().unwrap_or_else(|| self.evaluator.empty())
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

    /// The scale of plaintexts at a level, if there is such a level.
    fn scale(&self, level: usize) -> Result<f64, SchemeError> {
        let actual = self.params.levels();
        if level > actual {
            return Err(SchemeError::LevelTooHigh {
                operation: "encode",
                asked: level,
                actual,
            });
        }
        Ok(self.params.scale(level))
    }

    /// A plaintext for products, as this server keeps them.
    fn kept(&self, plain: Plaintext, level: usize) -> Result<Mask, SchemeError> {
        if self.compact {
            return Ok(Mask::Coefficients(plain, level));
        }
        Ok(Mask::Ready(self.encoder.prepare(&plain, level).map_err(backend)?))
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
