//! The modes, one file each with both sides: what the server compiles and answers, what the client sends and opens.
//!
//! A new mode is a file here, a name in [`Mode`](super::Mode), and one line in each of the matches below.

mod batch;
mod encrypted_model;
mod forms;
pub(super) mod label_only;
mod private_model;
mod public_structure;
mod rule;

use std::sync::Arc;

use hedgerow_crypto::exact::{Evaluator, ProductEvaluator, ProductKey};
use hedgerow_crypto::secret::Secret;
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;

use super::error::TreesError;
use super::mode::Mode;
use super::offer::{Offer, refuse};
use super::plan::Plan;
use super::prepared::Prepared;
use batch::{Batch, BatchClient};
use encrypted_model::EncryptedModelClient;
use label_only::{LabelKeys, LabelOnly, LabelOnlyClient};
use private_model::{PrivateModel, PrivateModelClient};
use public_structure::{PublicStructure, PublicStructureClient};

pub use batch::BatchLiteral;
pub(super) use encrypted_model::EncryptedModel;
pub use encrypted_model::{EncryptedModelLiteral, KeyOwner};

/// The server's side of a mode.
#[derive(Clone)]
pub(super) enum Engine {
    PublicStructure(PublicStructure),
    PrivateModel(PrivateModel),
    LabelOnly(Box<LabelOnly>),
    Batch(Batch),
    EncryptedModel(EncryptedModel),
}

/// A client's keys, checked.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    Forms(Evaluator),
    Label(LabelKeys),
    Products(Arc<ProductEvaluator>),
    /// The server's own, where it opens.
    Owner(Arc<ProductKey>),
}

/// What the engine of a mode is, what it takes, and the structure that a client is told.
pub(super) struct Compiled {
    pub(super) engine: Engine,
    /// All sizes without the digest of messages.
    pub(super) plan: Plan,
    pub(super) structure: Option<String>,
    /// What the client opens, where that is less than the sums over the trees.
    pub(super) told: Option<Told>,
}

/// What follows the numbers that a client opens.
pub(super) struct Told {
    /// An ensemble of one leaf, as JSON.
    pub(super) head: String,
    /// Its targets.
    pub(super) targets: Vec<u32>,
    /// What the numbers are multiples of.
    pub(super) unit: f64,
}

impl Engine {
    /// Compiles a prepared forest for a mode.
    pub(super) fn compile(forest: &Prepared, mode: Mode) -> Result<Compiled, TreesError> {
        match mode {
            Mode::PublicStructure => PublicStructure::compile(forest),
            Mode::PrivateModel => PrivateModel::compile(forest),
            Mode::LabelOnly => LabelOnly::compile(forest),
            Mode::Batch => Batch::compile(forest),
            Mode::EncryptedModel => EncryptedModel::compile(forest),
        }
    }

    /// A client's keys from their bytes, whose number is that of the plan.
    pub(super) fn read_keys(&self, public: &[u8], evaluation: &[u8]) -> Result<Keys, TreesError> {
        match self {
            Self::PublicStructure(engine) => engine.forms.read_keys(public, evaluation),
            Self::PrivateModel(engine) => engine.forms.read_keys(public, evaluation),
            Self::LabelOnly(engine) => engine.read_keys(public, evaluation),
            Self::Batch(engine) => engine.read_keys(public, evaluation),
            Self::EncryptedModel(_) => Err(no_keys()),
        }
    }

    /// The answer to what follows the digest of a request.
    pub(super) fn answer(
        &self,
        forest: &Prepared,
        keys: &Keys,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        match (self, keys) {
            (Self::PublicStructure(engine), Keys::Forms(keys)) => engine.answer(keys, request, rng),
            (Self::PrivateModel(engine), Keys::Forms(keys)) => engine.answer(forest, keys, request, rng),
            (Self::LabelOnly(engine), Keys::Label(keys)) => engine.answer(keys, request, rng),
            (Self::Batch(engine), Keys::Products(keys)) => engine.answer(keys, request, rng),
            (Self::EncryptedModel(engine), Keys::Owner(key)) => engine.answer(key, request),
            _ => Err(refuse("keys", "those of this mode", "those of another")),
        }
    }

    /// What a client opens for a row with these sums.
    pub(super) fn told(&self, sums: Vec<i64>) -> Vec<i64> {
        match self {
            Self::LabelOnly(engine) => engine.told(&sums),
            _ => sums,
        }
    }
}

/// What a mode without keys of a client says to them.
fn no_keys() -> TreesError {
    refuse("keys", "none of a client: the key is the server's", "some")
}

/// A number uniform in `0..bound`, by rejection.
pub(super) fn below(bound: u64, rng: &mut (impl CryptoRng + ?Sized)) -> u64 {
    let mask = u64::MAX >> (bound.max(2) - 1).leading_zeros();
    loop {
        let candidate = rng.next_u64() & mask;
        if candidate < bound {
            return candidate;
        }
    }
}

