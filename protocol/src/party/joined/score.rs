//! Private scores of the finished model: a row party asks in batches, attribute parties answer.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::exact::{SlotKey, SlotParams};
use hedgerow_crypto::hash::Digest;
use hedgerow_forest::model::Forest;

use super::super::record::Record;
use super::super::{Output, broken, internal};
use super::{Joined, Task};
use crate::check;
use crate::config::Role;
use crate::join::score::{
    ScoreBlocks, ScoreHeader, ScorePlan, ScoreQuery, ScoreRows, ScoreServer, per_message,
};
use crate::join::upload::{MAX_HELD, Source};
use crate::join::{Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{self, Channel};

/// Messages of encrypted blocks that one work makes, and of answers that one opens.
const BATCH: usize = 16;

/// Row party: the batch whose scores are being asked.
pub(super) struct Scoring {
    pub(super) batch: u64,
    pub(super) rows: Arc<ScoreRows>,
    /// Once the forest is taken apart: the scores so far, and the digest of the rows.
    pub(super) own: Option<(Vec<i64>, Digest)>,
    pub(super) asked: bool,
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
    pub(super) asked: std::collections::BTreeMap<u64, u64>,
    /// Answers of the batch at hand that have been opened, or of which the parts have been taken.
    taken: usize,
    header: Option<ScoreHeader>,
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
    /// The batch at hand.
    batch: Option<u64>,
}

impl Scores {
    /// The streams of a batch begin again.
    pub(super) fn rewind(&mut self) {
        self.epoch += 1;
        (self.answering, self.opening) = (false, false);
    }

    /// Attribute party: nothing of the batch has come.
    pub(super) fn forget(&mut self) {
        (self.header, self.taken) = (None, 0);
    }

    fn begin(&mut self, batch: u64) {
        if self.batch != Some(batch) {
            self.batch = Some(batch);
            self.rewind();
            (self.query, self.header, self.taken) = (None, None, 0);
            (self.preparing, self.closing) = (false, false);
        }
    }
}

impl Joined {
    /// The model is there.
    pub(in super::super) fn set_model(&mut self, forest: &Forest) {
        if self.forest.is_none() {
            self.forest = Some(Arc::new(forest.clone()));
            // No round follows that would be answered from these.
            for pair in &mut self.pairs {
                pair.streams.close(Channel::Profiles);
                pair.answers.forget_unit();
            }
        }
    }

    /// Row party: scores are wanted.
    pub(in super::super) fn want_scores(&mut self, batch: u64, rows: Arc<ScoreRows>) -> Result<(), Refusal> {
        let Some(prediction) = self.config.join().and_then(|join| join.prediction) else {
            return Err(internal("the run allows no private scores"));
        };
        let (asked, allowed) = (rows.most_per_entity(), prediction.per_entity);
        if asked > allowed {
            return Err(Refusal::Data {
                detail: format!("{asked} scores ask about one entity, the run allows {allowed}"),
            });
        }
        self.batches.push_back(Scoring {
            batch,
            rows,
            own: None,
            asked: false,
        });
        Ok(())
    }

    fn plan_work(&self) -> Option<Work> {
        Some(Work::ScorePlan {
            config: Arc::clone(&self.config),
            plan: Arc::clone(&self.plan),
            forest: Arc::clone(self.forest.as_ref()?),
        })
    }

    /// Attribute party: serves one row party.
    pub(super) fn serve(
        &mut self,
        index: usize,
        now: Millis,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(batches) = self.pairs.get(index).map(|pair| pair.streams.asked_scores()) else {
            return Ok(());
        };
        if batches.is_empty()
            || self.forest.is_none()
            || self.config.join().is_none_or(|join| join.prediction.is_none())
        {
            return Ok(());
        }
        let Some(scores) = self.scores.clone() else {
            if !self.planning {
                self.planning = true;
                if let Some(work) = self.plan_work() {
                    self.give(index, Task::ScorePlan, work, outputs);
                }
            }
            return Ok(());
        };
        let (plan, me) = (Arc::clone(&self.plan), self.me.clone());
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let Some(aligned) = pair.aligned.clone() else {
            return Ok(());
        };
        let server = match &pair.scores.server {
            Some(server) => Arc::clone(server),
            None => {
                let params = scores.params(aligned.union).map_err(internal)?;
                let key = SlotKey::generate(&params, &self.secret.score_key(&pair.peer));
                let server = Arc::new(ScoreServer {
                    sources: Arc::new(scores.sources(&plan, &me)),
                    plan: Arc::clone(&plan),
                    scores,
                    params,
                    union: aligned.union,
                    key: Arc::new(key),
                    seed: self.secret.scores(&pair.peer),
                });
                pair.scores.server = Some(Arc::clone(&server));
                server
            }
        };
        if let Some(out) = pair
            .streams
            .out(Channel::ScoreProfiles)
            .filter(|out| out.is_hungry())
        {
            let total = server.messages();
            if out.messages() == 0 {
                out.push(&server.key.public().to_bytes(), total == 0);
            }
            if out.is_hungry() && !pair.scores.encrypting && !pair.encrypts.reading {
                let first = out.messages() - 1;
                let Some(attributes) = pair.encrypts.attributes.clone() else {
                    pair.encrypts.reading = true;
                    let work = Work::Attributes {
                        plan,
                        party: me,
                        aligned,
                    };
                    self.give(index, Task::Attributes, work, outputs);
                    return Ok(());
                };
                pair.scores.encrypting = true;
                let work = Work::ScoreEncrypt {
                    server: Arc::clone(&server),
                    attributes,
                    messages: first..(first + BATCH).min(total),
                };
                let task = Task::ScoreEncrypt {
                    first: first + 1,
                    total: total + 1,
                };
                self.give(index, task, work, outputs);
            }
        }
        let batch = batches.into_iter().filter_map(|channel| match channel {
            Channel::Score(batch) => Some(batch),
            _ => None,
        });
        match batch.max() {
            Some(batch) => self.open_scores(index, batch, &server, now, outputs),
            None => Ok(()),
        }
    }

    fn open_scores(
        &mut self,
        index: usize,
        batch: u64,
        server: &Arc<ScoreServer>,
        now: Millis,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let allowed = self
            .config
            .join()
            .and_then(|join| join.prediction)
            .map_or(0, |of| of.rows);
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let channel = Channel::Score(batch);
        if pair.scores.batch != Some(batch) {
            pair.streams.keep_batch(batch);
        }
        pair.scores.begin(batch);
        pair.streams.listen(channel, now);
        if pair.scores.opening {
            return Ok(());
        }
        if pair.scores.header.is_none() {
            let Some(message) = pair.streams.pop(channel) else {
                return Ok(());
            };
            let header: ScoreHeader = wire::from_bytes(&message).map_err(|_| {
                // CHK-076: what a batch begins with.
                broken(
                    check::RELAY_CONTENT,
                    None,
                    Some(&pair.peer),
                    "a batch of scores without its header",
                )
            })?;
            if pair.scores.asked.insert(batch, header.rows).is_none() {
                let record = Record::Scored {
                    peer: pair.peer.clone(),
                    batch,
                    rows: header.rows,
                };
                outputs.push_back(Output::Persist(record.to_bytes()));
            }
            // CHK-078: no more scores than the run declares, over all its row parties.
            let asked: u64 = self
                .pairs
                .iter()
                .flat_map(|pair| pair.scores.asked.values())
                .sum();
            if asked > allowed {
                return Err(broken(
                    check::SCORES,
                    None,
                    self.pairs.get(index).map(|pair| &pair.peer),
                    format!("{asked} scores, the run allows {allowed}"),
                ));
            }
            if let Some(pair) = self.pairs.get_mut(index) {
                pair.scores.header = Some(header);
            }
        }
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| pair.streams.pop(channel))
            .take(BATCH)
            .collect();
        if messages.is_empty() {
            return Ok(());
        }
        pair.scores.opening = true;
        let task = Task::ScoreOpen {
            batch,
            epoch: pair.scores.epoch,
        };
        let work = Work::ScoreOpen {
            server: Arc::clone(server),
            batch,
            first: pair.scores.taken * per_message(&server.params),
            messages,
        };
        self.give(index, task, work, outputs);
        Ok(())
    }

    /// Row party: takes the batch at hand as far as it goes.
    pub(super) fn score(&mut self, now: Millis, outputs: &mut VecDeque<Output>) -> Result<(), Refusal> {
        let Some(forest) = self.forest.clone() else {
            return Ok(());
        };
        let there: Vec<_> = match &self.joined {
            Some(joined) => joined
                .iter()
                .filter(|party| self.config.role(party) == Role::Attributes)
                .cloned()
                .collect(),
            None => return Ok(()),
        };
        let Some(scoring) = self.batches.front_mut() else {
            return Ok(());
        };
        if scoring.own.is_none() {
            if !scoring.asked {
                scoring.asked = true;
                for pair in &mut self.pairs {
                    pair.streams.forget_batches();
                    pair.scores.batch = None;
                }
                let (batch, rows) = (scoring.batch, Arc::clone(&scoring.rows));
                let work = Work::ScoreOwn {
                    config: Arc::clone(&self.config),
                    plan: Arc::clone(&self.plan),
                    forest,
                    rows,
                    there,
                };
                self.give(0, Task::ScoreOwn { batch }, work, outputs);
            }
            return Ok(());
        }
        let mut done = true;
        for index in 0..self.pairs.len() {
            let takes_part = self
                .pairs
                .get(index)
                .is_some_and(|pair| there.binary_search(&pair.peer).is_ok());
            if takes_part && !self.ask_scores(index, now, outputs)? {
                done = false;
                if self.is_large()? {
                    break;
                }
            }
        }
        if done
            && let Some(Scoring {
                batch,
                own: Some((totals, _)),
                ..
            }) = self.batches.pop_front()
        {
            outputs.push_back(Output::Scored(batch, totals));
        }
        Ok(())
    }

    /// Parameters for one attribute party, and everything that it encrypts: made once for a forest.
    fn encrypted(&mut self, index: usize) -> Result<Option<Arc<Encrypted>>, Refusal> {
        let (Some(scores), Some(pair)) = (&self.scores, self.pairs.get_mut(index)) else {
            return Ok(None);
        };
        if pair.scores.encrypted.is_none()
            && let Some(aligned) = &pair.aligned
        {
            let params = scores.params(aligned.union).map_err(internal)?;
            let sources = scores.sources(&self.plan, &pair.peer);
            let blocks = params.blocks(usize::try_from(aligned.union).unwrap_or(usize::MAX));
            pair.scores.encrypted = Some(Arc::new(Encrypted {
                bytes: (blocks * sources.len() * params.block_bytes()) as u64,
                params,
                sources,
            }));
        }
        Ok(pair.scores.encrypted.clone())
    }

    /// Whether the ciphertexts of all attribute parties together are too many to be held.
    fn is_large(&mut self) -> Result<bool, Refusal> {
        let mut bytes = 0u64;
        for index in 0..self.pairs.len() {
            bytes = bytes.saturating_add(self.encrypted(index)?.map_or(0, |encrypted| encrypted.bytes));
        }
        Ok(bytes > MAX_HELD)
    }

    /// One attribute party's part of the batch at hand; true once it is complete.
    fn ask_scores(
        &mut self,
        index: usize,
        now: Millis,
        outputs: &mut VecDeque<Output>,
    ) -> Result<bool, Refusal> {
        let (large, Some(encrypted)) = (self.is_large()?, self.encrypted(index)?) else {
            return Ok(false);
        };
        let (Some(scores), Some(scoring)) = (self.scores.clone(), self.batches.front()) else {
            return Ok(false);
        };
        let Some((_, digest)) = &scoring.own else {
            return Ok(false);
        };
        let (batch, digest, rows) = (scoring.batch, *digest, Arc::clone(&scoring.rows));
        let plan = Arc::clone(&self.plan);
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(true);
        };
        let Some(aligned) = pair.aligned.clone() else {
            return Ok(false);
        };
        let params = encrypted.params.clone();
        if pair.scores.batch != Some(batch) {
            pair.streams.keep_batch(batch);
        }
        pair.scores.begin(batch);
        let Some(query) = pair.scores.query.clone() else {
            if !pair.scores.preparing {
                pair.scores.preparing = true;
                let context = [batch.to_le_bytes().as_slice(), digest.as_bytes()].concat();
                let work = Work::ScoreQuery {
                    plan,
                    rows,
                    party: pair.peer.clone(),
                    aligned,
                    slots: params.slots(),
                    seed: self.secret.scores(&pair.peer).derive("score batch", &context),
                    scores,
                };
                self.give(index, Task::ScoreQuery { batch }, work, outputs);
            }
            return Ok(false);
        };
        let outputs_wanted = query.outputs();
        if outputs_wanted == 0 {
            return Ok(true);
        }
        if pair.scores.taken >= outputs_wanted {
            if large {
                pair.scores.blocks = None;
                pair.streams.close(Channel::ScoreProfiles);
            }
            return Ok(true);
        }
        let Some(blocks) = pair.scores.blocks.clone() else {
            if pair.scores.reading {
                return Ok(false);
            }
            pair.streams.listen(Channel::ScoreProfiles, now);
            while let Some(message) = pair.streams.pop(Channel::ScoreProfiles) {
                pair.scores.messages.push(message);
            }
            if pair.streams.has_ended(Channel::ScoreProfiles) {
                pair.scores.reading = true;
                let work = Work::ScoreRead {
                    params,
                    sources: encrypted.sources.clone(),
                    union: aligned.union,
                    messages: std::mem::take(&mut pair.scores.messages),
                };
                self.give(index, Task::ScoreRead, work, outputs);
            }
            return Ok(false);
        };
        let channel = Channel::Score(batch);
        pair.streams.listen(channel, now);
        let mut work = Vec::new();
        if !pair.scores.closing {
            let messages: Vec<Vec<u8>> = std::iter::from_fn(|| pair.streams.pop(channel))
                .take(BATCH)
                .collect();
            if !messages.is_empty() {
                pair.scores.closing = true;
                let first = pair.scores.taken;
                let close = Work::ScoreClose {
                    query: Arc::clone(&query),
                    params: params.clone(),
                    first,
                    messages,
                };
                work.push((Task::ScoreClose { batch }, close));
            }
        }
        if let Some(out) = pair.streams.out(channel).filter(|out| out.is_hungry()) {
            if out.messages() == 0 {
                out.push(&wire::to_bytes(&query.header()), false);
            }
            if out.is_hungry() && !pair.scores.answering {
                pair.scores.answering = true;
                let portion = query.portion((out.messages() - 1) * per_message(&params));
                let task = Task::ScoreAnswer {
                    batch,
                    epoch: pair.scores.epoch,
                    last: portion.end == outputs_wanted,
                };
                let answer = Work::ScoreAnswer {
                    scores,
                    query,
                    blocks,
                    portion,
                };
                work.push((task, answer));
            }
        }
        for (task, work) in work {
            self.give(index, task, work, outputs);
        }
        Ok(false)
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
            (Task::ScoreQuery { batch }, Done::ScoreQuery(query)) if scores.batch == Some(batch) => {
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
            (Task::ScoreClose { batch }, Done::ScoreParts { parts, outputs })
                if scores.batch == Some(batch) =>
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
