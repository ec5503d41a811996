//! Plans: sizes, keys, predicted time and limits of a mode, before anything runs.

use std::fmt;

use hedgerow_crypto::exact::products::Counts;
use hedgerow_crypto::exact::{FormParams, ProductParams};
use serde::{Deserialize, Serialize};

use super::binning::Edges;
use super::mode::Mode;
use super::offer::Parameters;

/// What a compilation may be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bin edges.
    pub edges: Edges,
    /// Bits of a leaf value, sign included, 2 to 24.
    pub leaf_bits: u32,
    /// What the number of leaves is padded to where it is hidden; `None` for trees times two to the depth, or the next
    /// power of two above depth 6.
    pub leaf_bound: Option<usize>,
    /// `label-only`: the score of the second class, or of a regression, that a row must exceed; `None` for the rule by which
    /// the model itself decides.
    pub threshold: Option<f64>,
    /// Whose key an encrypted model is under.
    pub key_holder: KeyHolder,
}

/// Whose key an encrypted model is under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHolder {
    /// The server's, which owns the model. It opens masked scores.
    #[default]
    Server,
    /// Somebody else's, who opens scores.
    Other,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            edges: Edges::OfModel,
            leaf_bits: 16,
            leaf_bound: None,
            threshold: None,
            key_holder: KeyHolder::Server,
        }
    }
}

/// What a mode takes for one forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The mode.
    pub mode: Mode,
    /// What it tells, beside the score.
    pub leakage: String,
    /// Trees.
    pub trees: usize,
    /// Leaves that a row can reach.
    pub leaves: usize,
    /// Leaves as the mode tells them: padded where they are hidden.
    pub leaf_bound: usize,
    /// Most features on a path.
    pub depth: usize,
    /// Encrypted bits of a row.
    pub bits: usize,
    /// Scores that are opened for one row.
    pub targets: usize,
    /// Bits of a leaf value.
    pub leaf_bits: u32,
    /// Whether every row reaches the leaves that it reaches in the original.
    pub exact_bins: bool,
    /// The parameters.
    pub parameters: Parameters,
    /// Most rows of a request.
    pub rows: usize,
    /// Ciphertexts of a request.
    pub ciphertexts: usize,
    /// Ciphertexts of an answer.
    pub answers: usize,
    /// Bytes of a request.
    pub request_bytes: usize,
    /// Bytes of an answer.
    pub answer_bytes: usize,
    /// Bytes of the public key, sent once.
    pub public_key_bytes: usize,
    /// Bytes of evaluation keys, sent once; 0 where a mode needs none.
    pub evaluation_key_bytes: usize,
    /// Bytes that the client downloads once: an encrypted model and what it is evaluated with; 0 where a mode has none.
    pub download_bytes: usize,
    /// Products of a ciphertext with weights.
    pub products: usize,
    /// Key switches.
    pub key_switches: usize,
    /// Programmable bootstraps.
    pub bootstraps: usize,
    /// Bits that the flooding is wider than all that it hides.
    pub flooding_bits: u32,
    /// Predicted CPU seconds of who evaluates one request: the server, or the client an encrypted model.
    pub seconds: f64,
}

/// Seconds per 4,096 coefficients of one prime, of a product for each image that it is taken with (they leave the cache), of
/// one digit of a key switch, and of a request or an answer: fitted to what `cargo bench --bench forests` measured on one
/// core with AVX-512 IFMA; the two sizes of the reference come out within 10 %.
const PRODUCT: f64 = 0.64e-6;
const SWITCH: f64 = 3.5e-6;
const ANSWER: f64 = 40e-6;
/// A product takes at least as long as with so many images: its transform.
const MIN_IMAGES: usize = 4;

/// Seconds of one prime of a key switch modulo one prime, of one of a product, and of one of a ciphertext that is read or
/// answered, per `2^12` coefficients: measured as those above.
const DIGIT: f64 = 16e-6;
const TENSOR: f64 = 12e-6;
const READ: f64 = 37e-6;

/// Predicted CPU seconds of a circuit of products, with so many ciphertexts read and answered.
pub(super) fn product_seconds(params: &ProductParams, counts: Counts, ciphertexts: usize) -> f64 {
    let words = params.slots() as f64 / 4096.0;
    let primes = params.literal().chain.len() as f64;
    let switches = counts.switched_primes as f64 * DIGIT;
    (switches + primes * (counts.tensors as f64 * TENSOR + ciphertexts as f64 * READ)) * words
}

impl Plan {
    /// Predicted CPU seconds of an evaluation with these parameters.
    pub(super) fn predict(params: &FormParams) -> f64 {
        let literal = params.literal();
        let words = literal.degree as f64 / 4096.0;
        let primes = literal.primes as f64;
        let per_answer = ANSWER * words * primes;
        let requests = per_answer * literal.inputs as f64;
        // Every digit of a key switch is raised to all primes.
        (params.products() * params.images().max(MIN_IMAGES)) as f64 * PRODUCT * words * primes
            + params.key_switches() as f64 * SWITCH * words * primes * (primes + 1.0)
            + params.answers() as f64 * per_answer
            + requests
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kb = |bytes: usize| bytes as f64 / 1e3;
        writeln!(f, "{}: {}", self.mode, self.leakage)?;
        writeln!(
            f,
            "  forest      {} trees, {} leaves (told: {}), up to {} features on a path, {} bits a row, leaf values of {} bits",
            self.trees, self.leaves, self.leaf_bound, self.depth, self.bits, self.leaf_bits
        )?;
        let bins = if self.exact_bins {
            "every row reaches the leaves of the original"
        } else {
            "some thresholds are moved to a public edge, or merged"
        };
        writeln!(f, "  bins        {bins}")?;
        writeln!(f, "  ring        {}", self.parameters.ring())?;
        writeln!(
            f,
            "  up          {:.1} kB in {} ciphertexts; once: public key {:.1} kB, evaluation keys {:.1} kB",
            kb(self.request_bytes),
            self.ciphertexts,
            kb(self.public_key_bytes),
            kb(self.evaluation_key_bytes)
        )?;
        writeln!(
            f,
            "  down        {:.1} kB in {} ciphertexts, flooded by {} bits",
            kb(self.answer_bytes),
            self.answers,
            self.flooding_bits
        )?;
        if self.download_bytes > 0 {
            writeln!(f, "  download    {:.1} MB, once", kb(self.download_bytes) / 1e3)?;
        }
        if self.rows > 1 {
            writeln!(f, "  rows        {} a request", self.rows)?;
        }
        write!(
            f,
            "  predicted   {:.1} ms: {} products, {} key switches",
            self.seconds * 1e3,
            self.products,
            self.key_switches
        )?;
        match self.bootstraps {
            0 => Ok(()),
            bootstraps => write!(f, ", {bootstraps} programmable bootstraps"),
        }
    }
}
