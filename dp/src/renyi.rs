//! Renyi accounting on a grid of orders: what several releases cost together, as (epsilon, delta).
//!
//! **Measure** Renyi divergence at every order of [`orders`]; it adds up under composition, also adaptive, as long as what
//! each release costs is fixed before (for costs that depend on answers: [`Accountant`](crate::Accountant)).
//! **Neighbours** and **sensitivities** are those of the costs that are added. **Conversion** Canonne, Kamath and Steinke
//! 2020, Proposition 12, at the best order of the grid.

use crate::budget::{Budget, Rho, epsilon_at, epsilon_for};
use crate::cost::{Cost, Order};

/// The grid: `1 + 2^(i / 16)` from 1.0039 to 2^20, so that no order is farther than 2.2 % from the grid in `a - 1`, which
/// costs less than 0.03 % of epsilon.
pub fn orders() -> impl Iterator<Item = Order> {
    (-128..=320).filter_map(|step| Order::new(1.0 + (f64::from(step) / 16.0).exp2()))
}

/// Divergences at every order, summed over releases, and the epsilon of pure differential privacy.
#[derive(Clone, Debug, PartialEq)]
pub struct RenyiCurve {
    divergences: Vec<f64>,
    pure: f64,
}

impl Default for RenyiCurve {
    fn default() -> Self {
        Self::new()
    }
}

impl RenyiCurve {
    /// No release.
    #[must_use]
    pub fn new() -> Self {
        RenyiCurve {
            divergences: orders().map(|_| 0.0).collect(),
            pure: 0.0,
        }
    }

    /// Adds `times` releases of this cost.
    pub fn add(&mut self, cost: &Cost, times: u32) {
        for (sum, order) in self.divergences.iter_mut().zip(orders()) {
            *sum += cost.divergence(order) * f64::from(times);
        }
        self.pure += cost.divergence(Order::PURE) * f64::from(times);
    }

    /// The epsilon at this delta, by the best order, or by pure differential privacy if that is better. Infinite where
    /// nothing can be said; `delta` 0 gives the pure epsilon.
    #[must_use]
    pub fn epsilon(&self, delta: f64) -> f64 {
        if !(0.0..1.0).contains(&delta) {
            return f64::INFINITY;
        }
        let of = |(order, divergence): (Order, &f64)| epsilon_at(order.value(), *divergence, delta);
        if delta == 0.0 {
            return self.pure;
        }
        let renyi = orders()
            .zip(&self.divergences)
            .map(of)
            .fold(f64::INFINITY, f64::min);
        renyi.min(self.pure)
    }
}

impl FromIterator<Cost> for RenyiCurve {
    fn from_iter<I: IntoIterator<Item = Cost>>(costs: I) -> Self {
        let mut curve = RenyiCurve::new();
        costs.into_iter().for_each(|cost| curve.add(&cost, 1));
        curve
    }
}

