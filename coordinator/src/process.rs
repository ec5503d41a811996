//! One process, from its configuration file to its exit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hedgerow_edge::certificate::{Subject, now};
use hedgerow_edge::configfile::ConfigFileError;
use hedgerow_edge::drive::{Clock, End, Shutdown, drive};
use hedgerow_edge::files::FileError;
use hedgerow_edge::identity::{Identity, IdentityFolderError};
use hedgerow_edge::journal::JournalError;
use hedgerow_edge::progress::{Progress, ProgressEvent};
use hedgerow_edge::quic::{ListenError, Listener, Traffic};
use hedgerow_edge::telemetry::ProcessLife;
use hedgerow_protocol::coordinator::{CoordinatorMachine, PhaseName, RestoreError, RunFailure};
use hedgerow_protocol::wire::Limits;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::info;

use crate::config::CoordinatorFile;
use crate::driver::{Desk, Latecomers};
use crate::endpoint;
use crate::machine::Driven;
use crate::report::Stopwatch;
use crate::state::{JOURNAL_FILE, State, StateError};

/// The model, in the folder `out`.
pub const MODEL_FILE: &str = "model.json";
/// What was released, in the folder `out`.
pub const ROUNDS_FILE: &str = "rounds.json";
/// What this process used, in the folder `state`.
pub const PROCESS_FILE: &str = "process.json";

