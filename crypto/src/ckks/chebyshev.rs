//! Polynomials in the Chebyshev basis, evaluated with as few levels as there can be and few products.
//!
//! Division with remainder by a Chebyshev polynomial `T_g`, `g` a power of two, splits a polynomial of degree `d` into two
//! of lower degree (Paterson and Stockmeyer's algorithm in the Chebyshev basis; Chen, Chillotti, Song, *Improved
//! bootstrapping for approximate homomorphic encryption*, Eurocrypt 2019, section 4). A part is summed up directly where the
//! level allows; so the depth is `ceil(log2(d + 1))`.

use std::collections::BTreeMap;

use super::ciphertext::Ciphertext;
use super::error::CkksError;
use super::evaluator::{Evaluator, Rescale, Scratch, levels_left};

/// Coefficients below this are taken for zero.
const NEGLIGIBLE: f64 = 1e-14;

/// `sum_k c_k T_k(x)` for `x` from -1 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Chebyshev(Vec<f64>);

impl Chebyshev {
    /// The polynomial with these coefficients, `c_0` first.
    ///
    /// # Errors
    /// None, or coefficients that are not finite.
    pub fn new(mut coefficients: Vec<f64>) -> Result<Self, CkksError> {
        if let Some(bad) = coefficients.iter().find(|coefficient| !coefficient.is_finite()) {
            return Err(CkksError::Magnitude {
                what: "a coefficient",
                actual_log2: bad.abs().log2(),
                limit_log2: f64::MAX.log2(),
            });
        }
        while coefficients.len() > 1 && coefficients.last().is_some_and(|last| last.abs() < NEGLIGIBLE) {
            coefficients.pop();
        }
        if coefficients.is_empty() {
            return Err(CkksError::Length {
                what: "coefficients",
                actual: 0,
                expected: 1,
            });
        }
        Ok(Self(coefficients))
    }

    /// The polynomial of a degree that meets a function at the Chebyshev nodes of `least..=most`, in the variable
    /// `(2 x - least - most) / (most - least)`.
    ///
    /// # Errors
    /// A function that is not finite at a node.
    pub fn interpolate(
        degree: usize,
        least: f64,
        most: f64,
        function: impl Fn(f64) -> f64,
    ) -> Result<Self, CkksError> {
        let count = degree + 1;
        let angle = |node: usize| std::f64::consts::PI * (node as f64 + 0.5) / count as f64;
        let values: Vec<f64> = (0..count)
            .map(|node| function((least + most + (most - least) * angle(node).cos()) / 2.0))
            .collect();
        let coefficient = |k: usize| {
            let terms = values.iter().enumerate();
            let sum: f64 = terms
                .map(|(node, value)| value * (k as f64 * angle(node)).cos())
                .sum();
            sum * if k == 0 { 1.0 } else { 2.0 } / count as f64
        };
        Self::new((0..count).map(coefficient).collect())
    }

    /// The polynomial `sum_k c_k x^k`, `c_0` first.
    ///
    /// # Errors
    /// None, or coefficients that are not finite.
    pub fn of_powers(powers: &[f64]) -> Result<Self, CkksError> {
        let mut sum = vec![0.0; powers.len()];
        for power in powers.iter().rev() {
            // Horner's rule, with x T_k = (T_(k+1) + T_|k-1|) / 2.
            let mut next = vec![0.0; sum.len()];
            for (k, coefficient) in sum
                .iter()
                .enumerate()
                .filter(|(_, coefficient)| **coefficient != 0.0)
            {
                next[k + 1] += coefficient / 2.0;
                next[k.abs_diff(1)] += coefficient / 2.0;
            }
            next[0] += power;
            sum = next;
        }
        Self::new(sum)
    }

    /// The coefficients.
    pub fn coefficients(&self) -> &[f64] {
        &self.0
    }

    /// The degree.
    pub fn degree(&self) -> usize {
        self.0.len() - 1
    }

    /// Levels that an evaluation takes: `ceil(log2(degree + 1))`.
    pub fn depth(&self) -> usize {
        self.0.len().next_power_of_two().ilog2() as usize
    }

    /// The value at a number from -1 to 1 (Clenshaw's recurrence).
    pub fn evaluate(&self, x: f64) -> f64 {
        let (mut next, mut after) = (0.0, 0.0);
        for coefficient in self.0[1..].iter().rev() {
            (next, after) = (coefficient + 2.0 * x * next - after, next);
        }
        self.0[0] + x * next - after
    }

    /// Products of ciphertexts that an evaluation takes.
    pub fn products(&self) -> usize {
        let count = |base| {
            let mut plan = Plan::new(base);
            plan.visit(&self.0, self.depth());
            plan.products + plan.needed()
        };
        (1..=self.depth().max(1)).map(count).min().unwrap_or(0)
    }

