//! `encrypted-model`: the model encrypted, evaluated where the row is, opened by the owner of the key.
//!
//! A slot is a leaf. For each bin of each feature there is a ciphertext of how many conditions of each leaf on that feature
//! the bin violates: their sum over the features of a row is the cost of every path at once. A polynomial that is zero from
//! 1 to the largest cost selects the leaves that are reached, and the sum of their values over all slots is one coefficient.
//! That one is masked, flooded and sent to the owner of the key, who opens a uniform number.
//!
//! The key is the server's, which is the model's owner too; or somebody else's ([`KeyHolder::Other`]): then the model is
//! encrypted with their public key, nothing is masked, and they learn the score.

mod client;

use std::sync::Arc;

use hedgerow_crypto::exact::products::fit::Fit;
use hedgerow_crypto::exact::{
    ExactError, ProductCiphertext, ProductEvaluator, ProductKey, ProductLiteral, ProductParams, ProductPublic,
};
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::super::binning::Binning;
use super::super::circuit::{cost_drops, selected};
use super::super::digits::Digits;
use super::super::error::TreesError;
use super::super::leaves::{centred, modulo};
use super::super::mode::Mode;
use super::super::offer::{Offer, Parameters, refuse};
use super::super::plan::{KeyHolder, Plan, product_seconds};
use super::super::prepared::{Prepared, unfit};
use super::batch::PLAINTEXT;
use super::{Compiled, Engine, Keys};

pub(super) use client::EncryptedModelClient;

/// Longest path, in features.
const MAX_COST: usize = 31;
/// Largest model, bytes.
const MAX_MODEL: usize = 1 << 31;
/// Bytes of an opened number.
const NUMBER_BYTES: usize = 4;

/// What a client needs beside the binning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptedModelLiteral {
    /// Parameters of products.
    pub products: ProductLiteral,
    /// How values are cut.
    pub digits: Digits,
    /// Most conditions of a path.
    pub most: usize,
    /// Whose key it is.
    pub holder: KeyHolder,
}

/// Parts of a download, in order: public key, evaluation keys, a table for each bin of each feature, leaf values.
#[derive(Clone, Debug)]
struct Layout {
    params: ProductParams,
    literal: EncryptedModelLiteral,
    /// Bins of each feature, that of missing values counted.
    bins: Vec<usize>,
    outputs: usize,
}

impl Layout {
    fn new(literal: EncryptedModelLiteral, binning: &Binning, targets: usize) -> Result<Self, ExactError> {
        Ok(Self {
            params: ProductParams::new(literal.products.clone())?,
            bins: binning.bits().map(|bits| bits + 1).collect(),
            outputs: targets * literal.digits.count,
            literal,
        })
    }

    fn tables(&self) -> usize {
        self.bins.iter().sum()
    }

    fn ciphertext(&self) -> usize {
        match self.literal.holder {
            KeyHolder::Server => self.params.input_bytes(),
            KeyHolder::Other => ProductPublic::bytes(&self.params),
        }
    }

    fn key_bytes(&self) -> usize {
        self.params.public_key_bytes() + self.params.evaluation_key_bytes(&[])
    }

    fn download(&self) -> usize {
        self.key_bytes() + (self.tables() + self.outputs) * self.ciphertext()
    }

    fn request(&self) -> usize {
        self.outputs * self.params.answer_bytes()
    }
}

/// The answer as ciphertexts, for a row whose tables are given.
fn evaluate(
    evaluator: &ProductEvaluator,
    tables: impl IntoIterator<Item = Result<ProductCiphertext, ExactError>>,
    leaves: &[ProductCiphertext],
    most: usize,
    level: usize,
) -> Result<Vec<ProductCiphertext>, ExactError> {
    let mut cost = evaluator.constant(0);
    for table in tables {
        evaluator.add_scaled(&mut cost, &table?, 1);
    }
    // What was encrypted with a public key has more noise than rounding leaves.
    let drops = cost.level().saturating_sub(level);
    if drops > cost_drops(most) {
        let lower = cost.level() - 1;
        evaluator.lower(&mut cost, lower);
    }
    selected(evaluator, &cost, most, leaves, level)
}

/// The server's side.
#[derive(Clone)]
pub(in crate::trees) struct EncryptedModel {
    layout: Arc<Layout>,
}

