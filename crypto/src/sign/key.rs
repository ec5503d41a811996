//! The client's side: keys, bytes of what the server gets, opening.

use tfhe::core_crypto::prelude::{
    GlweKeyswitchKey, GlweSecretKey, LweSecretKey, PlaintextCount, PlaintextList, SeededGlweCiphertext,
    SeededLweBootstrapKey, SeededLweKeyswitchKey, encrypt_seeded_glwe_ciphertext,
    generate_glwe_keyswitch_key, generate_seeded_lwe_keyswitch_key, par_generate_seeded_lwe_bootstrap_key,
};
use zeroize::ZeroizeOnDrop;

use super::codec;
use super::error::SignError;
use super::material::{
    LARGE, ONE, ONE_SIZE, PublicStart, SMALL, TORUS, derived, generator, large_noise, seeder, small_noise,
    start,
};
use super::params::{
    ANSWER_BITS, BOOTSTRAP, BOOTSTRAP_BYTES, ENTRY, LWE_DIMENSION, POLYNOMIAL, SWITCH, SWITCH_BYTES,
    SignParams,
};
use crate::domain;
use crate::hash::hash;
use crate::ring::xof::Xof;
use crate::rlwe::KeyId;
use crate::rlwe::codec::{Header, Kind};
use crate::secret::Secret;
use crate::seed::Seed;

/// A client's secret keys for signs. Wiped on drop, redacted; its seed is what a client keeps. Copies that `tfhe` makes
/// while it generates what the server gets are not wiped.
#[derive(Clone, Debug)]
pub struct SignKey {
    params: SignParams,
    seed: Seed,
    small: Secret<Vec<u64>>,
    large: Secret<Vec<u64>>,
    public: Vec<u64>,
    id: KeyId,
}

impl SignKey {
    /// The keys of a seed, which makes no others.
    pub fn generate(params: &SignParams, seed: &Seed) -> Self {
        let small = bits(seed, b"small", LWE_DIMENSION);
        let large = bits(seed, b"large", POLYNOMIAL);
        let public_start = Self::start(seed, b"public");
        let mut public = SeededGlweCiphertext::new(0, ONE_SIZE, LARGE, start(public_start).into(), TORUS);
        encrypt_seeded_glwe_ciphertext(
            &GlweSecretKey::from_container(large.expose().as_slice(), LARGE),
            &mut public,
            &PlaintextList::new(0, PlaintextCount(POLYNOMIAL)),
            large_noise(),
            &mut seeder(seed, domain::SIGN_NOISE, b"public"),
        );
        let public: Vec<u64> = public.get_body().as_ref().to_vec();
        Self {
            params: *params,
            id: name(public_start, &public),
            seed: seed.clone(),
            small,
            large,
            public,
        }
    }

    fn start(seed: &Seed, what: &[u8]) -> PublicStart {
        derived(seed, domain::SIGN_MASK, what)
    }

    /// The parameters.
    pub const fn params(&self) -> &SignParams {
        &self.params
    }

