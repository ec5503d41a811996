//! What a ciphertext in the clear holds.

use crate::scheme::{Complex, SchemeError};

/// What a ciphertext of [`Clear`](super::Clear) holds: all its slots, or nothing.
pub trait Slots: Clone + Send + Sync {
    /// What opening it as reals shows.
    type Reals;
    /// From the values of all slots; simulations never call `values`.
    fn from_values(slots: usize, values: impl FnOnce() -> Vec<f64>) -> Result<Self, SchemeError>;
    /// From complex values.
    fn from_complex(slots: usize, values: impl FnOnce() -> Vec<Complex>) -> Result<Self, SchemeError>;
    /// The real parts.
    fn reals(&self) -> &Self::Reals;
    /// Slot by slot.
    #[must_use]
    fn add(&self, other: &Self) -> Self;
    /// Slot by slot.
    #[must_use]
    fn sub(&self, other: &Self) -> Self;
    /// Slot by slot.
    #[must_use]
    fn mul(&self, other: &Self) -> Self;
    /// A number to every slot.
    #[must_use]
    fn add_scalar(&self, number: f64) -> Self;
    /// Every slot times a number.
    #[must_use]
    fn scale(&self, number: f64) -> Self;
    /// Every slot times `i`.
    #[must_use]
    fn times_i(&self) -> Self;
    /// Slot by slot.
    #[must_use]
    fn conjugate(&self) -> Self;
    /// Slot `i` becomes slot `i + step`.
    #[must_use]
    fn rotate(&self, step: usize) -> Self;
}

/// Exact numbers; imaginary parts only where there are any.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    re: Vec<f64>,
    im: Option<Vec<f64>>,
}

fn zip(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

fn map(a: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
    a.iter().map(|&a| f(a)).collect()
}

impl Numbers {
    /// All slots.
    pub fn complex(&self) -> Vec<Complex> {
        let im = |slot: usize| self.im.as_ref().and_then(|im| im.get(slot)).copied();
        let slots = self.re.iter().enumerate();
        slots
            .map(|(slot, &re)| Complex::new(re, im(slot).unwrap_or(0.0)))
            .collect()
    }

    fn fit(slots: usize, values: usize) -> Result<(), SchemeError> {
        if values > slots {
            return Err(SchemeError::Slots { values, slots });
        }
        Ok(())
    }

    /// Linear slot by slot: each part by itself.
    fn linear(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let zeros = || vec![0.0; self.re.len()];
        let im = (self.im.is_some() || other.im.is_some()).then(|| {
            let (a, b) = (self.im.clone(), other.im.clone());
            zip(&a.unwrap_or_else(zeros), &b.unwrap_or_else(zeros), &f)
        });
        Self {
            re: zip(&self.re, &other.re, &f),
            im,
        }
    }
}

impl Slots for Numbers {
    type Reals = Vec<f64>;
    fn from_values(slots: usize, values: impl FnOnce() -> Vec<f64>) -> Result<Self, SchemeError> {
        let mut re = values();
        Self::fit(slots, re.len())?;
        re.resize(slots, 0.0);
        Ok(Self { re, im: None })
    }
    fn from_complex(slots: usize, values: impl FnOnce() -> Vec<Complex>) -> Result<Self, SchemeError> {
        let mut values = values();
        Self::fit(slots, values.len())?;
        values.resize(slots, Complex::default());
        let (re, im) = values.into_iter().map(|z| (z.re, z.im)).unzip();
        Ok(Self { re, im: Some(im) })
    }
    fn reals(&self) -> &Vec<f64> {
        &self.re
    }
    fn add(&self, other: &Self) -> Self {
        self.linear(other, |a, b| a + b)
    }
    fn sub(&self, other: &Self) -> Self {
        self.linear(other, |a, b| a - b)
    }
    fn mul(&self, other: &Self) -> Self {
        let times = |a: &[f64], b: &[f64]| zip(a, b, |a, b| a * b);
        let mut re = times(&self.re, &other.re);
        let im = match (&self.im, &other.im) {
            (None, None) => None,
            (Some(a), None) => Some(times(a, &other.re)),
            (None, Some(b)) => Some(times(&self.re, b)),
            (Some(a), Some(b)) => {
                re = zip(&re, &times(a, b), |re, both| re - both);
                Some(zip(&times(&self.re, b), &times(a, &other.re), |x, y| x + y))
            }
        };
        Self { re, im }
    }
    fn add_scalar(&self, number: f64) -> Self {
        Self {
            re: map(&self.re, |re| re + number),
            im: self.im.clone(),
        }
    }
    fn scale(&self, number: f64) -> Self {
        let times = |part: &Vec<f64>| map(part, |value| value * number);
        Self {
            re: times(&self.re),
            im: self.im.as_ref().map(times),
        }
    }
    fn times_i(&self) -> Self {
        let zeros = || vec![0.0; self.re.len()];
        Self {
            re: self.im.as_ref().map_or_else(zeros, |im| map(im, |im| -im)),
            im: Some(self.re.clone()),
        }
    }
    fn conjugate(&self) -> Self {
        Self {
            re: self.re.clone(),
            im: self.im.as_ref().map(|im| map(im, |im| -im)),
        }
    }
    fn rotate(&self, step: usize) -> Self {
        let mut turned = self.clone();
        turned.re.rotate_left(step);
        turned.im.iter_mut().for_each(|im| im.rotate_left(step));
        turned
    }
}

impl Slots for () {
    type Reals = ();
    fn from_values(_: usize, _: impl FnOnce() -> Vec<f64>) -> Result<Self, SchemeError> {
        Ok(())
    }
    fn from_complex(_: usize, _: impl FnOnce() -> Vec<Complex>) -> Result<Self, SchemeError> {
        Ok(())
    }
    fn reals(&self) -> &() {
        self
    }
    fn add(&self, (): &Self) -> Self {}
    fn sub(&self, (): &Self) -> Self {}
    fn mul(&self, (): &Self) -> Self {}
    fn add_scalar(&self, _: f64) -> Self {}
    fn scale(&self, _: f64) -> Self {}
    fn times_i(&self) -> Self {}
    fn conjugate(&self) -> Self {}
    fn rotate(&self, _: usize) -> Self {}
}
