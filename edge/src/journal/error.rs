//! What goes wrong with a journal, in words for the operator.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::FileError;

/// A journal that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Another process has it open.
    #[error("{} is in use by another process: is this party or coordinator running already?", .path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// It is not a journal, or not a whole one.
    #[error("the journal {} is damaged: {detail}; restore it from a copy, or move its folder away to begin a new run", .path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name of a group of secrets is no file name.
    #[error("{group:?} cannot name a group of secrets: letters, digits, '.', '_' and '-' are allowed")]
    Group {
        /// The name.
        group: String,
    },
    /// The store failed in a way that leaves its file as it was.
    #[error("{doing} the journal {} failed: {detail}", .path.display())]
    Store {
        /// What was done.
        doing: Doing,
        /// The journal.
        path: PathBuf,
        /// What the store said.
        detail: String,
    },
}

/// What was done to a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Opening it.
    Open,
    /// Reading records.
    Read,
    /// Appending records.
    Append,
}

impl Doing {
    const fn text(self) -> &'static str {
        match self {
            Self::Open => "opening",
            Self::Read => "reading",
            Self::Append => "appending to",
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The circumstances of a failure.
pub(super) struct Failure<'a> {
    pub(super) doing: Doing,
    pub(super) path: &'a Path,
}

impl Failure<'_> {
    pub(super) fn damaged(&self, detail: &str) -> JournalError {
        JournalError::Damaged {
            path: self.path.to_path_buf(),
            detail: detail.to_owned(),
        }
    }

    pub(super) fn because(&self, error: impl Into<redb::Error>) -> JournalError {
        let path = self.path.to_path_buf();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => JournalError::InUse { path },
            redb::Error::Corrupted(detail) => JournalError::Damaged { path, detail },
            redb::Error::UpgradeRequired(version) => JournalError::Damaged {
                path,
                detail: format!("it is in the old file format {version}"),
            },
            redb::Error::Io(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                JournalError::Damaged {
                    path,
                    detail: source.to_string(),
                }
            }
            redb::Error::Io(source) => FileError::new(self.doing.text(), self.path, source).into(),
            error => JournalError::Store {
                doing: self.doing,
                path,
                detail: error.to_string(),
            },
        }
    }
}
