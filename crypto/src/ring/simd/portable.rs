//! The kernels in plain Rust, operation for operation what the vector code does.

use super::{Factor, LANES, MASK, MAX_PRODUCTS, Reducer};

/// A sum of products: the sums of their low and of their high 52 bits.
#[derive(Clone, Copy, Default)]
struct Sum {
    low: u64,
    high: u64,
}

impl Sum {
    #[inline(always)]
    fn add(self, a: u64, b: u64) -> Self {
        let product = u128::from(a) * u128::from(b);
        Self {
            low: self.low + (product as u64 & MASK),
            high: self.high + (product >> 52) as u64,
        }
    }

    #[inline(always)]
    fn reduce(self, reducer: Reducer) -> u64 {
        let high = self.high + (self.low >> 52);
        let low = self.low & MASK;
        let quotient = high52(high, reducer.wrap.quotient) + high52(low, reducer.reciprocal);
        let product = low.wrapping_add(high.wrapping_mul(reducer.wrap.value));
        let rest = product.wrapping_sub(quotient.wrapping_mul(reducer.modulus)) & MASK;
        least(least(rest, 2 * reducer.modulus), reducer.modulus)
    }
}

#[inline(always)]
fn high52(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 52) as u64
}

/// `number - modulus` if that is not negative, else `number`: without a branch.
#[inline(always)]
fn least(number: u64, modulus: u64) -> u64 {
    number.min(number.wrapping_sub(modulus))
}

#[inline(always)]
fn times(word: u64, factor: Factor, modulus: u64) -> u64 {
    let quotient = high52(word, factor.quotient);
    let rest = word
        .wrapping_mul(factor.value)
        .wrapping_sub(quotient.wrapping_mul(modulus))
        & MASK;
    least(rest, modulus)
}

pub(super) fn check(lengths: &[usize]) {
    let first = lengths.first().copied().unwrap_or_default();
    assert!(
        first % LANES == 0 && lengths.iter().all(|length| *length == first),
        "kernels take slices of one length, a multiple of {LANES}: {lengths:?}"
    );
}

pub fn scale(words: &mut [u64], factor: Factor, shift: u64, reducer: Reducer) {
    check(&[words.len()]);
    for word in words {
        *word = least(times(*word, factor, reducer.modulus) + shift, reducer.modulus);
    }
}

pub fn convert(out: &mut [u64], sources: &[u64], weights: &[u64], shift: u64, reducer: Reducer) {
    check(&[out.len()]);
    assert!(sources.len() == out.len() * weights.len() && weights.len() <= MAX_PRODUCTS);
    let length = out.len();
    for (index, out) in out.iter_mut().enumerate() {
        let mut sum = Sum { low: shift, high: 0 };
        for (source, weight) in weights.iter().enumerate() {
            sum = sum.add(sources[source * length + index], *weight);
        }
        *out = sum.reduce(reducer);
    }
}

pub fn dot(out: &mut [u64], a: &[&[u64]], b: &[&[u64]], reducer: Reducer) {
    check(&[out.len()]);
    assert!(a.len() == b.len());
    for (index, out) in out.iter_mut().enumerate() {
        let mut word = 0;
        for (a, b) in a.chunks(MAX_PRODUCTS - 1).zip(b.chunks(MAX_PRODUCTS - 1)) {
            let mut sum = Sum { low: word, high: 0 };
            for (a, b) in a.iter().zip(b) {
                sum = sum.add(a[index], b[index]);
            }
            word = sum.reduce(reducer);
        }
        *out = word;
    }
}

pub fn dot_pair(
    out0: &mut [u64],
    out1: &mut [u64],
    a: &[&[u64]],
    b0: &[&[u64]],
    b1: &[&[u64]],
    reducer: Reducer,
) {
    dot(out0, a, b0, reducer);
    dot(out1, a, b1, reducer);
}

