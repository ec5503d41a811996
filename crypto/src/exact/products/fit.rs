//! The smallest parameters of a circuit: primes just as large as the noise of each level asks for.

use super::ciphertext::ProductCiphertext;
use super::evaluate::ProductEvaluator;
use super::noise::NoiseModel;
use super::params::{MAX_CHAIN, PRIME_BITS, ProductLiteral, ProductParams};
use crate::exact::error::ExactError;
use crate::exact::noise::FLOODING_BITS;
use crate::rlwe::params::SECURITY_TABLE;

/// Of fewer bits there are not several primes.
const SEVERAL: u32 = 38;

/// What parameters are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// The degree.
    pub degree: usize,
    /// The plaintext modulus.
    pub plaintext: u64,
    /// Primes that products drop on the way; the last products are hidden as they are.
    pub drops: usize,
    /// Coefficients of an answer that are opened.
    pub cells: usize,
}

impl Fit {
    /// The parameters with the fewest bits of a chain for a circuit that ends with what is hidden, and room for the flooding.
    ///
    /// # Errors
    /// None that the security table allows for the degree, with room for the flooding.
    pub fn params(
        self,
        circuit: impl Fn(&ProductEvaluator) -> Result<ProductCiphertext, ExactError>,
    ) -> Result<ProductParams, ExactError> {
        let mut literals: Vec<ProductLiteral> = Vec::new();
        let mut last = ExactError::Flooding {
            declared: 0,
            actual: 0,
            expected: FLOODING_BITS,
        };
        // Every fourth size: the circuit is followed for each.
        let sizes = |tried: bool| (if tried { PRIME_BITS } else { 50..=50 }).step_by(4);
        for first in sizes(self.drops > 0) {
            for mid in sizes(self.drops > 1) {
                let mut dropped = vec![mid; self.drops.saturating_sub(1)];
                dropped.extend((self.drops > 0).then_some(first));
                literals.extend(self.literal(&dropped, &circuit));
            }
        }
        literals.sort_by_key(|literal| literal.chain.iter().sum::<u32>());
        // What is left over for primes a little below their powers of two is known only when they are found.
        for literal in literals.into_iter().take(16) {
            for more in 0..4 {
                let mut literal = literal.clone();
                for bits in literal.chain.iter_mut().take(literal.answer_primes) {
                    *bits = (*bits + more).min(50);
                }
                match self.checked(literal, &circuit) {
                    Ok(params) => return Ok(params),
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    /// The primes that are left for the flooding, by the bound of what is hidden; `None` above the security table.
    fn literal(
        self,
        dropped: &[u32],
        circuit: impl Fn(&ProductEvaluator) -> Result<ProductCiphertext, ExactError>,
    ) -> Option<ProductLiteral> {
        let limit = SECURITY_TABLE
            .iter()
            .find(|(log_degree, _)| 1_usize << log_degree == self.degree)
            .map_or(0, |(_, limit)| *limit as u32);
        let mut kept: Vec<u32> = vec![50; 2];
        let mut best: Option<ProductLiteral> = None;
        // Digits of the primes that are kept are part of the noise: their number is settled in a few rounds.
        for _ in 0..6 {
            let chain: Vec<u32> = kept.iter().chain(dropped).copied().collect();
            let sum: u32 = chain.iter().sum();
            let special = limit.saturating_sub(sum).min(50);
            if special < *PRIME_BITS.start() || chain.len() > MAX_CHAIN {
                break;
            }
            let size = |bits: &u32| 0.9 * f64::from(*bits).exp2();
            let model = NoiseModel {
                degree: self.degree as f64,
                plain: self.plaintext as f64,
                chain: chain.iter().map(size).collect(),
                special: size(&special),
            };
            let Ok(result) = circuit(&ProductEvaluator::bounds(&model)) else {
                kept.push(50);
                continue;
            };
            let hidden = result.noise().bound.log2();
            let needed = (hidden + f64::from(FLOODING_BITS) + 1.5).ceil() as u32;
            let fewest = best.as_ref().map_or(u32::MAX, |best| best.chain.iter().sum());
            if needed <= kept.iter().sum() && sum < fewest {
                best = Some(ProductLiteral {
                    degree: self.degree,
                    plaintext: self.plaintext,
                    chain,
                    special,
                    answer_primes: kept.len(),
                    hidden_bits: bits(hidden),
                    cells: self.cells,
                });
            }
            let count = needed.div_ceil(50).max(1);
            let least = if count > 1 { SEVERAL } else { *PRIME_BITS.start() };
            let next = vec![needed.div_ceil(count).max(least); count as usize];
            if next == kept {
                break;
            }
            kept = next;
        }
        best
    }

    /// The parameters of a literal, by the bound of the circuit over the primes that there are.
    fn checked(
        self,
        mut literal: ProductLiteral,
        circuit: impl Fn(&ProductEvaluator) -> Result<ProductCiphertext, ExactError>,
    ) -> Result<ProductParams, ExactError> {
        let limit = SECURITY_TABLE
            .iter()
            .find(|(log_degree, _)| 1_usize << log_degree == self.degree)
            .map_or(0, |(_, limit)| *limit as u32);
        let sum: u32 = literal.chain.iter().sum();
        literal.special = limit.saturating_sub(sum).min(50);
        let params = ProductParams::new(literal.clone())?;
        let hidden = circuit(&ProductEvaluator::bounds(params.model()))?
            .noise()
            .bound
            .log2();
        literal.hidden_bits = bits(hidden);
        ProductParams::new(literal)
    }
}

/// Rounded up, and a little more: who computes may add the same bounds in another order.
fn bits(log2: f64) -> u32 {
    (log2 + 1e-6).ceil() as u32
}
