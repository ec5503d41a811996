//! `label-only`: as in `public-structure` the client encrypts one bit for each leaf and the server multiplies by the leaf
//! values; but the sum is not opened. Its sign against a threshold is computed on the ciphertext by a few programmable
//! bootstraps ([`hedgerow_crypto::sign`]), and the client opens one bit.

use std::fmt;
use std::sync::Arc;

use hedgerow_crypto::exact::{Evaluator, Form, FormLiteral};
use hedgerow_crypto::seed::Seed;
use hedgerow_crypto::sign::{SignKey, SignKeys, SignLiteral, SignParams};
use hedgerow_forest::ensemble::Ensemble;
use rand_core::CryptoRng;

use super::super::error::TreesError;
use super::super::leaves::modulo;
use super::super::mode::Mode;
use super::super::offer::{Offer, Parameters, refuse};
use super::super::plan::Plan;
use super::super::prepared::{Prepared, leaf_nodes, text, unfit};
use super::forms::{Forms, FormsClient};
use super::public_structure::{Walk, without_values};
use super::rule::Rule;
use super::{Asked, Compiled, Engine, Keys, Told};

const MODE: Mode = Mode::LabelOnly;

/// The server's side.
#[derive(Clone)]
pub(in crate::trees) struct LabelOnly {
    forms: Forms,
    table: Form,
    rule: Rule,
    sign: SignParams,
    deviation: f64,
}

/// A client's keys at the server.
#[derive(Clone)]
pub(in crate::trees) struct LabelKeys {
    forms: Evaluator,
    sign: Arc<SignKeys>,
}

impl LabelOnly {
    /// Bits of a leaf value, at most those asked for, with which sums of so many trees, and their distance from any threshold
    /// among them, are numbers that a sign can be told of.
    pub(in crate::trees) fn leaf_bits(model: &Ensemble, asked: u32) -> u32 {
        let fits = |bits: &u32| precision(reach(model.trees(), *bits, Rule::spread(model))).is_some();
        (2..=asked).rev().find(fits).unwrap_or(2)
    }

    pub(super) fn compile(forest: &Prepared) -> Result<Compiled, TreesError> {
        let ensemble = &forest.binned.ensemble;
        let spread = Rule::spread(ensemble);
        let reach = reach(forest.trees(), forest.leaf_bits, spread);
        let too_many = || {
            unfit(
                MODE,
                format!("{} trees, whose sums are too large", forest.trees()),
            )
        };
        let precision = precision(reach).ok_or_else(too_many)?;
        let rule = Rule::new(forest, reach).map_err(|reason| unfit(MODE, reason))?;
        let nodes = leaf_nodes(ensemble);
        let literals = [(4096, 2), (8192, 3)].map(|(degree, primes)| FormLiteral {
            degree,
            primes,
            window: degree,
            inputs: nodes.len().div_ceil(degree),
            forms: 1,
            max_entries: nodes.len() as u64,
            max_weight: spread << (forest.leaf_bits - 1),
            min_plaintext: 1 << precision,
            packed: false,
        });
        let forms = Forms::first_that_fits(MODE, nodes.len(), &literals)?;
        let p = forms.params.plaintext();
        let mut squares = 0.0;
        let mut entries = Vec::with_capacity(nodes.len());
        for (place, node) in nodes.iter().enumerate() {
            let value = rule.value(forest.values.of(*node));
            squares += (value as f64).powi(2);
            entries.push((place as u32, modulo(value, p)));
        }
        let dimension = forms.params.literal().degree;
        let literal = SignLiteral { dimension, precision };
        let sign = SignParams::new(literal).map_err(|error| unfit(MODE, error.to_string()))?;
        let inner = forms.plan(forest, MODE, nodes.len(), nodes.len());
        let form = forms.params.literal();
        let plan = Plan {
            parameters: Parameters::Label { form, sign: literal },
            targets: 1,
            answers: 1,
            answer_bytes: sign.answer_bytes(),
            evaluation_key_bytes: sign.key_bytes(),
            bootstraps: sign.bootstraps(),
            flooding_bits: (-sign.distance_log2()) as u32,
            seconds: inner.seconds + sign.bootstraps() as f64 * BOOTSTRAP,
            ..inner
        };
        let told = Told {
            head: text(&rule.head(ensemble)?)?,
            targets: vec![0, 1],
            unit: 1.0,
        };
        let deviation = forms.params.sample_deviation(squares);
        let constant = 0;
        Ok(Compiled {
            engine: Engine::LabelOnly(Box::new(Self {
                table: Form { entries, constant },
                forms,
                rule,
                sign,
                deviation,
            })),
            plan,
            structure: Some(text(&without_values(ensemble)?)?),
            told: Some(told),
        })
    }

