//! The server's side: forms as polynomials, products, packing, answers.

use rand_core::CryptoRng;
use rayon::prelude::*;

use super::super::answer::Answer;
use super::super::block::EncryptedBlock;
use super::super::error::ExactError;
use super::super::galois::GaloisKeys;
use super::super::scale::encoded;
use super::super::scheme::{length, same_key};
use super::params::FormParams;
use crate::ring::basis::Limb;
use crate::ring::{Coeff, Eval, Poly, simd};
use crate::rlwe::{Ciphertext, LweSample, PublicKey};
use crate::secret::Secret;

/// A linear form of the bits of a request: bits by their place in it, each with a weight modulo `p`, and a constant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Place and weight.
    pub entries: Vec<(u32, u64)>,
    /// What is added.
    pub constant: u64,
}

/// The keys of one client, and what they are for.
#[derive(Clone, Debug)]
pub struct Evaluator {
    params: FormParams,
    public: PublicKey,
    pub(super) galois: Option<GaloisKeys>,
}

impl Evaluator {
    /// An evaluator with a client's keys.
    ///
    /// # Errors
    /// Keys of two clients, or none where forms are packed.
    pub fn new(
        params: &FormParams,
        public: PublicKey,
        galois: Option<GaloisKeys>,
    ) -> Result<Self, ExactError> {
        if let Some(galois) = &galois {
            same_key(public.id(), galois.id())?;
        }
        let keys = galois.as_ref().map_or(0, GaloisKeys::len);
        length("keys for packing", keys, params.exponents().len())?;
        Ok(Self {
            params: params.clone(),
            public,
            galois,
        })
    }

    /// Parameters of the forms.
    pub const fn params(&self) -> &FormParams {
        &self.params
    }

    /// The answers that open to the forms of a request's bits.
    ///
    /// # Errors
    /// Another number of forms or of ciphertexts, ciphertexts of other parameters or another key, a form with more or
    /// larger weights than declared.
    pub fn answer(
        &self,
        request: &[EncryptedBlock],
        forms: &[Form],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<Answer>, ExactError> {
        let products = self.evaluate(request, forms)?;
        let scheme = self.params.scheme();
        let constants = self.constants(forms)?;
        let mut answers = Vec::with_capacity(products.len());
        for (product, constants) in products.iter().zip(&constants) {
            answers.push(scheme.answer(product.expose(), constants.expose(), &self.public, rng));
        }
        Ok(answers)
    }

    /// The forms of a request's bits as samples under the client's key, `m / p` of their modulus. **Neither flooded nor
    /// re-randomised**: they tell the client the weights, and are for computing on.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn samples(&self, request: &[EncryptedBlock], forms: &[Form]) -> Result<Vec<LweSample>, ExactError> {
        let products = self.evaluate(request, forms)?;
        let scheme = self.params.scheme();
        let switched = |half: Poly<Eval>| half.into_coeff().switched_to_first();
        let mut halves: Vec<(Poly<Coeff>, Poly<Coeff>)> = Vec::with_capacity(products.len());
        for (product, constants) in products.iter().zip(&self.constants(forms)?) {
            let message = encoded(
                &scheme.scale,
                scheme.ring.basis(),
                constants.expose(),
                scheme.step(),
            );
            let Ciphertext { c0, c1 } = product.expose();
            let mut c0 = c0.clone();
            c0.add_assign(&message.expose().clone().into_eval());
            halves.push((switched(c0), switched(c1.clone())));
        }
        let sample = |form| {
            let (answer, cell) = self.params.layout().place(form);
            let (c0, c1) = halves.get(answer)?;
            LweSample::extract(c0, c1, cell * scheme.step())
        };
        let samples: Option<Vec<_>> = (0..forms.len()).map(sample).collect();
        samples.ok_or(ExactError::Length {
            what: "answers",
            actual: halves.len(),
            expected: self.params.answers(),
        })
    }

    /// What is added to each cell of each answer.
    fn constants(&self, forms: &[Form]) -> Result<Vec<Secret<Vec<u64>>>, ExactError> {
        let layout = self.params.layout();
        let scheme = self.params.scheme();
        let mut constants = vec![Secret::new(vec![0; scheme.cells]); layout.answers];
        for (index, form) in forms.iter().enumerate() {
            let (answer, cell) = layout.place(index);
            if let Some(place) = constants
                .get_mut(answer)
                .and_then(|cells| cells.expose_mut().get_mut(cell))
            {
                *place = form.constant;
            }
        }
        for constants in &constants {
            scheme.check("constant", constants.expose(), scheme.cells)?;
        }
        Ok(constants)
    }

