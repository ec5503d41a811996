//! The first party of a chain: encrypts what the paths of its trees demand, and opens the row party's answers.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::exact::ChainKey;

use super::super::super::{Output, broken, internal};
use super::super::{Joined, Task};
use crate::check;
use crate::config::Role;
use crate::ids::RoundId;
use crate::join::chain::Unit;
use crate::join::chain::encrypt::{Encryptor, items};
use crate::join::{ChainWork, Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

/// Messages that one work encrypts, and opens.
const BATCH: usize = 16;

impl Joined {
    /// The key of this attribute party.
    fn chain_key(&mut self) -> Option<Arc<ChainKey>> {
        let row = self.config.parties_of(Role::Row).next()?.clone();
        let seed = self.secret.attribute_key(&row);
        let (params, key) = self.chain.as_mut()?;
        let key = key.get_or_insert_with(|| Arc::new(ChainKey::generate(params, &seed)));
        Some(Arc::clone(key))
    }

    /// First party: what a peer has asked for, the row party or a second one.
    pub(super) fn chain_send(&mut self, index: usize, outputs: &mut VecDeque<Output>) {
        let (Some(params), Some(key), Some(units), Some(id)) = (
            self.chain_params(),
            self.chain_key(),
            self.chain_units(&self.me),
            self.chain_round(),
        ) else {
            return;
        };
        let (plan, config) = (Arc::clone(&self.plan), Arc::clone(&self.config));
        let Some(round) = &self.round else { return };
        let seed = round.answers.derive("chain encryption", &[]);
        let attributes = round.chain.attributes.clone();
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let to = match config.role(&pair.peer) {
            Role::Row => None,
            Role::Attributes => Some(pair.peer.clone()),
        };
        let channel = channel_of(to.is_some(), id);
        if !round.holds(&pair.peer) {
            return;
        }
        let Some((attributes, slots)) = attributes else {
            return;
        };
        let Some(out) = pair.streams.out(channel).filter(|out| out.is_hungry()) else {
            return;
        };
        let all = items(
            units.iter().filter(|unit| unit.second == to),
            params.blocks(slots),
        );
        if out.messages() == 0 {
            out.push(&key.public().to_bytes(), all.is_empty());
        }
        let first = out.messages() - 1;
        if pair.chain.sending || first >= all.len() {
            return;
        }
        pair.chain.sending = true;
        let wanted = all.get(first..(first + BATCH).min(all.len())).unwrap_or_default();
        let task = Task::ChainEncrypt {
            channel,
            first: first + 1,
            total: all.len() + 1,
            epoch: pair.chain.send_epoch,
        };
        let work = Work::Chain(ChainWork::Encrypt {
            encryptor: Encryptor {
                plan,
                params,
                attributes,
                key,
                seed,
            },
            items: wanted.to_vec(),
        });
        self.give(index, task, work, outputs);
    }

    pub(in super::super) fn chain_encrypted(
        &mut self,
        index: usize,
        (channel, first, total, epoch): (Channel, usize, usize, u64),
        done: Done,
    ) -> Result<(), Refusal> {
        let (Some(pair), Done::Messages(messages)) = (self.pairs.get_mut(index), done) else {
            return Err(internal("work of another kind"));
        };
        if epoch != pair.chain.send_epoch {
            return Ok(());
        }
        pair.chain.sending = false;
        if let Some(out) = pair.streams.out(channel) {
            for (number, message) in (first..).zip(messages) {
                if out.messages() == number {
                    out.push(&message, number + 1 == total);
                }
            }
        }
        Ok(())
    }

    /// First party: listens to the answers of the row party, and opens them.
    pub(super) fn chain_open(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
        let (Some(params), Some(key), Some(cells), Some(id)) = (
            self.chain_params(),
            self.chain_key(),
            self.chain_cells(),
            self.chain_round(),
        ) else {
            return;
        };
        let Some(index) = self.pairs.iter().position(|pair| pair.is_joined) else {
            return;
        };
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        if pair.chain.opened.len() >= cells.len() {
            return;
        }
        let channel = Channel::Answers(id);
        pair.streams.listen(channel, now);
        if pair.chain.opening {
            return;
        }
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| pair.streams.pop(channel))
            .take(BATCH)
            .collect();
        if messages.is_empty() {
            return;
        }
        pair.chain.opening = true;
        let work = Work::Chain(ChainWork::Open {
            key,
            params,
            messages,
        });
        self.give(index, Task::ChainOpen { round: id }, work, outputs);
    }

    pub(in super::super) fn chain_opened(&mut self, index: usize, done: Done) -> Result<(), Refusal> {
        let most = self.chain_cells().map_or(0, |cells| cells.len());
        let id = self.chain_round();
        let (Some(pair), Done::ChainShares(shares)) = (self.pairs.get_mut(index), done) else {
            return Err(internal("work of another kind"));
        };
        pair.chain.opening = false;
        pair.chain.opened.extend(shares);
        let actual = pair.chain.opened.len();
        if actual > most {
            // CHK-076: as many answers as there are cells.
            return Err(broken(
                check::RELAY_CONTENT,
                id,
                Some(&pair.peer),
                format!("{actual} answers, expected {most}"),
            ));
        }
        Ok(())
    }

    /// The cells that this attribute party opens answers of, in order.
    fn chain_cells(&self) -> Option<Vec<u32>> {
        let units = self.chain_units(&self.me)?;
        Some(units.iter().flat_map(Unit::cells).collect())
    }

    /// Attribute party: its shares of all cells, once all answers are opened. What it passes on for others goes on
    /// beside.
    pub(in super::super) fn chained_attribute_shares(&self) -> Option<Vec<u64>> {
        let cells = self.chain_cells()?;
        let pair = self.pairs.iter().find(|pair| pair.is_joined)?;
        if pair.chain.opened.len() != cells.len() {
            return None;
        }
        let mut sums = vec![0u64; self.plan.cells().cells()];
        for (cell, share) in cells.iter().zip(&pair.chain.opened) {
            if let Some(sum) = sums.get_mut(*cell as usize) {
                *sum = self.config.modulus.reduce(sum.wrapping_add(*share));
            }
        }
        Some(sums)
    }
}

fn channel_of(is_chained: bool, round: RoundId) -> Channel {
    if is_chained {
        Channel::Chain(round)
    } else {
        Channel::Predicates(round)
    }
}
