//! The coordinator: relays, sums, journals. It holds no data and decides only who is in.
//!
//! [`CoordinatorMachine`] is a state machine without I/O: events come in by `handle_*`, things to do come out
//! of [`CoordinatorMachine::poll_output`], and [`CoordinatorMachine::poll_timeout`] says when to come back
//! with [`CoordinatorMachine::handle_timeout`]. Every decision is a journal record that goes out before the
//! first message which shows it; [`CoordinatorMachine::restore`] continues from any prefix of the journal.
//! What is not a decision (masked vectors, signatures, opened shares) is asked of the parties again: they
//! answer a repeated request with the bytes that they stored.
//!
//! # Map
//! `phase` what each phase holds; `enrol`, `answer` what comes in, `request` what goes out; `advance`,
//! `unmasking`, `publish` when a phase ends; `apply`, `transition` what a decision changes; `sum`, `uploads`,
//! `opened` vectors and masks; `align`, `relay`, `joined` what only joined runs have; `presence` who is connected; `output`, `record` the vocabulary.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use hedgerow_crypto::hash::Digest;

use crate::config::RunConfig;
use crate::growth::Progression;
use crate::ids::{PartyId, RoundId};
use crate::roster::CertificateVerifier;
use crate::time::Millis;
use crate::wire::{ToCoordinator, ToParty};

mod advance;
mod align;
mod answer;
mod apply;
mod enrol;
mod joined;
mod malformed;
mod opened;
mod output;
mod phase;
mod presence;
mod publish;
mod record;
mod relay;
mod request;
mod sum;
mod transition;
mod unmasking;
mod uploads;

#[cfg(test)]
mod tests;

pub use advance::MAX_ATTEMPTS;
pub use output::{
    Absence, AttemptFailure, CoordinatorOutcome, CoordinatorProgress, Missing, Output, PhaseName,
    RoundSummary, RunFailure,
};
pub use presence::Timeouts;
pub use record::RestoreError;
pub use relay::Relayed;

use malformed::Malformed;
use phase::{Circle, Enrolling, Phase};
use presence::Presence;
use record::Record;
use relay::{Chunk, Directions};

/// Totals that are out, and will not change.
struct Released {
    summary: RoundSummary,
    totals: Vec<i64>,
}

/// The coordinator of one run. See the [module](self).
pub struct CoordinatorMachine {
    config: RunConfig,
    config_bytes: Vec<u8>,
    config_digest: Digest,
    verifier: Arc<dyn CertificateVerifier>,
    timeouts: Timeouts,
    threads: usize,

    circle: Circle,
    phase: Phase,
    history: Vec<Released>,
    /// `None` only if it could not start; then `growth_failure` says why.
    progression: Option<Progression>,
    /// Digest of the model, once it is complete.
    model: Option<Digest>,
    /// Released totals that the growth did not take; the run fails as soon as this may be said.
    growth_failure: Option<RunFailure>,

    presences: BTreeMap<PartyId, Presence>,
    /// Who is left out of the present round, or for malformed messages out of all that follow.
    excluded: BTreeMap<PartyId, Absence>,
    failure: Option<RunFailure>,
    /// Relayed streams, by sender and receiver.
    directions: Directions,
    /// Attribute parties of a joined run answer for scores until the operator ends it.
    serving: bool,
    /// The operator has ended it.
    closed: bool,
    /// So many answers were tried and did not open the sum.
    tried_answers: usize,
    /// When the phase began, or was taken up again.
    entered: Millis,
    deadline: Millis,
    last_seen: Millis,
    outputs: VecDeque<Output>,
}

impl CoordinatorMachine {
    /// A run from its beginning. The time to enrol starts now.
    #[must_use]
    pub fn new(
        config: RunConfig,
        verifier: Arc<dyn CertificateVerifier>,
        timeouts: Timeouts,
        now: Millis,
    ) -> Self {
        let presences = config
            .parties
            .iter()
            .map(|party| (party.clone(), Presence::new()))
            .collect();
        let mut machine = Self::at_the_start(config, verifier, timeouts, presences);
        machine.enter(now);
        machine
    }

