//! What the party does for its machine.

use std::path::PathBuf;
use std::sync::Arc;

use hedgerow_edge::drive::{self, Flow};
use hedgerow_edge::files;
use hedgerow_edge::progress::{Progress, ProgressEvent};
use hedgerow_forest::model::Forest;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::join::score::ScoreRefusal;
use hedgerow_protocol::join::work::WorkKind;
use hedgerow_protocol::party::{Output, PartyOutcome, PartyProgress, Scored};
use hedgerow_protocol::wire::Limits;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::PartyError;
use super::line::Line;
use super::predict::Prediction;
use crate::answers::Answers;
use crate::machine::{Event, Todo};
use crate::storage::Storage;

/// What the loop's outputs do.
pub(super) struct PartyEffects {
    pub(super) model: PathBuf,
    pub(super) storage: Storage,
    pub(super) answers: Answers,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) line: Arc<Line>,
    pub(super) progress: Progress,
    pub(super) runtime: Handle,
    pub(super) counting: Option<tokio::task::AbortHandle>,
    pub(super) config: Option<Arc<RunConfig>>,
    /// Where scores go that the machine hands out.
    pub(super) scored: Option<mpsc::UnboundedSender<Result<Scored, ScoreRefusal>>>,
    /// The file of the scores of the own test rows.
    pub(super) scores: Option<PathBuf>,
    /// The phase shown last.
    pub(super) shown: Option<&'static str>,
    pub(super) ending: Option<Result<(), PartyError>>,
}

impl drive::Effects for PartyEffects {
    type Output = Todo;
    type Error = PartyError;

    fn record(&mut self, outputs: &[Todo]) -> Result<(), PartyError> {
        Ok(self.storage.record(outputs)?)
    }

    fn perform(&mut self, output: Todo) -> Result<Flow, PartyError> {
        match output {
            Todo::Plain(output) => return self.plain(output),
            Todo::Accepted(config) => {
                self.line.set_limits(Limits::for_run(&config));
                self.config = Some(config);
            }
            Todo::Count(round, query, config) => {
                self.begin("counting");
                if let Some(before) = self.counting.take() {
                    before.abort();
                }
                let (answers, events) = (self.answers.clone(), self.events.clone());
                let task = self.runtime.spawn(async move {
                    let table = answers.count(&query, &config).await;
                    let _ = events.send(Event::Counted(round, table)).await;
                });
                self.counting = Some(task.abort_handle());
            }
            Todo::Work(id, work, config) => {
                // The first work waits for the data; what follows it shows its own phase.
                let phase = if self.answers.has_read() {
                    phase_of(work.kind())
                } else {
                    "reading"
                };
                self.begin(phase);
                let (answers, events) = (self.answers.clone(), self.events.clone());
                self.runtime.spawn(async move {
                    let done = answers.work(work, &config).await;
                    // A loop that is over needs no work any more.
                    let _ = events.send(Event::Worked(id, done)).await;
                });
            }
            Todo::Finished(outcome, config) => self.finished(*outcome, config)?,
            Todo::NotScored(refusal) => self.scored(Err(refusal)),
            Todo::Closed => {}
            Todo::Disconnected(error) => {
                if self.line.take().is_some() {
                    warn!(%error, "disconnected");
                    self.progress.emit(&ProgressEvent::Disconnected {
                        reason: error.to_string(),
                    });
                    self.line.is_lost();
                }
            }
            Todo::Over(reason) => {
                self.config = None;
                return Ok(self.end(Err(PartyError::Over(reason))));
            }
        }
        Ok(Flow::Continue)
    }
}

impl PartyEffects {
    fn plain(&mut self, output: Output) -> Result<Flow, PartyError> {
        match output {
            Output::Send(message) => {
                self.line.with(|link| {
                    if let Some(link) = link {
                        // A link that is over says so by itself.
                        link.send(message);
                    }
                });
            }
            Output::ForgetRoundSecret(round) => self.storage.forget_secret(round)?,
            Output::Progress(progress) => self.show(&progress),
            Output::Scored(_, scored) => self.scored(Ok(scored)),
            Output::NotScored(_, refusal) => self.scored(Err(refusal)),
            Output::Confirmed => return Ok(self.end(Ok(()))),
            Output::Refused(refusal) => return Ok(self.end(Err(PartyError::Refused(refusal.to_string())))),
            Output::Failed(reason) => return Ok(self.end(Err(PartyError::Failed(reason)))),
            // Durable by now, or handed on with the configuration.
            Output::Persist(_)
            | Output::StoreRoundSecret(..)
            | Output::StoreRunSecret(..)
            | Output::Charge(_)
            | Output::ChargeOverlap(_)
            | Output::Count(..)
            | Output::Work(..)
            | Output::Finished(_) => {}
        }
        Ok(Flow::Continue)
    }

