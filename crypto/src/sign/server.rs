//! The server's side: keys from bytes, the sign, the washing.

use std::fmt;

use rand_core::CryptoRng;
use tfhe::core_crypto::algorithms::polynomial_algorithms::polynomial_karatsuba_wrapping_mul;
use tfhe::core_crypto::prelude::{
    FourierLweBootstrapKey, FourierLweBootstrapKeyOwned, GlweCiphertext, GlweKeyswitchKey,
    GlweKeyswitchKeyOwned, LweCiphertext, LweKeyswitchKeyOwned, Polynomial, SeededGlweCiphertext,
    SeededLweBootstrapKey, SeededLweKeyswitchKey, keyswitch_glwe_ciphertext, keyswitch_lwe_ciphertext,
    par_convert_standard_lwe_bootstrap_key_to_fourier, programmable_bootstrap_lwe_ciphertext,
};

use super::codec;
use super::error::SignError;
use super::key::{header, name};
use super::material::{LARGE, ONE_SIZE, PublicStart, SMALL, SMALL_SIZE, TORUS, constant_sample, start};
use super::noise::FAILURE_LOG2;
use super::params::{
    ANSWER_BITS, BOOTSTRAP, BOOTSTRAP_BYTES, BOOTSTRAP_WORDS, DIGIT, ENTRY, GLWE_NOISE_LOG2, POLYNOMIAL,
    SEED_BYTES, SOAK, SWITCH, SWITCH_BYTES, SWITCH_WORDS, SignParams, WASHES, WINDOW,
};
use crate::domain;
use crate::ring::sample::uniform_up_to;
use crate::ring::xof::Xof;
use crate::rlwe::codec::{CodecError, HEADER_BYTES, Kind};
use crate::rlwe::{KeyId, LweSample};
use crate::secret::Secret;
use crate::seed::Seed;

/// One quarter of the torus.
const QUARTER: u64 = 1 << 62;

/// A client's keys at the server.
pub struct SignKeys {
    params: SignParams,
    id: KeyId,
    public: [Vec<u64>; 2],
    entry: GlweKeyswitchKeyOwned<u64>,
    switch: LweKeyswitchKeyOwned<u64>,
    bootstrap: FourierLweBootstrapKeyOwned,
}

impl SignKeys {
    /// The keys from a client's bytes, which may be anything: all parameters are those of the server, and any numbers of
    /// the right count are keys, of nobody perhaps. Takes a few times [`SignParams::key_memory`] while it reads.
    ///
    /// # Errors
    /// Another length or other parameters.
    pub fn read(params: &SignParams, bytes: &[u8]) -> Result<Self, SignError> {
        let (id, rest) = header(params, Kind::SignKeys).read(bytes, params.key_bytes() - HEADER_BYTES)?;
        let mut rest = Rest(rest);
        let public_start = rest.start()?;
        let body = codec::unpack(rest.split(8 * POLYNOMIAL)?, 8);
        name(public_start, &body).check(id)?;
        let public = SeededGlweCiphertext::from_container(body, ONE_SIZE, start(public_start).into(), TORUS)
            .decompress_into_glwe_ciphertext();
        let (mask, body) = public.as_ref().split_at(POLYNOMIAL);
        let public = [mask.to_vec(), body.to_vec()];
        let entry = GlweKeyswitchKey::from_container(
            codec::unpack(rest.split(8 * params.entry_words())?, 8),
            ENTRY.base(),
            ENTRY.count(),
            ONE_SIZE,
            LARGE,
            TORUS,
        );
        let switch_start = rest.start()?;
        let switch = codec::unpack(rest.split(SWITCH_WORDS * SWITCH_BYTES)?, SWITCH_BYTES);
        let switch = SeededLweKeyswitchKey::from_container(
            switch,
            SWITCH.base(),
            SWITCH.count(),
            SMALL_SIZE,
            start(switch_start).into(),
            TORUS,
        );
        let bootstrap_start = rest.start()?;
        let bootstrap = codec::unpack(rest.split(BOOTSTRAP_WORDS * BOOTSTRAP_BYTES)?, BOOTSTRAP_BYTES);
        let standard = SeededLweBootstrapKey::from_container(
            bootstrap,
            ONE_SIZE,
            LARGE,
            BOOTSTRAP.base(),
            BOOTSTRAP.count(),
            start(bootstrap_start).into(),
            TORUS,
        )
        .par_decompress_into_lwe_bootstrap_key();
        let mut bootstrap =
            FourierLweBootstrapKey::new(SMALL, ONE_SIZE, LARGE, BOOTSTRAP.base(), BOOTSTRAP.count());
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        Ok(Self {
            params: *params,
            id,
            public,
            entry,
            switch: switch.par_decompress_into_lwe_keyswitch_key(),
            bootstrap,
        })
    }