    /// The forms as ciphertexts, neither flooded nor re-randomized.
    pub(super) fn evaluate(
        &self,
        request: &[EncryptedBlock],
        forms: &[Form],
    ) -> Result<Vec<Secret<Ciphertext>>, ExactError> {
        let literal = self.params.literal();
        length("forms", forms.len(), literal.forms)?;
        length("ciphertexts of a request", request.len(), literal.inputs)?;
        self.check(forms)?;
        let mut inputs = Vec::with_capacity(request.len());
        for block in request {
            same_key(self.public.id(), block.key())?;
            inputs.push(self.params.scheme().expand(block)?);
        }
        let images = self.images(inputs);
        let layout = self.params.layout();
        forms
            .chunks(layout.per_answer())
            .map(|forms| {
                let groups: Vec<&[Form]> = forms.chunks(layout.per_product << layout.clear).collect();
                let products = groups.par_iter().map(|forms| self.group(forms, &images));
                self.pack(products.collect())
            })
            .collect()
    }

    /// Not more and not larger weights than declared, and bits that there are.
    fn check(&self, forms: &[Form]) -> Result<(), ExactError> {
        let literal = self.params.literal();
        let plain = self.params.plaintext();
        let bits = literal.window * literal.inputs;
        let mut fits = true;
        for form in forms {
            fits &= form.entries.len() as u64 <= literal.max_entries;
            for (place, weight) in &form.entries {
                fits &= (*place as usize) < bits && *weight < plain;
                fits &= (*weight).min(plain.wrapping_sub(*weight)) <= literal.max_weight;
            }
        }
        if fits {
            Ok(())
        } else {
            Err(ExactError::Weights {
                declared: literal.max_weight,
            })
        }
    }

    fn image(&self, ct: &Ciphertext, step: u32) -> Ciphertext {
        let image = self.params.galois().zip(self.galois.as_ref());
        let image = image.and_then(|(ring, keys)| ring.apply(ct, self.params.exponent(step), keys));
        image.expect("as many keys as steps, which `new` checks")
    }

    /// For each input its images under all products of the automorphisms of the clear steps, the first the input itself.
    fn images(&self, inputs: Vec<Ciphertext>) -> Vec<Vec<Ciphertext>> {
        let each = |input| {
            let mut images = vec![input];
            for step in 1..=self.params.layout().clear {
                let more: Vec<Ciphertext> = images.par_iter().map(|image| self.image(image, step)).collect();
                images.extend(more);
            }
            images
        };
        inputs.into_iter().map(each).collect()
    }

    /// `2^clear` products, packed by their weights and the images of the inputs.
    fn group(&self, forms: &[Form], images: &[Vec<Ciphertext>]) -> Secret<Ciphertext> {
        let scheme = self.params.scheme();
        let degree = scheme.ring.degree();
        let weights = self.weights(forms);
        let mut sum = Secret::new(Ciphertext::zero(&scheme.ring));
        let mut rows = Secret::new(vec![0_u64; weights.expose().len()]);
        let flat: Vec<&Ciphertext> = images.iter().flatten().collect();
        let halves = |half: fn(&Ciphertext) -> &Poly<Eval>, prime: usize| -> Vec<&[u64]> {
            flat.iter().map(|image| half(image).limb(prime)).collect()
        };
        let Ciphertext { c0, c1 } = sum.expose_mut();
        for (prime, ((limb, c0), (_, c1))) in c0.limbs_mut().zip(c1.limbs_mut()).enumerate() {
            load(limb, weights.expose(), rows.expose_mut());
            let rows: Vec<&[u64]> = rows.expose().chunks_exact(degree).collect();
            simd::dot_pair(
                c0,
                c1,
                &rows,
                &halves(|image| &image.c0, prime),
                &halves(|image| &image.c1, prime),
                limb.reducer(),
            );
        }
        sum
    }

