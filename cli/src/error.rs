//! What can go wrong at the command line, worded for the person who typed the command.

use hedgerow_edge::files::FileError;
use std::error::Error;
use std::path::{Path, PathBuf};

/// An error that ends a command. `Display` is the whole message: cause and culprit in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// A file or folder could not be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A configuration, scenario or argument is wrong; the text names the place.
    #[error("{0}")]
    Config(String),
    /// A process of a simulation ended before its work was done.
    #[error("{process} failed: {reason}\n  its log: {}", log.display())]
    Process {
        /// `coordinator` or `party <id>`.
        process: String,
        /// Its last words: the `Failed` event, else the last line of its log.
        reason: String,
        /// Where its log lies.
        log: PathBuf,
    },
    /// The user pressed Ctrl-C.
    #[error("interrupted: every process was stopped; `--resume` continues from the last completed step")]
    Interrupted,
    /// Anything that a library refused, after what the command was doing.
    #[error("{doing}: {source}")]
    Library {
        /// What the command was doing, naming the culprit.
        doing: String,
        /// The library's own error.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CliError {
    /// Wraps an I/O error with its path.
    pub fn file(path: impl AsRef<Path>, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::File(FileError::new(doing, &path, source))
    }

    /// Wraps a library's error with what the command was doing.
    pub fn library<E: Into<Box<dyn Error + Send + Sync>>>(
        doing: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Library {
            doing,
            source: source.into(),
        }
    }
}

/// Result of a command.
pub type Result<T, E = CliError> = std::result::Result<T, E>;
