//! A party's part in a joined run beside the rounds: streams to its counterparts and the works that feed them.
//!
//! Everything is pulled. A counterpart asks for a stream, this party makes what is next of it as [`Work`], and
//! [`Joined::pump`] looks after every event what can go on. All bytes follow from the run secret, the round secret
//! and the data, so nothing that was sent is kept for long: whoever asks again gets it made again.
//!
//! # Map
//! `relay` sealed streams, `pair` what is known of one counterpart, `align` its common entities, `attribute` and
//! `row` the two sides of a query, `gradients` those of boosted trees, `chain` the three of trees over two links,
//! `score` private scores, `task` what works are for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hedgerow_crypto::exact::{ChainKey, ChainParams};
use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::TableQuery;

use super::output::Output;
use super::secret::RunSecret;
use super::{broken, internal};
use crate::binding;
use crate::check;
use crate::config::{Role, RunConfig};
use crate::ids::{PartyId, RoundId};
use crate::join::align::Aligned;
use crate::join::score::{Asked, ScoreBooks, ScorePlan};
use crate::join::stream::Resume;
use crate::join::upload::Upload;
use crate::join::{JoinPlan, Work, WorkId};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{Channel, Enrolment};

mod align;
mod attribute;
mod chain;
mod gradients;
mod pair;
mod relay;
mod row;
mod score;
mod task;

use pair::{AlignStage, Pair};
use relay::Streams;
use score::Scoring;
use task::Task;

pub(super) use task::Finished;

/// A party's part in a joined run.
pub(super) struct Joined {
    role: Role,
    me: PartyId,
    config: Arc<RunConfig>,
    secret: RunSecret,
    /// What is asked now, and at which step.
    query: TableQuery,
    plan: Arc<JoinPlan>,
    step: u32,
    /// Counterparts, sorted.
    pairs: Vec<Pair>,
    /// The coordinator has asked to align.
    asked: bool,
    /// Who is joined, once that is decided.
    pub(super) joined: Option<Vec<PartyId>>,
    round: Option<JoinedRound>,
    /// What rows count as whose attribute party is absent; none while it is counted.
    missing: BTreeMap<PartyId, Option<Vec<i64>>>,
    /// The model, once it is there, and as scores take it apart.
    forest: Option<Arc<Forest>>,
    /// Whose data are in the model: others are missing to scores too.
    scorers: Vec<PartyId>,
    scores: Option<Arc<ScorePlan>>,
    planning: bool,
    /// Row party: batches whose scores are wanted, the first is at hand.
    batches: VecDeque<Scoring>,
    /// Row party: all scores that were ever asked for in the run.
    books: ScoreBooks,
    /// Attribute party: what its entities were like when they were first encrypted.
    attributes: Option<Digest>,
    /// Whether there is a connection: without one, silence says nothing about others.
    is_online: bool,
    /// Of chained runs: the parameters, and this attribute party's key once it is needed.
    chain: Option<(ChainParams, Option<Arc<ChainKey>>)>,
    tasks: BTreeMap<WorkId, (usize, Task)>,
    next_work: u64,
}

/// The open round.
struct JoinedRound {
    id: RoundId,
    /// The randomness of all answers of the round.
    answers: Seed,
    /// Counterparts whose masks are in the sum, once known.
    members: Option<Vec<PartyId>>,
    /// Row party: the attribute parties that are in the sum, once known.
    fixed: Option<Vec<PartyId>>,
    /// Of chained runs.
    chain: chain::Round,
}

impl JoinedRound {
    fn holds(&self, party: &PartyId) -> bool {
        self.members
            .as_ref()
            .is_some_and(|members| members.binary_search(party).is_ok())
    }
}

