//! Polynomials of ciphertexts by powers or Chebyshev polynomials, each from two of about half the degree.

use std::collections::BTreeMap;

use crate::graph::Polynomial;
use crate::scheme::{Rescale, Scheme, SchemeError};

const OPERATION: &str = "polynomial";

/// Levels that `polynomial` uses.
pub fn depth(polynomial: &Polynomial) -> usize {
    let degree = polynomial.degree();
    let powers = degree.max(1).next_power_of_two().ilog2() as usize;
    match polynomial {
        // A single power with coefficient 1 needs no product with a number.
        Polynomial::Powers(c) if is_power(c) => powers,
        Polynomial::Powers(_) => powers + 1,
        Polynomial::Chebyshev { low, high, .. } if is_unit(*low, *high) => powers + 1,
        Polynomial::Chebyshev { .. } => powers + 2,
    }
}

/// Whether an interval is `[-1, 1]`, on which Chebyshev polynomials are as they are.
fn is_unit(low: f64, high: f64) -> bool {
    (low, high) == (-1.0, 1.0)
}

/// Whether the polynomial is `x^d` (and a constant).
fn is_power(coefficients: &[f64]) -> bool {
    let mut rest = coefficients.iter().skip(1).filter(|&&c| c != 0.0);
    rest.next() == Some(&1.0) && rest.next().is_none()
}

/// `polynomial(x)`, exactly [`depth`] levels below `x`.
pub(super) fn evaluate<S: Scheme>(
    scheme: &S,
    x: &S::Ciphertext,
    polynomial: &Polynomial,
) -> Result<S::Ciphertext, SchemeError> {
    let target = scheme.level(x).checked_sub(depth(polynomial));
    let target = target.ok_or(SchemeError::LevelExhausted { operation: OPERATION })?;
    let (coefficients, base, chebyshev) = match polynomial {
        Polynomial::Powers(c) => (c, scheme.copy(x), false),
        Polynomial::Chebyshev {
            low,
            high,
            coefficients,
        } if is_unit(*low, *high) => (coefficients, scheme.copy(x), true),
        Polynomial::Chebyshev {
            low,
            high,
            coefficients,
        } => {
            let mut unit = scheme.mul_scalar(x, 2.0 / (high - low), Rescale::Now)?;
            scheme.add_scalar(&mut unit, -(high + low) / (high - low))?;
            (coefficients, unit, true)
        }
    };
    let degree = polynomial.degree();
    let constant = coefficients.first().copied().unwrap_or(0.0);
    let mut powers = BTreeMap::from([(1, base)]);
    if !chebyshev && is_power(coefficients) {
        power(scheme, &mut powers, degree, false)?;
        let result = powers.remove(&degree);
        let mut result = result.ok_or(SchemeError::Empty { operation: OPERATION })?;
        scheme.align(&mut result, target)?;
        if constant != 0.0 {
            scheme.add_scalar(&mut result, constant)?;
        }
        powers.into_values().for_each(|ct| scheme.recycle(ct));
        return Ok(result);
    }
    let mut sum: Option<S::Ciphertext> = None;
    for (k, &c) in coefficients
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, c)| **c != 0.0)
    {
        power(scheme, &mut powers, k, chebyshev)?;
        let mut lower = None;
        let term = at(scheme, &powers, k, target + 1, &mut lower)?;
        let term = scheme.mul_scalar(term, c, Rescale::Lazy)?;
        lower.into_iter().for_each(|ct| scheme.recycle(ct));
        match &mut sum {
            None => sum = Some(term),
            Some(sum) => {
                scheme.add(sum, &term)?;
                scheme.recycle(term);
            }
        }
    }
    let mut sum = match sum {
        Some(sum) => sum,
        None => {
            // A constant: zero times the input.
            let mut x = scheme.copy(x);
            scheme.align(&mut x, target + 1)?;
            scheme.mul_scalar(&x, 0.0, Rescale::Lazy)?
        }
    };
    scheme.rescale(&mut sum)?;
    scheme.add_scalar(&mut sum, constant)?;
    powers.into_values().for_each(|ct| scheme.recycle(ct));
    Ok(sum)
}

/// A known power at a level at most its own; where it is above, `room` holds what is aligned.
fn at<'a, S: Scheme>(
    scheme: &S,
    known: &'a BTreeMap<usize, S::Ciphertext>,
    k: usize,
    level: usize,
    room: &'a mut Option<S::Ciphertext>,
) -> Result<&'a S::Ciphertext, SchemeError> {
    let power = known.get(&k).ok_or(SchemeError::Empty { operation: OPERATION })?;
    if scheme.level(power) == level {
        return Ok(power);
    }
    let mut lower = scheme.copy(power);
    scheme.align(&mut lower, level)?;
    Ok(room.insert(lower))
}

/// Makes `x^k`, or `T_k(x) = 2 T_a T_b - T_{a - b}` with `a + b = k`, `a - b` in {0, 1}.
fn power<S: Scheme>(
    scheme: &S,
    known: &mut BTreeMap<usize, S::Ciphertext>,
    k: usize,
    chebyshev: bool,
) -> Result<(), SchemeError> {
    if known.contains_key(&k) {
        return Ok(());
    }
    let (a, b) = (k.div_ceil(2), k / 2);
    power(scheme, known, a, chebyshev)?;
    power(scheme, known, b, chebyshev)?;
    let level = |k: &usize| known.get(k).map_or(0, |ct| scheme.level(ct));
    let level = level(&a).min(level(&b));
    let (mut left, mut right) = (None, None);
    let mut product = scheme.mul(
        at(scheme, known, a, level, &mut left)?,
        at(scheme, known, b, level, &mut right)?,
        Rescale::Now,
    )?;
    left.into_iter().chain(right).for_each(|ct| scheme.recycle(ct));
    if chebyshev {
        let twice = scheme.copy(&product);
        scheme.add(&mut product, &twice)?;
        scheme.recycle(twice);
        if a == b {
            scheme.add_scalar(&mut product, -1.0)?;
        } else {
            let mut lower = None;
            let first = at(scheme, known, 1, scheme.level(&product), &mut lower)?;
            scheme.sub(&mut product, first)?;
            lower.into_iter().for_each(|ct| scheme.recycle(ct));
        }
    }
    known.insert(k, product);
    Ok(())
}
