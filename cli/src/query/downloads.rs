//! Encrypted models that a service hands out once: files by their digests, in a folder of the client.

use std::path::PathBuf;

use hedgerow_crypto::hash::Digest;
use hedgerow_edge::files;

/// The folder. What is in it is encrypted, and checked by its digest when it is used.
pub struct Downloads {
    folder: PathBuf,
}

impl Downloads {
    /// Kept in this folder, which is made when something is to be kept.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where a download of this digest is kept.
    pub fn path(&self, blob: &Digest) -> PathBuf {
        self.folder.join(format!("{blob}.model"))
    }

    /// A download that is here, whole; one of another size was cut off by somebody else and counts as none.
    pub fn read(&self, blob: &Digest, bytes: u64) -> Option<Vec<u8>> {
        let path = self.path(blob);
        let size = path.metadata().ok()?.len();
        if size != bytes {
            eprintln!(
                "warning: {}: {size} bytes, expected {bytes}; it is downloaded again",
                path.display()
            );
            return None;
        }
        match files::read(&path) {
            Ok(read) => Some(read),
            Err(error) => {
                eprintln!("warning: {error}; it is downloaded again");
                None
            }
        }
    }

    /// Keeps a download. That it cannot be kept is said, and is no reason not to ask.
    pub fn keep(&self, blob: &Digest, bytes: &[u8]) {
        let path = self.path(blob);
        let kept = files::create_folder(&self.folder).and_then(|()| files::write_atomic(&path, bytes));
        match kept {
            Ok(()) => println!("kept in {}", path.display()),
            Err(error) => eprintln!("warning: {error}; the next run downloads it again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_kept_whole_or_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::new(folder.path().join("identity/models"));
        let blob = Digest([7; 32]);
        assert_eq!(downloads.read(&blob, 3), None);
        downloads.keep(&blob, &[1, 2, 3]);
        assert_eq!(downloads.read(&blob, 3), Some(vec![1, 2, 3]));
        assert_eq!(downloads.read(&blob, 4), None, "cut off");
        assert_eq!(downloads.read(&Digest([8; 32]), 3), None);
        // A file where the folder should be: said, and nothing else.
        let blocked = Downloads::new(downloads.path(&blob));
        blocked.keep(&blob, &[1]);
        assert_eq!(blocked.read(&blob, 1), None);
    }
}