    fn end(&mut self, ending: Result<(), PartyError>) -> Flow {
        self.ending = Some(ending);
        Flow::Stop
    }

    fn finished(&mut self, outcome: PartyOutcome, config: Arc<RunConfig>) -> Result<(), PartyError> {
        let forest: Forest = outcome.forest;
        files::write_atomic(&self.model, forest.to_json()?.as_bytes())?;
        info!(model = %self.model.display(), "the model is here");
        if config.join().is_some() {
            self.predict(forest, config);
            return Ok(());
        }
        self.begin("evaluating");
        let (answers, events) = (self.answers.clone(), self.events.clone());
        let metrics_file = self.model.with_file_name("metrics.json");
        self.runtime.spawn(async move {
            let metrics = answers.evaluate(&forest, &config, &metrics_file).await;
            let _ = events.send(Event::Evaluated(metrics)).await;
        });
        Ok(())
    }

    fn scored(&self, scored: Result<Scored, ScoreRefusal>) {
        if let Some(scores) = &self.scored {
            // A prediction that is over wants no more scores.
            let _ = scores.send(scored);
        }
    }

    /// In a joined run no party can score rows alone: attribute parties help.
    fn predict(&mut self, forest: Forest, config: Arc<RunConfig>) {
        let (sender, scored) = mpsc::unbounded_channel();
        self.scored = Some(sender);
        let prediction = Prediction {
            answers: self.answers.clone(),
            forest,
            config,
            events: self.events.clone(),
            scored,
            metrics: self.model.with_file_name("metrics.json"),
            scores: self.scores.clone(),
        };
        self.runtime.spawn(prediction.run());
    }

    fn show(&mut self, progress: &PartyProgress) {
        match progress {
            PartyProgress::Enrolled => {
                info!("the run's configuration is within this party's policy; signed");
                self.phase("enrolled");
            }
            PartyProgress::Participants { count } => info!(parties = count, "participants are fixed"),
            PartyProgress::RoundStarted { round, kind } => {
                info!(%round, ?kind, "round started");
                if self.is_joined() {
                    self.begin("counting");
                }
            }
            PartyProgress::Uploaded { round } => {
                info!(%round, "masked table is out");
                if self.is_joined() {
                    self.begin("summation");
                } else {
                    self.phase("uploaded");
                }
            }
            PartyProgress::RoundDone { round, survivors } => {
                info!(%round, survivors = survivors.len(), "totals released");
                self.progress.emit(&ProgressEvent::RoundDone {
                    round: round.to_string(),
                    survivors: survivors.iter().map(ToString::to_string).collect(),
                });
            }
            _ => {}
        }
    }

    fn is_joined(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.join().is_some())
    }

    /// Shows that a phase has begun, once until the next one does.
    fn begin(&mut self, name: &'static str) {
        if self.shown.replace(name) != Some(name) {
            self.progress.emit(&ProgressEvent::Phase {
                name: name.to_owned(),
                step: 0,
                of: 1,
            });
        }
    }

    /// Shows that something is done; the same phase may begin again after it.
    fn phase(&mut self, name: &str) {
        self.shown = None;
        self.progress.emit(&ProgressEvent::Phase {
            name: name.to_owned(),
            step: 1,
            of: 1,
        });
    }
}

/// The phase that a piece of work belongs to, as the report divides the time.
const fn phase_of(kind: WorkKind) -> &'static str {
    match kind {
        WorkKind::Alignment => "alignment",
        WorkKind::Encryption => "encryption",
        WorkKind::Counting => "counting",
        WorkKind::Prediction => "prediction",
        _ => "inner products",
    }
}
