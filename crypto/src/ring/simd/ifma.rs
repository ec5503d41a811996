//! The kernels with AVX-512 IFMA: eight words at once.
//!
//! Functions are safe but for their loads and stores; whoever calls them from outside has checked the CPU.

use std::arch::x86_64::{
    __m256i, __m512i, _MM_HINT_T0, _mm_prefetch, _mm256_loadu_si256, _mm512_add_epi64, _mm512_and_si512,
    _mm512_cvtepu32_epi64, _mm512_loadu_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_min_epu64, _mm512_permutexvar_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srli_epi64,
    _mm512_storeu_si512, _mm512_sub_epi64,
};

use super::portable::{OFFSET, check};
use super::{Factor, LANES, MASK, MAX_PRODUCTS, Reducer};

type Lane = [u64; LANES];

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn load(lane: &Lane) -> __m512i {
    // SAFETY: a reference to 64 bytes may be read; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(lane.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn store(lane: &mut Lane, value: __m512i) {
    // SAFETY: a unique reference to 64 bytes may be written; the store asks for no alignment.
    unsafe { _mm512_storeu_si512(lane.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn all(word: u64) -> __m512i {
    _mm512_set1_epi64(word as i64)
}

fn lanes(words: &[u64]) -> &[Lane] {
    words.as_chunks().0
}

fn lanes_mut(words: &mut [u64]) -> &mut [Lane] {
    words.as_chunks_mut().0
}

/// A modulus in registers.
#[derive(Clone, Copy)]
struct Modulus {
    once: __m512i,
    twice: __m512i,
    wrap: __m512i,
    wrap_quotient: __m512i,
    reciprocal: __m512i,
    mask: __m512i,
}

/// A prepared factor in registers.
#[derive(Clone, Copy)]
struct Prepared {
    value: __m512i,
    quotient: __m512i,
}

/// Sums of the low and of the high 52 bits of products.
#[derive(Clone, Copy)]
struct Sum {
    low: __m512i,
    high: __m512i,
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn modulus(reducer: Reducer) -> Modulus {
    Modulus {
        once: all(reducer.modulus),
        twice: all(2 * reducer.modulus),
        wrap: all(reducer.wrap.value),
        wrap_quotient: all(reducer.wrap.quotient),
        reciprocal: all(reducer.reciprocal),
        mask: all(MASK),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn prepared(factor: Factor) -> Prepared {
    Prepared {
        value: all(factor.value),
        quotient: all(factor.quotient),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn sum_from(low: __m512i) -> Sum {
    Sum {
        low,
        high: _mm512_setzero_si512(),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply_add(sum: Sum, a: __m512i, b: __m512i) -> Sum {
    Sum {
        low: _mm512_madd52lo_epu64(sum.low, a, b),
        high: _mm512_madd52hi_epu64(sum.high, a, b),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn least(number: __m512i, modulus: __m512i) -> __m512i {
    _mm512_min_epu64(number, _mm512_sub_epi64(number, modulus))
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn reduce(sum: Sum, m: Modulus) -> __m512i {
    let zero = _mm512_setzero_si512();
    let high = _mm512_add_epi64(sum.high, _mm512_srli_epi64::<52>(sum.low));
    let low = _mm512_and_si512(sum.low, m.mask);
    let quotient = _mm512_madd52hi_epu64(zero, high, m.wrap_quotient);
    let quotient = _mm512_madd52hi_epu64(quotient, low, m.reciprocal);
    let product = _mm512_madd52lo_epu64(low, high, m.wrap);
    let rest = _mm512_sub_epi64(product, _mm512_madd52lo_epu64(zero, quotient, m.once));
    let rest = _mm512_and_si512(rest, m.mask);
    least(least(rest, m.twice), m.once)
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn times(word: __m512i, factor: Prepared, m: Modulus) -> __m512i {
    let zero = _mm512_setzero_si512();
    let quotient = _mm512_madd52hi_epu64(zero, word, factor.quotient);
    let product = _mm512_madd52lo_epu64(zero, word, factor.value);
    let rest = _mm512_sub_epi64(product, _mm512_madd52lo_epu64(zero, quotient, m.once));
    least(_mm512_and_si512(rest, m.mask), m.once)
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn scale(words: &mut [u64], factor: Factor, shift: u64, reducer: Reducer) {
    check(&[words.len()]);
    let (m, factor, shift) = (modulus(reducer), prepared(factor), all(shift));
    for word in lanes_mut(words) {
        let product = times(load(word), factor, m);
        store(word, least(_mm512_add_epi64(product, shift), m.once));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn convert(out: &mut [u64], sources: &[u64], weights: &[u64], shift: u64, reducer: Reducer) {
    check(&[out.len()]);
    assert!(sources.len() == out.len() * weights.len() && weights.len() <= MAX_PRODUCTS);
    let (m, shift) = (modulus(reducer), all(shift));
    let length = out.len() / LANES;
    let sources = lanes(sources);
    let mut factors = [_mm512_setzero_si512(); MAX_PRODUCTS];
    for (factor, weight) in factors.iter_mut().zip(weights) {
        *factor = all(*weight);
    }
    let factors = &factors[..weights.len()];
    let (pairs, rest) = lanes_mut(out).as_chunks_mut::<2>();
    for (index, [out0, out1]) in pairs.iter_mut().enumerate() {
        let (mut sum0, mut sum1) = (sum_from(shift), sum_from(shift));
        let mut at = 2 * index;
        for factor in factors {
            sum0 = multiply_add(sum0, load(&sources[at]), *factor);
            sum1 = multiply_add(sum1, load(&sources[at + 1]), *factor);
            at += length;
        }
        store(out0, reduce(sum0, m));
        store(out1, reduce(sum1, m));
    }
    for out in rest {
        let mut sum = sum_from(shift);
        for (source, factor) in factors.iter().enumerate() {
            sum = multiply_add(sum, load(&sources[source * length + length - 1]), *factor);
        }
        store(out, reduce(sum, m));
    }
}

/// Lanes of each operand that an inner product takes in one go. Operands lie a power of two apart, so that single lanes of
/// many of them compete for the same few places of a cache (measured: 2.5 times slower from memory).
const BURST: usize = 4;

/// Asks for what the next burst takes.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn prefetch(lanes: &[Lane; BURST]) {
    for lane in lanes {
        // Past the end of an operand this does nothing.
        _mm_prefetch::<_MM_HINT_T0>(lane.as_ptr().wrapping_add(2 * BURST * LANES).cast());
    }
}

/// Lanes `at..at + BURST` of an operand.
fn burst(words: &[u64], at: usize) -> &[Lane; BURST] {
    &lanes(words).as_chunks().0[at]
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn dot(out: &mut [u64], a: &[&[u64]], b: &[&[u64]], reducer: Reducer) {
    assert!(a.len() == b.len());
    for (a, b) in a.iter().zip(b) {
        check(&[out.len(), a.len(), b.len()]);
    }
    let m = modulus(reducer);
    let (bursts, rest) = lanes_mut(out).as_chunks_mut::<BURST>();
    let done = BURST * bursts.len();
    for (index, out) in bursts.iter_mut().enumerate() {
        let mut words = [_mm512_setzero_si512(); BURST];
        for (a, b) in a.chunks(MAX_PRODUCTS - 1).zip(b.chunks(MAX_PRODUCTS - 1)) {
            let mut sums = words.map(|word| sum_from(word));
            for (a, b) in a.iter().zip(b) {
                let (a, b) = (burst(a, index), burst(b, index));
                prefetch(a);
                prefetch(b);
                for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                    *sum = multiply_add(*sum, load(a), load(b));
                }
            }
            for (word, sum) in words.iter_mut().zip(sums) {
                *word = reduce(sum, m);
            }
        }
        for (out, word) in out.iter_mut().zip(words) {
            store(out, word);
        }
    }
    for (index, out) in rest.iter_mut().enumerate() {
        let mut word = _mm512_setzero_si512();
        for (a, b) in a.chunks(MAX_PRODUCTS - 1).zip(b.chunks(MAX_PRODUCTS - 1)) {
            let mut sum = sum_from(word);
            for (a, b) in a.iter().zip(b) {
                sum = multiply_add(sum, load(&lanes(a)[done + index]), load(&lanes(b)[done + index]));
            }
            word = reduce(sum, m);
        }
        store(out, word);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn dot_pair(
    out0: &mut [u64],
    out1: &mut [u64],
    a: &[&[u64]],
    b0: &[&[u64]],
    b1: &[&[u64]],
    reducer: Reducer,
) {
    assert!(a.len() == b0.len() && a.len() == b1.len());
    let length = out0.len();
    if a.len() >= MAX_PRODUCTS || !length.is_multiple_of(BURST * LANES) {
        dot(out0, a, b0, reducer);
        return dot(out1, a, b1, reducer);
    }
    check(&[length, out1.len()]);
    for ((a, b0), b1) in a.iter().zip(b0).zip(b1) {
        check(&[length, a.len(), b0.len(), b1.len()]);
    }
    let m = modulus(reducer);
    let (outs0, outs1) = (
        lanes_mut(out0).as_chunks_mut().0,
        lanes_mut(out1).as_chunks_mut().0,
    );
    for (index, (out0, out1)) in outs0.iter_mut().zip(outs1).enumerate() {
        let (out0, out1): (&mut [Lane; BURST], &mut [Lane; BURST]) = (out0, out1);
        let mut sums = [[sum_from(_mm512_setzero_si512()); 2]; BURST];
        for ((a, b0), b1) in a.iter().zip(b0).zip(b1) {
            let (a, b0, b1) = (burst(a, index), burst(b0, index), burst(b1, index));
            [a, b0, b1].into_iter().for_each(|lanes| prefetch(lanes));
            for ((sums, a), (b0, b1)) in sums.iter_mut().zip(a).zip(b0.iter().zip(b1)) {
                let a = load(a);
                sums[0] = multiply_add(sums[0], a, load(b0));
                sums[1] = multiply_add(sums[1], a, load(b1));
            }
        }
        for ((out0, out1), sums) in out0.iter_mut().zip(out1).zip(sums) {
            store(out0, reduce(sums[0], m));
            store(out1, reduce(sums[1], m));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn combine(out: &mut [u64], sources: &[u64], picks: &[u32], weights: &[u64], reducer: Reducer) {
    match out.len() {
        8 => combine_lanes::<1>(out, sources, picks, weights, reducer),
        16 => combine_lanes::<2>(out, sources, picks, weights, reducer),
        32 => combine_lanes::<4>(out, sources, picks, weights, reducer),
        other => panic!("blocks have 8, 16 or 32 words, not {other}"),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn combine_lanes<const WIDTH: usize>(
    out: &mut [u64],
    sources: &[u64],
    picks: &[u32],
    weights: &[u64],
    reducer: Reducer,
) {
    assert!(picks.len() == weights.len());
    let (m, count) = (modulus(reducer), reducer.products() - 1);
    let sources: &[[Lane; WIDTH]] = lanes(sources).as_chunks().0;
    let mut words = [_mm512_setzero_si512(); WIDTH];
    for (picks, weights) in picks.chunks(count).zip(weights.chunks(count)) {
        let mut sums = words.map(|word| sum_from(word));
        for (pick, weight) in picks.iter().zip(weights) {
            let (source, weight) = (&sources[*pick as usize], all(*weight));
            for (sum, source) in sums.iter_mut().zip(source) {
                *sum = multiply_add(*sum, load(source), weight);
            }
        }
        for (word, sum) in words.iter_mut().zip(sums) {
            *word = reduce(sum, m);
        }
    }
    for (out, word) in lanes_mut(out).iter_mut().zip(words) {
        store(out, word);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn sub_scale(words: &mut [u64], other: &[u64], factor: Factor, reducer: Reducer) {
    check(&[words.len(), other.len()]);
    let (m, factor) = (modulus(reducer), prepared(factor));
    for (word, other) in lanes_mut(words).iter_mut().zip(lanes(other)) {
        let difference = _mm512_sub_epi64(_mm512_add_epi64(load(word), m.once), load(other));
        store(word, times(difference, factor, m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn add_scaled(words: &mut [u64], other: &[u64], factor: Factor, reducer: Reducer) {
    check(&[words.len(), other.len()]);
    let (m, factor) = (modulus(reducer), prepared(factor));
    for (word, other) in lanes_mut(words).iter_mut().zip(lanes(other)) {
        let sum = _mm512_add_epi64(load(word), times(load(other), factor, m));
        store(word, least(sum, m.once));
    }
}

#[allow(clippy::too_many_arguments)]
#[target_feature(enable = "avx512f,avx512ifma")]
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
    let m = modulus(reducer);
    let zero = sum_from(_mm512_setzero_si512());
    let outs = lanes_mut(out0)
        .iter_mut()
        .zip(lanes_mut(out1))
        .zip(lanes_mut(out2));
    let ins = lanes(a0)
        .iter()
        .zip(lanes(a1))
        .zip(lanes(b0).iter().zip(lanes(b1)));
    for (((out0, out1), out2), ((a0, a1), (b0, b1))) in outs.zip(ins) {
        let (a0, a1, b0, b1) = (load(a0), load(a1), load(b0), load(b1));
        store(out0, reduce(multiply_add(zero, a0, b0), m));
        store(out1, reduce(multiply_add(multiply_add(zero, a0, b1), a1, b0), m));
        store(out2, reduce(multiply_add(zero, a1, b1), m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn mul(words: &mut [u64], other: &[u64], reducer: Reducer) {
    check(&[words.len(), other.len()]);
    let m = modulus(reducer);
    let zero = sum_from(_mm512_setzero_si512());
    for (word, other) in lanes_mut(words).iter_mut().zip(lanes(other)) {
        store(word, reduce(multiply_add(zero, load(word), load(other)), m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn mul_into(out: &mut [u64], a: &[u64], b: &[u64], reducer: Reducer) {
    check(&[out.len(), a.len(), b.len()]);
    let m = modulus(reducer);
    let zero = sum_from(_mm512_setzero_si512());
    for ((out, a), b) in lanes_mut(out).iter_mut().zip(lanes(a)).zip(lanes(b)) {
        store(out, reduce(multiply_add(zero, load(a), load(b)), m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn mul_add(words: &mut [u64], a: &[u64], b: &[u64], reducer: Reducer) {
    check(&[words.len(), a.len(), b.len()]);
    let m = modulus(reducer);
    for ((word, a), b) in lanes_mut(words).iter_mut().zip(lanes(a)).zip(lanes(b)) {
        let sum = multiply_add(sum_from(load(word)), load(a), load(b));
        store(word, reduce(sum, m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn add(words: &mut [u64], other: &[u64], reducer: Reducer) {
    check(&[words.len(), other.len()]);
    let m = all(reducer.modulus);
    for (word, other) in lanes_mut(words).iter_mut().zip(lanes(other)) {
        store(word, least(_mm512_add_epi64(load(word), load(other)), m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn sub(words: &mut [u64], other: &[u64], reducer: Reducer) {
    check(&[words.len(), other.len()]);
    let m = all(reducer.modulus);
    for (word, other) in lanes_mut(words).iter_mut().zip(lanes(other)) {
        let difference = _mm512_sub_epi64(_mm512_add_epi64(load(word), m), load(other));
        store(word, least(difference, m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn negate(words: &mut [u64], reducer: Reducer) {
    check(&[words.len()]);
    let m = all(reducer.modulus);
    for word in lanes_mut(words) {
        store(word, least(_mm512_sub_epi64(m, load(word)), m));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn permute(out: &mut [u64], source: &[u64], table: &[u32]) {
    check(&[out.len(), source.len(), table.len()]);
    let source = lanes(source);
    for (out, indices) in lanes_mut(out).iter_mut().zip(table.as_chunks::<LANES>().0) {
        let group = &source[indices[0] as usize / LANES];
        // SAFETY: a reference to 32 bytes may be read; the load asks for no alignment.
        let indices = unsafe { _mm256_loadu_si256(indices.as_ptr().cast::<__m256i>()) };
        // Of each index the instruction reads the low 3 bits, the place within the group.
        store(
            out,
            _mm512_permutexvar_epi64(_mm512_cvtepu32_epi64(indices), load(group)),
        );
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
pub fn reduce_signed(out: &mut [u64], numbers: &[i64], reducer: Reducer) {
    check(&[out.len(), numbers.len()]);
    let m = modulus(reducer);
    let (raise, lower) = (all(OFFSET), all(reducer.modulus - OFFSET % reducer.modulus));
    for (out, numbers) in lanes_mut(out).iter_mut().zip(numbers.as_chunks::<LANES>().0) {
        let raised = _mm512_add_epi64(load(&numbers.map(i64::cast_unsigned)), raise);
        let word = _mm512_add_epi64(reduce(sum_from(raised), m), lower);
        store(out, least(word, m.once));
    }
}