    pub(super) fn read_keys(&self, public: &[u8], sign: &[u8]) -> Result<Keys, TreesError> {
        let public = self.forms.params.read_public_key(public)?;
        Ok(Keys::Label(LabelKeys {
            forms: Evaluator::new(&self.forms.params, public, None)?,
            sign: Arc::new(SignKeys::read(&self.sign, sign)?),
        }))
    }

    pub(super) fn answer(
        &self,
        keys: &LabelKeys,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        let blocks = self.forms.params.read_request(request)?;
        let samples = keys.forms.samples(&blocks, std::slice::from_ref(&self.table))?;
        let sample = samples.first().ok_or_else(|| refuse("samples", 1, 0))?;
        Ok(keys
            .sign
            .is_below(sample, self.deviation, self.rule.threshold(), rng)?)
    }

    /// What a client is told of sums.
    pub(super) fn told(&self, sums: &[i64]) -> Vec<i64> {
        votes(self.rule.value(sums) < self.rule.threshold())
    }
}

/// One vote for the class.
fn votes(below: bool) -> Vec<i64> {
    vec![i64::from(below), i64::from(!below)]
}

/// What sums, and thresholds among them, do not exceed.
const fn reach(trees: usize, leaf_bits: u32, spread: u64) -> u64 {
    (trees as u64).saturating_mul(spread << (leaf_bits - 1))
}

/// Bits of the difference of two such numbers, if a sign can be told of so many.
fn precision(reach: u64) -> Option<u32> {
    let bits = (2 * reach + 2).next_power_of_two().ilog2() + 1;
    (bits <= hedgerow_crypto::sign::params::MAX_PRECISION).then_some(bits)
}

/// Seconds of one bootstrap and the key switch before it, measured on one core with AVX-512.
const BOOTSTRAP: f64 = 30e-3;

impl fmt::Debug for LabelKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LabelKeys({})", self.sign.id())
    }
}

/// The client's side.
#[derive(Debug)]
pub(in crate::trees) struct LabelOnlyClient {
    pub(super) forms: FormsClient,
    walk: Walk,
    sign: SignKey,
}

impl LabelOnlyClient {
    pub(super) fn new(offer: &Offer, seed: &Seed) -> Result<Self, TreesError> {
        let Parameters::Label { form, sign } = offer.parameters else {
            return Err(refuse("parameters", MODE, offer.mode));
        };
        if sign.dimension != form.degree {
            return Err(refuse("dimension of a sign", form.degree, sign.dimension));
        }
        if offer.targets.len() != 2 {
            return Err(refuse("targets", 2, offer.targets.len()));
        }
        let walk = Walk::new(offer)?;
        Ok(Self {
            forms: FormsClient::new(form, walk.leaves(), 1, seed)?,
            walk,
            sign: SignKey::generate(
                &SignParams::new(sign)?,
                &seed.derive("hedgerow/trees/label/1", &[]),
            ),
        })
    }

    pub(super) fn sizes(&self) -> super::ClientSizes {
        let inner = self.forms.sizes();
        super::ClientSizes {
            keys: inner.keys + self.sign.params().key_bytes(),
            answer: self.sign.params().answer_bytes(),
            ..inner
        }
    }

    pub(super) fn keys(&self, seed: &Seed) -> Vec<u8> {
        let mut bytes = self.forms.keys(seed);
        // Never refused: `new` has compared the dimensions.
        bytes.extend(self.forms.sign_bytes(&self.sign).unwrap_or_default());
        bytes
    }

    pub(super) fn request(
        &self,
        offer: &Offer,
        bins: &[u16],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        self.walk.request(&self.forms, offer, bins, rng)
    }

    /// One vote for the class.
    pub(super) fn open(&self, answer: &[u8]) -> Result<Vec<Vec<i64>>, TreesError> {
        Ok(vec![votes(self.sign.open(answer)?)])
    }

    /// Message and noise of the answer, of `2^64`.
    pub(super) fn opened(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        Ok(vec![(self.sign.phase(answer)? * 2.0_f64.powi(64)) as u64])
    }
}
