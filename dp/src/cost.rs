//! What a release costs, as a Renyi divergence of any order.
//!
//! **Measure** Renyi divergence `D_a` of order `a > 1` between the outputs on neighbouring inputs (Mironov, *Renyi
//! Differential Privacy*, CSF 2017); it adds up under adaptive composition at each order. **Neighbours** add or remove
//! one row of one party. **Sensitivity** whatever the mechanism states: L2 for the Gaussian, L1 and L2 for the Skellam,
//! L1 for the Laplace.
//!
//! | cost | bound on `D_a` | source |
//! |---|---|---|
//! | [`Cost::Zcdp`] | `rho a` | Bun and Steinke, TCC 2016 |
//! | [`Cost::Skellam`] | `a D2 / (2 v) + min(((2 a - 1) D2 + 6 D1) / (4 v^2), 3 D1 / (2 v))` at whole `a` | Agarwal, Kairouz and Liu, NeurIPS 2021, Corollary 4.1 |
//! | [`Cost::Laplace`] | closed form below | |
//!
//! The Skellam bound is proven for whole orders; between two of them this module uses that `(a - 1) D_a` is convex in
//! `a` and 0 at `a = 1` (van Erven and Harremoes, IEEE TIT 2014, Corollary 2), so the chord is a bound.
//!
//! The discrete Laplace `P(x) = (1 - q) / (1 + q) q^|x|`, moved by a whole number `d`, has
//!
//! ```text
//! exp((a - 1) D_a) = A q^(-(a - 1) d) + B q^(a d),   r = q^(2 a - 1)
//! A = (1 - q) / (1 + q) (1 / (1 - q) + r / (1 - r)),   B = (1 - q) / (1 + q) (1 / (1 - q) - 1 / (1 - r))
//! ```
//!
//! by summing three geometric series. `A` and `B` are positive and add up to 1, so the logarithm is convex in `d` and 0
//! at `d = 0`: a table whose cells move by `d_1, d_2, ...` costs at most what one cell moving by their sum costs, and
//! the L1 sensitivity is all that matters.

use serde::{Deserialize, Serialize};

use crate::budget::Rho;
use crate::sampler::Variance;
use crate::sensitivity::{L1, L2Squared};

/// Covers the rounding of the few dozen operations of a bound many times over.
const ROUNDING: f64 = 1.0 + 1e-12;

/// An order of Renyi divergence, above 1. [`Order::PURE`] is infinite: pure differential privacy.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Order(f64);

impl Order {
    /// The infinite order: the divergence is the epsilon of pure differential privacy.
    pub const PURE: Order = Order(f64::INFINITY);

    /// `order`, if it is above 1 (1.001 at least, for the sake of arithmetic).
    #[must_use]
    pub fn new(order: f64) -> Option<Self> {
        (order >= 1.001).then_some(Order(order))
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

/// What one release costs: enough about the mechanism to bound the Renyi divergence of every order. Whole numbers
/// only, so that it survives a journal unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cost {
    /// rho-zCDP: any mechanism with `D_a <= rho a` at every order, such as the discrete Gaussian.
    Zcdp(Rho),
    /// Skellam noise.
    Skellam {
        /// Variance of one honest share.
        share: Variance,
        /// Honest shares.
        shares: u32,
        /// L1 sensitivity.
        l1: L1,
        /// Squared L2 sensitivity.
        l2: L2Squared,
    },
    /// Discrete Laplace noise, alone or with independent noise on top.
    Laplace {
        /// `1 - q` in units of 2^-32.
        gap: u32,
        /// L1 sensitivity.
        l1: L1,
    },
}

impl From<Rho> for Cost {
    fn from(rho: Rho) -> Self {
        Cost::Zcdp(rho)
    }
}

impl Cost {
    /// A bound on the Renyi divergence of this order, in nats, rounded up; infinite where there is none.
    #[must_use]
    pub fn divergence(&self, order: Order) -> f64 {
        let a = order.value();
        let bound = match self {
            Cost::Zcdp(Rho::ZERO) => 0.0,
            Cost::Zcdp(rho) => return rho.value() * a,
            Cost::Skellam {
                share,
                shares,
                l1,
                l2,
            } => skellam(share.value() * f64::from(*shares), l1.0 as f64, l2.0 as f64, a),
            Cost::Laplace { gap, l1 } => laplace(f64::from(*gap) / 2f64.powi(32), l1.0 as f64, a),
        };
        bound * ROUNDING
    }

