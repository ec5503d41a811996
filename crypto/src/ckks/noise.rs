//! How much noise operations add: variances of one coefficient, from the formulas of [`crate::rlwe::noise`].
//!
//! Noise of a slot is a sum of all coefficients' with factors of modulus 1: its variance is `N` times a coefficient's,
//! divided by the square of the scale ([`slot_log2`]). Mean squares of messages count too: a message whose slots have the mean
//! square `m` has coefficients with a mean square of `m scale^2 / N` ([`message`]).

use super::params::Params;
use crate::rlwe::noise;

/// `log2` of the standard deviation of a slot (complex modulus), from the variance of a coefficient.
pub fn slot_log2(params: &Params, variance: f64, scale: f64) -> f64 {
    (variance * params.degree() as f64).log2() / 2.0 - scale.log2()
}

/// The mean square of a message's coefficients, from the mean square of the modulus of its slots.
pub fn message(params: &Params, slots: f64, scale: f64) -> f64 {
    slots * scale * scale / params.degree() as f64
}

/// The rounding of an encoding.
pub const fn encoding() -> f64 {
    1.0 / 12.0
}

/// A fresh encryption with the secret key, without the rounding of the encoding.
pub const fn fresh() -> f64 {
    noise::fresh()
}

/// An encryption with the public key, without the rounding of the encoding.
pub fn public(params: &Params) -> f64 {
    noise::public(params.degree())
}

/// What a rescale adds, in units of the lower level.
pub fn rescale(params: &Params) -> f64 {
    noise::switch(params.degree())
}

/// What a key switch at a level (a rotation, a relinearisation) adds.
pub fn key_switch(params: &Params, level: usize) -> f64 {
    before_division(params, level) + noise::division(params.degree(), params.special_primes())
}

/// What relinearisation and rescaling in one step add, in units of the lower level.
pub fn key_switch_rescaled(params: &Params, level: usize) -> f64 {
    let prime = params.prime(level) as f64;
    before_division(params, level) / (prime * prime)
        + noise::division(params.degree(), params.special_primes() + 1)
}

fn before_division(params: &Params, level: usize) -> f64 {
    let log2 = |prime: usize| (params.prime(prime) as f64).log2();
    let digits = (0..params.digits(level)).map(|digit| {
        let range = params.digit(digit, level);
        (range.len(), range.map(log2).sum())
    });
    let special = params.extended(level).skip(level + 1).map(log2).sum();
    noise::key_switch(params.degree(), digits, special)
}

/// The noise of a product before it is rescaled: of each factor the mean square of the message's coefficients and the
/// variance of its noise.
pub fn product(params: &Params, a: (f64, f64), b: (f64, f64)) -> f64 {
    let product = |a, b| noise::product(params.degree(), a, b);
    product(a.0, b.1) + product(a.1, b.0) + product(a.1, b.1)
}
