//! Dummies that make the size of the overlap differentially private.
//!
//! # Mechanism
//! A public pool holds `2s` dummies. Each side adds `s` of them to its set, drawn uniformly without replacement and
//! kept to itself. Sizes of sets then tell nothing new (`s` is public), and the overlap that alignment reveals is
//! `|X ∩ Y| + h`, where `h`, the number of dummies that both drew, is hypergeometric:
//! `P(h) = C(s, h)^2 / C(2s, s)`, mean `s / 2`, variance close to `s / 8`. A side knows its own draw; given that, `h`
//! has the same distribution by the draw of the *other* side alone. So this is protection against the peer, not only
//! against onlookers, and each side's noise protects that side's own keys.
//!
//! # Guarantee
//! Neighbours are two sets of one side of the *same size* that differ in one key (replacement: sizes of sets are
//! public, so adding or removing a key is not covered). The released number is one integer, the overlap, and moves by
//! at most 1: sensitivity 1, in L1 as in L2. One alignment is `(epsilon, delta)`-differentially private with
//! `delta = sum over h of max(0, P(h) - e^epsilon P(h - 1))`,
//! which is symmetric in the direction of the move as `P` is symmetric about `s / 2`. `P(h) / P(h - 1) =
//! ((s - h + 1) / h)^2` falls in `h`, so only a lower tail contributes, and it is summed as it is. Each further
//! alignment of the same set, with another peer or in another attempt, is a release of its own and is charged again.
//!
//! | epsilon | delta | dummies of each side | standard deviation |
//! |---|---|---|---|
//! | 1 | 1e-6 | 147 | 4.3 |
//! | 1 | 1e-9 | 248 | 5.6 |
//! | 0.5 | 1e-6 | 522 | 8.1 |
//! | 0.1 | 1e-6 | 10,547 | 36.3 |
//!
//! Whoever adds a dummy knows where it lies in the union and must treat it as a key that nobody asks for: an attribute
//! party as an entity unknown to it.

use super::error::AlignError;

/// Largest pool: noise of standard deviation 512 and a million dummies on either side.
pub const MAX_POOL: u32 = 1 << 21;

/// A public pool of dummies, of which each side adds one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    pool: u32,
}

impl Padding {
    /// A pool of a given size: what a configuration writes down, so that all parties read the same number.
    ///
    /// # Errors
    /// An odd size, 0, or one above [`MAX_POOL`].
    pub fn new(pool: u32) -> Result<Self, AlignError> {
        if pool == 0 || !pool.is_multiple_of(2) || pool > MAX_POOL {
            return Err(AlignError::Pool {
                actual: pool,
                maximum: MAX_POOL,
            });
        }
        Ok(Self { pool })
    }

    /// The smallest pool for one alignment at `(epsilon, delta)`.
    ///
    /// # Errors
    /// Parameters that are no positive numbers (delta below 1), or that need a pool above [`MAX_POOL`].
    pub fn for_budget(epsilon: f64, delta: f64) -> Result<Self, AlignError> {
        let fits = |each: u32| delta_of(each, epsilon) * (1.0 + 1e-9) <= delta;
        let sound = epsilon.is_finite() && epsilon > 0.0 && delta > 0.0 && delta < 1.0;
        if !sound || !fits(MAX_POOL / 2) {
            return Err(AlignError::Padding {
                epsilon: epsilon.to_string(),
                delta: delta.to_string(),
                maximum: MAX_POOL,
            });
        }
        // Delta falls as the pool grows: bisection between a size that is too small and one that fits.
        let (mut small, mut fit) = (0, MAX_POOL / 2);
        while fit - small > 1 {
            let middle = small + (fit - small) / 2;
            if fits(middle) {
                fit = middle;
            } else {
                small = middle;
            }
        }
        Self::new(2 * fit)
    }

    /// Dummies in the pool.
    pub const fn pool(self) -> u32 {
        self.pool
    }

    /// Dummies that each side adds.
    pub const fn each(self) -> u32 {
        self.pool / 2
    }

    /// The delta of one alignment at this epsilon. Natural logarithms.
    pub fn delta(self, epsilon: f64) -> f64 {
        delta_of(self.each(), epsilon)
    }

    /// The epsilon of one alignment at this delta (above 0), within 2^-30 of the least and never below it; infinite where
    /// no finite one is enough. Natural logarithms.
    pub fn epsilon(self, delta: f64) -> f64 {
        const MOST: f64 = 64.0;
        if !(delta > 0.0 && self.delta(MOST) <= delta) {
            return f64::INFINITY;
        }
        // Delta falls as epsilon grows.
        let (mut small, mut enough) = (0.0, MOST);
        while enough - small > 2f64.powi(-30) {
            let middle = (small + enough) / 2.0;
            if self.delta(middle) <= delta {
                enough = middle;
            } else {
                small = middle;
            }
        }
        enough
    }

    /// Mean of the number of dummies in the overlap.
    pub fn mean(self) -> f64 {
        f64::from(self.each()) / 2.0
    }

