//! Chained runs: all three sides of a query whose trees may test columns of two links.
//!
//! Who is in the round's chains is fixed with its members. Every stream is pulled by its receiver, from the answers
//! back to the first party's encryptions; whoever is asked for the first message again asks its own sources again.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::exact::{ChainKey, ChainParams};

use super::super::record::Record;
use super::super::{Output, broken, internal};
use super::{Joined, Pair, Task};
use crate::check;
use crate::config::{Alignment, Role};
use crate::ids::{PartyId, RoundId};
use crate::join::chain::answer::{Answerer, Step, Sums, own_shares};
use crate::join::chain::encrypt::{Encryptor, items};
use crate::join::chain::order::Orders;
use crate::join::chain::pass::Passer;
use crate::join::chain::{Unit, dead, units};
use crate::join::encrypt::Attributes;
use crate::join::{Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

/// Messages that one work encrypts, and opens.
const BATCH: usize = 16;

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

    /// The key of this attribute party.
    pub(super) fn chain_key(&mut self) -> Option<Arc<ChainKey>> {
        let row = self.config.parties_of(Role::Row).next()?.clone();
        let seed = self.secret.attribute_key(&row);
        let (params, key) = self.chain.as_mut()?;
        let key = key.get_or_insert_with(|| Arc::new(ChainKey::generate(params, &seed)));
        Some(Arc::clone(key))
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

    /// Row party: an attribute party's map to the common order, once it is asked for.
    fn tell_order(&mut self, index: usize, outputs: &mut VecDeque<Output>) {
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
    fn draw_orders(&mut self, index: usize, outputs: &mut VecDeque<Output>) {
        let is_plain = self.is_plain();
        let Some(round) = self.round.as_mut().filter(|round| !round.chain.ordering) else {
            return;
        };
        round.chain.ordering = true;
        let (id, seed) = (round.id, round.answers.derive("common order", &[]));
        let members = round.members.clone().unwrap_or_default();
        let of = |pair: &Pair| Some((pair.peer.clone(), pair.aligned.clone()?));
        let parties = self.pairs.iter().filter_map(of);
        let work = Work::ChainOrders {
            parties: parties
                .filter(|(peer, _)| members.binary_search(peer).is_ok())
                .collect(),
            is_plain,
            seed,
        };
        self.give(index, Task::ChainOrders { round: id }, work, outputs);
    }

    fn is_plain(&self) -> bool {
        let alignment = self.config.join().map(|join| join.alignment);
        matches!(alignment, Some(Alignment::Plain))
    }

    pub(super) fn orders_done(&mut self, done: Done) -> Result<(), Refusal> {
        let (Some(round), Done::Orders(orders)) = (&mut self.round, done) else {
            return Err(internal("work of another kind"));
        };
        round.chain.orders = Some(orders);
        Ok(())
    }

    /// Attribute party: the own map to the common order.
    fn hear_order(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
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
        let work = Work::ChainAttributes {
            plan: Arc::clone(&self.plan),
            party: self.me.clone(),
            aligned,
            messages: std::mem::take(&mut state.order),
        };
        self.give(index, Task::ChainAttributes { round: id }, work, outputs);
    }

    pub(super) fn chain_attributes_done(
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

    /// First party: what a peer has asked for, the row party or a second one.
    fn chain_send(&mut self, index: usize, outputs: &mut VecDeque<Output>) {
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
        let work = Work::ChainEncrypt {
            encryptor: Encryptor {
                plan,
                params,
                attributes,
                key,
                seed,
            },
            items: wanted.to_vec(),
        };
        self.give(index, task, work, outputs);
    }

    pub(super) fn chain_encrypted(
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

    /// Second party: what comes from this peer, as far as the row party has asked for it.
    fn chain_pass(&mut self, index: usize, now: Millis, outputs: &mut VecDeque<Output>) {
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
        let work = Work::ChainPass {
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
        };
        self.give(index, task, work, outputs);
    }

    pub(super) fn chain_passed(
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

    /// Row party: what comes for the trees of this first party, and the answers to it, as far as it has asked for them.
    fn chain_answer(&mut self, index: usize, now: Millis, outputs: &mut VecDeque<Output>) {
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
        let work = Work::ChainStep {
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
        };
        self.give(index, task, work, outputs);
    }

    pub(super) fn chain_stepped(
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
        match pair.answers.digests.get(cursor.unit) {
            // CHK-072: masks are bound to what they hide; other ciphertexts would need others.
            Some(known) if *known != digest => {
                return Err(broken(
                    check::CIPHERTEXTS,
                    Some(id),
                    Some(&pair.peer),
                    "other encrypted attributes come along its chain than before",
                ));
            }
            Some(_) => {}
            None => {
                pair.answers.digests.push(digest);
                let record = Record::Answering {
                    round: id,
                    peer: pair.peer.clone(),
                    digest,
                };
                outputs.push_back(Output::Persist(record.to_bytes()));
            }
        }
        (cursor.unit, cursor.block) = (cursor.unit + 1, 0);
        if let Some(out) = pair.streams.out(Channel::Answers(id)) {
            let count = messages.len();
            for (number, message) in messages.iter().enumerate() {
                out.push(message, last && number + 1 == count);
            }
        }
        Ok(())
    }

    /// First party: listens to the answers of the row party, and opens them.
    fn chain_open(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
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
        let work = Work::ChainOpen {
            key,
            params,
            messages,
        };
        self.give(index, Task::ChainOpen { round: id }, work, outputs);
    }

    pub(super) fn chain_opened(&mut self, index: usize, done: Done) -> Result<(), Refusal> {
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
    pub(super) fn chained_attribute_shares(&self) -> Option<Vec<u64>> {
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

    /// Row party: whether the trees of a first party have been answered in full.
    pub(super) fn has_answered_chains(&self, party: &PartyId) -> bool {
        let units = self.chain_units(party);
        let pair = self.pairs.iter().find(|pair| pair.peer == *party);
        units
            .zip(pair)
            .is_some_and(|(units, pair)| pair.answers.digests.len() == units.len())
    }

    /// Row party: counts the rows of trees of which a party is missing.
    fn count_dead(&mut self, outputs: &mut VecDeque<Output>) {
        let is_fixed = self.round.as_ref().is_some_and(|round| round.fixed.is_some());
        let Some(parties) = self.chain_parties().filter(|_| is_fixed) else {
            return;
        };
        let Some(round) = self.round.as_mut().filter(|round| !round.chain.counting) else {
            return;
        };
        round.chain.counting = true;
        let id = round.id;
        let work = Work::ChainMissing {
            query: self.query.clone(),
            plan: Arc::clone(&self.plan),
            trees: dead(&self.plan, &parties),
        };
        self.give(0, Task::ChainMissing { round: id }, work, outputs);
    }

    pub(super) fn dead_counted(&mut self, done: Done) -> Result<(), Refusal> {
        let (Some(round), Done::Missing(sums)) = (&mut self.round, done) else {
            return Err(internal("work of another kind"));
        };
        round.chain.missing = Some(sums);
        Ok(())
    }

    /// Row party: its own counts, what missing trees count as, and minus the masks of everything answered.
    pub(super) fn chained_row_shares(&self, base: &[i64]) -> Option<Vec<u64>> {
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

fn channel_of(is_chained: bool, round: RoundId) -> Channel {
    if is_chained {
        Channel::Chain(round)
    } else {
        Channel::Predicates(round)
    }
}
