//! The party's process: dials, drives its machine, answers queries from its data, keeps its books.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hedgerow_edge::certificate::{self, Subject};
use hedgerow_edge::configfile::ConfigFileError;
use hedgerow_edge::drive::{self, Clock, End, Flow, Shutdown};
use hedgerow_edge::files::{self, FileError};
use hedgerow_edge::identity::{Identity, IdentityFolderError};
use hedgerow_edge::progress::{Progress, ProgressEvent};
use hedgerow_edge::quic::{Backoff, Dialer, Link, Traffic};
use hedgerow_edge::telemetry::ProcessLife;
use hedgerow_forest::model::Forest;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::party::{Output, PartyMachine, PartyOutcome, PartyProgress, PartySetup, RestoreError};
use hedgerow_protocol::wire::{Limits, ToCoordinator};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};

use crate::answers::Answers;
use crate::config::PartyFile;
use crate::data::DataError;
use crate::machine::{Driven, Event, Todo};
use crate::storage::{Storage, StorageError};

/// Events that wait while the machine is at work; the connection's reader waits beyond.
const EVENTS: usize = 64;
/// The model, in the state folder.
pub const MODEL_FILE: &str = "model.json";
/// What the process used, in the state folder.
pub const PROCESS_FILE: &str = "process.json";

