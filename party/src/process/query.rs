//! `hedgerow query`: private scores of new rows, from the parties of a run that is over.
//!
//! The asking process is the row party itself, come back: it goes on with the journal that its run left, under the same
//! identity and with the same secret, so that what was asked before counts and nothing is answered twice in two ways. It
//! reads no training data; the keys of the run's rows lie beside the journal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hedgerow_edge::drive::{self, Clock, End, Shutdown};
use hedgerow_edge::progress::Progress;
use hedgerow_edge::quic::Traffic;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::join::score::{ScoreRefusal, ScoreRows, max_batch};
use hedgerow_protocol::party::{Output, PartyMachine, PartyOutcome, PartySetup};
use hedgerow_protocol::wire::Limits;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::line::{Line, keep_dialling};
use super::{EVENTS, PartyError, Ready, prepare};
use crate::config::Role;
use crate::data::NewRows;
use crate::join::{References, spec};
use crate::machine::Driven;
use crate::scores::{self, Ids, ScoreFile};
use crate::storage::{Storage, StorageError};

mod effects;
mod error;

use effects::QueryEffects;
pub use error::QueryError;

/// What is asked.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// The run; the only one that was kept if none is named.
    pub run: Option<String>,
    /// New rows: a CSV or Parquet file, a folder, or SQL; relative paths start at the working folder.
    pub input: String,
    /// The column that tells the rows apart; else that of `[data] id`, else their numbers.
    pub id: Option<String>,
    /// Where the scores go, `.csv` or `.parquet`.
    pub output: PathBuf,
    /// Whether entities of attribute parties that do not answer may read as missing.
    pub allow_missing: bool,
    /// How long to wait for the coordinator.
    pub patience: Duration,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct QueryReport {
    /// The run.
    pub run: RunId,
    /// Rows scored.
    pub rows: usize,
    /// Of these, positive at the model's threshold.
    pub positive: usize,
    /// How often rows name an entity at an attribute party.
    pub names: u64,
    /// How often they name one that was not aligned when the run began: it reads as missing.
    pub unknown: u64,
    /// Attribute parties whose entities read as missing.
    pub absent: Vec<PartyId>,
    /// Whether scores carry noise.
    pub noised: bool,
    /// What was odd about the rows.
    pub warnings: Vec<String>,
}

/// The run that is meant.
fn which(state: &Path, asked: Option<&str>) -> Result<RunId, QueryError> {
    let kept = Storage::kept(state)?;
    let wrong = |asked: String, kept: Vec<RunId>| QueryError::WhichRun {
        state: state.to_path_buf(),
        asked,
        kept,
    };
    match (asked, kept.as_slice()) {
        (_, []) => Err(QueryError::NoRun {
            state: state.to_path_buf(),
        }),
        (None, [one]) => Ok(*one),
        (None, _) => Err(wrong(
            "several runs may be meant, choose one with --run".to_owned(),
            kept,
        )),
        (Some(asked), all) => match all.iter().find(|run| run.to_string() == asked) {
            Some(run) => Ok(*run),
            None => Err(wrong(format!("there is no run {asked:?}"), kept)),
        },
    }
}

/// Ends the queries of a run: what was kept of its secret and its keys is erased.
///
/// # Errors
/// [`QueryError`] for a run that was not kept, or a folder that cannot be written.
pub fn forget(config: &Path, run: Option<&str>) -> Result<RunId, QueryError> {
    let file = crate::config::PartyFile::load(config).map_err(PartyError::from)?;
    let run = which(&file.state, run)?;
    Storage::open_kept(&file.state, run)?.0.forget_run(run)?;
    Ok(run)
}

/// A run that is gone on with.
struct Kept {
    storage: Storage,
    machine: PartyMachine,
    outcome: PartyOutcome,
    config: Arc<RunConfig>,
}

fn open(ready: &Ready, run: RunId) -> Result<Kept, QueryError> {
    let file = &ready.file;
    let policy = file.load_policy().map_err(PartyError::from)?;
    let (mut storage, restored) = Storage::open_kept(&file.state, run)?;
    let ledger = storage.ledger().state(&policy).map_err(StorageError::from)?;
    let setup = PartySetup {
        party: file.id.clone(),
        identity: ready.identity.signing().clone(),
        certificate: ready.identity.certificate().to_vec(),
        policy,
        ledger,
        verifier: Arc::new(ready.identity.consortium().clone()),
    };
    let restored = PartyMachine::restore(setup, &restored.records, restored.secret, restored.run_secret);
    let mut machine = restored.map_err(|source| PartyError::Restore {
        state: file.state.clone(),
        source,
    })?;
    let mut outcome = None;
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Finished(finished) => outcome = Some(*finished),
            Output::ForgetRoundSecret(round) => storage.forget_secret(round)?,
            _ => {}
        }
    }
    match (outcome, machine.config().cloned().map(Arc::new)) {
        (Some(outcome), Some(config)) => Ok(Kept {
            storage,
            machine,
            outcome,
            config,
        }),
        _ => Err(QueryError::Refused(ScoreRefusal::NoModel)),
    }
}

