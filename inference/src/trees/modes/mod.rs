//! The modes, one file each with both sides: what the server compiles and answers, what the client sends and opens.
//!
//! A new mode is a file here, a name in [`Mode`](super::Mode), and one line in each of the matches below.

mod forms;
pub(super) mod label_only;
mod private_model;
mod public_structure;
mod rule;

use hedgerow_crypto::exact::Evaluator;
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;

use super::error::TreesError;
use super::mode::Mode;
use super::offer::{Offer, refuse};
use super::plan::Plan;
use super::prepared::Prepared;
use label_only::{LabelKeys, LabelOnly, LabelOnlyClient};
use private_model::{PrivateModel, PrivateModelClient};
use public_structure::{PublicStructure, PublicStructureClient};

/// The server's side of a mode.
#[derive(Clone)]
pub(super) enum Engine {
    PublicStructure(PublicStructure),
    PrivateModel(PrivateModel),
    LabelOnly(Box<LabelOnly>),
}

/// A client's keys, checked.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    Forms(Evaluator),
    Label(LabelKeys),
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
        }
    }

    /// A client's keys from their bytes, whose number is that of the plan.
    pub(super) fn read_keys(&self, public: &[u8], evaluation: &[u8]) -> Result<Keys, TreesError> {
        match self {
            Self::PublicStructure(engine) => engine.forms.read_keys(public, evaluation),
            Self::PrivateModel(engine) => engine.forms.read_keys(public, evaluation),
            Self::LabelOnly(engine) => engine.read_keys(public, evaluation),
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

/// The client's side of a mode, with its key.
#[derive(Debug)]
pub(super) enum ClientEngine {
    PublicStructure(Box<PublicStructureClient>),
    PrivateModel(PrivateModelClient),
    LabelOnly(Box<LabelOnlyClient>),
}

/// Sizes that a client works out from an offer: bytes without the digest of messages.
pub(super) struct ClientSizes {
    pub(super) rows: usize,
    pub(super) keys: usize,
    pub(super) request: usize,
    pub(super) answer: usize,
}

/// What a client keeps of a request until its answer is there.
#[derive(Debug)]
pub struct Asked {
    rows: usize,
}

impl Asked {
    /// Rows that were asked about.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// A request about so many rows.
    pub(super) const fn of(rows: usize) -> Self {
        Self { rows }
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
        })
    }

    /// Sizes of what is sent.
    pub(super) fn sizes(&self) -> ClientSizes {
        match self {
            Self::PublicStructure(client) => client.forms.sizes(),
            Self::PrivateModel(client) => client.forms.sizes(),
            Self::LabelOnly(client) => client.sizes(),
        }
    }

    /// The keys, sent once.
    pub(super) fn keys(&self, seed: &Seed) -> Vec<u8> {
        match self {
            Self::PublicStructure(client) => client.forms.keys(seed),
            Self::PrivateModel(client) => client.forms.keys(seed),
            Self::LabelOnly(client) => client.keys(seed),
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
        }
    }

    /// The sums of leaf values of each row, `[rows][targets]`.
    pub(super) fn open(
        &self,
        offer: &Offer,
        answer: &[u8],
        _asked: &Asked,
    ) -> Result<Vec<Vec<i64>>, TreesError> {
        match self {
            Self::PublicStructure(client) => client.open(answer),
            Self::PrivateModel(client) => client.open(offer, answer),
            Self::LabelOnly(client) => client.open(answer),
        }
    }

    /// The numbers that an answer opens to, as they are.
    pub(super) fn opened(&self, answer: &[u8]) -> Result<Vec<u64>, TreesError> {
        match self {
            Self::PublicStructure(client) => client.forms.open(answer),
            Self::PrivateModel(client) => client.forms.open(answer),
            Self::LabelOnly(client) => client.opened(answer),
        }
    }
}
