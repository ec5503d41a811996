//! What a party keeps of a run: the journal, the round's secret, and the journals of runs that are over.

use std::path::{Path, PathBuf};

use hedgerow_crypto::secret::Secret;
use hedgerow_crypto::seed::Seed;
use hedgerow_edge::files::{self, FileError};
use hedgerow_edge::journal::{Entry, Journal, JournalError};
use hedgerow_protocol::ids::{RoundId, RunId};
use hedgerow_protocol::party::{LedgerEntry, Output};

use crate::ledger::{Ledger, LedgerError};
use crate::machine::Todo;

const JOURNAL: &str = "journal.redb";
const OVER: &str = "runs-over";

/// First byte of each entry of the journal.
const RECORD: u8 = 0;
const ROUND_SECRET: u8 = 1;
const RUN_SECRET: u8 = 2;

/// State that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Another file.
    #[error(transparent)]
    File(#[from] FileError),
    /// An entry that this software did not write.
    #[error("the journal's entry {index} is of no known kind")]
    UnknownEntry {
        /// Its position.
        index: usize,
    },
}

/// The state folder of a party, opened by one process.
pub(crate) struct Storage {
    folder: PathBuf,
    journal: Journal,
    ledger: Ledger,
    /// The round whose secret is kept now.
    kept: Option<RoundId>,
    /// The run whose secret is kept now.
    kept_run: Option<RunId>,
}

/// What a journal holds.
pub(crate) struct Restored {
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) secret: Option<(RoundId, Seed)>,
    pub(crate) run_secret: Option<(RunId, Seed)>,
}

impl Storage {
    pub(crate) fn open(folder: &Path) -> Result<(Self, Restored), StorageError> {
        files::create_folder(folder)?;
        Self::open_at(folder, &folder.join(JOURNAL))
    }

    /// Opens the journal of a run that is over and was kept for queries.
    pub(crate) fn open_kept(folder: &Path, run: RunId) -> Result<(Self, Restored), StorageError> {
        Self::open_at(folder, &folder.join(OVER).join(format!("{run}.redb")))
    }

    fn open_at(folder: &Path, journal: &Path) -> Result<(Self, Restored), StorageError> {
        let ledger = Ledger::open(folder)?;
        let journal = Journal::open(journal)?;
        let mut restored = Restored {
            records: Vec::new(),
            secret: None,
            run_secret: None,
        };
        for (index, entry) in journal.records()?.into_iter().enumerate() {
            match entry.split_first() {
                Some((&RECORD, record)) => restored.records.push(record.to_vec()),
                Some((&ROUND_SECRET, secret)) => {
                    let secret = Secret::new(secret.to_vec());
                    restored.secret =
                        Some(decode(secret.expose()).ok_or(StorageError::UnknownEntry { index })?);
                }
                Some((&RUN_SECRET, secret)) => {
                    let secret = Secret::new(secret.to_vec());
                    restored.run_secret =
                        Some(decode_run(secret.expose()).ok_or(StorageError::UnknownEntry { index })?);
                }
                _ => return Err(StorageError::UnknownEntry { index }),
            }
        }
        let kept = restored.secret.as_ref().map(|(round, _)| *round);
        let kept_run = restored.run_secret.as_ref().map(|(run, _)| *run);
        Ok((
            Self {
                folder: folder.to_path_buf(),
                journal,
                ledger,
                kept,
                kept_run,
            },
            restored,
        ))
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Makes all records among the outputs durable, in order: one commit of the journal between two payments.
    pub(crate) fn record(&mut self, outputs: &[Todo]) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        for output in outputs {
            let Todo::Plain(output) = output else { continue };
            match output {
                Output::Persist(record) => batch.plain(RECORD, record),
                Output::StoreRoundSecret(round, seed) => batch.secret(*round, seed),
                Output::StoreRunSecret(run, seed) => batch.run_secret(*run, seed),
                Output::Charge(entry) => {
                    self.commit(&mut batch)?;
                    self.charge(entry)?;
                }
                Output::ChargeOverlap(entry) => {
                    self.commit(&mut batch)?;
                    self.ledger.append_overlap(entry.clone())?;
                }
                _ => {}
            }
        }
        self.commit(&mut batch)
    }