/// How a process ends that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model is published.
    Finished,
    /// Somebody asked it to stop; started again, it goes on.
    Stopped,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoordinatorError {
    /// `coordinator.toml`.
    #[error(transparent)]
    Config(#[from] ConfigFileError),
    /// The identity folder.
    #[error(transparent)]
    Identity(#[from] IdentityFolderError),
    /// The identity is a party's.
    #[error("the certificate in {} is that of {found}, and a coordinator needs its own; see `hedgerow provision`", .folder.display())]
    NotACoordinator {
        /// The identity folder.
        folder: PathBuf,
        /// Whose it is.
        found: Subject,
    },
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal does not fit the run.
    #[error("the journal {} cannot be continued: {source}", .path.display())]
    Restore {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: RestoreError,
    },
    /// The port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The model cannot be written.
    #[error("the model cannot be written: {0}")]
    Model(String),
    /// The run is over without a model.
    #[error(transparent)]
    Run(RunFailure),
}

/// Events that wait for the machine: a few large vectors, no more, as QUIC then holds the others back.
const QUEUE: usize = 8;

/// For the last messages to arrive; parties that are gone are not waited for.
const FLUSH: Duration = Duration::from_secs(5);

/// Runs a coordinator to the end of its run, or until somebody asks it to stop.
///
/// # Errors
/// [`CoordinatorError`], one sentence for the operator. `state/process.json` is written in any case, as soon as
/// the configuration could be read.
pub async fn run(path: &Path, progress: Progress, shutdown: Shutdown) -> Result<Ending, CoordinatorError> {
    let life = ProcessLife::begin();
    let traffic = Traffic::default();
    let outcome = coordinate(path, &progress, shutdown, &traffic, &life).await;
    progress.emit(&match &outcome {
        Ok(Ending::Finished) => ProgressEvent::Finished,
        Ok(Ending::Stopped) => ProgressEvent::Stopped,
        Err(error) => ProgressEvent::Failed {
            reason: error.to_string(),
        },
    });
    outcome
}

async fn coordinate(
    path: &Path,
    progress: &Progress,
    shutdown: Shutdown,
    traffic: &Traffic,
    life: &ProcessLife,
) -> Result<Ending, CoordinatorError> {
    let file = CoordinatorFile::load(path)?;
    let identity = Identity::load(&file.identity, now())?;
    let Subject::Coordinator(id) = identity.subject().clone() else {
        let found = identity.subject().clone();
        return Err(CoordinatorError::NotACoordinator {
            folder: file.identity,
            found,
        });
    };
    let outcome = serve(&file, &identity, progress, shutdown, traffic).await;
    let totals = traffic.totals();
    let report = life.report(id.as_str(), "coordinator", totals.udp_sent, totals.udp_received);
    // What the run says matters more than a figure that cannot be written.
    match (outcome, report.write(&file.state.join(PROCESS_FILE))) {
        (Ok(ending), written) => written.map(|()| ending).map_err(CoordinatorError::from),
        (Err(error), _) => Err(error),
    }
}

async fn serve(
    file: &CoordinatorFile,
    identity: &Identity,
    progress: &Progress,
    shutdown: Shutdown,
    traffic: &Traffic,
) -> Result<Ending, CoordinatorError> {
    let State {
        journal,
        config,
        records,
    } = State::open(&file.state, &file.consortium)?;
    let verifier = Arc::new(identity.consortium().clone());
    let (timeouts, clock) = (file.machine_timeouts(), Clock::start());
    let resumed = !records.is_empty();
    let machine = if resumed {
        info!(run = %config.run, "going on with a run of {} journaled steps", records.len());
        CoordinatorMachine::restore(config.clone(), verifier, timeouts, &records, clock.now()).map_err(
            |source| CoordinatorError::Restore {
                path: file.state.join(JOURNAL_FILE),
                source,
            },
        )?
    } else {
        info!(run = %config.run, parties = config.parties.len(), "a new run begins");
        CoordinatorMachine::new(config.clone(), verifier, timeouts, clock.now())
    };
    drop(records);

    let admit = endpoint::admit(&config);
    let listener = Arc::new(Listener::bind(
        file.listen,
        identity,
        admit,
        &file.transport,
        traffic.clone(),
    )?);
    let address = listener
        .local_address()
        .map_or_else(|_| file.listen.to_string(), |address| address.to_string());
    info!(%address, "listening");
    progress.emit(&ProgressEvent::Listening { address });

    let late = (machine.phase() == PhaseName::Done).then(|| Latecomers {
        patience: Duration::from_millis(timeouts.grace.0),
        end: Instant::now() + Duration::from_millis(timeouts.phase.0),
        missing: BTreeSet::new(),
        told: BTreeSet::new(),
    });
    let (events, inbox) = mpsc::channel(QUEUE);
    let accepting = tokio::spawn(endpoint::accept(
        Arc::clone(&listener),
        Limits::for_run(&config),
        events.clone(),
    ));
    let desk = Desk {
        config,
        journal,
        out: file.out.clone(),
        progress: progress.clone(),
        serve: file.serve,
        watch: Stopwatch::start(resumed),
        late,
        runtime: Handle::current(),
        events,
        links: BTreeMap::new(),
        ending: None,
    };
    let machine = Driven::new(
        machine
            .with_threads(file.resources.threads())
            .with_serving(file.serve),
    );
    let driven = drive(machine, desk, inbox, clock, shutdown).await;
    accepting.abort();
    let (end, mut desk) = match driven {
        Ok(driven) => driven,
        Err(error) => {
            listener
                .close("the coordinator has a problem of its own and stops; it can be started again")
                .await;
            return Err(error);
        }
    };
    let reason = match end {
        End::Shutdown => "the coordinator stops and will be started again",
        End::Done | End::Abandoned => "",
    };
    if end != End::Shutdown {
        flush(std::mem::take(&mut desk.links)).await;
    }
    listener.close(reason).await;
    match desk.ending {
        Some(Ok(())) => Ok(Ending::Finished),
        Some(Err(failure)) => Err(CoordinatorError::Run(failure)),
        None => {
            info!("stopped on request; start it again with the same configuration to go on");
            Ok(Ending::Stopped)
        }
    }
}

/// Waits until every party that is connected has its last message.
async fn flush(
    links: BTreeMap<
        hedgerow_protocol::ids::PartyId,
        hedgerow_edge::quic::Link<hedgerow_protocol::wire::ToParty>,
    >,
) {
    let mut all = tokio::task::JoinSet::new();
    for link in links.into_values() {
        all.spawn(link.finish());
    }
    // Whoever has not taken it by then is gone.
    let _ = tokio::time::timeout(FLUSH, async { while all.join_next().await.is_some() {} }).await;
}
