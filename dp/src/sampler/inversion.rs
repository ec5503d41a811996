//! Exact sampling by inversion, for distributions whose weights follow from each other by rational factors.
//!
//! A uniform real `U`, given by an endless stream of random bits, is located among the partial sums of the weights
//! (Devroye, *Non-Uniform Random Variate Generation*, 1986, chapter III.2). No normalising constant is needed: the
//! weights start at 1 at the mode and their sum is enclosed along with them. A table of the partial sums in 64 bits,
//! with a *certified* error, decides for all but about `entries / 2^62` of the samples; the others are decided by the
//! same sums in as many digits as it takes. So the decision is that of real numbers: the table decides the speed,
//! never the distribution. Integer arithmetic only.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use rand_core::CryptoRng;

use super::bignum;
use super::words::Words;

/// A quotient of two products.
pub(super) type Factor = ([u64; 2], [u64; 2]);

/// Weights `w(k)` of the whole numbers from 0 on, each from its neighbour.
pub(super) trait Weights {
    /// Where the weights are largest: they fall in both directions from here.
    fn mode(&self) -> u64;
    /// `w(k + 1) / w(k)`, for `k >= mode`.
    fn up(&self, k: u64) -> Factor;
    /// `w(k - 1) / w(k)`, for `1 <= k <= mode`.
    fn down(&self, k: u64) -> Factor;
    /// A bound on `(w(k + 1) + w(k + 2) + ...) / w(k)`, `None` if `k` is too near the mode for one.
    fn above(&self, k: u64) -> Option<u64>;
    /// A bound on `(w(k - 1) + ... + w(0)) / w(k)`, likewise.
    fn below(&self, k: u64) -> Option<u64>;
}

/// Bits by which the weights at the mode stay below the top of the fixed-point format; their sum must fit.
const HEADROOM: u32 = 24;
/// Units of the format below which a weight counts as next to nothing. Weights whose ratios are above `1 - 2^-17` would
/// not fall below this, and none are.
const NEGLIGIBLE: u64 = 1 << 20;
/// Limbs of the fixed-point format that the table is made in.
const TABLE_LIMBS: usize = 2;

/// A non-negative number in units of a fixed-point format, enclosed.
#[derive(Clone)]
struct Enclosed {
    low: Vec<u64>,
    high: Vec<u64>,
}

impl Enclosed {
    fn one(limbs: usize) -> Self {
        let mut one = vec![0; limbs];
        one[limbs - 1] = 1 << (64 - HEADROOM);
        Enclosed {
            low: one.clone(),
            high: one,
        }
    }

    fn scale(&mut self, (factors, divisors): Factor) {
        for (number, up) in [(&mut self.low, false), (&mut self.high, true)] {
            for factor in factors {
                bignum::multiply_small(number, factor);
            }
            for divisor in divisors {
                bignum::divide_small(number, divisor, up);
            }
        }
    }

    fn add(&mut self, other: &Enclosed) {
        bignum::add(&mut self.low, &other.low);
        bignum::add(&mut self.high, &other.high);
    }

    /// So few units that rounding up may keep them from falling further (as it does where the next weight is less than
    /// one unit smaller); then how many.
    fn negligible(&self) -> Option<u64> {
        match self.high.as_slice() {
            [] => Some(0),
            [units] if *units < NEGLIGIBLE => Some(*units),
            _ => None,
        }
    }
}

/// A bound on all weights beyond one that is next to nothing.
fn rest(relative: Option<u64>, last: &Enclosed) -> Option<Vec<u64>> {
    let mut rest = vec![relative?];
    bignum::multiply_small(&mut rest, last.negligible()?);
    Some(rest)
}

/// Visits the whole numbers from the mode outwards (`mode, mode + 1, mode - 1, mode + 2, ...`: an order that no
/// precision changes) with the partial sums of their weights, until the rest weighs next to nothing or `visit` says
/// stop. Returns the enclosed sum of all weights, visited or not.
fn walk<W: Weights>(weights: &W, limbs: usize, mut visit: impl FnMut(u64, &Enclosed) -> bool) -> Enclosed {
    let mode = weights.mode();
    let (mut above, mut below) = (mode, mode);
    let mut at_above = Enclosed::one(limbs);
    let mut at_below = at_above.clone();
    let mut sum = at_above.clone();
    let mut going = visit(mode, &sum);
    let (mut rest_above, mut rest_below) = (None, None);
    while going && (rest_above.is_none() || rest_below.is_none()) {
        if rest_above.is_none() {
            at_above.scale(weights.up(above));
            above += 1;
            sum.add(&at_above);
            going = visit(above, &sum);
            rest_above = rest(weights.above(above), &at_above);
        }
        if going && rest_below.is_none() {
            if below == 0 {
                rest_below = Some(vec![]);
                continue;
            }
            at_below.scale(weights.down(below));
            below -= 1;
            sum.add(&at_below);
            going = visit(below, &sum);
            rest_below = rest(weights.below(below), &at_below);
        }
    }
    for rest in [rest_above, rest_below].into_iter().flatten() {
        bignum::add(&mut sum.high, &rest);
    }
    sum
}

