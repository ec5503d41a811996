//! The common order of a round: the row party draws it, and tells every attribute party its own map to it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::super::{Output, internal};
use super::super::{Joined, Pair, Task};
use crate::config::Alignment;
use crate::join::{ChainWork, Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

impl Joined {
    /// Row party: an attribute party's map to the common order, once it is asked for.
    pub(super) fn tell_order(&mut self, index: usize, outputs: &mut VecDeque<Output>) {
        let Some(round) = &mut self.round else { return };
        let channel = Channel::Order(round.id);
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let is_member = round.holds(&pair.peer);
        let Some(out) = pair
            .streams
            .out(channel)
            .filter(|out| is_member && out.messages() == 0)
        else {
            return;
        };
        if let Some(orders) = &round.chain.orders {
            let messages = orders.messages(&pair.peer);
            for (number, message) in messages.iter().enumerate() {
                out.push(message, number + 1 == messages.len());
            }
        } else {
            self.draw_orders(index, outputs);
        }
    }

    /// Row party: draws the common order, once somebody asks for it or for what follows from it.
    pub(super) fn draw_orders(&mut self, index: usize, outputs: &mut VecDeque<Output>) {
        let is_plain = self.is_plain();
        let Some(round) = self.round.as_mut().filter(|round| !round.chain.ordering) else {
            return;
        };
        round.chain.ordering = true;
        let (id, seed) = (round.id, round.answers.derive("common order", &[]));
        let members = round.members.clone().unwrap_or_default();
        let of = |pair: &Pair| Some((pair.peer.clone(), pair.aligned.clone()?));
        let parties = self.pairs.iter().filter_map(of);
        let work = Work::Chain(ChainWork::Orders {
            parties: parties
                .filter(|(peer, _)| members.binary_search(peer).is_ok())
                .collect(),
            is_plain,
            seed,
        });
        self.give(index, Task::ChainOrders { round: id }, work, outputs);
    }

    fn is_plain(&self) -> bool {
        let alignment = self.config.join().map(|join| join.alignment);
        matches!(alignment, Some(Alignment::Plain))
    }

    pub(in super::super) fn orders_done(&mut self, done: Done) -> Result<(), Refusal> {
        let (Some(round), Done::Orders(orders)) = (&mut self.round, done) else {
            return Err(internal("work of another kind"));
        };
        round.chain.orders = Some(orders);
        Ok(())
    }

    /// Attribute party: the own map to the common order.
    pub(super) fn hear_order(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
        let rows = self.pairs.iter().position(|pair| pair.is_joined);
        let (Some(index), Some(round)) = (rows, &mut self.round) else {
            return;
        };
        let (id, state) = (round.id, &mut round.chain);
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let channel = Channel::Order(id);
        if state.attributes.is_some() || state.reading {
            return;
        }
        pair.streams.listen(channel, now);
        state
            .order
            .extend(std::iter::from_fn(|| pair.streams.pop(channel)));
        let Some(aligned) = pair.aligned.clone().filter(|_| pair.streams.has_ended(channel)) else {
            return;
        };
        state.reading = true;
        let work = Work::Chain(ChainWork::Attributes {
            plan: Arc::clone(&self.plan),
            party: self.me.clone(),
            aligned,
            messages: std::mem::take(&mut state.order),
        });
        self.give(index, Task::ChainAttributes { round: id }, work, outputs);
    }

    pub(in super::super) fn chain_attributes_done(
        &mut self,
        done: Done,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Done::Attributes(attributes) = done else {
            return Err(internal("work of another kind"));
        };
        self.check_attributes(attributes.digest(), outputs)?;
        if let Some(round) = &mut self.round {
            round.chain.attributes = Some((Arc::clone(&attributes), attributes.union()));
        }
        Ok(())
    }
}