/// Asks for the scores of new rows, and writes them.
///
/// # Errors
/// [`QueryError`], one sentence for the operator; the run and its other queries do not depend on it.
pub async fn query(
    config: &Path,
    request: &QueryRequest,
    shutdown: Shutdown,
) -> Result<QueryReport, QueryError> {
    let ready = prepare(config)?;
    if ready.file.role != Role::Rows {
        return Err(QueryError::NotRows {
            file: config.to_path_buf(),
        });
    }
    let run = which(&ready.file.state, request.run.as_deref())?;
    let Kept {
        storage,
        machine,
        outcome,
        config: of_run,
    } = open(&ready, run)?;

    let join = spec::join_of(&of_run)?;
    let keys = References::read(join, &Storage::keys_of(&ready.file.state, run))?;
    let source = ready.file.source_of(config, &request.input)?;
    let id = request.id.as_deref().or(ready.file.data.id.as_deref());
    if id.is_none() && (source.is_sql() || source.features().is_some()) {
        return Err(QueryError::NoId);
    }
    let engine = ready.answers.engine();
    let new = NewRows::read(engine, &source, &spec::linked(&of_run, id)?, keys.keys()).await?;
    let all: Vec<u32> = (0..new.rows.rows() as u32).collect();
    let size = max_batch(&of_run, &outcome.forest).max(1);
    let batches = all
        .chunks(size)
        .map(|batch| Arc::new(keys.score_rows(&new.rows, batch)));

    let answers = ask(
        &ready,
        Asking {
            run,
            storage,
            machine,
            config: Arc::clone(&of_run),
            batches: batches.collect(),
            patience: request.patience,
            shutdown,
        },
    );
    let (sums, absent) = answers.await?;
    // Who is not in the model is missing in training as well.
    let in_model = |party: &&PartyId| {
        outcome
            .rounds
            .last()
            .is_some_and(|last| last.survivors.contains(*party))
    };
    let silent: Vec<PartyId> = absent.iter().filter(in_model).cloned().collect();
    if !silent.is_empty() && !request.allow_missing {
        return Err(QueryError::Silent { parties: silent });
    }
    let scores = scores::of_sums(&outcome.forest, &sums);
    let threshold = outcome.forest.threshold;
    let file = ScoreFile {
        ids: Ids::of(&new.rows, &all, id),
        labels: None,
        scores: &scores,
        threshold: Some(threshold),
    };
    file.write(&request.output)?;
    let known = new.rows.references.iter().flatten();
    let known = known
        .filter(|entity| **entity != crate::data::linked::NOBODY)
        .count() as u64;
    Ok(QueryReport {
        run,
        rows: scores.len(),
        positive: scores.iter().filter(|score| **score >= threshold).count(),
        names: known + new.unknown,
        unknown: new.unknown,
        absent,
        noised: join
            .prediction
            .is_some_and(|prediction| prediction.budget.is_some()),
        warnings: new.warnings.iter().map(ToString::to_string).collect(),
    })
}

struct Asking {
    run: RunId,
    storage: Storage,
    machine: PartyMachine,
    config: Arc<RunConfig>,
    batches: Vec<Arc<ScoreRows>>,
    patience: Duration,
    shutdown: Shutdown,
}

/// The sums of all rows, and who did not answer.
async fn ask(ready: &Ready, asking: Asking) -> Result<(Vec<i64>, Vec<PartyId>), QueryError> {
    let (events, inbox) = mpsc::channel(EVENTS);
    let line = Arc::new(Line::default());
    line.set_limits(Limits::for_run(&asking.config));
    let away = Arc::new(Mutex::new(Some(Instant::now())));
    let effects = QueryEffects {
        run: asking.run,
        storage: asking.storage,
        answers: ready.answers.clone(),
        events: events.clone(),
        line: Arc::clone(&line),
        runtime: Handle::current(),
        expected: asking.batches.len(),
        batches: Some(asking.batches),
        away: Arc::clone(&away),
        sums: Vec::new(),
        absent: Vec::new(),
        ending: None,
    };
    let driven = Driven::new(asking.machine, Vec::new());
    let dialer = ready.file.dialer(Arc::clone(&ready.identity), Traffic::default());
    let dialling = tokio::spawn(keep_dialling(
        dialer,
        events,
        Arc::clone(&line),
        Progress::silent(),
    ));
    let driving = drive::drive(driven, effects, inbox, Clock::start(), asking.shutdown.clone());
    tokio::pin!(driving);
    let mut gave_up = false;
    let driven = loop {
        tokio::select! {
            driven = &mut driving => break driven,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                let since = *away.lock().unwrap_or_else(PoisonError::into_inner);
                if !gave_up && since.is_some_and(|since| since.elapsed() >= asking.patience) {
                    gave_up = true;
                    asking.shutdown.request();
                }
            }
        }
    };
    dialling.abort();
    let (end, effects) = driven?;
    let why = line.why_not();
    if let Some(link) = line.take() {
        link.finish().await;
    }
    match (end, effects.ending) {
        (End::Done, Some(Ok(()))) => {
            let mut absent = effects.absent;
            absent.sort();
            absent.dedup();
            Ok((effects.sums, absent))
        }
        (End::Done, Some(Err(error))) => Err(error),
        _ if gave_up => Err(QueryError::Unreachable {
            run: asking.run,
            address: ready.file.coordinator.clone(),
            seconds: asking.patience.as_secs(),
            why,
        }),
        _ => Err(QueryError::Stopped),
    }
}
