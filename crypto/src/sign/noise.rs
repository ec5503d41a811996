//! Noise of every step, and what it allows. Variances are of the torus: a number modulo `2^64` over `2^64`.
//!
//! Variances by the formulas of Chillotti, Gama, Georgieva, Izabachene, *TFHE: fast fully homomorphic encryption over the
//! torus*, J. Cryptology 2020, theorems 4.1 and 6.3, with independence of the terms; tails as of normal distributions.

use super::params::{
    BOOTSTRAP, BOOTSTRAP_BYTES, DIGIT, Decomposition, ENTRY, GLWE_NOISE_LOG2, LWE_DIMENSION, LWE_NOISE_LOG2,
    POLYNOMIAL, SOAK, SWITCH, SWITCH_BYTES, SignParams, WASHES, WINDOW,
};

/// `log2` of the largest chance of a wrong sign that is accepted.
pub const FAILURE_LOG2: f64 = -64.0;

const TORUS: f64 = 18_446_744_073_709_551_616.0;

/// Variance of noise uniform in `-2^log2 ..= 2^log2`.
fn uniform(log2: u32) -> f64 {
    (f64::from(2 * log2) - 128.0).exp2() / 3.0
}

/// Variance of the rounding of a number to its highest bytes.
fn cut(bytes: usize) -> f64 {
    (-16.0 * bytes as f64).exp2() / 12.0
}

/// Mean square of a digit, and of what is left after all digits.
fn digits(decomposition: Decomposition) -> (f64, f64) {
    let bits = decomposition.base_log as f64;
    let rest = (-2.0 * bits * decomposition.levels as f64).exp2();
    (((2.0 * bits).exp2() + 2.0) / 12.0, rest / 12.0)
}

/// What the switch from a ternary key of so many coefficients to the large key adds.
pub fn entry(dimension: usize) -> f64 {
    let (digit, rest) = digits(ENTRY);
    let noise = uniform(GLWE_NOISE_LOG2);
    let dimension = dimension as f64;
    dimension * ENTRY.levels as f64 * digit * noise + dimension * rest * 2.0 / 3.0
}

/// What the switch from the large key to the small one adds.
pub fn switch() -> f64 {
    let (digit, rest) = digits(SWITCH);
    let noise = uniform(LWE_NOISE_LOG2) + cut(SWITCH_BYTES);
    let dimension = POLYNOMIAL as f64;
    dimension * SWITCH.levels as f64 * digit * noise + dimension * rest / 2.0
}

/// What the rounding to `2 N` parts at the start of a bootstrap adds.
pub fn rounding() -> f64 {
    let part = 1.0 / (2 * POLYNOMIAL) as f64;
    (LWE_DIMENSION as f64 / 2.0 + 1.0) / 12.0 * part * part
}

/// What a bootstrap's result has, but for the error of the floating-point transform.
pub fn bootstrap() -> f64 {
    let (digit, rest) = digits(BOOTSTRAP);
    let noise = uniform(GLWE_NOISE_LOG2) + cut(BOOTSTRAP_BYTES);
    let (lwe, polynomial) = (LWE_DIMENSION as f64, POLYNOMIAL as f64);
    let key = lwe * BOOTSTRAP.levels as f64 * 2.0 * polynomial * digit * noise;
    key + lwe / 2.0 * (1.0 + polynomial / 2.0) * rest + transform()
}

/// The error of the transform in floating-point numbers of 53 bits: for each product `N / 12` times the last place of a digit,
/// times a constant that is measured (2.5 to 2.8).
fn transform() -> f64 {
    let products = (LWE_DIMENSION * BOOTSTRAP.levels * 2) as f64;
    let (digit, _) = digits(BOOTSTRAP);
    products * (POLYNOMIAL as f64).powi(2) * digit / 12.0 * (-106.0_f64).exp2() * 8.0
}

/// `log2` of the chance that a normal number of this variance exceeds the margin, on either side.
fn tail_log2(margin: f64, variance: f64) -> f64 {
    1.0 - margin * margin / (2.0 * variance) * std::f64::consts::LOG2_E
}

/// Variance and margin of each decision of a sign, in order: two for each digit, the sign, those of the washing.
pub fn decisions(params: &SignParams, deviation: f64) -> Vec<(f64, f64)> {
    let decision = switch() + rounding();
    let box_margin = (-f64::from(WINDOW + 1)).exp2();
    let mut held = deviation * deviation + entry(params.literal().dimension);
    let mut rest = params.literal().precision;
    let mut all = Vec::with_capacity(params.bootstraps());
    while rest > WINDOW {
        let scaled = held * f64::from(2 * (rest - WINDOW)).exp2();
        all.push((scaled + decision, box_margin));
        all.push((scaled + bootstrap() + decision, box_margin));
        held += bootstrap();
        rest -= DIGIT;
    }
    all.push((held + decision, (-f64::from(rest + 1)).exp2()));
    let margin = 0.25 - SOAK as f64 / TORUS - soak_bound();
    all.extend(std::iter::repeat_n((bootstrap() + decision, margin), WASHES));
    all
}

/// `log2` of the chance that any decision of a sign is wrong.
pub fn failure_log2(params: &SignParams, deviation: f64) -> f64 {
    let chances = decisions(params, deviation)
        .into_iter()
        .map(|(variance, margin)| tail_log2(margin, variance).exp2());
    chances.sum::<f64>().log2()
}

/// What the noise of an encryption of zero with the public key never exceeds: `e v + e0 - e1 s`.
fn soak_bound() -> f64 {
    (2 * POLYNOMIAL + 1) as f64 * f64::from(GLWE_NOISE_LOG2).exp2() / TORUS
}

/// What the noise of a bootstrap's result exceeds with a chance of at most `2^-64`.
fn hidden_bound() -> f64 {
    let factor = (2.0 * (1.0 - FAILURE_LOG2) * std::f64::consts::LN_2).sqrt();
    factor * bootstrap().sqrt() + soak_bound()
}

/// `log2` of the statistical distance of an answer from one that depends on the sign alone: for each soak the ratio of
/// what it hides and of the width that it hides it in, which is `2 H / 2 B` for two samples within `H`.
pub fn distance_log2() -> f64 {
    let each = hidden_bound() / (SOAK as f64 / TORUS) + FAILURE_LOG2.exp2();
    each.log2() * (WASHES + 1) as f64
}
