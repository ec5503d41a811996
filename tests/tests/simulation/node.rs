//! One party's process and its disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use hedgerow_crypto::seed::Seed;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::{Role, RunConfig};
use hedgerow_protocol::ids::{PartyId, RoundId, RunId};
use hedgerow_protocol::join::score::ScoreRows;
use hedgerow_protocol::join::{Done, Work, WorkId};
use hedgerow_protocol::party::{
    LedgerEntry, LedgerState, Output, OverlapEntry, PartyMachine, PartyOutcome, PartySetup,
};
use hedgerow_protocol::policy::Policy;
use hedgerow_protocol::refusal::Refusal;
use hedgerow_protocol::time::Millis;
use hedgerow_protocol::wire::{ToCoordinator, ToParty};
use hedgerow_tests::deployment::{Deployment, certificate, identity, number};
use hedgerow_tests::joined;
use rand_core::CryptoRng;

/// A party: the machine dies with the process, the rest is on disk or in the harness.
pub struct PartyNode {
    pub id: PartyId,
    machine: Option<PartyMachine>,
    journal: Vec<Vec<u8>>,
    secret: Option<(RoundId, Seed)>,
    run_secret: Option<(RunId, Seed)>,
    /// What work came to, until the machine hears of it.
    done: BTreeMap<(u32, WorkId), Result<Done, String>>,
    pub ledger: Vec<LedgerEntry>,
    pub overlaps: Vec<OverlapEntry>,
    /// Counts its starts, so that what an earlier process asked for goes nowhere.
    pub incarnation: u32,
    /// It dies when it has done so many outputs more.
    pub fuse: Option<u32>,
    /// How long it then stays away; none is for ever.
    pub down: Option<u64>,
    wake: Option<Millis>,
    /// The model, once it has one.
    pub outcome: Option<Box<PartyOutcome>>,
    /// The private scores of its rows, once it has them.
    pub scores: Option<Vec<i64>>,
    /// Everything that it has opened, as an attribute party.
    pub opened: Vec<Opened>,
    confirmed: bool,
    refusal: Option<Refusal>,
    failure: Option<String>,
    noise: bool,
}

/// One opened cell: all that an attribute party sees of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opened {
    /// Its share, in units of the modulus.
    pub share: f64,
    /// The noise under it, in units of the flooding bound.
    pub noise: f64,
}

/// A policy that lets every simulated run pass, repeated attempts included.
pub fn policy() -> Policy {
    Policy {
        max_epsilon: 2.0,
        total_epsilon: Some(1_000.0),
        min_collusion: 0,
        max_queries: 1_000,
        require_noise: false,
        plain_alignment: true,
        max_scores: 1_000_000,
        exact_scores: true,
        ..Policy::default()
    }
}

/// Everything a party is, with books that hold these entries.
pub fn setup(id: &PartyId, deployment: &Deployment, ledger: &[LedgerEntry]) -> PartySetup {
    let policy = policy();
    let books = policy.books().expect("the policy's budget is one");
    PartySetup {
        party: id.clone(),
        identity: identity(number(id)),
        certificate: certificate(number(id)),
        ledger: LedgerState::new(books, ledger.iter().cloned()),
        policy,
        verifier: deployment.verifier.clone(),
    }
}

impl PartyNode {
    pub fn new(id: &PartyId, deployment: &Deployment) -> Self {
        Self {
            id: id.clone(),
            machine: None,
            journal: Vec::new(),
            secret: None,
            run_secret: None,
            done: BTreeMap::new(),
            ledger: Vec::new(),
            overlaps: Vec::new(),
            incarnation: 0,
            fuse: None,
            down: None,
            wake: None,
            outcome: None,
            scores: None,
            opened: Vec::new(),
            confirmed: false,
            refusal: None,
            failure: None,
            noise: deployment.config.privacy.is_some(),
        }
    }

    /// The process starts, from its journal.
    pub fn start(&mut self, deployment: &Deployment) {
        if self.machine.is_some() {
            return;
        }
        self.incarnation += 1;
        let setup = setup(&self.id, deployment, &self.ledger);
        let machine =
            PartyMachine::restore(setup, &self.journal, self.secret.clone(), self.run_secret.clone());
        self.machine = Some(machine.unwrap_or_else(|error| panic!("{}'s own journal: {error}", self.id)));
    }

    /// The process dies. Gives how long it stays away, if it comes back.
    pub fn kill(&mut self) -> Option<u64> {
        self.machine = None;
        self.fuse = None;
        self.wake = None;
        self.down
    }

    pub fn is_running(&self) -> bool {
        self.machine.is_some()
    }

    /// Nothing is to be expected of this party any more.
    pub fn has_ended(&self) -> bool {
        self.confirmed || self.refusal.is_some() || self.failure.is_some()
    }

    /// What became of it, for a failed assertion.
    pub fn story(&self) -> String {
        format!(
            "{:?}, refusal {:?}, failure {:?}",
            self.machine, self.refusal, self.failure
        )
    }

    pub fn connected(&mut self, now: Millis) {
        if let Some(machine) = &mut self.machine {
            machine.handle_connected(now);
        }
    }

    pub fn disconnected(&mut self) {
        if let Some(machine) = &mut self.machine {
            machine.handle_disconnected();
        }
    }