/// The epsilon of releases together at this delta: of the curve's orders, or of the order that suits an epsilon of about
/// this size, whichever is less. Of zCDP alone it is that of [`epsilon_for`].
#[must_use]
pub fn epsilon_of<'a>(costs: impl IntoIterator<Item = &'a Cost>, delta: f64) -> f64 {
    let costs: Vec<&Cost> = costs.into_iter().collect();
    let rho = |cost: &&Cost| match cost {
        Cost::Zcdp(rho) => Some(rho.value()),
        _ => None,
    };
    if let Some(Ok(rho)) = costs.iter().map(rho).sum::<Option<f64>>().map(Rho::at_least) {
        return epsilon_for(rho, delta);
    }
    let mut curve = RenyiCurve::new();
    for cost in &costs {
        curve.add(cost, 1);
    }
    let mut about = curve.epsilon(delta);
    // The order that suits an epsilon depends on it so little that two steps from the curve's end where a third would.
    for _ in 0..2 {
        let Ok(budget) = Budget::new(about, delta) else {
            break;
        };
        let order = budget.order();
        let divergence: f64 = costs.iter().map(|cost| cost.divergence(order)).sum();
        about = about.min(epsilon_at(order.value(), divergence, delta));
    }
    about
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Variance;
    use crate::{L1, L2Squared, Rho, epsilon_for};

    #[test]
    fn the_grid_costs_next_to_nothing() {
        for rho in [1e-6, 1e-3, 0.0156, 0.5, 4.0] {
            for delta in [1e-9, 1e-5] {
                let rho = Rho::new(rho).unwrap();
                let (grid, best) = (
                    RenyiCurve::from_iter([Cost::Zcdp(rho)]).epsilon(delta),
                    epsilon_for(rho, delta),
                );
                assert!(
                    grid >= best * (1.0 - 1e-9) && grid <= best * 1.0005,
                    "rho {rho}: {grid} {best}"
                );
            }
        }
        assert_eq!(RenyiCurve::new().epsilon(1e-6), 0.0);
        assert_eq!(RenyiCurve::new().epsilon(-1.0), f64::INFINITY);
    }

    /// Epsilons of Google's dp_accounting with the same definition and conversion, within 1 %, and its PLD for
    /// comparison: `vectors/generate.py`, which also wrote `docs/accounting.md`.
    #[test]
    fn agrees_with_dp_accounting() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../vectors/accounting.json")).unwrap();
        let mut checked = 0;
        for case in vectors["cases"].as_array().unwrap() {
            let mut curve = RenyiCurve::new();
            for release in case["releases"].as_array().unwrap() {
                let number = |key: &str| release[key].as_u64().unwrap();
                let cost = match release["mechanism"].as_str().unwrap() {
                    // sigma^2 = variance, L2 sensitivity squared = l2: rho = l2 / (2 variance).
                    "gaussian" => Cost::Zcdp(
                        Rho::at_least(number("l2") as f64 / (2.0 * number("variance") as f64)).unwrap(),
                    ),
                    "skellam" => Cost::Skellam {
                        share: Variance::new(number("variance"), 1).unwrap(),
                        shares: 1,
                        l1: L1(number("l1")),
                        l2: L2Squared(number("l2")),
                    },
                    "laplace" => Cost::Laplace {
                        gap: number("gap") as u32,
                        l1: L1(number("l1")),
                    },
                    other => panic!("{other}"),
                };
                curve.add(&cost, number("times") as u32);
            }
            let (delta, expected) = (case["delta"].as_f64().unwrap(), case["rdp"].as_f64().unwrap());
            let ours = curve.epsilon(delta);
            assert!((ours / expected - 1.0).abs() < 0.01, "{case}: {ours}");
            if let Some(pld) = case["pld"].as_f64() {
                assert!(ours > pld * 0.999, "tighter than the tightest: {case}: {ours}");
                println!(
                    "{}: ours {ours:.4}, PLD {pld:.4}, {:+.1} %",
                    case["name"],
                    100.0 * (ours / pld - 1.0)
                );
            }
            checked += 1;
        }
        assert!(checked >= 30, "{checked}");
    }

    #[test]
    fn a_budget_that_is_just_spent_is_said_to_be_just_that() {
        let budget = Budget::new(1.0, 1e-6).unwrap();
        let rho = crate::rho_for(&budget).unwrap();
        let zcdp = epsilon_of([&Cost::Zcdp(rho)], 1e-6);
        assert_eq!(zcdp, crate::epsilon_for(rho, 1e-6));
        let release = crate::Release {
            l1: crate::L1(20),
            l2: crate::L2Squared(20),
            cells: 4096,
            honest_shares: 3,
        };
        let skellam = crate::Noise::Skellam
            .mechanism(&budget, 1, 1, release)
            .unwrap()
            .renyi_cost();
        let found = epsilon_of([&skellam], 1e-6);
        assert!(found <= 1.0 + 1e-6 && found > 0.999, "{found}");
        assert_eq!(epsilon_of([], 1e-6), 0.0);
    }
}
