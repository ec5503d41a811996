//! The attribute party's side of private scores.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::exact::SlotKey;

use super::super::super::record::Record;
use super::super::super::{Output, broken, internal};
use super::super::{Joined, Task};
use super::BATCH;
use crate::check;
use crate::join::score::{ScoreHeader, ScoreServer, per_message};
use crate::join::{ScoreWork, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{self, Channel};

impl Joined {
    fn plan_work(&self) -> Option<Work> {
        Some(Work::Scores(ScoreWork::Plan {
            config: Arc::clone(&self.config),
            plan: Arc::clone(&self.plan),
            forest: Arc::clone(self.forest.as_ref()?),
        }))
    }

    /// Attribute party: serves one row party.
    pub(in super::super) fn serve(
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
                let work = Work::Scores(ScoreWork::Encrypt {
                    server: Arc::clone(&server),
                    attributes,
                    messages: first..(first + BATCH).min(total),
                });
                let task = Task::ScoreEncrypt {
                    first: first + 1,
                    total: total + 1,
                };
                self.give(index, task, work, outputs);
            }
        }
        // Rows that are asked about again have a number below the last one.
        let wanted = self.pairs.get(index).and_then(|pair| pair.scores.wanted);
        let batch = wanted.filter(|batch| batches.contains(&Channel::Score(*batch)));
        match batch {
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
            // CHK-078: no more scores than the run declares, over all its row parties. The batch is refused, not the run:
            // one row party that asks too much must not end it for others.
            let others = self.pairs.iter().enumerate().flat_map(|(of, pair)| {
                let others = pair.scores.asked.iter();
                others.filter(move |(other, _)| (of, **other) != (index, batch))
            });
            let asked = others.fold(header.rows, |sum, (_, rows)| sum.saturating_add(*rows));
            let Some(pair) = self.pairs.get_mut(index) else {
                return Ok(());
            };
            if asked > allowed {
                pair.scores.refused = true;
                pair.streams.out_or_new(channel).push(&[], true);
            } else if pair.scores.asked.insert(batch, header.rows) != Some(header.rows) {
                let record = Record::Scored {
                    peer: pair.peer.clone(),
                    batch,
                    rows: header.rows,
                };
                outputs.push_back(Output::Persist(record.to_bytes()));
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
        if messages.is_empty() || pair.scores.refused {
            return Ok(());
        }
        pair.scores.opening = true;
        let task = Task::ScoreOpen {
            batch,
            epoch: pair.scores.epoch,
        };
        let work = Work::Scores(ScoreWork::Open {
            server: Arc::clone(server),
            batch,
            first: pair.scores.taken * per_message(&server.params),
            messages,
        });
        self.give(index, task, work, outputs);
        Ok(())
    }
}
