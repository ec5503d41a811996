//! Why there are no scores.

use std::path::PathBuf;

use hedgerow_edge::files::FileError;
use hedgerow_protocol::ids::{PartyId, RunId};
use hedgerow_protocol::join::score::ScoreRefusal;

use super::super::PartyError;
use crate::data::DataError;
use crate::storage::StorageError;

/// Why there are no scores.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Configuration, identity, state, connection.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// The new rows, or the file of scores.
    #[error(transparent)]
    Rows(#[from] DataError),
    /// Only who has rows asks for scores.
    #[error("{}: role is \"attributes\", and only a party with rows asks for scores", .file.display())]
    NotRows {
        /// The configuration file.
        file: PathBuf,
    },
    /// There is nothing to go on with.
    #[error(
        "{}: no run was kept for queries: a run of joined data with a [prediction] is kept when it ends, if party.toml \
         says `queries = true`",
        .state.display()
    )]
    NoRun {
        /// The state folder.
        state: PathBuf,
    },
    /// Another run than those that were kept.
    #[error("{}: {asked}; kept for queries: {}", .state.display(), list(.kept))]
    WhichRun {
        /// The state folder.
        state: PathBuf,
        /// What was asked for, and what is wrong with it.
        asked: String,
        /// The runs that were kept.
        kept: Vec<RunId>,
    },
    /// SQL gives rows in no order.
    #[error(
        "rows that come from SQL come in no order: name the column that tells them apart (--id COLUMN); features must bring it"
    )]
    NoId,
    /// The limits of the run, or other data.
    #[error("the rows are not scored: {0}")]
    Refused(ScoreRefusal),
    /// Nobody answers.
    #[error("no coordinator of run {run} has answered at {address} for {seconds} s: is it running, with `serve = true`?{}", because(.why))]
    Unreachable {
        /// The run.
        run: RunId,
        /// Where it was looked for.
        address: String,
        /// For how long.
        seconds: u64,
        /// The last failure.
        why: Option<String>,
    },
    /// The operator has ended it.
    #[error("the coordinator has ended run {run}: no party answers for scores any more")]
    Ended {
        /// The run.
        run: RunId,
    },
    /// Attribute parties that are in the model do not answer.
    #[error(
        "{} did not answer: is every party's process running? The same rows may be asked about again at no cost; with \
         --allow-missing their entities read as missing",
        list(.parties)
    )]
    Silent {
        /// Who.
        parties: Vec<PartyId>,
    },
    /// Somebody stopped it.
    #[error("stopped before the answers were complete; the same rows may be asked about again at no cost")]
    Stopped,
}

impl From<StorageError> for QueryError {
    fn from(error: StorageError) -> Self {
        Self::Party(error.into())
    }
}

impl From<FileError> for QueryError {
    fn from(error: FileError) -> Self {
        Self::Party(error.into())
    }
}

fn list<T: ToString>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(T::to_string).collect();
    all.join(", ")
}

fn because(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
}
