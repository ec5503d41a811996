//! What stays with the client: a secret, from which its keys derive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::seed::Seed;
use hedgerow_edge::files;
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use zeroize::Zeroizing;

use crate::error::{CliError, Result};

const FIRST: &str = "hedgerow keys 1";

/// The secret, and the names of the evaluation keys that it has made, so that they need not be made again to be named.
pub struct Keys {
    seed: Seed,
    names: BTreeMap<Digest, Digest>,
    file: Option<PathBuf>,
}

impl Keys {
    /// Of a file, which is made if it is not there; without a file of this run alone.
    ///
    /// # Errors
    /// A file that others may read, or that is no such file.
    pub fn open(file: Option<&Path>) -> Result<Self> {
        let mut keys = Self {
            seed: Seed::random(&mut UnwrapErr(SysRng)),
            names: BTreeMap::new(),
            file: file.map(Path::to_path_buf),
        };
        let Some(path) = file else {
            return Ok(keys);
        };
        if !path.exists() {
            keys.write()?;
            return Ok(keys);
        }
        let bytes = Zeroizing::new(files::read_private(path)?);
        let wrong = |line: usize, expected: &str| {
            CliError::Config(format!("{}:{line}: expected {expected}", path.display()))
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong(1, FIRST))?;
        let mut lines = text.lines();
        if lines.next() != Some(FIRST) {
            return Err(wrong(1, FIRST));
        }
        let mut seed = Zeroizing::new([0; 32]);
        let secret = lines.next().and_then(|line| line.strip_prefix("secret "));
        secret
            .and_then(|hex| hex::decode_to_slice(hex, &mut *seed).ok())
            .ok_or_else(|| wrong(2, "`secret` and 64 hexadecimal digits"))?;
        keys.seed = Seed::from_bytes(*seed);
        for (at, line) in lines.enumerate() {
            let digest = |text: &str| {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)
                    .ok()
                    .map(|()| Digest(bytes))
            };
            let parts: Vec<&str> = line.split(' ').collect();
            let named = match parts[..] {
                ["keys", offer, keys] => digest(offer).zip(digest(keys)),
                _ => None,
            };
            let (offer, name) = named.ok_or_else(|| wrong(at + 3, "`keys` and two digests"))?;
            keys.names.insert(offer, name);
        }
        Ok(keys)
    }

    /// The secret of the keys.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The name of the evaluation keys for an offer, if they were made before.
    pub fn name(&self, offer: &Digest) -> Option<Digest> {
        self.names.get(offer).copied()
    }

    /// Remembers it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn remember(&mut self, offer: Digest, name: Digest) -> Result<()> {
        self.names.insert(offer, name);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let secret = Zeroizing::new(hex::encode(self.seed.expose_bytes()));
        let mut text = Zeroizing::new(format!("{FIRST}\nsecret {}\n", *secret));
        for (offer, name) in &self.names {
            text.push_str(&format!("keys {offer} {name}\n"));
        }
        let fresh = path.with_extension("new");
        // What an interrupted writer has left.
        let _ = std::fs::remove_file(&fresh);
        files::write_private(&fresh, text.as_bytes())?;
        std::fs::rename(&fresh, path).map_err(CliError::file(path, "writing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_the_secret_from_others_and_what_it_has_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let mut made = Keys::open(Some(&path)).unwrap();
        made.remember(Digest([1; 32]), Digest([2; 32])).unwrap();
        let read = Keys::open(Some(&path)).unwrap();
        assert_eq!(read.seed().expose_bytes(), made.seed().expose_bytes());
        assert_eq!(read.name(&Digest([1; 32])), Some(Digest([2; 32])));
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Keys::open(Some(&path)).is_err(), "others may read it");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "hedgerow keys 1\nsecret 12\n").unwrap();
        assert!(
            Keys::open(Some(&path))
                .err()
                .unwrap()
                .to_string()
                .contains("keys:2: expected `secret`")
        );
        assert_ne!(
            Keys::open(None).unwrap().seed().expose_bytes(),
            Keys::open(None).unwrap().seed().expose_bytes()
        );
    }
}
