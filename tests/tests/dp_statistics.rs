//! The noise is what the privacy statement says it is.
//!
//! Everything is seeded, so a pass is a pass for ever. Every statistic is also shown samplers that are wrong in the
//! ways in which samplers go wrong, and must tell.

use hedgerow_dp::sampler::{DiscreteGaussian, Variance};
use hedgerow_dp::{
    Accountant, DistributedGaussian, L2Squared, Mechanism, NoDifferentialPrivacy, Rho, epsilon_for,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use statrs::distribution::{ChiSquared, ContinuousCDF};

const SAMPLES: usize = 400_000;

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn draw(numerator: u64, denominator: u64, samples: usize, seed: u8) -> Vec<i64> {
    let sampler = DiscreteGaussian::new(Variance::new(numerator, denominator).unwrap());
    let mut cells = vec![0; samples];
    sampler.add_to(&mut cells, &mut rng(seed));
    cells
}

/// Probabilities of the discrete Gaussian on `-reach..=reach`, ten standard deviations and a bit.
fn probabilities(variance: f64) -> (i64, Vec<f64>) {
    let reach = (10.0 * variance.sqrt()).ceil() as i64 + 2;
    let weights: Vec<f64> = (-reach..=reach)
        .map(|x| (-(x as f64).powi(2) / (2.0 * variance)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    (reach, weights.iter().map(|weight| weight / total).collect())
}

/// Pearson's chi-squared test against the discrete Gaussian, in bins of consecutive values that expect at least 50
/// samples each: the probability that the right sampler deviates as much.
fn chi_squared_p(samples: &[i64], variance: f64) -> f64 {
    let (reach, probabilities) = probabilities(variance);
    let mut bin_of = Vec::with_capacity(probabilities.len());
    let mut expected = vec![0.0];
    for probability in &probabilities {
        if expected[expected.len() - 1] >= 50.0 {
            expected.push(0.0);
        }
        let last = expected.len() - 1;
        expected[last] += probability * samples.len() as f64;
        bin_of.push(last);
    }
    if expected.len() > 1 && expected[expected.len() - 1] < 50.0 {
        // The upper tail joins its neighbour.
        let tail = expected.pop().unwrap();
        let last = expected.len() - 1;
        expected[last] += tail;
        bin_of.iter_mut().for_each(|bin| *bin = (*bin).min(last));
    }
    assert!(expected.len() > 1, "one bin tests nothing");
    let mut observed = vec![0.0; expected.len()];
    for sample in samples {
        observed[bin_of[(sample.clamp(&-reach, &reach) + reach) as usize]] += 1.0;
    }
    let statistic: f64 = observed
        .iter()
        .zip(&expected)
        .map(|(o, e)| (o - e).powi(2) / e)
        .sum();
    1.0 - ChiSquared::new((expected.len() - 1) as f64)
        .unwrap()
        .cdf(statistic)
}

/// Standard errors by which the samples' variance differs from the discrete Gaussian's.
fn variance_z(samples: &[i64], variance: f64) -> f64 {
    let (reach, probabilities) = probabilities(variance);
    let moment = |power: i32| -> f64 {
        (-reach..=reach)
            .zip(&probabilities)
            .map(|(x, p)| (x as f64).powi(power) * p)
            .sum()
    };
    let (second, fourth) = (moment(2), moment(4));
    let observed = samples.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / samples.len() as f64;
    (observed - second) / ((fourth - second * second) / samples.len() as f64).sqrt()
}

/// Standard errors by which the samples' mean differs from zero.
fn mean_z(samples: &[i64], variance: f64) -> f64 {
    samples.iter().map(|x| *x as f64).sum::<f64>() / (samples.len() as f64 * variance).sqrt()
}

#[test]
fn the_sampler_follows_its_distribution_from_tiny_to_huge_variances() {
    let cases = [
        (1, 10),
        (1, 4),
        (1, 2),
        (1, 1),
        (3, 2),
        (10, 3),
        (25, 1),
        (2500, 1),
        (250_000, 1),
        (10_000_000_019, 7),
    ];
    for (i, (numerator, denominator)) in cases.into_iter().enumerate() {
        let variance = numerator as f64 / denominator as f64;
        let samples = draw(numerator, denominator, SAMPLES, i as u8);
        if variance < 1e6 {
            let p = chi_squared_p(&samples, variance);
            assert!(
                p > 1e-4 && p < 0.9999,
                "variance {numerator}/{denominator}: chi-squared p {p}"
            );
        }
        if variance < 1e6 {
            assert!(
                variance_z(&samples, variance).abs() < 4.0,
                "variance {numerator}/{denominator}"
            );
        }
        assert!(
            mean_z(&samples, variance).abs() < 4.0,
            "mean at {numerator}/{denominator}"
        );
    }
}

#[test]
fn huge_variances_look_gaussian_in_units_of_sigma() {
    // sigma near 2^25: the discrete Gaussian, counted in hundredths of sigma, is the continuous one to 1e-7.
    let sigma = 33_554_393.0f64;
    let samples = draw(33_554_393 * 33_554_393, 1, SAMPLES, 77);
    let normal = statrs::distribution::Normal::new(0.0, 1.0).unwrap();
    let edges: Vec<f64> = (-30..=30).map(|i| f64::from(i) / 10.0).collect();
    let mut observed = vec![0.0; edges.len() + 1];
    for sample in &samples {
        observed[edges.partition_point(|edge| *edge <= *sample as f64 / sigma)] += 1.0;
    }
    let cdf = |i: usize| edges.get(i).map_or(1.0, |edge| normal.cdf(*edge));
    let statistic: f64 = observed
        .iter()
        .enumerate()
        .map(|(i, o)| {
            let e = (cdf(i) - if i == 0 { 0.0 } else { cdf(i - 1) }) * samples.len() as f64;
            (o - e).powi(2) / e
        })
        .sum();
    let p = 1.0 - ChiSquared::new(edges.len() as f64).unwrap().cdf(statistic);
    assert!(p > 1e-4, "chi-squared p {p}");
}

#[test]
fn low_bits_of_the_noise_are_even() {
    // A sampler that scales a float fails here first (Mironov 2012): at sigma 500 each residue is equally likely.
    let samples = draw(250_000, 1, SAMPLES, 5);
    for modulus in [2usize, 16, 256] {
        let mut observed = vec![0.0; modulus];
        samples
            .iter()
            .for_each(|x| observed[x.rem_euclid(modulus as i64) as usize] += 1.0);
        let expected = samples.len() as f64 / modulus as f64;
        let statistic: f64 = observed.iter().map(|o| (o - expected).powi(2) / expected).sum();
        let p = 1.0 - ChiSquared::new((modulus - 1) as f64).unwrap().cdf(statistic);
        assert!(p > 1e-4, "residues modulo {modulus}: p {p}");
    }
}

/// A uniform number in (0, 1) for the wrong samplers below.
fn uniform(rng: &mut ChaCha20Rng) -> f64 {
    ((rng.next_u64() >> 11) as f64 + 0.5) / 2f64.powi(53)
}

fn rounded_gaussian(rng: &mut ChaCha20Rng, sigma: f64) -> i64 {
    let radius = (-2.0 * uniform(rng).ln()).sqrt();
    (radius * (2.0 * std::f64::consts::PI * uniform(rng)).cos() * sigma).round() as i64
}

#[test]
fn the_tests_tell_wrong_samplers_from_the_right_one() {
    let mut rng = rng(9);
    let right = draw(2, 1, SAMPLES, 21);
    assert!(chi_squared_p(&right, 2.0) > 1e-4);

    // A continuous Gaussian, rounded: its variance is larger by 1/12.
    let rounded: Vec<i64> = (0..SAMPLES)
        .map(|_| rounded_gaussian(&mut rng, 2f64.sqrt()))
        .collect();
    assert!(chi_squared_p(&rounded, 2.0) < 1e-12);
    assert!(variance_z(&rounded, 2.0) > 6.0);

    // The same with the variance corrected: the shape is still wrong.
    let corrected: Vec<i64> = (0..SAMPLES)
        .map(|_| rounded_gaussian(&mut rng, (0.25f64 - 1.0 / 12.0).sqrt()))
        .collect();
    assert!(chi_squared_p(&corrected, 0.25) < 1e-12);

    // A variance that is 2 % short.
    assert!(chi_squared_p(&draw(196, 100, SAMPLES, 22), 2.0) < 1e-6);
    assert!(variance_z(&draw(196, 100, SAMPLES, 22), 2.0) < -6.0);

    // Both zeros kept: magnitude and sign drawn apart, `-0` not rejected.
    let both_zeros: Vec<i64> = right
        .iter()
        .map(|x| {
            if *x != 0 && uniform(&mut rng) < 0.1237 {
                0
            } else {
                *x
            }
        })
        .collect();
    assert!(chi_squared_p(&both_zeros, 2.0) < 1e-12);

    // A tail cut at three standard deviations.
    let cut: Vec<i64> = right.iter().map(|x| if x.abs() > 4 { 0 } else { *x }).collect();
    assert!(chi_squared_p(&cut, 2.0) < 1e-12);

    // A coin that lands on plus 51 times in 100.
    let biased: Vec<i64> = right
        .iter()
        .map(|x| {
            if *x < 0 && uniform(&mut rng) < 0.02 {
                -x
            } else {
                *x
            }
        })
        .collect();
    assert!(mean_z(&biased, 2.0) > 6.0);
}

fn mechanism(rho: f64, sensitivity: u64, shares: u32, cells: usize) -> DistributedGaussian {
    DistributedGaussian::calibrate(
        Rho::new(rho).unwrap(),
        L2Squared(sensitivity),
        shares,
        cells as u64,
    )
    .unwrap()
}

/// What the coordinator sees of a table in which every cell holds `count`.
fn release(gaussian: &DistributedGaussian, count: i64, cells: usize, shares: u32, seed: u8) -> Vec<i64> {
    let mut totals = vec![count; cells];
    let mut rng = rng(seed);
    for _ in 0..shares {
        let mut books = Accountant::new(gaussian.cost());
        let charge = books.charge("release", gaussian.cost()).unwrap();
        let share = Mechanism::DiscreteGaussian(gaussian.clone())
            .apply(vec![0; cells], charge, &mut rng)
            .unwrap();
        totals
            .iter_mut()
            .zip(share.into_inner())
            .for_each(|(total, noise)| *total += noise);
    }
    totals
}

#[test]
fn shares_add_up_to_the_calibrated_noise() {
    // Three honest shares at rho 1/12 and sensitivity 1: variance 2 each, 6 together, 10 with two more survivors.
    let gaussian = mechanism(1.0 / 12.0, 1, 3, SAMPLES);
    let share = gaussian.share_variance().value();
    assert!((share - 2.0).abs() < 1e-2);
    for shares in [3, 5] {
        let totals = release(&gaussian, 0, SAMPLES, shares, 30 + shares as u8);
        let variance = share * f64::from(shares);
        assert!(chi_squared_p(&totals, variance) > 1e-4, "{shares} shares");
        assert!(variance_z(&totals, variance).abs() < 4.0, "{shares} shares");
        let bound = gaussian.tail_bound(20, shares) as i64;
        assert!(
            totals.iter().all(|total| total.abs() <= bound),
            "{shares} shares exceed {bound}"
        );
    }
}

/// The largest `P(S) - e^epsilon P'(S)` over events `S = {x >= s}`, minus three standard errors: a lower bound on
/// delta that a distinguisher of two neighbouring tables demonstrates.
fn demonstrated_delta(with: &[i64], without: &[i64], epsilon: f64) -> f64 {
    let part =
        |samples: &[i64], s: i64| samples.iter().filter(|x| **x >= s).count() as f64 / samples.len() as f64;
    (-40..=40)
        .map(|s| {
            let (p, q) = (part(with, s), part(without, s));
            let error = (p * (1.0 - p) + (2.0 * epsilon).exp() * q * (1.0 - q)) / with.len() as f64;
            p - epsilon.exp() * q - 3.0 * error.sqrt()
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn neighbouring_tables_are_as_hard_to_tell_apart_as_claimed_and_less_noise_shows() {
    let rho = 1.0 / 32.0;
    let gaussian = mechanism(rho, 1, 2, SAMPLES);
    let starved = mechanism(4.0 * rho, 1, 2, SAMPLES);
    let pair = |gaussian: &DistributedGaussian| {
        (
            release(gaussian, 1, SAMPLES, 2, 41),
            release(gaussian, 0, SAMPLES, 2, 42),
        )
    };
    let (honest, short) = (pair(&gaussian), pair(&starved));
    let mut caught = 0;
    for delta in [1e-3, 1e-2, 5e-2] {
        let epsilon = epsilon_for(gaussian.cost(), delta);
        assert!(
            demonstrated_delta(&honest.0, &honest.1, epsilon) <= delta,
            "delta {delta}"
        );
        caught += usize::from(demonstrated_delta(&short.0, &short.1, epsilon) > delta);
    }
    assert!(caught >= 2, "half the noise went unnoticed");
}

#[test]
fn without_differential_privacy_tables_pass_unchanged() {
    let off = NoDifferentialPrivacy::chosen_by_configuration();
    let mut books = Accountant::unlimited(off);
    let charge = books.charge("round 0", Mechanism::None(off).cost()).unwrap();
    let table = Mechanism::None(off)
        .apply(vec![5, -7], charge, &mut rng(1))
        .unwrap();
    assert_eq!(table.into_inner(), [5, -7]);
}
