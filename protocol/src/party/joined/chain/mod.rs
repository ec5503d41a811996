//! Chained runs: all three sides of a query whose trees may test columns of two links.
//!
//! Who is in the round's chains is fixed with its members. Every stream is pulled by its receiver, from the answers
//! back to the first party's encryptions; whoever is asked for the first message again asks its own sources again.
//!
//! # Map
//! `order` the common order of entities, `first` the party that encrypts and opens, `second` the one that passes on,
//! `row` the one that answers. Here: what is known of a round and of a peer, what goes on, and what begins anew.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::exact::ChainParams;

use super::super::Output;
use super::Joined;
use crate::config::Role;
use crate::ids::{PartyId, RoundId};
use crate::join::chain::answer::Sums;
use crate::join::chain::order::Orders;
use crate::join::chain::{Unit, units};
use crate::join::encrypt::Attributes;
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

mod first;
mod order;
mod row;
mod second;

/// What is known of a round's chains as a whole. Gone with the round.
#[derive(Default)]
pub(super) struct Round {
    /// Attribute party: its entities in the common order, and the slots of that.
    attributes: Option<(Arc<Attributes>, usize)>,
    reading: bool,
    /// Attribute party: the order, as far as it has come.
    order: Vec<Vec<u8>>,
    /// Row party: the common order.
    orders: Option<Arc<Orders>>,
    ordering: bool,
    /// Row party: what rows count as in trees of which a party is missing.
    counting: bool,
    missing: Option<Vec<i64>>,
}

/// What is known of one peer in a round's chains.
#[derive(Default)]
pub(super) struct Peer {
    /// First party, of what goes to this peer.
    sending: bool,
    send_epoch: u64,
    /// First party, of the row party's answers.
    opened: Vec<u64>,
    opening: bool,
    /// Second party, of what comes from this peer; row party, of the answers to it.
    cursor: Cursor,
}

/// Where the trees of one first party stand at the second or the row party.
#[derive(Default)]
struct Cursor {
    key: Option<Arc<Vec<u8>>>,
    unit: usize,
    block: usize,
    /// Messages of the block so far.
    messages: Vec<Vec<u8>>,
    /// Row party: the sums so far.
    sums: Option<Box<Sums>>,
    busy: bool,
    epoch: u64,
}

impl Cursor {
    fn rewind(&mut self) {
        *self = Self {
            epoch: self.epoch + 1,
            ..Self::default()
        };
    }
}

impl Peer {
    /// A new attempt: nothing of the one before counts.
    pub(super) fn enter_round(&mut self) {
        self.sending = false;
        self.send_epoch += 1;
        self.opened.clear();
        self.opening = false;
        self.cursor.rewind();
    }
}

impl Joined {
    /// The parameters; none in other runs.
    fn chain_params(&self) -> Option<ChainParams> {
        self.chain.as_ref().map(|(params, _)| params.clone())
    }

    /// Everybody in the round's chains, sorted; none before they are fixed.
    fn chain_parties(&self) -> Option<Vec<PartyId>> {
        let mut parties = self.round.as_ref()?.members.clone()?;
        if let Err(place) = parties.binary_search(&self.me) {
            parties.insert(place, self.me.clone());
        }
        Some(parties)
    }

    /// The trees of a first party in the round.
    fn chain_units(&self, first: &PartyId) -> Option<Vec<Unit>> {
        Some(units(&self.plan, first, &self.chain_parties()?))
    }

    fn chain_round(&self) -> Option<RoundId> {
        self.round.as_ref().map(|round| round.id)
    }

    fn place_of(&self, party: &PartyId) -> u32 {
        let place = self.config.parties.binary_search(party);
        place.map_or(u32::MAX, |place| u32::try_from(place).unwrap_or(u32::MAX))
    }

    fn party_at(&self, place: u32) -> Option<&PartyId> {
        self.config.parties.get(usize::try_from(place).ok()?)
    }

    fn index_of(&self, party: &PartyId) -> Option<usize> {
        self.pairs.iter().position(|pair| pair.peer == *party)
    }

    /// Everything that can go on now in a chained round.
    pub(super) fn pump_chain(&mut self, now: Millis, outputs: &mut VecDeque<Output>) -> Result<(), Refusal> {
        if self.chain.is_none() || self.forest.is_some() || self.chain_parties().is_none() {
            return Ok(());
        }
        match self.role {
            Role::Row => {
                for index in 0..self.pairs.len() {
                    self.tell_order(index, outputs);
                    self.chain_answer(index, now, outputs);
                }
                self.count_dead(outputs);
            }
            Role::Attributes => {
                self.hear_order(now, outputs);
                for index in 0..self.pairs.len() {
                    self.chain_send(index, outputs);
                    self.chain_pass(index, now, outputs);
                }
                self.chain_open(now, outputs);
            }
        }
        Ok(())
    }

    /// A peer has asked for the first message of a stream again.
    pub(super) fn rewind_chain(&mut self, index: usize, channel: Channel) {
        match channel {
            Channel::Predicates(_) | Channel::Chain(_) => {
                if let Some(pair) = self.pairs.get_mut(index) {
                    pair.chain.sending = false;
                    pair.chain.send_epoch += 1;
                }
            }
            // The row party asks for what a first party sends along this one.
            Channel::Passed(round, place) => {
                let first = self.party_at(place).cloned();
                if let Some(first) = first.and_then(|first| self.index_of(&first))
                    && let Some(pair) = self.pairs.get_mut(first)
                {
                    pair.chain.cursor.rewind();
                    pair.streams.close(Channel::Chain(round));
                }
            }
            // A first party asks for the first answer: everything comes again.
            Channel::Answers(round) => {
                let Some(pair) = self.pairs.get_mut(index) else {
                    return;
                };
                pair.chain.cursor.rewind();
                pair.streams.close(Channel::Predicates(round));
                let first = pair.peer.clone();
                let passed = Channel::Passed(round, self.place_of(&first));
                for pair in &mut self.pairs {
                    pair.streams.close(passed);
                }
            }
            _ => {}
        }
    }
}
