use std::sync::OnceLock;

use rand_core::Rng;

use super::*;
use crate::ring::sample::NOISE_VARIANCE;
use crate::rlwe::LweSample;
use crate::secret::Secret;
use crate::seed::Seed;

const DIMENSION: usize = 4096;

struct Case {
    key: SignKey,
    keys: SignKeys,
    ternary: Secret<Vec<i64>>,
}

/// Keys take seconds to make: one pair for all tests.
fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| {
        let params = params(MAX);
        let mut rng = Seed::from_bytes([1; 32]).rng();
        let ternary = Secret::new(
            (0..DIMENSION)
                .map(|_| i64::from(rng.next_u32() % 3) - 1)
                .collect(),
        );
        let key = SignKey::generate(&params, &Seed::from_bytes([2; 32]));
        let bytes = key.server_bytes(&ternary).unwrap();
        assert_eq!(bytes.len(), params.key_bytes());
        let keys = SignKeys::read(&params, &bytes).unwrap();
        Case { key, keys, ternary }
    })
}

const MAX: u32 = params::MAX_PRECISION;

fn params(precision: u32) -> SignParams {
    SignParams::new(SignLiteral {
        dimension: DIMENSION,
        precision,
    })
    .unwrap()
}

/// A sample of `number / 2^precision` modulo a number near `2^50`, with noise as after a switch to one prime.
fn sample(case: &Case, number: i64, rng: &mut impl Rng) -> LweSample {
    let modulus = (1_u64 << 50) - 27;
    let mask: Vec<u64> = (0..DIMENSION).map(|_| rng.next_u64() % modulus).collect();
    let wide = i128::from(modulus);
    let message = (i128::from(number) * wide).div_euclid(1 << MAX);
    let noise = i128::from(rng.next_u32() % 64) - 32;
    let product: i128 = mask
        .iter()
        .zip(case.ternary.expose())
        .map(|(a, s)| i128::from(*a) * i128::from(*s))
        .sum();
    LweSample {
        mask,
        body: (message + noise - product).rem_euclid(wide) as u64,
        modulus,
    }
}

/// The deviation of the noise of [`sample`].
const DEVIATION: f64 = 20.0 / (1_u64 << 50) as f64;

#[test]
fn ties_and_neighbours_of_the_threshold_are_told_apart() {
    let case = case();
    let mut rng = Seed::from_bytes([3; 32]).rng();
    let edge = 1_i64 << (MAX - 2);
    let mut numbers: Vec<(i64, i64)> = vec![
        (0, 0),
        (-1, 0),
        (1, 0),
        (edge, edge),
        (edge - 1, edge),
        (-edge, edge - 1),
        (2 * edge - 1, 0),
        (-2 * edge, 0),
    ];
    for _ in 0..12 {
        let number = rng.next_u64() as i64 >> (64 - MAX + 1);
        let near = i64::from(rng.next_u32() % 40) - 20;
        numbers.push((number, number + near));
    }
    for (number, threshold) in numbers {
        let sample = sample(case, number, &mut rng);
        let answer = case
            .keys
            .is_below(&sample, DEVIATION, threshold, &mut rng)
            .unwrap();
        assert_eq!(answer.len(), case.keys.params().answer_bytes());
        assert_eq!(
            case.key.open(&answer).unwrap(),
            number < threshold,
            "{number} {threshold}"
        );
    }
}

/// Signed distance on the torus.
fn off(phase: u64, expected: u64) -> f64 {
    phase.wrapping_sub(expected) as i64 as f64 / 2.0_f64.powi(64)
}

fn variance(off: &[f64]) -> f64 {
    off.iter().map(|x| x * x).sum::<f64>() / off.len() as f64
}

#[track_caller]
fn near(measured: f64, predicted: f64) {
    let ratio = (measured / predicted).sqrt();
    println!(
        "deviation 2^{:.2}, predicted 2^{:.2}",
        measured.log2() / 2.0,
        predicted.log2() / 2.0
    );
    assert!(
        (0.5..1.3).contains(&ratio),
        "measured {ratio} of what is predicted"
    );
}

/// Deviations of every step: not above what is predicted but for chance, and not below half of it.
#[test]
fn noise_is_as_predicted() {
    let case = case();
    let mut rng = Seed::from_bytes([4; 32]).rng();
    let (mut entered, mut switched, mut signs) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..96_i64 {
        let number = (index - 48) * 43_500 + 1;
        let mut large = case.keys.entered(&sample(case, number, &mut rng)).unwrap();
        let expected = (number as u64) << (64 - MAX);
        entered.push(off(case.key.large_phase(&large), expected));
        case.keys.shift(&mut large, 0);
        let before = case.key.large_phase(&large);
        switched.push(off(case.key.small_phase(&case.keys.switched(&large)), before));
        let sign = case.keys.sign(&large);
        let expected = if number < 0 { 3 << 62 } else { 1 << 62 };
        signs.push(off(case.key.large_phase(&sign), expected));
    }
    near(variance(&entered), noise::entry(DIMENSION) + DEVIATION.powi(2));
    near(variance(&switched), noise::switch());
    near(variance(&signs), noise::bootstrap());
}

