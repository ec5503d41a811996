//! The chain of primes of a set of parameters, and what is precomputed for it.

use std::sync::Arc;

use super::error::CkksError;
use super::params::{MAX_BITS, MAX_DIGIT, MAX_LEVELS, MIN_BITS, ParamsLiteral};
use crate::domain;
use crate::hash::{Digest, hash};
use crate::mask::modulus::Modulus;
use crate::ring::RnsBasis;
use crate::ring::automorphism::Automorphisms;
use crate::ring::basis::{BasisError, Limb};
use crate::ring::convert::Conversion;
use crate::ring::simd::Factor;
use crate::rlwe::params::SECURITY_TABLE;

/// What is precomputed for parameters.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) literal: ParamsLiteral,
    pub(super) digest: Digest,
    /// All primes: the chain, then the special ones.
    pub(super) full: Arc<RnsBasis>,
    /// The chain up to each level.
    pub(super) levels: Vec<Arc<RnsBasis>>,
    pub(super) scales: Vec<f64>,
    pub(super) alpha: usize,
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
    /// The values of `X^(N/2)`, which is `i` in every slot, modulo each of the chain: one for each half of the words.
    pub(super) imaginary: Vec<[Factor; 2]>,
    /// The inverse of the prime of each level, modulo each of the chain below.
    pub(super) last_inverse: Vec<Vec<Factor>>,
    /// The inverse of that prime and the special primes.
    pub(super) both_inverse: Vec<Vec<Factor>>,
}

/// The product of the special primes exceeds the largest digit by so many bits, as far as security allows: the noise of a
/// key switch is then less than that of the rounding after it.
const SLACK_BITS: u32 = 4;

/// A literal whose numbers are in range, with what follows from them.
pub(super) struct Shape {
    literal: ParamsLiteral,
    alpha: usize,
    special: usize,
    special_bits: u32,
}

impl Shape {
    pub(super) fn new(literal: ParamsLiteral) -> Result<Self, CkksError> {
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
        let limit = SECURITY_TABLE
            .iter()
            .find(|(log_degree, _)| *log_degree == literal.log_degree);
        let shape = |slack: u32| Self {
            literal,
            alpha: alpha as usize,
            special: special as usize,
            special_bits: (digit_bits + slack).div_ceil(special).min(MAX_BITS),
        };
        let fits = |shape: &Self| limit.is_none_or(|(_, limit)| shape.bits() <= limit - 1.0);
        Ok((1..=SLACK_BITS)
            .rev()
            .map(shape)
            .find(fits)
            .unwrap_or_else(|| shape(0)))
    }

    /// `log2 QP`, but for the distance of the primes from powers of two.
    pub(super) fn bits(&self) -> f64 {
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
    pub(super) fn new(shape: Shape) -> Result<Self, CkksError> {
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
        let imaginary = |limb: &Limb| {
            let half = limb.degree() / 2;
            let mut values = vec![0; limb.degree()];
            values[half] = 1;
            limb.ntt().forward(&mut values);
            let (first, second) = values.split_at(half);
            [first, second].map(|values| {
                assert!(
                    values.iter().all(|value| *value == values[0]),
                    "the order of values has two halves"
                );
                limb.reducer().factor(values[0])
            })
        };
        Ok(Self {
            literal,
            imaginary: chain_limbs.iter().map(imaginary).collect(),
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
