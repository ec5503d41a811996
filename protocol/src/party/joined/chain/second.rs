//! The second party of a chain: multiplies what comes by what its own entities are, and passes it on to the row party.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::super::{Output, internal};
use super::super::{Joined, Task};
use crate::join::chain::pass::Passer;
use crate::join::{ChainWork, Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

impl Joined {
    /// Second party: what comes from this peer, as far as the row party has asked for it.
    pub(super) fn chain_pass(&mut self, index: usize, now: Millis, outputs: &mut VecDeque<Output>) {
        let Some(first) = self.pairs.get(index).map(|pair| pair.peer.clone()) else {
            return;
        };
        let (Some(params), Some(mut units), Some(id)) =
            (self.chain_params(), self.chain_units(&first), self.chain_round())
        else {
            return;
        };
        units.retain(|unit| unit.second.as_ref() == Some(&self.me));
        let (channel, passed) = (Channel::Chain(id), Channel::Passed(id, self.place_of(&first)));
        let Some(row) = self.pairs.iter_mut().find(|pair| pair.is_joined) else {
            return;
        };
        if !row.streams.out(passed).is_some_and(|out| out.is_hungry()) || units.is_empty() {
            return;
        }
        let Some(round) = &self.round else { return };
        let Some((attributes, slots)) = round.chain.attributes.clone() else {
            return;
        };
        let seed = round.answers.derive("chain second", &[]);
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        pair.streams.listen(channel, now);
        let cursor = &mut pair.chain.cursor;
        let Some(unit) = units.get(cursor.unit).filter(|_| !cursor.busy) else {
            return;
        };
        if cursor.key.is_none() {
            cursor.key = pair.streams.pop(channel).map(Arc::new);
        }
        while cursor.key.is_some() && cursor.messages.len() < unit.sources.len() {
            let Some(message) = pair.streams.pop(channel) else {
                return;
            };
            cursor.messages.push(message);
        }
        let Some(key) = cursor.key.clone() else { return };
        cursor.busy = true;
        let last_block = cursor.block + 1 == params.blocks(slots);
        let task = Task::ChainPass {
            round: id,
            last: last_block && cursor.unit + 1 == units.len(),
            ends: last_block,
            epoch: cursor.epoch,
        };
        let work = Work::Chain(ChainWork::Pass {
            unit: Arc::new(unit.clone()),
            block: cursor.block,
            messages: std::mem::take(&mut cursor.messages),
            passer: Passer {
                plan: Arc::clone(&self.plan),
                params,
                attributes,
                key,
                seed,
            },
        });
        self.give(index, task, work, outputs);
    }

    pub(in super::super) fn chain_passed(
        &mut self,
        index: usize,
        (last, ends, epoch): (bool, bool, u64),
        done: Done,
    ) -> Result<(), Refusal> {
        let id = self.chain_round();
        let (Some(pair), Some(id), Done::Messages(messages)) = (self.pairs.get_mut(index), id, done) else {
            return Err(internal("work of another kind"));
        };
        let cursor = &mut pair.chain.cursor;
        if epoch != cursor.epoch {
            return Ok(());
        }
        cursor.busy = false;
        (cursor.unit, cursor.block) = if ends {
            (cursor.unit + 1, 0)
        } else {
            (cursor.unit, cursor.block + 1)
        };
        let first = pair.peer.clone();
        let channel = Channel::Passed(id, self.place_of(&first));
        if let Some(row) = self.pairs.iter_mut().find(|pair| pair.is_joined)
            && let Some(out) = row.streams.out(channel)
        {
            let count = messages.len();
            for (number, message) in messages.iter().enumerate() {
                out.push(message, last && number + 1 == count);
            }
        }
        Ok(())
    }
}
