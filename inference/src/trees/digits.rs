//! Leaf values as digits that fit the slots of a ciphertext: sums of one digit over all trees stay below half of `p`.

use serde::{Deserialize, Serialize};

use super::prepared::Prepared;

/// How values are cut: `value = sum of digit_i 2^(bits i)`, digits from `-2^(bits-1)` up to below `2^(bits-1)`, but for the
/// last, which takes what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digits {
    /// Bits of a digit.
    pub bits: u32,
    /// Digits of a value.
    pub count: usize,
}

impl Digits {
    /// The fewest digits whose sums over all trees fit modulo `p`, with either sign; `None` if none do.
    pub(super) fn fitting(forest: &Prepared, p: u64) -> Option<Self> {
        (1..=4)
            .flat_map(|count| (2..=15).rev().map(move |bits| Self { bits, count }))
            .find(|digits| digits.fit(forest, p))
    }

    /// Is what an offer says of them within limits?
    pub(super) const fn is_valid(self) -> bool {
        2 <= self.bits && self.bits <= 15 && 1 <= self.count && self.count <= 4
    }

    fn fit(self, forest: &Prepared, p: u64) -> bool {
        let outputs = forest.targets() * self.count;
        let mut sums = vec![0_u64; outputs];
        let mut largest = vec![0_u64; outputs];
        let mut tree = 0;
        let mut flush = |largest: &mut Vec<u64>| {
            for (sum, largest) in sums.iter_mut().zip(largest) {
                *sum += std::mem::take(largest);
            }
        };
        for leaf in &forest.leaves {
            if leaf.tree != tree {
                flush(&mut largest);
                tree = leaf.tree;
            }
            for (largest, digit) in largest.iter_mut().zip(self.of(forest.values.of(leaf.node))) {
                *largest = (*largest).max(digit.unsigned_abs());
            }
        }
        flush(&mut largest);
        sums.iter().all(|sum| *sum < p / 2)
    }

    /// The digits of values, `[values, digits]`.
    pub(super) fn of(self, values: &[i64]) -> Vec<i64> {
        let each = |value: &i64| {
            let mut rest = *value;
            let base = 1_i64 << self.bits;
            let mut digits = vec![0; self.count];
            for (index, digit) in digits.iter_mut().enumerate() {
                *digit = if index + 1 == self.count {
                    rest
                } else {
                    (rest + base / 2).rem_euclid(base) - base / 2
                };
                rest = (rest - *digit) / base;
            }
            digits
        };
        values.iter().flat_map(each).collect()
    }

    /// Values from sums of their digits.
    pub(super) fn values(self, digits: &[i64]) -> Vec<i64> {
        let value = |digits: &[i64]| {
            digits
                .iter()
                .rev()
                .fold(0, |value, digit| (value << self.bits) + digit)
        };
        digits.chunks(self.count.max(1)).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_sums_of_digits() {
        for bits in 2..=15 {
            for count in 1..=4 {
                let digits = Digits { bits, count };
                let values = [0, 1, -1, 32_767, -32_768, 1 << 23, -(1 << 23), 12_345];
                let cut = digits.of(&values);
                assert_eq!(cut.len(), values.len() * count);
                assert_eq!(digits.values(&cut), values, "{bits} {count}");
                let doubled: Vec<i64> = cut.iter().map(|digit| 2 * digit).collect();
                assert_eq!(digits.values(&doubled), values.map(|value| 2 * value));
                let half = 1 << (bits - 1);
                for value in cut.chunks(count) {
                    assert!(
                        value
                            .iter()
                            .rev()
                            .skip(1)
                            .all(|digit| (-half..half).contains(digit))
                    );
                }
            }
        }
    }
}
