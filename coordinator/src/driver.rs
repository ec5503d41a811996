//! What the coordinator does for its machine: keep, send, show, publish.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hedgerow_edge::drive::{Effects, Flow};
use hedgerow_edge::files;
use hedgerow_edge::journal::{Entry, Journal};
use hedgerow_edge::progress::{Progress, ProgressEvent};
use hedgerow_edge::quic::Link;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::coordinator::{CoordinatorOutcome, CoordinatorProgress, Output, RunFailure};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::wire::ToParty;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::machine::{Event, Todo};
use crate::process::{CoordinatorError, MODEL_FILE, ROUNDS_FILE};
use crate::report::{RoundsFile, Stopwatch};

/// The connections, the journal, and the files of a run.
pub(crate) struct Desk {
    pub(crate) config: RunConfig,
    pub(crate) journal: Journal,
    pub(crate) out: PathBuf,
    pub(crate) progress: Progress,
    /// Whether a joined run's parties go on scoring until the process is stopped.
    pub(crate) serve: bool,
    pub(crate) watch: Stopwatch,
    /// The journal was that of a complete run already: it was started again for parties that missed the end.
    pub(crate) late: Option<Latecomers>,
    pub(crate) runtime: Handle,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) links: BTreeMap<PartyId, Link<ToParty>>,
    pub(crate) ending: Option<Result<(), RunFailure>>,
}

/// Whom a complete run waits for, after a restart.
pub(crate) struct Latecomers {
    /// How long a party may take to come.
    pub(crate) patience: Duration,
    /// When nobody is waited for any more, not even those who are here.
    pub(crate) end: Instant,
    /// Parties that have not confirmed the model.
    pub(crate) missing: BTreeSet<PartyId>,
    /// Of these, whom the machine has asked for their last word.
    pub(crate) told: BTreeSet<PartyId>,
}

impl Latecomers {
    /// A party has left. Was it the last one to come for the model?
    fn served(&mut self, party: &PartyId) -> bool {
        self.told.contains(party) && self.missing.remove(party) && self.missing.is_empty()
    }
}

impl Effects for Desk {
    type Output = Todo;
    type Error = CoordinatorError;

    fn record(&mut self, outputs: &[Todo]) -> Result<(), CoordinatorError> {
        let entries: Vec<Entry<'_>> = outputs
            .iter()
            .filter_map(|output| match output {
                Todo::Plain(Output::Persist(record)) => Some(Entry::Plain(record)),
                _ => None,
            })
            .collect();
        Ok(self.journal.commit(&entries)?)
    }

    fn perform(&mut self, output: Todo) -> Result<Flow, CoordinatorError> {
        match output {
            Todo::Plain(Output::Send(party, message)) => {
                if let (ToParty::Finished { .. }, Some(late)) = (&message, &mut self.late) {
                    late.told.insert(party.clone());
                }
                if let Some(link) = self.links.get(&party) {
                    // A link that is over says so by itself, and the machine asks again.
                    link.send(message);
                }
            }
            Todo::Plain(Output::Persist(_)) => {}
            Todo::Plain(Output::Progress(progress)) => {
                self.watch.see(&progress);
                self.show(&progress);
            }
            Todo::Plain(Output::Finished(outcome)) => {
                self.publish(&outcome)?;
                self.ending = Some(Ok(()));
                return Ok(match self.config.join() {
                    None => self.wait_for_latecomers(&outcome),
                    Some(_) => self.serve_scores(),
                });
            }
            Todo::Plain(Output::Failed(failure)) => {
                self.ending = Some(Err(failure));
                return Ok(Flow::Stop);
            }
            Todo::Attach { party, link } => {
                if let Some(old) = self.links.insert(party.clone(), link) {
                    warn!(%party, "a newer connection with the same certificate takes over; does a second process run as this party?");
                    old.replace();
                }
            }
            Todo::Detach { party, why } => {
                self.links.remove(&party);
                if self.ending.is_none() {
                    warn!(%party, "disconnected: {why}");
                } else if self.late.as_mut().is_some_and(|late| late.served(&party)) {
                    return Ok(Flow::Stop);
                }
            }
            Todo::TurnAway { party, link } => {
                warn!(%party, "a second process with another certificate claims to be this party; it is turned away");
                link.abort("another process with another certificate is connected as this party");
            }
            Todo::Farewell => return Ok(self.farewell()),
            Todo::Leave => return Ok(Flow::Stop),
        }
        Ok(Flow::Continue)
    }
}

