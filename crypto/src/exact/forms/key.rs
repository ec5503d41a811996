//! The client's side: encrypt bits, open answers.

use rand_core::CryptoRng;
use zeroize::ZeroizeOnDrop;

use super::super::answer::Answer;
use super::super::error::ExactError;
use super::super::galois::GaloisKeys;
use super::params::FormParams;
use crate::domain;
use crate::ring::Poly;
use crate::rlwe::{PublicKey, SecretKey};
use crate::secret::Secret;
use crate::seed::Seed;
use crate::sign::{SignError, SignKey};

/// A client's key pair for forms of one set of parameters. Wiped on drop, redacted; its seed is what a client keeps.
#[derive(Clone, Debug)]
pub struct FormKey {
    params: FormParams,
    secret: SecretKey,
}

impl FormKey {
    /// The key pair of a seed, which makes no other.
    pub fn generate(params: &FormParams, seed: &Seed) -> Self {
        Self {
            params: params.clone(),
            secret: SecretKey::generate(&params.scheme().ring, seed),
        }
    }

    /// The public key, for the server.
    pub const fn public(&self) -> &PublicKey {
        self.secret.public()
    }

    /// The bytes of the keys for packing, for the server; none where forms are not packed.
    pub fn galois_bytes(&self, seed: &Seed) -> Vec<u8> {
        let Some(galois) = self.params.galois() else {
            return Vec::new();
        };
        let seed = seed.derive(domain::EXACT_GALOIS, &self.public().id().0);
        let keys: GaloisKeys = galois.generate(&self.secret, &self.params.exponents(), &seed);
        galois.write(&keys)
    }

    /// The bytes with which a server computes signs of this key's samples ([`crate::sign`]): seconds of computing.
    ///
    /// # Errors
    /// A sign of keys of another dimension.
    pub fn sign_bytes(&self, key: &SignKey) -> Result<Vec<u8>, SignError> {
        key.server_bytes(&self.secret.ternary())
    }

    /// Encrypts bits, at most as many as the ciphertexts of a request hold; those left out are 0. Fresh randomness each
    /// time.
    ///
    /// # Errors
    /// More bits than a request holds.
    pub fn encrypt(&self, bits: &[bool], rng: &mut (impl CryptoRng + ?Sized)) -> Result<Vec<u8>, ExactError> {
        let scheme = self.params.scheme();
        let literal = self.params.literal();
        if bits.len() > literal.window * literal.inputs {
            return Err(ExactError::Length {
                what: "bits of a request",
                actual: bits.len(),
                expected: literal.window * literal.inputs,
            });
        }
        let seed = Seed::random(rng);
        let mut bytes = Vec::with_capacity(self.params.request_bytes());
        for input in 0..literal.inputs {
            let start = (input * literal.window).min(bits.len());
            let end = (start + literal.window).min(bits.len());
            let part = bits.get(start..end).unwrap_or_default();
            let mut message = Secret::new(Poly::zero(scheme.ring.basis()));
            scheme.scale.encode_bits(part, message.expose_mut());
            let context = (input as u64).to_le_bytes();
            let block = scheme.encrypt(&self.secret, part, message, &context, &seed);
            bytes.extend(block.to_bytes());
        }
        Ok(bytes)
    }

    /// The forms of all answers, in order.
    ///
    /// # Errors
    /// Another number of answers; answers of other parameters or under another key.
    pub fn open(&self, answers: &[Answer]) -> Result<Secret<Vec<u64>>, ExactError> {
        super::super::scheme::length("answers", answers.len(), self.params.answers())?;
        let opened: Vec<_> = answers
            .iter()
            .map(|answer| self.params.scheme().open(&self.secret, answer))
            .collect::<Result<_, _>>()?;
        let layout = self.params.layout();
        let value = |form| {
            let (answer, cell) = layout.place(form);
            opened
                .get(answer)
                .and_then(|cells| cells.expose().get(cell).copied())
                .unwrap_or_default()
        };
        Ok(Secret::new((0..self.params.literal().forms).map(value).collect()))
    }

    /// The noise of all opened cells, in units of the flooding bound. For audits: it must not depend on the forms.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn residuals(&self, answer: &Answer) -> Result<Vec<f64>, ExactError> {
        self.params.scheme().residuals(&self.secret, answer)
    }

    /// The secret key, to measure noise with.
    #[cfg(test)]
    pub(super) const fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl ZeroizeOnDrop for FormKey {}
