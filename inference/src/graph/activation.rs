//! Activations that are no polynomials, and their replacement from calibration data.

use std::sync::Arc;

use super::{Graph, GraphError, Operator, Polynomial, layers};

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
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, which approximates [`Activation::Gelu`].
    GeluTanh,
    /// `tanh(x)`.
    Tanh,
    /// The error function.
    Erf,
}

impl Activation {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::Sigmoid => "Sigmoid",
            Self::Silu => "SiLU",
            Self::Gelu => "GELU",
            Self::GeluTanh => "GELU (tanh)",
            Self::Tanh => "Tanh",
            Self::Erf => "Erf",
        }
    }

    /// Its value.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu => x * 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let inner = std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Tanh => x.tanh(),
            Self::Erf => erf(x),
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

/// Highest degree of a replacement: beyond, no ring has the levels for more than one of them.
pub const MAX_DEGREE: usize = 64;

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
    /// Names of the activations that calibration has to replace.
    pub fn activations(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.nodes.iter().filter_map(|node| match node.operator {
            Operator::Activation(activation) => Some((node.name.as_str(), activation.name())),
            _ => None,
        })
    }

    /// Evaluates one sample in f64 with activations as they are, before any replacement.
    ///
    /// # Errors
    /// An input of another length, a value outside a fitted polynomial's interval.
    pub fn evaluate_original(&self, input: &[f64]) -> Result<Vec<f64>, GraphError> {
        let values = self.trace_with(input, |_, activation, x| {
            Ok(x.iter().map(|&x| activation.at(x)).collect())
        });
        Ok(values?.pop().unwrap_or_default())
    }

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
        let degree = degree.clamp(1, MAX_DEGREE);
        let mut uses = vec![0usize; graph.nodes.len()];
        for &input in graph.nodes.iter().flat_map(|node| &node.inputs) {
            uses[input] += 1;
        }
        for i in 0..graph.nodes.len() {
            let node = &mut graph.nodes[i];
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
            // A map before it, which nothing else needs, brings the interval to [-1, 1]: a level less under encryption.
            let before = node.inputs[0];
            let shape = node.shape.clone();
            if let (Operator::Affine(map), 1) = (&graph.nodes[before].operator, uses[before]) {
                let (unit, _) = layers::diagonal(&shape, |_| 1.0 / half, |_| -middle / half)?;
                let scaled = unit.after(map)?;
                graph.nodes[before].operator = Operator::Affine(Arc::new(scaled));
                if let Operator::Polynomial(Polynomial::Chebyshev { low, high, .. }) =
                    &mut graph.nodes[i].operator
                {
                    (*low, *high) = (-1.0, 1.0);
                }
            }
        }
        Ok((graph, report))
    }
}

impl std::fmt::Display for Calibration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (low, high) = self.interval;
        write!(
            f,
            "{}: {} on [{low:.3}, {high:.3}] by a polynomial of degree {}, largest error {:.2e} (2^{:.1})",
            self.node,
            self.activation,
            self.degree,
            self.error,
            self.error.log2()
        )
    }
}
