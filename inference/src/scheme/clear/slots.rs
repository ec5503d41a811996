//! What a ciphertext in the clear holds.

use crate::scheme::SchemeError;

/// What a ciphertext of [`Clear`](super::Clear) holds: all its slots, or nothing.
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