pub fn combine(out: &mut [u64], sources: &[u64], picks: &[u32], weights: &[u64], reducer: Reducer) {
    check(&[out.len()]);
    assert!(picks.len() == weights.len());
    let (length, count) = (out.len(), reducer.products() - 1);
    for (index, out) in out.iter_mut().enumerate() {
        let mut word = 0;
        for (picks, weights) in picks.chunks(count).zip(weights.chunks(count)) {
            let mut sum = Sum { low: word, high: 0 };
            for (pick, weight) in picks.iter().zip(weights) {
                sum = sum.add(sources[*pick as usize * length + index], *weight);
            }
            word = sum.reduce(reducer);
        }
        *out = word;
    }
}

pub fn sub_scale(words: &mut [u64], other: &[u64], factor: Factor, reducer: Reducer) {
    check(&[words.len(), other.len()]);
    for (word, other) in words.iter_mut().zip(other) {
        *word = times(*word + reducer.modulus - other, factor, reducer.modulus);
    }
}

pub fn add_scaled(words: &mut [u64], other: &[u64], factor: Factor, reducer: Reducer) {
    check(&[words.len(), other.len()]);
    for (word, other) in words.iter_mut().zip(other) {
        *word = least(*word + times(*other, factor, reducer.modulus), reducer.modulus);
    }
}

#[allow(clippy::too_many_arguments)]
pub fn tensor(
    out0: &mut [u64],
    out1: &mut [u64],
    out2: &mut [u64],
    a0: &[u64],
    a1: &[u64],
    b0: &[u64],
    b1: &[u64],
    reducer: Reducer,
) {
    let lengths = [&*out0, out1, out2, a0, a1, b0, b1].map(<[u64]>::len);
    check(&lengths);
    for index in 0..out0.len() {
        let (a0, a1, b0, b1) = (a0[index], a1[index], b0[index], b1[index]);
        let zero = Sum::default();
        out0[index] = zero.add(a0, b0).reduce(reducer);
        out1[index] = zero.add(a0, b1).add(a1, b0).reduce(reducer);
        out2[index] = zero.add(a1, b1).reduce(reducer);
    }
}

pub fn mul(words: &mut [u64], other: &[u64], reducer: Reducer) {
    check(&[words.len(), other.len()]);
    for (word, other) in words.iter_mut().zip(other) {
        *word = Sum::default().add(*word, *other).reduce(reducer);
    }
}

pub fn mul_into(out: &mut [u64], a: &[u64], b: &[u64], reducer: Reducer) {
    check(&[out.len(), a.len(), b.len()]);
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = Sum::default().add(*a, *b).reduce(reducer);
    }
}

pub fn mul_add(words: &mut [u64], a: &[u64], b: &[u64], reducer: Reducer) {
    check(&[words.len(), a.len(), b.len()]);
    for ((word, a), b) in words.iter_mut().zip(a).zip(b) {
        *word = Sum { low: *word, high: 0 }.add(*a, *b).reduce(reducer);
    }
}

pub fn add(words: &mut [u64], other: &[u64], reducer: Reducer) {
    check(&[words.len(), other.len()]);
    for (word, other) in words.iter_mut().zip(other) {
        *word = least(*word + other, reducer.modulus);
    }
}

pub fn sub(words: &mut [u64], other: &[u64], reducer: Reducer) {
    check(&[words.len(), other.len()]);
    for (word, other) in words.iter_mut().zip(other) {
        *word = least(*word + reducer.modulus - other, reducer.modulus);
    }
}

pub fn negate(words: &mut [u64], reducer: Reducer) {
    check(&[words.len()]);
    for word in words {
        *word = least(reducer.modulus - *word, reducer.modulus);
    }
}

pub fn permute(out: &mut [u64], source: &[u64], table: &[u32]) {
    check(&[out.len(), source.len(), table.len()]);
    for (out, index) in out.iter_mut().zip(table) {
        *out = source[*index as usize];
    }
}

/// What is added to signed numbers before they are reduced.
pub(super) const OFFSET: u64 = 1 << 62;

pub fn reduce_signed(out: &mut [u64], numbers: &[i64], reducer: Reducer) {
    check(&[out.len(), numbers.len()]);
    let offset = OFFSET % reducer.modulus;
    for (out, number) in out.iter_mut().zip(numbers) {
        let raised = (*number as u64).wrapping_add(OFFSET);
        let word = Sum { low: raised, high: 0 }.reduce(reducer);
        *out = least(word + reducer.modulus - offset, reducer.modulus);
    }
}
