//! A coordinator by hand: it relays honestly unless a test changes what it says.

use std::collections::BTreeMap;

use hedgerow_crypto::hash::Digest;
use hedgerow_forest::table::Table;

use super::support::*;
use crate::config::{RunConfig, RunConfigLiteral};
use crate::growth::{Progression, query_digest};
use crate::ids::{PartyId, RoundId};
use crate::wire::{PROTOCOL_VERSION, ToCoordinator, ToParty};

/// All parties of a run and the coordinator's side of it by hand.
pub(crate) struct World {
    pub(crate) config: RunConfig,
    pub(crate) parties: Vec<Party>,
    pub(crate) progression: Progression,
    /// H(keys) of the last list of keys.
    pub(crate) keys_digest: Digest,
}

/// What the coordinator sends to one party.
pub(crate) type Requests = BTreeMap<usize, ToParty>;

impl World {
    pub(crate) fn new(literal: RunConfigLiteral) -> Self {
        let config = RunConfig::new(literal).unwrap();
        let parties = (0..config.parties.len())
            .map(|index| Party::new(index, open_policy()))
            .collect();
        let progression = Progression::start(&config).unwrap();
        Self {
            config,
            parties,
            progression,
            keys_digest: Digest([0; 32]),
        }
    }

    pub(crate) fn welcome(&self) -> ToParty {
        ToParty::Welcome {
            version: PROTOCOL_VERSION,
            config: self.config.to_bytes(),
        }
    }

    pub(crate) fn participants(&self) -> ToParty {
        let enrolments = (0..self.parties.len())
            .map(|index| enrolment(index, &self.config))
            .collect();
        ToParty::Participants { enrolments }
    }

    pub(crate) fn enrol(&mut self) {
        let (welcome, participants) = (self.welcome(), self.participants());
        for party in &mut self.parties {
            party.answer(welcome.clone());
            assert!(party.hear(participants.clone()).is_empty());
        }
    }

    pub(crate) fn start(&self, round: RoundId) -> ToParty {
        let query = query_digest(self.progression.query().unwrap());
        ToParty::RoundStart {
            round,
            query,
            answers: *self.progression.answers(),
        }
    }

    /// Keys of the parties named; the list that the coordinator makes of them.
    pub(crate) fn keys(&mut self, round: RoundId, of: &[usize]) -> ToParty {
        let start = self.start(round);
        let keys: Vec<_> = of
            .iter()
            .map(|&index| match self.parties[index].answer(start.clone()) {
                ToCoordinator::RoundKeys { keys, .. } => keys,
                other => panic!("{other:?}"),
            })
            .collect();
        self.keys_digest = crate::binding::key_list_digest(&keys);
        ToParty::KeyList { round, keys }
    }

    /// Shares of the parties named; the inboxes that the coordinator makes of them.
    pub(crate) fn inboxes(&mut self, list: &ToParty, of: &[usize]) -> Requests {
        let mut inboxes: BTreeMap<usize, Vec<(PartyId, Vec<u8>)>> =
            of.iter().map(|&index| (index, Vec::new())).collect();
        let mut round = RoundId::first_of(0);
        for &from in of {
            let ToCoordinator::Shares {
                round: of_shares,
                sealed,
            } = self.parties[from].answer(list.clone())
            else {
                panic!("no shares")
            };
            round = of_shares;
            for (&to, inbox) in &mut inboxes {
                let bytes = sealed.iter().find(|(party, _)| *party == id(to));
                inbox.push((
                    id(from),
                    bytes.map(|(_, bytes)| bytes.clone()).unwrap_or_default(),
                ));
            }
        }
        inboxes
            .into_iter()
            .map(|(to, sealed)| (to, ToParty::ShareInbox { round, sealed }))
            .collect()
    }

    /// Vectors of the parties asked.
    pub(crate) fn upload(&mut self, requests: &Requests) -> BTreeMap<usize, ToCoordinator> {
        requests
            .iter()
            .map(|(&index, request)| {
                let party = &mut self.parties[index];
                let mut answers = party.hear(request.clone());
                answers.extend(party.count());
                assert_eq!(answers.len(), 1, "{:?}", party.refused);
                (index, answers.remove(0))
            })
            .collect()
    }

    /// Signatures of the survivors; the proof that the coordinator makes of them.
    pub(crate) fn vote(&mut self, round: RoundId, survivors: &[usize]) -> ToParty {
        let list = ToParty::Survivors {
            round,
            survivors: survivors.iter().copied().map(id).collect(),
        };
        let signatures = survivors
            .iter()
            .map(|&index| match self.parties[index].answer(list.clone()) {
                ToCoordinator::SurvivorSignature { signature, .. } => (id(index), signature),
                other => panic!("{other:?}"),
            })
            .collect();
        ToParty::SurvivorProof {
            round,
            signatures,
            seeds: Vec::new(),
        }
    }

    /// The honest result of a round, from the counts themselves.
    pub(crate) fn result(&self, round: RoundId, survivors: &[usize]) -> ToParty {
        let shape = self.progression.query().unwrap().shape();
        let mut sum = Table::zeros(shape);
        survivors
            .iter()
            .for_each(|&index| sum.add(&table(index, shape)).unwrap());
        ToParty::RoundResult {
            round,
            survivors: survivors.iter().copied().map(id).collect(),
            totals: sum.into_cells(),
        }
    }

    /// Everybody hears a result.
    pub(crate) fn release(&mut self, result: &ToParty) {
        let ToParty::RoundResult {
            survivors, totals, ..
        } = result
        else {
            panic!("no result")
        };
        self.progression.answer(survivors, totals.clone()).unwrap();
        self.parties
            .iter_mut()
            .for_each(|party| assert!(party.hear(result.clone()).is_empty()));
    }

    /// A whole round in masked mode with everybody.
    pub(crate) fn whole_round(&mut self, round: RoundId) {
        let all: Vec<usize> = (0..self.parties.len()).collect();
        let list = self.keys(round, &all);
        let inboxes = self.inboxes(&list, &all);
        self.upload(&inboxes);
        let proof = self.vote(round, &all);
        for party in &mut self.parties {
            party.answer(proof.clone());
        }
        let result = self.result(round, &all);
        self.release(&result);
    }
}
