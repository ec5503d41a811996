//! Gradients of boosted trees: both sides encrypt, both answer, both open; each in one stream, first ciphertexts, then
//! answers to the other's.

use std::collections::VecDeque;
use std::sync::Arc;

use hedgerow_crypto::exact::AttributeKey;
use hedgerow_crypto::seed::Seed;

use super::super::{Output, broken, internal};
use super::{Joined, Pair, Task};
use crate::check;
use crate::config::Role;
use crate::ids::RoundId;
use crate::join::gradients::{Answerer, Blocks, Exchange, Own, own_shares, side};
use crate::join::{Done, GradientWork, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::Channel;

/// Messages of encrypted blocks that one work makes.
const BATCH: usize = 16;
/// Messages of answers that one work opens.
const OPEN_BATCH: usize = 16;

/// What is known of one counterpart in an exchange of gradients.
#[derive(Default)]
pub(super) struct Gradients {
    /// What passes for the query; none for a query of something else.
    pub(super) exchange: Option<Arc<Exchange>>,
    key: Option<Arc<AttributeKey>>,
    /// What this party knows; for all attempts at a query.
    own: Option<Arc<Own>>,
    preparing: bool,
    /// The other's ciphertexts: as they come in, then read.
    messages: Vec<Vec<u8>>,
    blocks: Option<Arc<Blocks>>,
    reading: bool,
    /// Messages of the own stream are being made.
    making: bool,
    /// The round or the place in the own stream is another than when the last work was given out.
    epoch: u64,
    opened: Vec<u64>,
    opening: bool,
}

/// The next messages of the own stream.
enum Next {
    Key,
    Blocks { first: usize },
    Answers { part: usize },
    Nothing,
}

impl Gradients {
    /// A query, and the key for it.
    pub(super) fn set(&mut self, exchange: Option<Exchange>, seed: &Seed) {
        *self = Self {
            epoch: self.epoch + 1,
            key: exchange
                .as_ref()
                .map(|exchange| Arc::new(AttributeKey::generate(exchange.params(), seed))),
            exchange: exchange.map(Arc::new),
            ..Self::default()
        };
    }

    /// A new attempt: the other encrypts the same again, under the same key, but answers anew.
    pub(super) fn enter_round(&mut self) {
        self.messages = Vec::new();
        self.blocks = None;
        self.reading = false;
        self.opened.clear();
        self.opening = false;
        self.rewind();
    }

    /// The own stream is asked for again.
    pub(super) fn rewind(&mut self) {
        self.making = false;
        self.epoch += 1;
    }

    /// What the own stream goes on with after so many messages, and how many it has in all.
    fn next(&self, exchange: &Exchange, role: Role, made: usize) -> (Next, usize) {
        let own = exchange.messages(side(role));
        let parts: Vec<usize> = exchange.answer_messages(side(role)).collect();
        let total = own + parts.iter().sum::<usize>();
        if made < own {
            let next = if made == 0 {
                Next::Key
            } else {
                Next::Blocks { first: made - 1 }
            };
            return (next, total);
        }
        let mut first = own;
        for (part, messages) in parts.into_iter().enumerate() {
            if made == first {
                return (Next::Answers { part }, total);
            }
            first += messages;
        }
        (Next::Nothing, total)
    }
}

const fn channels(role: Role, round: RoundId) -> (Channel, Channel) {
    match role {
        Role::Row => (Channel::Answers(round), Channel::Predicates(round)),
        Role::Attributes => (Channel::Predicates(round), Channel::Answers(round)),
    }
}

const fn counterpart(role: Role) -> Role {
    match role {
        Role::Row => Role::Attributes,
        Role::Attributes => Role::Row,
    }
}

impl Joined {
    /// Whether the query is one of gradients, and passes here.
    pub(super) fn is_of_gradients(&self) -> bool {
        self.plan.gradients().is_some()
    }

    /// A query for a pair that is aligned.
    pub(super) fn set_exchange(&mut self, index: usize) -> Result<(), Refusal> {
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let Some(aligned) = &pair.aligned else {
            return Ok(());
        };
        let exchange =
            Exchange::new(&self.config, &self.plan, &self.query, aligned.union).map_err(internal)?;
        pair.gradients
            .set(exchange, &self.secret.gradient_key(&pair.peer));
        Ok(())
    }

    /// Everything that can go on with one counterpart.
    pub(super) fn exchange(
        &mut self,
        index: usize,
        now: Millis,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(round) = &self.round else { return Ok(()) };
        let (id, secret) = (round.id, round.answers.clone());
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let Some(exchange) = pair.gradients.exchange.clone() else {
            return Ok(());
        };
        if !round.holds(&pair.peer) {
            return Ok(());
        }
        let theirs = side(counterpart(self.role));
        let (_, incoming) = channels(self.role, id);
        let (blocks, answers) = (exchange.messages(theirs), exchange.cells(theirs).count());
        if pair.gradients.opened.len() < answers || (blocks > 0 && pair.gradients.blocks.is_none()) {
            pair.streams.listen(incoming, now);
        }
        self.read(index, &exchange, id, outputs);
        self.open_cells(index, (&exchange, answers), id, outputs);
        self.make(index, &exchange, (id, secret), outputs)
    }

    /// Takes the other's ciphertexts.
    fn read(
        &mut self,
        index: usize,
        exchange: &Arc<Exchange>,
        round: RoundId,
        outputs: &mut VecDeque<Output>,
    ) {
        let theirs = side(counterpart(self.role));
        let (_, incoming) = channels(self.role, round);
        let needed = exchange.messages(theirs);
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let state = &mut pair.gradients;
        if needed == 0 || state.blocks.is_some() || state.reading {
            return;
        }
        while state.messages.len() < needed {
            let Some(message) = pair.streams.pop(incoming) else {
                return;
            };
            state.messages.push(message);
        }
        state.reading = true;
        let work = Work::Gradients(GradientWork::Read {
            exchange: Arc::clone(exchange),
            side: theirs,
            messages: std::mem::take(&mut state.messages),
        });
        self.give(index, Task::GradientRead { round }, work, outputs);
    }

    /// Opens the other's answers.
    fn open_cells(
        &mut self,
        index: usize,
        (exchange, answers): (&Arc<Exchange>, usize),
        round: RoundId,
        outputs: &mut VecDeque<Output>,
    ) {
        let theirs = side(counterpart(self.role));
        let (_, incoming) = channels(self.role, round);
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let state = &mut pair.gradients;
        let waits = exchange.messages(theirs) > 0 && state.blocks.is_none();
        if waits || state.opening || state.opened.len() >= answers {
            return;
        }
        let Some(key) = state.key.clone() else { return };
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| pair.streams.pop(incoming))
            .take(OPEN_BATCH)
            .collect();
        if messages.is_empty() {
            return;
        }
        state.opening = true;
        let work = Work::Open {
            key,
            params: exchange.params().clone(),
            messages,
        };
        self.give(index, Task::Open { round }, work, outputs);
    }

    /// Goes on with the own stream.
    fn make(
        &mut self,
        index: usize,
        exchange: &Arc<Exchange>,
        (id, secret): (RoundId, Seed),
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let (role, me, query) = (self.role, self.me.clone(), self.query.clone());
        let (outgoing, _) = channels(role, id);
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let state = &mut pair.gradients;
        let Some(out) = pair.streams.out(outgoing).filter(|out| out.is_hungry()) else {
            return Ok(());
        };
        if let (Next::Key, total) = state.next(exchange, role, out.messages())
            && let Some(key) = &state.key
        {
            out.push(&key.public().to_bytes(), total == 1);
        }
        if !out.is_hungry() || state.making || state.preparing || pair.encrypts.reading {
            return Ok(());
        }
        let Some(aligned) = pair.aligned.clone() else {
            return Ok(());
        };
        let Some(own) = state.own.clone() else {
            let work = match (role, pair.encrypts.attributes.clone()) {
                (Role::Attributes, None) => {
                    pair.encrypts.reading = true;
                    let work = Work::Attributes {
                        plan: Arc::clone(&self.plan),
                        party: me,
                        aligned,
                    };
                    self.give(index, Task::Attributes, work, outputs);
                    return Ok(());
                }
                (Role::Attributes, Some(attributes)) => Work::Gradients(GradientWork::Entities {
                    exchange: Arc::clone(exchange),
                    attributes,
                }),
                (Role::Row, _) => Work::Gradients(GradientWork::Rows {
                    exchange: Arc::clone(exchange),
                    query,
                    party: pair.peer.clone(),
                    aligned,
                }),
            };
            state.preparing = true;
            let step = self.step;
            self.give(index, Task::GradientOwn { step }, work, outputs);
            return Ok(());
        };
        let (next, total) = state.next(exchange, role, out.messages());
        let task = Task::GradientMake {
            round: id,
            epoch: state.epoch,
            first: out.messages(),
            total,
        };
        let work = match (next, state.key.clone()) {
            (Next::Blocks { first }, Some(key)) => Work::Gradients(GradientWork::Encrypt {
                messages: first..(first + BATCH).min(exchange.messages(side(role)) - 1),
                exchange: Arc::clone(exchange),
                own,
                key,
                seed: self.secret.encryption(&pair.peer),
            }),
            (Next::Answers { part }, _) => {
                let Some(blocks) = state.blocks.clone() else {
                    return Ok(());
                };
                let digest = blocks.digest();
                pair.answers.bind(
                    0,
                    digest,
                    id,
                    &pair.peer,
                    "sends other encrypted gradients than before",
                    outputs,
                )?;
                Work::Gradients(GradientWork::Answer {
                    answerer: Answerer {
                        exchange: Arc::clone(exchange),
                        side: side(role),
                        own,
                        party: pair.peer.clone(),
                        secret,
                    },
                    part,
                    blocks,
                })
            }
            _ => return Ok(()),
        };
        state.making = true;
        self.give(index, task, work, outputs);
        Ok(())
    }

    pub(super) fn gradients_done(&mut self, index: usize, task: &Task, done: Done) -> Result<(), Refusal> {
        let open = self.round.as_ref().map(|round| round.id);
        let (step, role) = (self.step, self.role);
        let Some(pair) = self.pairs.get_mut(index) else {
            return Err(internal("work of another kind"));
        };
        let state = &mut pair.gradients;
        match (task, done) {
            (Task::GradientOwn { step: of }, Done::GradientOwn(own)) => {
                if *of == step {
                    state.preparing = false;
                    state.own = Some(own);
                }
            }
            (Task::GradientRead { round }, Done::GradientBlocks(blocks)) => {
                if open == Some(*round) {
                    state.reading = false;
                    state.blocks = Some(blocks);
                }
            }
            (
                Task::GradientMake {
                    round,
                    epoch,
                    first,
                    total,
                },
                Done::Messages(messages),
            ) => {
                if open == Some(*round) && state.epoch == *epoch {
                    state.making = false;
                    let (outgoing, _) = channels(role, *round);
                    if let Some(out) = pair.streams.out(outgoing) {
                        for (number, message) in (*first..).zip(messages) {
                            // It may have been asked for from the first again meanwhile.
                            if out.messages() == number {
                                out.push(&message, number + 1 == *total);
                            }
                        }
                    }
                }
            }
            _ => return Err(internal("work of another kind")),
        }
        Ok(())
    }

    /// Answers of gradients, opened.
    pub(super) fn gradients_opened(&mut self, index: usize, shares: Vec<Vec<u64>>) -> Result<(), Refusal> {
        let theirs = side(counterpart(self.role));
        let round = self.round.as_ref().map(|round| round.id);
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        let state = &mut pair.gradients;
        state.opening = false;
        state.opened.extend(shares.into_iter().flatten());
        let most = state
            .exchange
            .as_ref()
            .map_or(0, |exchange| exchange.cells(theirs).count());
        if state.opened.len() > most {
            // CHK-076: as many answers as there are cells.
            let detail = format!("{} answers, expected {most}", state.opened.len());
            return Err(broken(check::RELAY_CONTENT, round, Some(&pair.peer), detail));
        }
        Ok(())
    }

    /// This party's shares of what passes between it and a counterpart, by cell; none before all of it is there.
    pub(super) fn gradient_shares(&self, pair: &Pair) -> Option<Vec<(usize, u64)>> {
        let round = self.round.as_ref()?;
        let exchange = pair.gradients.exchange.as_ref()?;
        let (mine, theirs) = (side(self.role), side(counterpart(self.role)));
        let opened = &pair.gradients.opened;
        if opened.len() != exchange.cells(theirs).count() {
            return None;
        }
        let cells = exchange.cells(theirs).map(|(_, cell)| cell);
        let mut shares: Vec<(usize, u64)> = cells.zip(opened.iter().copied()).collect();
        if exchange.cells(mine).next().is_some() {
            let digest = pair.answers.digests.first()?;
            shares.extend(own_shares(exchange, mine, &pair.peer, &round.answers, digest));
        }
        Some(shares)
    }
}