    fn charge(&mut self, entry: &LedgerEntry) -> Result<(), StorageError> {
        Ok(self.ledger.append(entry.clone())?)
    }

    fn commit(&mut self, batch: &mut Batch) -> Result<(), StorageError> {
        let batch = std::mem::take(batch);
        let entries: Vec<Entry<'_>> = batch.entries.iter().map(Piece::entry).collect();
        self.journal.commit(&entries)?;
        for of in batch.secrets() {
            let before = match of {
                Of::Round(round) => self
                    .kept
                    .replace(round)
                    .filter(|before| *before != round)
                    .map(group),
                Of::Run(run) => self
                    .kept_run
                    .replace(run)
                    .filter(|before| *before != run)
                    .map(group_of_run),
            };
            if let Some(before) = before {
                self.journal.erase(&before)?;
            }
        }
        Ok(())
    }

    pub(crate) fn forget_secret(&mut self, round: RoundId) -> Result<(), StorageError> {
        self.journal.erase(&group(round))?;
        if self.kept == Some(round) {
            self.kept = None;
        }
        Ok(())
    }

    /// Puts the journal away, without the secret of the run unless queries are to follow: this run is over for this
    /// party, and a run of the same id is never joined again.
    pub(crate) fn archive(self, run: RunId, for_queries: bool) -> Result<(), StorageError> {
        let Self {
            folder,
            mut journal,
            kept_run,
            ..
        } = self;
        if let Some(run) = kept_run.filter(|_| !for_queries) {
            journal.erase(&group_of_run(run))?;
        }
        drop(journal);
        let over = folder.join(OVER);
        files::create_folder(&over)?;
        let (from, to) = (folder.join(JOURNAL), over.join(format!("{run}.redb")));
        // A journal's secrets lie beside it.
        let secrets = |journal: &Path| journal.with_extension("secrets");
        for (from, to) in [(from.clone(), to.clone()), (secrets(&from), secrets(&to))] {
            if from.exists() {
                std::fs::rename(&from, &to).map_err(|error| FileError::new("archiving", &from, error))?;
            }
        }
        Ok(())
    }

    /// Ends the queries of a run: its secret is erased. Its journal stays.
    pub(crate) fn forget_run(mut self, run: RunId) -> Result<(), StorageError> {
        self.journal.erase(&group_of_run(run))?;
        let keys = Self::keys_of(&self.folder, run);
        std::fs::remove_file(&keys).map_err(|error| FileError::new("removing", &keys, error))?;
        Ok(())
    }

    /// Where the keys of a run's rows go that queries need.
    pub(crate) fn place_for_keys(&self, run: RunId) -> Result<PathBuf, StorageError> {
        files::create_folder(&self.folder.join(OVER))?;
        Ok(Self::keys_of(&self.folder, run))
    }

    /// Where they are.
    pub(crate) fn keys_of(folder: &Path, run: RunId) -> PathBuf {
        folder.join(OVER).join(format!("{run}.keys"))
    }

    /// Runs that can be asked for scores.
    pub(crate) fn kept(folder: &Path) -> Result<Vec<RunId>, StorageError> {
        let mut runs = runs_with(folder, ".keys")?;
        runs.retain(|run| folder.join(OVER).join(format!("{run}.redb")).exists());
        Ok(runs)
    }

    /// Runs whose journals are put away.
    pub(crate) fn over(&self) -> Result<Vec<RunId>, StorageError> {
        runs_with(&self.folder, ".redb")
    }
}

