//! Files that are there completely or not at all, and files that only their owner reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Something that the file system refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file or folder is not there.
    #[error("{} does not exist", .path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// The file system is full.
    #[error("no space left on the disk while {doing} {}; free some and start again: nothing that was recorded is lost", .path.display())]
    DiskFull {
        /// What was done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
    },
    /// A file that must not be replaced is there already.
    #[error("{} exists already and is not replaced", .path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Others may read a private file.
    #[error("{} holds a private key and others may access it (mode {mode:03o}); run: chmod 600 {}", .path.display(), .path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Anything else.
    #[error("{doing} {} failed: {source}", .path.display())]
    Io {
        /// What was done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// The error of one operation on one file.
    #[must_use]
    pub fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { doing, path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::Io { doing, path, source },
        }
    }
}

/// The whole file.
///
/// # Errors
/// [`FileError`] names the file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::new("reading", path, source))
}

/// The whole file as UTF-8.
///
/// # Errors
/// [`FileError`] names the file.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|source| FileError::new("reading", path, source))
}

/// The folder and all above it.
///
/// # Errors
/// [`FileError`] names the folder.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    fs::create_dir_all(path).map_err(|source| FileError::new("creating", path, source))
}

/// Replaces a file in one step: readers see the old bytes or the new ones, also after a crash.
///
/// # Errors
/// [`FileError`] names the file; the old one is then still there.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_synced(&temporary, bytes, OpenOptions::new().create(true).truncate(true))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // The temporary file is of no use to anybody; that it cannot be removed says nothing new.
        let _ = fs::remove_file(&temporary);
        return Err(FileError::new("writing", path, source));
    }
    sync_folder_of(path)
}

/// Writes a file that only its owner may read (mode 0600), and never replaces one.
///
/// # Errors
/// [`FileError::Exists`] if there is one, otherwise what the system said.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.create_new(true);
    private(&mut options);
    if let Err(source) = write_synced(path, bytes, &mut options) {
        if source.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(path);
        }
        return Err(FileError::new("writing", path, source));
    }
    sync_folder_of(path)
}

/// Reads a file that must be readable by its owner alone.
///
/// # Errors
/// [`FileError::Exposed`] where group or others have any right, otherwise what the system said.
pub fn read_private(path: &Path) -> Result<Vec<u8>, FileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = fs::metadata(path).map_err(|source| FileError::new("reading", path, source))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FileError::Exposed {
                path: path.to_path_buf(),
                mode,
            });
        }
    }
    read(path)
}

fn write_synced(path: &Path, bytes: &[u8], options: &mut OpenOptions) -> io::Result<()> {
    let mut file = options.write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_options: &mut OpenOptions) {}

/// A new name in a folder survives a crash only once the folder is synced.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| FileError::new("syncing", folder, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomic(&folder.path().join("no/such/folder.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("folder.json"), "{error}");
    }

    #[test]
    fn a_private_file_is_private_and_never_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(
            write_private(&path, b"other"),
            Err(FileError::Exists { .. })
        ));
        assert_eq!(read_private(&path).unwrap(), b"secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_private(&path).unwrap_err();
        assert!(matches!(error, FileError::Exposed { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));
    }
}