/// What is left of a number when its digits are cleared is its quotient, and has the noise of as many bootstraps as steps.
#[test]
fn digits_are_cleared() {
    let case = case();
    let mut rng = Seed::from_bytes([5; 32]).rng();
    let steps = case.keys.params().steps();
    let rest = MAX - params::DIGIT * steps as u32;
    let mut noise_left = Vec::new();
    for index in 0..24_i64 {
        let number = (index - 12) * 348_970 + 7;
        let mut large = case.keys.entered(&sample(case, number, &mut rng)).unwrap();
        case.keys.shift(&mut large, 0);
        let floored = case.key.large_phase(&case.keys.floored(large));
        let expected = ((2 * (number >> (MAX - rest)) + 1) as u64) << (63 - rest);
        noise_left.push(off(floored, expected));
    }
    let predicted = steps as f64 * noise::bootstrap() + noise::entry(DIMENSION);
    near(variance(&noise_left), predicted);
}

#[test]
fn what_is_promised_holds_for_all_precisions() {
    let deviation = (NOISE_VARIANCE.sqrt() + 16.0) / (1_u64 << 49) as f64;
    for precision in 2..=MAX {
        let params = params(precision);
        assert!(
            params.failure_log2(deviation) < -64.0,
            "{precision}: {}",
            params.failure_log2(deviation)
        );
        assert!(params.bootstraps() <= 13);
    }
    println!(
        "failure 2^{:.1}, distance 2^{:.1}",
        params(MAX).failure_log2(deviation),
        params(MAX).distance_log2()
    );
    assert!(params(MAX).distance_log2() < -40.0);
    assert!(params(MAX).answer_bytes() < 20_000);
}

/// What is off in an answer is the last soak, whatever the number: chi-squared over 16 classes, beside the 99.99 % point of
/// 15 degrees of freedom, 44.3; and a soak changes every number of a sample.
#[test]
fn answers_are_flooded() {
    let case = case();
    let mut rng = Seed::from_bytes([6; 32]).rng();
    let sign = case.keys.sign(&vec![0; params::POLYNOMIAL + 1]);
    let mut counts = [0_u32; 16];
    for _ in 0..400 {
        let mut soaked = sign.clone();
        case.keys.soak(&mut soaked, &mut rng);
        assert!(soaked.iter().zip(&sign).all(|(a, b)| a != b));
        let off = off(case.key.large_phase(&soaked), 1 << 62) / (3.0 / 16.0);
        counts[((off + 1.0) * 8.0) as usize] += 1;
    }
    let chi: f64 = counts
        .iter()
        .map(|count| (f64::from(*count) - 25.0).powi(2) / 25.0)
        .sum();
    assert!(chi < 44.3, "{chi} {counts:?}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let case = case();
    let mut rng = Seed::from_bytes([7; 32]).rng();
    let params = params(MAX);
    let good = case.key.server_bytes(&case.ternary).unwrap();
    let refused = |bytes: &[u8]| SignKeys::read(&params, bytes).unwrap_err().to_string();
    assert!(
        refused(&good[1..]).contains("expected"),
        "{}",
        refused(&good[1..])
    );
    assert!(refused(&[]).contains("bytes"));
    let mut other = good.clone();
    other[30] ^= 1;
    assert!(refused(&other).contains("key"), "{}", refused(&other));
    let smaller = SignLiteral {
        dimension: DIMENSION,
        precision: 10,
    };
    assert!(SignKeys::read(&SignParams::new(smaller).unwrap(), &good).is_err());
    let number = sample(case, 5, &mut rng);
    let short = LweSample {
        mask: vec![0; 2048],
        body: 0,
        modulus: 97,
    };
    assert!(case.keys.is_below(&short, DEVIATION, 0, &mut rng).is_err());
    let error = case.keys.is_below(&number, 1e-7, 0, &mut rng).unwrap_err();
    assert!(matches!(error, SignError::Failure { .. }), "{error}");
    let answer = case.keys.is_below(&number, DEVIATION, 0, &mut rng).unwrap();
    let stranger = SignKey::generate(&params, &Seed::from_bytes([9; 32]));
    assert!(stranger.open(&answer).is_err() && case.key.open(&answer[1..]).is_err());
    assert!(stranger.server_bytes(&Secret::new(vec![0; 2048])).is_err());
    for literal in [
        SignLiteral {
            dimension: 4097,
            precision: 10,
        },
        SignLiteral {
            dimension: 1 << 40,
            precision: 10,
        },
        SignLiteral {
            dimension: 0,
            precision: 10,
        },
        SignLiteral {
            dimension: 4096,
            precision: 24,
        },
        SignLiteral {
            dimension: 4096,
            precision: 1,
        },
    ] {
        assert!(SignParams::new(literal).is_err(), "{literal:?}");
    }
}