/// Why a party's process ends without a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartyError {
    /// `party.toml` or `policy.toml`.
    #[error(transparent)]
    Config(#[from] ConfigFileError),
    /// The identity folder.
    #[error(transparent)]
    Identity(#[from] IdentityFolderError),
    /// The certificate is somebody else's.
    #[error("{}: the id is {configured}, but the certificate in {} is that of {found}", .file.display(), .folder.display())]
    WrongIdentity {
        /// The configuration file.
        file: PathBuf,
        /// The identity folder.
        folder: PathBuf,
        /// The id in the configuration.
        configured: PartyId,
        /// Whom the certificate names.
        found: Subject,
    },
    /// The `[transport]` table.
    #[error("{}: transport.{key} {problem}", .file.display())]
    Transport {
        /// The configuration file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The data source.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Journal or ledger.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The journal cannot be continued.
    #[error("{}: {source}", .state.display())]
    Restore {
        /// The state folder.
        state: PathBuf,
        /// Why.
        source: RestoreError,
    },
    /// This party refused the run.
    #[error("this party refused the run: {0}")]
    Refused(String),
    /// The coordinator ended the run.
    #[error("the coordinator ended the run: {0}")]
    Failed(String),
    /// Taking part is not possible.
    #[error("{0}")]
    Over(String),
    /// A model that its file format cannot hold, which growth does not make.
    #[error(transparent)]
    Model(#[from] hedgerow_forest::model::ModelError),
    /// Another file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system.
    #[error("signals cannot be handled: {0}")]
    System(#[from] std::io::Error),
}

/// How a party's process ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model is in the state folder.
    Finished,
    /// Somebody asked it to stop; started again it goes on.
    Stopped,
}

/// Everything that can be wrong before anybody is called.
pub(crate) struct Ready {
    pub(crate) file: PartyFile,
    pub(crate) identity: Arc<Identity>,
    pub(crate) answers: Answers,
}

/// Reads configuration and identity, and prepares the data engine.
pub(crate) fn prepare(path: &Path) -> Result<Ready, PartyError> {
    let file = PartyFile::load(path)?;
    file.transport
        .check()
        .map_err(|(key, problem)| PartyError::Transport {
            file: path.to_path_buf(),
            key,
            problem,
        })?;
    let identity = Identity::load(&file.identity, certificate::now())?;
    if *identity.subject() != Subject::Party(file.id.clone()) {
        return Err(PartyError::WrongIdentity {
            file: path.to_path_buf(),
            folder: file.identity.clone(),
            configured: file.id.clone(),
            found: identity.subject().clone(),
        });
    }
    let answers = Answers::new(file.id.clone(), file.data_spec(path)?, file.engine_options())?;
    Ok(Ready {
        file,
        identity: Arc::new(identity),
        answers,
    })
}

/// Runs the party of a configuration file until its run is over or somebody asks it to stop.
///
/// # Errors
/// [`PartyError`], one sentence for the operator.
pub async fn run(path: &Path, progress: Progress, shutdown: Shutdown) -> Result<Ending, PartyError> {
    let life = ProcessLife::begin();
    let traffic = Traffic::default();
    let outcome = run_counted(path, &progress, shutdown, &traffic).await;
    match &outcome {
        Ok((Ending::Finished, _)) => progress.emit(&ProgressEvent::Finished),
        Ok((Ending::Stopped, _)) => progress.emit(&ProgressEvent::Stopped),
        Err(error) => progress.emit(&ProgressEvent::Failed {
            reason: error.to_string(),
        }),
    }
    let (ending, file) = outcome?;
    let totals = traffic.totals();
    life.report(file.id.as_str(), "party", totals.udp_sent, totals.udp_received)
        .write(&file.state.join(PROCESS_FILE))?;
    Ok(ending)
}

async fn run_counted(
    path: &Path,
    progress: &Progress,
    shutdown: Shutdown,
    traffic: &Traffic,
) -> Result<(Ending, PartyFile), PartyError> {
    let Ready {
        file,
        identity,
        answers,
    } = prepare(path)?;
    let policy = file.load_policy()?;
    let (storage, restored) = Storage::open(&file.state)?;
    let ledger = storage.ledger().state(&policy).map_err(StorageError::from)?;
    let setup = PartySetup {
        party: file.id.clone(),
        identity: identity.signing().clone(),
        certificate: identity.certificate().to_vec(),
        policy,
        ledger,
        verifier: Arc::new(identity.consortium().clone()),
    };
    let resumed = !restored.records.is_empty();
    let machine = PartyMachine::restore(setup, &restored.records, restored.secret).map_err(|source| {
        PartyError::Restore {
            state: file.state.clone(),
            source,
        }
    })?;
    info!(party = %file.id, coordinator = %file.coordinator, resumed, "party started");

    let (events, inbox) = mpsc::channel(EVENTS);
    let line = Arc::new(Line::default());
    let effects = PartyEffects {
        model: file.state.join(MODEL_FILE),
        storage,
        answers,
        events: events.clone(),
        line: Arc::clone(&line),
        progress: progress.clone(),
        runtime: Handle::current(),
        counting: None,
        config: None,
        ending: None,
    };
    let driven = Driven::new(machine, effects.storage.over()?);
    let dialer = file.dialer(identity, traffic.clone());
    let dialling = tokio::spawn(keep_dialling(dialer, events, Arc::clone(&line), progress.clone()));
    let driven = drive::drive(driven, effects, inbox, Clock::start(), shutdown).await;
    dialling.abort();
    let (end, effects) = driven?;
    if let Some(link) = line.take() {
        link.finish().await;
    }
    let PartyEffects {
        ending,
        storage,
        config,
        ..
    } = effects;
    match (end, ending) {
        (End::Done, Some(ending)) => {
            if let Some(config) = config {
                storage.archive(config.run)?;
            }
            ending.map(|()| (Ending::Finished, file))
        }
        _ => {
            info!("stopped; started again, this party goes on where it was");
            Ok((Ending::Stopped, file))
        }
    }
}

/// The connection of the moment.
#[derive(Default)]
struct Line {
    link: Mutex<Option<Link<ToCoordinator>>>,
    limits: Mutex<Option<Limits>>,
    lost: Notify,
}

impl Line {
    fn with<T>(&self, use_it: impl FnOnce(&mut Option<Link<ToCoordinator>>) -> T) -> T {
        use_it(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self) -> Option<Link<ToCoordinator>> {
        self.with(Option::take)
    }

    fn limits(&self) -> Limits {
        self.limits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unwrap_or(Limits::control())
    }

    fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = Some(limits);
        self.with(|link| {
            if let Some(link) = link {
                link.set_limits(limits);
            }
        });
    }
}

/// Dials for as long as the process lives: a coordinator that is not there yet, or any more, is called again.
async fn keep_dialling(dialer: Dialer, events: mpsc::Sender<Event>, line: Arc<Line>, progress: Progress) {
    let mut backoff = Backoff::new();
    loop {
        match dialer.dial().await {
            Ok(connection) => {
                info!(coordinator = %connection.remote_address(), "connected");
                progress.emit(&ProgressEvent::Connected);
                let link = Link::start(connection, line.limits(), events.clone(), Event::Link);
                line.with(|slot| *slot = Some(link));
                if events.send(Event::Connected).await.is_err() {
                    return;
                }
                backoff = Backoff::new();
                line.lost.notified().await;
            }
            Err(error) if error.is_final() => {
                // Nobody is left to be told if the loop is gone.
                let _ = events.send(Event::NotAdmitted(error.to_string())).await;
                return;
            }
            Err(error) => {
                warn!(%error, "no connection yet; trying again");
                progress.emit(&ProgressEvent::Disconnected {
                    reason: error.to_string(),
                });
            }
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

struct PartyEffects {
    model: PathBuf,
    storage: Storage,
    answers: Answers,
    events: mpsc::Sender<Event>,
    line: Arc<Line>,
    progress: Progress,
    runtime: Handle,
    counting: Option<tokio::task::AbortHandle>,
    config: Option<Arc<RunConfig>>,
    ending: Option<Result<(), PartyError>>,
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
                self.progress.emit(&ProgressEvent::Phase {
                    name: "counting".to_owned(),
                    step: 0,
                    of: 1,
                });
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
            Todo::Finished(outcome, config) => self.finished(*outcome, config)?,
            Todo::Disconnected(error) => {
                if self.line.take().is_some() {
                    warn!(%error, "disconnected");
                    self.progress.emit(&ProgressEvent::Disconnected {
                        reason: error.to_string(),
                    });
                    self.line.lost.notify_one();
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
            Output::Confirmed => return Ok(self.end(Ok(()))),
            Output::Refused(refusal) => return Ok(self.end(Err(PartyError::Refused(refusal.to_string())))),
            Output::Failed(reason) => return Ok(self.end(Err(PartyError::Failed(reason)))),
            // Durable by now, or handed on with the configuration.
            Output::Persist(_)
            | Output::StoreRoundSecret(..)
            | Output::Charge(_)
            | Output::Count(..)
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
        self.progress.emit(&ProgressEvent::Phase {
            name: "evaluating".to_owned(),
            step: 0,
            of: 1,
        });
        let (answers, events) = (self.answers.clone(), self.events.clone());
        let metrics_file = self.model.with_file_name("metrics.json");
        self.runtime.spawn(async move {
            let metrics = answers.evaluate(&forest, &config, &metrics_file).await;
            let _ = events.send(Event::Evaluated(metrics)).await;
        });
        Ok(())
    }

    fn show(&self, progress: &PartyProgress) {
        match progress {
            PartyProgress::Enrolled => {
                info!("the run's configuration is within this party's policy; signed");
                self.phase("enrolled");
            }
            PartyProgress::Participants { count } => info!(parties = count, "participants are fixed"),
            PartyProgress::RoundStarted { round, kind } => info!(%round, ?kind, "round started"),
            PartyProgress::Uploaded { round } => {
                info!(%round, "masked table is out");
                self.phase("uploaded");
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

    fn phase(&self, name: &str) {
        self.progress.emit(&ProgressEvent::Phase {
            name: name.to_owned(),
            step: 1,
            of: 1,
        });
    }
}
