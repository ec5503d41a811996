use super::*;
use crate::seed::Seed;

fn xof(label: &str) -> Xof {
    Xof::new(&Seed::from_bytes([9; 32]), label, &[])
}

fn basis() -> Arc<RnsBasis> {
    RnsBasis::new(16_384, 2).unwrap()
}

/// The coefficients as signed numbers, and that all primes agree on them.
fn signed(poly: &Poly<Coeff>) -> Vec<i64> {
    let mut limbs = poly.limbs().map(|(limb, words)| {
        let prime = limb.modulo().modulus() as i64;
        let centred = |word: &u64| *word as i64 - if *word as i64 > prime / 2 { prime } else { 0 };
        words.iter().map(centred).collect::<Vec<i64>>()
    });
    let first = limbs.next().unwrap();
    assert!(limbs.all(|limb| limb == first));
    first
}

fn chi_squared(counts: &[f64], expected: &[f64]) -> f64 {
    counts
        .iter()
        .zip(expected)
        .map(|(count, expected)| (count - expected).powi(2) / expected)
        .sum()
}

/// Limits are 1 - 1e-6 quantiles; seeds are fixed, so that each of these always passes or never.
#[test]
fn ternary_is_uniform_on_three() {
    let coefficients = signed(&ternary(&basis(), &mut xof("ternary")));
    let mut counts = [0.0; 3];
    for coefficient in &coefficients {
        counts[usize::try_from(coefficient + 1).unwrap()] += 1.0;
    }
    assert!(chi_squared(&counts, &[coefficients.len() as f64 / 3.0; 3]) < 27.6);
}

/// Against the binomial coefficients themselves: 43 values, tails of fewer than 5 expected put together.
#[test]
fn noise_is_centred_binomial() {
    let coefficients = signed(&noise(&basis(), &mut xof("noise")));
    let length = coefficients.len() as f64;
    let mut weights = vec![1.0_f64];
    for k in 0..42 {
        weights.push(weights[k] * (42 - k) as f64 / (k + 1) as f64);
    }
    let mut cells = [(0.0, 0.0); 25];
    let cell = |value: i64| usize::try_from(value.clamp(-12, 12) + 12).unwrap();
    for (value, weight) in (-21..=21).zip(&weights) {
        cells[cell(value)].0 += weight / 2_f64.powi(42) * length;
    }
    for coefficient in &coefficients {
        assert!(coefficient.unsigned_abs() <= NOISE_BOUND);
        cells[cell(*coefficient)].1 += 1.0;
    }
    let (expected, counts): (Vec<f64>, Vec<f64>) = cells.into_iter().unzip();
    assert!(chi_squared(&counts, &expected) < 72.5);
    let variance = coefficients.iter().map(|x| (x * x) as f64).sum::<f64>() / length;
    assert!((variance / NOISE_VARIANCE - 1.0).abs() < 0.06, "{variance}");
}

#[test]
fn uniform_is_uniform() {
    let poly = uniform(&basis(), &mut xof("uniform"));
    for (limb, words) in poly.limbs() {
        let prime = limb.modulo().modulus();
        let mut counts = [0.0; 64];
        for word in words {
            assert!(*word < prime);
            counts[(u128::from(*word) * 64 / u128::from(prime)) as usize] += 1.0;
        }
        assert!(chi_squared(&counts, &[words.len() as f64 / 64.0; 64]) < 131.0);
    }
}

/// What the documentation says, number by number.
#[test]
fn uniform_is_as_defined() {
    let poly = uniform(&basis(), &mut xof("defined"));
    let mut stream = xof("defined");
    for (limb, words) in poly.limbs() {
        for word in words {
            let expected = std::iter::repeat_with(|| stream.word() & ((1 << 50) - 1))
                .find(|word| *word < limb.modulo().modulus());
            assert_eq!(Some(*word), expected);
        }
    }
}

#[test]
fn what_is_kept_stays_in_order() {
    let mut words = [5, 1, 9, 2, 8, 3];
    assert_eq!(keep_below(&mut words, 6), 4);
    assert_eq!(words[..4], [5, 1, 2, 3]);
    assert_eq!(keep_below(&mut words[..4], 6), 4);
}

#[test]
fn bounded_uniform_reaches_its_ends_and_no_further() {
    let mut stream = xof("bounded");
    for largest in [0_u128, 1, 2, 6, 7, 8] {
        let cells = largest as usize + 1;
        let mut counts = vec![0.0; cells];
        for _ in 0..9000 {
            counts[uniform_up_to(largest, &mut stream) as usize] += 1.0;
        }
        assert!(
            chi_squared(&counts, &vec![9000.0 / cells as f64; cells]) < 45.1,
            "{counts:?}"
        );
    }
    let largest = (1 << 100) + 12_345;
    let above_half = (0..4000).filter(|_| {
        let number = uniform_up_to(largest, &mut stream);
        assert!(number <= largest);
        number > largest / 2
    });
    assert!((1850..2150).contains(&above_half.count()));
}
