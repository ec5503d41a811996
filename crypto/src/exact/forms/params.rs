//! Parameters of linear forms.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::galois::{GaloisKeys, GaloisRing};
use super::super::noise::{FLOODING_BITS, NoiseBounds};
use super::super::scale::Scale;
use super::super::scheme::Scheme;
use crate::mask::modulus::Modulus;
use crate::ring::sample::NOISE_BOUND;
use crate::rlwe::noise::{self, public_bound};
use crate::rlwe::{Literal, Params, PublicKey};

/// The plaintext modulus stays below this, so that an answer over one prime of 50 bits opens right.
pub const MAX_PLAINTEXT: u64 = 1 << 34;

/// Most forms, most ciphertexts of a request.
const MAX_FORMS: usize = 1 << 20;
const MAX_INPUTS: usize = 64;

/// What parameters of forms are made from, and what is stored of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormLiteral {
    /// Degree and primes of `Q`.
    pub degree: usize,
    /// Primes of `Q`.
    pub primes: usize,
    /// Bits of one ciphertext, a power of two.
    pub window: usize,
    /// Ciphertexts of a request.
    pub inputs: usize,
    /// The number of forms.
    pub forms: usize,
    /// Weights of one form that are not zero, at most.
    pub max_entries: u64,
    /// Absolute value of a weight, at most.
    pub max_weight: u64,
    /// The plaintext modulus is the smallest prime from this on; a power of two is taken as it is where forms are not packed.
    pub min_plaintext: u64,
    /// Whether forms are packed, for which the client sends keys.
    pub packed: bool,
}

/// Parameters of linear forms. Cheap to clone. Stored as their [`FormLiteral`] and checked again when read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "FormLiteral", into = "FormLiteral")]
pub struct FormParams(Arc<Inner>);

struct Inner {
    scheme: Scheme,
    galois: Option<GaloisRing>,
    literal: FormLiteral,
    layout: Layout,
}

/// How forms become answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Forms of one product, `M`.
    pub(super) per_product: usize,
    /// Steps of the packing, `T`: `2^T` products are one ciphertext.
    pub(super) steps: u32,
    /// How many of them are taken on the request and the weights.
    pub(super) clear: u32,
    /// Products of one answer, at most `2^T`.
    pub(super) products: usize,
    /// Answers.
    pub(super) answers: usize,
}

impl Layout {
    fn new(literal: FormLiteral) -> Self {
        let per_product = literal.degree / literal.window;
        let all = literal.forms.div_ceil(per_product).max(1);
        let mut layout = Self {
            per_product,
            steps: 0,
            clear: 0,
            products: 1,
            answers: all,
        };
        if literal.packed {
            layout.products = all.min(literal.window);
            layout.answers = all.div_ceil(layout.products);
            layout.steps = layout.products.next_power_of_two().ilog2();
            let cost = |clear: u32| {
                let request = literal.inputs * ((1 << clear) - 1);
                let pairs: usize = (clear + 1..=layout.steps)
                    .map(|step| layout.products.div_ceil(1 << step))
                    .sum();
                request + layout.answers * pairs
            };
            layout.clear = (0..=layout.steps).min_by_key(|clear| cost(*clear)).unwrap_or(0);
        }
        layout
    }

    /// Key switches of an evaluation.
    pub(super) fn switches(&self, inputs: usize) -> usize {
        let pairs: usize = (self.clear + 1..=self.steps)
            .map(|step| self.products.div_ceil(1 << step))
            .sum();
        inputs * ((1 << self.clear) - 1) + self.answers * pairs
    }

    /// The forms of one answer.
    pub(super) fn per_answer(&self) -> usize {
        self.per_product * self.products
    }

    /// The answer of a form, and the cell of it.
    pub(super) fn place(&self, form: usize) -> (usize, usize) {
        let (answer, form) = (form / self.per_answer(), form % self.per_answer());
        let (product, multiple) = (form / self.per_product, form % self.per_product);
        // The first step puts the odd products half a window further, the second a quarter, and so on.
        let reversed = match self.steps {
            0 => 0,
            steps => product.reverse_bits() >> (usize::BITS - steps),
        };
        (answer, (multiple << self.steps) + reversed)
    }
}

