//! Polynomials that stand for activations.

use serde::{Deserialize, Serialize};

use super::GraphError;

/// A polynomial of one variable, by Chebyshev coefficients on an interval or by powers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Polynomial {
    /// `sum_k c[k] x^k`: what the model itself says (squares, powers).
    Powers(Vec<f64>),
    /// `sum_k c[k] T_k(u)`, `u = (2 x - low - high) / (high - low)`: a fit that holds on `[low, high]` only.
    Chebyshev {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
        /// Coefficients, from T_0.
        coefficients: Vec<f64>,
    },
}

impl Polynomial {
    /// `x^2`.
    pub fn square() -> Self {
        Self::Powers(vec![0.0, 0.0, 1.0])
    }

    /// The value at `x`.
    pub fn at(&self, x: f64) -> f64 {
        match self {
            Self::Powers(c) => c.iter().rev().fold(0.0, |sum, c| sum * x + c),
            Self::Chebyshev {
                low,
                high,
                coefficients,
            } => {
                // Clenshaw's recurrence.
                let u = (2.0 * x - low - high) / (high - low);
                let (mut b1, mut b2) = (0.0, 0.0);
                for &c in coefficients.iter().skip(1).rev() {
                    (b1, b2) = (2.0 * u * b1 - b2 + c, b1);
                }
                coefficients.first().unwrap_or(&0.0) + u * b1 - b2
            }
        }
    }

    /// The largest power with a coefficient.
    pub fn degree(&self) -> usize {
        let (Self::Powers(c) | Self::Chebyshev { coefficients: c, .. }) = self;
        c.iter().rposition(|&c| c != 0.0).unwrap_or(0)
    }

    /// Interpolates `f` at the Chebyshev points of `[low, high]`.
    pub fn interpolate(f: impl Fn(f64) -> f64, low: f64, high: f64, degree: usize) -> Self {
        let n = degree + 1;
        let angle = |j: usize| std::f64::consts::PI * (j as f64 + 0.5) / n as f64;
        let values: Vec<f64> = (0..n)
            .map(|j| f(0.5 * (low + high) + 0.5 * (high - low) * angle(j).cos()))
            .collect();
        let coefficient = |k: usize| {
            let sum: f64 = values
                .iter()
                .enumerate()
                .map(|(j, v)| v * (k as f64 * angle(j)).cos())
                .sum();
            sum * if k == 0 { 1.0 } else { 2.0 } / n as f64
        };
        Self::Chebyshev {
            low,
            high,
            coefficients: (0..n).map(coefficient).collect(),
        }
    }

    /// Refuses values outside the interval on which the polynomial holds.
    pub(super) fn check(&self, node: &str, values: &[f64]) -> Result<(), GraphError> {
        if let &Self::Chebyshev { low, high, .. } = self
            && let Some(&value) = values.iter().find(|&&v| !(low..=high).contains(&v))
        {
            return Err(GraphError::Range {
                node: node.to_owned(),
                value,
                low,
                high,
            });
        }
        Ok(())
    }
}
