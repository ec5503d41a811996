//! What the tests of the samplers share.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::words::Words;

pub(crate) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub(super) fn samples(
    count: usize,
    seed: u8,
    mut draw: impl FnMut(&mut Words<'_, ChaCha20Rng>) -> i64,
) -> Vec<i64> {
    let mut rng = rng(seed);
    let mut words = Words::new(&mut rng);
    (0..count).map(|_| draw(&mut words)).collect()
}

/// Pearson's chi-squared test against `P(first + i) = probabilities[i]`, in bins of consecutive values that expect at
/// least 50 samples each: the probability that the right sampler deviates as much.
pub(crate) fn chi_squared_p(samples: &[i64], first: i64, probabilities: &[f64]) -> f64 {
    let mut bin_of = Vec::with_capacity(probabilities.len());
    let mut expected = vec![0.0];
    for probability in probabilities {
        if expected[expected.len() - 1] >= 50.0 {
            expected.push(0.0);
        }
        let last = expected.len() - 1;
        expected[last] += probability * samples.len() as f64;
        bin_of.push(last);
    }
    if expected.len() > 1 && expected[expected.len() - 1] < 50.0 {
        let tail = expected.pop().unwrap();
        let last = expected.len() - 1;
        expected[last] += tail;
        bin_of.iter_mut().for_each(|bin| *bin = (*bin).min(last));
    }
    assert!(expected.len() > 1, "one bin tests nothing");
    let mut observed = vec![0.0; expected.len()];
    for sample in samples {
        let index = (sample - first).clamp(0, probabilities.len() as i64 - 1) as usize;
        observed[bin_of[index]] += 1.0;
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
