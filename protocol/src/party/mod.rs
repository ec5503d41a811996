//! One party: checks everything, pays before it speaks, and never says two things for one step.
//!
//! [`PartyMachine`] is a state machine without I/O. Events come in by `handle_*`, things to do come out of
//! [`PartyMachine::poll_output`] in the order in which they must be done, and [`PartyMachine::poll_timeout`]
//! says when to come back. Every accepted request is journaled with its answer before the answer is sent; a
//! request that comes again gets the stored answer, a different one in its place is refused. All that is
//! random in a round derives from one round secret, so [`PartyMachine::restore`] continues from any prefix of
//! the journal and never makes different bytes.
//!
//! # Map
//! `enrol` configuration and participants, `joined` the other half of mixed and vertical runs, `run` what a run holds, `start` how a round begins, `keys`,
//! `shares`, `upload`, `survivors`, `unmask`, `aggregate` its phases, `result` how it ends, `replay` how a
//! journal becomes a machine again; `ledger`, `output`, `record` the vocabulary.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use hedgerow_crypto::identity::SigningIdentity;
use hedgerow_forest::table::Table;
use rand_core::CryptoRng;

use crate::check::{self, CheckId};
use crate::config::RunConfig;
use crate::ids::{PartyId, RoundId};
use crate::join::score::{ScoreRefusal, ScoreRows};
use crate::join::{Done, WorkId};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::roster::CertificateVerifier;
use crate::time::Millis;
use crate::wire::{Enrolment, PROTOCOL_VERSIONS, PartyMetrics, ToCoordinator, ToParty};

mod aggregate;
mod answers;
mod enrol;
mod fixed;
mod join_request;
mod joined;
mod keys;
mod ledger;
mod output;
mod overlap;
mod record;
mod replay;
mod result;
mod round;
mod run;
mod secret;
mod shares;
mod start;
mod survivors;
mod unmask;
mod upload;

#[cfg(test)]
pub(crate) mod tests;

pub use ledger::{LedgerEntry, LedgerState};
pub use output::{Output, PartyOutcome, PartyProgress, ReleasedRound, Scored};
pub use overlap::OverlapEntry;
pub use record::RestoreError;

use enrol::Enrolled;
use record::Record;
use run::{Run, Stage};

/// How long a party waits for an answer to its `Hello` before it says it again.
const HELLO_AGAIN_MS: u64 = 2_000;

/// Who a party is and what it accepts.
pub struct PartySetup {
    /// Its name.
    pub party: PartyId,
    /// Its signing key.
    pub identity: SigningIdentity,
    /// Its own certificate (DER), which binds name and key.
    pub certificate: Vec<u8>,
    /// Its own rules.
    pub policy: Policy,
    /// Its own books.
    pub ledger: LedgerState,
    /// Reader of everybody's certificates.
    pub verifier: Arc<dyn CertificateVerifier>,
}

/// Where a party stands.
enum Phase {
    /// No configuration is known.
    Greeting,
    /// The configuration is signed; who else takes part is not known.
    Enrolled(Box<Enrolled>),
    /// The participants are known.
    Running(Box<Run>),
    /// Refused, or ended by the coordinator.
    Ended,
}

/// Whether there is a connection, and when `Hello` is due again.
enum Link {
    Down,
    Up { hello_again: Millis },
}

/// One party in one run. See the [module](self).
pub struct PartyMachine {
    me: PartySetup,
    phase: Phase,
    link: Link,
    outputs: VecDeque<Output>,
}

impl PartyMachine {
    /// A party that knows of no run yet.
    #[must_use]
    pub fn new(setup: PartySetup) -> Self {
        Self {
            me: setup,
            phase: Phase::Greeting,
            link: Link::Down,
            outputs: VecDeque::new(),
        }
    }

    /// The configuration that this party has accepted; `None` before.
    #[must_use]
    pub fn config(&self) -> Option<&RunConfig> {
        match &self.phase {
            Phase::Greeting | Phase::Ended => None,
            Phase::Enrolled(enrolled) => Some(&enrolled.config),
            Phase::Running(run) => Some(&run.enrolled.config),
        }
    }