/// The client's side of a mode, with its key.
#[derive(Debug)]
pub(super) enum ClientEngine {
    PublicStructure(Box<PublicStructureClient>),
    PrivateModel(PrivateModelClient),
    LabelOnly(Box<LabelOnlyClient>),
    Batch(BatchClient),
    EncryptedModel(Box<EncryptedModelClient>),
}

/// Sizes that a client works out from an offer: bytes without the digest of messages.
pub(super) struct ClientSizes {
    pub(super) rows: usize,
    pub(super) keys: usize,
    pub(super) request: usize,
    pub(super) answer: usize,
}

/// What a client keeps of a request until its answer is there. Wiped on drop, redacted.
#[derive(Debug)]
pub struct Asked {
    rows: usize,
    masks: Secret<Vec<u64>>,
}

impl Asked {
    /// Rows that were asked about.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// A request about so many rows.
    pub(super) const fn of(rows: usize) -> Self {
        Self::masked(rows, Secret::new(Vec::new()))
    }

    /// A request whose answer is hidden by masks.
    pub(super) const fn masked(rows: usize, masks: Secret<Vec<u64>>) -> Self {
        Self { rows, masks }
    }

    pub(super) fn masks(&self) -> &[u64] {
        self.masks.expose()
    }
}

impl ClientEngine {
    /// The client of an offer whose parts that all modes have are checked, with the key of a seed.
    pub(super) fn new(offer: &Offer, seed: &Seed) -> Result<Self, TreesError> {
        Ok(match offer.mode {
            Mode::PublicStructure => {
                Self::PublicStructure(Box::new(PublicStructureClient::new(offer, seed)?))
            }
            Mode::PrivateModel => Self::PrivateModel(PrivateModelClient::new(offer, seed)?),
            Mode::LabelOnly => Self::LabelOnly(Box::new(LabelOnlyClient::new(offer, seed)?)),
            Mode::Batch => Self::Batch(BatchClient::new(offer, seed)?),
            Mode::EncryptedModel => Self::EncryptedModel(Box::new(EncryptedModelClient::new(offer)?)),
        })
    }

    /// Sizes of what is sent.
    pub(super) fn sizes(&self) -> ClientSizes {
        match self {
            Self::PublicStructure(client) => client.forms.sizes(),
            Self::PrivateModel(client) => client.forms.sizes(),
            Self::LabelOnly(client) => client.sizes(),
            Self::Batch(client) => client.sizes(),
            Self::EncryptedModel(client) => client.sizes(),
        }
    }

    /// The keys, sent once.
    pub(super) fn keys(&self, seed: &Seed) -> Vec<u8> {
        match self {
            Self::PublicStructure(client) => client.forms.keys(seed),
            Self::PrivateModel(client) => client.forms.keys(seed),
            Self::LabelOnly(client) => client.keys(seed),
            Self::Batch(client) => client.keys(seed),
            Self::EncryptedModel(_) => Vec::new(),
        }
    }

    /// Bytes of what a client downloads once.
    pub(super) fn download(&self) -> usize {
        match self {
            Self::EncryptedModel(client) => client.download(),
            _ => 0,
        }
    }

    /// Takes a download over.
    pub(super) fn take(&mut self, bytes: Vec<u8>) -> Result<(), TreesError> {
        match self {
            Self::EncryptedModel(client) => client.take(bytes),
            _ => Err(refuse("download", "none in this mode", "one")),
        }
    }

    /// What follows the digest of a request about rows of bins, at least one and at most as many as a request takes.
    pub(super) fn request(
        &self,
        offer: &Offer,
        rows: &[Vec<u16>],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        let one = || rows.first().map_or(&[][..], Vec::as_slice);
        match self {
            Self::PublicStructure(client) => client.request(offer, one(), rng),
            Self::PrivateModel(client) => client.request(offer, one(), rng),
            Self::LabelOnly(client) => client.request(offer, one(), rng),
            Self::Batch(client) => client.request(offer, rows, rng),
            Self::EncryptedModel(client) => client.request(one(), rng),
        }
    }

    /// The sums of leaf values of each row, `[rows][targets]`.
    pub(super) fn open(
        &self,
        offer: &Offer,
        answer: &[u8],
        asked: &Asked,
    ) -> Result<Vec<Vec<i64>>, TreesError> {
        match self {
            Self::PublicStructure(client) => client.open(answer),
            Self::PrivateModel(client) => client.open(offer, answer),
            Self::LabelOnly(client) => client.open(answer),
            Self::Batch(client) => client.open(answer, asked),
            Self::EncryptedModel(client) => client.open(answer, asked),
        }
    }

    /// The numbers that an answer opens to, as they are.
    pub(super) fn opened(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        match self {
            Self::PublicStructure(client) => client.forms.open(answer),
            Self::PrivateModel(client) => client.forms.open(answer),
            Self::LabelOnly(client) => client.opened(answer),
            Self::Batch(client) => client.opened(answer),
            Self::EncryptedModel(client) => client.opened(answer),
        }
    }
}
