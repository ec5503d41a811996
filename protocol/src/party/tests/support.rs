//! Parties with real keys, a consortium of test certificates, and what each party's driver keeps.

use std::sync::Arc;

use hedgerow_crypto::identity::{SigningIdentity, VerifyingIdentity};
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::seed::Seed;
use hedgerow_dp::Noise;
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_forest::table::{CLASSES, Table, TableShape};

pub(super) use super::world::{Requests, World};
use crate::config::{
    Aggregation, DEFAULT_MAX_ROWS, Partition, PrivacyParams, RunConfig, RunConfigLiteral, TestSplit, Unit,
    smallest_threshold,
};
use crate::ids::{PartyId, RoundId, RunId};
use crate::join::{Work, WorkId};
use crate::party::{LedgerEntry, LedgerState, Output, OverlapEntry, PartyMachine, PartyOutcome, PartySetup};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::roster::{CertificateError, CertificateVerifier};
use crate::time::Millis;

use crate::wire::{Enrolment, ToCoordinator, ToParty};

pub(crate) fn id(index: usize) -> PartyId {
    PartyId::new(format!("p{index}")).unwrap()
}

pub(crate) fn literal(parties: usize) -> RunConfigLiteral {
    let threshold = smallest_threshold(parties as u32, 1);
    RunConfigLiteral {
        run: RunId([1; 16]),
        name: "unit".into(),
        task: "label".into(),
        partition: Partition::Horizontal,
        schema: Schema {
            features: vec![
                Column::numeric("age", 0.0, 8.0),
                Column::categorical("sex", ["f", "m"]),
            ],
            label: Label {
                name: "y".into(),
                positive: "1".into(),
            },
        },
        forest: ForestParams::new(3, 2, 4, Growth::Random),
        privacy: None,
        aggregation: Aggregation::Masked,
        parties: (0..parties).map(id).collect(),
        min_parties: threshold,
        collusion: 1,
        shamir_threshold: threshold,
        modulus: Modulus::TWO_TO_64,
        max_rows: DEFAULT_MAX_ROWS,
        test: TestSplit {
            fraction: 0.0,
            seed: 0,
        },
        seed: [9; 32],
        release_metrics: true,
    }
}

pub(crate) fn noisy(mut literal: RunConfigLiteral) -> RunConfigLiteral {
    literal.privacy = Some(PrivacyParams {
        epsilon: 1.0,
        delta: 1e-6,
        unit: Unit::Row,
        mechanism: Noise::DiscreteGaussian,
    });
    literal
}

pub(crate) fn in_shares(mut literal: RunConfigLiteral) -> RunConfigLiteral {
    literal.aggregation = Aggregation::Shares {
        aggregators: vec![id(0), id(1)],
    };
    literal
}

pub(crate) fn open_policy() -> Policy {
    Policy {
        max_epsilon: 8.0,
        require_noise: false,
        release_metrics: true,
        ..Policy::default()
    }
}

/// A certificate is the identity's 32 bytes and the party's name.
pub(crate) struct TestConsortium;

impl CertificateVerifier for TestConsortium {
    fn verify(&self, party: &PartyId, certificate: &[u8]) -> Result<VerifyingIdentity, CertificateError> {
        let fail = |reason: &str| CertificateError {
            party: party.clone(),
            reason: reason.into(),
        };
        let (key, name) = certificate
            .split_first_chunk::<32>()
            .ok_or_else(|| fail("too short"))?;
        if name != party.as_str().as_bytes() {
            return Err(fail("of another party"));
        }
        VerifyingIdentity::from_bytes(key).map_err(|error| fail(&error.to_string()))
    }
}

pub(crate) fn identity(index: usize) -> SigningIdentity {
    SigningIdentity::from_seed(&Seed::from_bytes([index as u8 + 1; 32]))
}

pub(crate) fn certificate(index: usize) -> Vec<u8> {
    [
        identity(index).verifying().to_bytes().as_slice(),
        id(index).as_str().as_bytes(),
    ]
    .concat()
}

pub(crate) fn enrolment(index: usize, config: &RunConfig) -> Enrolment {
    let message = crate::binding::enrolment_message(&config.digest(), &id(index), None);
    Enrolment {
        party: id(index),
        certificate: certificate(index),
        signature: identity(index).sign(crate::binding::SIGN_ENROLMENT, &message),
        channel: None,
    }
}

/// Counts of one party: every tree has the same rows, as with real data.
pub(crate) fn table(index: usize, shape: TableShape) -> Table {
    let mut table = Table::zeros(shape);
    let cells = table.cells_mut();
    match shape {
        TableShape::LeafCounts { trees, leaves } => {
            for tree in 0..trees as usize {
                let leaf = (index + tree) % leaves as usize;
                let cell = (tree * leaves as usize + leaf) * CLASSES;
                cells[cell] = 10 + index as i64;
                cells[cell + 1] = 1 << index;
            }
        }
        _ => cells[index] = 5 + index as i64,
    }
    table
}

