//! Degree, chain of primes and digits, checked against the security table.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::CkksError;
use super::tables::{Shape, Tables};
use crate::hash::Digest;
use crate::ring::RnsBasis;
use crate::ring::basis::Limb;
use crate::rlwe::params::SECURITY_TABLE;

/// Scales and primes have at least so many bits.
pub const MIN_BITS: u32 = 26;
/// Scales and primes have at most so many bits: IFMA wants primes below `2^50`.
pub const MAX_BITS: u32 = 50;
/// A chain has at most so many levels.
pub const MAX_LEVELS: u32 = 40;
/// A digit has at most so many primes, so that with one more prime a conversion sums them without a reduction.
pub const MAX_DIGIT: usize = 14;

/// What parameters are made from, and what is stored of them.
///
/// The first prime has `first_bits`, the others `scale_bits`; special primes have as many bits as the largest digit
/// needs, and up to 4 more altogether where the security table leaves them. A value of a slot at level 0 stays below `2^(first_bits - scale_bits - 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamsLiteral {
    /// `log2 N`, 12 to 16.
    pub log_degree: u32,
    /// `log2` of the scale, [`MIN_BITS`] to [`MAX_BITS`].
    pub scale_bits: u32,
    /// Bits of the first prime, `scale_bits` to [`MAX_BITS`].
    pub first_bits: u32,
    /// How often a fresh ciphertext may be rescaled.
    pub levels: u32,
    /// Digits of a key switch at the top level, 1 to `levels + 1`: more digits, fewer special primes, larger keys.
    pub dnum: u32,
}

impl ParamsLiteral {
    /// With 10 bits for what is before the binary point, as far as [`MAX_BITS`] allows.
    pub const fn new(log_degree: u32, scale_bits: u32, levels: u32, dnum: u32) -> Self {
        let first_bits = if scale_bits + 10 < MAX_BITS {
            scale_bits + 10
        } else {
            MAX_BITS
        };
        Self {
            log_degree,
            scale_bits,
            first_bits,
            levels,
            dnum,
        }
    }
}

/// Parameters of at least 128 bits of security. Stored as their [`ParamsLiteral`] and checked again when they are read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "ParamsLiteral", into = "ParamsLiteral")]
pub struct Params(Arc<Tables>);

impl Params {
    /// The parameters of a literal.
    ///
    /// # Errors
    /// A number out of range, or a modulus `QP` that the degree does not protect with 128 bits.
    pub fn new(literal: ParamsLiteral) -> Result<Self, CkksError> {
        let limit = SECURITY_TABLE
            .iter()
            .find(|(log_degree, _)| *log_degree == literal.log_degree)
            .map(|(_, limit)| *limit)
            .ok_or(CkksError::Range {
                what: "log2 of the degree",
                actual: literal.log_degree.into(),
                least: 12,
                most: 16,
            })?;
        let shape = Shape::new(literal)?;
        let check = |actual: f64| {
            if actual > limit {
                return Err(CkksError::Security {
                    log_degree: literal.log_degree,
                    actual,
                    limit,
                });
            }
            Ok(())
        };
        // The primes differ from powers of two by far less than one bit altogether: no need to look for too many.
        check(shape.bits() - 1.0)?;
        let params = Self::unchecked(shape)?;
        check(params.log2_qp())?;
        Ok(params)
    }