impl Desk {
    /// A run that has just become complete has waited for everybody long enough. One that is started again is
    /// there for the parties that missed the end; without it they would dial for ever.
    fn wait_for_latecomers(&mut self, outcome: &CoordinatorOutcome) -> Flow {
        let Some(late) = &mut self.late else {
            return Flow::Stop;
        };
        let confirmed: BTreeSet<&PartyId> = outcome.confirmed.iter().map(|(party, _)| party).collect();
        late.missing = self
            .config
            .parties
            .iter()
            .filter(|party| !confirmed.contains(party))
            .cloned()
            .collect();
        if late.missing.is_empty() {
            return Flow::Stop;
        }
        let names: Vec<&str> = late.missing.iter().map(PartyId::as_str).collect();
        info!(
            "the run is complete; {} have not confirmed the model and may come for it now",
            names.join(", ")
        );
        self.ask_again_later();
        Flow::Continue
    }

    /// The parties of a joined run need each other after it: scores are theirs together.
    fn serve_scores(&self) -> Flow {
        if self.serve {
            info!("the run is complete; private scores are relayed until this process is stopped");
            self.progress.emit(&ProgressEvent::Finished);
            return Flow::Continue;
        }
        // The machine tells the parties, so this has to come back as an event. After a restart they come back first.
        let patience = self.late.as_ref().map_or(Duration::ZERO, |late| late.patience);
        let events = self.events.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(patience).await;
            // Nobody takes events any more if the process is ending by itself.
            let _ = events.send(Event::Close).await;
        });
        Flow::Continue
    }

    fn farewell(&mut self) -> Flow {
        let here = |late: &Latecomers| {
            Instant::now() < late.end && late.missing.iter().any(|party| self.links.contains_key(party))
        };
        if !self.late.as_ref().is_some_and(here) {
            return Flow::Stop;
        }
        self.ask_again_later();
        Flow::Continue
    }

    fn ask_again_later(&self) {
        let Some(late) = &self.late else { return };
        let (events, patience) = (self.events.clone(), late.patience);
        self.runtime.spawn(async move {
            tokio::time::sleep(patience).await;
            // Nobody takes events any more if the process is ending by itself.
            let _ = events.send(Event::Farewell).await;
        });
    }

    fn publish(&self, outcome: &CoordinatorOutcome) -> Result<(), CoordinatorError> {
        files::create_folder(&self.out)?;
        let model = self.out.join(MODEL_FILE);
        let text = outcome
            .forest
            .to_json()
            .map_err(|error| CoordinatorError::Model(error.to_string()))?;
        files::write_atomic(&model, text.as_bytes())?;
        let mut rounds = serde_json::to_vec_pretty(&RoundsFile::of(&self.config, outcome, &self.watch))
            .map_err(|error| CoordinatorError::Model(error.to_string()))?;
        rounds.push(b'\n');
        files::write_atomic(&self.out.join(ROUNDS_FILE), &rounds)?;
        info!(model = %model.display(), "the run is complete");
        Ok(())
    }

    fn show(&self, progress: &CoordinatorProgress) {
        let event = match progress {
            CoordinatorProgress::Phase { phase, round, asked } => {
                let of = round
                    .map(|round| format!(" of round {round}"))
                    .unwrap_or_default();
                info!("{phase}{of}: {asked} parties are asked");
                ProgressEvent::Phase {
                    name: phase.to_string(),
                    step: 0,
                    of: *asked as u64,
                }
            }
            CoordinatorProgress::Answered {
                party,
                phase,
                answered,
                asked,
            } => {
                info!(%party, "{phase}: {answered} of {asked} have answered");
                ProgressEvent::Phase {
                    name: phase.to_string(),
                    step: *answered as u64,
                    of: *asked as u64,
                }
            }
            CoordinatorProgress::Dropped { phase, missing } => {
                warn!("{phase}: left out is {missing}");
                ProgressEvent::Dropped {
                    party: missing.party.to_string(),
                    reason: missing.why.to_string(),
                }
            }
            CoordinatorProgress::AttemptFailed { round, failure } => {
                warn!("round {round} is tried again: {failure}");
                return;
            }
            CoordinatorProgress::RoundDone { round, survivors } => {
                info!("round {round} is released over {} parties", survivors.len());
                let survivors = survivors.iter().map(ToString::to_string).collect();
                ProgressEvent::RoundDone {
                    round: round.to_string(),
                    survivors,
                }
            }
            CoordinatorProgress::ModelDiffers { party } => {
                warn!(%party, "ended with another model than the coordinator, which a correct party cannot");
                return;
            }
            _ => return,
        };
        self.progress.emit(&event);
    }
}
