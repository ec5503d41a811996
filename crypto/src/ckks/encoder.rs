//! Numbers to polynomials and back.

use std::sync::Arc;

use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::error::CkksError;
use super::fft::{Complex, Fft};
use super::parallel;
use super::params::Params;
use super::plaintext::{Decrypted, Plaintext, PreparedPlaintext};
use crate::ring::simd;
use crate::ring::{Poly, RnsBasis};

/// `log2` of what coefficients stay below.
const LIMIT_LOG2: f64 = 61.0;

/// Encodes vectors of up to `N / 2` numbers into the slots of a polynomial. Slots that are left out are 0.
#[derive(Clone, Debug)]
pub struct Encoder {
    params: Params,
    fft: Arc<Fft>,
}

impl Encoder {
    /// The encoder of a ring.
    pub fn new(params: &Params) -> Self {
        Self {
            params: params.clone(),
            fft: Arc::new(Fft::new(params.slots())),
        }
    }

    /// The ring.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Encodes real numbers: `round(scale * numbers)`, with an error of about `2^-53` of the largest number and of
    /// `sqrt(N / 12) / scale` (standard deviation) in each slot.
    ///
    /// # Errors
    /// More numbers than slots; numbers that are not finite or, times the scale, exceed `2^61`.
    pub fn encode_real(&self, numbers: &[f64], scale: f64) -> Result<Plaintext, CkksError> {
        let mut re = vec![0.0; self.params.slots()];
        self.slots(numbers.len())?;
        re[..numbers.len()].copy_from_slice(numbers);
        self.encode(re, vec![0.0; self.params.slots()], scale)
    }

    /// As [`encode_real`](Self::encode_real) for complex numbers.
    ///
    /// # Errors
    /// As [`encode_real`](Self::encode_real).
    pub fn encode_complex(&self, numbers: &[Complex], scale: f64) -> Result<Plaintext, CkksError> {
        self.slots(numbers.len())?;
        let (mut re, mut im) = (vec![0.0; self.params.slots()], vec![0.0; self.params.slots()]);
        for ((re, im), number) in re.iter_mut().zip(&mut im).zip(numbers) {
            (*re, *im) = (number.re, number.im);
        }
        self.encode(re, im, scale)
    }

    /// Encodes one real number into every slot: one coefficient.
    ///
    /// # Errors
    /// A number that is not finite or, times the scale, exceeds `2^61`.
    pub fn encode_scalar(&self, number: f64, scale: f64) -> Result<Plaintext, CkksError> {
        let mut coefficients = vec![0; self.params.degree()];
        coefficients[0] = scaled(number, scale)?;
        Ok(Plaintext { coefficients, scale })
    }

    fn slots(&self, numbers: usize) -> Result<(), CkksError> {
        if numbers <= self.params.slots() {
            return Ok(());
        }
        Err(CkksError::Length {
            what: "numbers",
            actual: numbers,
            expected: self.params.slots(),
        })
    }

    fn encode(&self, re: Vec<f64>, im: Vec<f64>, scale: f64) -> Result<Plaintext, CkksError> {
        let coefficients = coefficients(&self.fft, re, im, scale)?;
        Ok(Plaintext { coefficients, scale })
    }

    /// The coefficients of the polynomial, of degree below twice as many, that has these numbers in its slots.
    pub(super) fn coefficients(numbers: &[Complex], scale: f64) -> Result<Vec<i64>, CkksError> {
        let parts = |part: fn(&Complex) -> f64| numbers.iter().map(part).collect();
        coefficients(
            &Fft::new(numbers.len()),
            parts(|number| number.re),
            parts(|number| number.im),
            scale,
        )
    }

    /// Transforms a plaintext for products and sums with ciphertexts up to a level.
    ///
    /// # Errors
    /// A plaintext of another degree, or no such level.
    pub fn prepare(&self, plaintext: &Plaintext, level: usize) -> Result<PreparedPlaintext, CkksError> {
        self.params.check_level("a plaintext", level)?;
        self.prepare_over(plaintext, self.params.basis(level))
    }

    /// As [`prepare`](Self::prepare) modulo the special primes too, for linear transforms.
    pub(super) fn prepare_over(
        &self,
        plaintext: &Plaintext,
        basis: &Arc<RnsBasis>,
    ) -> Result<PreparedPlaintext, CkksError> {
        let degree = self.params.degree();
        if plaintext.coefficients.len() != degree {
            return Err(CkksError::Length {
                what: "coefficients of a plaintext",
                actual: plaintext.coefficients.len(),
                expected: degree,
            });
        }
        let mut values = Poly::zero(basis);
        let words = values.words().len();
        let tasks = basis
            .limbs()
            .iter()
            .zip(values.words_mut().chunks_exact_mut(degree));
        parallel::for_each(words, tasks, |(limb, words)| {
            simd::reduce_signed(words, &plaintext.coefficients, limb.reducer());
            limb.ntt().forward(words);
        });
        Ok(PreparedPlaintext {
            values,
            scale: plaintext.scale,
            params: self.params.digest(),
        })
    }

