//! The client's side: keys, requests, scores.

use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::Ensemble;
use hedgerow_forest::export::json;
use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::error::TreesError;
use super::head::prediction;
use super::modes::{Asked, ClientEngine};
use super::offer::{DIGEST_BYTES, Offer, body, refuse};

/// Most values of a leaf.
const MAX_TARGETS: usize = 1024;

/// A client of one offer, with the key of a seed: the same seed and offer give the same key.
#[derive(Debug)]
pub struct ForestClient {
    offer: Offer,
    digest: [u8; DIGEST_BYTES],
    engine: ClientEngine,
    seed: Seed,
    head: Ensemble,
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
        let width = offer.binning.width();
        if !offer.binning.is_valid(offer.mode.levels()) {
            let actual = format!("{width} features that are not");
            return Err(refuse(
                "binning",
                format!("features with at most {} ascending bins", offer.mode.levels()),
                actual,
            ));
        }
        let head = json::decode(&offer.head).map_err(|error| refuse("head", "an ensemble", error))?;
        let targets = offer.targets.len();
        let weights = head.parts().weights.len();
        if targets > MAX_TARGETS || weights != targets + 1 {
            return Err(refuse("targets", weights.saturating_sub(1), targets));
        }
        if offer.columns.len() != width {
            return Err(refuse("names of columns", width, offer.columns.len()));
        }
        if offer.trees == 0 {
            return Err(refuse("trees", "at least one", 0));
        }
        if !(offer.unit > 0.0 && offer.unit.is_finite()) {
            return Err(refuse("unit", "a positive number", offer.unit));
        }
        let digest = offer.digest();
        // One key for each version of each model: a seed may serve several offers.
        let seed = seed.derive("hedgerow/trees/client/1", &digest);
        Ok(Self {
            engine: ClientEngine::new(&offer, &seed)?,
            digest,
            offer,
            seed,
            head,
        })
    }

    /// What was offered.
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// The keys that the server needs, sent once: the same each time.
    pub fn keys(&self) -> Vec<u8> {
        self.engine.keys(&self.seed)
    }

    /// Bytes of what is downloaded once before the first request; 0 where a mode has nothing.
    pub fn download_bytes(&self) -> usize {
        self.engine.download()
    }

    /// Takes what was downloaded: an encrypted model.
    ///
    /// # Errors
    /// Another length, or bytes that are no model of this offer.
    pub fn take(&mut self, download: Vec<u8>) -> Result<(), TreesError> {
        self.engine.take(download)
    }

    /// The request for rows, at most [`Self::rows`] of them: numbers as they are, categories as their position, missing
    /// values NaN. What is kept opens its answer.
    ///
    /// # Errors
    /// A row of another width; none, or too many.
    pub fn request(
        &self,
        rows: &[&[f64]],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        if rows.is_empty() || rows.len() > self.rows() {
            return Err(TreesError::Length {
                what: "rows of a request",
                actual: rows.len(),
                expected: self.rows(),
            });
        }
        let mut bins = Vec::with_capacity(rows.len());
        for row in rows {
            bins.push(self.offer.binning.bin(row)?);
        }
        let body = self.engine.request(&self.offer, &bins, rng);
        bins.zeroize();
        let (body, asked) = body?;
        Ok(([&self.digest[..], &body].concat(), asked))
    }

    /// Most rows of a request.
    pub fn rows(&self) -> usize {
        self.engine.sizes().rows
    }

    /// Bytes of [`Self::keys`].
    pub fn key_bytes(&self) -> usize {
        self.engine.sizes().keys
    }

    /// Bytes of the same keys in the server's memory.
    pub fn key_memory(&self) -> usize {
        self.offer.parameters.key_memory(self.key_bytes())
    }

    /// Bytes of a request.
    pub fn request_bytes(&self) -> usize {
        DIGEST_BYTES + self.engine.sizes().request
    }

    /// Bytes of an answer.
    pub fn answer_bytes(&self) -> usize {
        DIGEST_BYTES + self.engine.sizes().answer
    }

    /// The scores in an answer, row by row.
    ///
    /// # Errors
    /// An answer of another length, version or key, or in which not every tree has one leaf.
    pub fn open(&self, answer: &[u8], asked: &Asked) -> Result<Vec<Prediction>, TreesError> {
        let body = body("answer", answer, self.answer_bytes(), &self.digest)?;
        let rows = self.engine.open(&self.offer, body, asked)?.into_iter();
        let one = |sums| Ok(prediction(&self.head, self.offer.unit, sums)?);
        rows.map(one).collect()
    }

    /// The numbers that an answer opens to, as they are: for audits of what a client can see.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn opened(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        let body = body("answer", answer, self.answer_bytes(), &self.digest)?;
        self.engine.opened(body)
    }
}