    /// Whether nothing follows any more: refused, or ended by the coordinator.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// There is a connection to the coordinator.
    pub fn handle_connected(&mut self, now: Millis) {
        if self.is_over() {
            return;
        }
        self.link = Link::Up {
            hello_again: now.plus(HELLO_AGAIN_MS),
        };
        self.say_hello();
        if let Phase::Running(run) = &mut self.phase
            && let Some(joined) = &mut run.joined
        {
            joined.connected(now, &mut self.outputs);
        }
        self.go_on(now);
    }

    /// The connection is gone.
    pub fn handle_disconnected(&mut self) {
        self.link = Link::Down;
        if let Phase::Running(run) = &mut self.phase
            && let Some(joined) = &mut run.joined
        {
            joined.disconnected();
        }
    }

    /// Time has come to what [`Self::poll_timeout`] said.
    pub fn handle_timeout(&mut self, now: Millis) {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        match &mut self.phase {
            Phase::Greeting => {
                self.link = Link::Up {
                    hello_again: now.plus(HELLO_AGAIN_MS),
                };
                self.say_hello();
            }
            Phase::Running(run) => {
                if let Some(joined) = &mut run.joined {
                    joined.wake(now, &mut self.outputs);
                    self.go_on(now);
                }
            }
            _ => {}
        }
    }

    /// When to call [`Self::handle_timeout`] if nothing happens before. Only `Hello` is repeated unasked, and what
    /// is wanted of counterparts: everything else the coordinator asks for again.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        match (&self.phase, &self.link) {
            (Phase::Greeting, Link::Up { hello_again }) => Some(*hello_again),
            (Phase::Running(run), Link::Up { .. }) => run.joined.as_ref()?.timeout(),
            _ => None,
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A message from the coordinator.
    pub fn handle_message(&mut self, message: ToParty, now: Millis, rng: &mut impl CryptoRng) {
        let handled = match message {
            ToParty::Welcome { .. } => self.welcome(message, rng),
            ToParty::Participants { .. } => self.participants(message),
            ToParty::RoundStart { .. } => self.round_start(message, rng),
            ToParty::RoundResult { .. } => self.round_result(message),
            ToParty::Finished { model } => self.finished(model),
            ToParty::Failed { reason } => {
                self.failed(reason);
                Ok(())
            }
            ToParty::KeyList { .. }
            | ToParty::ShareInbox { .. }
            | ToParty::Survivors { .. }
            | ToParty::SurvivorProof { .. }
            | ToParty::Fixed { .. } => self.round_request(message),
            ToParty::Align
            | ToParty::Joined { .. }
            | ToParty::Relayed { .. }
            | ToParty::RelayAcked { .. }
            | ToParty::Closed => self.join_request(message, now),
        };
        if let Err(refusal) = handled {
            self.refuse(refusal);
        }
        self.go_on(now);
    }

    /// A work of a joined run is done, or says why it cannot be.
    pub fn handle_work(&mut self, id: WorkId, done: Result<Done, String>, now: Millis) {
        if let Err(refusal) = self.worked(id, done) {
            self.refuse(refusal);
        }
        self.go_on(now);
    }

    /// The data engine has counted, or says why it cannot. Counts for a step that is over are dropped.
    pub fn handle_table(&mut self, round: RoundId, table: Result<Table, String>, _now: Millis) {
        if let Err(refusal) = self.counted(round, table) {
            self.refuse(refusal);
        }
    }

    /// The driver has evaluated the model, or does not. What policy and configuration do not release stays
    /// here.
    pub fn handle_metrics(&mut self, metrics: Option<PartyMetrics>) {
        if let Err(refusal) = self.evaluated(metrics) {
            self.refuse(refusal);
        }
    }

