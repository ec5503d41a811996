//! Works of private scores.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::SlotParams;
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::model::Forest;

use super::super::align::Aligned;
use super::super::done::Done;
use super::super::encrypt::Attributes;
use super::super::error::JoinError;
use super::super::plan::JoinPlan;
use super::super::score::{ScoreBlocks, ScorePlan, ScoreQuery, ScoreRows, ScoreServer};
use super::super::upload::Source;
use crate::config::RunConfig;
use crate::ids::PartyId;

/// A step of private scores, at the row party or at an attribute party.
pub enum ScoreWork {
    /// Take a forest apart, and score rows as far as this party can.
    Own {
        /// The run.
        config: Arc<RunConfig>,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The forest.
        forest: Arc<Forest>,
        /// The rows.
        rows: Arc<ScoreRows>,
        /// Attribute parties that are there, sorted.
        there: Vec<PartyId>,
    },
    /// Prepare a batch for one attribute party.
    Query {
        /// The forest's plan.
        scores: Arc<ScorePlan>,
        /// The run's plan.
        plan: Arc<JoinPlan>,
        /// The rows.
        rows: Arc<ScoreRows>,
        /// The party.
        party: PartyId,
        /// For each reference to it its position in the union.
        aligned: Arc<Aligned>,
        /// Slots of an answer.
        slots: usize,
        /// The randomness of the batch at the party.
        seed: Seed,
    },
    /// Read what a party has encrypted for scores.
    Read {
        /// Parameters.
        params: SlotParams,
        /// What is encrypted.
        sources: Vec<Source>,
        /// Positions of the union.
        union: u64,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Answers of a batch, a portion.
    Answer {
        /// The forest's plan.
        scores: Arc<ScorePlan>,
        /// The batch.
        query: Arc<ScoreQuery>,
        /// What it is multiplied with.
        blocks: Arc<ScoreBlocks>,
        /// Which answers.
        portion: Range<usize>,
    },
    /// Take the masks off opened answers.
    Close {
        /// The batch.
        query: Arc<ScoreQuery>,
        /// Parameters.
        params: SlotParams,
        /// The first answer.
        first: usize,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
    /// Take a forest apart to serve scores.
    Plan {
        /// The run.
        config: Arc<RunConfig>,
        /// Its plan.
        plan: Arc<JoinPlan>,
        /// The forest.
        forest: Arc<Forest>,
    },
    /// Encrypt for scores.
    Encrypt {
        /// With what.
        server: Arc<ScoreServer>,
        /// The entities.
        attributes: Arc<Attributes>,
        /// Which messages.
        messages: Range<usize>,
    },
    /// Open answers of a batch.
    Open {
        /// With what.
        server: Arc<ScoreServer>,
        /// The batch.
        batch: u64,
        /// The first answer.
        first: usize,
        /// The messages.
        messages: Vec<Vec<u8>>,
    },
}

impl ScoreWork {
    pub(super) fn compute(self) -> Result<Done, JoinError> {
        Ok(match self {
            Self::Own {
                config,
                plan,
                forest,
                rows,
                there,
            } => {
                let scores = ScorePlan::new(&config, &plan, &forest)?;
                Done::ScoreOwn {
                    totals: scores.own_part(&plan, &rows, &there)?,
                    scores: Arc::new(scores),
                    digest: rows.digest(),
                }
            }
            Self::Plan { config, plan, forest } => {
                Done::ScorePlan(Arc::new(ScorePlan::new(&config, &plan, &forest)?))
            }
            Self::Query {
                scores,
                plan,
                rows,
                party,
                aligned,
                slots,
                seed,
            } => {
                let positions = &aligned.positions;
                let query = ScoreQuery::new(&scores, &plan, &rows, &party, positions, slots, seed)?;
                Done::ScoreQuery(Arc::new(query))
            }
            Self::Read {
                params,
                sources,
                union,
                messages,
            } => Done::ScoreBlocks(Arc::new(ScoreBlocks::read(params, sources, union, &messages)?)),
            Self::Answer {
                scores,
                query,
                blocks,
                portion,
            } => Done::Messages(query.answers(&scores, &blocks, portion)?),
            Self::Close {
                query,
                params,
                first,
                messages,
            } => {
                let (parts, outputs) = query.close(&params, first, &messages)?;
                Done::ScoreParts { parts, outputs }
            }
            Self::Encrypt {
                server,
                attributes,
                messages,
            } => Done::Messages(server.encrypt(&attributes, messages)?),
            Self::Open {
                server,
                batch,
                first,
                messages,
            } => Done::Messages(server.open(batch, first, &messages)?),
        })
    }
}