    /// The polynomials that the images of each input are multiplied by, `[inputs, images, N]`, centred.
    fn weights(&self, forms: &[Form]) -> Secret<Vec<i64>> {
        let literal = self.params.literal();
        let layout = self.params.layout();
        let plain = self.params.scheme().scale.plain();
        let degree = literal.degree;
        // Powers of two: remainders are bits.
        let (turn, low) = (2 * degree - 1, degree - 1);
        let log_degree = degree.ilog2();
        let images = 1 << layout.clear;
        // Every step of the packing doubles.
        let unit = (0..layout.steps).fold(1, |unit, _| plain.mul(unit, plain.modulus().div_ceil(2)));
        let exponents: Vec<usize> = (1..=layout.clear)
            .map(|step| self.params.exponent(step))
            .collect();
        let mut sums = Secret::new(vec![0_i64; literal.inputs * images * degree]);
        let room = sums.expose_mut();
        let modulus = plain.modulus() as i64;
        let mut places = vec![0; images];
        for (index, form) in forms.iter().enumerate() {
            let (product, multiple) = (index / layout.per_product, index % layout.per_product);
            for (place, weight) in &form.entries {
                let (input, bit) = (*place as usize / literal.window, *place as usize % literal.window);
                places[0] = (multiple * literal.window).wrapping_sub(bit) & turn;
                // The image under no automorphism of a step gets `a + X^s b`, the other that of `a - X^s b`.
                for (step, exponent) in exponents.iter().enumerate() {
                    let odd = product >> step & 1;
                    let shift = odd * (literal.window >> (step + 1));
                    let (first, second) = places.split_at_mut(1 << step);
                    for (plus, minus) in first.iter_mut().zip(second) {
                        *plus = (*plus + shift) & turn;
                        *minus = (*plus + odd * degree).wrapping_mul(*exponent) & turn;
                    }
                }
                let weight = plain.mul(*weight, unit);
                let signed = [weight, plain.sub(0, weight)];
                for (image, place) in places.iter().enumerate() {
                    let word = &mut room[((input * images + image) << log_degree) + (place & low)];
                    *word = plain.add(*word as u64, signed[place >> log_degree]) as i64;
                }
            }
        }
        for word in room.iter_mut() {
            *word -= modulus & ((modulus / 2 - *word) >> 63);
        }
        sums
    }

    /// The last steps of the packing.
    fn pack(&self, mut parts: Vec<Secret<Ciphertext>>) -> Result<Secret<Ciphertext>, ExactError> {
        let layout = self.params.layout();
        let literal = self.params.literal();
        let basis = self.params.scheme().ring.basis();
        for step in layout.clear + 1..=layout.steps {
            let mut shift = Poly::zero(basis);
            let place = literal.window >> step;
            for (_, words) in shift.limbs_mut() {
                if let Some(word) = words.get_mut(place) {
                    *word = 1;
                }
            }
            let shift = shift.into_eval();
            let merge = |pair: &[Secret<Ciphertext>]| {
                let mut sum = Secret::new(pair[0].expose().clone());
                let mut difference = Secret::new(pair[0].expose().clone());
                if let Some(second) = pair.get(1) {
                    let second = second.expose();
                    let moved = Secret::new(Ciphertext {
                        c0: Poly::product(&shift, &second.c0),
                        c1: Poly::product(&shift, &second.c1),
                    });
                    sum.expose_mut().add_assign(moved.expose());
                    difference.expose_mut().c0.sub_assign(&moved.expose().c0);
                    difference.expose_mut().c1.sub_assign(&moved.expose().c1);
                }
                let image = Secret::new(self.image(difference.expose(), step));
                sum.expose_mut().add_assign(image.expose());
                sum
            };
            parts = parts.par_chunks(2).map(merge).collect();
        }
        let count = parts.len();
        parts.pop().ok_or(ExactError::Length {
            what: "packed products",
            actual: count,
            expected: 1,
        })
    }
}

/// Values of polynomials of small coefficients modulo one prime.
fn load(limb: &Limb, weights: &[i64], rows: &mut [u64]) {
    let degree = limb.degree();
    for (row, weights) in rows.chunks_exact_mut(degree).zip(weights.chunks_exact(degree)) {
        simd::reduce_signed(row, weights, limb.reducer());
        limb.ntt().forward(row);
    }
}
