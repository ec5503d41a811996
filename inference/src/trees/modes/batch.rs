//! `batch`: one row in each slot, one ciphertext for each bit of a row; the server evaluates all trees on thousands of rows at
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hedgerow_crypto::exact::products::NoiseModel;
use hedgerow_crypto::exact::products::fit::Fit;
use hedgerow_crypto::exact::{
    ExactError, ProductEvaluator, ProductKey, ProductKeys, ProductLiteral, ProductParams,
};
use hedgerow_crypto::secret::Secret;
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::circuit::{Totals, Tree, Trees, merge};
use super::super::digits::Digits;
use super::super::error::TreesError;
use super::super::leaves::centred;
use super::super::mode::Mode;
use super::super::offer::{Offer, Parameters, refuse};
use super::super::plan::{Plan, product_seconds};
use super::super::prepared::{Prepared, unfit};
use super::{Asked, ClientSizes, Compiled, Engine, Keys};

/// The plaintext modulus: sums of digits over all trees are below half of it.
pub(super) const PLAINTEXT: u64 = 65_537;
/// Deepest trees.
const MAX_LEVELS: usize = 16;
/// Largest request, bytes.
const MAX_REQUEST: usize = 1 << 30;
/// Most key switches of one batch.
const MAX_SWITCHES: usize = 1 << 16;

/// What a client needs beside the binning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchLiteral {
    /// Parameters of products.
    pub products: ProductLiteral,
    /// How values are cut.
    pub digits: Digits,
}

/// The server's side.
#[derive(Clone)]
pub(in crate::trees) struct Batch {
    params: ProductParams,
    trees: Arc<Vec<Tree>>,
    outputs: usize,
}

impl Batch {
    pub(super) fn compile(forest: &Prepared) -> Result<Compiled, TreesError> {
        let mode = Mode::Batch;
        let refuse = |reason: String| Err(unfit(mode, reason));
        if forest.levels > MAX_LEVELS {
            return refuse(format!("{} levels, at most {MAX_LEVELS}", forest.levels));
        }
        let Some(digits) = Digits::fitting(forest, PLAINTEXT) else {
            return refuse(format!("{} trees, whose sums do not fit", forest.trees()));
        };
        let values = |node| digits.of(forest.values.of(node));
        let roots = &forest.binned.ensemble.parts().roots;
        let tree = |root: &u32| Tree::new(&forest.binned, *root, &values);
        let trees: Vec<Tree> = roots.iter().map(tree).collect();
        let bits = forest.binned.binning.total_bits();
        let outputs = forest.targets() * digits.count;
        let drops = trees.iter().map(Tree::drops).max().unwrap_or(0);
        let reads = AtomicUsize::new(0);
        let circuit = |evaluator: &ProductEvaluator| {
            let level = evaluator.model().levels() - drops;
            reads.store(0, Ordering::Relaxed);
            let bit = |_| {
                reads.fetch_add(1, Ordering::Relaxed);
                Ok(evaluator.fresh())
            };
            let totals = totals(evaluator, &trees, level, outputs, bit)?;
            let sums = totals.into_iter();
            let widest = sums.reduce(|a, b| if a.noise().bound < b.noise().bound { b } else { a });
            widest.ok_or(ExactError::Length {
                what: "targets",
                actual: 0,
                expected: 1,
            })
        };
        // Parameters are looked for by following the circuit many times: not where it is too large.
        let counting = ProductEvaluator::bounds(&NoiseModel::rough(16_384, PLAINTEXT, drops + 3));
        circuit(&counting)?;
        let actual = counting.counts().key_switches;
        if actual > MAX_SWITCHES {
            return refuse(format!("{actual} key switches a batch, at most {MAX_SWITCHES}"));
        }
        let fit = |degree| {
            let fit = Fit {
                degree,
                plaintext: PLAINTEXT,
                drops,
                cells: degree,
            };
            fit.params(circuit)
        };
        let params = match fit(8192).or_else(|_| fit(16_384)) {
            Ok(params) => params,
            Err(error) => return refuse(error.to_string()),
        };
        let counting = ProductEvaluator::bounds(params.model());
        circuit(&counting)?;
        let counts = counting.counts();
        let request = bits * params.input_bytes();
        if request > MAX_REQUEST {
            let most = MAX_REQUEST / params.input_bytes();
            return refuse(format!("{bits} bits of a row, at most {most}"));
        }
        let literal = BatchLiteral {
            products: params.literal().clone(),
            digits,
        };
        let plan = Plan {
            bits,
            rows: params.slots(),
            ciphertexts: bits,
            answers: outputs,
            request_bytes: request,
            answer_bytes: outputs * params.answer_bytes(),
            public_key_bytes: params.public_key_bytes(),
            evaluation_key_bytes: params.evaluation_key_bytes(&[]),
            products: counts.tensors,
            key_switches: counts.key_switches,
            flooding_bits: params.noise().flooding_bits(),
            seconds: product_seconds(&params, counts, reads.load(Ordering::Relaxed) + outputs),
            ..forest.plan(mode, Parameters::Batch(literal))
        };
        let batch = Self {
            params,
            trees: Arc::new(trees),
            outputs,
        };
        Ok(Compiled {
            engine: Engine::Batch(batch),
            plan,
            structure: None,
            told: None,
        })
    }

