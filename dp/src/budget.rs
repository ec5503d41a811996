//! Privacy budgets: what the operator writes, (epsilon, delta), and what is added up, rho of zCDP.

use opendp::combinators::ConcentratedMeasure;
use opendp::measures::{PrivacyProfile, ZeroConcentratedDivergence};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cost::Order;

/// Why a budget or a rho was refused.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// Epsilon must be a finite number above zero.
    #[error("epsilon is {actual}, expected a finite number above 0")]
    Epsilon {
        /// The number given.
        actual: f64,
    },
    /// Delta must lie strictly between zero and one.
    #[error("delta is {actual}, expected a number above 0 and below 1")]
    Delta {
        /// The number given.
        actual: f64,
    },
    /// Rho must lie between zero and [`Rho::MAX`].
    #[error("rho is {actual}, expected a number from 0 to {}", Rho::MAX.value())]
    Rho {
        /// The number given.
        actual: f64,
    },
    /// Even the smallest rho of the grid would exceed the budget.
    #[error(
        "no zCDP budget of at least 2^-{} fits into epsilon {epsilon} at delta {delta}",
        Rho::FRACTION_BITS
    )]
    TooSmall {
        /// Epsilon asked for.
        epsilon: f64,
        /// Delta asked for.
        delta: f64,
    },
}

/// An (epsilon, delta) differential privacy guarantee, checked: epsilon finite and above 0, delta in (0, 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BudgetFields", into = "BudgetFields")]
pub struct Budget {
    epsilon: f64,
    delta: f64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct BudgetFields {
    epsilon: f64,
    delta: f64,
}

impl TryFrom<BudgetFields> for Budget {
    type Error = BudgetError;
    fn try_from(fields: BudgetFields) -> Result<Self, BudgetError> {
        Budget::new(fields.epsilon, fields.delta)
    }
}

impl From<Budget> for BudgetFields {
    fn from(budget: Budget) -> Self {
        BudgetFields {
            epsilon: budget.epsilon,
            delta: budget.delta,
        }
    }
}

impl Budget {
    /// A checked budget.
    ///
    /// # Errors
    /// [`BudgetError::Epsilon`] or [`BudgetError::Delta`], with the number given.
    pub fn new(epsilon: f64, delta: f64) -> Result<Self, BudgetError> {
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(BudgetError::Epsilon { actual: epsilon });
        }
        if !(delta > 0.0 && delta < 1.0) {
            return Err(BudgetError::Delta { actual: delta });
        }
        Ok(Budget { epsilon, delta })
    }

    /// Epsilon, finite and above 0.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// The order of Renyi divergence at which a zCDP mechanism that just keeps this budget is converted to (epsilon,
    /// delta): the order for a filter, and for mechanisms that are not zCDP.
    ///
    /// A mechanism whose divergence of this order is at most [`rho_for`] times the order keeps the budget, by
    /// Proposition 12 of Canonne, Kamath and Steinke 2020, which needs one order only.
    #[must_use]
    pub fn order(&self) -> Order {
        let rho = rho_for(self).unwrap_or(Rho::MAX).value();
        // The bound is quasi-convex in the order; golden-section search on the logarithm of order - 1.
        let at = |log: f64| epsilon_at(1.0 + log.exp(), rho * (1.0 + log.exp()), self.delta);
        let (mut low, mut high) = (1e-3f64.ln(), 1e12f64.ln());
        let ratio = (5f64.sqrt() - 1.0) / 2.0;
        for _ in 0..90 {
            let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
            if at(left) < at(right) {
                high = right;
            } else {
                low = left;
            }
        }
        Order::new(1.0 + (0.5 * (low + high)).exp()).unwrap_or(Order::PURE)
    }

    /// Delta, above 0 and below 1.
    #[must_use]
    pub fn delta(&self) -> f64 {
        self.delta
    }
}

