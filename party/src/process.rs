//! The party's process: dials, drives its machine, answers queries from its data, keeps its books.

use std::path::Path;
use std::sync::Arc;

use hedgerow_edge::certificate::{self, Subject};
use hedgerow_edge::drive::{self, Clock, End, Shutdown};
use hedgerow_edge::identity::Identity;
use hedgerow_edge::progress::{Progress, ProgressEvent};
use hedgerow_edge::quic::Traffic;
use hedgerow_edge::telemetry::ProcessLife;
use hedgerow_protocol::party::{PartyMachine, PartySetup};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::info;

use crate::answers::Answers;
use crate::config::PartyFile;
use crate::machine::Driven;
use crate::storage::{Storage, StorageError};

mod effects;
mod error;
mod line;
mod predict;
pub mod query;

use effects::PartyEffects;
pub use error::PartyError;
use line::{Line, keep_dialling};

/// Events that wait while the machine is at work; the connection's reader waits beyond.
const EVENTS: usize = 64;
/// The model, in the state folder.
pub const MODEL_FILE: &str = "model.json";
/// What the process used, in the state folder.
pub const PROCESS_FILE: &str = "process.json";

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
    let answers = Answers::new(&file, file.data_spec(path)?)?;
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
    let machine = PartyMachine::restore(setup, &restored.records, restored.secret, restored.run_secret)
        .map_err(|source| PartyError::Restore {
            state: file.state.clone(),
            source,
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
        scored: None,
        scores: file.scores.clone(),
        shown: None,
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
        answers,
        ..
    } = effects;
    match (end, ending) {
        (End::Done, Some(ending)) => {
            if let Some(config) = config {
                let predicts = config.join().is_some_and(|join| join.prediction.is_some());
                let keep = ending.is_ok() && file.queries && predicts;
                // Only runs of joined data have such a side.
                if keep && let Some(side) = answers.row_side(&config).await? {
                    side.keys().write(&storage.place_for_keys(config.run)?)?;
                    info!(run = %config.run, "kept for `hedgerow query`");
                }
                storage.archive(config.run, keep)?;
            }
            ending.map(|()| (Ending::Finished, file))
        }
        _ => {
            info!("stopped; started again, this party goes on where it was");
            Ok((Ending::Stopped, file))
        }
    }
}
