//! Row parties, attribute parties, and a coordinator by hand that relays between them.

use std::collections::{BTreeMap, BTreeSet};

use hedgerow_crypto::hash::hash;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::table::{CLASSES, Table};
use hedgerow_forest::tree::Tree;

pub(crate) use super::shape::Shape;
use super::shape::data;
use crate::binding::{self, RoundView};
use crate::config::{RunConfig, RunConfigLiteral};
use crate::growth::{Progression, query_digest};
use crate::ids::{PartyId, RoundId};
use crate::join::memory::{MemoryData, MemoryRow};
use crate::join::{JoinData, Work, WorkId};
use crate::party::tests::sums::open_sum;
use crate::party::tests::support::{Party, id, open_policy};
use crate::time::Millis;
use crate::wire::{Enrolment, SignedRoundKeys, ToCoordinator, ToParty, vector};

/// What the coordinator has relayed last, by (from, to).
type Wire = Vec<(usize, ToCoordinator)>;

pub(crate) struct JoinedWorld {
    pub(crate) config: RunConfig,
    pub(crate) shape: Shape,
    pub(crate) parties: Vec<Party>,
    pub(crate) data: Vec<MemoryData>,
    pub(crate) progression: Progression,
    pub(crate) enrolments: Vec<Enrolment>,
    /// The keys of the round.
    pub(crate) keys: Vec<SignedRoundKeys>,
    /// The requests of the round that wait for vectors.
    pub(crate) inboxes: BTreeMap<usize, ToParty>,
    /// Parties that the network does not reach.
    pub(crate) gone: BTreeSet<usize>,
    /// Everything that is not relayed, from whom.
    pub(crate) said: Wire,
    /// Relayed messages, counted.
    pub(crate) relayed: usize,
    /// Lets every so manieth relayed message get lost.
    pub(crate) loses: Option<usize>,
}

impl JoinedWorld {
    /// A world whose data come from a seed; `data` may be changed before [`Self::enrol`].
    pub(crate) fn new(shape: Shape) -> Self {
        Self::with(shape, |_| ())
    }

    /// The same under a changed configuration.
    pub(crate) fn with(shape: Shape, change: impl Fn(&mut RunConfigLiteral)) -> Self {
        let mut literal = shape.literal();
        change(&mut literal);
        let config = RunConfig::new(literal).unwrap();
        let data = data(&config, &shape);
        let parties = (0..config.parties.len())
            .map(|index| {
                let policy = crate::policy::Policy {
                    plain_alignment: true,
                    max_scores: 1 << 20,
                    exact_scores: true,
                    ..open_policy()
                };
                Party::new(index, policy)
            })
            .collect();
        Self {
            progression: Progression::start(&config).unwrap(),
            config,
            shape,
            parties,
            data,
            enrolments: Vec::new(),
            keys: Vec::new(),
            inboxes: BTreeMap::new(),
            gone: BTreeSet::new(),
            said: Vec::new(),
            relayed: 0,
            loses: None,
        }
    }

    pub(crate) fn attributes(&self) -> Vec<usize> {
        (0..self.shape.attributes).collect()
    }

