//! A model for tests of the machines: sums of rows, "encrypted" with a one-byte pad that the keys name.

use rand_core::CryptoRng;

use super::{Asking, Hosted, Meaning, Offer, Rows, Scores, ServiceError, Sizes};

/// Bytes of the toy's keys.
pub const KEYS: usize = 300_000;

/// The server's toy.
#[derive(Clone)]
pub struct Toy {
    pub model: &'static str,
    pub keys: usize,
}

/// The client's toy.
pub struct ToyClient {
    pub pad: u8,
    pub keys: usize,
}

impl Toy {
    pub fn new(model: &'static str) -> Self {
        Self { model, keys: KEYS }
    }
}

impl Hosted for Toy {
    type Keys = u8;

    fn offer(&self) -> Offer {
        Offer {
            kind: "toy".into(),
            model: self.model.into(),
            mode: "pad".into(),
            leakage: "the server learns everything: this is a toy".into(),
            rows: 4,
            sizes: Sizes {
                keys: self.keys as u64,
                keys_memory: 2 * self.keys as u64,
                request: 100_000,
                answer: 64,
            },
            form: vec![7; 70_000],
        }
    }

    fn keys(&self, bytes: &[u8]) -> Result<u8, ServiceError> {
        match bytes {
            [first, rest @ ..] if bytes.len() == self.keys && rest.iter().all(|byte| byte == first) => {
                Ok(*first)
            }
            _ => Err(ServiceError::Malformed {
                what: "toy keys",
                detail: "not all bytes are the pad".into(),
            }),
        }
    }

    fn answer(
        &self,
        keys: &u8,
        request: &[u8],
        _: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError> {
        let sum = request
            .iter()
            .fold(0u8, |sum, byte| sum.wrapping_add(byte ^ keys));
        passed("sum");
        passed("pad");
        Ok(vec![sum ^ keys])
    }
}

impl Asking for ToyClient {
    fn keys(&self) -> Result<Vec<u8>, ServiceError> {
        Ok(vec![self.pad; self.keys])
    }

    /// No two requests are alike: random bytes and their negatives add nothing to the sum.
    fn request(&mut self, rows: &Rows, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, ServiceError> {
        let mut noise = [0u8; 16];
        rng.fill_bytes(&mut noise);
        let noise = noise
            .into_iter()
            .flat_map(|byte| [byte ^ self.pad, byte.wrapping_neg() ^ self.pad]);
        let values = rows.iter().flatten().map(|value| *value as u8 ^ self.pad);
        Ok(values.chain(noise).collect())
    }

    fn open(&self, answer: &[u8]) -> Result<Scores, ServiceError> {
        Ok(Scores {
            width: 1,
            values: answer.iter().map(|byte| f64::from(byte ^ self.pad)).collect(),
            meaning: Meaning::Scores,
            classes: Vec::new(),
        })
    }
}
