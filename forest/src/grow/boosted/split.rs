//! The best split of a node.

/// Sums of first and second derivatives of some rows, in rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) g: f64,
    pub(super) h: f64,
}

impl Sum {
    /// From a pair of cells in units of `1 / one`.
    pub(super) fn of(cell: &[i64], one: f64) -> Self {
        match cell {
            [g, h] => Self {
                g: *g as f64 / one,
                h: *h as f64 / one,
            },
            _ => Self::default(),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            g: self.g + other.g,
            h: self.h + other.h,
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            g: self.g - other.g,
            h: self.h - other.h,
        }
    }
}

/// How splits are judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge {
    /// L2 penalty, the share of the noise in it included.
    pub(super) lambda: f64,
    /// Variance of a cell.
    pub(super) variance: f64,
    pub(super) min_gain: f64,
}

/// A split of one histogram.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) gain: f64,
    /// Slots of values that go right, and whether missing values do.
    pub(super) right: Vec<usize>,
    pub(super) missing_right: bool,
    pub(super) left_sum: Sum,
    pub(super) right_sum: Sum,
    /// Slots in each of these sums.
    pub(super) slots: (usize, usize),
}

impl Judge {
    /// What a side of so many slots is worth: of `G^2 / (H + lambda)` the part that noise alone would give is taken off.
    fn worth(&self, sum: Sum, slots: usize) -> f64 {
        (sum.g * sum.g - self.variance * slots as f64) / (sum.h.max(0.0) + self.lambda)
    }

    /// The best split of a histogram: `slots` of values, of which those `in_order` split at a threshold and others in
    /// the order of their gradients (Fisher 1958: the best partition is among these), then missing values. The first
    /// of equals.
    pub(super) fn best(&self, slots: &[Sum], missing: Sum, in_order: bool) -> Option<Found> {
        let mut order: Vec<usize> = (0..slots.len()).collect();
        let at = |slot: usize| slots.get(slot).copied().unwrap_or_default();
        if !in_order {
            let ratio = |slot: usize| at(slot).g / (at(slot).h.max(0.0) + self.lambda);
            order.sort_by(|a, b| ratio(*a).total_cmp(&ratio(*b)));
        }
        let values = order.iter().fold(Sum::default(), |sum, slot| sum.plus(at(*slot)));
        let (all, count) = (values.plus(missing), slots.len() + 1);
        let whole = self.worth(all, count);
        let sides: &[bool] = if missing == Sum::default() {
            &[false]
        } else {
            &[false, true]
        };
        let mut best: Option<Found> = None;
        for missing_right in sides.iter().copied() {
            let mut left = if missing_right { Sum::default() } else { missing };
            for cut in 1..slots.len() {
                left = left.plus(at(order.get(cut - 1).copied().unwrap_or_default()));
                let right = all.minus(left);
                let left_slots = cut + usize::from(!missing_right);
                let gain = self.worth(left, left_slots) + self.worth(right, count - left_slots) - whole;
                if gain > best.as_ref().map_or(self.min_gain, |found| found.gain) {
                    best = Some(Found {
                        gain,
                        right: order.get(cut..).unwrap_or_default().to_vec(),
                        missing_right,
                        left_sum: left,
                        right_sum: right,
                        slots: (left_slots, count - left_slots),
                    });
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXACT: Judge = Judge {
        lambda: 1.0,
        variance: 0.0,
        min_gain: 1e-9,
    };

    proptest! {
        /// No subset of the slots is better than the best found: all are tried, with missing values on either side.
        #[test]
        fn the_best_is_best_of_all_partitions(cells in proptest::collection::vec((-40i64..40, 1i64..10), 2..7), ordered: bool) {
            // Ratios need no penalty to be in Fisher's order.
            let judge = Judge { lambda: 0.0, ..EXACT };
            let slots: Vec<Sum> = cells.iter().map(|(g, h)| Sum { g: *g as f64, h: *h as f64 }).collect();
            let (slots, missing) = (&slots[1..], slots[0]);
            let worth = |sum: Sum| if sum.h > 0.0 { sum.g * sum.g / sum.h } else { 0.0 };
            let all = slots.iter().fold(missing, |sum, slot| sum.plus(*slot));
            let mut most = 0.0f64;
            for subset in 0u32..1 << slots.len() {
                let threshold = (0..=slots.len()).any(|cut| subset == (1 << slots.len()) - (1 << cut));
                if subset == 0 || subset + 1 == 1 << slots.len() || (ordered && !threshold) {
                    continue;
                }
                for side in [false, true] {
                    let mut right = if side { missing } else { Sum::default() };
                    for (slot, sum) in slots.iter().enumerate() {
                        if subset >> slot & 1 == 1 {
                            right = right.plus(*sum);
                        }
                    }
                    most = most.max(worth(right) + worth(all.minus(right)) - worth(all));
                }
            }
            let found = judge.best(slots, missing, ordered);
            let gain = found.as_ref().map_or(0.0, |found| found.gain);
            prop_assert!(gain <= most + 1e-9);
            // With missing values the order of ratios is optimal for either side of them only in all.
            if ordered || missing == Sum::default() {
                prop_assert!((gain - most).abs() <= 1e-9, "{} {}", gain, most);
            }
            if let Some(found) = found {
                let sum = found.right.iter().fold(Sum::default(), |sum, slot| sum.plus(slots[*slot]));
                let sum = if found.missing_right { sum.plus(missing) } else { sum };
                prop_assert!((sum.g - found.right_sum.g).abs() < 1e-9 && (sum.h - found.right_sum.h).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn noise_alone_is_not_split() {
        let slots = [
            Sum { g: 5.0, h: 40.0 },
            Sum { g: -4.0, h: 35.0 },
            Sum { g: 6.0, h: 45.0 },
        ];
        assert!(EXACT.best(&slots, Sum::default(), true).is_some());
        let noisy = Judge {
            lambda: 6.0,
            variance: 36.0,
            min_gain: 0.0,
        };
        assert_eq!(noisy.best(&slots, Sum::default(), true), None);
        assert_eq!(EXACT.best(&slots[..1], Sum::default(), true), None);
    }
}
