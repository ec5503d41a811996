//! The seam between encrypted evaluation and cryptography: evaluators see slots, levels and keys, never limbs.
//!
//! A scheme works on vectors of `slots` numbers: reals to whoever encodes and opens them as such, complex numbers where two
//! reals share a slot ([`Scheme::split`], [`Scheme::join`]). A ciphertext has a *level* (the rescales that are left) and a *scale*;
//! **at each level there is one canonical scale**, so that ciphertexts with different histories can be added. Products
//! take operands at canonical scale, and after the rescale the result is canonical one level below.
//!
//! Three schemes implement it: [`Noop`] (slots in the clear, levels and keys as in a real run), [`Sim`] (levels,
//! scales, operation counts and key set, no values: what the planner runs) and [`Ckks`].
//!
//! Coarse operations have default compositions here; a back end overrides those that it can do faster.

mod ckks;
mod clear;
mod error;
mod map;
mod mask;
mod tally;
#[cfg(test)]
pub(crate) mod tests;

pub use ckks::{Ckks, CkksClient, Rooms, key_plan};
pub use clear::{Clear, ClearCiphertext, ClearMask, Noop, Numbers, Sim, Slots};
pub use error::SchemeError;
pub use hedgerow_crypto::ckks::Complex;
pub use map::{MapShape, PreparedMap, Term};
pub use mask::Mask;
pub use tally::{KeySet, Op, Tally};

/// Whether a product pays its level at once or leaves the rescale to the caller (who may add first).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescale {
    /// The result is canonical, one level below.
    Now,
    /// The result stays at the level, at the square of the scale, until [`Scheme::rescale`].
    Lazy,
}

/// What the evaluators ask of a homomorphic scheme. Evaluation keys are part of the implementing value.
pub trait Scheme: Sync {
    /// An encrypted vector.
    type Ciphertext: Clone + Send + Sync;
    /// A vector encoded for sums at one level.
    type Plaintext: Send + Sync;
    /// A vector encoded for products at one level.
    type Prepared: Send + Sync;

    /// Slots of a ciphertext.
    fn slots(&self) -> usize;
    /// The highest level.
    fn top(&self) -> usize;
    /// Rescales left.
    fn level(&self, ct: &Self::Ciphertext) -> usize;
    /// Bits of modulus left above the scale: log2(Q at this level) - log2(scale).
    fn budget_bits(&self, ct: &Self::Ciphertext) -> f64;
    /// log2 of the scale.
    fn log_scale(&self, ct: &Self::Ciphertext) -> f64;
    /// What was done so far.
    fn tally(&self) -> Tally;

    /// Encodes at most `slots` values for [`Scheme::add_plain`] at `level`; missing ones are zero.
    ///
    /// # Errors
    /// Too many values, or a level that the chain does not have.
    fn encode(&self, level: usize, values: impl FnOnce() -> Vec<f64>)
    -> Result<Self::Plaintext, SchemeError>;

    /// Encodes at most `slots` values for products with ciphertexts at `level`. Simulations do not call `values`.
    ///
    /// # Errors
    /// As [`Scheme::encode`].
    fn prepare(&self, level: usize, values: impl FnOnce() -> Vec<f64>)
    -> Result<Self::Prepared, SchemeError>;

