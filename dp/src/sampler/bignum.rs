//! Just enough arbitrary precision to compare a lazily drawn uniform number with an exponential, or with a sum of
//! weights, exactly.
//!
//! Numbers are little-endian vectors of 64-bit limbs. This runs about once in 2^38 samples (and once for each table of
//! an inversion), so it is short, not fast.

use std::cmp::Ordering;

pub(super) fn multiply_small(number: &mut Vec<u64>, factor: u64) {
    let mut carry = 0u64;
    for limb in number.iter_mut() {
        let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
        *limb = product as u64;
        carry = (product >> 64) as u64;
    }
    if carry != 0 {
        number.push(carry);
    }
}

/// Rounds up if `up`, down otherwise.
pub(super) fn divide_small(number: &mut Vec<u64>, divisor: u64, up: bool) {
    let mut remainder = 0u64;
    for limb in number.iter_mut().rev() {
        let dividend = u128::from(remainder) << 64 | u128::from(*limb);
        *limb = (dividend / u128::from(divisor)) as u64;
        remainder = (dividend % u128::from(divisor)) as u64;
    }
    if up && remainder != 0 {
        add(number, &[1]);
    }
    while number.last() == Some(&0) {
        number.pop();
    }
}

pub(super) fn add(number: &mut Vec<u64>, other: &[u64]) {
    if number.len() < other.len() {
        number.resize(other.len(), 0);
    }
    let mut carry = false;
    for (i, limb) in number.iter_mut().enumerate() {
        let (sum, first) = limb.overflowing_add(other.get(i).copied().unwrap_or(0));
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        *limb = sum;
        carry = first || second;
    }
    if carry {
        number.push(1);
    }
}

pub(super) fn multiply(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut product = vec![0; a.len() + b.len()];
    for (i, factor) in a.iter().enumerate() {
        let mut partial = b.to_vec();
        multiply_small(&mut partial, *factor);
        let mut high = product.split_off(i);
        add(&mut high, &partial);
        product.append(&mut high);
    }
    product
}

