//! Table + charge -> [`Noised`] table: the only door through which a count leaves a party.

use rand_core::CryptoRng;
use thiserror::Error;

use crate::accountant::Charge;
use crate::budget::Rho;
use crate::cost::Cost;
use crate::distributed::DistributedGaussian;
use crate::distributed::laplace::DistributedLaplace;
use crate::distributed::skellam::DistributedSkellam;

/// Whatever holds integer cells that noise can be added to.
pub trait Cells {
    /// All cells, in any fixed order; every one gets its own noise.
    fn cells_mut(&mut self) -> &mut [i64];
}

impl Cells for Vec<i64> {
    fn cells_mut(&mut self) -> &mut [i64] {
        self
    }
}

/// A table that has been through a [`Mechanism`]. Only this crate makes it, and it shows nothing in logs: one
/// party's table carries only that party's share of the noise.
#[must_use]
pub struct Noised<T>(T);

impl<T> Noised<T> {
    /// The table with its noise.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> AsRef<T> for Noised<T> {
    fn as_ref(&self) -> &T {
        &self.0
    }
}

impl<T> std::fmt::Debug for Noised<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Noised(..)")
    }
}

/// The operator's written choice to release tables without differential privacy (`epsilon = "none"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoDifferentialPrivacy(());

impl NoDifferentialPrivacy {
    /// To be called where the configuration says so, and nowhere else.
    #[must_use]
    pub fn chosen_by_configuration() -> Self {
        NoDifferentialPrivacy(())
    }
}

/// What happens to a table before it is masked.
///
/// | mechanism | sensitivity | measure | theorem |
/// |---|---|---|---|
/// | a share of distributed discrete Gaussian noise | L2 | zCDP | Kairouz, Liu and Steinke 2021, see [`DistributedGaussian`] |
/// | a share of Skellam noise | L2 and L1 | Renyi | Agarwal, Kairouz and Liu 2021, see [`DistributedSkellam`] |
/// | a Polya share of discrete Laplace noise | L1 | pure | Ghosh et al. 2009, Goryczka and Xiong 2017, see [`DistributedLaplace`] |
/// | none | | | |
///
/// **Neighbours** add or remove one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Mechanism {
    /// Adds this party's share of discrete Gaussian noise.
    DiscreteGaussian(DistributedGaussian),
    /// Adds this party's share of Skellam noise.
    Skellam(DistributedSkellam),
    /// Adds this party's share of discrete Laplace noise.
    DiscreteLaplace(DistributedLaplace),
    /// Adds nothing: no differential privacy.
    None(NoDifferentialPrivacy),
}

/// A table that must not leave. The charge is gone; the table has been dropped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The charge does not cover the mechanism's cost.
    #[error("charge of {paid} does not cover the mechanism's cost of {cost}")]
    Underpaid {
        /// What the charge was for.
        paid: Cost,
        /// What the mechanism costs.
        cost: Cost,
    },
    /// The table is larger than the one that the noise was calibrated for.
    #[error("table has {actual} cells, noise was calibrated for at most {calibrated}")]
    TooManyCells {
        /// Cells of the table.
        actual: u64,
        /// Cells that [`DistributedGaussian::calibrate`] was told.
        calibrated: u64,
    },
}

impl Mechanism {
    /// What one application costs, and what its charge must cover; a rho of zero without noise, where cost means
    /// nothing.
    #[must_use]
    pub fn renyi_cost(&self) -> Cost {
        match self {
            Mechanism::DiscreteGaussian(gaussian) => Cost::Zcdp(gaussian.cost()),
            Mechanism::Skellam(skellam) => skellam.cost(),
            Mechanism::DiscreteLaplace(laplace) => laplace.cost(),
            Mechanism::None(_) => Cost::Zcdp(Rho::ZERO),
        }
    }

    /// The zCDP parameter of one application: 0 without noise, where rho means nothing; [`Rho::MAX`], more than any
    /// filter has, for Skellam noise, whose [`Self::renyi_cost`] is to be charged instead.
    #[must_use]
    pub fn cost(&self) -> Rho {
        self.renyi_cost().zcdp().unwrap_or(Rho::MAX)
    }

