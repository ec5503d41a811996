//! Margins in two parts that two parties know, and gradients that are linear in both.
//!
//! Where every tree of an ensemble tests columns of one side only, the margin of a row is `a + b`: `a` of the row's own
//! columns (and the base), `b` of its entity's. With knots `k_0 < k_1 < ..` two units of log-odds apart and the hat
//! functions of linear interpolation between them, `sigma(a + b)` is nearly `sum_j hat_j(b) sigma(a + k_j)`: what one side
//! knows times what the other knows, added up. Hats are not negative and sum to one, so what is interpolated stays within
//! the bounds of what is interpolated between: no clip, hence no sensitivity, changes. `|sigma''| < 0.0963`, so the error
//! is below 0.0482 (de Boor, A practical guide to splines, chapter III), and 0.0157 more for rounding `b` to eighths. Knots
//! at half the distance cost twice as much and made no better trees (docs/boosting.md).
//!
//! A *gate* is one test of a column of the rows that trees over an entity's columns may repeat. Then `b` is of the entity
//! and of the row's branch of the gate: an entity has two numbers `b_0` and `b_1` and hats for either, and a row chooses. In
//! each branch everything is as above, so scores that interact over the link cost twice the hats, and nobody sees more.

use crate::logistic::MARGIN_ONE;
use crate::model::LOG_ODDS_ZERO;

/// Hats are in units of `2^-HAT_BITS`.
pub const HAT_BITS: u8 = 4;
/// Distance of knots, as a margin.
pub const SPACING: i64 = 2 * MARGIN_ONE;
/// Knots from `-MOST_KNOT` to `MOST_KNOT`, in units of [`SPACING`]: beyond, `b` counts as the last.
pub const MOST_KNOT: i64 = 2;
/// Branches of a gate: left and right.
pub const GATE_BRANCHES: usize = 2;
/// Most knots that a query has.
pub const MAX_KNOTS: usize = 2 * MOST_KNOT as usize + 1;

/// `b` is rounded to so many units of margins.
const GRAIN: i64 = SPACING >> HAT_BITS;
/// Grains between knots.
const ONE: i64 = 1 << HAT_BITS;

/// The knots of one query: those that any entity's part of the margin can lie between, by the published leaf values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knots {
    first: i64,
    last: i64,
}

/// What one entity weighs at the knots: `2^HAT_BITS - next` at one, `next` at the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hat {
    /// The position of the knot.
    pub knot: u8,
    /// The weight of the next, below `2^HAT_BITS`.
    pub next: u8,
}

impl Knots {
    /// The knots for attribute trees with these leaf values, `[trees, leaves]`.
    pub(crate) fn new<'a>(trees: impl Iterator<Item = &'a [u32]>) -> Self {
        let (mut least, mut most) = (0i64, 0i64);
        for values in trees {
            let value = |value: Option<&u32>| value.map_or(0, |value| margin(*value));
            least += value(values.iter().min());
            most += value(values.iter().max());
        }
        Self {
            first: grains(least).div_euclid(ONE),
            last: -(-grains(most)).div_euclid(ONE),
        }
    }

    /// How many there are, 1 to [`MAX_KNOTS`].
    pub const fn count(&self) -> usize {
        (self.last - self.first + 1) as usize
    }

    /// The knots as margins, ascending.
    pub fn margins(&self) -> impl Iterator<Item = i64> + use<> {
        (self.first..=self.last).map(|knot| knot * SPACING)
    }

    /// The hats of a margin.
    pub fn hat(&self, margin: i64) -> Hat {
        let grains = grains(margin).clamp(self.first * ONE, self.last * ONE) - self.first * ONE;
        Hat {
            knot: grains.div_euclid(ONE) as u8,
            next: grains.rem_euclid(ONE) as u8,
        }
    }
}

impl Hat {
    /// The weight of the knot at a position.
    pub fn weight(&self, knot: usize) -> u32 {
        let own = usize::from(self.knot);
        if knot == own {
            (1 << HAT_BITS) - u32::from(self.next)
        } else if knot == own + 1 {
            self.next.into()
        } else {
            0
        }
    }

    /// `sum of hat_j * of(j)`, where `of` is asked for one knot or two.
    pub(crate) fn interpolate(&self, of: impl Fn(usize) -> (i64, i64)) -> (i64, i64) {
        let (knot, next) = (usize::from(self.knot), i64::from(self.next));
        let (g, h) = of(knot);
        if next == 0 {
            return (g * ONE, h * ONE);
        }
        let (g_next, h_next) = of(knot + 1);
        (g * (ONE - next) + g_next * next, h * (ONE - next) + h_next * next)
    }
}

/// A stored leaf value as a margin.
fn margin(value: u32) -> i64 {
    i64::from(value) - i64::from(LOG_ODDS_ZERO)
}

/// A margin in grains, the nearest within the outermost knots.
fn grains(margin: i64) -> i64 {
    ((margin + GRAIN / 2).div_euclid(GRAIN)).clamp(-MOST_KNOT * ONE, MOST_KNOT * ONE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::logistic::probability;

    proptest! {
        /// Hats are a partition of one, and interpolated probabilities are as near as promised.
        #[test]
        fn hats_interpolate(least in -300_000i64..=0, most in 0i64..=300_000, part in 0.0..=1.0f64, a in -400_000i64..400_000) {
            let values = [least, most].map(|margin| (margin + i64::from(LOG_ODDS_ZERO)) as u32);
            let knots = Knots::new([values.as_slice()].into_iter());
            let b = least + (part * (most - least) as f64) as i64;
            let hat = knots.hat(b);
            let weights: Vec<u32> = (0..knots.count()).map(|knot| hat.weight(knot)).collect();
            prop_assert_eq!(weights.iter().sum::<u32>(), 1 << HAT_BITS);
            prop_assert!(knots.count() <= MAX_KNOTS);
            let interpolated: f64 = knots.margins().zip(&weights).map(|(knot, weight)| f64::from(*weight) / 16.0 * probability(a + knot)).sum();
            let b = b.clamp(-MOST_KNOT * SPACING, MOST_KNOT * SPACING);
            prop_assert!((interpolated - probability(a + b)).abs() < 0.0482 + 0.0157);
            let pairs = |knot: usize| (i64::from(knot as i32 - 3), 7);
            let (g, h) = hat.interpolate(pairs);
            let all = (0..knots.count()).map(|knot| i64::from(hat.weight(knot)) * pairs(knot).0).sum::<i64>();
            prop_assert_eq!((g, h), (all, 7 * 16));
        }
    }

    #[test]
    fn nothing_but_the_base_has_one_knot() {
        let knots = Knots::new(std::iter::empty());
        assert_eq!((knots.count(), knots.margins().next()), (1, Some(0)));
        assert_eq!(knots.hat(0), Hat { knot: 0, next: 0 });
    }
}
