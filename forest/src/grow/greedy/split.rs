//! The best split of a node, from histograms of its rows.

use crate::params::Criterion;
use crate::table::CLASSES;

/// Fewest rows of a child, however exact they are.
const LEAST_ROWS: f64 = 5.0;
/// Fewest rows of a child in standard deviations of their noise.
const LEAST_DEVIATIONS: f64 = 2.0;
/// What a set of neighbouring slots between two cuts must gain over one cut, which is simpler: more pairs of cuts than
/// cuts are tried, so the best of them is more often luck.
const INTERVAL: f64 = 0.8;
/// Rows of the node's own share that the share of a category is worth, when categories are put in order, per row of
/// standard deviation of its noise.
const CATEGORY_PRIOR: f64 = 2.0;

/// How splits are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge {
    pub(super) criterion: Criterion,
    /// Standard deviation of the noise in a cell.
    pub(super) deviation: f64,
}

/// Rows of both classes, and the number of slots that they were summed from.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    negative: i64,
    positive: i64,
    slots: i32,
}

impl Sum {
    fn of(cell: &[i64]) -> Self {
        match *cell {
            [negative, positive] => Self {
                negative,
                positive,
                slots: 1,
            },
            _ => Self::default(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            negative: self.negative.saturating_add(other.negative),
            positive: self.positive.saturating_add(other.positive),
            slots: self.slots + other.slots,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            negative: self.negative.saturating_sub(other.negative),
            positive: self.positive.saturating_sub(other.positive),
            slots: self.slots - other.slots,
        }
    }

    /// Negative counts are noise.
    fn rows(self) -> (f64, f64) {
        (self.negative.max(0) as f64, self.positive.max(0) as f64)
    }

    fn all_rows(self) -> f64 {
        let (negative, positive) = self.rows();
        negative + positive
    }

    /// Standard deviation of the noise in all rows, with this in a cell.
    fn noise(self, deviation: f64) -> f64 {
        deviation * f64::from(CLASSES as i32 * self.slots).sqrt()
    }
}

/// A split of one feature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// Rows times the decrease of impurity, less what noise alone would make of it.
    pub(super) gain: f64,
    /// Slots that go right.
    pub(super) right: Vec<u8>,
}

/// Slots `from..to` of those in order go right, and the missing ones or not.
struct Cut {
    gain: f64,
    from: usize,
    to: usize,
    missing: bool,
}

impl Judge {
    /// What the split into two sums gains over none; `None` if a child is too small, or noise could have made it.
    ///
    /// By Gini the gain is `nl nr / (nl + nr) (rl - rr)^2` for shares `r` of positives among `n` rows. Noise of
    /// variance `m s^2` in each class of a child of `m` slots adds, in the mean and to first order,
    /// `m s^2 (r^2 + (1 - r)^2) / n^2` to the square for each child, which is taken off. By entropy, the gain is
    /// diminished in the same proportion.
    fn gain(&self, left: Sum, right: Sum) -> Option<f64> {
        let (nl, nr) = (left.all_rows(), right.all_rows());
        let least = |sum: Sum| f64::max(LEAST_ROWS, LEAST_DEVIATIONS * sum.noise(self.deviation));
        if nl < least(left) || nr < least(right) {
            return None;
        }
        let (rl, rr) = (left.rows().1 / nl, right.rows().1 / nr);
        let variance = |sum: Sum, r: f64, n: f64| {
            let cell = self.deviation * self.deviation * f64::from(sum.slots);
            cell * (r * r + (1.0 - r) * (1.0 - r)) / (n * n)
        };
        let square = (rl - rr) * (rl - rr);
        let beyond_noise = square - variance(left, rl, nl) - variance(right, rr, nr);
        if beyond_noise <= 0.0 {
            return None;
        }
        Some(match self.criterion {
            Criterion::Gini => nl * nr / (nl + nr) * beyond_noise,
            Criterion::Entropy => {
                let (left, right) = (left.rows(), right.rows());
                let whole = entropy(left.0 + right.0, left.1 + right.1);
                (whole - entropy(left.0, left.1) - entropy(right.0, right.1)) * (beyond_noise / square)
            }
        })
    }