    /// [`Self::divergence`] divided by the order, on the grid of [`Rho`], rounded up: what a filter of this order
    /// charges. At [`Order::PURE`] the divergence itself. `None` where it is unbounded or beyond [`Rho::MAX`].
    #[must_use]
    pub fn at(&self, order: Order) -> Option<Rho> {
        match self {
            Cost::Zcdp(rho) if order != Order::PURE => Some(*rho),
            _ => {
                let divergence = self.divergence(order);
                let per_order = if order == Order::PURE {
                    divergence
                } else {
                    divergence / order.value()
                };
                Rho::at_least(per_order).ok()
            }
        }
    }

    /// The zCDP parameter, where there is one for every order: that of the Gaussian, and `epsilon tanh(epsilon / 2)` of
    /// any epsilon-differentially private mechanism (at most the `epsilon^2 / 2` of Bun and Steinke 2016,
    /// Proposition 3.3; tight by Steinke, *Tight RDP and zCDP Bounds from Pure DP*, 2024). `None` for Skellam noise, whose
    /// theorem speaks of whole orders.
    #[must_use]
    pub fn zcdp(&self) -> Option<Rho> {
        match self {
            Cost::Zcdp(rho) => Some(*rho),
            Cost::Skellam { .. } => None,
            Cost::Laplace { .. } => {
                let epsilon = self.divergence(Order::PURE);
                Rho::at_least(epsilon * (epsilon / 2.0).tanh() * ROUNDING).ok()
            }
        }
    }

    /// Whether a payment of `self` pays for a release that costs `other`.
    #[must_use]
    pub fn covers(&self, other: &Cost) -> bool {
        match (self, other) {
            (Cost::Zcdp(paid), Cost::Zcdp(cost)) => paid >= cost,
            _ => self == other,
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cost::Zcdp(rho) => write!(f, "rho {rho}"),
            Cost::Skellam {
                share,
                shares,
                l1,
                l2,
            } => write!(
                f,
                "Skellam of variance {share} in each of {shares} shares for sensitivities {} (L1) and {} (squared L2)",
                l1.0, l2.0
            ),
            Cost::Laplace { .. } => write!(f, "pure epsilon {}", self.divergence(Order::PURE)),
        }
    }
}

fn skellam(variance: f64, l1: f64, l2: f64, order: f64) -> f64 {
    if order.is_infinite() {
        return f64::INFINITY;
    }
    let whole = |n: f64| {
        let correction =
            (((2.0 * n - 1.0) * l2 + 6.0 * l1) / (4.0 * variance * variance)).min(1.5 * l1 / variance);
        n * l2 / (2.0 * variance) + correction
    };
    let (n, part) = (order.floor(), order.fract());
    let chord = (1.0 - part) * (n - 1.0) * if n > 1.0 { whole(n) } else { 0.0 } + part * n * whole(n + 1.0);
    chord / (order - 1.0)
}

fn laplace(gap: f64, l1: f64, order: f64) -> f64 {
    // -ln q without losing digits.
    let nats = -(-gap).ln_1p();
    let epsilon = nats * l1;
    if order.is_infinite() {
        return epsilon;
    }
    let half = gap / (2.0 - gap);
    let rest = -(-(2.0 * order - 1.0) * nats).exp_m1();
    let a = half * (1.0 / gap + (1.0 - rest) / rest);
    let b = half * (1.0 / gap - 1.0 / rest);
    let moment = a.ln() + (order - 1.0) * epsilon + (b / a * (-(2.0 * order - 1.0) * epsilon).exp()).ln_1p();
    // Small moments are differences of almost equal numbers: exp(x) - 1 = A (e^u - 1) + B (e^-v - 1) has none of that.
    let (u, v) = ((order - 1.0) * epsilon, order * epsilon);
    let exact = if u < 1.0 {
        (a * u.exp_m1() + b * (-v).exp_m1()).ln_1p()
    } else {
        moment
    };
    (exact / (order - 1.0)).clamp(0.0, epsilon)
}

#[cfg(test)]
mod tests;