/// A zCDP parameter: `rho`-zCDP bounds the Renyi divergence of every order `alpha > 1` between the outputs on
/// neighbouring inputs by `rho * alpha` (Bun and Steinke 2016).
///
/// Kept, and serialised, as a whole number of 2^-44, at most [`Rho::MAX`]: every value is exact as `f64`, sums of
/// values are sums of integers, and no decimal form can round a budget up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rho(u64);

impl TryFrom<u64> for Rho {
    type Error = BudgetError;
    fn try_from(units: u64) -> Result<Self, BudgetError> {
        match units <= Self::MAX.0 {
            true => Ok(Rho(units)),
            false => Err(BudgetError::Rho {
                actual: units as f64 / Self::SCALE,
            }),
        }
    }
}

impl From<Rho> for u64 {
    fn from(rho: Rho) -> u64 {
        rho.0
    }
}

impl std::fmt::Display for Rho {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value().fmt(f)
    }
}

impl Rho {
    /// Binary digits after the point.
    pub const FRACTION_BITS: u32 = 44;
    /// Nothing spent.
    pub const ZERO: Rho = Rho(0);
    /// The largest rho, 512: epsilon is beyond 500 there, and every multiple of 2^-44 up to it is exact as `f64`.
    pub const MAX: Rho = Rho(1 << 53);

    const SCALE: f64 = (1u64 << Self::FRACTION_BITS) as f64;

    /// The largest rho of the grid that is not above `value`: what may be *spent* is rounded down.
    ///
    /// # Errors
    /// [`BudgetError::Rho`] if `value` is not a number from 0 to [`Rho::MAX`].
    pub fn new(value: f64) -> Result<Self, BudgetError> {
        if !(value >= 0.0 && value <= Self::MAX.value()) {
            return Err(BudgetError::Rho { actual: value });
        }
        // Scaling by a power of two is exact, and so is the cast of a whole number up to 2^53.
        Ok(Rho((value * Self::SCALE).floor() as u64))
    }

    /// The smallest rho of the grid that is not below `value`: what *was* spent is rounded up.
    ///
    /// # Errors
    /// [`BudgetError::Rho`] if `value` is not a number from 0 to [`Rho::MAX`].
    pub fn at_least(value: f64) -> Result<Self, BudgetError> {
        if !(value >= 0.0 && value <= Self::MAX.value()) {
            return Err(BudgetError::Rho { actual: value });
        }
        Ok(Rho((value * Self::SCALE).ceil() as u64))
    }

    /// The exact value.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0 as f64 / Self::SCALE
    }

    /// `self * part / whole`, rounded down: shares whose parts add up to at most `whole` never add up to more than
    /// `self`. `whole = 0` gives [`Rho::ZERO`].
    #[must_use]
    pub fn share(self, part: u32, whole: u32) -> Rho {
        let product = u128::from(self.0) * u128::from(part);
        let share = product.checked_div(u128::from(whole)).unwrap_or(0);
        Rho(u64::try_from(share).unwrap_or(Self::MAX.0).min(Self::MAX.0))
    }

    pub(crate) fn units(self) -> u64 {
        self.0
    }

    /// Saturates at [`Rho::MAX`].
    pub(crate) fn from_units(units: u128) -> Rho {
        Rho(u64::try_from(units).unwrap_or(Self::MAX.0).min(Self::MAX.0))
    }
}

/// `epsilon -> delta` of a `rho`-zCDP mechanism: Canonne, Kamath and Steinke 2020, Corollary 13, minimised over the
/// order alpha by opendp with every rounding upwards. `None` where opendp's arithmetic overflows.
fn profile(rho: Rho) -> Option<PrivacyProfile> {
    ZeroConcentratedDivergence::convert(rho.value()).ok()
}

/// The epsilon that a Renyi divergence of `order` gives at `delta`: Canonne, Kamath and Steinke 2020, Proposition 12.
pub(crate) fn epsilon_at(order: f64, divergence: f64, delta: f64) -> f64 {
    let bound = divergence + (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0);
    bound.max(0.0)
}

fn keeps(budget: &Budget, rho: Rho) -> bool {
    let delta = profile(rho).and_then(|profile| profile.delta(budget.epsilon).ok());
    delta.is_some_and(|delta| delta <= budget.delta)
}

