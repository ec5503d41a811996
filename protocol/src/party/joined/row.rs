//! The row party's side: encrypted attributes come in, answers go out; and its own part of the sum.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_forest::join::Side;

use super::super::{Output, internal};
use super::{Joined, Task};
use crate::config::Role;
use crate::ids::PartyId;
use crate::join::answer::{Answerer, groups_of, own_shares, portions};
use crate::join::encrypt::messages_of;
use crate::join::upload::{Engine, MAX_HELD};
use crate::join::{Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

/// A counterpart that keeps others waiting for so long makes room for them.
const PATIENCE_MS: u64 = 10_000;

impl Joined {
    /// Reads what an attribute party sends, as far as memory allows.
    pub(super) fn collect(&mut self, index: usize, now: Millis, outputs: &mut VecDeque<Output>) {
        let round = self.round.as_ref().map(|round| round.id);
        if !self.wants_unit(index) || !self.has_room(index, now) {
            return;
        }
        let busy = self.is_busy();
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let (Some(channel), Some(upload)) = (pair.upload_channel(round), pair.upload.clone()) else {
            return;
        };
        let answers = &mut pair.answers;
        if answers.next.0 < answers.unit && !answers.reading {
            // It is gone: from the first again.
            answers.forget_unit();
            pair.streams.close(channel);
        }
        pair.streams.listen(channel, now);
        if pair.answers.reading {
            return;
        }
        let needed = messages_of(&upload, pair.answers.unit);
        while pair.answers.key.is_none() || pair.answers.messages.len() < needed {
            let Some(message) = pair.streams.pop(channel) else {
                return;
            };
            match &pair.answers.key {
                None => pair.answers.key = Some(Arc::new(message)),
                Some(_) => pair.answers.messages.push(message),
            }
        }
        let Some(key) = pair.answers.key.clone().filter(|_| !busy) else {
            return;
        };
        pair.answers.reading = true;
        let task = Task::ReadUnit {
            unit: pair.answers.unit,
            epoch: pair.answers.read_epoch,
        };
        let work = Work::ReadUnit {
            upload,
            unit: pair.answers.unit,
            key,
            messages: std::mem::take(&mut pair.answers.messages),
        };
        self.give(index, task, work, outputs);
    }

    /// Whether the unit that is answered next is still to come.
    fn wants_unit(&self, index: usize) -> bool {
        let Some(pair) = self.pairs.get(index) else {
            return false;
        };
        let Some(upload) = &pair.upload else { return false };
        let joined = self
            .joined
            .as_ref()
            .is_some_and(|joined| joined.binary_search(&pair.peer).is_ok());
        // Predicates belong to a round, and a party that has not begun it hears nobody ask: its shares say that it has.
        let begun = match upload.engine {
            Engine::Profiles => true,
            Engine::Predicates => self.round.as_ref().is_some_and(|round| round.holds(&pair.peer)),
        };
        joined
            && begun
            && self.forest.is_none()
            && upload.answers(&self.plan) > 0
            && pair.answers.next.0 < upload.units.len()
            && pair
                .answers
                .blocks
                .as_ref()
                .is_none_or(|(unit, _)| *unit != pair.answers.next.0)
    }

    /// Bytes of foreign ciphertexts that a pair takes once it is read.
    fn held(&self, index: usize) -> u64 {
        let Some(pair) = self.pairs.get(index) else {
            return 0;
        };
        let Some(upload) = &pair.upload else { return 0 };
        let unit = upload.units.get(pair.answers.next.0).or(upload.units.first());
        let items = unit.map_or(0, |unit| upload.items(unit)) as u64;
        items.saturating_mul(upload.params.block_bytes() as u64)
    }

    fn holds(&self, index: usize) -> bool {
        let round = self.round.as_ref().map(|round| round.id);
        self.pairs.get(index).is_some_and(|pair| {
            pair.answers.blocks.is_some()
                || pair
                    .upload_channel(round)
                    .is_some_and(|channel| pair.streams.listens(channel))
        })
    }

    /// Whether one more pair may be read; makes room if others have been silent for long.
    fn has_room(&mut self, index: usize, now: Millis) -> bool {
        if self.holds(index) {
            return true;
        }
        let all = 0..self.pairs.len();
        let mut held: u64 = all
            .clone()
            .filter(|other| self.holds(*other))
            .map(|other| self.held(other))
            .sum();
        let wanted = self.held(index);
        let round = self.round.as_ref().map(|round| round.id);
        for other in all {
            if held == 0 || held.saturating_add(wanted) <= MAX_HELD {
                return true;
            }
            let bytes = self.held(other);
            let Some(pair) = self.pairs.get_mut(other) else {
                continue;
            };
            let Some(channel) = pair.upload_channel(round) else {
                continue;
            };
            let holds = pair.answers.blocks.is_some() || pair.streams.listens(channel);
            let idle = pair.active.plus(PATIENCE_MS) <= now;
            if holds && idle && !pair.answers.reading && !pair.answers.answering && other != index {
                pair.streams.close(channel);
                pair.answers.forget_unit();
                held = held.saturating_sub(bytes);
            }
        }
        held == 0 || held.saturating_add(wanted) <= MAX_HELD
    }

    /// Whether one of the large works of a row party is under way: one at a time.
    fn is_busy(&self) -> bool {
        self.tasks
            .values()
            .any(|(_, task)| matches!(task, Task::ReadUnit { .. } | Task::Answer { .. }))
    }

    pub(super) fn unit_done(
        &mut self,
        index: usize,
        (unit, epoch): (usize, u64),
        done: Done,
    ) -> Result<(), Refusal> {
        let (Some(pair), Done::Unit(blocks)) = (self.pairs.get_mut(index), done) else {
            return Err(internal("work of another kind"));
        };
        if pair.answers.read_epoch == epoch {
            pair.answers.reading = false;
            pair.answers.unit = unit + 1;
            pair.answers.blocks = Some((unit, blocks));
        }
        Ok(())
    }

    /// Answers what an attribute party has asked for.
    pub(super) fn answer(&mut self, index: usize, outputs: &mut VecDeque<Output>) -> Result<(), Refusal> {
        let Some(round) = &self.round else { return Ok(()) };
        let (id, secret) = (round.id, round.answers.clone());
        let (query, plan, busy) = (self.query.clone(), Arc::clone(&self.plan), self.is_busy());
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        if !round.holds(&pair.peer) || pair.answers.answering || busy {
            return Ok(());
        }
        let (Some(upload), Some(aligned)) = (pair.upload.clone(), pair.aligned.clone()) else {
            return Ok(());
        };
        let channel = Channel::Answers(id);
        if !pair.streams.out(channel).is_some_and(|out| out.is_hungry()) {
            return Ok(());
        }
        let (unit, portion) = pair.answers.next;
        let (Some((ready, blocks)), Some(of)) = (&pair.answers.blocks, upload.units.get(unit)) else {
            return Ok(());
        };
        if *ready != unit {
            return Ok(());
        }
        let blocks = Arc::clone(blocks);
        let digest = blocks.digest();
        pair.answers.bind(
            unit,
            digest,
            id,
            &pair.peer,
            "sends other encrypted attributes than before",
            outputs,
        )?;
        let groups = groups_of(&plan, of);
        let Some(range) = portions(&groups).get(portion).cloned() else {
            return Ok(());
        };
        let ends = range.end == groups.len();
        pair.answers.answering = true;
        let task = Task::Answer {
            round: id,
            epoch: pair.answers.epoch,
            next: if ends { (unit + 1, 0) } else { (unit, portion + 1) },
            last: ends && unit + 1 == upload.units.len(),
        };
        let answerer = Answerer {
            query,
            plan,
            upload,
            party: pair.peer.clone(),
            positions: Arc::new(aligned.positions.clone()),
            secret,
        };
        let work = Work::Answer {
            answerer,
            unit,
            portion: range,
            blocks,
        };
        self.give(index, task, work, outputs);
        Ok(())
    }

    pub(super) fn answer_done(
        &mut self,
        index: usize,
        (epoch, next, last): (u64, (usize, usize), bool),
        done: Done,
    ) -> Result<(), Refusal> {
        let several = self
            .pairs
            .iter()
            .filter_map(|pair| Some(pair.upload.as_ref()?.bytes()))
            .sum::<u64>()
            > MAX_HELD;
        let round = self.round.as_ref().map(|round| round.id);
        let (Some(pair), Done::Messages(messages)) = (self.pairs.get_mut(index), done) else {
            return Err(internal("work of another kind"));
        };
        if epoch != pair.answers.epoch {
            return Ok(());
        }
        pair.answers.answering = false;
        if let Some(out) = round.and_then(|round| pair.streams.out(Channel::Answers(round))) {
            let count = messages.len();
            for (number, message) in messages.iter().enumerate() {
                out.push(message, last && number + 1 == count);
            }
        }
        pair.answers.next = next;
        let is_over = pair
            .answers
            .blocks
            .as_ref()
            .is_some_and(|(unit, _)| *unit < next.0);
        if is_over && (several || !last || next.0 > 1) {
            pair.answers.blocks = None;
            if last && let Some(channel) = pair.upload_channel(round) {
                pair.streams.close(channel);
                pair.answers.forget_unit();
            }
        }
        Ok(())
    }

    /// Whether an attribute party has been answered in full, as far as this party has to make it.
    pub(in super::super) fn has_answered(&self, party: &PartyId) -> bool {
        if self.chain.is_some() {
            return self.has_answered_chains(party);
        }
        let Some(pair) = self.pairs.iter().find(|pair| pair.peer == *party) else {
            return false;
        };
        if let Some(exchange) = &pair.gradients.exchange {
            return exchange.cells(Side::Row).next().is_none() || !pair.answers.digests.is_empty();
        }
        let Some(upload) = &pair.upload else { return false };
        upload.answers(&self.plan) == 0 || pair.answers.digests.len() == upload.units.len()
    }

    /// Counts what the rows of absent attribute parties count as.
    pub(super) fn count_missing(&mut self, outputs: &mut VecDeque<Output>) {
        let Some(fixed) = self.round.as_ref().and_then(|round| round.fixed.clone()) else {
            return;
        };
        let absent: Vec<PartyId> = self
            .config
            .parties_of(Role::Attributes)
            .filter(|party| fixed.binary_search(party).is_err() && !self.missing.contains_key(party))
            .cloned()
            .collect();
        for party in absent {
            self.missing.insert(party.clone(), None);
            let work = Work::Missing {
                query: self.query.clone(),
                plan: Arc::clone(&self.plan),
                party: party.clone(),
            };
            let step = self.step;
            self.give(0, Task::Missing { party, step }, work, outputs);
        }
    }

    /// Adds shares of cells.
    pub(super) fn add_shares(&self, shares: Vec<(usize, u64)>, sums: &mut [u64]) {
        for (cell, share) in shares {
            if let Some(sum) = sums.get_mut(cell) {
                *sum = self.config.modulus.reduce(sum.wrapping_add(share));
            }
        }
    }

    /// This party's part of all cells: its own counts, what is missing counts as, and minus the masks of what it has
    /// answered to the parties that are in the sum. None before all of it is there.
    pub(in super::super) fn row_shares(&self, base: &[i64]) -> Option<Vec<u64>> {
        if self.chain.is_some() {
            return self.chained_row_shares(base);
        }
        let round = self.round.as_ref()?;
        let fixed = round.fixed.as_ref()?;
        let modulus = self.config.modulus;
        let whole = modulus.value() as i128;
        let mut sums: Vec<u64> = base
            .iter()
            .map(|count| i128::from(*count).rem_euclid(whole) as u64)
            .collect();
        for party in self.config.parties_of(Role::Attributes) {
            if fixed.binary_search(party).is_err() {
                let missing = self.missing.get(party)?.as_ref()?;
                for (sum, count) in sums.iter_mut().zip(missing) {
                    *sum = modulus.reduce(sum.wrapping_add(i128::from(*count).rem_euclid(whole) as u64));
                }
                continue;
            }
            let pair = self.pairs.iter().find(|pair| pair.peer == *party)?;
            if self.is_of_gradients() {
                self.add_shares(self.gradient_shares(pair)?, &mut sums);
                continue;
            }
            let upload = pair.upload.as_ref()?;
            let shares = own_shares(&self.plan, upload, party, &round.answers, &pair.answers.digests);
            for (cell, share) in shares {
                if let Some(sum) = sums.get_mut(cell as usize) {
                    *sum = modulus.reduce(sum.wrapping_add(share));
                }
            }
        }
        Some(sums)
    }
}