impl Joined {
    /// The part of a party in a run whose participants are known.
    pub(super) fn new(
        me: &PartyId,
        config: &RunConfig,
        config_digest: &Digest,
        secret: RunSecret,
        query: &TableQuery,
        enrolments: &[Enrolment],
    ) -> Result<Self, Refusal> {
        let plan = JoinPlan::new(config, query).map_err(internal)?;
        let own = secret.channel();
        let mut pairs = Vec::new();
        for enrolment in enrolments {
            let peer = &enrolment.party;
            let Some(channel) = enrolment.channel.filter(|_| config.may_relay(me, peer)) else {
                continue;
            };
            let context = binding::relay_context(config.run, config_digest, me, peer);
            // CHK-070: nothing could be opened that is sealed to a key of low order.
            let key = own
                .pair(&channel, &context)
                .map_err(|error| broken(check::RELAY_OPENS, None, Some(peer), error.to_string()))?;
            let is_joined = config.are_counterparts(me, peer);
            pairs.push(Pair::new(
                peer.clone(),
                Streams::new(peer.clone(), key),
                is_joined,
            ));
        }
        let chain = match config.is_chained() {
            true => Some((crate::join::chain::params().map_err(internal)?, None)),
            false => None,
        };
        Ok(Self {
            chain,
            role: config.role(me),
            me: me.clone(),
            config: Arc::new(config.clone()),
            secret,
            query: query.clone(),
            plan: Arc::new(plan),
            step: 0,
            pairs,
            asked: false,
            joined: None,
            round: None,
            missing: BTreeMap::new(),
            forest: None,
            scorers: Vec::new(),
            scores: None,
            planning: false,
            batches: VecDeque::new(),
            books: ScoreBooks::default(),
            attributes: None,
            is_online: true,
            tasks: BTreeMap::new(),
            next_work: 0,
        })
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// The growth asks something else: what belongs to the query before is forgotten.
    pub(super) fn set_query(&mut self, step: u32, query: &TableQuery) -> Result<(), Refusal> {
        let plan = Arc::new(JoinPlan::new(&self.config, query).map_err(internal)?);
        for pair in &mut self.pairs {
            let Some(aligned) = pair.aligned.as_ref().filter(|_| self.chain.is_none()) else {
                continue;
            };
            let attributes = match self.role {
                Role::Row => &pair.peer,
                Role::Attributes => &self.me,
            };
            let upload = Upload::new(&self.config, &plan, attributes, aligned.union).map_err(internal)?;
            pair.upload = Some(Arc::new(upload));
        }
        self.missing.clear();
        self.round = None;
        (self.query, self.plan, self.step) = (query.clone(), plan, step);
        (0..self.pairs.len()).try_for_each(|index| self.set_exchange(index))
    }

    /// The coordinator asks to align, and to be told what is known.
    pub(super) fn ask_to_align(&mut self, outputs: &mut VecDeque<Output>) {
        self.asked = true;
        self.tell_aligned(outputs);
    }

    /// Who is joined: sorted participants, this party, and counterparts that it is aligned with.
    pub(super) fn check_joined(&self, parties: &[PartyId]) -> Result<(), Refusal> {
        let fail = |culprit, detail: &str| Err(broken(check::JOINED, None, culprit, detail));
        // CHK-071: the list of those that are joined.
        if !crate::roster::strictly_sorted(parties) {
            return fail(None, "the list of joined parties is not strictly sorted");
        }
        if parties.binary_search(&self.me).is_err() {
            return fail(None, "this party is left out of its own join");
        }
        for party in parties {
            if !self.config.lists(party) {
                return fail(Some(party), "is not a party of the run");
            }
            if self
                .pairs
                .iter()
                .any(|pair| pair.peer == *party && pair.is_joined && pair.aligned.is_none())
            {
                return fail(Some(party), "is not aligned with this party");
            }
        }
        Ok(())
    }

    /// An alignment from the journal.
    pub(super) fn restore_aligned(&mut self, peer: &PartyId, aligned: Aligned) -> Result<bool, Refusal> {
        match self.pairs.iter().position(|pair| pair.peer == *peer) {
            Some(index) => self.set_aligned(index, aligned).map(|()| true),
            None => Ok(false),
        }
    }

    /// Scores that a row party has asked for, from the journal.
    pub(super) fn restore_scored(&mut self, peer: &PartyId, batch: u64, rows: u64) {
        if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.peer == *peer) {
            pair.scores.asked.insert(batch, rows);
        }
    }

    /// Scores that this row party has asked for, from the journal.
    pub(super) fn restore_asked(&mut self, asked: Asked) {
        self.books.take(asked);
    }

    /// What this attribute party's entities are like, from the journal.
    pub(super) fn restore_attributes(&mut self, digest: Digest) {
        self.attributes = Some(digest);
    }

    /// The ciphertexts of a unit that were answered, from the journal.
    pub(super) fn restore_answering(&mut self, round: RoundId, peer: &PartyId, digest: Digest) {
        if self.round.as_ref().is_some_and(|open| open.id == round)
            && let Some(pair) = self.pairs.iter_mut().find(|pair| pair.peer == *peer)
        {
            pair.answers.digests.push(digest);
        }
    }

    /// A new attempt.
    pub(super) fn enter_round(&mut self, id: RoundId, answers: Seed) {
        for pair in &mut self.pairs {
            pair.enter_round(id);
        }
        self.round = Some(JoinedRound {
            id,
            answers,
            members: None,
            fixed: None,
            chain: chain::Round::default(),
        });
    }

    /// Whose masks are in the sum.
    pub(super) fn set_members(&mut self, members: &[PartyId]) {
        let counterparts = self.pairs.iter().map(|pair| &pair.peer);
        let members = counterparts
            .filter(|peer| members.binary_search(peer).is_ok())
            .cloned()
            .collect();
        if let Some(round) = &mut self.round {
            round.members = Some(members);
        }
    }

    /// Row party: which attribute parties are in the sum.
    pub(super) fn set_fixed(&mut self, attributes: &[PartyId]) {
        if let Some(round) = &mut self.round {
            round.fixed = Some(attributes.to_vec());
        }
    }

