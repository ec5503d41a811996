//! Degree and primes of a scheme, checked against the security table.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ring::RnsBasis;
use crate::ring::basis::BasisError;

/// The largest `log2 Q` for 128-bit classical security with ternary secrets, by `log2 N`: Bossuat et al., *Security
/// guidelines for implementing homomorphic encryption*, ePrint 2024/463, for a standard deviation of 3.19, ours being
/// 3.24. (The 2018 standard allowed a little more.)
pub const SECURITY_TABLE: [(u32, f64); 5] =
    [(12, 106.0), (13, 214.0), (14, 430.0), (15, 868.0), (16, 1747.0)];

/// The largest `log2 Q` for a degree.
fn limit(degree: usize) -> Result<f64, ParamsError> {
    let row = SECURITY_TABLE
        .iter()
        .find(|(log_degree, _)| 1_usize << log_degree == degree);
    row.map(|(_, limit)| *limit)
        .ok_or(ParamsError::Degree { actual: degree })
}

/// What parameters are made from, and what is stored of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Literal {
    /// `N`, a power of two from 4096 to 65536.
    pub degree: usize,
    /// How many primes of 50 bits `Q` has.
    pub primes: usize,
}

/// A ring of at least 128 bits of security. Stored as its [`Literal`] and checked again when it is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Literal", into = "Literal")]
pub struct Params(Arc<RnsBasis>);

impl Params {
    /// The ring of a literal.
    ///
    /// # Errors
    /// A degree outside of the table, more primes than the table allows for it, or none.
    pub fn new(literal: Literal) -> Result<Self, ParamsError> {
        let limit = limit(literal.degree)?;
        // All primes exceed 2^49, so this many are too many without looking for them.
        if literal.primes as f64 * 49.0 > limit {
            return Err(ParamsError::Security {
                degree: literal.degree,
                actual: literal.primes as f64 * 50.0,
                limit,
            });
        }
        Self::checked(RnsBasis::new(literal.degree, literal.primes)?)
    }

    /// The ring of these primes, below `2^50` and `= 1 mod 2N`. Its [`Literal`] tells how many there are and not which:
    /// a scheme that chooses primes stores its own.
    ///
    /// # Errors
    /// A degree outside of the table, primes whose product the table does not allow for it, numbers that are no such primes.
    pub fn of_primes(degree: usize, primes: &[u64]) -> Result<Self, ParamsError> {
        Self::checked(RnsBasis::of_primes(degree, primes)?)
    }

    fn checked(basis: Arc<RnsBasis>) -> Result<Self, ParamsError> {
        let degree = basis.degree();
        let limit = limit(degree)?;
        if basis.log2() > limit {
            return Err(ParamsError::Security {
                degree,
                actual: basis.log2(),
                limit,
            });
        }
        Ok(Self(basis))
    }

    /// The primes and their transforms.
    pub const fn basis(&self) -> &Arc<RnsBasis> {
        &self.0
    }

    /// The number `N` of coefficients.
    pub fn degree(&self) -> usize {
        self.0.degree()
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> Literal {
        Literal {
            degree: self.0.degree(),
            primes: self.0.limbs().len(),
        }
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.degree() == other.degree() && self.0.primes().eq(other.0.primes())
    }
}

impl Eq for Params {}

impl TryFrom<Literal> for Params {
    type Error = ParamsError;

    fn try_from(literal: Literal) -> Result<Self, ParamsError> {
        Self::new(literal)
    }
}

impl From<Params> for Literal {
    fn from(params: Params) -> Self {
        params.literal()
    }
}

/// Parameters below the table, for tests of algebra on small rings. **They protect nothing.**
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
pub struct INSECURE_Literal {
    /// `N`, a power of two from 16 to 65536.
    pub degree: usize,
    /// How many primes of 50 bits `Q` has.
    pub primes: usize,
}

impl INSECURE_Literal {
    /// The ring, whatever its security.
    ///
    /// # Errors
    /// A degree without a transform, or no primes.
    pub fn build(self) -> Result<Params, ParamsError> {
        Ok(Params(RnsBasis::new(self.degree, self.primes)?))
    }
}

/// Why parameters are refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A degree that the table does not list.
    #[error("degree {actual} is not in the security table, expected a power of two from 4096 to 65536")]
    Degree {
        /// Degree given.
        actual: usize,
    },
    /// Too many primes for the degree.
    #[error("log2 Q of {actual:.0} bits is below 128-bit security at degree {degree}, which allows {limit}")]
    Security {
        /// Degree given.
        degree: usize,
        /// `log2 Q`.
        actual: f64,
        /// Largest `log2 Q` of the table.
        limit: f64,
    },
    /// No such ring.
    #[error(transparent)]
    Basis(#[from] BasisError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_primes_as_the_table_allows_and_no_more() {
        for (degree, most) in [(4096, 2), (8192, 4), (16_384, 8), (32_768, 17), (65_536, 34)] {
            assert!(Params::new(Literal { degree, primes: most }).is_ok(), "{degree}");
            let error = Params::new(Literal {
                degree,
                primes: most + 1,
            });
            assert!(matches!(error, Err(ParamsError::Security { .. })), "{degree}");
        }
    }

    #[test]
    fn refuses_what_is_not_in_the_table() {
        for degree in [0, 16, 2048, 5000, 131_072] {
            let error = Params::new(Literal { degree, primes: 1 }).unwrap_err();
            assert_eq!(error, ParamsError::Degree { actual: degree });
        }
        let none = Params::new(Literal {
            degree: 4096,
            primes: 0,
        });
        assert!(matches!(none, Err(ParamsError::Basis(_))));
        let huge = Params::new(Literal {
            degree: 4096,
            primes: usize::MAX,
        });
        assert!(matches!(huge, Err(ParamsError::Security { .. })));
    }

    #[test]
    fn is_checked_again_when_read() {
        let params = Params::new(Literal {
            degree: 4096,
            primes: 2,
        })
        .unwrap();
        let text = serde_json::to_string(&params).unwrap();
        assert_eq!(text, r#"{"degree":4096,"primes":2}"#);
        assert_eq!(serde_json::from_str::<Params>(&text).unwrap(), params);
        let error = serde_json::from_str::<Params>(r#"{"degree":4096,"primes":3}"#).unwrap_err();
        assert!(error.to_string().contains("128-bit security"), "{error}");
    }
}