    /// The degree below which parts are summed up directly, as `log2`: the one with the fewest products.
    fn base(&self) -> usize {
        let count = |base: &usize| {
            let mut plan = Plan::new(*base);
            plan.visit(&self.0, self.depth());
            plan.products + plan.needed()
        };
        (1..=self.depth().max(1)).min_by_key(count).unwrap_or(1)
    }
}

/// `p = quotient T_g + remainder`, both of degree below `g`, for a degree of `p` below `2 g`.
fn divide(coefficients: &[f64], g: usize) -> (Vec<f64>, Vec<f64>) {
    // T_(g+k) = 2 T_g T_k - T_(g-k).
    let mut remainder = coefficients[..g].to_vec();
    let mut quotient = vec![0.0; coefficients.len() - g];
    for (k, coefficient) in coefficients[g..].iter().enumerate() {
        if k == 0 {
            quotient[0] = *coefficient;
        } else {
            quotient[k] = 2.0 * coefficient;
            remainder[g - k] -= coefficient;
        }
    }
    (quotient, remainder)
}

fn is_zero(coefficients: &[f64]) -> bool {
    coefficients
        .iter()
        .all(|coefficient| coefficient.abs() < NEGLIGIBLE)
}

/// The levels that `T_k` takes.
fn depth_of(k: usize) -> usize {
    k.next_power_of_two().ilog2() as usize
}

/// Whether a part is summed up directly, with a number of levels left.
fn is_leaf(coefficients: &[f64], base: usize, depth: usize) -> bool {
    let degree = coefficients.len() - 1;
    degree <= 1 || (degree < 1 << base && depth_of(degree) < depth)
}

fn trimmed(coefficients: &[f64]) -> &[f64] {
    let length = coefficients
        .iter()
        .rposition(|coefficient| coefficient.abs() >= NEGLIGIBLE);
    &coefficients[..length.map_or(1, |last| last + 1).min(coefficients.len())]
}

/// A dry run: how many products, and which `T_k`.
struct Plan {
    base: usize,
    products: usize,
    powers: std::collections::BTreeSet<usize>,
}

impl Plan {
    fn new(base: usize) -> Self {
        Self {
            base,
            products: 0,
            powers: Default::default(),
        }
    }

    fn visit(&mut self, coefficients: &[f64], depth: usize) {
        let coefficients = trimmed(coefficients);
        if is_leaf(coefficients, self.base, depth) {
            let terms = coefficients.iter().enumerate().skip(1);
            let powers = terms
                .filter(|(_, coefficient)| coefficient.abs() >= NEGLIGIBLE)
                .map(|(k, _)| k);
            self.powers.extend(powers);
            return;
        }
        let g = coefficients.len().next_power_of_two() / 2;
        let (quotient, remainder) = divide(coefficients, g);
        self.products += 1;
        self.powers.insert(g);
        self.visit(&quotient, depth - 1);
        if !is_zero(&remainder) {
            self.visit(&remainder, depth);
        }
    }

    /// Products for the `T_k`.
    fn needed(&self) -> usize {
        let mut all = std::collections::BTreeSet::new();
        let mut open: Vec<usize> = self.powers.iter().copied().collect();
        while let Some(k) = open.pop() {
            if k > 1 && all.insert(k) {
                let (a, b) = halves(k);
                open.extend([a, b, a - b]);
            }
        }
        all.len()
    }
}

/// `k = a + b` with `a` the power of two from which `T_k` is made: `T_k = 2 T_a T_b - T_(a-b)`.
fn halves(k: usize) -> (usize, usize) {
    let a = k.next_power_of_two() / 2;
    (a, k - a)
}

impl Evaluator {
    /// A polynomial of all slots, which hold numbers from -1 to 1. Takes [`Chebyshev::depth`] levels; the result has the
    /// canonical scale of its level.
    ///
    /// # Errors
    /// Too few levels; no relinearisation key for the level; a ciphertext of three parts or of other parameters or key; a
    /// coefficient that is too large.
    pub fn chebyshev(
        &self,
        x: &Ciphertext,
        polynomial: &Chebyshev,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        self.check(x)?;
        x.check_parts("an argument", 2)?;
        let depth = polynomial.depth();
        levels_left("a polynomial", x.level(), depth)?;
        let level = x.level() - depth;
        let mut run = Run {
            evaluator: self,
            base: polynomial.base(),
            top: x.level(),
            powers: BTreeMap::from([(1, x.clone())]),
            scratch,
        };
        run.part(&polynomial.0, level, self.params().scale(level))
    }

