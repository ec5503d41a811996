//! What an attribute party sees of an answer, measured.

use super::tests::{key, masks, predicate, seed};
use super::*;
use crate::rlwe::SecretKey;

/// Variance of the product before flooding within 2x of `fresh * sum of squares`, over all cells.
#[test]
fn noise_before_flooding_is_as_predicted() {
    let params = CountParams::from_literal(CountLiteral {
        segments: 1024,
        max_weight_sum: 1 << 20,
        max_summands: 2,
    })
    .unwrap();
    let (key, mut scratch, mut product) = (key(&params), Scratch::new(&params), Product::new(&params));
    let weights: Vec<u32> = (0..4096).map(|index| index % 50).collect();
    for block in 0..4 {
        let blocks = [0, 1].map(|profile| {
            key.encrypt_block(&[false; 4], &[block, profile], &seed(2))
                .unwrap()
        });
        product
            .accumulate(&weights, &predicate(&params, &blocks), &mut scratch)
            .unwrap();
    }
    let secret: &SecretKey = key.secret();
    let phase = product.ciphertext().phase(secret);
    let (limb, words) = phase.expose().limbs().next().unwrap();
    let prime = limb.modulo().modulus() as i64;
    let centred = words
        .iter()
        .map(|word| *word as i64 - if *word as i64 > prime / 2 { prime } else { 0 });
    let measured = centred.map(|x| (x as f64).powi(2)).sum::<f64>() / words.len() as f64;
    let squares = 4.0
        * 2.0
        * weights
            .iter()
            .map(|weight| f64::from(*weight).powi(2))
            .sum::<f64>();
    let ratio = measured / params.noise_steps(squares).product_log2.exp2().powi(2);
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
}

/// What an attribute party sees beyond its shares: the noise of opened cells, in units of its bound.
fn residuals(params: &CountParams, key: &AttributeKey, weight: u32, answers: u8) -> Vec<f64> {
    let blocks = [key.encrypt_block(&[true; 4], b"", &seed(2)).unwrap()];
    let (predicate, mut product) = (predicate(params, &blocks), Product::new(params));
    let mut weights = vec![0; params.weights_len()];
    weights[0] = weight;
    weights[1] = weight;
    product
        .accumulate(&weights, &predicate, &mut Scratch::new(params))
        .unwrap();
    let scheme = params.scheme();
    let primes: Vec<u64> = scheme.ring.basis().primes().collect();
    let bound = scheme.bounds.flood_bound() as f64 / primes[1] as f64;
    let mut residuals = Vec::new();
    for answer in 0..answers {
        let mut rng = seed(100 + answer).derive("test", &weight.to_le_bytes()).rng();
        let masks = masks(params, &mut rng);
        let answer = product.answer(key.public(), &masks, &mut rng).unwrap();
        let seen = key.residuals(&answer).unwrap();
        let phases = scheme.phases(key.secret(), &answer).unwrap();
        for (phase, seen) in phases.expose().iter().zip(seen) {
            let nearest = u128::from(scheme.scale.decode(*phase)) * u128::from(primes[0]);
            let residual =
                *phase as i64 - ((nearest + u128::from(PLAINTEXT / 2)) / u128::from(PLAINTEXT)) as i64;
            let residual = if residual > primes[0] as i64 / 2 {
                residual - primes[0] as i64
            } else {
                residual
            };
            residuals.push(residual as f64 / bound);
            assert!((seen - residual as f64 / bound).abs() < 1e-9, "{seen}");
        }
    }
    residuals
}

/// Counts in 32 equal cells of `-1..1`; the rounding of the switch may leave that range by 2^-8 or so.
fn histogram(residuals: &[f64]) -> [f64; 32] {
    let mut counts = [0.0; 32];
    for residual in residuals {
        assert!(residual.abs() < 1.01, "{residual}");
        counts[((residual + 1.0) * 16.0).clamp(0.0, 31.0) as usize] += 1.0;
    }
    counts
}

/// Limits are the 1 - 1e-6 quantile of 31 degrees of freedom; seeds are fixed.
const LIMIT: f64 = 84.0;

fn chi_squared_uniform(counts: &[f64; 32]) -> f64 {
    let expected = counts.iter().sum::<f64>() / 32.0;
    counts
        .iter()
        .map(|count| (count - expected).powi(2) / expected)
        .sum()
}

/// Weights of nothing, and all that was declared on two entities: the opened noise is uniform for both, equally, and
/// of the variance of the flooding within 2x.
#[test]
fn opened_noise_does_not_tell_the_weights() {
    let params = CountParams::new(1024, 3_000_000).unwrap();
    let key = key(&params);
    let [none, most] = [0, 1_500_000].map(|weight| residuals(&params, &key, weight, 24));
    let (a, b) = (histogram(&none), histogram(&most));
    assert!(chi_squared_uniform(&a) < LIMIT, "{a:?}");
    assert!(chi_squared_uniform(&b) < LIMIT, "{b:?}");
    let two_samples: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2) / (a + b)).sum();
    assert!(two_samples < LIMIT, "{two_samples}");
    let unit = params.noise().flood_log2() - 50.0;
    for (residuals, weight) in [(none, 0.0), (most, 1.5e6_f64)] {
        let variance = residuals.iter().map(|x| x * x).sum::<f64>() / residuals.len() as f64;
        let predicted = params.noise_steps(2.0 * weight * weight).switched_log2 - unit;
        let ratio = variance / predicted.exp2().powi(2);
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
    }
}

/// The shares that are opened, and the words of the second half, are uniform.
#[test]
fn shares_and_second_halves_are_uniform() {
    let params = CountParams::new(1024, 3_000_000).unwrap();
    let key = key(&params);
    let blocks = [key.encrypt_block(&[true; 4], b"", &seed(2)).unwrap()];
    let mut product = Product::new(&params);
    product
        .accumulate(
            &[200; 4096],
            &predicate(&params, &blocks),
            &mut Scratch::new(&params),
        )
        .unwrap();
    let (mut shares, mut words) = ([0.0; 32], [0.0; 32]);
    let prime = params.scheme().ring.basis().primes().next().unwrap();
    for answer in 0..24 {
        let mut rng = seed(50 + answer).rng();
        let masks = masks(&params, &mut rng);
        let answer = product.answer(key.public(), &masks, &mut rng).unwrap();
        for share in key.open(&answer).unwrap() {
            shares[(share * 32 / PLAINTEXT) as usize] += 1.0;
        }
        for word in answer.second.words() {
            words[(u128::from(*word) * 32 / u128::from(prime)) as usize] += 1.0;
        }
    }
    assert!(chi_squared_uniform(&shares) < LIMIT);
    assert!(chi_squared_uniform(&words) < LIMIT);
}