/// Runs that are over of which there is a file with this ending.
fn runs_with(folder: &Path, ending: &str) -> Result<Vec<RunId>, StorageError> {
    let over = folder.join(OVER);
    let entries = match std::fs::read_dir(&over) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FileError::new("reading", &over, error).into()),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let name = entry
            .map_err(|error| FileError::new("reading", &over, error))?
            .file_name();
        if let Some(run) = name
            .to_str()
            .and_then(|name| name.strip_suffix(ending))
            .and_then(run_id)
        {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// What a secret is of.
#[derive(Clone, Copy)]
enum Of {
    Round(RoundId),
    Run(RunId),
}

enum Piece {
    Plain(Vec<u8>),
    Secret {
        of: Of,
        group: String,
        bytes: Secret<Vec<u8>>,
    },
}

impl Piece {
    fn entry(&self) -> Entry<'_> {
        match self {
            Self::Plain(bytes) => Entry::Plain(bytes),
            Self::Secret { group, bytes, .. } => Entry::Secret {
                group,
                bytes: bytes.expose(),
            },
        }
    }
}

#[derive(Default)]
struct Batch {
    entries: Vec<Piece>,
}

impl Batch {
    fn plain(&mut self, tag: u8, record: &[u8]) {
        let mut bytes = Vec::with_capacity(record.len() + 1);
        bytes.push(tag);
        bytes.extend_from_slice(record);
        self.entries.push(Piece::Plain(bytes));
    }

    fn secret(&mut self, round: RoundId, seed: &Seed) {
        let mut bytes = Vec::with_capacity(41);
        bytes.push(ROUND_SECRET);
        bytes.extend_from_slice(&round.to_bytes());
        bytes.extend_from_slice(seed.expose_bytes());
        self.entries.push(Piece::Secret {
            of: Of::Round(round),
            group: group(round),
            bytes: Secret::new(bytes),
        });
    }

    fn run_secret(&mut self, run: RunId, seed: &Seed) {
        let mut bytes = Vec::with_capacity(49);
        bytes.push(RUN_SECRET);
        bytes.extend_from_slice(&run.0);
        bytes.extend_from_slice(seed.expose_bytes());
        self.entries.push(Piece::Secret {
            of: Of::Run(run),
            group: group_of_run(run),
            bytes: Secret::new(bytes),
        });
    }

    /// What the secrets in the batch are of, in order.
    fn secrets(&self) -> impl Iterator<Item = Of> {
        self.entries.iter().filter_map(|piece| match piece {
            Piece::Secret { of, .. } => Some(*of),
            Piece::Plain(_) => None,
        })
    }
}

fn group(round: RoundId) -> String {
    format!("round-{round}")
}

fn group_of_run(run: RunId) -> String {
    format!("run-{run}")
}

fn decode(bytes: &[u8]) -> Option<(RoundId, Seed)> {
    let (step, rest) = bytes.split_first_chunk::<4>()?;
    let (attempt, rest) = rest.split_first_chunk::<4>()?;
    let seed: [u8; 32] = rest.try_into().ok()?;
    let round = RoundId {
        step: u32::from_be_bytes(*step),
        attempt: u32::from_be_bytes(*attempt),
    };
    Some((round, Seed::from_bytes(seed)))
}

fn decode_run(bytes: &[u8]) -> Option<(RunId, Seed)> {
    let (run, seed) = bytes.split_first_chunk::<16>()?;
    Some((RunId(*run), Seed::from_bytes(seed.try_into().ok()?)))
}