    /// Maps numbers from `least..=most` to -1 to 1, for [`chebyshev`](Self::chebyshev): one level.
    ///
    /// # Errors
    /// No level left, an empty interval, or a ciphertext of other parameters or key.
    pub fn normalize(
        &self,
        x: &Ciphertext,
        least: f64,
        most: f64,
        scratch: &mut Scratch,
    ) -> Result<Ciphertext, CkksError> {
        let mut out = x.clone();
        self.mul_scalar_assign(&mut out, 2.0 / (most - least), Rescale::Now, scratch)?;
        self.add_scalar_assign(&mut out, -(least + most) / (most - least))?;
        Ok(out)
    }
}

/// One evaluation, with the `T_k` that it has made.
struct Run<'a> {
    evaluator: &'a Evaluator,
    base: usize,
    top: usize,
    powers: BTreeMap<usize, Ciphertext>,
    scratch: &'a mut Scratch,
}

impl Run<'_> {
    /// A part of the polynomial, at a level and scale.
    fn part(&mut self, coefficients: &[f64], level: usize, scale: f64) -> Result<Ciphertext, CkksError> {
        let coefficients = trimmed(coefficients);
        let depth = self.top - level;
        let (evaluator, params) = (self.evaluator, self.evaluator.params());
        if is_leaf(coefficients, self.base, depth) {
            return self.sum(coefficients, level, scale);
        }
        let g = coefficients.len().next_power_of_two() / 2;
        let (quotient, remainder) = divide(coefficients, g);
        self.make(g)?;
        let prime = params.prime(level + 1) as f64;
        // Whatever the scale of T_g is, the quotient makes up for it.
        let quotient = self.part(&quotient, level + 1, scale * prime / self.powers[&g].scale())?;
        let mut power = self.powers[&g].clone();
        evaluator.drop_level(&mut power, level + 1)?;
        let mut product = evaluator.mul(&quotient, &power, Rescale::Now, self.scratch)?;
        product.set_scale(scale);
        if !is_zero(&remainder) {
            let remainder = self.part(&remainder, level, scale)?;
            evaluator.add_assign(&mut product, &remainder)?;
        }
        Ok(product)
    }

    /// `sum_k c_k T_k` of a few terms, rescaled once.
    fn sum(&mut self, coefficients: &[f64], level: usize, scale: f64) -> Result<Ciphertext, CkksError> {
        let evaluator = self.evaluator;
        let params = evaluator.params();
        let before = scale * params.prime(level.min(self.top.saturating_sub(1)) + 1) as f64;
        let mut sum: Option<Ciphertext> = None;
        for (k, coefficient) in coefficients.iter().enumerate().skip(1) {
            if coefficient.abs() < NEGLIGIBLE {
                continue;
            }
            self.make(k)?;
            let power = &self.powers[&k];
            let factor = super::encoder::scaled(*coefficient, before / power.scale())?;
            if let Some(sum) = &mut sum {
                evaluator.add_scaled(sum, power, factor);
            } else {
                let mut first = power.clone();
                evaluator.drop_level(&mut first, level + 1)?;
                evaluator.scale_by(&mut first, factor);
                first.set_scale(before);
                sum = Some(first);
            }
        }
        let Some(mut sum) = sum else {
            // A constant: no product, and no level of its own.
            let mut constant = self.powers[&1].clone();
            evaluator.drop_level(&mut constant, level)?;
            evaluator.scale_by(&mut constant, 0);
            constant.set_scale(scale);
            evaluator.add_scalar_assign(&mut constant, coefficients[0])?;
            return Ok(constant);
        };
        evaluator.add_scalar_assign(&mut sum, coefficients[0])?;
        evaluator.rescale_assign(&mut sum, self.scratch)?;
        sum.set_scale(scale);
        Ok(sum)
    }

    /// Makes `T_k`, if it is not there.
    fn make(&mut self, k: usize) -> Result<(), CkksError> {
        if k == 0 || self.powers.contains_key(&k) {
            return Ok(());
        }
        let (a, b) = halves(k);
        for part in [a, b, a - b] {
            self.make(part)?;
        }
        let evaluator = self.evaluator;
        let (first, mut second) = (&self.powers[&a], self.powers[&b].clone());
        let level = first.level().min(second.level());
        let mut first = first.clone();
        evaluator.drop_level(&mut first, level)?;
        evaluator.drop_level(&mut second, level)?;
        let mut product = evaluator.tensor(&first, &second)?;
        evaluator.mul_integer_assign(&mut product, 2)?;
        if a == b {
            evaluator.add_scalar_assign(&mut product, -1.0)?;
        } else {
            let other = &self.powers[&(a - b)];
            let factor = super::encoder::scaled(-1.0, product.scale() / other.scale())?;
            evaluator.add_scaled(&mut product, other, factor);
        }
        let power = evaluator.relinearize(&product, Rescale::Now, self.scratch)?;
        self.powers.insert(k, power);
        Ok(())
    }
}
