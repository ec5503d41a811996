//! Secret and public keys.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::ciphertext::{Ciphertext, SeededCiphertext};
use super::error::CkksError;
use super::params::Params;
use super::plaintext::{Decrypted, Plaintext};
use crate::domain;
use crate::ring::simd;
use crate::ring::xof::Xof;
use crate::ring::{Coeff, Eval, Poly, RnsBasis, sample};
use crate::rlwe::KeyId;
use crate::rlwe::key::PublicSeed;
use crate::secret::Secret;
use crate::seed::Seed;

/// A secret key: a uniform ternary polynomial. Wiped on drop, redacted, never serialised; the seed it came from is what a
/// client keeps.
#[derive(Clone)]
pub struct SecretKey {
    params: Params,
    id: KeyId,
    /// Modulo all primes.
    values: Secret<Poly<Eval>>,
}

impl SecretKey {
    /// The key of a seed. One seed and one set of parameters give one key.
    pub fn generate(params: &Params, seed: &Seed) -> Self {
        let digest = params.digest();
        let secret = sample::ternary(
            params.full(),
            &mut Xof::new(seed, domain::RLWE_SECRET, digest.as_bytes()),
        );
        let name = seed.derive(domain::CKKS_KEY_ID, digest.as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&name.expose_bytes()[..8]);
        Self {
            params: params.clone(),
            id: KeyId(id),
            values: Secret::new(secret.into_eval()),
        }
    }

    /// The key's name, which is no secret.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The key's values modulo all primes.
    pub(super) const fn values(&self) -> &Secret<Poly<Eval>> {
        &self.values
    }

    /// The public key of a seed that was drawn for it, for who encrypts without the secret key.
    pub fn public_key(&self, rng: &mut (impl CryptoRng + ?Sized)) -> PublicKey {
        let seed = Seed::random(rng);
        let basis = self.params.basis(self.params.levels());
        let zero = Secret::new(Poly::zero(basis));
        let (b, public_seed) = self.encrypt_poly(zero, &seed);
        PublicKey {
            params: self.params.clone(),
            id: self.id,
            a: uniform_half(basis, &public_seed),
            b,
            seed: public_seed,
        }
    }

    /// Encrypts at a level: the second half is uniform, expanded from 32 bytes.
    ///
    /// # Errors
    /// A plaintext of another degree, or no such level.
    pub fn encrypt(
        &self,
        plaintext: &Plaintext,
        level: usize,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SeededCiphertext, CkksError> {
        let message = message(&self.params, plaintext, level)?;
        let (b, seed) = self.encrypt_poly(message, &Seed::random(rng));
        Ok(SeededCiphertext {
            params: self.params.digest(),
            key: self.id,
            scale: plaintext.scale,
            b,
            seed,
        })
    }

    /// `(message + e - a s, seed of a)` with the randomness of a seed that is used for nothing else.
    pub(super) fn encrypt_poly(&self, message: Secret<Poly<Coeff>>, seed: &Seed) -> (Poly<Eval>, PublicSeed) {
        let basis = message.expose().basis();
        let public_seed = *seed.derive(domain::RLWE_PUBLIC_SEED, &[]).expose_bytes();
        let mut b = sample::noise(basis, &mut Xof::new(seed, domain::RLWE_NOISE, &[]));
        b.add_assign(message.expose());
        let mut b = b.into_eval();
        let mut a = uniform_half(basis, &public_seed);
        // -a s + message + e
        for (index, (limb, words)) in a.limbs_mut().enumerate() {
            simd::mul(words, self.values.expose().limb(index), limb.reducer());
        }
        b.sub_assign(&a);
        a.zeroize();
        (b, public_seed)
    }

    /// Message and noise. For the owner of the key alone: to show a result to others, decode it with
    /// [`Encoder::decode_public`](super::Encoder::decode_public).
    ///
    /// # Errors
    /// A ciphertext of other parameters or under another key.
    pub fn decrypt(&self, ciphertext: &Ciphertext) -> Result<Decrypted, CkksError> {
        self.params.check("a ciphertext", ciphertext.params())?;
        if ciphertext.key() != self.id {
            return Err(CkksError::Key {
                what: "a ciphertext",
                actual: ciphertext.key(),
                expected: self.id,
            });
        }
        // What a slot may hold at level 0 it may hold at every level: further primes say nothing new.
        let room = ciphertext.scale().log2() + self.params.log2_q(0) - self.params.scale(0).log2();
        let level = (0..ciphertext.level())
            .find(|level| self.params.log2_q(*level) >= room - 0.5)
            .unwrap_or(ciphertext.level());
        let basis = self.params.basis(level);
        let mut phase = Secret::new(Poly::<Eval>::zero(basis));
        for (index, (limb, words)) in phase.expose_mut().limbs_mut().enumerate() {
            // Horner's rule in the secret key.
            for part in ciphertext.parts().iter().rev() {
                simd::mul(words, self.values.expose().limb(index), limb.reducer());
                simd::add(words, part.limb(index), limb.reducer());
            }
        }
        let phase = Secret::new(std::mem::replace(phase.expose_mut(), Poly::zero(basis)).into_coeff());
        Ok(Decrypted {
            coefficients: Secret::new(composed(phase.expose())),
            scale: ciphertext.scale(),
        })
    }
}

impl ZeroizeOnDrop for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, redacted)", self.id)
    }
}

