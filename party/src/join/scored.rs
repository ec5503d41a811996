//! Rows as the protocol scores them, and the keys that they name: kept beside a run's journal, so that rows which come
//! later are numbered as those were that the run was aligned with.

use std::ops::Range;
use std::path::Path;

use hedgerow_crypto::hash::Digest;
use hedgerow_edge::files::{self, FileError};
use hedgerow_forest::binning::Binned;
use hedgerow_protocol::config::Join;
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::join::keys_digest;
use hedgerow_protocol::join::score::ScoreRows;

use crate::data::{KeyDigest, RowStore};

/// First bytes of a file of keys.
const MAGIC: &[u8; 16] = b"hedgerow keys 1\n";

/// The keys that a row party's rows name, for each attribute party of the run, ascending.
pub(crate) struct References {
    keys: Vec<Vec<KeyDigest>>,
    ranges: Vec<(PartyId, Range<u32>)>,
    digests: Vec<Digest>,
}

impl References {
    pub(crate) fn new(join: &Join, keys: Vec<Vec<KeyDigest>>) -> Self {
        let mut next = 0u32;
        let parties = join.attribute_parties.iter().zip(&keys);
        let ranges = parties.map(|(party, keys)| {
            let first = next;
            next += keys.len() as u32;
            (party.party.clone(), first..next)
        });
        Self {
            ranges: ranges.collect(),
            digests: keys.iter().map(|keys| keys_digest(keys)).collect(),
            keys,
        }
    }

    /// The keys of each attribute party, in the order of the run.
    pub(crate) fn keys(&self) -> &[Vec<KeyDigest>] {
        &self.keys
    }

    /// Some rows as the protocol scores them.
    pub(crate) fn score_rows(&self, store: &RowStore, rows: &[u32]) -> ScoreRows {
        let mut binned = Binned::new(rows.len(), store.columns.len());
        for (feature, column) in store.columns.iter().enumerate() {
            binned.column_mut(feature).copy_from_slice(&pick(column, rows));
        }
        ScoreRows {
            rows: binned,
            entities: store.references.iter().map(|link| pick(link, rows)).collect(),
            ranges: self.ranges.clone(),
            keys: self.digests.clone(),
        }
    }

    /// Writes the keys, for [`Self::read`] and the owner alone.
    pub(crate) fn write(&self, path: &Path) -> Result<(), FileError> {
        let mut bytes = MAGIC.to_vec();
        for keys in &self.keys {
            bytes.extend((keys.len() as u32).to_le_bytes());
            bytes.extend(keys.as_flattened());
        }
        if path.exists() {
            std::fs::remove_file(path).map_err(|error| FileError::new("replacing", path, error))?;
        }
        files::write_private(path, &bytes)
    }

    /// Reads what [`Self::write`] wrote in the same run. The protocol compares digests before anything is asked.
    pub(crate) fn read(join: &Join, path: &Path) -> Result<Self, FileError> {
        let damaged = || {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, "not the keys of this run");
            FileError::new("reading", path, error)
        };
        let bytes = files::read_private(path)?;
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let mut all = Vec::new();
        for _ in &join.attribute_parties {
            let (count, more) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
            let length = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
            let (keys, more) = more
                .split_at_checked(length.saturating_mul(32))
                .ok_or_else(damaged)?;
            all.push(keys.as_chunks::<32>().0.to_vec());
            rest = more;
        }
        if !rest.is_empty() {
            return Err(damaged());
        }
        Ok(Self::new(join, all))
    }
}

pub(super) fn pick<T: Copy + Default>(list: &[T], rows: &[u32]) -> Vec<T> {
    rows.iter()
        .map(|row| list.get(*row as usize).copied().unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use hedgerow_protocol::config::{Alignment, AttributeParty};

    use super::*;

    #[test]
    fn keys_come_back_in_their_order_and_nothing_else_does() {
        let party = |name: &str| AttributeParty {
            party: name.parse().unwrap(),
            serves: Vec::new(),
        };
        let join = Join {
            links: Vec::new(),
            attribute_parties: vec![party("a"), party("b"), party("c")],
            alignment: Alignment::Plain,
            segments: 1,
            prediction: None,
        };
        let keys = References::new(&join, vec![vec![[1; 32], [2; 32]], Vec::new(), vec![[0; 32]]]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.keys");
        keys.write(&path).unwrap();
        let back = References::read(&join, &path).unwrap();
        assert_eq!((back.keys(), &back.ranges), (keys.keys(), &keys.ranges));
        assert_eq!(back.ranges[2], ("c".parse().unwrap(), 2..3));
        let whole = std::fs::read(&path).unwrap();
        for wrong in [
            &whole[1..],
            &whole[..whole.len() - 1],
            &[whole.as_slice(), &[0]].concat(),
        ] {
            std::fs::write(&path, wrong).unwrap();
            let error = References::read(&join, &path).err().unwrap().to_string();
            assert!(error.contains("not the keys of this run"), "{error}");
        }
        assert!(References::read(&join, folder.path()).is_err());
    }
}