impl FormParams {
    /// The parameters of a literal.
    ///
    /// # Errors
    /// A ring below 128 bits of security; sizes out of range; a plaintext modulus of `2^34` or more; bounds that leave
    /// less than 40 bits of flooding.
    pub fn new(literal: FormLiteral) -> Result<Self, ExactError> {
        let ring = Params::new(Literal {
            degree: literal.degree,
            primes: literal.primes,
        })?;
        let range = |what, actual: usize, most: usize| {
            if (1..=most).contains(&actual) {
                return Ok(());
            }
            Err(ExactError::Length {
                what,
                actual,
                expected: most,
            })
        };
        range("bits of a ciphertext", literal.window, literal.degree)?;
        range("ciphertexts of a request", literal.inputs, MAX_INPUTS)?;
        range("forms", literal.forms, MAX_FORMS)?;
        if !literal.window.is_power_of_two() {
            return Err(ExactError::Cells {
                actual: literal.window,
                largest: literal.degree,
            });
        }
        let too_large = ExactError::Plaintext {
            actual: literal.min_plaintext,
            limit: MAX_PLAINTEXT,
        };
        // Odd, as packing doubles.
        let is_kept =
            !literal.packed && literal.min_plaintext >= 4 && literal.min_plaintext.is_power_of_two();
        let prime = |candidate: &u64| candidate % 2 == 1 && Modulus::prime(*candidate).is_ok();
        let plaintext = (literal.min_plaintext.max(3)..MAX_PLAINTEXT)
            .find(|candidate| is_kept || prime(candidate))
            .ok_or(too_large)?;
        let scale = Scale::new(ring.basis(), plaintext).ok_or(too_large)?;
        let galois = match literal.packed {
            true => Some(GaloisRing::new(&ring)?),
            false => None,
        };
        let layout = Layout::new(literal);
        let hidden = hidden(literal, layout, plaintext, galois.as_ref());
        let cells = layout.per_product << layout.steps;
        let no_room = |actual| ExactError::Flooding {
            declared: literal.max_entries,
            actual,
            expected: FLOODING_BITS,
        };
        let bounds =
            NoiseBounds::new(ring.basis(), plaintext, hidden, cells, f64::NEG_INFINITY).ok_or(no_room(0))?;
        if bounds.flooding_bits() < FLOODING_BITS {
            return Err(no_room(bounds.flooding_bits()));
        }
        let scheme = Scheme {
            ring,
            scale,
            cells,
            bounds,
        };
        Ok(Self(Arc::new(Inner {
            scheme,
            galois,
            literal,
            layout,
        })))
    }

    /// What these parameters were made from.
    pub fn literal(&self) -> FormLiteral {
        self.0.literal
    }

    /// The plaintext modulus `p`, a prime or a power of two.
    pub fn plaintext(&self) -> u64 {
        self.scheme().scale.plain().modulus()
    }

    /// The plaintext modulus as that of masks: uniform numbers modulo it come from [`Prg`](crate::mask::prg::Prg).
    ///
    /// # Errors
    /// A power of two.
    pub fn modulus(&self) -> Result<Modulus, crate::mask::modulus::ModulusError> {
        Modulus::prime(self.plaintext())
    }

    /// Answers to one request.
    pub fn answers(&self) -> usize {
        self.0.layout.answers
    }

    /// Images of each ciphertext of a request that products are taken with: `2^clear`.
    pub fn images(&self) -> usize {
        1 << self.0.layout.clear
    }

    /// Key switches of one evaluation.
    pub fn key_switches(&self) -> usize {
        self.0.layout.switches(self.literal().inputs)
    }

    /// Products of a ciphertext with a polynomial of weights.
    pub fn products(&self) -> usize {
        let layout = self.0.layout;
        let groups = layout.products.div_ceil(1 << layout.clear) * layout.answers;
        (groups * self.literal().inputs) << layout.clear
    }

    /// What hides the forms, and how surely an answer opens right.
    pub fn noise(&self) -> NoiseBounds {
        self.scheme().bounds
    }

    /// `log2` of the standard deviation that the noise of a cell is expected to have before it is re-randomized, for
    /// weights of one form whose squares (after the division by `2^T` modulo `p`) have this sum.
    pub fn form_deviation_log2(&self, sum_of_squares: f64) -> f64 {
        let layout = self.0.layout;
        let switch = self
            .0
            .galois
            .as_ref()
            .map_or(0.0, |galois| galois.noise_deviation().powi(2));
        // Each weight meets each image; half of the clear steps are taken in the mean image. Forms of one product, and of
        // the products of one group, meet each other's weights.
        let request = noise::fresh() + f64::from(layout.clear) / 2.0 * switch;
        let group = (layout.products.min(1 << layout.clear) * layout.per_product) as f64;
        let products = request * sum_of_squares * group * f64::from(1 << layout.clear);
        let packed = (layout.clear..layout.steps).fold(products, |variance, _| 4.0 * variance + switch);
        packed.log2() / 2.0
    }

    /// The standard deviation of the noise of [`Evaluator::samples`](super::Evaluator::samples), of their modulus, for weights of
    /// one form whose squares have this sum.
    pub fn sample_deviation(&self, sum_of_squares: f64) -> f64 {
        let ring = &self.scheme().ring;
        let kept = ring.basis().primes().next().unwrap_or(1) as f64;
        let form = (2.0 * self.form_deviation_log2(sum_of_squares) - 2.0 * ring.basis().log2()).exp2();
        (form + noise::switch(ring.degree()) / kept.powi(2)).sqrt()
    }