    /// Row party of a joined run whose model is there: wants the scores of the rows of these batches, which come as
    /// [`Output::Scored`] under the numbers given here, one batch after the other. All batches are accepted or none.
    /// A restart forgets them; rows that were asked about before keep their number, cost nothing, and bring the same
    /// answers.
    ///
    /// # Errors
    /// [`ScoreRefusal`]: the run goes on, nothing was asked.
    pub fn score(&mut self, batches: &[Arc<ScoreRows>], now: Millis) -> Result<Vec<u64>, ScoreRefusal> {
        let numbers = match &mut self.phase {
            Phase::Running(run) if run.progression.forest().is_some() => match &mut run.joined {
                Some(joined) => joined.want_scores(batches, &mut self.outputs)?,
                None => return Err(ScoreRefusal::NotOffered),
            },
            _ => return Err(ScoreRefusal::NoModel),
        };
        self.go_on(now);
        Ok(numbers)
    }

    /// What this party can do by itself now.
    fn go_on(&mut self, now: Millis) {
        self.ask_for_counts();
        let Phase::Running(run) = &mut self.phase else {
            return;
        };
        let Some(joined) = &mut run.joined else { return };
        if let Some(forest) = run.progression.forest() {
            let last = run.released.last();
            if let Err(refusal) =
                joined.set_model(forest, last.map_or(&[], |(_, released)| &released.survivors))
            {
                return self.refuse(refusal);
            }
        }
        let pumped = joined.pump(now, &mut self.outputs);
        if let Err(refusal) = pumped.and_then(|()| self.upload()) {
            self.refuse(refusal);
        }
    }

    fn say_hello(&mut self) {
        let versions = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
        let run = self.config().map(|config| config.run);
        self.send(ToCoordinator::Hello { versions, run });
    }

    fn send(&mut self, message: ToCoordinator) {
        self.outputs.push_back(Output::Send(message));
    }

    fn progress(&mut self, progress: PartyProgress) {
        self.outputs.push_back(Output::Progress(progress));
    }

    /// Journals an accepted request with its answer, then sends the answer.
    fn exchange(&mut self, request: ToParty, response: Option<ToCoordinator>) {
        let record = Record::Exchange {
            request,
            response: response.clone(),
        };
        self.outputs.push_back(Output::Persist(record.to_bytes()));
        if let Some(response) = response {
            self.send(response);
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if self.is_over() {
            return;
        }
        self.forget_secret();
        self.send(ToCoordinator::Refuse {
            reason: refusal.clone(),
        });
        self.outputs.push_back(Output::Refused(refusal));
        self.phase = Phase::Ended;
    }

    fn failed(&mut self, reason: String) {
        if self.is_over() {
            return;
        }
        self.forget_secret();
        self.outputs.push_back(Output::Failed(reason));
        self.phase = Phase::Ended;
    }

    fn forget_secret(&mut self) {
        if let Phase::Running(run) = &self.phase
            && let Stage::Open(round) = &run.stage
        {
            let id = round.id;
            self.outputs.push_back(Output::ForgetRoundSecret(id));
        }
    }
}

impl fmt::Debug for PartyMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Greeting => "greeting".to_owned(),
            Phase::Enrolled(_) => "enrolled".to_owned(),
            Phase::Running(run) => run.describe(),
            Phase::Ended => "ended".to_owned(),
        };
        f.debug_struct("PartyMachine")
            .field("party", &self.me.party)
            .field("phase", &phase)
            .finish_non_exhaustive()
    }
}

/// A broken check, blamed on the coordinator's message or on a party's contribution to it.
fn broken(
    check: CheckId,
    round: Option<RoundId>,
    culprit: Option<&PartyId>,
    detail: impl Into<String>,
) -> Refusal {
    Refusal::Check {
        check,
        round,
        culprit: culprit.cloned(),
        detail: detail.into(),
    }
}

/// A second, different request where there is one already.
fn equivocation(check: CheckId, round: Option<RoundId>, what: &str) -> Refusal {
    broken(check, round, None, format!("a second, different {what}"))
}

fn internal(detail: impl fmt::Display) -> Refusal {
    Refusal::Internal {
        detail: detail.to_string(),
    }
}

/// The keys of a member. Members are checked to have some.
fn keys_of<'a>(
    context: &round::Context<'_>,
    list: &'a round::KeyList,
    party: &PartyId,
) -> Result<&'a crate::wire::SignedRoundKeys, Refusal> {
    list.of(party).ok_or_else(|| {
        broken(
            check::KEYS_SORTED,
            Some(context.round),
            Some(party),
            "has no keys",
        )
    })
}