    /// The parameters.
    pub const fn params(&self) -> &SignParams {
        &self.params
    }

    /// Whose they are.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The encrypted answer to `m < threshold`, for a sample of `m / 2^P` with noise of this standard deviation (both of its
    /// modulus) under the ternary key that the keys were made for; `m - threshold` is in `-2^(P-1) .. 2^(P-1)`.
    ///
    /// # Errors
    /// A sample of another dimension; noise that would make more than one sign of `2^64` wrong.
    pub fn is_below(
        &self,
        sample: &LweSample,
        deviation: f64,
        threshold: i64,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, SignError> {
        let actual = self.params.failure_log2(deviation);
        if actual.is_nan() || actual > FAILURE_LOG2 {
            let expected = FAILURE_LOG2;
            return Err(SignError::Failure { actual, expected });
        }
        let mut number = self.entered(sample)?;
        self.shift(&mut number, threshold);
        let number = self.floored(number);
        let answer = self.washed(self.sign(&number), rng);
        let mut bytes = Vec::with_capacity(self.params.answer_bytes());
        header(&self.params, Kind::SignAnswer).write(self.id, &mut bytes);
        codec::pack(&answer, ANSWER_BITS as usize / 8, &mut bytes);
        Ok(bytes)
    }

    /// A sample under the large key, modulo `2^64`.
    pub(super) fn entered(&self, sample: &LweSample) -> Result<Vec<u64>, SignError> {
        let (actual, expected) = (sample.mask.len(), self.params.literal().dimension);
        if actual != expected || sample.modulus == 0 {
            return Err(SignError::Dimension { actual, expected });
        }
        let modulus = u128::from(sample.modulus);
        let scaled = |word: u64| (((u128::from(word) << 64) + modulus / 2) / modulus) as u64;
        // `b - <a, s>` there, `b + <a, s>` here.
        let mask: Vec<u64> = sample
            .mask
            .iter()
            .map(|word| scaled(*word).wrapping_neg())
            .collect();
        let mut words = Vec::with_capacity(expected + POLYNOMIAL);
        for chunk in mask.chunks_exact(POLYNOMIAL) {
            words.extend(constant_sample(chunk));
        }
        words.push(scaled(sample.body));
        words.resize(expected + POLYNOMIAL, 0);
        let input = GlweCiphertext::from_container(words, LARGE, TORUS);
        let mut output = GlweCiphertext::new(0, ONE_SIZE, LARGE, TORUS);
        keyswitch_glwe_ciphertext(&self.entry, &input, &mut output);
        let (mask, body) = output.as_ref().split_at(POLYNOMIAL);
        Ok(constant_sample(mask).chain(body.first().copied()).collect())
    }

    /// Subtracts a threshold, and moves numbers to the middles of their places.
    pub(super) fn shift(&self, number: &mut [u64], threshold: i64) {
        let place = 64 - self.params.literal().precision;
        if let Some(body) = number.last_mut() {
            let moved = (threshold as u64) << place;
            *body = body.wrapping_sub(moved).wrapping_add(1 << (place - 1));
        }
    }

    /// Clears the low digits, until the sign is in the highest of [`WINDOW`] bits at most.
    pub(super) fn floored(&self, mut number: Vec<u64>) -> Vec<u64> {
        let mut rest = self.params.literal().precision;
        while rest > WINDOW {
            let digit = self.digit(&number, rest);
            number
                .iter_mut()
                .zip(&digit)
                .for_each(|(word, digit)| *word = word.wrapping_sub(*digit));
            rest -= DIGIT;
        }
        number
    }

    /// The lowest digit of a number of `rest` bits, centred, in its place.
    fn digit(&self, number: &[u64], rest: u32) -> Vec<u64> {
        let mut window: Vec<u64> = number.iter().map(|word| word << (rest - WINDOW)).collect();
        // 1/4 in the lower half, -1/4 in the upper: less 1/4, nothing or a half, and a half is its own negative.
        let sign = self.sign(&window);
        window
            .iter_mut()
            .zip(&sign)
            .for_each(|(word, sign)| *word = word.wrapping_add(*sign));
        if let Some(body) = window.last_mut() {
            *body = body.wrapping_sub(QUARTER);
        }
        let boxes = 1_u64 << DIGIT;
        let width = POLYNOMIAL as u64 / boxes;
        // `(j + 1/2 - 8) / 2^rest`.
        let place = 63 - rest;
        let value = |index: u64| (2 * (index / width) + 1).wrapping_sub(boxes) << place;
        self.bootstrapped(&window, (0..POLYNOMIAL as u64).map(value).collect())
    }

    /// 1/4 where the phase is in the lower half of the torus, 3/4 where it is in the upper.
    pub(super) fn sign(&self, number: &[u64]) -> Vec<u64> {
        self.bootstrapped(number, vec![QUARTER; POLYNOMIAL])
    }

    /// Looks the phase up: entry `i` for phases around `i / 2 N`, its negative for those half a turn further.
    fn bootstrapped(&self, number: &[u64], table: Vec<u64>) -> Vec<u64> {
        let small = LweCiphertext::from_container(self.switched(number), TORUS);
        let mut accumulator = vec![0; POLYNOMIAL];
        accumulator.extend(table);
        let accumulator = GlweCiphertext::from_container(accumulator, LARGE, TORUS);
        let mut output = LweCiphertext::from_container(vec![0; POLYNOMIAL + 1], TORUS);
        programmable_bootstrap_lwe_ciphertext(&small, &mut output, &accumulator, &self.bootstrap);
        output.into_container()
    }

    /// The same number under the small key.
    pub(super) fn switched(&self, number: &[u64]) -> Vec<u64> {
        let mut small = LweCiphertext::from_container(vec![0; SMALL_SIZE.0], TORUS);
        let number = LweCiphertext::from_container(number, TORUS);
        keyswitch_lwe_ciphertext(&self.switch, &number, &mut small);
        small.into_container()
    }

    /// Soaks, bootstraps, and soaks again.
    fn washed(&self, mut sign: Vec<u64>, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u64> {
        for _ in 0..WASHES {
            self.soak(&mut sign, rng);
            sign = self.sign(&sign);
        }
        self.soak(&mut sign, rng);
        sign
    }

    /// Adds an encryption of zero with the public key, and a uniform number.
    pub(super) fn soak(&self, sign: &mut [u64], rng: &mut (impl CryptoRng + ?Sized)) {
        let mut xof = Xof::new(&Seed::random(rng), domain::SIGN_SOAK, &[]);
        let mut noise = || (xof.word() >> (63 - GLWE_NOISE_LOG2)).wrapping_sub(1 << GLWE_NOISE_LOG2);
        let errors: Secret<Vec<u64>> = Secret::new((0..=POLYNOMIAL).map(|_| noise()).collect());
        let choice: Secret<Vec<u64>> = Secret::new((0..POLYNOMIAL).map(|_| xof.word() >> 63).collect());
        let flood = uniform_up_to(2 * u128::from(SOAK), &mut xof) as u64;
        let [mask, body] = &self.public;
        let mut product = Polynomial::new(0_u64, LARGE);
        let choice = Polynomial::from_container(choice.expose().as_slice());
        polynomial_karatsuba_wrapping_mul(
            &mut product,
            &Polynomial::from_container(mask.as_slice()),
            &choice,
        );
        let mut zero: Secret<Vec<u64>> = Secret::new(product.as_ref().to_vec());
        for (word, error) in zero.expose_mut().iter_mut().zip(errors.expose()) {
            *word = word.wrapping_add(*error);
        }
        let constant = constant_sample(body)
            .zip(choice.as_ref())
            .fold(0_u64, |sum, (b, v)| sum.wrapping_add(b.wrapping_mul(*v)));
        let last = errors.expose().last().copied().unwrap_or_default();
        let constant = constant.wrapping_add(last).wrapping_add(flood).wrapping_sub(SOAK);
        let zero = constant_sample(zero.expose()).chain([constant]);
        sign.iter_mut()
            .zip(zero)
            .for_each(|(word, zero)| *word = word.wrapping_add(zero));
    }
}

impl fmt::Debug for SignKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignKeys({})", self.id)
    }
}

/// Bytes not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn split(&mut self, count: usize) -> Result<&'a [u8], SignError> {
        let (first, rest) = self.0.split_at_checked(count).ok_or(CodecError::Length {
            actual: self.0.len(),
            expected: count,
        })?;
        self.0 = rest;
        Ok(first)
    }

    fn start(&mut self) -> Result<PublicStart, SignError> {
        let mut start = [0; SEED_BYTES];
        start.copy_from_slice(self.split(SEED_BYTES)?);
        Ok(start)
    }
}
