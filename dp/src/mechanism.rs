//! Table + charge -> [`Noised`] table: the only door through which a count leaves a party.

use rand_core::CryptoRng;
use thiserror::Error;

use crate::accountant::Charge;
use crate::budget::Rho;
use crate::distributed::DistributedGaussian;

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
/// **Mechanism** a share of distributed discrete Gaussian noise, or none · **sensitivity** L2 · **neighbours** add or
/// remove one row · **theorem** Kairouz, Liu and Steinke 2021, see [`DistributedGaussian`].
#[derive(Clone, Debug, PartialEq)]
pub enum Mechanism {
    /// Adds this party's share of the noise.
    DiscreteGaussian(DistributedGaussian),
    /// Adds nothing: no differential privacy.
    None(NoDifferentialPrivacy),
}

/// A table that must not leave. The charge is gone; the table has been dropped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The charge does not cover the mechanism's cost.
    #[error("charge of rho {paid} does not cover the mechanism's cost of rho {cost}")]
    Underpaid {
        /// What the charge was for.
        paid: Rho,
        /// What the mechanism costs.
        cost: Rho,
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
    /// The rho that one application costs, and that its charge must at least hold; zero without noise, where rho
    /// means nothing.
    #[must_use]
    pub fn cost(&self) -> Rho {
        match self {
            Mechanism::DiscreteGaussian(gaussian) => gaussian.cost(),
            Mechanism::None(_) => Rho::ZERO,
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
        let cost = self.cost();
        if charge.rho() < cost {
            return Err(ApplyError::Underpaid {
                paid: charge.rho(),
                cost,
            });
        }
        if let Mechanism::DiscreteGaussian(gaussian) = self {
            let cells = table.cells_mut();
            if cells.len() as u64 > gaussian.cells() {
                return Err(ApplyError::TooManyCells {
                    actual: cells.len() as u64,
                    calibrated: gaussian.cells(),
                });
            }
            gaussian.sampler().add_to(cells, rng);
        }
        Ok(Noised(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accountant, L2Squared};
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
                paid: paid_too_little,
                cost: mechanism.cost()
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
