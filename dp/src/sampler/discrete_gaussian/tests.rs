use super::*;
use proptest::prelude::*;
use rand_core::{Infallible, TryCryptoRng, TryRng};

/// Replays words, then a constant.
struct Script(Vec<u64>);

impl TryRng for Script {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("words are drawn in batches of bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("words are drawn in batches of bytes")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = if self.0.is_empty() {
                0x0123_4567_89ab_cdef
            } else {
                self.0.remove(0)
            };
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// Variances over the whole supported range.
fn variances() -> impl Strategy<Value = Variance> {
    (1u64..1 << 62, 1u64..1 << 62, 0u32..62, 0u32..62).prop_filter_map("out of range", |(n, d, a, b)| {
        Variance::new(n >> a, (d >> b).max(1)).ok()
    })
}

fn exactly_below(sampler: &DiscreteGaussian, digits: &[u64], v: u64, y: u64) -> bool {
    let mut digits = digits.to_vec();
    loop {
        let factors = [y, y, sampler.variance.denominator()];
        match bignum::is_below(&digits, v, factors, [sampler.variance.numerator(), 2]) {
            Some(decided) => return decided,
            None => digits.push(0),
        }
    }
}

proptest! {
    #[test]
    fn the_approximation_keeps_its_certificate(variance in variances(), v in 0u64..8, fraction: u32) {
        let sampler = DiscreteGaussian::new(variance);
        let y = v * sampler.stride + ((u64::from(fraction) * sampler.stride) >> 32);
        prop_assume!(y > 0);
        let approximation = sampler.approximate(v, y);
        prop_assume!(approximation.whole < 200);
        let (p, margin) = (approximation.probability, approximation.margin());
        if p > margin {
            prop_assert!(exactly_below(&sampler, &[(p - margin) << 1], v, y));
        }
        if p + margin < 1 << 63 {
            prop_assert!(!exactly_below(&sampler, &[(p + margin) << 1], v, y));
        }
        if approximation.whole > 1 {
            let bits = approximation.whole - 1;
            let mut digits = vec![0; (bits / 64) as usize + 1];
            let last = digits.len() - 1;
            // 2^-bits, written where it does not fall off the end: bits = 64 last + shift.
            match bits % 64 {
                0 => digits[last - 1] = 1,
                shift => digits[last] = 1 << (64 - shift),
            }
            prop_assert!(!exactly_below(&sampler, &digits, v, y));
        }
    }

    #[test]
    fn no_proposal_would_have_to_be_accepted_more_than_always(variance in variances(), v in 1u64..6) {
        let sampler = DiscreteGaussian::new(variance);
        prop_assume!(sampler.approximate(v, v * sampler.stride).whole < 200);
        prop_assert!(!exactly_below(&sampler, &[u64::MAX, u64::MAX], v, v * sampler.stride));
    }

    #[test]
    fn the_shortcut_decides_like_exact_arithmetic(
        variance in variances(), v in 0u64..4, fraction: u32, near in -3i64..=3, far: u64, pick: bool,
    ) {
        let sampler = DiscreteGaussian::new(variance);
        let y = v * sampler.stride + ((u64::from(fraction) * sampler.stride) >> 32);
        prop_assume!(y > 0);
        let approximation = sampler.approximate(v, y);
        prop_assume!(approximation.whole < 200);
        // Half of the cases sit at the edge of what the approximation can decide.
        let edge = (approximation.probability << 1).wrapping_add_signed(near * approximation.margin() as i64);
        let uniform = if pick { edge } else { far };
        let mut script = Script(vec![uniform]);
        let shortcut = sampler.accept(v, y, &mut Words::new(&mut script));
        let mut script = Script(vec![]);
        let exact = sampler.accept_exactly(v, y, uniform, &approximation, &mut Words::new(&mut script));
        prop_assert_eq!(shortcut, exact);
    }
}

/// A proposal word from its three parts.
fn word(high: u32, negative: bool, coins: u32) -> u64 {
    u64::from(high) << 32 | u64::from(negative) << 31 | u64::from(coins)
}

#[test]
fn a_proposal_word_is_read_as_documented() {
    let sampler = DiscreteGaussian::new(Variance::new(100, 1).unwrap());
    assert_eq!((sampler.stride, sampler.biased), (12, 4));
    // The uniform number 0 accepts everything that is near. 2^32 / 12 is a third below a whole number: the first
    // word for u = 5 is ceil(5 * 2^32 / 12) + 1.
    let five = ((5u64 << 32).div_ceil(12) + 1) as u32;
    let first = |words: &[u64]| sampler.sample(&mut Script(words.to_vec()));
    assert_eq!(first(&[word(five, false, 1), 0]), 5);
    assert_eq!(first(&[word(five, true, 1), 0]), -5);
    assert_eq!(first(&[word(five, false, 0x7fff_ffff), 0]), 5);
    assert_eq!(first(&[word(five, true, 0b0100), 0]), -(2 * 12 + 5));
    assert_eq!(
        first(&[word(five, false, 1 << 30), u64::MAX, word(five, false, 2), 0]),
        12 + 5
    );
}

#[test]
fn words_that_would_make_small_numbers_likelier_are_drawn_again() {
    // 2^32 = 12 * 357913941 + 4: each u must keep exactly 357913941 of the 2^32 words, so four are rejected.
    let sampler = DiscreteGaussian::new(Variance::new(100, 1).unwrap());
    let five = ((5u64 << 32).div_ceil(12) + 1) as u32;
    let rejected = (0..12u64).map(|u| (u << 32).div_ceil(12) as u32);
    let rejected: Vec<u32> = rejected
        .filter(|high| (u64::from(*high) * 12) as u32 >> 2 == 0)
        .collect();
    assert_eq!(rejected.len(), 4);
    for high in rejected {
        let mut script = Script(vec![word(high, false, 1), word(five, false, 1), 0]);
        assert_eq!(sampler.sample(&mut script), 5, "word {high}");
    }
}

#[test]
fn a_negative_zero_is_drawn_again() {
    let sampler = DiscreteGaussian::new(Variance::new(100, 1).unwrap());
    let mut script = Script(vec![word(1, true, 1), word(1, false, 1), 0]);
    assert_eq!(sampler.sample(&mut script), 0);
    let five = ((5u64 << 32).div_ceil(12) + 1) as u32;
    let mut script = Script(vec![word(1, true, 1), word(five, false, 1), 0]);
    assert_eq!(sampler.sample(&mut script), 5);
}

#[test]
fn long_runs_of_zero_bits_are_counted_on() {
    let mut script = Script(vec![0, 0, 1 << 5]);
    assert_eq!(zeros(&mut Words::new(&mut script)), 133);
}

#[test]
fn the_far_tail_is_rejected_without_long_arithmetic() {
    // v = 64 and more lie at 96 standard deviations or more; a uniform number below 2^-3999 could still accept.
    let sampler = DiscreteGaussian::new(Variance::new(100, 1).unwrap());
    let mut script = Script(vec![0, 0, 0, 1]);
    assert!(!sampler.accept(70, 70 * sampler.stride, &mut Words::new(&mut script)));
    assert_eq!(script.0.len(), 0);
}

#[test]
fn opendp_draws_from_the_same_distribution() {
    use opendp::traits::samplers::sample_discrete_gaussian;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use statrs::distribution::{ChiSquared, ContinuousCDF};

    // Two-sample chi-squared test. opendp's generator cannot be seeded, hence the small level: a false alarm
    // once in 10^9 runs, while a variance that is 10 % off gives 1e-20.
    const SAMPLES: usize = 40_000;
    let sampler = DiscreteGaussian::new(Variance::new(16, 1).unwrap());
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let bin = |x: i64| (x.clamp(-11, 11) + 11) as usize;
    let (mut ours, mut theirs) = ([0f64; 23], [0f64; 23]);
    for _ in 0..SAMPLES {
        ours[bin(sampler.sample(&mut rng))] += 1.0;
        theirs[bin(i64::try_from(sample_discrete_gaussian(4u8.into()).unwrap()).unwrap())] += 1.0;
    }
    let statistic: f64 = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).powi(2) / (a + b))
        .sum();
    let p = 1.0 - ChiSquared::new(22.0).unwrap().cdf(statistic);
    assert!(p > 1e-9, "chi-squared {statistic}, p {p}");
}