/// The largest rho of the grid such that every `rho`-zCDP mechanism is (epsilon, delta)-differentially private, by
/// the tight conversion of Canonne, Kamath and Steinke 2020 (Corollary 13, optimal order), found by bisection.
///
/// Never more than allowed: the value returned has itself been converted back with upward rounding. Budgets that
/// would allow more than [`Rho::MAX`] give [`Rho::MAX`].
///
/// # Errors
/// [`BudgetError::TooSmall`] if not even 2^-44 fits.
pub fn rho_for(budget: &Budget) -> Result<Rho, BudgetError> {
    if keeps(budget, Rho::MAX) {
        return Ok(Rho::MAX);
    }
    let (mut kept, mut broken) = (Rho::ZERO, Rho::MAX);
    while broken.0 - kept.0 > 1 {
        let middle = Rho(kept.0 + (broken.0 - kept.0) / 2);
        if keeps(budget, middle) {
            kept = middle;
        } else {
            broken = middle;
        }
    }
    if kept == Rho::ZERO {
        return Err(BudgetError::TooSmall {
            epsilon: budget.epsilon,
            delta: budget.delta,
        });
    }
    Ok(kept)
}

/// The smallest epsilon such that every `rho`-zCDP mechanism is (epsilon, delta)-differentially private, rounded up
/// (same theorem as [`rho_for`]).
///
/// Total: where no epsilon can be vouched for (`delta` not in (0, 1), arithmetic out of range) the answer is
/// infinity, which is always true.
#[must_use]
pub fn epsilon_for(rho: Rho, delta: f64) -> f64 {
    if !(delta > 0.0 && delta < 1.0) {
        return f64::INFINITY;
    }
    profile(rho)
        .and_then(|profile| profile.epsilon(delta).ok())
        .unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Independent oracle: Proposition 12 of Canonne, Kamath and Steinke 2020 solved for epsilon, minimised over a
    /// fine geometric grid of orders. Never below the optimum, and within 1e-6 of it.
    fn epsilon_by_grid(rho: f64, delta: f64) -> f64 {
        (0..400_000)
            .map(|step| 1.0 + 1e-3 * 1e8f64.powf(f64::from(step) / 400_000.0))
            .map(|alpha| {
                alpha * rho
                    + ((1.0 / delta).ln() + (alpha - 1.0) * (-1.0 / alpha).ln_1p() - alpha.ln())
                        / (alpha - 1.0)
            })
            .fold(f64::INFINITY, f64::min)
    }

    /// The classical conversion of Bun and Steinke 2016: valid, and never tighter.
    fn epsilon_by_bun_steinke(rho: f64, delta: f64) -> f64 {
        rho + 2.0 * (rho * (1.0 / delta).ln()).sqrt()
    }

    #[test]
    fn epsilon_agrees_with_a_grid_search_over_orders() {
        for rho in [1e-4, 1e-3, 0.0125, 0.1, 0.5, 2.0, 20.0] {
            for delta in [1e-10, 1e-6, 1e-3] {
                let exact = epsilon_for(Rho::new(rho).unwrap(), delta);
                let grid = epsilon_by_grid(rho, delta);
                assert!(
                    (exact - grid).abs() <= 1e-6 * grid.max(1e-3),
                    "rho {rho} delta {delta}: {exact} {grid}"
                );
                assert!(exact < epsilon_by_bun_steinke(rho, delta));
            }
        }
    }

    /// The optimum over real orders, by golden-section search with 50 decimal digits (mpmath).
    #[test]
    fn the_conversion_is_pinned() {
        let pinned = [
            (1.0 / 64.0, 2f64.powi(-20), 0.790_561_836_051_468_2),
            (0.125, 1e-6, 2.419_093_176_867_195),
            (0.5, 1e-5, 4.728_386_984_943_314),
            (1.0 / 1024.0, 1e-9, 0.242_125_435_455_234_2),
        ];
        for (rho, delta, expected) in pinned {
            let actual = epsilon_for(Rho::new(rho).unwrap(), delta);
            assert!(
                (actual / expected - 1.0).abs() < 1e-12,
                "rho {rho} delta {delta}: {actual} {expected}"
            );
        }
        let pinned = [
            (1.0, 1e-6, 0.024_355_970_359_538_37),
            (0.5, 1e-9, 0.003_953_191_141_217_897),
            (3.0, 1e-5, 0.224_249_168_246_345_3),
        ];
        for (epsilon, delta, expected) in pinned {
            let actual = rho_for(&Budget::new(epsilon, delta).unwrap()).unwrap().value();
            assert!(
                actual <= expected && expected - actual < 1e-12,
                "epsilon {epsilon}: {actual} {expected}"
            );
        }
    }

    #[test]
    fn rho_is_the_largest_that_keeps_the_budget() {
        for (epsilon, delta) in [(0.01, 1e-6), (0.5, 1e-9), (1.0, 1e-6), (3.0, 1e-5), (50.0, 1e-6)] {
            let budget = Budget::new(epsilon, delta).unwrap();
            let rho = rho_for(&budget).unwrap();
            assert!(keeps(&budget, rho));
            assert!(!keeps(&budget, Rho(rho.0 + 1)));
            assert!(epsilon_for(rho, delta) <= epsilon * (1.0 + 1e-12));
            assert!(epsilon_for(rho, delta) >= epsilon * (1.0 - 1e-6));
        }
    }

    #[test]
    fn absurd_budgets_are_refused_or_capped() {
        for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                Budget::new(epsilon, 1e-6),
                Err(BudgetError::Epsilon { .. })
            ));
        }
        for delta in [0.0, 1.0, -1e-9, f64::NAN] {
            assert!(matches!(Budget::new(1.0, delta), Err(BudgetError::Delta { .. })));
            assert_eq!(epsilon_for(Rho::new(0.1).unwrap(), delta), f64::INFINITY);
        }
        assert_eq!(rho_for(&Budget::new(1e6, 1e-6).unwrap()), Ok(Rho::MAX));
        let tiny = Budget::new(1e-9, 1e-300).unwrap();
        assert_eq!(
            rho_for(&tiny),
            Err(BudgetError::TooSmall {
                epsilon: 1e-9,
                delta: 1e-300
            })
        );
        assert_eq!(epsilon_for(Rho::ZERO, 1e-6), 0.0);
    }

    #[test]
    fn serialisation_checks() {
        assert!(serde_json::from_str::<Budget>(r#"{"epsilon":1.0,"delta":0.0}"#).is_err());
        assert_eq!(serde_json::from_str::<Rho>("9007199254740992").unwrap(), Rho::MAX);
        assert!(serde_json::from_str::<Rho>("9007199254740993").is_err());
        assert!(serde_json::from_str::<Rho>("-1").is_err());
    }

    proptest! {
        #[test]
        fn rounding_brackets_the_value(value in 0.0f64..=512.0) {
            let (down, up) = (Rho::new(value).unwrap(), Rho::at_least(value).unwrap());
            prop_assert!(down.value() <= value && value <= up.value());
            prop_assert!(up.0 - down.0 <= 1);
        }

        #[test]
        fn rho_survives_the_journal(units in 0u64..=1 << 53) {
            let rho = Rho(units);
            let json = serde_json::to_string(&rho).unwrap();
            prop_assert_eq!(serde_json::from_str::<Rho>(&json).unwrap(), rho);
            let bytes = postcard::to_stdvec(&rho).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Rho>(&bytes).unwrap(), rho);
        }

        #[test]
        fn shares_never_add_up_to_more(units in 0u64..=1 << 53, parts in prop::collection::vec(0u32..1000, 1..20)) {
            let whole: u32 = parts.iter().sum::<u32>().max(1);
            let sum: u64 = parts.iter().map(|part| Rho(units).share(*part, whole).0).sum();
            prop_assert!(sum <= units);
            prop_assert!(units - sum <= parts.len() as u64 || parts.iter().sum::<u32>() == 0);
        }
    }
}
