//! Secret records: one small file each, so that erasing one erases its bytes.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::JournalError;
use crate::files::{self, FileError};

/// The folder of secrets that belongs to a journal; made when the first secret comes.
#[derive(Debug)]
pub(super) struct Vault {
    folder: PathBuf,
}

impl Vault {
    pub(super) fn beside(journal: &Path) -> Self {
        Self {
            folder: journal.with_extension("secrets"),
        }
    }

    /// Durable when this returns. A file that a crashed commit left behind at this position is replaced: no
    /// record refers to it.
    pub(super) fn keep(&self, group: &str, position: u64, bytes: &[u8]) -> Result<(), JournalError> {
        let path = self.path(group, position)?;
        if !self.folder.exists() {
            files::create_folder(&self.folder)?;
            files::sync_folder_of(&self.folder)?;
        }
        if path.exists() {
            shred(&path)?;
        }
        Ok(files::write_private(&path, bytes)?)
    }

    pub(super) fn read(&self, group: &str, position: u64) -> Result<Vec<u8>, JournalError> {
        Ok(files::read_private(&self.path(group, position)?)?)
    }

    pub(super) fn wipe(&self, group: &str) -> Result<(), JournalError> {
        check(group)?;
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(FileError::new("reading", &self.folder, error).into()),
        };
        let mut any = false;
        for entry in entries {
            let entry = entry.map_err(|error| FileError::new("reading", &self.folder, error))?;
            if entry
                .file_name()
                .to_string_lossy()
                .split_once('@')
                .is_some_and(|(_, name)| name == group)
            {
                shred(&entry.path())?;
                any = true;
            }
        }
        if any {
            files::sync_folder_of(&self.folder.join(group))?;
        }
        Ok(())
    }

    fn path(&self, group: &str, position: u64) -> Result<PathBuf, JournalError> {
        check(group)?;
        Ok(self.folder.join(format!("{position}@{group}")))
    }
}

fn check(group: &str) -> Result<(), JournalError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if group.is_empty() || group.len() > 128 || !group.chars().all(allowed) {
        return Err(JournalError::Group {
            group: group.to_owned(),
        });
    }
    Ok(())
}

/// Overwrites with zeros, syncs, removes.
fn shred(path: &Path) -> Result<(), FileError> {
    let overwrite = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        let mut left = file.metadata()?.len();
        let zeros = [0; 4096];
        while left > 0 {
            let piece = zeros
                .get(..usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len()))
                .unwrap_or(&zeros);
            file.write_all(piece)?;
            left -= piece.len() as u64;
        }
        file.sync_all()?;
        fs::remove_file(path)
    };
    overwrite().map_err(|error| FileError::new("erasing", path, error))
}