    /// Bytes of a public key.
    pub fn public_key_bytes(&self) -> usize {
        PublicKey::bytes(&self.scheme().ring)
    }

    /// Bytes of the keys for packing; 0 without.
    pub fn galois_key_bytes(&self) -> usize {
        let keys = self.exponents().len();
        self.0.galois.as_ref().map_or(0, |galois| galois.bytes(keys))
    }

    /// Bytes of a request.
    pub fn request_bytes(&self) -> usize {
        self.literal().inputs * EncryptedBlock::bytes(self.scheme())
    }

    /// Bytes of all answers to a request.
    pub fn answer_bytes(&self) -> usize {
        self.answers() * Answer::bytes(self.scheme())
    }

    /// A public key from its bytes.
    ///
    /// # Errors
    /// Bytes that are no public key of these parameters.
    pub fn read_public_key(&self, bytes: &[u8]) -> Result<PublicKey, ExactError> {
        Ok(PublicKey::from_bytes(&self.scheme().ring, bytes)?)
    }

    /// The keys for packing from their bytes; `None` where there is none.
    ///
    /// # Errors
    /// Bytes that are no such keys of these parameters.
    pub fn read_galois_keys(&self, bytes: &[u8]) -> Result<Option<GaloisKeys>, ExactError> {
        match &self.0.galois {
            Some(galois) => Ok(Some(galois.read(&self.exponents(), bytes)?)),
            None => super::super::scheme::length("bytes of keys", bytes.len(), 0).map(|()| None),
        }
    }

    /// The ciphertexts of a request from their bytes.
    ///
    /// # Errors
    /// Bytes that are no request of these parameters.
    pub fn read_request(&self, bytes: &[u8]) -> Result<Vec<EncryptedBlock>, ExactError> {
        super::super::scheme::length("bytes of a request", bytes.len(), self.request_bytes())?;
        let chunks = bytes.chunks_exact(EncryptedBlock::bytes(self.scheme()));
        chunks
            .map(|bytes| EncryptedBlock::read(self.scheme(), bytes))
            .collect()
    }

    /// Answers from their bytes.
    ///
    /// # Errors
    /// Bytes that are no answers of these parameters.
    pub fn read_answers(&self, bytes: &[u8]) -> Result<Vec<Answer>, ExactError> {
        super::super::scheme::length("bytes of answers", bytes.len(), self.answer_bytes())?;
        let chunks = bytes.chunks_exact(Answer::bytes(self.scheme()));
        chunks.map(|bytes| Answer::read(self.scheme(), bytes)).collect()
    }

    /// The exponent of the automorphism of a step of the packing, from 1 on: it negates odd multiples of
    /// `window / 2^step` and leaves even ones.
    pub(super) fn exponent(&self, step: u32) -> usize {
        let literal = self.literal();
        literal.degree / (literal.window >> step) + 1
    }

    /// The exponents that keys are for, ascending.
    pub(super) fn exponents(&self) -> Vec<usize> {
        (1..=self.layout().steps)
            .map(|step| self.exponent(step))
            .collect()
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }

    pub(super) fn galois(&self) -> Option<&GaloisRing> {
        self.0.galois.as_ref()
    }

    pub(super) fn layout(&self) -> Layout {
        self.0.layout
    }
}

/// What the noise of a cell never exceeds before the flooding. Every weight of a group of products may meet a cell, in
/// every image; each step of the packing doubles.
fn hidden(literal: FormLiteral, layout: Layout, plaintext: u64, galois: Option<&GaloisRing>) -> u128 {
    let switch = galois.map_or(0, GaloisRing::noise_bound);
    // Rounding of an encoded bit, less than 1.
    let request = u128::from(NOISE_BOUND) + 1 + u128::from(layout.clear) * switch;
    let weight = match layout.steps {
        0 => literal.max_weight,
        _ => plaintext / 2,
    };
    let forms = (layout.per_product * layout.products.min(1 << layout.clear)).min(literal.forms);
    let weights = u128::from(weight)
        .saturating_mul(literal.max_entries.into())
        .saturating_mul((forms as u128) << layout.clear);
    let products = weights.saturating_mul(request);
    let packed = (layout.clear..layout.steps).fold(products, |bound, _| {
        bound.saturating_mul(2).saturating_add(switch)
    });
    packed.saturating_add(u128::from(public_bound(literal.degree)) + 1)
}

impl PartialEq for FormParams {
    fn eq(&self, other: &Self) -> bool {
        self.literal() == other.literal()
    }
}

impl Eq for FormParams {}

impl fmt::Debug for FormParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.literal().fmt(f)
    }
}

impl TryFrom<FormLiteral> for FormParams {
    type Error = ExactError;

    fn try_from(literal: FormLiteral) -> Result<Self, ExactError> {
        Self::new(literal)
    }
}

impl From<FormParams> for FormLiteral {
    fn from(params: FormParams) -> Self {
        params.literal()
    }
}