    /// The numbers of all slots. For the owner of the key alone: see [`decode_public`](Self::decode_public).
    pub fn decode_complex(&self, decrypted: &Decrypted) -> Vec<Complex> {
        let (re, im) = self.decode(decrypted);
        re.into_iter()
            .zip(im)
            .map(|(re, im)| Complex { re, im })
            .collect()
    }

    /// The real parts of all slots. For the owner of the key alone: see [`decode_public`](Self::decode_public).
    pub fn decode_real(&self, decrypted: &Decrypted) -> Vec<f64> {
        self.decode(decrypted).0
    }

    /// The real parts of all slots, to be shown to others: uniform noise of `+- 2^-precision_bits` is added and the sum
    /// rounded to multiples of `2^-precision_bits`.
    ///
    /// What the recipient sees of a computation whose error is below `e` in every slot then has a statistical distance
    /// of at most `e 2^precision_bits / 2` per slot and decryption from what it would be without error, so that one
    /// error tells nothing about the key (Li, Micciancio, Schultz, Sorrell, *Securing approximate homomorphic
    /// encryption using differential privacy*, Crypto 2022, for the argument). For `t` bits, ask for a precision of `t`
    /// bits less than the computation has.
    pub fn decode_public(
        &self,
        decrypted: &Decrypted,
        precision_bits: i32,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<f64> {
        let unit = 2_f64.powi(-precision_bits);
        let mut numbers = self.decode_real(decrypted);
        for number in &mut numbers {
            let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            *number = ((*number / unit) + 2.0 * uniform - 1.0).round() * unit;
        }
        numbers
    }

    fn decode(&self, decrypted: &Decrypted) -> (Vec<f64>, Vec<f64>) {
        let slots = self.params.slots();
        let (mut re, mut im) = (vec![0.0; slots], vec![0.0; slots]);
        let (low, high) = decrypted.coefficients.expose().split_at(slots);
        for ((place, low), high) in self.fft.reversed().iter().zip(low).zip(high) {
            re[*place as usize] = low / decrypted.scale;
            im[*place as usize] = high / decrypted.scale;
        }
        self.fft.forward(&mut re, &mut im);
        (re, im)
    }
}

/// From numbers to `scale` times the coefficients, rounded; the numbers are wiped.
fn coefficients(fft: &Fft, mut re: Vec<f64>, mut im: Vec<f64>, scale: f64) -> Result<Vec<i64>, CkksError> {
    let slots = re.len();
    fft.inverse(&mut re, &mut im);
    let factor = scale / slots as f64;
    let mut largest: f64 = 0.0;
    // A maximum would pass over what is not a number; a sum does not.
    let mut sum = 0.0;
    for (re, im) in re.iter_mut().zip(&mut im) {
        (*re, *im) = (*re * factor, *im * factor);
        largest = largest.max(re.abs()).max(im.abs());
        sum += re.abs() + im.abs();
    }
    magnitude(if sum.is_finite() { largest } else { f64::INFINITY })?;
    let mut coefficients = Vec::with_capacity(2 * slots);
    for half in [&re, &im] {
        let places = fft.reversed().iter();
        coefficients.extend(places.map(|place| rounded(half[*place as usize])));
    }
    re.zeroize();
    im.zeroize();
    Ok(coefficients)
}

/// `round(number * scale)`, in range.
pub(super) fn scaled(number: f64, scale: f64) -> Result<i64, CkksError> {
    let product = number * scale;
    magnitude(if product.is_finite() {
        product.abs()
    } else {
        f64::INFINITY
    })?;
    Ok(rounded(product))
}

fn magnitude(largest: f64) -> Result<(), CkksError> {
    if largest < LIMIT_LOG2.exp2() {
        return Ok(());
    }
    Err(CkksError::Magnitude {
        what: "a number to encode",
        actual_log2: largest.log2(),
        limit_log2: LIMIT_LOG2,
    })
}

/// The nearest integer, ties to even: `2^52` and more in magnitude are integers already.
#[inline(always)]
fn rounded(number: f64) -> i64 {
    let shift = f64::copysign((1_u64 << 52) as f64, number);
    let small = (number + shift) - shift;
    (if number.abs() < (1_u64 << 52) as f64 {
        small
    } else {
        number
    }) as i64
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
