//! The heavy computations of a join, for a driver to run outside of the machine.
//!
//! # Map
//! `align` the common entities, `gradients` boosted trees, `chain` trees over two links, `scores` private scores. Here:
//! the counts of leaves over one link, what several kinds share, and how any work is run.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::{AttributeKey, CountParams};
use hedgerow_crypto::hash::Digest;
use hedgerow_forest::query::TableQuery;

use super::align::{Aligned, Own};
use super::answer::{self, Answerer, UnitBlocks};
use super::data::{self, JoinData};
use super::done::Done;
use super::encrypt::{Attributes, Encryptor};
use super::error::JoinError;
use super::open;
use super::plan::JoinPlan;
use super::upload::Upload;
use crate::ids::PartyId;

mod align;
mod chain;
mod gradients;
mod scores;

pub use align::AlignWork;
pub use chain::ChainWork;
pub use gradients::GradientWork;
pub use scores::ScoreWork;

/// Names one piece of work of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub u64);

/// What an operator may see of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkKind {
    /// Finding the common entities.
    Alignment,
    /// Encrypting profiles or predicates.
    Encryption,
    /// Counting rows.
    Counting,
    /// Answering, and opening answers.
    InnerProducts,
    /// Private scores.
    Prediction,
}

/// A piece of work with all that it needs but the data. Run it on a thread that may block; it uses the current
/// `rayon` pool.
pub enum Work {
    /// Find the common entities.
    Align(AlignWork),
    /// Read the own entities' attributes.
    Attributes {
        /// The plan.
        plan: Arc<JoinPlan>,
        /// This party.
        party: PartyId,
        /// Where the entities stand in the union.
        aligned: Arc<Aligned>,
    },
    /// Encrypt messages of one unit.
    Encrypt {
        /// With what.
        encryptor: Encryptor,
        /// The unit.
        unit: usize,
        /// Its messages.
        messages: Range<usize>,
    },
    /// Count rows that need no attribute, after a check that the keys are still those that were aligned.
    Base {
        /// The query.
        query: TableQuery,
        /// The digests of the keys named at each party.
        keys: Vec<(PartyId, Digest)>,
    },
    /// Read the encrypted blocks of one unit.
    ReadUnit {
        /// What was to come.
        upload: Arc<Upload>,
        /// The unit.
        unit: usize,
        /// The public key.
        key: Arc<Vec<u8>>,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Answer a portion of one unit.
    Answer {
        /// With what.
        answerer: Answerer,
        /// The unit.
        unit: usize,
        /// Its groups.
        portion: Range<usize>,
        /// Its blocks.
        blocks: Arc<UnitBlocks>,
    },
    /// Count the rows of a party that is missing.
    Missing {
        /// The query.
        query: TableQuery,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The party.
        party: PartyId,
    },
    /// Open answers.
    Open {
        /// The key that opens them.
        key: Arc<AttributeKey>,
        /// Their parameters.
        params: CountParams,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Of boosted trees.
    Gradients(GradientWork),
    /// Of trees over two links.
    Chain(ChainWork),
    /// Of private scores.
    Scores(ScoreWork),
}

impl Work {
    /// Does it.
    ///
    /// # Errors
    /// What others may hear: sizes and places, no data.
    pub fn run(self, data: &dyn JoinData) -> Result<Done, String> {
        self.compute(data).map_err(|error| error.to_string())
    }

    fn compute(self, data: &dyn JoinData) -> Result<Done, JoinError> {
        Ok(match self {
            Self::Align(work) => work.compute(data)?,
            Self::Attributes { plan, party, aligned } => {
                Done::Attributes(Arc::new(Attributes::read(data, &plan, &party, &aligned)?))
            }
            Self::Encrypt {
                encryptor,
                unit,
                messages,
            } => Done::Messages(encryptor.messages(unit, messages)?),
            Self::Base { query, keys } => {
                for (party, digest) in keys {
                    let now = Own::References(party).read(data)?;
                    if data::keys_digest(&now) != digest {
                        return Err(JoinError::Changed);
                    }
                }
                Done::Table(data.base_counts(&query).map_err(JoinError::Data)?)
            }
            Self::ReadUnit {
                upload,
                unit,
                key,
                messages,
            } => Done::Unit(Arc::new(UnitBlocks::read(&upload, unit, &key, &messages)?)),
            Self::Answer {
                answerer,
                unit,
                portion,
                blocks,
            } => Done::Messages(answerer.answers(data, unit, portion, &blocks)?),
            Self::Missing { query, plan, party } => {
                Done::Missing(answer::missing(data, &query, &plan, &party)?)
            }
            Self::Open {
                key,
                params,
                messages,
            } => Done::Shares(open::open(&key, &params, &messages)?),
            Self::Gradients(work) => work.compute(data)?,
            Self::Chain(work) => work.compute(data)?,
            Self::Scores(work) => work.compute()?,
        })
    }

    /// What it is, for an operator.
    #[must_use]
    pub fn kind(&self) -> WorkKind {
        match self {
            Self::Align(_) => WorkKind::Alignment,
            Self::Attributes { .. } | Self::Encrypt { .. } => WorkKind::Encryption,
            Self::Base { .. } | Self::Missing { .. } => WorkKind::Counting,
            Self::ReadUnit { .. } | Self::Answer { .. } | Self::Open { .. } => WorkKind::InnerProducts,
            Self::Gradients(work) => work.kind(),
            Self::Chain(work) => work.kind(),
            Self::Scores(_) => WorkKind::Prediction,
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({:?})", self.kind())
    }
}
