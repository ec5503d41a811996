//! The client's side of the real scheme: keys, encryption, decryption.

use hedgerow_crypto::ckks::{
    Ciphertext, Complex, Encoder, EvalKeys, KeyPlan, Params, SecretKey, SeededCiphertext,
};
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;

use super::{backend, signed};
use crate::scheme::{KeySet, SchemeError};

/// The client's side: the secret key.
pub struct CkksClient {
    params: Params,
    encoder: Encoder,
    secret: SecretKey,
}

/// The back end's name for a set of keys.
pub fn key_plan(keys: &KeySet) -> KeyPlan {
    let mut plan = KeyPlan::default();
    if let Some(level) = keys.relinearization {
        plan = plan.relinearization(level);
    }
    if let Some(level) = keys.conjugation {
        plan = plan.conjugation(level);
    }
    for (&step, &level) in &keys.rotations {
        plan = plan.rotation(signed(step), level);
    }
    plan
}

impl CkksClient {
    /// A client whose secret key comes from `seed`.
    pub fn new(params: &Params, seed: &Seed) -> Self {
        Self {
            params: params.clone(),
            encoder: Encoder::new(params),
            secret: SecretKey::generate(params, seed),
        }
    }

    /// The evaluation keys of a plan.
    ///
    /// # Errors
    /// A level that the parameters do not have.
    pub fn keys(&self, keys: &KeySet, rng: &mut (impl CryptoRng + ?Sized)) -> Result<EvalKeys, SchemeError> {
        self.secret.eval_keys(&key_plan(keys), rng).map_err(backend)
    }

    /// Encrypts the slots of one ciphertext at `level`.
    ///
    /// # Errors
    /// Too many values or too large ones, a level that there is not.
    pub fn encrypt(
        &self,
        level: usize,
        values: &[f64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SeededCiphertext, SchemeError> {
        let plain = self
            .encoder
            .encode_real(values, self.params.scale(level))
            .map_err(backend)?;
        self.secret.encrypt(&plain, level, rng).map_err(backend)
    }

    /// [`CkksClient::encrypt`] for complex values.
    ///
    /// # Errors
    /// As there.
    pub fn encrypt_complex(
        &self,
        level: usize,
        values: &[Complex],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SeededCiphertext, SchemeError> {
        let plain = self
            .encoder
            .encode_complex(values, self.params.scale(level))
            .map_err(backend)?;
        self.secret.encrypt(&plain, level, rng).map_err(backend)
    }

    /// The real parts of the slots of a ciphertext, for the owner of the key alone.
    ///
    /// # Errors
    /// A ciphertext of another key or of other parameters.
    pub fn decrypt(&self, ct: &Ciphertext) -> Result<Vec<f64>, SchemeError> {
        Ok(self
            .encoder
            .decode_real(&self.secret.decrypt(ct).map_err(backend)?))
    }

    /// [`CkksClient::decrypt`] with imaginary parts.
    ///
    /// # Errors
    /// As there.
    pub fn decrypt_complex(&self, ct: &Ciphertext) -> Result<Vec<Complex>, SchemeError> {
        Ok(self
            .encoder
            .decode_complex(&self.secret.decrypt(ct).map_err(backend)?))
    }
}
