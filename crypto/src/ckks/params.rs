//! Degree, chain of primes and digits, checked against the security table.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::CkksError;
use crate::domain;
use crate::hash::{Digest, hash};
use crate::mask::modulus::Modulus;
use crate::ring::RnsBasis;
use crate::ring::automorphism::Automorphisms;
use crate::ring::basis::{BasisError, Limb};
use crate::ring::convert::Conversion;
use crate::ring::simd::Factor;
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
/// needs. A value of a slot at level 0 stays below `2^(first_bits - scale_bits - 1)`.
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

/// What is precomputed for parameters.
#[derive(Debug)]
pub(super) struct Tables {
    literal: ParamsLiteral,
    digest: Digest,
    /// All primes: the chain, then the special ones.
    full: Arc<RnsBasis>,
    /// The chain up to each level.
    levels: Vec<Arc<RnsBasis>>,
    scales: Vec<f64>,
    alpha: usize,
    pub(super) automorphisms: Automorphisms,
    /// From each digit, by how many of its primes are there, to all primes.
    pub(super) up: Vec<Vec<Conversion>>,
    /// From the special primes to the chain.
    pub(super) down: Conversion,
    /// From the prime of each level and the special primes to the chain below.
    pub(super) down_rescaled: Vec<Conversion>,
    /// From the prime of each level to the chain below.
    pub(super) rescale: Vec<Conversion>,
    /// The product of the special primes modulo each of the chain.
    pub(super) special: Vec<Factor>,
    /// Its inverse.
    pub(super) special_inverse: Vec<Factor>,
    /// The inverse of the prime of each level, modulo each of the chain below.
    pub(super) last_inverse: Vec<Vec<Factor>>,
    /// The inverse of that prime and the special primes.
    pub(super) both_inverse: Vec<Vec<Factor>>,
}

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

/// A literal whose numbers are in range, with what follows from them.
struct Shape {
    literal: ParamsLiteral,
    alpha: usize,
    special: usize,
    special_bits: u32,
}

impl Shape {
    fn new(literal: ParamsLiteral) -> Result<Self, CkksError> {
        let range = |what, actual: u32, least: u32, most: u32| {
            if (least..=most).contains(&actual) {
                return Ok(());
            }
            Err(CkksError::Range {
                what,
                actual: actual.into(),
                least: least.into(),
                most: most.into(),
            })
        };
        range("log2 of the degree", literal.log_degree, 5, 16)?;
        // Two primes of one size must have some room between them and twice the degree.
        let least = MIN_BITS.max(literal.log_degree + 12);
        range("bits of the scale", literal.scale_bits, least, MAX_BITS)?;
        range(
            "bits of the first prime",
            literal.first_bits,
            literal.scale_bits,
            MAX_BITS,
        )?;
        range("number of levels", literal.levels, 0, MAX_LEVELS)?;
        range("number of digits", literal.dnum, 1, literal.levels + 1)?;
        let limbs = literal.levels + 1;
        let alpha = limbs.div_ceil(literal.dnum);
        range("primes of a digit", alpha, 1, MAX_DIGIT as u32)?;
        // The first digit is the largest, as it holds the first prime.
        let digit_bits = literal.first_bits + (alpha - 1) * literal.scale_bits;
        let special = digit_bits.div_ceil(MAX_BITS);
        Ok(Self {
            literal,
            alpha: alpha as usize,
            special: special as usize,
            special_bits: digit_bits.div_ceil(special),
        })
    }

    fn bits(&self) -> f64 {
        let literal = self.literal;
        f64::from(literal.first_bits + literal.levels * literal.scale_bits)
            + f64::from(self.special_bits) * self.special as f64
    }

    /// All primes, the chain from level 0 up and then the special ones; and the canonical scales.
    fn primes(&self) -> Result<(Vec<u64>, Vec<f64>), CkksError> {
        let literal = self.literal;
        let levels = literal.levels as usize;
        let mut special: Vec<u64> = below(literal.log_degree, self.special_bits, self.special + 1).collect();
        let mut first = below(literal.log_degree, literal.first_bits, self.special + 1);
        let kept = special.len().min(self.special);
        special.truncate(kept);
        let first = first.find(|prime| !special.contains(prime));
        let mut candidates = around(literal.log_degree, literal.scale_bits, levels + self.special + 1);
        candidates.retain(|prime| !special.contains(prime) && first != Some(*prime));
        let short = CkksError::Basis(BasisError::Primes {
            actual: candidates.len() + special.len(),
            expected: levels + self.special + 1,
        });
        let Some(first) = first.filter(|_| candidates.len() >= levels && special.len() == self.special)
        else {
            return Err(short);
        };
        // The scale stays closest to where it starts if each prime is the one nearest to the square of the scale
        // above, divided by that. With no primes above a power of two, it starts amid the primes there are.
        let top = if literal.scale_bits < MAX_BITS {
            (1_u64 << literal.scale_bits) as f64
        } else {
            candidates[levels / 2] as f64
        };
        let (mut chain, mut scales) = (Vec::new(), vec![top]);
        let mut scale = top;
        for _ in 0..levels {
            let wanted = scale * (scale / top);
            let nearest = candidates.iter().enumerate().min_by(|(_, a), (_, b)| {
                (**a as f64 - wanted)
                    .abs()
                    .total_cmp(&(**b as f64 - wanted).abs())
            });
            let Some((index, _)) = nearest else {
                return Err(short);
            };
            let prime = candidates.swap_remove(index);
            scale = scale * (scale / prime as f64);
            chain.push(prime);
            scales.push(scale);
        }
        chain.push(first);
        chain.reverse();
        scales.reverse();
        chain.extend(special);
        Ok((chain, scales))
    }
}

