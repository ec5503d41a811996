//! Private scores of the finished model: a row party asks in batches, attribute parties answer.
//!
//! # Map
//! `serve` the attribute party, `ask` the row party.

use std::collections::BTreeMap;
use std::sync::Arc;

use hedgerow_crypto::exact::SlotParams;
use hedgerow_crypto::hash::Digest;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::TableQuery;

use super::super::internal;
use super::{Joined, Task};
use crate::ids::PartyId;
use crate::join::score::{ScoreBlocks, ScoreHeader, ScorePlan, ScoreQuery, ScoreRows, ScoreServer};
use crate::join::upload::Source;
use crate::join::{Done, JoinPlan};
use crate::refusal::Refusal;
use crate::wire::Channel;

mod ask;
mod serve;

/// Messages of encrypted blocks that one work makes, and of answers that one opens.
const BATCH: usize = 16;

/// Row party: the batch whose scores are being asked.
pub(super) struct Scoring {
    pub(super) batch: u64,
    pub(super) rows: Arc<ScoreRows>,
    /// Once the forest is taken apart: the scores so far, and the digest of the rows.
    pub(super) own: Option<(Vec<i64>, Digest)>,
    pub(super) asked: bool,
    /// Attribute parties that have fallen silent: missing, as those that are not joined.
    pub(super) lost: Vec<PartyId>,
    /// An attribute party that will not answer.
    pub(super) refused: Option<PartyId>,
}

/// Row party: what an attribute party encrypts for scores.
struct Encrypted {
    params: SlotParams,
    sources: Vec<Source>,
    bytes: u64,
}

/// What a pair holds for scores.
#[derive(Default)]
pub(super) struct Scores {
    /// Attribute party: what serves the row party.
    server: Option<Arc<ScoreServer>>,
    encrypting: bool,
    opening: bool,
    /// Scores that the row party has asked for, by batch.
    pub(super) asked: BTreeMap<u64, u64>,
    /// Answers of the batch at hand that have been opened, or of which the parts have been taken.
    taken: usize,
    header: Option<ScoreHeader>,
    /// Attribute party: the batch at hand is beyond what the run declares.
    refused: bool,
    pub(super) epoch: u64,
    encrypted: Option<Arc<Encrypted>>,
    /// Row party: what has come in.
    messages: Vec<Vec<u8>>,
    blocks: Option<Arc<ScoreBlocks>>,
    reading: bool,
    query: Option<Arc<ScoreQuery>>,
    preparing: bool,
    answering: bool,
    closing: bool,
    /// Attribute party: the batch that was asked for last.
    pub(super) wanted: Option<u64>,
    /// The batch at hand, and how often one has begun.
    batch: Option<u64>,
    begun: u64,
}

impl Scores {
    /// The streams of a batch begin again.
    pub(super) fn rewind(&mut self) {
        self.epoch += 1;
        (self.answering, self.opening) = (false, false);
    }

    /// Attribute party: nothing of the batch has come.
    pub(super) fn forget(&mut self) {
        (self.header, self.taken, self.refused) = (None, 0, false);
    }

    /// No batch is at hand, and what is on its way belongs to none.
    fn reset(&mut self) {
        self.batch = None;
        self.begun += 1;
    }

    fn begin(&mut self, batch: u64) {
        if self.batch != Some(batch) {
            self.batch = Some(batch);
            self.begun += 1;
            self.rewind();
            (self.query, self.header, self.taken, self.refused) = (None, None, 0, false);
            (self.preparing, self.closing) = (false, false);
        }
    }
}

impl Joined {
    /// The model is there, of a last table over these survivors. To the scores whoever is not among them is missing,
    /// as to the model.
    pub(in super::super) fn set_model(
        &mut self,
        forest: &Forest,
        survivors: &[PartyId],
    ) -> Result<(), Refusal> {
        if self.forest.is_none() {
            if self.is_of_gradients() {
                // The last query was of one batch of trees; scores ask about the leaves of all.
                let leaves = TableQuery::leaf_counts(Arc::clone(&forest.trees)).map_err(internal)?;
                self.plan = Arc::new(JoinPlan::new(&self.config, &leaves).map_err(internal)?);
            }
            self.forest = Some(Arc::new(forest.clone()));
            self.scorers = survivors.to_vec();
            // No round follows that would be answered from these.
            for pair in &mut self.pairs {
                pair.streams.close(Channel::Profiles);
                pair.answers.forget_unit();
            }
        }
        Ok(())
    }

    pub(super) fn score_plan_done(&mut self, scores: Arc<ScorePlan>) {
        self.planning = false;
        self.scores = Some(scores);
    }

    pub(super) fn score_done(&mut self, index: usize, task: Task, done: Done) -> Result<(), Refusal> {
        if let (
            Task::ScoreOwn { batch },
            Done::ScoreOwn {
                scores,
                totals,
                digest,
            },
        ) = (&task, done)
        {
            self.scores = Some(scores);
            if let Some(scoring) = self.batches.front_mut().filter(|scoring| scoring.batch == *batch) {
                scoring.own = Some((totals, digest));
            }
            return Ok(());
        }
        Err(internal(format!("work {index} of another kind")))
    }

    /// A work for one pair.
    pub(super) fn score_pair_done(&mut self, index: usize, task: Task, done: Done) -> Result<(), Refusal> {
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let scores = &mut pair.scores;
        match (task, done) {
            (Task::ScoreEncrypt { first, total }, Done::Messages(messages)) => {
                scores.encrypting = false;
                if let Some(out) = pair.streams.out(Channel::ScoreProfiles) {
                    for (number, message) in (first..).zip(messages) {
                        if out.messages() == number {
                            out.push(&message, number + 1 == total);
                        }
                    }
                }
            }
            (Task::ScoreOpen { batch, epoch }, Done::Messages(messages)) => {
                if epoch != scores.epoch || scores.batch != Some(batch) {
                    return Ok(());
                }
                scores.opening = false;
                scores.taken += messages.len();
                let channel = Channel::Score(batch);
                let ends = pair.streams.has_ended(channel) && pair.streams.is_empty(channel);
                let count = messages.len();
                let out = pair.streams.out_or_new(channel);
                for (number, message) in messages.iter().enumerate() {
                    out.push(message, ends && number + 1 == count);
                }
            }
            (Task::ScoreQuery { begun }, Done::ScoreQuery(query)) if scores.begun == begun => {
                scores.preparing = false;
                scores.query = Some(query);
            }
            (Task::ScoreRead, Done::ScoreBlocks(blocks)) => {
                scores.reading = false;
                scores.blocks = Some(blocks);
            }
            (Task::ScoreAnswer { batch, epoch, last }, Done::Messages(messages)) => {
                if epoch != scores.epoch || scores.batch != Some(batch) {
                    return Ok(());
                }
                scores.answering = false;
                let count = messages.len();
                if let Some(out) = pair.streams.out(Channel::Score(batch)) {
                    for (number, message) in messages.iter().enumerate() {
                        out.push(message, last && number + 1 == count);
                    }
                }
            }
            (Task::ScoreClose { batch, begun }, Done::ScoreParts { parts, outputs })
                if scores.begun == begun =>
            {
                scores.closing = false;
                scores.taken += outputs;
                if let Some(Scoring {
                    own: Some((totals, _)),
                    ..
                }) = self.batches.front_mut().filter(|scoring| scoring.batch == batch)
                {
                    for (row, part) in parts {
                        if let Some(total) = totals.get_mut(row as usize) {
                            *total += part;
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}
