//! What the two modes of linear forms have in common.

use hedgerow_crypto::exact::{Evaluator, ExactError, Form, FormKey, FormLiteral, FormParams};
use hedgerow_crypto::seed::Seed;
use hedgerow_crypto::sign::{SignError, SignKey};
use rand_core::CryptoRng;

use super::super::error::TreesError;
use super::super::mode::Mode;
use super::super::offer::{Parameters, refuse};
use super::super::plan::Plan;
use super::super::prepared::{Prepared, unfit};
use super::{Asked, ClientSizes, Keys};

/// Requests of one row have at most so many ciphertexts, and answers at most so many.
const MAX_INPUTS: usize = 64;
const MAX_ANSWERS: usize = 16;

/// The server's side.
#[derive(Clone)]
pub(super) struct Forms {
    pub(super) params: FormParams,
}

impl Forms {
    /// The first of these parameters that leaves room for the flooding.
    pub(super) fn first_that_fits(
        mode: Mode,
        bits: usize,
        literals: &[FormLiteral],
    ) -> Result<Self, TreesError> {
        if literals.iter().all(|literal| literal.inputs > MAX_INPUTS) {
            let limit = literals.last().map_or(0, |literal| literal.degree) * MAX_INPUTS;
            return Err(unfit(mode, format!("{bits} bits of a row, at most {limit}")));
        }
        let mut last = ExactError::Length {
            what: "parameters to try",
            actual: 0,
            expected: 1,
        };
        for literal in literals {
            match FormParams::new(*literal) {
                Ok(params) if params.answers() > MAX_ANSWERS => {
                    let [answers, degree] = [params.answers(), literal.degree];
                    let reason = format!("{answers} answers of {degree} numbers each, at most {MAX_ANSWERS}");
                    return Err(unfit(mode, reason));
                }
                Ok(params) => return Ok(Self { params }),
                Err(error) => last = error,
            }
        }
        Err(unfit(mode, last.to_string()))
    }

    /// What the mode takes.
    pub(super) fn plan(&self, forest: &Prepared, mode: Mode, leaf_bound: usize, bits: usize) -> Plan {
        let params = &self.params;
        let literal = params.literal();
        Plan {
            leaf_bound,
            bits,
            ciphertexts: literal.inputs,
            answers: params.answers(),
            request_bytes: params.request_bytes(),
            answer_bytes: params.answer_bytes(),
            public_key_bytes: params.public_key_bytes(),
            evaluation_key_bytes: params.galois_key_bytes(),
            products: params.products(),
            key_switches: params.key_switches(),
            flooding_bits: params.noise().flooding_bits(),
            seconds: Plan::predict(params),
            ..forest.plan(mode, Parameters::Forms(literal))
        }
    }

    pub(super) fn read_keys(&self, public: &[u8], galois: &[u8]) -> Result<Keys, TreesError> {
        let public = self.params.read_public_key(public)?;
        let galois = self.params.read_galois_keys(galois)?;
        Ok(Keys::Forms(Evaluator::new(&self.params, public, galois)?))
    }

    pub(super) fn answer(
        &self,
        keys: &Evaluator,
        request: &[u8],
        forms: &[Form],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        let blocks = self.params.read_request(request)?;
        let answers = keys.answer(&blocks, forms, rng)?;
        let mut bytes = Vec::with_capacity(self.params.answer_bytes());
        answers.iter().for_each(|answer| bytes.extend(answer.to_bytes()));
        Ok(bytes)
    }
}

/// The client's side.
#[derive(Debug)]
pub(super) struct FormsClient {
    pub(super) params: FormParams,
    key: FormKey,
}

impl FormsClient {
    /// The key of a seed, for parameters with as many forms as the mode has and room for as many bits.
    pub(super) fn new(form: FormLiteral, bits: usize, forms: usize, seed: &Seed) -> Result<Self, TreesError> {
        if forms != form.forms || forms == 0 {
            return Err(refuse("forms", forms, form.forms));
        }
        let held = form.window.saturating_mul(form.inputs);
        if bits > held {
            return Err(refuse("bits of a request", bits, held));
        }
        let params = FormParams::new(form)?;
        Ok(Self {
            key: FormKey::generate(&params, seed),
            params,
        })
    }

    pub(super) fn sizes(&self) -> ClientSizes {
        ClientSizes {
            rows: 1,
            keys: self.params.public_key_bytes() + self.params.galois_key_bytes(),
            request: self.params.request_bytes(),
            answer: self.params.answer_bytes(),
        }
    }

    pub(super) fn keys(&self, seed: &Seed) -> Vec<u8> {
        let mut bytes = self.key.public().to_bytes();
        bytes.extend(self.key.galois_bytes(seed));
        bytes
    }

    /// Keys with which a server tells signs of what it computes.
    pub(super) fn sign_bytes(&self, key: &SignKey) -> Result<Vec<u8>, SignError> {
        self.key.sign_bytes(key)
    }

    pub(super) fn request(
        &self,
        bits: &[bool],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        Ok((self.key.encrypt(bits, rng)?, Asked::of(1)))
    }

    pub(super) fn open(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        let opened = self.key.open(&self.params.read_answers(answer)?)?;
        Ok(opened.expose().clone())
    }
}