    /// The best split by a histogram `[slots, classes]`, whose first `values` slots hold values, in their order or in
    /// none, and whose last holds missing values.
    ///
    /// Ordered slots are cut once or twice. Others are first put in the order of their shares of positives, where one
    /// cut is best for two classes (Breiman et al. 1984, theorem 4.5).
    pub(super) fn best(&self, histogram: &[i64], values: usize, ordered: bool) -> Option<Found> {
        let mut slots: Vec<(u8, Sum)> = (0u8..=255)
            .zip(histogram.chunks_exact(CLASSES).map(Sum::of))
            .collect();
        let missing = slots.pop()?;
        slots.truncate(values);
        let all = slots.iter().fold(Sum::default(), |sum, slot| sum.plus(slot.1));
        if !ordered {
            self.order(&mut slots, all);
        }
        let says_something = missing.1.all_rows() > LEAST_DEVIATIONS * missing.1.noise(self.deviation);
        let mut best: Option<Cut> = None;
        let mut consider = |from: usize, to: usize, right: Sum, weight: f64| {
            let left = all.minus(right);
            let mut offer = |gain: Option<f64>, missing: bool| {
                if let Some(gain) = gain.map(|gain| weight * gain)
                    && best.as_ref().is_none_or(|best| gain > best.gain)
                {
                    best = Some(Cut {
                        gain,
                        from,
                        to,
                        missing,
                    });
                }
            };
            if says_something {
                offer(self.gain(left.plus(missing.1), right), false);
                offer(self.gain(left, right.plus(missing.1)), true);
            } else {
                offer(self.gain(left, right), right.all_rows() > left.all_rows());
            }
        };
        let mut right = Sum::default();
        for (from, slot) in slots.iter().enumerate().skip(1).rev() {
            right = right.plus(slot.1);
            consider(from, slots.len(), right, 1.0);
        }
        if ordered {
            for from in 1..slots.len() {
                let mut right = Sum::default();
                for (slot, to) in slots.iter().skip(from).zip(from + 1..slots.len()) {
                    right = right.plus(slot.1);
                    consider(from, to, right, INTERVAL);
                }
            }
        }
        let best = best?;
        let right = slots.get(best.from..best.to).unwrap_or_default();
        let right = right.iter().chain(best.missing.then_some(&missing));
        Some(Found {
            gain: best.gain,
            right: right.map(|slot| slot.0).collect(),
        })
    }

    /// By share of positives; what noise could have made is drawn towards the share of all.
    fn order(&self, slots: &mut [(u8, Sum)], all: Sum) {
        let share = all.rows().1 / f64::max(all.all_rows(), 1.0);
        let prior = f64::max(1.0, CATEGORY_PRIOR * self.deviation);
        let drawn = |sum: &Sum| (sum.rows().1 + prior * share) / (sum.all_rows() + prior);
        slots.sort_by(|a, b| drawn(&a.1).total_cmp(&drawn(&b.1)));
    }
}

/// Rows times entropy in nats.
fn entropy(negative: f64, positive: f64) -> f64 {
    let rows = negative + positive;
    let term = |part: f64| if part > 0.0 { part * ln(rows / part) } else { 0.0 };
    term(negative) + term(positive)
}

/// Natural logarithm of a number of at least 1, by correctly rounded operations alone, so that all machines agree:
/// `ln(m 2^e) = e ln 2 + 2 artanh((m - 1) / (m + 1))`. Within 1e-13.
fn ln(x: f64) -> f64 {
    let exponent = (x.to_bits() >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(x.to_bits() & ((1 << 52) - 1) | 1023 << 52);
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let series = (0..14)
        .rev()
        .fold(0.0, |sum, n| sum * square + 1.0 / f64::from(2 * n + 1));
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * t * series
}

#[cfg(test)]
mod tests;