    pub(crate) fn rows(&self) -> Vec<usize> {
        (self.shape.attributes..self.parties.len()).collect()
    }

    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.parties.len()).collect()
    }

    pub(crate) fn query(&self) -> TableQuery {
        self.progression.query().unwrap().clone()
    }

    pub(crate) fn greet(&mut self) -> Vec<Enrolment> {
        let welcome = ToParty::Welcome {
            version: 2,
            config: self.config.to_bytes(),
        };
        let mut enrolments = Vec::new();
        for party in &mut self.parties {
            party.machine.handle_connected(Millis(0));
            party.drain();
            party.sent.clear();
            match party.answer(welcome.clone()) {
                ToCoordinator::Enrol {
                    certificate,
                    signature,
                    channel,
                } => enrolments.push(Enrolment {
                    party: id(party.index),
                    certificate,
                    signature,
                    channel,
                }),
                other => panic!("{other:?}"),
            }
        }
        enrolments
    }

    pub(crate) fn enrol(&mut self) {
        let enrolments = self.greet();
        self.enrolments = enrolments.clone();
        for index in self.all() {
            self.tell(
                index,
                ToParty::Participants {
                    enrolments: enrolments.clone(),
                },
            );
        }
    }

    /// A message to one party; what it says is relayed, or kept in `said`.
    pub(crate) fn tell(&mut self, index: usize, message: ToParty) {
        if self.gone.contains(&index) {
            return;
        }
        self.parties[index].hear(message);
        self.carry(index);
    }

    /// What a party has said since.
    pub(crate) fn flush(&mut self, index: usize) {
        self.carry(index);
    }

    fn carry(&mut self, index: usize) {
        for message in std::mem::take(&mut self.parties[index].sent) {
            let relayed = match message {
                ToCoordinator::Relay {
                    ref to,
                    channel,
                    seq,
                    last,
                    ref sealed,
                } => Some((
                    to.clone(),
                    ToParty::Relayed {
                        from: id(index),
                        channel,
                        seq,
                        last,
                        sealed: sealed.clone(),
                    },
                )),
                ToCoordinator::RelayAck {
                    ref to,
                    channel,
                    next,
                    again,
                } => Some((
                    to.clone(),
                    ToParty::RelayAcked {
                        from: id(index),
                        channel,
                        next,
                        again,
                    },
                )),
                _ => None,
            };
            let Some((to, message_to)) = relayed else {
                self.said.push((index, message));
                continue;
            };
            self.relayed += 1;
            let draw = hash("test loss", &[&self.relayed.to_le_bytes()]).0[0];
            if self.loses.is_some_and(|every| usize::from(draw) % every == 0) {
                continue;
            }
            let to = self.config.parties.binary_search(&to).unwrap();
            if !self.gone.contains(&to) {
                self.parties[to].hear(message_to);
                self.carry(to);
            }
        }
    }

    /// One work of somebody; false if there is none.
    pub(crate) fn work(&mut self) -> bool {
        self.all()
            .into_iter()
            .any(|index| !self.gone.contains(&index) && self.work_of(index))
    }

    /// One work of a party; false if it has none.
    pub(crate) fn work_of(&mut self, index: usize) -> bool {
        if self.parties[index].works.is_empty() {
            return false;
        }
        let (work_id, work) = self.parties[index].works.remove(0);
        let done = work.run(&self.data[index]);
        let party = &mut self.parties[index];
        party.machine.handle_work(work_id, done, party.now);
        party.drain();
        self.carry(index);
        true
    }

    /// All works but those that open answers.
    pub(crate) fn settle_unopened(&mut self) {
        let is_opening = |(_, work): &(WorkId, Work)| matches!(work, Work::Open { .. });
        while let Some(index) = self
            .all()
            .into_iter()
            .find(|index| !self.parties[*index].works.iter().all(is_opening))
        {
            let place = self.parties[index]
                .works
                .iter()
                .position(|work| !is_opening(work))
                .unwrap();
            let work = self.parties[index].works.remove(place);
            self.parties[index].works.insert(0, work);
            self.work_of(index);
        }
    }

    /// The entities of a party get other attributes.
    pub(crate) fn change_attributes(&mut self, index: usize) {
        let binner = Binner::new(&self.config.schema, self.config.forest.bins).unwrap();
        let keys = self.data[index].entities().unwrap();
        let bins = vec![0; self.config.schema.len()];
        let entities = keys.into_iter().map(|key| (key, bins.clone())).collect();
        self.data[index] = MemoryData::new(&self.config.schema, &binner, Vec::new(), entities);
    }

    pub(crate) fn set_entities(&mut self, index: usize, entities: BTreeMap<[u8; 32], Vec<u8>>) {
        let binner = Binner::new(&self.config.schema, self.config.forest.bins).unwrap();
        self.data[index] = MemoryData::new(&self.config.schema, &binner, Vec::new(), entities);
    }

    pub(crate) fn set_rows(&mut self, index: usize, rows: Vec<MemoryRow>) {
        let binner = Binner::new(&self.config.schema, self.config.forest.bins).unwrap();
        self.data[index] = MemoryData::new(&self.config.schema, &binner, rows, BTreeMap::new());
    }

    /// All works, and time for whoever waits; until nothing has happened for long.
    pub(crate) fn settle(&mut self) {
        // Who has asked in vain waits longer and longer.
        let (patience, step) = if self.loses.is_some() {
            (60, 20_000)
        } else {
            (8, 2_500)
        };
        let mut idle = 0;
        while idle < patience {
            idle = if self.work() { 0 } else { idle + 1 };
            if idle > 0 {
                for index in self.all() {
                    let party = &mut self.parties[index];
                    party.now = party.now.plus(step);
                    party.machine.handle_timeout(party.now);
                    party.drain();
                    self.carry(index);
                }
            }
        }
    }

    /// The party dies and comes back.
    pub(crate) fn restart(&mut self, index: usize) {
        let party = &mut self.parties[index];
        party.restart();
        party.machine.handle_connected(party.now);
        party.drain();
        self.carry(index);
        if let Some(inbox) = self.inboxes.get(&index).cloned() {
            self.tell(index, inbox);
        }
    }

    /// What everybody says about something.
    pub(crate) fn heard<T>(&mut self, of: impl Fn(&ToCoordinator) -> Option<T>) -> BTreeMap<usize, T> {
        let mut found = BTreeMap::new();
        self.said.retain(|(index, message)| match of(message) {
            Some(value) => {
                found.insert(*index, value);
                false
            }
            None => true,
        });
        found
    }

    pub(crate) fn align(&mut self) {
        for index in self.all() {
            self.tell(index, ToParty::Align);
        }
        self.settle();
        for index in self.all() {
            let parties: Vec<PartyId> = self
                .all()
                .into_iter()
                .filter(|index| !self.gone.contains(index))
                .map(id)
                .collect();
            self.tell(index, ToParty::Joined { parties });
        }
    }

    /// Everything up to the inboxes of a round among `of`.
    pub(crate) fn open_round(&mut self, round: RoundId, of: &[usize]) {
        let start = ToParty::RoundStart {
            round,
            query: query_digest(&self.query()),
            answers: *self.progression.answers(),
        };
        of.iter().for_each(|index| self.tell(*index, start.clone()));
        let keys = self.heard(|message| match message {
            ToCoordinator::RoundKeys { keys, .. } => Some(keys.clone()),
            _ => None,
        });
        assert_eq!(keys.len(), of.len(), "{:?}", self.refusals());
        self.keys = keys.into_values().collect();
        let list = ToParty::KeyList {
            round,
            keys: self.keys.clone(),
        };
        of.iter().for_each(|index| self.tell(*index, list.clone()));
        let shares = self.heard(|message| match message {
            ToCoordinator::Shares { sealed, .. } => Some(sealed.clone()),
            _ => None,
        });
        for index in of {
            let sealed = shares.iter().map(|(from, sealed)| {
                let to = sealed.iter().find(|(to, _)| *to == id(*index));
                (id(*from), to.map(|(_, bytes)| bytes.clone()).unwrap_or_default())
            });
            let sealed = sealed.collect();
            let inbox = ToParty::ShareInbox { round, sealed };
            self.inboxes.insert(*index, inbox.clone());
            self.tell(*index, inbox);
        }
    }

    pub(crate) fn fix(&mut self, round: RoundId, attributes: &[usize]) {
        for index in self.rows() {
            let attributes = attributes.iter().copied().map(id).collect();
            self.tell(index, ToParty::Fixed { round, attributes });
        }
        self.settle();
    }

    pub(crate) fn vectors(&mut self) -> BTreeMap<usize, Vec<u8>> {
        self.heard(|message| match message {
            ToCoordinator::Masked { vector, .. } => Some(vector.clone()),
            _ => None,
        })
    }

    /// The survivors open their sum: the totals.
    pub(crate) fn open(
        &mut self,
        round: RoundId,
        vectors: &BTreeMap<usize, Vec<u8>>,
        of: &[usize],
    ) -> Vec<i64> {
        let survivors: Vec<PartyId> = vectors.keys().copied().map(id).collect();
        for index in vectors.keys() {
            let survivors = survivors.clone();
            self.tell(*index, ToParty::Survivors { round, survivors });
        }
        let signatures = self.heard(|message| match message {
            ToCoordinator::SurvivorSignature { signature, .. } => Some(*signature),
            _ => None,
        });
        assert_eq!(signatures.len(), vectors.len(), "{:?}", self.refusals());
        let proof = ToParty::SurvivorProof {
            round,
            signatures: signatures
                .into_iter()
                .map(|(index, signature)| (id(index), signature))
                .collect(),
            seeds: Vec::new(),
        };
        for index in vectors.keys() {
            self.tell(*index, proof.clone());
        }
        let unmask =
            self.heard(|message| matches!(message, ToCoordinator::Unmask { .. }).then(|| message.clone()));
        assert_eq!(unmask.len(), vectors.len());
        let members: Vec<PartyId> = of.iter().copied().map(id).collect();
        let view = RoundView {
            run: self.config.run,
            round,
            config: &self.config.digest(),
            answers: self.progression.answers(),
            participants: &binding::participants_digest(self.config.run, &self.enrolments),
            keys: &binding::key_list_digest(&self.keys),
            members: &members,
            modulus: self.config.modulus,
            cells: self.query().cells(),
        };
        let unpacked = |(index, bytes): (&usize, &Vec<u8>)| {
            (
                *index,
                vector::unpack(bytes, self.config.modulus, view.cells).unwrap(),
            )
        };
        let vectors = vectors.iter().map(unpacked).collect();
        let answers: Vec<ToCoordinator> = unmask.into_values().collect();
        open_sum(
            &view,
            self.config.shamir_threshold as usize,
            &self.keys,
            &vectors,
            &answers,
        )
    }

    fn is_broken(&self, tree: &Tree, there: &[usize]) -> bool {
        let tests = tree.splits().iter().filter(|split| !split.is_dummy());
        let links = self.config.schema.links();
        self.config.is_chained()
            && tests
                .filter_map(|split| {
                    self.config.schema.features[usize::from(split.feature)]
                        .link
                        .as_deref()
                })
                .filter_map(|link| links.iter().position(|known| *known == link))
                .any(|party| !there.contains(&party))
    }

    pub(crate) fn refusals(&self) -> Vec<String> {
        self.parties
            .iter()
            .filter_map(|party| Some(format!("p{}: {}", party.index, party.refused.as_ref()?)))
            .collect()
    }

    /// The plain table over all rows, with the entities of the parties that are there.
    pub(crate) fn pooled(&self, there: &[usize]) -> Table {
        let query = self.query();
        let mut table = Table::zeros(query.shape());
        for data in self.rows().into_iter().map(|index| &self.data[index]) {
            for row in data.rows() {
                let entities: Vec<Option<&[u8]>> = row
                    .names
                    .iter()
                    .map(|named| {
                        let (party, key) = named.as_ref()?;
                        let index = there.iter().find(|index| id(**index) == *party)?;
                        self.data[*index].entity(key)
                    })
                    .collect();
                for (number, tree) in query.trees().iter().enumerate() {
                    // A tree of a chain of which a party is missing reads as missing through both links.
                    let nobody = vec![None; entities.len()];
                    let entities = if self.is_broken(tree, there) {
                        &nobody
                    } else {
                        &entities
                    };
                    let leaf = data.leaf(tree, row, entities);
                    let cell = (number * query.leaves() + leaf) * CLASSES + usize::from(row.label);
                    table.cells_mut()[cell] += i64::from(row.copies);
                }
            }
        }
        table
    }
}
