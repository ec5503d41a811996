//! The primes of a residue number system, and what is precomputed for them.

use std::sync::Arc;

use super::barrett::{Barrett, Factor, MAX_BITS};
use super::ntt::Ntt;
use super::simd::Reducer;
use crate::mask::modulus::Modulus;

/// Degrees `N` have at least and at most these logarithms.
pub const LOG_DEGREE: std::ops::RangeInclusive<u32> = 4..=16;

/// A polynomial ring modulo `X^N + 1` and a product `Q` of primes `= 1 mod 2N` below `2^50`: the largest there are, or a
/// chain of a scheme's choice.
#[derive(Debug)]
pub struct RnsBasis {
    degree: usize,
    limbs: Vec<Limb>,
    /// The inverse of the last prime modulo each of the others.
    last_inverse: Vec<Factor>,
    without_last: Option<Arc<RnsBasis>>,
}

/// One prime of a basis.
#[derive(Clone, Debug)]
pub struct Limb {
    pub(super) modulo: Barrett,
    pub(super) reducer: Reducer,
    pub(super) ntt: Arc<Ntt>,
}

impl Limb {
    fn new(degree: usize, prime: u64) -> Option<Self> {
        Some(Self {
            modulo: Barrett::new(prime)?,
            reducer: Reducer::new(prime)?,
            ntt: Ntt::get(degree, prime)?,
        })
    }

    /// The number of words `N` that the transform takes.
    pub fn degree(&self) -> usize {
        self.ntt.degree()
    }

    /// What the vector kernels need of the prime.
    pub const fn reducer(&self) -> Reducer {
        self.reducer
    }

    /// Arithmetic modulo the prime.
    pub const fn modulo(&self) -> Barrett {
        self.modulo
    }

    /// The transform modulo the prime.
    pub fn ntt(&self) -> &Ntt {
        &self.ntt
    }
}

impl RnsBasis {
    /// The `count` largest primes `= 1 mod 2 degree` below `2^50`.
    ///
    /// # Errors
    /// A degree that is no power of two or out of range, or no prime asked for.
    pub fn new(degree: usize, count: usize) -> Result<Arc<Self>, BasisError> {
        if !degree.is_power_of_two() || !LOG_DEGREE.contains(&degree.ilog2()) {
            return Err(BasisError::Degree { actual: degree });
        }
        let limbs: Vec<Limb> = primes(degree as u64)
            .filter_map(|prime| Limb::new(degree, prime))
            .take(count)
            .collect();
        Self::of_limbs(degree, &limbs, count)
    }

    /// The basis of these primes, in this order.
    ///
    /// # Errors
    /// A degree that is no power of two or out of range, no primes, or numbers that are no primes `= 1 mod 2 degree`
    /// below `2^50`.
    pub fn of_primes(degree: usize, primes: &[u64]) -> Result<Arc<Self>, BasisError> {
        if !degree.is_power_of_two() || !LOG_DEGREE.contains(&degree.ilog2()) {
            return Err(BasisError::Degree { actual: degree });
        }
        let limbs: Vec<Limb> = primes
            .iter()
            .filter(|prime| Modulus::prime(**prime).is_ok())
            .filter_map(|prime| Limb::new(degree, *prime))
            .collect();
        Self::of_limbs(degree, &limbs, primes.len())
    }

    fn of_limbs(degree: usize, limbs: &[Limb], count: usize) -> Result<Arc<Self>, BasisError> {
        if count == 0 || limbs.len() != count {
            return Err(BasisError::Primes {
                actual: limbs.len(),
                expected: count,
            });
        }
        let mut basis = None;
        for length in 1..=count {
            basis = Some(Arc::new(Self::over(degree, &limbs[..length], basis)));
        }
        basis.ok_or(BasisError::Primes {
            actual: 0,
            expected: count,
        })
    }