    /// A run as far as its journal goes. Every party counts as disconnected since now.
    ///
    /// # Errors
    /// [`RestoreError`] for a journal that this software, configuration or consortium did not write.
    pub fn restore(
        config: RunConfig,
        verifier: Arc<dyn CertificateVerifier>,
        timeouts: Timeouts,
        records: &[Vec<u8>],
        now: Millis,
    ) -> Result<Self, RestoreError> {
        let presences = config
            .parties
            .iter()
            .map(|party| (party.clone(), Presence::restarted(now)))
            .collect();
        let mut machine = Self::at_the_start(config, verifier, timeouts, presences);
        for (index, bytes) in records.iter().enumerate() {
            machine.apply(index, Record::from_bytes(index, bytes)?)?;
        }
        machine.enter(now);
        if let Some(failure) = machine.failure.clone() {
            machine.outputs.push_back(Output::Failed(failure));
        } else if matches!(machine.phase, Phase::Done(_)) {
            machine.finish();
        }
        machine.advance(now);
        Ok(machine)
    }

    fn at_the_start(
        config: RunConfig,
        verifier: Arc<dyn CertificateVerifier>,
        timeouts: Timeouts,
        presences: BTreeMap<PartyId, Presence>,
    ) -> Self {
        let config_digest = config.digest();
        let circle = Circle::new(&config);
        let (progression, growth_failure) = match Progression::start(&config) {
            Ok(progression) => (Some(progression), None),
            Err(error) => (
                None,
                Some(RunFailure::Growth {
                    step: 0,
                    reason: error.to_string(),
                }),
            ),
        };
        Self {
            config_bytes: config.to_bytes(),
            config_digest,
            verifier,
            timeouts,
            threads: 1,
            circle,
            phase: Phase::Enrolling(Enrolling::default()),
            history: Vec::new(),
            progression,
            model: None,
            growth_failure,
            presences,
            excluded: BTreeMap::new(),
            failure: None,
            directions: Directions::new(),
            serving: false,
            closed: false,
            tried_answers: 0,
            entered: Millis(0),
            deadline: Millis(0),
            last_seen: Millis(0),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Takes masks off on so many threads; one unless told. Results do not depend on it.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// The phase that the run is in.
    #[must_use]
    pub fn phase(&self) -> PhaseName {
        self.phase.name()
    }

    /// The round that the run is in, if it is in one.
    #[must_use]
    pub fn round(&self) -> Option<RoundId> {
        self.phase.round()
    }

    /// A party, authenticated by the transport, has a connection. It will say hello.
    pub fn handle_connected(&mut self, party: &PartyId, now: Millis) {
        if let Some(presence) = self.presences.get_mut(party) {
            presence.connected();
            presence.asked(&self.timeouts, now);
        }
        self.advance(now);
    }

    /// The party's last connection is gone.
    pub fn handle_disconnected(&mut self, party: &PartyId, now: Millis) {
        if let Some(presence) = self.presences.get_mut(party) {
            presence.disconnected(now);
        }
        self.advance(now);
    }

    /// A message from a party whom the transport has authenticated.
    pub fn handle_message(&mut self, party: &PartyId, message: ToCoordinator, now: Millis) {
        if !self.presences.contains_key(party) {
            let reason = format!("{party} is not named in the configuration of this run");
            self.outputs
                .push_back(Output::Send(party.clone(), ToParty::Failed { reason }));
            return;
        }
        match message {
            ToCoordinator::Hello { versions, run } => self.hello(party, versions, run, now),
            ToCoordinator::Enrol {
                certificate,
                signature,
                channel,
            } => self.enrol(party, certificate, signature, channel),
            ToCoordinator::Refuse { reason } => self.exclude(party, Absence::Refused(reason.to_string())),
            ToCoordinator::Done { model, metrics } => self.confirm(party, model, metrics, now),
            ToCoordinator::Relay {
                to,
                channel,
                seq,
                last,
                sealed,
            } => {
                let chunk = Chunk {
                    channel,
                    seq,
                    last,
                    sealed,
                };
                let done = self.relay(party, to, chunk);
                self.blame(party, done);
            }
            ToCoordinator::RelayAck {
                to,
                channel,
                next,
                again,
            } => {
                let done = self.relay_ack(party, to, channel, next, again);
                self.blame(party, done);
            }
            answer => self.take(party, answer, now),
        }
        self.advance(now);
    }

    fn blame(&mut self, party: &PartyId, done: Result<(), Malformed>) {
        if let Err(malformed) = done {
            self.exclude_malformed(party, &malformed.to_string());
        }
    }

    fn take(&mut self, party: &PartyId, answer: ToCoordinator, now: Millis) {
        match self.answer(party, answer) {
            Ok(true) => {
                let phase = self.phase.name();
                let asked = self.phase.asked(&self.circle);
                let answered = asked
                    .iter()
                    .filter(|party| self.phase.has_answered(party, &self.circle))
                    .count();
                let (party, asked) = (party.clone(), asked.len());
                self.progress(CoordinatorProgress::Answered {
                    party,
                    phase,
                    answered,
                    asked,
                });
                self.ask_aggregators_once_whole(now);
            }
            Ok(false) => {}
            Err(malformed) => self.exclude_malformed(party, &malformed.to_string()),
        }
    }

    /// Time has come to what [`Self::poll_timeout`] said.
    pub fn handle_timeout(&mut self, now: Millis) {
        self.ask_again(now);
        self.advance(now);
    }

    /// The operator ends the run.
    pub fn handle_abort(&mut self, reason: &str, now: Millis) {
        if !self.phase.is_over() {
            self.fail(
                RunFailure::Aborted {
                    reason: reason.to_owned(),
                },
                now,
            );
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`] if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Millis> {
        let of_parties = self.owing().into_iter().filter_map(|party| {
            let presence = self.presences.get(&party)?;
            if presence.is_connected() {
                Some(presence.resend_at())
            } else {
                // A time that has passed has had its effect: nothing happens again at the end of grace.
                let lost = presence.lost_at(self.timeouts.grace);
                let given_up = Some(self.entered.plus(self.timeouts.grace.0));
                let ahead = |at: &Millis| *at > self.last_seen && !self.phase.is_over();
                lost.into_iter().chain(given_up).filter(ahead).min()
            }
        });
        // A complete run waits for nobody, but whoever is here and has not confirmed is told again.
        let deadline = (!self.phase.is_over()).then_some(self.deadline);
        of_parties.chain(deadline).min()
    }

    fn progress(&mut self, progress: CoordinatorProgress) {
        self.outputs.push_back(Output::Progress(progress));
    }

    /// Leaves a party out of the rest of the round.
    fn exclude(&mut self, party: &PartyId, why: Absence) {
        if self.phase.is_over() || matches!(self.excluded.get(party), Some(Absence::Malformed(_))) {
            return;
        }
        self.excluded.insert(party.clone(), why.clone());
        let missing = Missing {
            party: party.clone(),
            why,
        };
        self.progress(CoordinatorProgress::Dropped {
            phase: self.phase.name(),
            missing,
        });
    }

    /// Leaves a party out for good, and says why: its operator has a defect to look for.
    fn exclude_malformed(&mut self, party: &PartyId, what: &str) {
        let reason = format!("left out of the run: {what}");
        self.outputs
            .push_back(Output::Send(party.clone(), ToParty::Failed { reason }));
        self.exclude(party, Absence::Malformed(what.to_owned()));
    }
}

impl fmt::Debug for CoordinatorMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorMachine")
            .field("run", &self.config.run)
            .field("phase", &self.phase.name())
            .field("round", &self.phase.round())
            .finish_non_exhaustive()
    }
}