    /// Row party: counts what needs no attribute.
    pub(super) fn count_base(&mut self, round: RoundId, outputs: &mut VecDeque<Output>) {
        let keys = |pair: &Pair| Some((pair.peer.clone(), pair.aligned.as_ref()?.keys));
        let work = Work::Base {
            query: self.query.clone(),
            keys: self.pairs.iter().filter_map(keys).collect(),
        };
        self.give(0, Task::Base { round }, work, outputs);
    }

    fn give(&mut self, index: usize, task: Task, work: Work, outputs: &mut VecDeque<Output>) {
        let id = WorkId(self.next_work);
        self.next_work += 1;
        self.tasks.insert(id, (index, task));
        outputs.push_back(Output::Work(id, work));
    }

    /// A chunk of a counterpart.
    pub(super) fn relayed(
        &mut self,
        from: &PartyId,
        place: (Channel, u32, bool),
        sealed: &[u8],
        now: Millis,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.peer == *from) else {
            return Ok(());
        };
        pair.active = now;
        pair.streams.take(place, sealed, now, outputs)
    }

    /// A counterpart says what it wants.
    pub(super) fn acknowledged(
        &mut self,
        from: &PartyId,
        (channel, next, again): (Channel, u32, bool),
        now: Millis,
    ) {
        let open = self.round.as_ref().map(|round| round.id);
        let gradients = self.is_of_gradients();
        let sends = match (channel, self.role) {
            (Channel::Align | Channel::Score(_), _)
            | (Channel::Profiles | Channel::ScoreProfiles, Role::Attributes) => true,
            (
                Channel::Predicates(round) | Channel::Chain(round) | Channel::Passed(round, _),
                Role::Attributes,
            )
            | (Channel::Answers(round) | Channel::Order(round), Role::Row) => open == Some(round),
            _ => false,
        };
        let Some(index) = self.pairs.iter().position(|pair| pair.peer == *from) else {
            return;
        };
        let Some(pair) = self.pairs.get_mut(index).filter(|_| sends) else {
            return;
        };
        pair.active = now;
        if let (Channel::Score(batch), true, 0) = (channel, again, next) {
            pair.scores.wanted = Some(batch);
        }
        if pair.streams.acknowledged(channel, next, again) == Resume::FromTheFirst {
            match channel {
                _ if self.chain.is_some() && channel.round().is_some() => self.rewind_chain(index, channel),
                Channel::Align => {
                    if let AlignStage::Here { stuck, .. } = &mut pair.stage {
                        *stuck = false;
                    }
                }
                Channel::Answers(_) | Channel::Predicates(_) if gradients => pair.gradients.rewind(),
                Channel::Answers(_) => pair.answers.rewind(),
                // An attribute party opens what it is sent: it needs all of that again, too.
                Channel::Score(_) => {
                    pair.scores.rewind();
                    if self.role == Role::Attributes {
                        pair.scores.forget();
                        pair.streams.close(channel);
                    }
                }
                Channel::Profiles | Channel::Predicates(_) => {
                    pair.encrypts.encrypting = false;
                    pair.encrypts.epoch += 1;
                }
                _ => {}
            }
        }
    }

    /// Everything that can go on now.
    pub(super) fn pump(&mut self, now: Millis, outputs: &mut VecDeque<Output>) -> Result<(), Refusal> {
        for index in 0..self.pairs.len() {
            self.align(index, now, outputs);
            match self.role {
                _ if self.is_of_gradients() => {
                    self.exchange(index, now, outputs)?;
                    if self.role == Role::Attributes {
                        self.serve(index, now, outputs)?;
                    }
                }
                _ if self.chain.is_some() => {}
                Role::Attributes => {
                    self.encrypt(index, outputs);
                    self.open(index, now, outputs);
                    self.serve(index, now, outputs)?;
                }
                Role::Row => {
                    self.collect(index, now, outputs);
                    self.answer(index, outputs)?;
                }
            }
        }
        self.pump_chain(now, outputs)?;
        if self.role == Role::Row && self.chain.is_none() {
            self.count_missing(outputs);
            self.score(now, outputs)?;
        }
        for pair in &mut self.pairs {
            pair.streams.flush(outputs);
        }
        Ok(())
    }

    /// The connection is gone.
    pub(super) fn disconnected(&mut self) {
        self.is_online = false;
    }

    /// A new connection: asks again for what has not come.
    pub(super) fn connected(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
        self.is_online = true;
        for pair in &mut self.pairs {
            pair.active = now;
        }
        for pair in &mut self.pairs {
            pair.streams.ask_again(now, outputs);
        }
        if self.asked && self.joined.is_none() {
            self.tell_aligned(outputs);
        }
    }

    /// When to look again though nothing happens.
    pub(super) fn timeout(&self) -> Option<Millis> {
        self.pairs.iter().filter_map(|pair| pair.streams.timeout()).min()
    }

    /// Time has come.
    pub(super) fn wake(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
        for pair in &mut self.pairs {
            pair.streams.wake(now, outputs);
        }
    }
}