/// Partial sums as parts of `2^64`.
#[derive(Debug)]
struct Table {
    values: Vec<u64>,
    /// `thresholds[i] <= 2^64 P(one of values[..= i]) < thresholds[i] + margin`.
    thresholds: Vec<u64>,
    margin: u64,
    /// `guide[b]`: the first entry whose threshold is above `b << guide_shift`.
    guide: Vec<u32>,
    guide_shift: u32,
}

fn to_u128(number: &[u64]) -> u128 {
    let limb = |i: usize| u128::from(number.get(i).copied().unwrap_or(0));
    limb(1) << 64 | limb(0)
}

/// `floor(2^64 part / whole)`, for `part < whole < 2^127`.
fn part_of(mut part: u128, whole: u128) -> u64 {
    let mut quotient = 0u64;
    for _ in 0..64 {
        part <<= 1;
        quotient <<= 1;
        if part >= whole {
            part -= whole;
            quotient |= 1;
        }
    }
    quotient
}

impl Table {
    fn new<W: Weights>(weights: &W) -> Self {
        let mut values = Vec::new();
        let mut sums = Vec::new();
        let total = walk(weights, TABLE_LIMBS, |value, sum| {
            values.push(value);
            sums.push(to_u128(&sum.low));
            true
        });
        let (low, high) = (to_u128(&total.low), to_u128(&total.high));
        let thresholds: Vec<u64> = sums.into_iter().map(|sum| part_of(sum, high)).collect();
        // What the sums and the total are uncertain by, each at most `high - low`, and one for the rounding down.
        let uncertain = part_of((high - low).saturating_mul(2).min(low - 1), low).saturating_add(1);
        let guide_bits = usize::BITS - thresholds.len().leading_zeros();
        let guide_shift = 64 - guide_bits;
        let guide = (0..1u64 << guide_bits)
            .map(|bucket| thresholds.partition_point(|threshold| *threshold <= bucket << guide_shift) as u32)
            .collect();
        Table {
            values,
            thresholds,
            margin: uncertain.saturating_add(1),
            guide,
            guide_shift,
        }
    }

    /// The value that `[leading, leading + 1) 2^-64` belongs to as a whole, if there is one.
    #[inline]
    fn find(&self, leading: u64) -> Option<u64> {
        let bucket = (leading >> self.guide_shift) as usize;
        let from = *self.guide.get(bucket)? as usize;
        let to = self
            .guide
            .get(bucket + 1)
            .map_or(self.thresholds.len(), |next| *next as usize);
        // Thresholds above the bucket's start begin at `from`; the first above `leading` is at most `to`.
        let entry = from
            + self
                .thresholds
                .get(from..to)?
                .partition_point(|threshold| *threshold <= leading);
        let certain = match entry.checked_sub(1) {
            Some(before) => leading.checked_sub(*self.thresholds.get(before)?)? >= self.margin,
            None => true,
        };
        // `leading < thresholds[entry]` says that all of the interval lies below the partial sum.
        (certain && entry < self.thresholds.len()).then(|| self.values.get(entry).copied())?
    }
}

/// A sampler of one distribution. Clones share the table, which is made at the first sample.
#[derive(Clone, Debug)]
pub(super) struct Inversion<W> {
    weights: W,
    table: Arc<OnceLock<Table>>,
}

impl<W: Weights> Inversion<W> {
    pub(super) fn new(weights: W) -> Self {
        Inversion {
            weights,
            table: Arc::new(OnceLock::new()),
        }
    }

    /// What draws samples: `drawer()(words)`.
    pub(super) fn drawer<'a, R: CryptoRng>(&'a self) -> impl Fn(&mut Words<'_, R>) -> u64 + 'a {
        let table = self.table.get_or_init(|| Table::new(&self.weights));
        move |words| {
            let leading = words.next();
            match table.find(leading) {
                Some(value) => value,
                None => self.decide(vec![leading], words),
            }
        }
    }

    #[cold]
    fn decide<R: CryptoRng>(&self, mut digits: Vec<u64>, words: &mut Words<'_, R>) -> u64 {
        loop {
            if let Some(value) = locate(&self.weights, &digits) {
                return value;
            }
            digits.push(words.next());
        }
    }
}

/// The value that the uniform number whose binary digits begin with `digits` (most significant word first) belongs
/// to, `None` if these digits do not decide it.
fn locate<W: Weights>(weights: &W, digits: &[u64]) -> Option<u64> {
    let limbs = digits.len() + 2;
    let total = walk(weights, limbs, |_, _| true);
    let lower: Vec<u64> = digits.iter().rev().copied().collect();
    let mut upper = lower.clone();
    bignum::add(&mut upper, &[1]);
    // U < sum / total  <=>  U total < sum, for all that U and total may be.
    let most = bignum::multiply(&upper, &total.high);
    let least = bignum::multiply(&lower, &total.low);
    let mut found = None;
    walk(weights, limbs, |value, sum| {
        if bignum::compare_shifted(&most, &sum.low, digits.len()) != Ordering::Greater {
            found = Some(value);
            return false;
        }
        // Neither below for certain nor not below for certain: more digits.
        bignum::compare_shifted(&least, &sum.high, digits.len()) != Ordering::Less
    });
    found
}

#[cfg(test)]
mod tests;