impl EncryptedModel {
    pub(super) fn compile(forest: &Prepared) -> Result<Compiled, TreesError> {
        let mode = Mode::EncryptedModel;
        let refuse = |reason: String| Err(unfit(mode, reason));
        let Some(digits) = Digits::fitting(forest, PLAINTEXT) else {
            return refuse(format!("{} trees, whose sums do not fit", forest.trees()));
        };
        let leaves = forest.leaves.len();
        let conditions = forest.leaves.iter().map(|leaf| leaf.conditions.len());
        let most = conditions.max().unwrap_or(0);
        if most > MAX_COST {
            return refuse(format!("{most} features on a path, at most {MAX_COST}"));
        }
        let binning = &forest.binned.binning;
        let holder = forest.key_holder;
        let extra = usize::from(holder == KeyHolder::Other && most > 0);
        let drops = cost_drops(most) + extra;
        let circuit = |evaluator: &ProductEvaluator| {
            let level = evaluator.model().levels() - drops;
            let fresh = match holder {
                KeyHolder::Server => evaluator.fresh(),
                KeyHolder::Other => evaluator.fresh_public(),
            };
            let tables = std::iter::repeat_n(Ok(fresh.clone()), binning.width());
            let sums = evaluate(evaluator, tables, &[fresh], most, level)?;
            sums.into_iter().next().ok_or(ExactError::Length {
                what: "targets",
                actual: 0,
                expected: 1,
            })
        };
        let fit = |degree| {
            let fit = Fit {
                degree,
                plaintext: PLAINTEXT,
                drops,
                cells: 1,
            };
            fit.params(circuit)
        };
        let first = match leaves {
            ..=8192 => fit(8192),
            _ => fit(16_384),
        };
        let params = match first.or_else(|_| fit(16_384)) {
            Ok(params) => params,
            Err(error) => return refuse(error.to_string()),
        };
        if leaves > params.slots() {
            return refuse(format!("{leaves} leaves, at most {}", params.slots()));
        }
        let counting = ProductEvaluator::bounds(params.model());
        circuit(&counting)?;
        let counts = counting.counts();
        let literal = EncryptedModelLiteral {
            products: params.literal().clone(),
            digits,
            most,
            holder,
        };
        let layout = Layout::new(literal.clone(), binning, forest.targets())?;
        if layout.download() > MAX_MODEL {
            let megabytes = layout.download() >> 20;
            return refuse(format!("a model of {megabytes} MiB, at most {}", MAX_MODEL >> 20));
        }
        let plan = Plan {
            leaf_bound: params.slots(),
            bits: 0,
            ciphertexts: layout.outputs,
            answers: layout.outputs,
            request_bytes: layout.request(),
            answer_bytes: layout.outputs * NUMBER_BYTES,
            download_bytes: layout.download(),
            products: counts.tensors * layout.outputs,
            key_switches: counts.key_switches,
            flooding_bits: params.noise().flooding_bits(),
            seconds: product_seconds(&params, counts, binning.width() + 2 * layout.outputs),
            ..forest.plan(mode, Parameters::EncryptedModel(literal))
        };
        Ok(Compiled {
            engine: Engine::EncryptedModel(Self {
                layout: Arc::new(layout),
            }),
            plan,
            structure: None,
            told: None,
        })
    }

