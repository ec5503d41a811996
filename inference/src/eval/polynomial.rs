//! Polynomials of ciphertexts by powers or Chebyshev polynomials, each from two of about half the degree.

use std::collections::BTreeMap;

use crate::graph::Polynomial;
use crate::scheme::{Rescale, Scheme, SchemeError};

/// Levels that `polynomial` uses.
pub fn depth(polynomial: &Polynomial) -> usize {
    let degree = polynomial.degree();
    let powers = degree.max(1).next_power_of_two().ilog2() as usize;
    match polynomial {
        // A single power with coefficient 1 needs no product with a number.
        Polynomial::Powers(c) if is_power(c) => powers,
        Polynomial::Powers(_) => powers + 1,
        Polynomial::Chebyshev { .. } => powers + 2,
    }
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
    let target = target.ok_or(SchemeError::LevelExhausted {
        operation: "polynomial",
    })?;
    let (coefficients, base, chebyshev) = match polynomial {
        Polynomial::Powers(c) => (c, x.clone(), false),
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
        let mut result = power(scheme, &mut powers, degree, false)?;
        scheme.align(&mut result, target)?;
        if constant != 0.0 {
            scheme.add_scalar(&mut result, constant)?;
        }
        return Ok(result);
    }
    let mut sum: Option<S::Ciphertext> = None;
    for (k, &c) in coefficients
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, c)| **c != 0.0)
    {
        let mut term = power(scheme, &mut powers, k, chebyshev)?;
        scheme.align(&mut term, target + 1)?;
        let term = scheme.mul_scalar(&term, c, Rescale::Lazy)?;
        match &mut sum {
            None => sum = Some(term),
            Some(sum) => scheme.add(sum, &term)?,
        }
    }
    let mut sum = match sum {
        Some(sum) => sum,
        None => {
            // A constant: zero times the input.
            let mut x = x.clone();
            scheme.align(&mut x, target + 1)?;
            scheme.mul_scalar(&x, 0.0, Rescale::Lazy)?
        }
    };
    scheme.rescale(&mut sum)?;
    scheme.add_scalar(&mut sum, constant)?;
    Ok(sum)
}

/// `x^k`, or `T_k(x) = 2 T_a T_b - T_{a - b}` with `a + b = k`, `a - b` in {0, 1}.
fn power<S: Scheme>(
    scheme: &S,
    known: &mut BTreeMap<usize, S::Ciphertext>,
    k: usize,
    chebyshev: bool,
) -> Result<S::Ciphertext, SchemeError> {
    if let Some(found) = known.get(&k) {
        return Ok(found.clone());
    }
    let (a, b) = (k.div_ceil(2), k / 2);
    let mut left = power(scheme, known, a, chebyshev)?;
    let mut right = power(scheme, known, b, chebyshev)?;
    let level = scheme.level(&left).min(scheme.level(&right));
    scheme.align(&mut left, level)?;
    scheme.align(&mut right, level)?;
    let mut product = scheme.mul(&left, &right, Rescale::Now)?;
    if chebyshev {
        let twice = product.clone();
        scheme.add(&mut product, &twice)?;
        if a == b {
            scheme.add_scalar(&mut product, -1.0)?;
        } else {
            let mut first = power(scheme, known, 1, true)?;
            scheme.align(&mut first, scheme.level(&product))?;
            scheme.sub(&mut product, &first)?;
        }
    }
    known.insert(k, product.clone());
    Ok(product)
}
