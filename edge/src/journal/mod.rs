//! The journal: what happened, in order, durable before anybody outside learns of it.
//!
//! A [`Journal`] is one redb file. Records are opaque bytes; [`Journal::commit`] appends several with one
//! fsync, and returns when they survive a loss of power. Records that hold secrets live in files of their own
//! beside it, because a copy-on-write store leaves deleted bytes on its free pages: [`Journal::erase`]
//! overwrites and removes these. (A file system or a drive that copies on write may still keep old blocks;
//! encrypt the disk.)

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use crate::files::{self, FileError};

mod error;
mod vault;

#[cfg(test)]
mod tests;

pub use error::JournalError;
use error::{Doing, Failure};
use vault::Vault;

/// Pieces of a record, by position and number of the piece.
const PIECES: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("pieces");
/// The group of each secret record, by position.
const SECRETS: TableDefinition<u64, &str> = TableDefinition::new("secrets");
/// Groups whose secrets are to be gone.
const ERASED: TableDefinition<&str, ()> = TableDefinition::new("erased");
/// Small named values.
const NAMED: TableDefinition<&str, &[u8]> = TableDefinition::new("named");

const LAYOUT_NAME: &str = "hedgerow/layout";
const LAYOUT: &[u8] = &[1];

/// redb rounds a large value up to a power of two of its pages; a piece fills such a run with its own header
/// inside, so that a record of 8 MB costs 8 MB of writes and not 16.
const PIECE: usize = (1 << 20) - 512;

/// Pages that redb may keep in memory. Journals are written once and read at a restart.
const CACHE: usize = 16 << 20;

/// One record to append.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// Kept for as long as the journal.
    Plain(&'a [u8]),
    /// Kept until its group is erased. The group is a file name: letters, digits, `.`, `_`, `-`.
    Secret {
        /// What it is erased with, as the round that it belongs to.
        group: &'a str,
        /// The record.
        bytes: &'a [u8],
    },
}

/// An append-only list of records. One process has it open at a time.
#[derive(Debug)]
pub struct Journal {
    database: Database,
    path: PathBuf,
    vault: Vault,
    next: u64,
}