/// A public key `(b, a)` with `b + a s` small. `a` is expanded from a seed and never sent.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) params: Params,
    pub(super) id: KeyId,
    pub(super) b: Poly<Eval>,
    pub(super) a: Poly<Eval>,
    pub(super) seed: PublicSeed,
}

impl PublicKey {
    /// The name of the secret key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Encrypts at a level: `(b v + e0 + message, a v + e1)` with ternary `v`.
    ///
    /// # Errors
    /// A plaintext of another degree, or no such level.
    pub fn encrypt(
        &self,
        plaintext: &Plaintext,
        level: usize,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Ciphertext, CkksError> {
        let message = message(&self.params, plaintext, level)?;
        let basis = message.expose().basis();
        let seed = Seed::random(rng);
        let mut xof = Xof::new(&seed, domain::RLWE_ENCRYPT, &[]);
        let v = Secret::new(sample::ternary(basis, &mut xof).into_eval());
        let mut c0 = sample::noise(basis, &mut xof);
        c0.add_assign(message.expose());
        let (mut c0, mut c1) = (c0.into_eval(), sample::noise(basis, &mut xof).into_eval());
        for (half, key) in [(&mut c0, &self.b), (&mut c1, &self.a)] {
            for (index, (limb, words)) in half.limbs_mut().enumerate() {
                simd::mul_add(words, key.limb(index), v.expose().limb(index), limb.reducer());
            }
        }
        Ok(Ciphertext::new(
            self.params.digest(),
            self.id,
            plaintext.scale,
            vec![c0, c1],
        ))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

/// The uniform polynomial of a public seed.
pub(super) fn uniform_half(basis: &std::sync::Arc<RnsBasis>, seed: &PublicSeed) -> Poly<Eval> {
    let seed = Seed::from_bytes(*seed);
    sample::uniform(basis, &mut Xof::new(&seed, domain::RLWE_UNIFORM, &[]))
}

fn message(params: &Params, plaintext: &Plaintext, level: usize) -> Result<Secret<Poly<Coeff>>, CkksError> {
    params.check_level("a fresh ciphertext", level)?;
    if plaintext.coefficients.len() != params.degree() {
        return Err(CkksError::Length {
            what: "coefficients of a plaintext",
            actual: plaintext.coefficients.len(),
            expected: params.degree(),
        });
    }
    let mut message = Secret::new(Poly::zero(params.basis(level)));
    for (limb, words) in message.expose_mut().limbs_mut() {
        simd::reduce_signed(words, &plaintext.coefficients, limb.reducer());
    }
    Ok(message)
}

/// The centred numbers of a polynomial's residues, rounded to doubles. In the mixed-radix digits of the primes, each
/// centred, nothing cancels: `d_0 + d_1 q_0 + d_2 q_0 q_1 ..` is the centred number.
fn composed(poly: &Poly<Coeff>) -> Vec<f64> {
    let basis = poly.basis();
    let limbs = basis.limbs();
    let degree = basis.degree();
    let mut digits = poly.clone();
    let mut numbers = vec![0.0; degree];
    let mut product = 1.0;
    for index in 0..limbs.len() {
        let (read, rest) = digits.words_mut().split_at_mut((index + 1) * degree);
        let digit = &read[index * degree..];
        let prime = limbs[index].modulo().modulus();
        let half = prime / 2;
        for (number, digit) in numbers.iter_mut().zip(digit) {
            let centred = *digit as i64 - (prime as i64 & -i64::from(*digit > half));
            *number += centred as f64 * product;
        }
        product *= prime as f64;
        for (limb, words) in limbs[index + 1..].iter().zip(rest.chunks_exact_mut(degree)) {
            let modulo = limb.modulo();
            let inverse = modulo.factor(modulo.inverse(prime % modulo.modulus()));
            let wrap = prime % modulo.modulus();
            for (word, digit) in words.iter_mut().zip(digit) {
                let subtracted = modulo.sub(*word, digit % modulo.modulus());
                let wrap = wrap & u64::from(*digit > half).wrapping_neg();
                *word = modulo.scale(modulo.add(subtracted, wrap), inverse);
            }
        }
    }
    digits.zeroize();
    numbers
}