    fn over(degree: usize, limbs: &[Limb], without_last: Option<Arc<Self>>) -> Self {
        let last_inverse = limbs.split_last().map_or_else(Vec::new, |(last, others)| {
            let last = last.modulo.modulus();
            others
                .iter()
                .map(|limb| {
                    let inverse = limb.modulo.inverse(limb.modulo.reduce(last.into()));
                    limb.modulo.factor(inverse)
                })
                .collect()
        });
        Self {
            degree,
            limbs: limbs.to_vec(),
            last_inverse,
            without_last,
        }
    }

    /// The number `N` of coefficients.
    pub const fn degree(&self) -> usize {
        self.degree
    }

    /// The primes with their tables.
    pub fn limbs(&self) -> &[Limb] {
        &self.limbs
    }

    /// `log2 Q`.
    pub fn log2(&self) -> f64 {
        self.primes().map(|prime| (prime as f64).log2()).sum()
    }

    /// The primes as numbers.
    pub fn primes(&self) -> impl Iterator<Item = u64> {
        self.limbs.iter().map(|limb| limb.modulo.modulus())
    }

    /// The basis of all primes but the last, if any is left.
    pub const fn without_last(&self) -> Option<&Arc<Self>> {
        self.without_last.as_ref()
    }

    /// The basis of the first prime alone.
    pub fn first(self: &Arc<Self>) -> &Arc<Self> {
        let mut basis = self;
        while let Some(smaller) = basis.without_last() {
            basis = smaller;
        }
        basis
    }

    pub(super) fn last_inverse(&self) -> &[Factor] {
        &self.last_inverse
    }
}

/// The primes `= 1 mod 2 degree` below `2^50`, largest first.
fn primes(degree: u64) -> impl Iterator<Item = u64> {
    let step = 2 * degree;
    let largest = ((1_u64 << MAX_BITS) - 2) / step * step + 1;
    (0..largest / step)
        .map(move |index| largest - index * step)
        .filter(|candidate| Modulus::prime(*candidate).is_ok())
}

/// What is no basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BasisError {
    /// A degree without a transform.
    #[error("degree {actual} is not a power of two from 16 to 65536")]
    Degree {
        /// Degree given.
        actual: usize,
    },
    /// Too few primes.
    #[error("{actual} primes found, expected {expected}, and at least one")]
    Primes {
        /// Primes found.
        actual: usize,
        /// Primes asked for.
        expected: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a few lines of Python with trial division find them.
    #[test]
    fn primes_are_pinned() {
        let of = |degree, count| RnsBasis::new(degree, count).unwrap().primes().collect::<Vec<_>>();
        assert_eq!(of(4096, 2), PRIMES_4096);
        assert_eq!(of(8192, 3), PRIMES_8192);
        for degree in [16_usize, 1024, 65_536] {
            for prime in of(degree, 5) {
                assert!(prime < 1 << 50 && prime % (2 * degree as u64) == 1);
            }
        }
    }

    const PRIMES_4096: [u64; 2] = [1_125_899_906_826_241, 1_125_899_906_629_633];
    const PRIMES_8192: [u64; 3] = [
        1_125_899_906_826_241,
        1_125_899_906_629_633,
        1_125_899_905_744_897,
    ];

    #[test]
    fn a_basis_ends_in_its_first_prime() {
        let basis = RnsBasis::new(64, 3).unwrap();
        let two = basis.without_last().unwrap();
        assert_eq!(two.limbs().len(), 2);
        assert_eq!(basis.first().primes().next(), basis.primes().next());
        assert!(basis.first().without_last().is_none());
        assert!((basis.log2() - 150.0).abs() < 0.01);
    }

    #[test]
    fn refuses_other_degrees_and_no_primes() {
        for degree in [0, 1, 8, 100, 1 << 17] {
            assert_eq!(
                RnsBasis::new(degree, 1).unwrap_err(),
                BasisError::Degree { actual: degree }
            );
        }
        assert_eq!(
            RnsBasis::new(16, 0).unwrap_err(),
            BasisError::Primes {
                actual: 0,
                expected: 0
            }
        );
    }
}