    /// Names the keys.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What the server gets, for samples under this ternary key: seconds of computing, the same bytes each time.
    ///
    /// Header; seed and body of the public key; the key from the ternary key to the large one; seed and bodies of the key
    /// from the large key to the small one; seed and bodies of the bootstrapping key.
    ///
    /// # Errors
    /// A ternary key of another dimension.
    pub fn server_bytes(&self, ternary: &Secret<Vec<i64>>) -> Result<Vec<u8>, SignError> {
        let expected = self.params.literal().dimension;
        let actual = ternary.expose().len();
        if actual != expected {
            return Err(SignError::Dimension { actual, expected });
        }
        let seed = &self.seed;
        let small = LweSecretKey::from_container(self.small.expose().as_slice());
        let large = GlweSecretKey::from_container(self.large.expose().as_slice(), LARGE);
        let noise = |what: &[u8]| seeder(seed, domain::SIGN_NOISE, what);
        let mut bytes = Vec::with_capacity(self.params.key_bytes());
        header(&self.params, Kind::SignKeys).write(self.id, &mut bytes);
        bytes.extend(Self::start(seed, b"public"));
        codec::pack(&self.public, 8, &mut bytes);

        let words = ternary.expose().iter().map(|word| *word as u64).collect();
        let words: Secret<Vec<u64>> = Secret::new(words);
        let mut entry = GlweKeyswitchKey::new(
            0,
            ENTRY.base(),
            ENTRY.count(),
            tfhe::core_crypto::prelude::GlweDimension(self.params.polynomials()),
            ONE,
            LARGE,
            TORUS,
        );
        generate_glwe_keyswitch_key(
            &GlweSecretKey::from_container(words.expose().as_slice(), LARGE),
            &large,
            &mut entry,
            large_noise(),
            &mut generator(Self::start(seed, b"entry"), &mut noise(b"entry")),
        );
        codec::pack(entry.as_ref(), 8, &mut bytes);

        let switch_start = Self::start(seed, b"switch");
        let mut switch = SeededLweKeyswitchKey::new(
            0,
            SWITCH.base(),
            SWITCH.count(),
            large.as_lwe_secret_key().lwe_dimension(),
            SMALL,
            start(switch_start).into(),
            TORUS,
        );
        generate_seeded_lwe_keyswitch_key(
            &large.as_lwe_secret_key(),
            &small,
            &mut switch,
            small_noise(),
            &mut noise(b"switch"),
        );
        bytes.extend(switch_start);
        codec::pack(switch.as_ref(), SWITCH_BYTES, &mut bytes);

        let bootstrap_start = Self::start(seed, b"bootstrap");
        let mut bootstrap = SeededLweBootstrapKey::new(
            0,
            ONE_SIZE,
            LARGE,
            BOOTSTRAP.base(),
            BOOTSTRAP.count(),
            SMALL,
            start(bootstrap_start).into(),
            TORUS,
        );
        par_generate_seeded_lwe_bootstrap_key(
            &small,
            &large,
            &mut bootstrap,
            large_noise(),
            &mut noise(b"bootstrap"),
        );
        bytes.extend(bootstrap_start);
        codec::pack(bootstrap.as_ref(), BOOTSTRAP_BYTES, &mut bytes);
        Ok(bytes)
    }

    /// Whether the number of an answer is negative.
    ///
    /// # Errors
    /// Bytes that are no answer of these parameters under this key.
    pub fn open(&self, answer: &[u8]) -> Result<bool, SignError> {
        Ok(self.phase(answer)? > 0.5)
    }

    /// Message and noise of an answer, in `0.0 .. 1.0`: 1/4 where the number is not negative, 3/4 where it is. For audits:
    /// what is off must not depend on the number.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn phase(&self, answer: &[u8]) -> Result<f64, SignError> {
        let length = self.params.answer_bytes() - crate::rlwe::codec::HEADER_BYTES;
        let (id, rest) = header(&self.params, Kind::SignAnswer).read(answer, length)?;
        self.id.check(id)?;
        let words = codec::unpack(rest, ANSWER_BITS as usize / 8);
        let phase = self.large_phase(&words);
        Ok(phase as f64 / 2.0_f64.powi(64))
    }

    /// `b - <a, s>` under the large key.
    pub(super) fn large_phase(&self, sample: &[u64]) -> u64 {
        phase(self.large.expose(), sample)
    }

    /// `b - <a, s>` under the small key.
    #[cfg(test)]
    pub(super) fn small_phase(&self, sample: &[u64]) -> u64 {
        phase(self.small.expose(), sample)
    }
}

impl ZeroizeOnDrop for SignKey {}

fn phase(key: &[u64], sample: &[u64]) -> u64 {
    let body = sample.get(key.len()).copied().unwrap_or_default();
    let terms = key.iter().zip(sample).map(|(s, a)| s.wrapping_mul(*a));
    terms.fold(body, u64::wrapping_sub)
}

/// Uniform bits.
fn bits(seed: &Seed, what: &[u8], count: usize) -> Secret<Vec<u64>> {
    let mut xof = Xof::new(seed, domain::SIGN_SECRET, what);
    let mut bits = Secret::new(vec![0; count]);
    bits.expose_mut()
        .iter_mut()
        .for_each(|bit| *bit = xof.word() >> 63);
    bits
}

/// The first 8 bytes of the hash of the public key.
pub(super) fn name(start: PublicStart, body: &[u64]) -> KeyId {
    let mut bytes = Vec::with_capacity(8 * body.len());
    codec::pack(body, 8, &mut bytes);
    let digest = hash(domain::SIGN_KEY_ID, &[&start, &bytes]);
    let mut id = [0; 8];
    id.iter_mut()
        .zip(digest.as_ref() as &[u8])
        .for_each(|(to, from)| *to = *from);
    KeyId(id)
}

pub(super) fn header(params: &SignParams, kind: Kind) -> Header {
    Header {
        kind,
        degree: POLYNOMIAL,
        primes: params.polynomials(),
        cells: params.literal().precision,
        plaintext: 0,
    }
}