    /// Standard deviation of the number of dummies in the overlap.
    pub fn deviation(self) -> f64 {
        let pool = f64::from(self.pool);
        (pool * pool / (16.0 * (pool - 1.0))).sqrt()
    }
}

/// `sum over h of max(0, P(h) - e^epsilon P(h - 1))` for `P(h) = C(each, h)^2 / C(2 each, each)`.
fn delta_of(each: u32, epsilon: f64) -> f64 {
    let size = f64::from(each);
    // Weights relative to that of the mode, downwards and upwards, until they no longer count.
    let mode = each / 2;
    let ratio = |h: f64| ((size - h + 1.0) / h).powi(2);
    let mut below = vec![1.0];
    let mut h = f64::from(mode);
    while h >= 1.0 {
        let weight = below[below.len() - 1] / ratio(h);
        if weight == 0.0 {
            break;
        }
        below.push(weight);
        h -= 1.0;
    }
    let (mut above, mut weight, mut h) = (0.0, 1.0, f64::from(mode) + 1.0);
    while h <= size && weight > 0.0 {
        weight *= ratio(h);
        above += weight;
        h += 1.0;
    }
    let total: f64 = below.iter().rev().sum::<f64>() + above;
    let next = below.iter().skip(1).copied().chain([0.0]);
    let tail: Vec<f64> = below
        .iter()
        .zip(next)
        .map(|(weight, lower)| (weight - epsilon.exp() * lower).max(0.0))
        .collect();
    tail.iter().rev().sum::<f64>() / total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `P(h)` from factorials, exactly as far as `f64` goes.
    fn probabilities(each: u32) -> Vec<f64> {
        let choose = |n: u32, k: u32| (0..k).fold(1.0, |c, i| c * f64::from(n - i) / f64::from(i + 1));
        let all = choose(2 * each, each);
        (0..=each)
            .map(|h| choose(each, h) * choose(each, each - h) / all)
            .collect()
    }

    /// Delta by its definition, in both directions and for no move.
    #[test]
    fn delta_is_that_of_the_definition() {
        for each in [1, 2, 3, 10, 31, 100] {
            let p = probabilities(each);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            for epsilon in [0.01, 0.3, 1.0, 3.0] {
                let at = |h: i64| {
                    usize::try_from(h)
                        .ok()
                        .and_then(|h| p.get(h))
                        .copied()
                        .unwrap_or(0.0)
                };
                let moved = |by: i64| -> f64 {
                    (-1..=i64::from(each) + 1)
                        .map(|h| (at(h) - f64::exp(epsilon) * at(h + by)).max(0.0))
                        .sum()
                };
                let delta = delta_of(each, epsilon);
                for by in [-1, 1] {
                    assert!(
                        (moved(by) - delta).abs() < 1e-12 * delta + 1e-14,
                        "{each} {epsilon} {by}"
                    );
                }
                assert!(moved(0) == 0.0);
            }
        }
    }

    /// The table above, found independently with `lgamma`.
    #[test]
    fn sizes_are_those_of_the_table() {
        for (epsilon, delta, each) in [
            (1.0, 1e-6, 147),
            (1.0, 1e-9, 248),
            (0.5, 1e-6, 522),
            (0.1, 1e-6, 10_547),
        ] {
            assert_eq!(Padding::for_budget(epsilon, delta).unwrap().each(), each);
        }
    }

    #[test]
    fn epsilon_and_delta_are_each_others_inverse() {
        for (epsilon, delta, each) in [(1.0, 1e-6, 147), (1.0, 1e-9, 248), (0.5, 1e-6, 522)] {
            let padding = Padding::new(2 * each).unwrap();
            let found = padding.epsilon(delta);
            assert!(
                found <= epsilon && found > 0.98 * epsilon,
                "{found} for {epsilon}"
            );
            assert!(padding.delta(found) <= delta);
        }
        assert_eq!(Padding::new(2).unwrap().epsilon(1e-6), f64::INFINITY);
    }

    #[test]
    fn the_smallest_pool_is_found() {
        for (epsilon, delta) in [(1.0, 1e-6), (0.5, 1e-9), (0.1, 1e-6), (3.0, 1e-3)] {
            let padding = Padding::for_budget(epsilon, delta).unwrap();
            assert!(padding.delta(epsilon) <= delta);
            let less = Padding::new(padding.pool() - 2).unwrap();
            assert!(less.delta(epsilon) > delta);
            // Between the Gaussian mechanism's classic and half of it.
            let gaussian = (2.0 * (1.25 / delta).ln()).sqrt() / epsilon;
            assert!(
                (0.5..1.1).contains(&(padding.deviation() / gaussian)),
                "{padding:?}"
            );
        }
        for (epsilon, delta) in [
            (0.0, 1e-6),
            (-1.0, 1e-6),
            (f64::NAN, 1e-6),
            (1.0, 0.0),
            (1.0, 1.0),
            (1e-3, 1e-9),
        ] {
            assert!(Padding::for_budget(epsilon, delta).is_err());
        }
        for pool in [0, 3, MAX_POOL + 2] {
            assert!(Padding::new(pool).is_err());
        }
    }
}
