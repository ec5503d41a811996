//! Activations that are no polynomials, and their replacement from calibration data.

use super::{Graph, GraphError, Operator, Polynomial};

/// An activation that has to be replaced by a polynomial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `x sigmoid(x)`.
    Silu,
    /// `x Phi(x)`.
    Gelu,
    /// `tanh(x)`.
    Tanh,
}

impl Activation {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::Sigmoid => "Sigmoid",
            Self::Silu => "SiLU",
            Self::Gelu => "GELU",
            Self::Tanh => "Tanh",
        }
    }

    /// Its value.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu => x * 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Tanh => x.tanh(),
        }
    }
}

/// The error function: its Maclaurin series near zero, the continued fraction of its complement beyond 3.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a < 3.0 {
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term.abs() > 1e-17 * sum.abs() && n < 200.0 {
            n += 1.0;
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return sum * std::f64::consts::FRAC_2_SQRT_PI;
    }
    let fraction = (1..60).rev().fold(0.0, |f, k| f64::from(k) / 2.0 / (a + f));
    let complement = (-a * a).exp() / ((a + fraction) * std::f64::consts::PI.sqrt());
    (1.0 - complement).copysign(x)
}

/// What replaced one activation.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The node.
    pub node: String,
    /// What it was.
    pub activation: &'static str,
    /// The interval: what the samples showed, widened by the margin.
    pub interval: (f64, f64),
    /// Degree of the polynomial.
    pub degree: usize,
    /// Largest difference to the activation on the interval.
    pub error: f64,
}

impl Graph {
    /// Replaces every activation by the Chebyshev interpolation of `degree` on the interval that `samples` show,
    /// widened by the factor `margin` (at least 1) about its middle.
    ///
    /// # Errors
    /// No samples, or samples of another length.
    pub fn calibrate(
        &self,
        samples: &[Vec<f64>],
        degree: usize,
        margin: f64,
    ) -> Result<(Self, Vec<Calibration>), GraphError> {
        if samples.is_empty() {
            return Err(GraphError::NoSamples);
        }
        let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); self.nodes.len()];
        for sample in samples {
            let values = self.trace_with(sample, |_, activation, x| {
                Ok(x.iter().map(|&x| activation.at(x)).collect())
            })?;
            for (range, values) in ranges.iter_mut().zip(values) {
                *range = values
                    .iter()
                    .fold(*range, |(low, high), &v| (low.min(v), high.max(v)));
            }
        }
        let (mut graph, mut report) = (self.clone(), Vec::new());
        for node in &mut graph.nodes {
            let Operator::Activation(activation) = node.operator else {
                continue;
            };
            let (low, high) = ranges[node.inputs[0]];
            let (middle, half) = (
                0.5 * (low + high),
                (0.5 * (high - low) * margin.max(1.0)).max(1e-3),
            );
            let (low, high) = (middle - half, middle + half);
            let polynomial = Polynomial::interpolate(|x| activation.at(x), low, high, degree);
            let points = (0..=2000).map(|i| low + (high - low) * f64::from(i) / 2000.0);
            let error = points
                .map(|x| (polynomial.at(x) - activation.at(x)).abs())
                .fold(0.0, f64::max);
            let (interval, name) = ((low, high), node.name.clone());
            report.push(Calibration {
                node: name,
                activation: activation.name(),
                interval,
                degree,
                error,
            });
            node.operator = Operator::Polynomial(polynomial);
        }
        Ok((graph, report))
    }
}