    fn unchecked(shape: Shape) -> Result<Self, CkksError> {
        Ok(Self(Arc::new(Tables::new(shape)?)))
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> ParamsLiteral {
        self.0.literal
    }

    /// Names the parameters: two literals that give the same digest give the same bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The number `N` of coefficients.
    pub fn degree(&self) -> usize {
        self.0.full.degree()
    }

    /// The number `N / 2` of complex slots.
    pub fn slots(&self) -> usize {
        self.degree() / 2
    }

    /// The level of a fresh ciphertext: how often it may be rescaled.
    pub fn levels(&self) -> usize {
        self.0.literal.levels as usize
    }

    /// The canonical scale of a level: `2^scale_bits` at the top, and the square of the one above divided by the prime
    /// above below that. A plaintext for a product at a level has this scale too.
    pub fn scale(&self, level: usize) -> f64 {
        self.0.scales[level.min(self.levels())]
    }

    /// The prime that a rescale at this level divides by; the first prime at level 0.
    pub fn prime(&self, level: usize) -> u64 {
        self.limb(level).modulo().modulus()
    }

    /// `log2` of the modulus of a ciphertext at a level.
    pub fn log2_q(&self, level: usize) -> f64 {
        self.basis(level).log2()
    }

    /// `log2` of all primes together, which is what the security table limits.
    pub fn log2_qp(&self) -> f64 {
        self.0.full.log2()
    }

    /// Digits of a key switch at a level.
    pub fn digits(&self, level: usize) -> usize {
        (level + 1).div_ceil(self.0.alpha)
    }

    /// The number of special primes.
    pub fn special_primes(&self) -> usize {
        self.0.full.limbs().len() - self.levels() - 1
    }

    /// The chain up to a level.
    pub(super) fn basis(&self, level: usize) -> &Arc<RnsBasis> {
        &self.0.levels[level]
    }

    /// All primes: the chain, then the special ones.
    pub(super) fn full(&self) -> &Arc<RnsBasis> {
        &self.0.full
    }

    pub(super) fn limb(&self, index: usize) -> &Limb {
        &self.0.full.limbs()[index]
    }

    /// Where among all primes those of a key switch at a level are: the chain up to it, then the special ones.
    pub(super) fn extended(&self, level: usize) -> impl ExactSizeIterator<Item = usize> + Clone + use<> {
        let (first_special, special) = (self.levels() + 1, self.special_primes());
        (0..level + 1 + special).map(move |index| {
            if index <= level {
                index
            } else {
                index - level - 1 + first_special
            }
        })
    }

    /// The primes of a digit at a level.
    pub(super) fn digit(&self, digit: usize, level: usize) -> Range<usize> {
        let alpha = self.0.alpha;
        digit * alpha..((digit + 1) * alpha).min(level + 1)
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.0
    }

    /// That something was made for these parameters.
    pub(super) fn check(&self, what: &'static str, actual: Digest) -> Result<(), CkksError> {
        if actual == self.digest() {
            return Ok(());
        }
        Err(CkksError::Parameters {
            what,
            actual,
            expected: self.digest(),
        })
    }

    /// That a level exists.
    pub(super) fn check_level(&self, what: &'static str, level: usize) -> Result<(), CkksError> {
        if level <= self.levels() {
            return Ok(());
        }
        Err(CkksError::Level {
            what,
            actual: level,
            expected: self.levels(),
        })
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Params {}

impl TryFrom<ParamsLiteral> for Params {
    type Error = CkksError;

    fn try_from(literal: ParamsLiteral) -> Result<Self, CkksError> {
        Self::new(literal)
    }
}

impl From<Params> for ParamsLiteral {
    fn from(params: Params) -> Self {
        params.literal()
    }
}

/// Parameters below the table, `N` from `2^5`, for tests of algebra on small rings. **They protect nothing.**
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug)]
pub struct INSECURE_ParamsLiteral(pub ParamsLiteral);

impl INSECURE_ParamsLiteral {
    /// The parameters, whatever their security.
    ///
    /// # Errors
    /// A number out of range.
    pub fn build(self) -> Result<Params, CkksError> {
        Params::unchecked(Shape::new(self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(log_degree: u32, scale_bits: u32, levels: u32, dnum: u32) -> ParamsLiteral {
        ParamsLiteral::new(log_degree, scale_bits, levels, dnum)
    }

    #[test]
    fn the_chain_keeps_the_scale() {
        for (log_degree, scale_bits, levels) in [(11, 40, 12), (11, 30, 6), (11, 50, 10), (13, 45, 20)] {
            let params = INSECURE_ParamsLiteral(literal(log_degree, scale_bits, levels, 3))
                .build()
                .unwrap();
            assert_eq!(params.levels(), levels as usize);
            for level in 0..=params.levels() {
                let drift = params.scale(level).log2() - f64::from(scale_bits);
                assert!(drift.abs() < 1e-3, "{scale_bits} {level} {drift}");
            }
            let mut primes: Vec<u64> = params.full().primes().collect();
            assert!(
                primes
                    .iter()
                    .all(|prime| prime % (2 << log_degree) == 1 && *prime < 1 << 50)
            );
            primes.sort_unstable();
            primes.dedup();
            assert_eq!(primes.len(), params.full().limbs().len());
            assert!(params.prime(0) > 1 << (scale_bits.min(49)));
        }
    }

    #[test]
    fn what_the_table_allows_and_no_more() {
        // 50 + 11 * 50 + 4 * 50 = 800 bits of 868; four levels more are 1000 with their digits.
        let params = Params::new(literal(15, 50, 11, 3)).unwrap();
        assert_eq!(
            (params.special_primes(), params.digits(11), params.digits(3)),
            (4, 3, 1)
        );
        assert!((params.log2_qp() - 800.0).abs() < 0.1);
        let error = Params::new(literal(15, 50, 15, 3)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("below 128-bit security at N = 2^15, which allows 868"),
            "{error}"
        );
        assert!(Params::new(literal(13, 50, 2, 3)).is_ok());
        assert!(matches!(
            Params::new(literal(13, 50, 3, 3)),
            Err(CkksError::Security { .. })
        ));
        assert!(matches!(
            Params::new(literal(11, 40, 1, 1)),
            Err(CkksError::Range { .. })
        ));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = literal(12, 30, 1, 1);
        for (bad, what) in [
            (
                ParamsLiteral {
                    log_degree: 17,
                    ..good
                },
                "degree",
            ),
            (
                ParamsLiteral {
                    scale_bits: 51,
                    ..good
                },
                "scale",
            ),
            (
                ParamsLiteral {
                    first_bits: 29,
                    ..good
                },
                "first prime",
            ),
            (ParamsLiteral { levels: 41, ..good }, "levels"),
            (ParamsLiteral { dnum: 3, ..good }, "digits"),
            (ParamsLiteral { dnum: 0, ..good }, "digits"),
            (literal(12, 26, 40, 2), "primes of a digit"),
        ] {
            let error = INSECURE_ParamsLiteral(bad).build().unwrap_err();
            assert!(
                matches!(error, CkksError::Range { .. }) && error.to_string().contains(what),
                "{error}"
            );
        }
    }

    #[test]
    fn is_checked_again_when_read() {
        let params = Params::new(literal(12, 27, 1, 2)).unwrap();
        let text = serde_json::to_string(&params).unwrap();
        assert_eq!(serde_json::from_str::<Params>(&text).unwrap(), params);
        let insecure = text.replace("\"levels\":1", "\"levels\":5");
        let error = serde_json::from_str::<Params>(&insecure).unwrap_err();
        assert!(error.to_string().contains("128-bit security"), "{error}");
        let other = Params::new(literal(12, 28, 1, 2)).unwrap();
        assert_ne!(params, other);
        assert!(
            params
                .check("a key", other.digest())
                .unwrap_err()
                .to_string()
                .contains("a key made for")
        );
    }
}