    /// [`Scheme::encode`] for complex values.
    ///
    /// # Errors
    /// As there.
    fn encode_complex(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Self::Plaintext, SchemeError>;

    /// [`Scheme::prepare`] for complex values.
    ///
    /// # Errors
    /// As there.
    fn prepare_complex(
        &self,
        level: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Self::Prepared, SchemeError>;

    /// Encodes values that repeat over the slots with `period`, a power of two, for products with ciphertexts at `level`.
    ///
    /// # Errors
    /// As [`Scheme::encode`], and a period that is not that of the values or that the back end does not have.
    fn prepare_periodic(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<f64>,
    ) -> Result<Self::Prepared, SchemeError>;

    /// [`Scheme::prepare_periodic`] for complex values.
    ///
    /// # Errors
    /// As there.
    fn prepare_periodic_complex(
        &self,
        level: usize,
        period: usize,
        values: impl FnOnce() -> Vec<Complex>,
    ) -> Result<Self::Prepared, SchemeError>;

    /// `a += b`.
    ///
    /// # Errors
    /// Different levels or scales.
    fn add(&self, a: &mut Self::Ciphertext, b: &Self::Ciphertext) -> Result<(), SchemeError>;
    /// `a -= b`.
    ///
    /// # Errors
    /// Different levels or scales.
    fn sub(&self, a: &mut Self::Ciphertext, b: &Self::Ciphertext) -> Result<(), SchemeError>;
    /// `a += plain`.
    ///
    /// # Errors
    /// Different levels or scales.
    fn add_plain(&self, a: &mut Self::Ciphertext, plain: &Self::Plaintext) -> Result<(), SchemeError>;
    /// Adds the same number to every slot.
    ///
    /// # Errors
    /// What the back end refuses.
    fn add_scalar(&self, a: &mut Self::Ciphertext, value: f64) -> Result<(), SchemeError>;
    /// Product, relinearized.
    ///
    /// # Errors
    /// Different levels or scales, no level left, no relinearization key.
    fn mul(
        &self,
        a: &Self::Ciphertext,
        b: &Self::Ciphertext,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError>;
    /// Product with a prepared plaintext of the same level.
    ///
    /// # Errors
    /// Different levels, no level left.
    fn mul_plain(
        &self,
        a: &Self::Ciphertext,
        plain: &Self::Prepared,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError>;
    /// Product of every slot with one number.
    ///
    /// # Errors
    /// No level left.
    fn mul_scalar(
        &self,
        a: &Self::Ciphertext,
        value: f64,
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError>;
    /// Pays the level of a lazy product.
    ///
    /// # Errors
    /// No level left.
    fn rescale(&self, a: &mut Self::Ciphertext) -> Result<(), SchemeError>;
    /// Goes down to `level` at its canonical scale; nothing happens where the ciphertext is there already.
    ///
    /// # Errors
    /// A level above the ciphertext's.
    fn align(&self, a: &mut Self::Ciphertext, level: usize) -> Result<(), SchemeError>;
    /// Slot `i` of the result is slot `i + step` (mod `slots`) of the operand; steps may be negative.
    ///
    /// # Errors
    /// No key for the step.
    fn rotate(&self, a: &Self::Ciphertext, step: i64) -> Result<Self::Ciphertext, SchemeError>;
    /// [`Scheme::rotate`] by every step, with the common part done once.
    ///
    /// # Errors
    /// No key for a step.
    fn rotate_many(&self, a: &Self::Ciphertext, steps: &[i64]) -> Result<Vec<Self::Ciphertext>, SchemeError>;

    /// The complex conjugates of all slots: a key switch, as a rotation.
    ///
    /// # Errors
    /// No key for the conjugation.
    fn conjugate(&self, a: &Self::Ciphertext) -> Result<Self::Ciphertext, SchemeError>;

    /// Every slot times `i`: exact, without level or noise (it moves coefficients); counted as a product with a scalar.
    ///
    /// # Errors
    /// What the back end refuses.
    fn mul_i(&self, a: &mut Self::Ciphertext) -> Result<(), SchemeError>;

    /// `z + conj z` and `-i (z - conj z)`: **twice** the real and the imaginary parts, both real. One conjugation; no level, as
    /// nothing is halved: whoever packs two reals in a slot packs their halves.
    ///
    /// # Errors
    /// No key for the conjugation.
    fn split(&self, z: &Self::Ciphertext) -> Result<(Self::Ciphertext, Self::Ciphertext), SchemeError> {
        let mut below = self.conjugate(z)?;
        let mut real = self.copy(z);
        self.add(&mut real, &below)?;
        // -i (z - conj z) = i (conj z - z)
        self.sub(&mut below, z)?;
        self.mul_i(&mut below)?;
        Ok((real, below))
    }

    /// `real + i imaginary`: exact but for the sum of their noise; no key, no level.
    ///
    /// # Errors
    /// Different levels or scales.
    fn join(
        &self,
        real: &Self::Ciphertext,
        imaginary: &Self::Ciphertext,
    ) -> Result<Self::Ciphertext, SchemeError> {
        let mut joined = self.copy(imaginary);
        self.mul_i(&mut joined)?;
        self.add(&mut joined, real)?;
        Ok(joined)
    }

    /// `sum_i cts[i] * plains[i]`, one rescale for all; the additions are counted as part of the products.
    ///
    /// # Errors
    /// Lists of different lengths, empty lists, different levels.
    fn dot_plain(
        &self,
        cts: &[&Self::Ciphertext],
        plains: &[&Self::Prepared],
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError>;

    /// `sum_i a[i] * b[i]`, relinearized once, one rescale for all; the additions are counted as part of the products.
    ///
    /// # Errors
    /// Lists of different lengths, empty lists, different levels or scales, no level left, no relinearization key.
    fn dot(
        &self,
        a: &[&Self::Ciphertext],
        b: &[&Self::Ciphertext],
        rescale: Rescale,
    ) -> Result<Self::Ciphertext, SchemeError>;

    /// A copy, in room that was given back where there is some.
    fn copy(&self, ct: &Self::Ciphertext) -> Self::Ciphertext {
        ct.clone()
    }

    /// Gives back a ciphertext that nothing needs any more: its room serves a later result.
    fn recycle(&self, ct: Self::Ciphertext) {
        drop(ct);
    }

    /// Applies a block matrix of generalised diagonals by baby steps and giant steps; one level.
    ///
    /// # Errors
    /// A number of ciphertexts other than the map's, missing keys, no level left.
    fn linear_transform(
        &self,
        inputs: &[Self::Ciphertext],
        map: &PreparedMap<Self::Prepared>,
    ) -> Result<Vec<Self::Ciphertext>, SchemeError> {
        map::compose(self, inputs, map, |cts, masks| {
            self.dot_plain(cts, masks, Rescale::Lazy)
        })
    }

    /// [`Scheme::linear_transform`] by diagonals that are encrypted too.
    ///
    /// # Errors
    /// As there, and no relinearization key.
    fn encrypted_transform(
        &self,
        inputs: &[Self::Ciphertext],
        map: &PreparedMap<Self::Ciphertext>,
    ) -> Result<Vec<Self::Ciphertext>, SchemeError> {
        map::compose(self, inputs, map, |cts, masks| {
            self.dot(cts, masks, Rescale::Lazy)
        })
    }
}

/// The step in `0..slots` of a rotation by any step.
pub fn normal_step(step: i64, slots: usize) -> usize {
    step.rem_euclid(slots as i64) as usize
}
