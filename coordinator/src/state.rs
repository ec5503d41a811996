//! The state folder: which run this is, and how far it is.

use std::path::{Path, PathBuf};

use hedgerow_edge::files::{self, FileError};
use hedgerow_edge::journal::{Journal, JournalError};
use hedgerow_protocol::config::{ConfigError, RunConfig, RunConfigLiteral};
use hedgerow_protocol::ids::RunId;
use rand::TryRng;
use rand::rngs::SysRng;

use crate::consortium::{Consortium, Drawn};

/// The journal's file.
pub const JOURNAL_FILE: &str = "journal.redb";

const CONFIG: &str = "config";
const DRAWN: &str = "drawn";

/// A state folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The description of the task.
    #[error(transparent)]
    Config(#[from] hedgerow_edge::configfile::ConfigFileError),
    /// The journal's configuration cannot be read.
    #[error("the journal {} holds a configuration that cannot be read: {source}", .path.display())]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// The file has changed since the run began.
    #[error("{} has changed since run {run} began ({changed}); undo the change to go on with that run, or move {} away to begin a new one", .consortium.display(), .state.display())]
    OtherRun {
        /// The description of the task.
        consortium: PathBuf,
        /// The state folder.
        state: PathBuf,
        /// The run in it.
        run: RunId,
        /// What has changed.
        changed: &'static str,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

/// An open state folder.
#[derive(Debug)]
pub struct State {
    /// The journal of the run.
    pub journal: Journal,
    /// The run's configuration.
    pub config: RunConfig,
    /// What was journaled before this start.
    pub records: Vec<Vec<u8>>,
}

impl State {
    /// Opens the folder, or begins a run in an empty one.
    ///
    /// # Errors
    /// [`StateError`], as for a folder that belongs to another run than the file describes.
    pub fn open(folder: &Path, consortium_path: &Path) -> Result<Self, StateError> {
        let consortium = Consortium::load(consortium_path)?;
        files::create_folder(folder)?;
        let path = folder.join(JOURNAL_FILE);
        let mut journal = Journal::open(&path)?;
        let Some((drawn, kept)) = kept(&journal)? else {
            let drawn = draw()?;
            let config = consortium.config(&drawn)?;
            journal.set_named(DRAWN, &[&drawn.run.0[..], &drawn.seed[..]].concat())?;
            // Last, because it says that the rest is there.
            journal.set_named(CONFIG, &config.to_bytes())?;
            return Ok(Self {
                journal,
                config,
                records: Vec::new(),
            });
        };
        let kept = RunConfig::from_bytes(&kept).map_err(|source| StateError::Unreadable { path, source })?;
        let config = consortium.config(&drawn)?;
        if let Some(changed) = difference(&kept, &config) {
            return Err(StateError::OtherRun {
                consortium: consortium_path.to_path_buf(),
                state: folder.to_path_buf(),
                run: kept.run,
                changed,
            });
        }
        let records = journal.records()?;
        Ok(Self {
            journal,
            config,
            records,
        })
    }
}

fn kept(journal: &Journal) -> Result<Option<(Drawn, Vec<u8>)>, StateError> {
    let (Some(drawn), Some(config)) = (journal.named(DRAWN)?, journal.named(CONFIG)?) else {
        return Ok(None);
    };
    let split = drawn.split_first_chunk::<16>();
    Ok(split.and_then(|(run, seed)| {
        let drawn = Drawn {
            run: RunId(*run),
            seed: seed.try_into().ok()?,
        };
        Some((drawn, config))
    }))
}

fn draw() -> Result<Drawn, StateError> {
    let mut drawn = Drawn {
        run: RunId([0; 16]),
        seed: [0; 32],
    };
    SysRng
        .try_fill_bytes(&mut drawn.run.0)
        .and_then(|()| SysRng.try_fill_bytes(&mut drawn.seed))
        .map_err(|error| StateError::Random(error.to_string()))?;
    Ok(drawn)
}

/// What an operator would have to change back.
fn difference(kept: &RunConfig, now: &RunConfig) -> Option<&'static str> {
    if kept.to_bytes() == now.to_bytes() {
        return None;
    }
    let (a, b): (&RunConfigLiteral, &RunConfigLiteral) = (kept, now);
    let differs = [
        ("parties", a.parties != b.parties),
        ("the schema", a.schema != b.schema),
        ("[task]", (&a.name, &a.task) != (&b.name, &b.task)),
        ("[data]", (&a.partition, a.max_rows) != (&b.partition, b.max_rows)),
        ("[forest]", a.forest != b.forest),
        ("[privacy]", a.privacy != b.privacy),
        ("[test]", a.test != b.test),
    ];
    differs
        .into_iter()
        .find_map(|(name, differs)| differs.then_some(name))
        .or(Some("[run]"))
}