    pub fn receive(&mut self, message: ToParty, now: Millis, rng: &mut impl CryptoRng) {
        if let Some(machine) = &mut self.machine {
            machine.handle_message(message, now, rng);
        }
    }

    pub fn counted(&mut self, incarnation: u32, round: RoundId, table: Table, now: Millis) {
        if let Some(machine) = self.machine.as_mut().filter(|_| incarnation == self.incarnation) {
            machine.handle_table(round, Ok(table), now);
        }
    }

    /// Asks for scores in private.
    pub fn score(&mut self, rows: ScoreRows, now: Millis) {
        if let Some(machine) = &mut self.machine {
            machine
                .score(&[Arc::new(rows)], now)
                .expect("scores within the run's limits");
        }
    }

    fn evaluated(&mut self) {
        if let Some(machine) = &mut self.machine {
            machine.handle_metrics(None);
        }
    }

    /// Keeps what the key of an attribute party shows of the answers in a work.
    fn look(&mut self, work: &Work) {
        let Work::Open {
            key,
            params,
            messages,
        } = work
        else {
            return;
        };
        let modulus = params.plaintext() as f64;
        for bytes in messages
            .iter()
            .flat_map(|message| message.chunks(params.answer_bytes()))
        {
            let answer = params.read_answer(bytes).expect("an answer");
            let shares = key.open(&answer).expect("an answer to this party");
            let noise = key.residuals(&answer).expect("an answer to this party");
            let cells = shares.iter().zip(noise);
            self.opened.extend(cells.map(|(share, noise)| Opened {
                share: *share as f64 / modulus,
                noise,
            }));
        }
    }

    /// Does a piece of work; [`Self::worked`] tells the machine.
    pub fn work(&mut self, id: WorkId, work: Work, deployment: &Deployment) {
        let data = deployment
            .joined
            .get(&self.id)
            .expect("only joined runs have work");
        self.look(&work);
        self.done.insert((self.incarnation, id), work.run(data));
    }

    pub fn worked(&mut self, incarnation: u32, id: WorkId, now: Millis) {
        let Some(done) = self.done.remove(&(incarnation, id)) else {
            return;
        };
        if let Some(machine) = self.machine.as_mut().filter(|_| incarnation == self.incarnation) {
            machine.handle_work(id, done, now);
        }
    }

    pub fn wake(&mut self, now: Millis) {
        self.wake = None;
        if let Some(machine) = &mut self.machine {
            machine.handle_timeout(now);
        }
    }

    /// A time to wake up at that is not planned yet.
    pub fn new_wake(&mut self) -> Option<Millis> {
        let at = self.machine.as_ref()?.poll_timeout()?;
        if self.wake.is_some_and(|wake| wake <= at) {
            return None;
        }
        self.wake = Some(at);
        Some(at)
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.machine.as_mut()?.poll_output()
    }

    /// Whether what this message releases is in the ledger on disk.
    pub fn has_paid(&self, message: &ToCoordinator) -> bool {
        match message {
            ToCoordinator::Masked { round, .. } if self.noise => {
                self.ledger.iter().any(|entry| entry.round == *round)
            }
            _ => true,
        }
    }

    /// Does an output that stays in the house.
    pub fn keep(&mut self, output: Output, deployment: &Deployment, now: Millis) {
        match output {
            Output::Persist(record) => self.journal.push(record),
            Output::StoreRoundSecret(round, seed) => self.secret = Some((round, seed)),
            Output::StoreRunSecret(run, seed) => self.run_secret = Some((run, seed)),
            Output::ForgetRoundSecret(round) => {
                self.secret = self.secret.take().filter(|(kept, _)| *kept != round)
            }
            Output::Charge(entry) => self.ledger.push(entry),
            Output::ChargeOverlap(entry) => self.overlaps.push(entry),
            Output::Finished(outcome) => {
                self.outcome = Some(outcome);
                let config = &deployment.config;
                let predicts = config.join().is_some_and(|join| join.prediction.is_some());
                if predicts && config.role(&self.id) == Role::Row {
                    self.score(joined::score_rows(deployment, &self.id), now);
                } else {
                    self.evaluated();
                }
            }
            Output::Confirmed => self.confirmed = true,
            Output::Refused(refusal) => self.refusal = Some(refusal),
            Output::Failed(reason) => self.failure = Some(reason),
            Output::Scored(_, scores) => {
                self.scores = Some(scores.sums);
                self.evaluated();
            }
            Output::NotScored(_, refusal) => panic!("{refusal}"),
            Output::Progress(_) => {}
            Output::Send(_) | Output::Count(..) | Output::Work(..) => unreachable!("the world does these"),
        }
    }

    /// One entry for each attempt that is paid, of the planned size, and none without noise.
    pub fn ledger_is_in_order(&self, config: &RunConfig) {
        let mut rounds: Vec<RoundId> = self.ledger.iter().map(|entry| entry.round).collect();
        rounds.sort();
        rounds.dedup();
        assert_eq!(
            rounds.len(),
            self.ledger.len(),
            "{} pays twice for one attempt",
            self.id
        );
        assert!(
            config.privacy.is_some() || self.ledger.is_empty(),
            "{} pays for nothing",
            self.id
        );
    }
}
