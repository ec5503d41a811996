//! Honest parties in the hands of a test that plays the coordinator.

use std::collections::BTreeMap;

use hedgerow_crypto::identity::Signature;
use hedgerow_protocol::check::CheckId;
use hedgerow_protocol::growth::{Progression, query_digest};
use hedgerow_protocol::ids::{PartyId, RoundId};
use hedgerow_protocol::party::{Output, PartyMachine};
use hedgerow_protocol::refusal::Refusal;
use hedgerow_protocol::time::Millis;
use hedgerow_protocol::wire::{Enrolment, PROTOCOL_VERSION, SignedRoundKeys, ToCoordinator, ToParty};
use hedgerow_tests::deployment::{Deployment, Shape};
use hedgerow_tests::plain;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::node;
use crate::oracle::Witness;

/// Sealed bytes by the other end.
pub type Sealed = Vec<(PartyId, Vec<u8>)>;

/// The parties, and everything that left them.
pub struct Rig {
    pub deployment: Deployment,
    pub ids: Vec<PartyId>,
    pub witness: Witness,
    machines: BTreeMap<PartyId, PartyMachine>,
    refusals: BTreeMap<PartyId, Refusal>,
    rng: ChaCha20Rng,
}

impl Rig {
    /// Parties that have signed the configuration and know each other.
    pub fn new(shape: &Shape) -> Self {
        let deployment = Deployment::new(shape);
        let ids = deployment.config.parties.clone();
        let machines = ids
            .iter()
            .map(|id| (id.clone(), PartyMachine::new(node::setup(id, &deployment, &[]))))
            .collect();
        let rng = ChaCha20Rng::seed_from_u64(99);
        let (witness, refusals) = (Witness::default(), BTreeMap::new());
        Self {
            deployment,
            ids,
            witness,
            machines,
            refusals,
            rng,
        }
    }

    /// One message to one party; what it answers.
    pub fn tell(&mut self, party: &PartyId, message: ToParty) -> Vec<ToCoordinator> {
        let mut said = Vec::new();
        let Some(machine) = self.machines.get_mut(party) else {
            return said;
        };
        machine.handle_message(message, Millis(0), &mut self.rng);
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Send(message) => {
                    self.witness.party_says(party, &message, true);
                    said.push(message);
                }
                Output::Count(round, query) => {
                    let table = plain::count(&query, &self.deployment.rows[party]);
                    machine.handle_table(round, Ok(table), Millis(0));
                }
                Output::Refused(refusal) => {
                    self.refusals.insert(party.clone(), refusal);
                }
                _ => {}
            }
        }
        said
    }

    /// The same message to everybody; answers by party.
    pub fn tell_all(&mut self, message: &ToParty) -> BTreeMap<PartyId, Vec<ToCoordinator>> {
        self.ids
            .clone()
            .into_iter()
            .map(|id| (id.clone(), self.tell(&id, message.clone())))
            .collect()
    }

    /// Everybody's signature under the configuration.
    pub fn enrol(&mut self) -> Vec<Enrolment> {
        let welcome = ToParty::Welcome {
            version: PROTOCOL_VERSION,
            config: self.deployment.config.to_bytes(),
        };
        let enrolment = |(party, said): (PartyId, Vec<ToCoordinator>)| match said.into_iter().next() {
            Some(ToCoordinator::Enrol {
                certificate,
                signature,
                channel,
            }) => Enrolment {
                party,
                certificate,
                signature,
                channel,
            },
            other => panic!("{party} does not enrol: {other:?}"),
        };
        self.tell_all(&welcome).into_iter().map(enrolment).collect()
    }

    /// As honest coordinators begin: everybody takes part.
    pub fn begin(&mut self) {
        let enrolments = self.enrol();
        self.tell_all(&ToParty::Participants { enrolments });
    }

    /// The start of an attempt at the first step, as an honest coordinator sends it.
    pub fn round_start(&self, round: RoundId) -> ToParty {
        let progression = Progression::start(&self.deployment.config).expect("the growth starts");
        let query = query_digest(progression.query().expect("the first query"));
        ToParty::RoundStart {
            round,
            query,
            answers: *progression.answers(),
        }
    }

    /// Everybody's keys of an attempt.
    pub fn keys(&mut self, round: RoundId) -> Vec<SignedRoundKeys> {
        let start = self.round_start(round);
        let keys = |(party, said): (PartyId, Vec<ToCoordinator>)| match said.into_iter().next() {
            Some(ToCoordinator::RoundKeys { keys, .. }) => keys,
            other => panic!("{party} sends no keys: {other:?}"),
        };
        self.tell_all(&start).into_iter().map(keys).collect()
    }

    /// Everybody's inbox, from everybody's shares.
    pub fn inboxes(&mut self, round: RoundId, keys: &[SignedRoundKeys]) -> BTreeMap<PartyId, Sealed> {
        let mut inboxes: BTreeMap<PartyId, Sealed> = BTreeMap::new();
        for (from, said) in self.tell_all(&ToParty::KeyList {
            round,
            keys: keys.to_vec(),
        }) {
            let Some(ToCoordinator::Shares { sealed, .. }) = said.into_iter().next() else {
                panic!("{from} sends no shares");
            };
            inboxes
                .entry(from.clone())
                .or_default()
                .push((from.clone(), Vec::new()));
            for (to, bytes) in sealed {
                inboxes.entry(to).or_default().push((from.clone(), bytes));
            }
        }
        inboxes.values_mut().for_each(|inbox| inbox.sort());
        inboxes
    }

    /// A masked round up to the point where everybody has uploaded.
    pub fn uploaded(&mut self, round: RoundId) {
        let keys = self.keys(round);
        for (to, sealed) in self.inboxes(round, &keys) {
            let said = self.tell(&to, ToParty::ShareInbox { round, sealed });
            assert!(
                matches!(said.as_slice(), [ToCoordinator::Masked { .. }]),
                "{to} uploads: {said:?}"
            );
        }
    }

    /// The signature that a party gives under these survivors, if it gives one.
    pub fn vote(&mut self, party: &PartyId, round: RoundId, survivors: &[PartyId]) -> Option<Signature> {
        self.tell(
            party,
            ToParty::Survivors {
                round,
                survivors: survivors.to_vec(),
            },
        )
        .into_iter()
        .find_map(|said| match said {
            ToCoordinator::SurvivorSignature { signature, .. } => Some(signature),
            _ => None,
        })
    }

    /// The signatures of all these parties under themselves.
    pub fn votes(&mut self, round: RoundId, survivors: &[PartyId]) -> Vec<(PartyId, Signature)> {
        survivors
            .iter()
            .map(|party| {
                (
                    party.clone(),
                    self.vote(party, round, survivors).expect("a survivor votes"),
                )
            })
            .collect()
    }

    /// The check that made this party refuse.
    #[track_caller]
    pub fn refused(&self, party: &PartyId) -> CheckId {
        match self.refusals.get(party) {
            Some(Refusal::Check { check, .. } | Refusal::Config { check, .. }) => *check,
            other => panic!("{party} should have refused: {other:?}"),
        }
    }

    /// Whether nobody has refused.
    pub fn content(&self) -> bool {
        self.refusals.is_empty()
    }

    /// Nobody's vector can be told from the bytes that left the parties.
    pub fn nothing_is_recoverable(&self) {
        self.witness
            .nothing_is_recoverable_twice(self.deployment.config.shamir_threshold as usize);
    }
}
