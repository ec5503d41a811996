//! Laws of the scheme on small rings.

mod laws;
mod noise;
mod properties;
mod refusals;

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;

use super::*;
use crate::seed::Seed;

/// A client and a server.
pub struct Setting {
    pub params: Params,
    pub encoder: Encoder,
    pub secret: SecretKey,
    pub evaluator: Evaluator,
    pub scratch: Scratch,
    pub rng: ChaCha20Rng,
}

pub fn literal(log_degree: u32, levels: u32, dnum: u32) -> ParamsLiteral {
    ParamsLiteral::new(log_degree, 40, levels, dnum)
}

impl Setting {
    pub fn new(literal: ParamsLiteral, plan: impl Fn(&Params) -> KeyPlan) -> Self {
        let params = INSECURE_ParamsLiteral(literal).build().unwrap();
        let mut rng = Seed::from_bytes([5; 32]).rng();
        let secret = SecretKey::generate(&params, &Seed::from_bytes([6; 32]));
        let keys = secret.eval_keys(&plan(&params), &mut rng).unwrap();
        let evaluator = Evaluator::new(&params, Arc::new(keys)).unwrap();
        Self {
            encoder: Encoder::new(&params),
            scratch: evaluator.scratch(),
            secret,
            evaluator,
            rng,
            params,
        }
    }

    pub fn encrypt(&mut self, numbers: &[Complex], level: usize) -> Ciphertext {
        let plaintext = self
            .encoder
            .encode_complex(numbers, self.params.scale(level))
            .unwrap();
        let fresh = self.secret.encrypt(&plaintext, level, &mut self.rng).unwrap();
        fresh.expand(&self.params).unwrap()
    }

    pub fn prepare(&self, numbers: &[Complex], level: usize) -> PreparedPlaintext {
        let plaintext = self
            .encoder
            .encode_complex(numbers, self.params.scale(level))
            .unwrap();
        self.encoder.prepare(&plaintext, level).unwrap()
    }

    /// `log2` of the largest error of a slot.
    pub fn error(&self, ciphertext: &Ciphertext, expected: &[Complex]) -> f64 {
        let numbers = self
            .encoder
            .decode_complex(&self.secret.decrypt(ciphertext).unwrap());
        assert_eq!(numbers.len(), expected.len());
        let error = |(a, b): (&Complex, &Complex)| Complex::new(a.re - b.re, a.im - b.im).abs();
        numbers.iter().zip(expected).map(error).fold(0.0, f64::max).log2()
    }
}

/// Numbers in the unit disc.
pub fn numbers(count: usize, seed: u64) -> Vec<Complex> {
    let angle = |i: usize, factor: f64| (i as f64 * factor + seed as f64 * 0.77).sin();
    (0..count)
        .map(|i| Complex::new(0.7 * angle(i, 1.3), 0.7 * angle(i + 9, 2.1)))
        .collect()
}

pub fn map(a: &[Complex], b: &[Complex], f: impl Fn(Complex, Complex) -> Complex) -> Vec<Complex> {
    a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect()
}

pub fn product(a: Complex, b: Complex) -> Complex {
    Complex::new(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)
}