    /// A digest of all numbers of the model.
    pub(in crate::trees) fn contents(&self, forest: &Prepared) -> Result<Digest, TreesError> {
        let mut tables = Vec::new();
        self.tables(forest, |numbers| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            tables.extend(hash("hedgerow/trees/table/1", &[&bytes]).0);
            Ok(())
        })?;
        Ok(hash("hedgerow/trees/tables/1", &[&tables]))
    }

    /// What a client downloads, encrypted under the server's key, and that key: those of a seed.
    pub(in crate::trees) fn encrypted(
        &self,
        forest: &Prepared,
        seed: &Seed,
    ) -> Result<(Vec<u8>, Keys), TreesError> {
        let layout = &self.layout;
        if layout.literal.holder != KeyHolder::Server {
            return Err(refuse("holder of the key", "the server", "another"));
        }
        let key = ProductKey::generate(&layout.params, seed);
        let mut rng = seed.derive("hedgerow/trees/model/1", &[]).rng();
        let mut bytes = Vec::with_capacity(layout.download());
        bytes.extend(key.public().to_bytes());
        bytes.extend(key.evaluation_bytes(&[], seed));
        self.tables(forest, |numbers| {
            bytes.extend(key.encrypt(numbers, &mut rng)?);
            Ok(())
        })?;
        Ok((bytes, Keys::Owner(Arc::new(key))))
    }

    /// What a client downloads, encrypted for the owner of a key by their public and evaluation keys.
    pub(in crate::trees) fn download_for(
        &self,
        forest: &Prepared,
        keys: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        let layout = &self.layout;
        if layout.literal.holder != KeyHolder::Other || keys.len() != layout.key_bytes() {
            return Err(TreesError::Length {
                what: "keys of another owner",
                actual: keys.len(),
                expected: layout.key_bytes(),
            });
        }
        let (public, _) = keys.split_at(layout.params.public_key_bytes());
        let public = ProductPublic::read(&layout.params, public)?;
        let mut bytes = Vec::with_capacity(layout.download());
        bytes.extend(keys);
        self.tables(forest, |numbers| {
            bytes.extend(public.encrypt(numbers, rng)?);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The slots of all ciphertexts of the model, in order.
    fn tables(
        &self,
        forest: &Prepared,
        mut each: impl FnMut(&[u64]) -> Result<(), ExactError>,
    ) -> Result<(), ExactError> {
        let layout = &self.layout;
        let p = layout.params.plaintext();
        for (feature, bins) in layout.bins.iter().enumerate() {
            for bin in 0..*bins {
                let violated = |conditions: &Vec<(usize, u128)>| {
                    let found = conditions
                        .iter()
                        .filter(|(of, mask)| *of == feature && mask >> bin & 1 == 0);
                    found.count() as u64
                };
                let table: Vec<u64> = forest
                    .leaves
                    .iter()
                    .map(|leaf| violated(&leaf.conditions))
                    .collect();
                each(&table)?;
            }
        }
        // The polynomial is most! where a leaf is reached; the constant coefficient is the sum over slots, over N.
        let product = |a: u64, b: u64| a * b % p;
        let most = (1..=layout.literal.most as u64).fold(1, product);
        let inverse = (0..p - 2).fold(1, |power, _| product(power, most));
        let unit = product(inverse, layout.params.slots() as u64 % p);
        for output in 0..layout.outputs {
            let value = |node: u32| {
                let digits = layout.literal.digits.of(forest.values.of(node));
                product(modulo(digits.get(output).copied().unwrap_or(0), p), unit)
            };
            let table: Vec<u64> = forest.leaves.iter().map(|leaf| value(leaf.node)).collect();
            each(&table)?;
        }
        Ok(())
    }

    /// Opens masked scores.
    pub(super) fn answer(&self, key: &ProductKey, request: &[u8]) -> Result<Vec<u8>, TreesError> {
        let mut bytes = Vec::new();
        for number in opened(&self.layout, key, request)? {
            bytes.extend((number as u32).to_le_bytes());
        }
        Ok(bytes)
    }
}

fn opened(layout: &Layout, key: &ProductKey, request: &[u8]) -> Result<Vec<u64>, TreesError> {
    let mut numbers = Vec::with_capacity(layout.outputs);
    for answer in request.chunks_exact(layout.params.answer_bytes()) {
        let opened = key.open(&layout.params.read_answer(answer)?)?;
        numbers.extend(opened.expose());
    }
    Ok(numbers)
}

/// Somebody who owns the key, and neither model nor row: they open scores.
#[derive(Debug)]
pub struct KeyOwner {
    layout: Layout,
    key: ProductKey,
    seed: Seed,
}

impl KeyOwner {
    /// The owner of a key for an offer, by a seed.
    ///
    /// # Errors
    /// An offer of another mode, or one whose key is the server's.
    pub fn new(offer: &Offer, seed: &Seed) -> Result<Self, TreesError> {
        let layout = layout_of(offer)?;
        if layout.literal.holder != KeyHolder::Other {
            return Err(refuse("holder of the key", "another", "the server"));
        }
        let seed = seed.derive("hedgerow/trees/owner/1", &offer.digest());
        Ok(Self {
            key: ProductKey::generate(&layout.params, &seed),
            layout,
            seed,
        })
    }

    /// Public and evaluation keys, for the model's owner.
    pub fn keys(&self) -> Vec<u8> {
        let mut bytes = self.key.public().to_bytes();
        bytes.extend(self.key.evaluation_bytes(&[], &self.seed));
        bytes
    }

    /// The sums of leaf values, `[targets]`, in what the owner of a row sends.
    ///
    /// # Errors
    /// A message of another length, version or key.
    pub fn open(&self, offer: &Offer, request: &[u8]) -> Result<Vec<i64>, TreesError> {
        let expected = super::super::offer::DIGEST_BYTES + self.layout.request();
        let body = super::super::offer::body("request", request, expected, &offer.digest())?;
        Ok(sums(&self.layout, &opened(&self.layout, &self.key, body)?))
    }
}

fn sums(layout: &Layout, numbers: &[u64]) -> Vec<i64> {
    let p = layout.params.plaintext();
    let digits: Vec<i64> = numbers.iter().map(|number| centred(*number, p)).collect();
    layout.literal.digits.values(&digits)
}

fn layout_of(offer: &Offer) -> Result<Layout, TreesError> {
    let Parameters::EncryptedModel(literal) = &offer.parameters else {
        return Err(refuse("parameters", "those of encrypted-model", "others"));
    };
    if offer.structure.is_some() {
        return Err(refuse("structure", "none, as it is encrypted", "one"));
    }
    if literal.products.cells != 1 {
        return Err(refuse("opened coefficients", 1, literal.products.cells));
    }
    if !literal.digits.is_valid() || literal.most > MAX_COST {
        return Err(refuse(
            "digits and costs",
            "within limits",
            format!("{literal:?}"),
        ));
    }
    Ok(Layout::new(literal.clone(), &offer.binning, offer.targets.len())?)
}
