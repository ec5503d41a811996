//! The public choice of a mechanism, and one door to all of them.

use serde::{Deserialize, Serialize};

use crate::accountant::Accountant;
use crate::budget::{Budget, Rho, rho_for};
use crate::cost::Order;
use crate::distributed::laplace::DistributedLaplace;
use crate::distributed::skellam::DistributedSkellam;
use crate::distributed::{CalibrationError, DistributedGaussian};
use crate::mechanism::Mechanism;
use crate::sensitivity::{L1, L2Squared};

/// Which noise the parties add, as configurations write it: `"discrete-gaussian"`, `"skellam"`, `"discrete-laplace"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Discrete Gaussian shares; zCDP.
    #[default]
    DiscreteGaussian,
    /// Skellam shares; Renyi, with next to no loss however many and small the shares are.
    Skellam,
    /// Polya shares of a discrete Laplace; pure differential privacy, whatever delta says. Pays by the L1 sensitivity,
    /// so it suits few cells per row.
    DiscreteLaplace,
}

/// One release as its noise sees it. **Neighbours** add or remove one unit of privacy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// L1 sensitivity.
    pub l1: L1,
    /// Squared L2 sensitivity.
    pub l2: L2Squared,
    /// Cells of the largest table.
    pub cells: u64,
    /// Fewest survivors minus the colluding parties tolerated.
    pub honest_shares: u32,
}

impl Noise {
    /// The mechanism for one release that may cost `part` parts in `whole` of the budget: of its rho (at the budget's
    /// order for the Skellam), or of its epsilon for the Laplace. Releases whose parts add up to at most `whole` keep the
    /// budget together.
    ///
    /// # Errors
    /// See [`CalibrationError`]; a budget too small for any rho is [`CalibrationError::NoBudget`].
    pub fn mechanism(
        self,
        budget: &Budget,
        part: u32,
        whole: u32,
        release: Release,
    ) -> Result<Mechanism, CalibrationError> {
        let Release {
            l1,
            l2,
            cells,
            honest_shares,
        } = release;
        let rho = || {
            let total = rho_for(budget).map_err(|_| CalibrationError::NoBudget)?;
            Ok::<Rho, CalibrationError>(if part == whole {
                total
            } else {
                total.share(part, whole)
            })
        };
        Ok(match self {
            Noise::DiscreteGaussian => {
                Mechanism::DiscreteGaussian(DistributedGaussian::calibrate(rho()?, l2, honest_shares, cells)?)
            }
            Noise::Skellam => {
                let order = budget.order();
                Mechanism::Skellam(DistributedSkellam::calibrate(
                    rho()?,
                    order,
                    l1,
                    l2,
                    honest_shares,
                    cells,
                )?)
            }
            Noise::DiscreteLaplace => {
                let epsilon = self.epsilon(budget) * f64::from(part) / f64::from(whole.max(1));
                Mechanism::DiscreteLaplace(DistributedLaplace::calibrate(epsilon, l1, honest_shares, cells)?)
            }
        })
    }

    /// As configurations write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Noise::DiscreteGaussian => "discrete-gaussian",
            Noise::Skellam => "skellam",
            Noise::DiscreteLaplace => "discrete-laplace",
        }
    }

    /// The books of exactly this budget in the measure of this noise: what a run's releases are counted in.
    ///
    /// # Errors
    /// As [`rho_for`].
    pub fn books(self, budget: &Budget) -> Result<Accountant, crate::budget::BudgetError> {
        Ok(match self {
            Noise::DiscreteGaussian => Accountant::new(rho_for(budget)?),
            Noise::Skellam => Accountant::new(rho_for(budget)?).at_order(budget.order()),
            Noise::DiscreteLaplace => {
                let capacity = Rho::new(budget.epsilon().min(Rho::MAX.value()))?;
                Accountant::new(capacity).at_order(Order::PURE)
            }
        })
    }

    /// Less than the budget's epsilon by what the rounding of parts and of the ledger's grid may add up to.
    fn epsilon(self, budget: &Budget) -> f64 {
        budget.epsilon().min(Rho::MAX.value()) * (1.0 - 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_add_up_to_the_whole_fit_into_the_books() {
        let budget = Budget::new(1.0, 1e-6).unwrap();
        for noise in [Noise::DiscreteGaussian, Noise::Skellam, Noise::DiscreteLaplace] {
            let mut books = noise.books(&budget).unwrap();
            let release = Release {
                l1: L1(20),
                l2: L2Squared(20),
                cells: 4096,
                honest_shares: 3,
            };
            for part in [1, 2, 3, 4] {
                let mechanism = noise.mechanism(&budget, part, 10, release).unwrap();
                let _ = books.charge("query", mechanism.renyi_cost()).unwrap();
            }
            let (spent, capacity) = (books.spent().value(), books.capacity().unwrap().value());
            assert!(spent > 0.999 * capacity, "{noise:?}: {spent} of {capacity}");
        }
    }

    #[test]
    fn configurations_write_it_like_this() {
        let written = |noise: Noise| serde_json::to_string(&noise).unwrap();
        for noise in [Noise::DiscreteGaussian, Noise::Skellam, Noise::DiscreteLaplace] {
            assert_eq!(written(noise), format!("\"{}\"", noise.as_str()));
        }
        assert_eq!(
            serde_json::from_str::<Noise>("\"skellam\"").unwrap(),
            Noise::Skellam
        );
    }
}