/// One party with what its driver keeps.
pub(crate) struct Party {
    pub(crate) index: usize,
    pub(crate) machine: PartyMachine,
    pub(crate) policy: Policy,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) secret: Option<(RoundId, Seed)>,
    pub(crate) ledger: Vec<LedgerEntry>,
    pub(crate) overlaps: Vec<OverlapEntry>,
    pub(crate) sent: Vec<ToCoordinator>,
    pub(crate) counted: Vec<(RoundId, TableQuery)>,
    pub(crate) refused: Option<Refusal>,
    pub(crate) outcome: Option<Box<PartyOutcome>>,
    pub(crate) confirmed: bool,
    pub(crate) failed: Option<String>,
    pub(crate) run_secret: Option<(RunId, Seed)>,
    pub(crate) works: Vec<(WorkId, Work)>,
    pub(crate) now: Millis,
    pub(crate) scored: std::collections::BTreeMap<u64, crate::party::Scored>,
    pub(crate) not_scored: std::collections::BTreeMap<u64, crate::join::score::ScoreRefusal>,
    /// All outputs by name, for tests of their order.
    pub(crate) order: Vec<&'static str>,
    rng: rand_chacha::ChaCha20Rng,
}

impl Party {
    pub(crate) fn new(index: usize, policy: Policy) -> Self {
        Self {
            index,
            machine: PartyMachine::new(setup(index, &policy, &[])),
            policy,
            records: Vec::new(),
            secret: None,
            ledger: Vec::new(),
            overlaps: Vec::new(),
            sent: Vec::new(),
            counted: Vec::new(),
            refused: None,
            outcome: None,
            confirmed: false,
            failed: None,
            run_secret: None,
            works: Vec::new(),
            now: Millis(0),
            scored: std::collections::BTreeMap::new(),
            not_scored: std::collections::BTreeMap::new(),
            order: Vec::new(),
            rng: Seed::from_bytes([100 + index as u8; 32]).rng(),
        }
    }

    /// Dies and comes back with what is durable.
    pub(crate) fn restart(&mut self) {
        let setup = setup(self.index, &self.policy, &self.ledger);
        let (secret, run_secret) = (self.secret.clone(), self.run_secret.clone());
        self.machine = PartyMachine::restore(setup, &self.records, secret, run_secret).unwrap();
        self.works.clear();
        self.drain();
    }

    pub(crate) fn hear(&mut self, message: ToParty) -> Vec<ToCoordinator> {
        let before = self.sent.len();
        self.machine.handle_message(message, self.now, &mut self.rng);
        self.drain();
        self.sent[before..].to_vec()
    }

    /// The one answer to a request.
    pub(crate) fn answer(&mut self, message: ToParty) -> ToCoordinator {
        let mut answers = self.hear(message);
        assert_eq!(answers.len(), 1, "{:?}", self.refused);
        answers.remove(0)
    }

    /// The data engine answers what was asked.
    pub(crate) fn count(&mut self) -> Vec<ToCoordinator> {
        let before = self.sent.len();
        for (round, query) in std::mem::take(&mut self.counted) {
            self.machine
                .handle_table(round, Ok(table(self.index, query.shape())), Millis(0));
            self.drain();
        }
        self.sent[before..].to_vec()
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            self.order.push(match output {
                Output::Send(message) => {
                    self.sent.push(message);
                    "send"
                }
                Output::Persist(record) => {
                    self.records.push(record);
                    "persist"
                }
                Output::StoreRoundSecret(round, secret) => {
                    self.secret = Some((round, secret));
                    "store secret"
                }
                Output::ForgetRoundSecret(round) => {
                    self.secret.take_if(|(kept, _)| *kept == round);
                    "forget secret"
                }
                Output::ChargeOverlap(entry) => {
                    self.overlaps.push(entry);
                    "charge overlap"
                }
                Output::Charge(entry) => {
                    self.ledger.push(entry);
                    "charge"
                }
                Output::Count(round, query) => {
                    self.counted.push((round, query));
                    "count"
                }
                Output::StoreRunSecret(run, secret) => {
                    self.run_secret = Some((run, secret));
                    "store run secret"
                }
                Output::Scored(batch, scores) => {
                    self.scored.insert(batch, scores);
                    "scored"
                }
                Output::NotScored(batch, refusal) => {
                    self.not_scored.insert(batch, refusal);
                    "not scored"
                }
                Output::Work(id, work) => {
                    self.works.push((id, work));
                    "work"
                }
                Output::Progress(_) => continue,
                Output::Finished(outcome) => {
                    self.outcome = Some(outcome);
                    "finished"
                }
                Output::Confirmed => {
                    self.confirmed = true;
                    "confirmed"
                }
                Output::Refused(refusal) => {
                    self.refused = Some(refusal);
                    "refused"
                }
                Output::Failed(reason) => {
                    self.failed = Some(reason);
                    "failed"
                }
            });
        }
    }
}

pub(crate) fn setup(index: usize, policy: &Policy, ledger: &[LedgerEntry]) -> PartySetup {
    PartySetup {
        party: id(index),
        identity: identity(index),
        certificate: certificate(index),
        policy: policy.clone(),
        ledger: LedgerState::new(policy.books().unwrap(), ledger.to_vec()),
        verifier: Arc::new(TestConsortium),
    }
}
