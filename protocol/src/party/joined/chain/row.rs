//! The row party of chains: adds up what comes along them, answers every first party, and counts what is missing.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::super::{Output, internal};
use super::super::{Joined, Task};
use crate::ids::PartyId;
use crate::join::chain::answer::{Answerer, Step, own_shares};
use crate::join::chain::dead;
use crate::join::{ChainWork, Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

impl Joined {
    /// Row party: what comes for the trees of this first party, and the answers to it, as far as it has asked for them.
    pub(super) fn chain_answer(&mut self, index: usize, now: Millis, outputs: &mut VecDeque<Output>) {
        let Some(first) = self.pairs.get(index).map(|pair| pair.peer.clone()) else {
            return;
        };
        let (Some(params), Some(units), Some(id)) =
            (self.chain_params(), self.chain_units(&first), self.chain_round())
        else {
            return;
        };
        let Some(round) = &self.round else { return };
        let (secret, orders) = (round.answers.clone(), round.chain.orders.clone());
        if !round.holds(&first) {
            return;
        }
        let passed = Channel::Passed(id, self.place_of(&first));
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let answers = pair.streams.out(Channel::Answers(id));
        if !answers.is_some_and(|out| out.is_hungry()) {
            return;
        }
        let Some(orders) = orders else {
            // After a restart others may have theirs, and not ask for it again.
            self.draw_orders(index, outputs);
            return;
        };
        let cursor = &mut pair.chain.cursor;
        let Some(unit) = units.get(cursor.unit).filter(|_| !cursor.busy) else {
            return;
        };
        let direct = Channel::Predicates(id);
        pair.streams.listen(direct, now);
        if cursor.key.is_none() {
            cursor.key = pair.streams.pop(direct).map(Arc::new);
        }
        let Some(key) = cursor.key.clone() else { return };
        let mut messages = std::mem::take(&mut cursor.messages);
        let (from, channel) = match &unit.second {
            None => (Some(index), direct),
            Some(second) => (self.index_of(second), passed),
        };
        if let Some(source) = from.and_then(|from| self.pairs.get_mut(from)) {
            source.streams.listen(channel, now);
            while messages.len() < unit.width() {
                let Some(message) = source.streams.pop(channel) else {
                    break;
                };
                messages.push(message);
            }
        }
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let cursor = &mut pair.chain.cursor;
        if messages.len() < unit.width() {
            cursor.messages = messages;
            return;
        }
        cursor.busy = true;
        let task = Task::ChainStep {
            round: id,
            last: cursor.unit + 1 == units.len(),
            epoch: cursor.epoch,
            from: unit.second.clone().unwrap_or_else(|| first.clone()),
        };
        let work = Work::Chain(ChainWork::Step {
            unit: Arc::new(unit.clone()),
            sums: cursor.sums.take(),
            messages,
            answerer: Box::new(Answerer {
                query: self.query.clone(),
                plan: Arc::clone(&self.plan),
                params,
                first,
                orders,
                key,
                secret,
            }),
        });
        self.give(index, task, work, outputs);
    }

    pub(in super::super) fn chain_stepped(
        &mut self,
        index: usize,
        (last, epoch): (bool, u64),
        done: Done,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let id = self.chain_round();
        let (Some(pair), Some(id), Done::ChainStep(step)) = (self.pairs.get_mut(index), id, done) else {
            return Err(internal("work of another kind"));
        };
        let cursor = &mut pair.chain.cursor;
        if epoch != cursor.epoch {
            return Ok(());
        }
        cursor.busy = false;
        let (digest, messages) = match step {
            Step::Next(sums) => {
                cursor.sums = Some(sums);
                cursor.block += 1;
                return Ok(());
            }
            Step::Answers(digest, messages) => (digest, messages),
        };
        pair.answers.bind(
            cursor.unit,
            digest,
            id,
            &pair.peer,
            "other encrypted attributes come along its chain than before",
            outputs,
        )?;
        (cursor.unit, cursor.block) = (cursor.unit + 1, 0);
        if let Some(out) = pair.streams.out(Channel::Answers(id)) {
            let count = messages.len();
            for (number, message) in messages.iter().enumerate() {
                out.push(message, last && number + 1 == count);
            }
        }
        Ok(())
    }

    /// Row party: whether the trees of a first party have been answered in full.
    pub(in super::super) fn has_answered_chains(&self, party: &PartyId) -> bool {
        let units = self.chain_units(party);
        let pair = self.pairs.iter().find(|pair| pair.peer == *party);
        units
            .zip(pair)
            .is_some_and(|(units, pair)| pair.answers.digests.len() == units.len())
    }

    /// Row party: counts the rows of trees of which a party is missing.
    pub(super) fn count_dead(&mut self, outputs: &mut VecDeque<Output>) {
        let is_fixed = self.round.as_ref().is_some_and(|round| round.fixed.is_some());
        let Some(parties) = self.chain_parties().filter(|_| is_fixed) else {
            return;
        };
        let Some(round) = self.round.as_mut().filter(|round| !round.chain.counting) else {
            return;
        };
        round.chain.counting = true;
        let id = round.id;
        let work = Work::Chain(ChainWork::Missing {
            query: self.query.clone(),
            plan: Arc::clone(&self.plan),
            trees: dead(&self.plan, &parties),
        });
        self.give(0, Task::ChainMissing { round: id }, work, outputs);
    }

    pub(in super::super) fn dead_counted(&mut self, done: Done) -> Result<(), Refusal> {
        let (Some(round), Done::Missing(sums)) = (&mut self.round, done) else {
            return Err(internal("work of another kind"));
        };
        round.chain.missing = Some(sums);
        Ok(())
    }

    /// Row party: its own counts, what missing trees count as, and minus the masks of everything answered.
    pub(in super::super) fn chained_row_shares(&self, base: &[i64]) -> Option<Vec<u64>> {
        let round = self.round.as_ref()?;
        let fixed = round.fixed.as_ref()?;
        let missing = round.chain.missing.as_ref()?;
        let plaintext = self.chain.as_ref()?.0.plaintext();
        let modulus = self.config.modulus;
        let whole = modulus.value() as i128;
        let counts = base.iter().zip(missing);
        let mut sums: Vec<u64> = counts
            .map(|(own, missing)| (i128::from(*own) + i128::from(*missing)).rem_euclid(whole) as u64)
            .collect();
        for first in fixed {
            let pair = self.pairs.iter().find(|pair| pair.peer == *first)?;
            let units = self.chain_units(first)?;
            let digests = &pair.answers.digests;
            for (cell, share) in own_shares(&units, plaintext, first, &round.answers, digests) {
                if let Some(sum) = sums.get_mut(cell as usize) {
                    *sum = modulus.reduce(sum.wrapping_add(share));
                }
            }
        }
        Some(sums)
    }
}
