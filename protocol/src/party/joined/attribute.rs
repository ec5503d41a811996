//! The attribute party's side: encrypted attributes go out, answers come in and are opened.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::hash::Digest;

use super::super::record::Record;
use super::super::{Output, broken, internal};
use super::{Joined, Task};
use crate::check;
use crate::join::encrypt::{Encryptor, messages_of};
use crate::join::{Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

/// Messages of encrypted blocks that one work makes.
const BATCH: usize = 16;
/// Messages of answers that one work opens.
const OPEN_BATCH: usize = 16;

impl Joined {
    /// Encrypts what a row party has asked for.
    pub(super) fn encrypt(&mut self, index: usize, outputs: &mut VecDeque<Output>) {
        let round = self.round.as_ref().map(|round| round.id);
        let (me, plan) = (self.me.clone(), Arc::clone(&self.plan));
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let (Some(channel), Some(upload), Some(aligned), Some(key)) = (
            pair.upload_channel(round),
            pair.upload.clone(),
            pair.aligned.clone(),
            pair.encrypts.key.clone(),
        ) else {
            return;
        };
        let Some(out) = pair.streams.out(channel).filter(|out| out.is_hungry()) else {
            return;
        };
        let counts = (0..upload.units.len()).map(|unit| messages_of(&upload, unit));
        let total = counts.clone().sum::<usize>();
        if out.messages() == 0 {
            out.push(&key.public().to_bytes(), total == 0);
        }
        if !out.is_hungry() || pair.encrypts.encrypting || pair.encrypts.reading {
            return;
        }
        let Some(attributes) = pair.encrypts.attributes.clone() else {
            pair.encrypts.reading = true;
            let work = Work::Attributes {
                plan,
                party: me,
                aligned,
            };
            self.give(index, Task::Attributes, work, outputs);
            return;
        };
        // The first message is the key.
        let first = out.messages() - 1;
        let mut left = first;
        for (unit, count) in counts.enumerate() {
            if left >= count {
                left -= count;
                continue;
            }
            pair.encrypts.encrypting = true;
            let task = Task::Encrypt {
                channel,
                first: first + 1,
                total: total + 1,
                epoch: pair.encrypts.epoch,
            };
            let encryptor = Encryptor {
                plan,
                upload,
                attributes,
                key,
                seed: self.secret.encryption(&pair.peer),
            };
            let messages = left..(left + BATCH).min(count);
            let work = Work::Encrypt {
                encryptor,
                unit,
                messages,
            };
            self.give(index, task, work, outputs);
            return;
        }
    }

    pub(super) fn attributes_done(
        &mut self,
        index: usize,
        done: Done,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let (Some(pair), Done::Attributes(attributes)) = (self.pairs.get_mut(index), done) else {
            return Err(internal("work of another kind"));
        };
        pair.encrypts.reading = false;
        pair.encrypts.attributes = Some(Arc::clone(&attributes));
        self.check_attributes(attributes.digest(), outputs)
    }

    /// Whether the own entities are what they were when they were first encrypted.
    pub(super) fn check_attributes(
        &mut self,
        digest: Digest,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        match self.attributes {
            // Written down before anything is encrypted: a run is about one state of the data, which its noise is
            // paid for, and a row party that asks for a stream again must not get half of another.
            None => {
                self.attributes = Some(digest);
                outputs.push_back(Output::Persist(Record::Attributes { digest }.to_bytes()));
            }
            Some(known) if known == digest => {}
            Some(_) => {
                return Err(Refusal::Data {
                    detail:
                        "attributes have changed since this run began to use them: a run, its private scores \
                             included, goes on with the same data only"
                            .to_owned(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn encrypt_done(
        &mut self,
        index: usize,
        (channel, first, total, epoch): (Channel, usize, usize, u64),
        done: Done,
    ) -> Result<(), Refusal> {
        let (Some(pair), Done::Messages(messages)) = (self.pairs.get_mut(index), done) else {
            return Err(internal("work of another kind"));
        };
        if epoch == pair.encrypts.epoch || channel == Channel::Profiles {
            pair.encrypts.encrypting = false;
        }
        if let Some(out) = pair.streams.out(channel) {
            for (number, message) in (first..).zip(messages) {
                // The row party may have asked for the first again meanwhile.
                if out.messages() == number {
                    out.push(&message, number + 1 == total);
                }
            }
        }
        Ok(())
    }

    /// Listens to the answers of a row party, and opens them.
    pub(super) fn open(&mut self, index: usize, now: Millis, outputs: &mut VecDeque<Output>) {
        let Some(round) = &self.round else { return };
        let id = round.id;
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let (Some(upload), Some(key)) = (pair.upload.clone(), pair.encrypts.key.clone()) else {
            return;
        };
        if !round.holds(&pair.peer) || pair.encrypts.opened.len() >= upload.answers(&self.plan) {
            return;
        }
        let channel = Channel::Answers(id);
        pair.streams.listen(channel, now);
        if pair.encrypts.opening {
            return;
        }
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| pair.streams.pop(channel))
            .take(OPEN_BATCH)
            .collect();
        if messages.is_empty() {
            return;
        }
        pair.encrypts.opening = true;
        let params = upload.params.clone();
        let work = Work::Open {
            key,
            params,
            messages,
        };
        self.give(index, Task::Open { round: id }, work, outputs);
    }

    pub(super) fn open_done(&mut self, index: usize, done: Done) -> Result<(), Refusal> {
        let (Some(pair), Done::Shares(shares)) = (self.pairs.get_mut(index), done) else {
            return Err(internal("work of another kind"));
        };
        pair.encrypts.opening = false;
        pair.encrypts.opened.extend(shares);
        let most = pair
            .upload
            .as_ref()
            .map_or(0, |upload| upload.answers(&self.plan));
        if pair.encrypts.opened.len() > most {
            // CHK-076: as many answers as there are groups.
            return Err(broken(
                check::RELAY_CONTENT,
                self.round.as_ref().map(|round| round.id),
                Some(&pair.peer),
                format!("{} answers, expected {most}", pair.encrypts.opened.len()),
            ));
        }
        Ok(())
    }

    /// This party's shares of all cells, once every row party of the round has answered.
    pub(in super::super) fn attribute_shares(&self) -> Option<Vec<u64>> {
        if self.chain.is_some() {
            return self.chained_attribute_shares();
        }
        let round = self.round.as_ref()?;
        let members = round.members.as_ref()?;
        let is_member = |pair: &&super::Pair| members.binary_search(&pair.peer).is_ok();
        if self.is_of_gradients() {
            let mut sums = vec![0u64; self.plan.cells().cells()];
            for pair in self.pairs.iter().filter(is_member) {
                self.add_shares(self.gradient_shares(pair)?, &mut sums);
            }
            return Some(sums);
        }
        for pair in self.pairs.iter().filter(is_member) {
            if pair.encrypts.opened.len() != pair.upload.as_ref()?.answers(&self.plan) {
                return None;
            }
        }
        let mut sums = vec![0u64; self.plan.cells().cells()];
        for pair in self.pairs.iter().filter(is_member) {
            let upload = pair.upload.as_ref()?;
            for (cells, shares) in upload.cells(&self.plan).zip(&pair.encrypts.opened) {
                for (cell, share) in cells.iter().zip(shares) {
                    if let Some(sum) = sums.get_mut(*cell as usize) {
                        *sum = self.config.modulus.reduce(sum.wrapping_add(*share));
                    }
                }
            }
        }
        Some(sums)
    }
}
