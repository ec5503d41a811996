//! The row party's side of private scores.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::super::record::Record;
use super::super::super::{Output, Scored, internal};
use super::super::{Joined, Task};
use super::{BATCH, Encrypted, Scoring};
use crate::config::Role;
use crate::ids::PartyId;
use crate::join::score::{ScoreRefusal, ScoreRows, per_message};
use crate::join::upload::MAX_HELD;
use crate::join::{ScoreWork, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{self, Channel};

/// An attribute party that says nothing for so long while scores are asked of it is taken as missing. It asks again
/// more often than this for whatever it waits for.
const LOST_MS: u64 = 60_000;

impl Joined {
    /// Row party: scores are wanted.
    pub(in super::super::super) fn want_scores(
        &mut self,
        batches: &[Arc<ScoreRows>],
        outputs: &mut VecDeque<Output>,
    ) -> Result<Vec<u64>, ScoreRefusal> {
        let prediction = self.config.join().and_then(|join| join.prediction);
        let Some(prediction) = prediction.filter(|_| self.role == Role::Row) else {
            return Err(ScoreRefusal::NotOffered);
        };
        let aligned = |party: &PartyId| {
            let pair = self.pairs.iter().find(|pair| pair.peer == *party)?;
            pair.aligned.as_ref().map(|aligned| aligned.keys)
        };
        let accepted = self.books.ask(&prediction, batches, aligned)?;
        let mut numbers = Vec::with_capacity(accepted.len());
        for ((batch, new), rows) in accepted.into_iter().zip(batches) {
            // Written down before anything of it is sent: no crash makes a score cheaper.
            if let Some(asked) = new {
                outputs.push_back(Output::Persist(Record::Asked(asked).to_bytes()));
            }
            numbers.push(batch);
            self.batches.push_back(Scoring {
                batch,
                rows: Arc::clone(rows),
                own: None,
                asked: false,
                lost: Vec::new(),
                refused: None,
            });
        }
        Ok(numbers)
    }

    /// Row party: takes the batch at hand as far as it goes.
    pub(in super::super) fn score(
        &mut self,
        now: Millis,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(forest) = self.forest.clone() else {
            return Ok(());
        };
        let (Some(joined), Some(scoring)) = (&self.joined, self.batches.front_mut()) else {
            return Ok(());
        };
        let is_there = |party: &&PartyId| {
            self.config.role(party) == Role::Attributes
                && self.scorers.contains(party)
                && !scoring.lost.contains(party)
        };
        let there: Vec<PartyId> = joined.iter().filter(is_there).cloned().collect();
        if scoring.own.is_none() {
            if !scoring.asked {
                scoring.asked = true;
                for pair in &mut self.pairs {
                    pair.streams.forget_batches();
                    pair.scores.reset();
                }
                let (batch, rows) = (scoring.batch, Arc::clone(&scoring.rows));
                let work = Work::Scores(ScoreWork::Own {
                    config: Arc::clone(&self.config),
                    plan: Arc::clone(&self.plan),
                    forest,
                    rows,
                    there,
                });
                self.give(0, Task::ScoreOwn { batch }, work, outputs);
            }
            return Ok(());
        }
        let (mut done, mut lost) = (true, Vec::new());
        for index in 0..self.pairs.len() {
            let takes_part = self
                .pairs
                .get(index)
                .is_some_and(|pair| there.binary_search(&pair.peer).is_ok());
            if takes_part && !self.ask_scores(index, now, outputs)? {
                done = false;
                lost.extend(self.silent(index, now));
                if self.is_large()? {
                    break;
                }
            }
        }
        // A batch that an attribute party refuses has no scores; the next one may.
        if self
            .batches
            .front()
            .is_some_and(|scoring| scoring.refused.is_some())
        {
            for pair in &mut self.pairs {
                pair.streams.forget_batches();
                pair.scores.reset();
            }
            if let Some(Scoring {
                batch,
                refused: Some(party),
                ..
            }) = self.batches.pop_front()
            {
                let refusal = ScoreRefusal::ByParty { party };
                outputs.push_back(Output::NotScored(batch, refusal));
            }
            return self.score(now, outputs);
        }
        // Whoever has fallen silent is missing: the batch begins again without it.
        if let Some(scoring) = self.batches.front_mut().filter(|_| !lost.is_empty()) {
            scoring.lost.append(&mut lost);
            (scoring.own, scoring.asked) = (None, false);
            return self.score(now, outputs);
        }
        if done
            && let Some(Scoring {
                batch,
                own: Some((totals, _)),
                ..
            }) = self.batches.pop_front()
        {
            let attributes = self.config.parties_of(Role::Attributes);
            let absent = attributes.filter(|party| there.binary_search(party).is_err());
            let scored = Scored {
                sums: totals,
                absent: absent.cloned().collect(),
            };
            outputs.push_back(Output::Scored(batch, scored));
        }
        Ok(())
    }

    /// The attribute party, if nothing has been heard of it for long while it is its turn.
    fn silent(&self, index: usize, now: Millis) -> Option<PartyId> {
        let pair = self.pairs.get(index)?;
        let own = self.tasks.values().any(|(of, _)| *of == index);
        let is_silent = self.is_online && !own && pair.active.plus(LOST_MS) <= now;
        is_silent.then(|| pair.peer.clone())
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
            pair.active = now;
        }
        pair.scores.begin(batch);
        let Some(query) = pair.scores.query.clone() else {
            if !pair.scores.preparing {
                pair.scores.preparing = true;
                let context = [batch.to_le_bytes().as_slice(), digest.as_bytes()].concat();
                let begun = pair.scores.begun;
                let work = Work::Scores(ScoreWork::Query {
                    plan,
                    rows,
                    party: pair.peer.clone(),
                    aligned,
                    slots: params.slots(),
                    seed: self.secret.scores(&pair.peer).derive("score batch", &context),
                    scores,
                });
                self.give(index, Task::ScoreQuery { begun }, work, outputs);
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
                let work = Work::Scores(ScoreWork::Read {
                    params,
                    sources: encrypted.sources.clone(),
                    union: aligned.union,
                    messages: std::mem::take(&mut pair.scores.messages),
                });
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
            if messages.first().is_some_and(Vec::is_empty) {
                let party = pair.peer.clone();
                if let Some(scoring) = self.batches.front_mut() {
                    scoring.refused = Some(party);
                }
                return Ok(false);
            }
            if !messages.is_empty() {
                pair.scores.closing = true;
                let first = pair.scores.taken;
                let close = Work::Scores(ScoreWork::Close {
                    query: Arc::clone(&query),
                    params: params.clone(),
                    first,
                    messages,
                });
                let begun = pair.scores.begun;
                work.push((Task::ScoreClose { batch, begun }, close));
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
                let answer = Work::Scores(ScoreWork::Answer {
                    scores,
                    query,
                    blocks,
                    portion,
                });
                work.push((task, answer));
            }
        }
        for (task, work) in work {
            self.give(index, task, work, outputs);
        }
        Ok(false)
    }
}