impl Journal {
    /// Opens a journal or begins one. The folder must exist; the file is readable by its owner alone.
    ///
    /// # Errors
    /// [`JournalError`]: in use by another process, damaged, or refused by the file system.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = Failure {
            doing: Doing::Open,
            path,
        };
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => Err(failed.damaged("it is not a file")),
            // A new journal gets its name once it is whole, so an empty file has lost what it held.
            Ok(metadata) if metadata.len() == 0 => Err(failed.damaged("it is empty")),
            Ok(_) => Self::begin(Self::database(path).map_err(|error| failed.because(error))?, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(FileError::new("opening", path, error).into()),
        }
    }

    fn create(path: &Path) -> Result<Self, JournalError> {
        let failed = Failure {
            doing: Doing::Open,
            path,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let unborn = path.with_file_name(format!(".{name}.new"));
        if unborn.exists() {
            std::fs::remove_file(&unborn).map_err(|error| FileError::new("removing", &unborn, error))?;
        }
        files::write_private(&unborn, &[])?;
        let journal = Self::begin(
            Self::database(&unborn).map_err(|error| failed.because(error))?,
            path,
        )?;
        std::fs::rename(&unborn, path).map_err(|error| FileError::new("creating", path, error))?;
        files::sync_folder_of(path)?;
        Ok(journal)
    }

    fn database(path: &Path) -> Result<Database, redb::DatabaseError> {
        redb::Builder::new().set_cache_size(CACHE).create(path)
    }

    /// A journal in a store of the caller's, as one that runs full at a given size.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_backend(backend: impl StorageBackend, path: &Path) -> Result<Self, JournalError> {
        let failed = Failure {
            doing: Doing::Open,
            path,
        };
        let database = redb::Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(backend)
            .map_err(|error| failed.because(error))?;
        Self::begin(database, path)
    }

    fn begin(database: Database, path: &Path) -> Result<Self, JournalError> {
        let failed = Failure {
            doing: Doing::Open,
            path,
        };
        let vault = Vault::beside(path);
        let mut journal = Self {
            database,
            path: path.to_path_buf(),
            vault,
            next: 0,
        };
        match journal.named(LAYOUT_NAME)? {
            Some(layout) if layout == LAYOUT => {}
            Some(layout) => {
                return Err(failed.damaged(&format!(
                    "its layout is {layout:?}, this software reads {LAYOUT:?}"
                )));
            }
            None => journal.set_named(LAYOUT_NAME, LAYOUT)?,
        }
        journal.next = journal.count().map_err(|error| failed.because(error))?;
        // A crash may have come between the decision to erase and the erasure.
        for group in journal.erased().map_err(|error| failed.because(error))? {
            journal.vault.wipe(&group)?;
        }
        Ok(journal)
    }

    /// Appends one record; durable when this returns.
    ///
    /// # Errors
    /// [`JournalError`]; then nothing was appended, and what was there before still is.
    pub fn append(&mut self, record: &[u8]) -> Result<(), JournalError> {
        self.commit(&[Entry::Plain(record)])
    }

    /// Appends records in order, all or none, with one fsync (and one more for each secret).
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn commit(&mut self, entries: &[Entry<'_>]) -> Result<(), JournalError> {
        if entries.is_empty() {
            return Ok(());
        }
        for (position, entry) in (self.next..).zip(entries) {
            if let Entry::Secret { group, bytes } = entry {
                self.vault.keep(group, position, bytes)?;
            }
        }
        self.write(entries).map_err(|error| {
            Failure {
                doing: Doing::Append,
                path: &self.path,
            }
            .because(error)
        })?;
        self.next += entries.len() as u64;
        Ok(())
    }

    fn write(&self, entries: &[Entry<'_>]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut pieces = transaction.open_table(PIECES)?;
            let mut secrets = transaction.open_table(SECRETS)?;
            for (position, entry) in (self.next..).zip(entries) {
                match entry {
                    Entry::Secret { group, .. } => {
                        secrets.insert(position, *group)?;
                    }
                    Entry::Plain([]) => {
                        pieces.insert((position, 0), [].as_slice())?;
                    }
                    Entry::Plain(bytes) => {
                        for (number, piece) in (0..).zip(bytes.chunks(PIECE)) {
                            pieces.insert((position, number), piece)?;
                        }
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// All records in order, without those that were erased.
    ///
    /// # Errors
    /// [`JournalError`], also where a secret that was not erased is missing.
    pub fn records(&self) -> Result<Vec<Vec<u8>>, JournalError> {
        let failed = Failure {
            doing: Doing::Read,
            path: &self.path,
        };
        let plain = self.plain().map_err(|error| failed.because(error))?;
        let secrets = self.secrets().map_err(|error| failed.because(error))?;
        let erased = self.erased().map_err(|error| failed.because(error))?;
        let mut records = plain;
        for (position, group) in secrets {
            if !erased.contains(&group) {
                records.push((position, self.vault.read(&group, position)?));
            }
        }
        records.sort_by_key(|(position, _)| *position);
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    /// How many records were ever appended.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.next
    }

    /// Whether nothing was ever appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Overwrites and removes the secret records of a group. Once it returns, they do not come back.
    ///
    /// # Errors
    /// [`JournalError`]; the next [`open`](Self::open) tries again.
    pub fn erase(&mut self, group: &str) -> Result<(), JournalError> {
        self.mark_erased(group).map_err(|error| {
            Failure {
                doing: Doing::Append,
                path: &self.path,
            }
            .because(error)
        })?;
        self.vault.wipe(group)?;
        Ok(())
    }

    /// A small value under a name, as the configuration that the journal belongs to.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn named(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let read = || -> Result<_, redb::Error> {
            let transaction = self.database.begin_read()?;
            match transaction.open_table(NAMED) {
                Ok(table) => Ok(table.get(name)?.map(|value| value.value().to_vec())),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        read().map_err(|error| {
            Failure {
                doing: Doing::Read,
                path: &self.path,
            }
            .because(error)
        })
    }

    /// Sets a small value under a name; durable when this returns.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn set_named(&mut self, name: &str, value: &[u8]) -> Result<(), JournalError> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            transaction.open_table(PIECES)?;
            transaction.open_table(SECRETS)?;
            transaction.open_table(ERASED)?;
            transaction.open_table(NAMED)?.insert(name, value)?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| {
            Failure {
                doing: Doing::Append,
                path: &self.path,
            }
            .because(error)
        })
    }

    fn plain(&self) -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut records: Vec<(u64, Vec<u8>)> = Vec::new();
        for row in transaction.open_table(PIECES)?.iter()? {
            let (key, piece) = row?;
            let (position, _) = key.value();
            match records.last_mut() {
                Some((last, record)) if *last == position => record.extend_from_slice(piece.value()),
                _ => records.push((position, piece.value().to_vec())),
            }
        }
        Ok(records)
    }

    fn secrets(&self) -> Result<Vec<(u64, String)>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(SECRETS)?;
        table
            .iter()?
            .map(|row| row.map(|(key, group)| (key.value(), group.value().to_owned())))
            .map(|r| Ok(r?))
            .collect()
    }

    fn erased(&self) -> Result<Vec<String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(ERASED)?;
        table.iter()?.map(|row| Ok(row?.0.value().to_owned())).collect()
    }

    fn mark_erased(&self, group: &str) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(ERASED)?.insert(group, ())?;
        transaction.commit()?;
        Ok(())
    }

    fn count(&self) -> Result<u64, redb::Error> {
        let transaction = self.database.begin_read()?;
        let plain = transaction
            .open_table(PIECES)?
            .last()?
            .map(|(key, _)| key.value().0);
        let secret = transaction
            .open_table(SECRETS)?
            .last()?
            .map(|(key, _)| key.value());
        Ok(plain.max(secret).map_or(0, |last| last + 1))
    }
}