/// The largest primes `= 1 mod 2N` below `2^bits`.
fn below(log_degree: u32, bits: u32, count: usize) -> impl Iterator<Item = u64> {
    let step = 2_u64 << log_degree;
    (1..(1_u64 << bits) / step)
        .map(move |index| (1_u64 << bits) + 1 - index * step)
        .filter(|candidate| Modulus::prime(*candidate).is_ok())
        .take(count)
}

/// As many primes `= 1 mod 2N` on either side of `2^bits`, or only below if there must be none above.
fn around(log_degree: u32, bits: u32, count: usize) -> Vec<u64> {
    let step = 2_u64 << log_degree;
    let above = (0..(1_u64 << bits) / step)
        .map(move |index| (1_u64 << bits) + 1 + index * step)
        .filter(|candidate| Modulus::prime(*candidate).is_ok())
        .take(if bits < MAX_BITS { count } else { 0 });
    let mut primes: Vec<u64> = below(log_degree, bits, count).chain(above).collect();
    primes.sort_unstable_by_key(|prime| prime.abs_diff(1 << bits));
    primes.truncate(count);
    primes
}

fn refs(limbs: &[Limb]) -> Vec<&Limb> {
    limbs.iter().collect()
}

impl Tables {
    fn new(shape: Shape) -> Result<Self, CkksError> {
        let literal = shape.literal;
        let (primes, scales) = shape.primes()?;
        let full = RnsBasis::of_primes(1 << literal.log_degree, &primes)?;
        let chain = literal.levels as usize + 1;
        let mut levels = vec![Arc::clone(&full)];
        while let Some(smaller) = levels.last().and_then(|basis| basis.without_last()) {
            levels.push(Arc::clone(smaller));
        }
        levels.reverse();
        levels.truncate(chain);

        let limbs = full.limbs();
        let (chain_limbs, special_limbs) = limbs.split_at(chain);
        let inverse = |limb: &Limb, of: &mut dyn Iterator<Item = u64>| {
            let modulo = limb.modulo();
            let product = of.fold(1, |product, prime| modulo.mul(product, prime % modulo.modulus()));
            (
                limb.reducer().factor(product),
                limb.reducer().factor(modulo.inverse(product)),
            )
        };
        let special = |limb: &Limb| {
            inverse(
                limb,
                &mut special_limbs.iter().map(|limb| limb.modulo().modulus()),
            )
        };
        let up = chain_limbs
            .chunks(shape.alpha)
            .map(|digit| {
                (1..=digit.len())
                    .map(|size| Conversion::new(&refs(&digit[..size]), limbs))
                    .collect()
            })
            .collect();
        let from_level = |level: usize, with_special: bool| {
            let end = if with_special { limbs.len() } else { chain };
            let mut sources = vec![&chain_limbs[level]];
            sources.extend(&limbs[chain..end]);
            Conversion::new(&sources, &chain_limbs[..level])
        };
        let mut parts: Vec<u8> = [
            literal.log_degree,
            literal.scale_bits,
            literal.first_bits,
            literal.levels,
            literal.dnum,
        ]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
        parts.extend(primes.iter().flat_map(|prime| prime.to_le_bytes()));
        let last = |level: usize, with_special: bool| -> Vec<Factor> {
            let end = if with_special { limbs.len() } else { chain };
            let sources = || {
                std::iter::once(&primes[level])
                    .chain(&primes[chain..end])
                    .copied()
            };
            chain_limbs[..level]
                .iter()
                .map(|limb| inverse(limb, &mut sources()).1)
                .collect()
        };
        Ok(Self {
            literal,
            digest: hash(domain::CKKS_PARAMS, &[&parts]),
            scales,
            alpha: shape.alpha,
            automorphisms: Automorphisms::new(&full),
            up,
            down: Conversion::new(&refs(special_limbs), chain_limbs),
            down_rescaled: (0..chain).map(|level| from_level(level, true)).collect(),
            rescale: (0..chain).map(|level| from_level(level, false)).collect(),
            special: chain_limbs.iter().map(|limb| special(limb).0).collect(),
            special_inverse: chain_limbs.iter().map(|limb| special(limb).1).collect(),
            last_inverse: (0..chain).map(|level| last(level, false)).collect(),
            both_inverse: (0..chain).map(|level| last(level, true)).collect(),
            levels,
            full,
        })
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
