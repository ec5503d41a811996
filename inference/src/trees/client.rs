//! The client's side: keys, requests, scores.

use hedgerow_crypto::exact::{FormKey, FormParams};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::Ensemble;
use hedgerow_forest::export::json;
use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::error::TreesError;
use super::head::prediction;
use super::leaves::centred;
use super::mode::Mode;
use super::server::{DIGEST_BYTES, Offer, body, leaf_nodes};

/// Longest path of a public structure, and most values of a leaf.
const MAX_TARGETS: usize = 1024;

/// A client of one offer, with the key of a seed: the same seed and offer give the same key.
#[derive(Debug)]
pub struct ForestClient {
    offer: Offer,
    digest: [u8; DIGEST_BYTES],
    params: FormParams,
    key: FormKey,
    seed: Seed,
    head: Ensemble,
    structure: Option<Ensemble>,
}

/// What a row is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Sums of leaf values over the trees as whole numbers, `[targets]`.
    pub sums: Vec<i64>,
    /// Scores as the source library computes them of these sums.
    pub scores: Vec<f64>,
    /// The class; `None` for regression.
    pub class: Option<u32>,
    /// The class as the model names it; its number where it has no name.
    pub label: Option<String>,
}

impl ForestClient {
    /// A client for an offer, which is checked.
    ///
    /// # Errors
    /// An offer that does not hold together.
    pub fn new(offer: Offer, seed: &Seed) -> Result<Self, TreesError> {
        let refuse = |what, expected: String, actual: String| TreesError::Offer {
            what,
            expected,
            actual,
        };
        if !offer.binning.is_valid() {
            let width = offer.binning.width().to_string();
            return Err(refuse(
                "binning",
                "features with at most 64 ascending bins".into(),
                format!("{width} features that are not"),
            ));
        }
        let read = |what, text: &str| {
            json::decode(text).map_err(|error| refuse(what, "an ensemble".into(), error.to_string()))
        };
        let params = FormParams::new(offer.form)?;
        let head = read("head", &offer.head)?;
        let structure = offer
            .structure
            .as_deref()
            .map(|text| read("structure", text))
            .transpose()?;
        let targets = offer.targets.len();
        let bits = offer.form.window.saturating_mul(offer.form.inputs);
        let (needed, forms) = match (offer.mode, &structure) {
            (Mode::PublicStructure, Some(structure)) => (leaf_nodes(structure).len(), targets),
            (Mode::PrivateModel, None) => {
                let places = offer.form.forms / (1 + targets);
                (offer.binning.total_bits(), places * (1 + targets))
            }
            (mode, _) => {
                let found = if structure.is_some() { "one" } else { "none" };
                return Err(refuse("structure", format!("that of {mode}"), found.into()));
            }
        };
        let width = structure
            .as_ref()
            .map_or(offer.binning.width(), |structure| structure.features().len());
        let trees = structure.as_ref().map_or(offer.trees, Ensemble::trees);
        for (what, good, expected, actual) in [
            ("bits of a request", needed <= bits, needed, bits),
            (
                "forms",
                forms == offer.form.forms && forms > 0,
                forms,
                offer.form.forms,
            ),
            (
                "targets",
                targets <= MAX_TARGETS && head.parts().weights.len() == targets + 1,
                head.parts().weights.len().saturating_sub(1),
                targets,
            ),
            (
                "features",
                width == offer.binning.width(),
                offer.binning.width(),
                width,
            ),
            (
                "names of columns",
                offer.columns.len() == offer.binning.width(),
                offer.binning.width(),
                offer.columns.len(),
            ),
            ("trees", trees == offer.trees && trees > 0, trees, offer.trees),
        ] {
            if !good {
                return Err(refuse(what, expected.to_string(), actual.to_string()));
            }
        }
        if !(offer.unit > 0.0 && offer.unit.is_finite()) {
            return Err(refuse("unit", "a positive number".into(), offer.unit.to_string()));
        }
        let digest = offer.digest();
        // One key for each version of each model: a seed may serve several offers.
        let seed = seed.derive("hedgerow/trees/client/1", &digest);
        Ok(Self {
            key: FormKey::generate(&params, &seed),
            digest,
            offer,
            params,
            seed,
            head,
            structure,
        })
    }

    /// What was offered.
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The keys that the server needs, sent once: the same each time.
    pub fn keys(&self) -> Vec<u8> {
        let mut bytes = self.key.public().to_bytes();
        bytes.extend(self.key.galois_bytes(&self.seed));
        bytes
    }

    /// The request for a row: numbers as they are, categories as their position, missing values NaN.
    ///
    /// # Errors
    /// A row of another width.
    pub fn request(&self, row: &[f64], rng: &mut (impl CryptoRng + ?Sized)) -> Result<Vec<u8>, TreesError> {
        let mut bins = self.offer.binning.bin(row)?;
        let mut bits = match &self.structure {
            None => self.offer.binning.thermometer(&bins),
            Some(structure) => {
                let inputs = self.offer.binning.inputs(&bins);
                let nodes = leaf_nodes(structure);
                let mut bits = vec![false; nodes.len()];
                for node in structure.leaves_of(&inputs)? {
                    if let Some(bit) = nodes.binary_search(&node).ok().and_then(|at| bits.get_mut(at)) {
                        *bit = true;
                    }
                }
                bits
            }
        };
        let mut bytes = self.digest.to_vec();
        let encrypted = self.key.encrypt(&bits, rng);
        bits.zeroize();
        bins.zeroize();
        bytes.extend(encrypted?);
        Ok(bytes)
    }

    /// Bytes of [`Self::keys`].
    pub fn key_bytes(&self) -> usize {
        self.params.public_key_bytes() + self.params.galois_key_bytes()
    }

    /// Bytes of a request about one row.
    pub fn request_bytes(&self) -> usize {
        DIGEST_BYTES + self.params.request_bytes()
    }

    /// Bytes of an answer to one row.
    pub fn answer_bytes(&self) -> usize {
        DIGEST_BYTES + self.params.answer_bytes()
    }

    /// The scores in an answer.
    ///
    /// # Errors
    /// An answer of another length, version or key, or in which not every tree has one leaf.
    pub fn open(&self, answer: &[u8]) -> Result<Prediction, TreesError> {
        let body = body("answer", answer, self.answer_bytes(), &self.digest)?;
        let opened = self.key.open(&self.params.read_answers(body)?)?;
        Ok(prediction(
            &self.head,
            self.offer.unit,
            self.sums(opened.expose())?,
        )?)
    }

    /// The numbers that an answer opens to, as they are: for audits of what a client can see.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn opened(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        let body = body("answer", answer, self.answer_bytes(), &self.digest)?;
        Ok(self.key.open(&self.params.read_answers(body)?)?.expose().clone())
    }

    fn sums(&self, opened: &[u64]) -> Result<Vec<i64>, TreesError> {
        let p = self.params.plaintext();
        let targets = self.offer.targets.len();
        let sums = match self.offer.mode {
            Mode::PublicStructure => opened.to_vec(),
            Mode::PrivateModel => {
                let mut sums = vec![0; targets];
                let mut reached = 0;
                for place in opened.chunks_exact(1 + targets) {
                    let Some((0, values)) = place.split_first() else {
                        continue;
                    };
                    reached += 1;
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = (*sum + value) % p;
                    }
                }
                if reached != self.offer.trees {
                    return Err(TreesError::Leaves {
                        actual: reached,
                        expected: self.offer.trees,
                    });
                }
                sums
            }
        };
        Ok(sums.into_iter().map(|sum| centred(sum, p)).collect())
    }
}
