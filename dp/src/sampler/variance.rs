//! The variance parameter of a discrete Gaussian as an exact rational.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a variance was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VarianceError {
    /// Division by zero.
    #[error("variance {numerator}/0 has no value")]
    ZeroDenominator {
        /// Numerator given.
        numerator: u64,
    },
    /// Below 2^-10 or above 2^58.
    #[error("variance {numerator}/{denominator} is outside the supported range 2^-10 to 2^58")]
    Range {
        /// Numerator given.
        numerator: u64,
        /// Denominator given.
        denominator: u64,
    },
    /// A numerator or denominator of 2^62 or more in lowest terms.
    #[error(
        "variance {numerator}/{denominator} has a numerator or denominator of 2^62 or more in lowest terms"
    )]
    Precision {
        /// Numerator given.
        numerator: u64,
        /// Denominator given.
        denominator: u64,
    },
}

/// `sigma^2` as a rational in lowest terms: `2^-10 <= sigma^2 <= 2^58`, numerator and denominator below `2^62`.
/// (The variance of the discrete Gaussian with this parameter is slightly smaller, and equal to it within 1e-6 from
/// `sigma^2 = 1` on.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct Variance {
    numerator: u64,
    denominator: u64,
}

impl TryFrom<(u64, u64)> for Variance {
    type Error = VarianceError;
    fn try_from((numerator, denominator): (u64, u64)) -> Result<Self, VarianceError> {
        Variance::new(numerator, denominator)
    }
}

impl From<Variance> for (u64, u64) {
    fn from(variance: Variance) -> (u64, u64) {
        (variance.numerator, variance.denominator)
    }
}

impl std::fmt::Display for Variance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.denominator {
            1 => self.numerator.fmt(f),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Variance {
    const MAX_BITS: u32 = 62;
    const MIN_LOG2: u32 = 10;
    const MAX_LOG2: u32 = 58;

    /// `numerator / denominator`, checked and reduced.
    ///
    /// # Errors
    /// See [`VarianceError`].
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, VarianceError> {
        if denominator == 0 {
            return Err(VarianceError::ZeroDenominator { numerator });
        }
        let (wide_numerator, wide_denominator) = (u128::from(numerator), u128::from(denominator));
        if wide_numerator << Self::MIN_LOG2 < wide_denominator
            || wide_denominator << Self::MAX_LOG2 < wide_numerator
        {
            return Err(VarianceError::Range {
                numerator,
                denominator,
            });
        }
        let divisor = greatest_common_divisor(numerator, denominator);
        let reduced = Variance {
            numerator: numerator / divisor,
            denominator: denominator / divisor,
        };
        if (reduced.numerator | reduced.denominator) >> Self::MAX_BITS != 0 {
            return Err(VarianceError::Precision {
                numerator,
                denominator,
            });
        }
        Ok(reduced)
    }

    /// Numerator in lowest terms.
    #[must_use]
    pub fn numerator(&self) -> u64 {
        self.numerator
    }

    /// Denominator in lowest terms.
    #[must_use]
    pub fn denominator(&self) -> u64 {
        self.denominator
    }

    /// The nearest `f64`, for reports.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduces_and_refuses() {
        assert_eq!(Variance::new(6, 4).unwrap(), Variance::new(3, 2).unwrap());
        assert_eq!(Variance::new(6, 4).unwrap().to_string(), "3/2");
        assert_eq!(Variance::new(8, 4).unwrap().to_string(), "2");
        assert_eq!(
            Variance::new(1, 0),
            Err(VarianceError::ZeroDenominator { numerator: 1 })
        );
        assert!(Variance::new(1, 1024).is_ok());
        assert!(matches!(Variance::new(1, 1025), Err(VarianceError::Range { .. })));
        assert!(matches!(Variance::new(0, 1), Err(VarianceError::Range { .. })));
        assert!(Variance::new(1 << 58, 1).is_ok());
        assert!(matches!(
            Variance::new((1 << 58) + 1, 1),
            Err(VarianceError::Range { .. })
        ));
        assert!(matches!(
            Variance::new(u64::MAX, u64::MAX - 1),
            Err(VarianceError::Precision { .. })
        ));
    }

    #[test]
    fn serialisation_checks() {
        let variance = Variance::new(3, 2).unwrap();
        assert_eq!(serde_json::to_string(&variance).unwrap(), "[3,2]");
        assert_eq!(serde_json::from_str::<Variance>("[6,4]").unwrap(), variance);
        assert!(serde_json::from_str::<Variance>("[1,0]").is_err());
    }
}