    pub(super) fn read_keys(&self, public: &[u8], evaluation: &[u8]) -> Result<Keys, TreesError> {
        let keys = ProductKeys::read(&self.params, public, evaluation, &[])?;
        Ok(Keys::Products(Arc::new(keys.evaluator()?)))
    }

    pub(super) fn answer(
        &self,
        evaluator: &ProductEvaluator,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        let each = self.params.input_bytes();
        // A bit is read where a tree tests it: all of a batch at once would take some gigabytes.
        let bit = |place: u32| {
            let start = place as usize * each;
            evaluator.read(request.get(start..start + each).unwrap_or_default())
        };
        let level = self.params.literal().answer_primes;
        let zeros = vec![0; self.params.slots()];
        let mut bytes = Vec::with_capacity(self.outputs * self.params.answer_bytes());
        for sum in totals(evaluator, &self.trees, level, self.outputs, bit)? {
            bytes.extend(evaluator.answer(&sum, &zeros, rng)?.to_bytes());
        }
        Ok(bytes)
    }
}

/// The sums over all trees of each output.
fn totals(
    evaluator: &ProductEvaluator,
    trees: &[Tree],
    level: usize,
    outputs: usize,
    bits: impl Fn(u32) -> Result<hedgerow_crypto::exact::ProductCiphertext, ExactError> + Sync,
) -> Result<Vec<hedgerow_crypto::exact::ProductCiphertext>, ExactError> {
    let each = Trees {
        evaluator,
        bits: &bits,
        level,
        outputs,
    };
    let part = |trees: &[Tree]| {
        let mut totals = each.nothing();
        trees.iter().try_for_each(|tree| each.add(tree, &mut totals))?;
        Ok(totals)
    };
    let size = trees.len().div_ceil(rayon::current_num_threads()).max(1);
    let parts: Vec<Totals> = trees
        .par_chunks(size)
        .map(part)
        .collect::<Result<_, ExactError>>()?;
    let merged = parts.into_iter().reduce(|a, b| merge(evaluator, a, b));
    each.finish(merged.unwrap_or_else(|| each.nothing()))
}

/// The client's side.
#[derive(Debug)]
pub(in crate::trees) struct BatchClient {
    params: ProductParams,
    key: ProductKey,
    digits: Digits,
    bits: usize,
    outputs: usize,
}

impl BatchClient {
    pub(super) fn new(offer: &Offer, seed: &Seed) -> Result<Self, TreesError> {
        let Parameters::Batch(literal) = &offer.parameters else {
            return Err(refuse("parameters", "those of batch", "others"));
        };
        if offer.structure.is_some() {
            return Err(refuse("structure", "none, as it is private", "one"));
        }
        let params = ProductParams::new(literal.products.clone())?;
        let (slots, cells) = (params.slots(), params.literal().cells);
        if slots != cells {
            return Err(refuse("opened coefficients", slots, cells));
        }
        if !literal.digits.is_valid() {
            return Err(refuse(
                "digits",
                "1 to 4 of 2 to 15 bits",
                format!("{:?}", literal.digits),
            ));
        }
        Ok(Self {
            key: ProductKey::generate(&params, seed),
            params,
            digits: literal.digits,
            bits: offer.binning.total_bits(),
            outputs: offer.targets.len() * literal.digits.count,
        })
    }

    pub(super) fn sizes(&self) -> ClientSizes {
        ClientSizes {
            rows: self.params.slots(),
            keys: self.params.public_key_bytes() + self.params.evaluation_key_bytes(&[]),
            request: self.bits * self.params.input_bytes(),
            answer: self.outputs * self.params.answer_bytes(),
        }
    }

    pub(super) fn keys(&self, seed: &Seed) -> Vec<u8> {
        let mut bytes = self.key.public().to_bytes();
        bytes.extend(self.key.evaluation_bytes(&[], seed));
        bytes
    }

    pub(super) fn request(
        &self,
        offer: &Offer,
        rows: &[Vec<u16>],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        let mut bytes = Vec::with_capacity(self.bits * self.params.input_bytes());
        for (feature, bits) in offer.binning.bits().enumerate() {
            for bit in 0..bits {
                let above = |row: &Vec<u16>| {
                    row.get(feature)
                        .map_or(0, |bin| u64::from(usize::from(*bin) > bit))
                };
                let column = Secret::new(rows.iter().map(above).collect::<Vec<u64>>());
                bytes.extend(self.key.encrypt(column.expose(), rng)?);
            }
        }
        Ok((bytes, Asked::of(rows.len())))
    }

    pub(super) fn open(&self, answer: &[u8], asked: &Asked) -> Result<Vec<Vec<i64>>, TreesError> {
        let p = self.params.plaintext();
        let mut columns = Vec::with_capacity(self.outputs);
        for answer in answer.chunks_exact(self.params.answer_bytes()) {
            columns.push(self.key.open_slots(&self.params.read_answer(answer)?)?);
        }
        let row = |row: usize| {
            let digit =
                |column: &Secret<Vec<u64>>| column.expose().get(row).map_or(0, |sum| centred(*sum, p));
            let digits: Vec<i64> = columns.iter().map(digit).collect();
            self.digits.values(&digits)
        };
        Ok((0..asked.rows()).map(row).collect())
    }

    pub(super) fn opened(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        let mut opened = Vec::new();
        for answer in answer.chunks_exact(self.params.answer_bytes()) {
            opened.extend(self.key.open(&self.params.read_answer(answer)?)?.expose());
        }
        Ok(opened)
    }
}
