//! The owner of the key: encrypt, make evaluation keys, open answers; and encryption by others with the public key.

use rand_core::CryptoRng;
use zeroize::ZeroizeOnDrop;

use super::ciphertext::ProductCiphertext;
use super::evaluate::{ProductEvaluator, coefficients, raised};
use super::params::ProductParams;
use crate::domain;
use crate::exact::answer::Answer;
use crate::exact::error::ExactError;
use crate::exact::galois::GaloisKeys;
use crate::exact::scale;
use crate::ring::{Coeff, Poly};
use crate::rlwe::codec::{HEADER_BYTES, Kind};
use crate::rlwe::key::{packed, poly_bytes, unpacked};
use crate::rlwe::{Ciphertext, PublicKey, SecretKey};
use crate::secret::Secret;
use crate::seed::Seed;

/// A key pair for products of one set of parameters. Wiped on drop, redacted; its seed is what its owner keeps.
#[derive(Clone, Debug)]
pub struct ProductKey {
    params: ProductParams,
    secret: SecretKey,
}

impl ProductKey {
    /// The key pair of a seed, which makes no other.
    pub fn generate(params: &ProductParams, seed: &Seed) -> Self {
        Self {
            params: params.clone(),
            secret: SecretKey::generate(&params.input().ring, seed),
        }
    }

    /// The public key, for who computes.
    pub const fn public(&self) -> &PublicKey {
        self.secret.public()
    }

    /// The bytes of the evaluation keys, for who computes: for products, and for rotations to the left by so many columns.
    pub fn evaluation_bytes(&self, rotations: &[usize], seed: &Seed) -> Vec<u8> {
        let seed = seed.derive(domain::EXACT_GALOIS, &self.public().id().0);
        let galois = self.params.galois();
        galois.write(&galois.generate(&self.secret, &self.params.exponents(rotations), &seed))
    }