    /// The name that configurations and privacy statements use.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Mechanism::DiscreteGaussian(_) => "discrete-gaussian",
            Mechanism::Skellam(_) => "skellam",
            Mechanism::DiscreteLaplace(_) => "discrete-laplace",
            Mechanism::None(_) => "none",
        }
    }

    /// Standard deviation of a cell of the sum of `shares` shares; `None` without noise.
    #[must_use]
    pub fn total_sigma(&self, shares: u32) -> Option<f64> {
        match self {
            Mechanism::DiscreteGaussian(gaussian) => Some(gaussian.total_sigma(shares)),
            Mechanism::Skellam(skellam) => Some(skellam.total_sigma(shares)),
            Mechanism::DiscreteLaplace(laplace) => Some(laplace.total_sigma(shares)),
            Mechanism::None(_) => None,
        }
    }

    /// A bound on the noise of every cell of the sum of `shares` shares at once, but for a probability of at most
    /// `2^-log2_prob`; 0 without noise.
    #[must_use]
    pub fn tail_bound(&self, log2_prob: u32, shares: u32) -> u64 {
        match self {
            Mechanism::DiscreteGaussian(gaussian) => gaussian.tail_bound(log2_prob, shares),
            Mechanism::Skellam(skellam) => skellam.tail_bound(log2_prob, shares),
            Mechanism::DiscreteLaplace(laplace) => laplace.tail_bound(log2_prob, shares),
            Mechanism::None(_) => 0,
        }
    }

    /// Cells of the largest table that the noise was calibrated for; `None` without noise.
    #[must_use]
    pub fn cells(&self) -> Option<u64> {
        match self {
            Mechanism::DiscreteGaussian(gaussian) => Some(gaussian.cells()),
            Mechanism::Skellam(skellam) => Some(skellam.cells()),
            Mechanism::DiscreteLaplace(laplace) => Some(laplace.cells()),
            Mechanism::None(_) => None,
        }
    }

    /// Adds fresh noise to every cell of `table` and consumes the charge. Cells wrap modulo 2^64, which is what the
    /// summation group does anyway.
    ///
    /// # Errors
    /// [`ApplyError::Underpaid`], [`ApplyError::TooManyCells`].
    pub fn apply<T: Cells>(
        &self,
        mut table: T,
        charge: Charge,
        rng: &mut impl CryptoRng,
    ) -> Result<Noised<T>, ApplyError> {
        let cost = self.renyi_cost();
        if !charge.cost().covers(&cost) {
            return Err(ApplyError::Underpaid {
                paid: charge.cost(),
                cost,
            });
        }
        let cells = table.cells_mut();
        if let Some(calibrated) = self.cells().filter(|most| cells.len() as u64 > *most) {
            return Err(ApplyError::TooManyCells {
                actual: cells.len() as u64,
                calibrated,
            });
        }
        match self {
            Mechanism::DiscreteGaussian(gaussian) => gaussian.sampler().add_to(cells, rng),
            Mechanism::Skellam(skellam) => skellam.sampler().add_to(cells, rng),
            Mechanism::DiscreteLaplace(laplace) => laplace.sampler().add_to(cells, rng),
            Mechanism::None(_) => {}
        }
        Ok(Noised(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Order;
    use crate::{Accountant, L1, L2Squared};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    fn gaussian(cells: u64) -> Mechanism {
        let rho = Rho::new(0.125).unwrap();
        Mechanism::DiscreteGaussian(DistributedGaussian::calibrate(rho, L2Squared(100), 1, cells).unwrap())
    }

    fn paid(rho: Rho) -> Charge {
        Accountant::new(Rho::MAX).charge("test", rho).unwrap()
    }

    #[test]
    fn every_cell_gets_its_own_noise_around_its_own_count() {
        let mechanism = gaussian(1000);
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let counts: Vec<i64> = (0..1000).map(|i| i * 1_000_000).collect();
        let noised = mechanism
            .apply(counts.clone(), paid(mechanism.cost()), &mut rng)
            .unwrap();
        let noise: Vec<i64> = noised
            .into_inner()
            .iter()
            .zip(&counts)
            .map(|(a, b)| a - b)
            .collect();
        let distinct: std::collections::BTreeSet<_> = noise.iter().collect();
        assert!(distinct.len() > 50);
        assert!(noise.iter().all(|x| x.abs() < 200), "ten standard deviations");
    }

    #[test]
    fn an_underpaid_release_is_refused() {
        let mechanism = gaussian(4);
        let paid_too_little = Rho::new(mechanism.cost().value() * 0.999).unwrap();
        let refusal = mechanism
            .apply(
                vec![0; 4],
                paid(paid_too_little),
                &mut ChaCha20Rng::from_seed([1; 32]),
            )
            .unwrap_err();
        assert_eq!(
            refusal,
            ApplyError::Underpaid {
                paid: paid_too_little.into(),
                cost: mechanism.cost().into()
            }
        );
    }

    #[test]
    fn a_table_larger_than_calibrated_is_refused() {
        let mechanism = gaussian(4);
        let refusal = mechanism
            .apply(
                vec![0; 5],
                paid(mechanism.cost()),
                &mut ChaCha20Rng::from_seed([1; 32]),
            )
            .unwrap_err();
        assert_eq!(
            refusal,
            ApplyError::TooManyCells {
                actual: 5,
                calibrated: 4
            }
        );
    }

    #[test]
    fn every_mechanism_adds_noise_for_its_own_charge_only() {
        let rho = Rho::new(0.125).unwrap();
        let order = Order::new(8.0).unwrap();
        let mechanisms = [
            gaussian(1000),
            Mechanism::Skellam(
                DistributedSkellam::calibrate(rho, order, L1(100), L2Squared(100), 1, 1000).unwrap(),
            ),
            Mechanism::DiscreteLaplace(DistributedLaplace::calibrate(0.5, L1(10), 1, 1000).unwrap()),
        ];
        for mechanism in &mechanisms {
            let mut rng = ChaCha20Rng::from_seed([1; 32]);
            let mut books = Accountant::new(Rho::MAX).at_order(order);
            let charge = books.charge("test", mechanism.renyi_cost()).unwrap();
            let cells = mechanism
                .apply(vec![0; 1000], charge, &mut rng)
                .unwrap()
                .into_inner();
            let sigma = mechanism.total_sigma(1).unwrap();
            let second = cells.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / 1000.0;
            assert!((second.sqrt() / sigma - 1.0).abs() < 0.15, "{}", mechanism.name());
            let bound = mechanism.tail_bound(20, 1);
            assert!(cells.iter().all(|x| x.unsigned_abs() <= bound));
            for other in mechanisms.iter().filter(|other| other.name() != mechanism.name()) {
                let charge = books.charge("test", other.renyi_cost()).unwrap();
                assert!(matches!(
                    mechanism.apply(vec![0; 4], charge, &mut rng),
                    Err(ApplyError::Underpaid { .. })
                ));
            }
        }
    }

    #[test]
    fn no_differential_privacy_costs_nothing_and_changes_nothing() {
        let mechanism = Mechanism::None(NoDifferentialPrivacy::chosen_by_configuration());
        let mut books = Accountant::unlimited(NoDifferentialPrivacy::chosen_by_configuration());
        let charge = books.charge("round 0", mechanism.cost()).unwrap();
        let noised = mechanism
            .apply(vec![1, 2, 3], charge, &mut ChaCha20Rng::from_seed([1; 32]))
            .unwrap();
        assert_eq!(noised.as_ref(), &[1, 2, 3]);
        assert_eq!(books.spent(), Rho::ZERO);
    }

    #[test]
    fn logs_show_no_cell() {
        let mechanism = Mechanism::None(NoDifferentialPrivacy::chosen_by_configuration());
        let noised = mechanism
            .apply(vec![12345], paid(Rho::ZERO), &mut ChaCha20Rng::from_seed([1; 32]))
            .unwrap();
        assert_eq!(format!("{noised:?}"), "Noised(..)");
    }
}
