//! What the coordinator does for its machine: keep, send, show, publish.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

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
    pub(crate) watch: Stopwatch,
    /// How long a party that has confirmed the model may take to come back and be told that this was heard.
    pub(crate) patience: Duration,
    pub(crate) runtime: Handle,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) links: BTreeMap<PartyId, Link<ToParty>>,
    /// Parties that were told how the run ended.
    pub(crate) told: BTreeSet<PartyId>,
    /// Parties that must be told before the process ends.
    pub(crate) waiting: Option<BTreeSet<PartyId>>,
    pub(crate) ending: Option<Result<(), RunFailure>>,
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
            Todo::Plain(Output::Send(party, message)) => return Ok(self.send(party, message)),
            Todo::Plain(Output::Persist(_)) => {}
            Todo::Plain(Output::Progress(progress)) => {
                self.watch.see(&progress);
                self.show(&progress);
            }
            Todo::Plain(Output::Finished(outcome)) => {
                self.publish(&outcome)?;
                self.ending = Some(Ok(()));
                return Ok(self.farewell(outcome.confirmed.into_iter().map(|(party, _)| party).collect()));
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
                }
            }
            Todo::TurnAway { party, link } => {
                warn!(%party, "a second process with another certificate claims to be this party; it is turned away");
                link.abort("another process with another certificate is connected as this party");
            }
            Todo::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::Continue)
    }
}

impl Desk {
    fn send(&mut self, party: PartyId, message: ToParty) -> Flow {
        let last = matches!(message, ToParty::Finished { .. } | ToParty::Failed { .. });
        if self.links.get(&party).is_some_and(|link| link.send(message)) && last {
            self.told.insert(party);
        }
        match &self.waiting {
            Some(waiting) if waiting.is_subset(&self.told) => Flow::Stop,
            _ => Flow::Continue,
        }
    }

    /// Ends the process once the parties that have the model know that this is known: one of them that does not
    /// would dial for ever.
    fn farewell(&mut self, confirmed: BTreeSet<PartyId>) -> Flow {
        if confirmed.is_subset(&self.told) {
            return Flow::Stop;
        }
        let missing: Vec<&str> = confirmed.difference(&self.told).map(PartyId::as_str).collect();
        info!(
            "waiting up to {} s for {} to hear that the run is complete",
            self.patience.as_secs(),
            missing.join(", ")
        );
        self.waiting = Some(confirmed);
        let (events, patience) = (self.events.clone(), self.patience);
        self.runtime.spawn(async move {
            tokio::time::sleep(patience).await;
            // Nobody takes events any more if the process is ending by itself.
            let _ = events.send(Event::Farewell).await;
        });
        Flow::Continue
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