/// Compares `a` with `b * 2^(64 limbs)`.
pub(super) fn compare_shifted(a: &[u64], b: &[u64], limbs: usize) -> Ordering {
    let limb = |number: &[u64], i: usize| number.get(i).copied().unwrap_or(0);
    let top = a.len().max(b.len() + limbs);
    for i in (0..top).rev() {
        let other = if i < limbs { 0 } else { limb(b, i - limbs) };
        match limb(a, i).cmp(&other) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

fn compare_with_power_of_two(number: &[u64], exponent: u64) -> Ordering {
    let Some(top) = number.iter().rposition(|limb| *limb != 0) else {
        return Ordering::Less;
    };
    let bits = top as u64 * 64 + u64::from(u64::BITS - number[top].leading_zeros());
    match bits.cmp(&(exponent + 1)) {
        Ordering::Equal if number[..top].iter().all(|limb| *limb == 0) && number[top].is_power_of_two() => {
            Ordering::Equal
        }
        Ordering::Equal => Ordering::Greater,
        unequal => unequal,
    }
}

/// A bound on `e^x` for `x = factors / divisors` (products), in units of `2^(-64 limbs)`: from above if `up`, from
/// below otherwise. Every rounding goes into the same direction, so there is no error to analyse.
fn exponential(factors: [u64; 3], divisors: [u64; 2], limbs: usize, up: bool) -> Vec<u64> {
    let mut term = vec![0; limbs];
    term.push(1);
    let mut sum = term.clone();
    for k in 1.. {
        for factor in factors {
            multiply_small(&mut term, factor);
        }
        for divisor in [divisors[0], divisors[1], k] {
            divide_small(&mut term, divisor, up);
        }
        add(&mut sum, &term);
        // A term x^k/k! of at most one unit means k > 2x (for k <= 2x it is at least 1/e), so the terms still to
        // come at least halve from one to the next and add up to at most this one.
        if term.is_empty() || term == [1] {
            if up {
                add(&mut sum, &[1]);
            }
            break;
        }
    }
    sum
}

/// Whether the uniform number in `[0, 1)` whose binary digits begin with `digits` (most significant word first) is
/// below `2^doublings * e^-x`, `x = factors / divisors > 0`; `None` if these digits do not decide it.
pub(super) fn is_below(
    digits: &[u64],
    doublings: u64,
    factors: [u64; 3],
    divisors: [u64; 2],
) -> Option<bool> {
    let lower: Vec<u64> = digits.iter().rev().copied().collect();
    let mut upper = lower.clone();
    add(&mut upper, &[1]);
    // u < 2^v / e^x  <=>  u e^x < 2^v, all scaled to integers. Two limbs more than u has make the exponential the
    // lesser uncertainty.
    let limbs = digits.len() + 2;
    let exponent = doublings + 64 * (digits.len() + limbs) as u64;
    let above = multiply(&upper, &exponential(factors, divisors, limbs, true));
    if compare_with_power_of_two(&above, exponent) != Ordering::Greater {
        return Some(true);
    }
    let below = multiply(&lower, &exponential(factors, divisors, limbs, false));
    if compare_with_power_of_two(&below, exponent) != Ordering::Less {
        return Some(false);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2^128 / e, from the decimal expansion of 1/e.
    const INVERSE_E: u128 = 0x5e2d_58d8_b3bc_df1a_bade_c782_9054_f90d;

    #[test]
    fn decides_on_both_sides_of_one_over_e() {
        let digits = |value: u128| [(value >> 64) as u64, value as u64];
        let x = ([1, 1, 1], [1, 1]);
        assert_eq!(is_below(&digits(INVERSE_E - 1), 0, x.0, x.1), Some(true));
        assert_eq!(is_below(&digits(INVERSE_E), 0, x.0, x.1), None);
        assert_eq!(is_below(&digits(INVERSE_E + 1), 0, x.0, x.1), Some(false));
        // 2 / e is twice that.
        assert_eq!(is_below(&digits(2 * INVERSE_E - 1), 1, x.0, x.1), Some(true));
        assert_eq!(is_below(&digits(2 * INVERSE_E + 3), 1, x.0, x.1), Some(false));
    }

    #[test]
    fn large_and_tiny_exponents() {
        // e^-700 has 1009 leading zero bits.
        let mut digits = vec![0; 15];
        digits.push(1 << 14);
        assert_eq!(is_below(&digits, 0, [700, 1, 1], [1, 1]), Some(true));
        digits[15] = 1 << 15;
        assert_eq!(is_below(&digits, 0, [700, 1, 1], [1, 1]), Some(false));
        // 1 - e^-x is about x = 2^-100.
        let x = ([1, 1, 1], [1 << 50, 1 << 50]);
        assert_eq!(is_below(&[u64::MAX, u64::MAX << 29], 0, x.0, x.1), Some(true));
        // 1 - 2^-100 agrees with e^-x to 200 bits; these 128 cannot tell, 256 can.
        assert_eq!(is_below(&[u64::MAX, u64::MAX << 28], 0, x.0, x.1), None);
        assert_eq!(
            is_below(&[u64::MAX, u64::MAX << 28, 0, 0], 0, x.0, x.1),
            Some(true)
        );
        assert_eq!(is_below(&[u64::MAX, u64::MAX], 0, x.0, x.1), Some(false));
    }

    proptest! {
        #[test]
        fn small_arithmetic_is_that_of_u128(a: u64, b: u64, c in 1u64.., d in 1u64..) {
            let mut number = vec![a];
            multiply_small(&mut number, b);
            let product = u128::from(a) * u128::from(b);
            prop_assert_eq!(number.first().copied().unwrap_or(0), product as u64);
            let value = |n: &[u64]| n.iter().rev().fold(0u128, |v, limb| v << 64 | u128::from(*limb));
            prop_assert_eq!(value(&number), product);
            prop_assert_eq!(value(&multiply(&[a], &[b])), product);
            let (mut down, mut up) = (number.clone(), number);
            divide_small(&mut down, c, false);
            divide_small(&mut up, c, true);
            prop_assert_eq!(value(&down), product / u128::from(c));
            prop_assert_eq!(value(&up), product.div_ceil(u128::from(c)));
            add(&mut down, &[d]);
            prop_assert_eq!(value(&down), product / u128::from(c) + u128::from(d));
        }

        /// True bounds at every precision: what a finer pair of bounds encloses, a coarser pair encloses too. And the
        /// bounds are close: x <= 20, so fewer than 200 roundings, none amplified by more than e^20 < 2^29.
        #[test]
        fn bounds_of_the_exponential_are_bounds(a in 1u64..100, b in 1u64..100, d in 250u64..1 << 40, limbs in 1usize..5) {
            let of = |limbs, up| exponential([a, b, 1], [d, 2], limbs, up);
            let finer = |number: &[u64]| [&[0; 4], number].concat();
            let at_most = |a: &[u64], b: &[u64]| {
                let limb = |n: &[u64], i: usize| n.get(i).copied().unwrap_or(0);
                let top = a.len().max(b.len());
                (0..top).rev().map(|i| limb(a, i)).le((0..top).rev().map(|i| limb(b, i)))
            };
            let (down, up) = (of(limbs, false), of(limbs, true));
            prop_assert!(at_most(&finer(&down), &of(limbs + 4, true)));
            prop_assert!(at_most(&of(limbs + 4, false), &finer(&up)));
            let mut wide = down.clone();
            add(&mut wide, &[1 << 40]);
            prop_assert!(at_most(&up, &wide));
        }

        #[test]
        fn agrees_with_f64_away_from_ties(numerator in 1u64..1 << 40, denominator in 1u64 << 34..1 << 40, u: u64) {
            let p = (-(numerator as f64) / denominator as f64).exp();
            let uniform = u as f64 / 2f64.powi(64);
            prop_assume!((uniform - p).abs() > 1e-9);
            prop_assert_eq!(is_below(&[u], 0, [numerator, 1, 1], [denominator, 1]), Some(uniform < p));
        }
    }
}