fn run_id(hex: &str) -> Option<RunId> {
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (byte, digits) in id.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(RunId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(step: u32, attempt: u32) -> RoundId {
        RoundId { step, attempt }
    }

    #[test]
    fn records_and_the_last_secret_come_back_and_forgotten_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = [
            Todo::Plain(Output::Persist(b"first".to_vec())),
            Todo::Plain(Output::StoreRoundSecret(round(0, 0), Seed::from_bytes([1; 32]))),
            Todo::Plain(Output::Persist(b"second".to_vec())),
            Todo::Plain(Output::StoreRoundSecret(round(0, 1), Seed::from_bytes([2; 32]))),
        ];
        let (mut storage, restored) = Storage::open(folder.path()).unwrap();
        assert!(restored.records.is_empty() && restored.secret.is_none());
        storage.record(&outputs).unwrap();
        drop(storage);

        let (mut storage, restored) = Storage::open(folder.path()).unwrap();
        assert_eq!(restored.records, [b"first".to_vec(), b"second".to_vec()]);
        let (kept, seed) = restored.secret.unwrap();
        assert_eq!((kept, seed.expose_bytes()), (round(0, 1), &[2; 32]));
        storage.forget_secret(kept).unwrap();
        drop(storage);
        let (_, restored) = Storage::open(folder.path()).unwrap();
        assert!(restored.secret.is_none());
        assert_eq!(restored.records.len(), 2);
    }

    #[test]
    fn the_secret_of_the_run_stays_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (RunId([1; 16]), RunId([2; 16]));
        let store = |run, byte| {
            [Todo::Plain(Output::StoreRunSecret(
                run,
                Seed::from_bytes([byte; 32]),
            ))]
        };
        let (mut storage, restored) = Storage::open(folder.path()).unwrap();
        assert!(restored.run_secret.is_none());
        storage.record(&store(first, 7)).unwrap();
        storage.record(&store(second, 8)).unwrap();
        drop(storage);
        let (storage, restored) = Storage::open(folder.path()).unwrap();
        let (run, seed) = restored.run_secret.unwrap();
        assert_eq!((run, seed.expose_bytes()), (second, &[8; 32]));
        storage.archive(second, false).unwrap();
        let archived = folder.path().join(OVER).join(format!("{second}.redb"));
        let mut entries = Journal::open(&archived).unwrap().records().unwrap();
        entries.retain(|entry| !entry.is_empty());
        assert!(entries.is_empty(), "no secret is put away");
    }

    #[test]
    fn a_run_that_is_kept_can_be_asked_until_its_secret_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId([3; 16]);
        let (mut storage, _) = Storage::open(folder.path()).unwrap();
        let record = Todo::Plain(Output::Persist(b"x".to_vec()));
        storage
            .record(&[
                Todo::Plain(Output::StoreRunSecret(run, Seed::from_bytes([5; 32]))),
                record,
            ])
            .unwrap();
        storage.archive(run, true).unwrap();
        assert!(
            Storage::kept(folder.path()).unwrap().is_empty(),
            "its keys are not there"
        );
        std::fs::write(Storage::keys_of(folder.path(), run), b"keys").unwrap();
        assert_eq!(Storage::kept(folder.path()).unwrap(), [run]);
        // Another run begins meanwhile, and the old one is never joined again.
        let (other, restored) = Storage::open(folder.path()).unwrap();
        assert!(restored.records.is_empty() && restored.run_secret.is_none());
        assert_eq!(other.over().unwrap(), [run]);
        let (kept, restored) = Storage::open_kept(folder.path(), run).unwrap();
        assert_eq!(restored.records, [b"x".to_vec()]);
        assert_eq!(restored.run_secret.unwrap().1.expose_bytes(), &[5; 32]);
        kept.forget_run(run).unwrap();
        assert!(Storage::kept(folder.path()).unwrap().is_empty());
        assert!(
            Storage::open_kept(folder.path(), run)
                .unwrap()
                .1
                .run_secret
                .is_none()
        );
    }

    #[test]
    fn a_run_that_is_over_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunId([0xab; 16]);
        let (mut storage, _) = Storage::open(folder.path()).unwrap();
        storage
            .record(&[Todo::Plain(Output::Persist(b"x".to_vec()))])
            .unwrap();
        storage.archive(run, false).unwrap();
        let (storage, restored) = Storage::open(folder.path()).unwrap();
        assert!(restored.records.is_empty());
        assert_eq!(storage.over().unwrap(), [run]);
    }
}