    /// Encrypts numbers modulo `p`, slot by slot; slots left out are 0. Fresh randomness each time.
    ///
    /// # Errors
    /// More numbers than slots, or some not below `p`.
    pub fn encrypt(
        &self,
        numbers: &[u64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, ExactError> {
        let message = message(&self.params, numbers)?;
        let seed = Seed::random(rng);
        let plain = Secret::new(numbers.iter().map(|number| *number as i32).collect::<Vec<i32>>());
        let scheme = self.params.input();
        Ok(scheme
            .encrypt_numbers(&self.secret, plain.expose(), message, &[], &seed)
            .to_bytes())
    }

    /// The coefficients that an answer opens, numbers modulo `p`.
    ///
    /// # Errors
    /// An answer of other parameters or under another key.
    pub fn open(&self, answer: &Answer) -> Result<Secret<Vec<u64>>, ExactError> {
        self.params.output().open(&self.secret, answer)
    }

    /// The slots that an answer opens, where all coefficients are opened.
    ///
    /// # Errors
    /// An answer of other parameters or under another key, or of the sum of slots.
    pub fn open_slots(&self, answer: &Answer) -> Result<Secret<Vec<u64>>, ExactError> {
        let mut coefficients = self.open(answer)?;
        let words = coefficients.expose_mut();
        super::super::scheme::length("opened coefficients", words.len(), self.params.slots())?;
        self.params.transform().forward(words);
        let slot = |place: &usize| words.get(*place).copied().unwrap_or_default();
        Ok(Secret::new(self.params.slot_places().iter().map(slot).collect()))
    }

    /// The noise of all opened cells, in units of the flooding bound. For audits: it must not depend on the computation.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn residuals(&self, answer: &Answer) -> Result<Vec<f64>, ExactError> {
        self.params.output().residuals(&self.secret, answer)
    }

    #[cfg(test)]
    pub(super) const fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

impl ZeroizeOnDrop for ProductKey {}

/// The message whose phase, times `p`, is the numbers plus a multiple of `p`.
fn message(params: &ProductParams, numbers: &[u64]) -> Result<Secret<Poly<Coeff>>, ExactError> {
    let scheme = params.input();
    let plain = scheme.scale.plain();
    let mut words = coefficients(params, numbers)?;
    for word in words.expose_mut() {
        *word = plain.sub(0, *word);
    }
    Ok(scale::encoded(
        &scheme.scale,
        scheme.ring.basis(),
        words.expose(),
        1,
    ))
}

/// The public halves of somebody's key, read and checked: enough to encrypt for them and to compute under their key.
#[derive(Clone, Debug)]
pub struct ProductKeys {
    params: ProductParams,
    public: PublicKey,
    evaluation: GaloisKeys,
}

impl ProductKeys {
    /// Keys from their bytes.
    ///
    /// # Errors
    /// Bytes that are no such keys of these parameters; keys of two owners.
    pub fn read(
        params: &ProductParams,
        public: &[u8],
        evaluation: &[u8],
        rotations: &[usize],
    ) -> Result<Self, ExactError> {
        let public = PublicKey::from_bytes(&params.input().ring, public)?;
        let evaluation = params.galois().read(&params.exponents(rotations), evaluation)?;
        super::super::scheme::same_key(public.id(), evaluation.id())?;
        Ok(Self {
            params: params.clone(),
            public,
            evaluation,
        })
    }

    /// Who computes with these keys.
    ///
    /// # Errors
    /// None: they are checked.
    pub fn evaluator(&self) -> Result<ProductEvaluator, ExactError> {
        ProductEvaluator::new(&self.params, self.public.clone(), self.evaluation.clone())
    }
}

/// Encrypts for the owner of a key, without knowing it.
#[derive(Clone, Debug)]
pub struct ProductPublic {
    params: ProductParams,
    public: PublicKey,
}

impl ProductPublic {
    /// With a public key from its bytes.
    ///
    /// # Errors
    /// Bytes that are no public key of these parameters.
    pub fn read(params: &ProductParams, bytes: &[u8]) -> Result<Self, ExactError> {
        Ok(Self {
            params: params.clone(),
            public: PublicKey::from_bytes(&params.input().ring, bytes)?,
        })
    }

    /// Bytes of what it encrypts: both halves.
    pub fn bytes(params: &ProductParams) -> usize {
        HEADER_BYTES + 2 * poly_bytes(&params.input().ring)
    }

    /// Encrypts numbers modulo `p`, slot by slot; slots left out are 0.
    ///
    /// # Errors
    /// More numbers than slots, or some not below `p`.
    pub fn encrypt(
        &self,
        numbers: &[u64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, ExactError> {
        let message = message(&self.params, numbers)?;
        let body = self.public.encrypt(&message, &Seed::random(rng));
        let mut bytes = Vec::with_capacity(Self::bytes(&self.params));
        let header = self.params.input().header(Kind::Passed);
        header.write(self.public.id(), &mut bytes);
        bytes.extend(packed(&body.c0));
        bytes.extend(packed(&body.c1));
        Ok(bytes)
    }

    /// What was encrypted, for an evaluator of the same key.
    ///
    /// # Errors
    /// Bytes that are no such ciphertext of these parameters and this key.
    pub fn read_ciphertext(&self, bytes: &[u8]) -> Result<ProductCiphertext, ExactError> {
        let ring = &self.params.input().ring;
        let half = poly_bytes(ring);
        let header = self.params.input().header(Kind::Passed);
        let (key, rest) = header.read(bytes, 2 * half)?;
        super::super::scheme::same_key(self.public.id(), key)?;
        let (c0, c1) = rest.split_at(half);
        let body = Ciphertext {
            c0: unpacked(ring, c0)?,
            c1: unpacked(ring, c1)?,
        };
        let model = self.params.model();
        let body = raised(&self.params, body);
        Ok(ProductCiphertext::new(model.levels(), model.public(), Some(body)))
    }
}
