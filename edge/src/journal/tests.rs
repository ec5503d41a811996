use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// What a `kill -9` leaves: the file as it is while the process has it open.
fn crash(journal: Journal, to: &Path) {
    fs::copy(&journal.path, to).unwrap();
    if journal.vault_folder().exists() {
        let target = to.with_extension("secrets");
        fs::create_dir_all(&target).unwrap();
        for entry in fs::read_dir(journal.vault_folder()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), target.join(entry.file_name())).unwrap();
        }
    }
    std::mem::forget(journal);
}

impl Journal {
    fn vault_folder(&self) -> PathBuf {
        self.path.with_extension("secrets")
    }
}

#[test]
fn records_come_back_in_order_whatever_their_size() {
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let records: Vec<Vec<u8>> = [0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7, 5]
        .into_iter()
        .enumerate()
        .map(|(index, length)| (0..length).map(|at| (at * 31 + index) as u8).collect())
        .collect();
    {
        let mut journal = Journal::open(&path).unwrap();
        assert!(journal.is_empty());
        let (first, rest) = records.split_first().unwrap();
        journal.append(first).unwrap();
        let rest: Vec<Entry<'_>> = rest.iter().map(|record| Entry::Plain(record)).collect();
        journal.commit(&rest).unwrap();
        assert_eq!(journal.records().unwrap(), records);
    }
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.len(), 8);
    assert_eq!(journal.records().unwrap(), records);
}

#[test]
fn what_was_appended_survives_a_crash() {
    let folder = folder();
    let mut path = folder.path().join("journal-0.redb");
    let mut expected = Vec::new();
    for life in 0..5_u8 {
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.records().unwrap(), expected, "life {life}");
        for record in [vec![life; 10], vec![life; 2_000_000]] {
            journal.append(&record).unwrap();
            expected.push(record);
        }
        path = folder.path().join(format!("journal-{}.redb", life + 1));
        crash(journal, &path);
    }
    assert_eq!(Journal::open(&path).unwrap().records().unwrap(), expected);
}

#[test]
fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let _journal = Journal::open(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn two_processes_cannot_have_it() {
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let _first = Journal::open(&path).unwrap();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::InUse { .. }), "{error}");
}

#[test]
fn a_truncated_or_foreign_file_is_an_error_that_names_it() {
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let mut journal = Journal::open(&path).unwrap();
    journal.append(&vec![7; 3_000_000]).unwrap();
    drop(journal);
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 100, 4096, whole.len() / 3, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        let outcome = Journal::open(&path).and_then(|journal| journal.records());
        let error = outcome.expect_err(&format!("{length} of {} bytes", whole.len()));
        assert!(
            matches!(error, JournalError::Damaged { .. }),
            "{length}: {error:?}"
        );
        assert!(error.to_string().contains("journal.redb"), "{error}");
    }
    fs::write(&path, vec![b'x'; 100_000]).unwrap();
    assert!(matches!(
        Journal::open(&path).unwrap_err(),
        JournalError::Damaged { .. }
    ));
}

#[test]
fn secrets_come_back_until_they_are_erased() {
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let crashed = folder.path().join("crashed.redb");
    let mut journal = Journal::open(&path).unwrap();
    journal
        .commit(&[
            Entry::Plain(b"start"),
            Entry::Secret {
                group: "round-0.0",
                bytes: b"hush 0",
            },
            Entry::Secret {
                group: "round-0.1",
                bytes: b"hush 1",
            },
            Entry::Plain(b"end"),
        ])
        .unwrap();
    journal.append(b"later").unwrap();
    crash(journal, &crashed);

    let mut journal = Journal::open(&crashed).unwrap();
    assert_eq!(
        journal.records().unwrap(),
        [&b"start"[..], b"hush 0", b"hush 1", b"end", b"later"]
    );
    journal.erase("round-0.0").unwrap();
    journal.erase("round-0.0").unwrap();
    assert_eq!(
        journal.records().unwrap(),
        [&b"start"[..], b"hush 1", b"end", b"later"]
    );
    let left: Vec<_> = fs::read_dir(journal.vault_folder())
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(left, [b"hush 1"]);
    let bytes = fs::read(&crashed).unwrap();
    assert!(
        !bytes.windows(4).any(|window| window == b"hush"),
        "a secret is in the store"
    );
    drop(journal);
    assert_eq!(Journal::open(&crashed).unwrap().len(), 5);
}

#[test]
fn an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start() {
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let mut journal = Journal::open(&path).unwrap();
    journal
        .commit(&[Entry::Secret {
            group: "g",
            bytes: b"hush",
        }])
        .unwrap();
    journal.mark_erased("g").unwrap();
    let crashed = folder.path().join("crashed.redb");
    crash(journal, &crashed);
    let journal = Journal::open(&crashed).unwrap();
    assert!(journal.records().unwrap().is_empty());
    assert_eq!(fs::read_dir(journal.vault_folder()).unwrap().count(), 0);
}

#[test]
fn a_lost_secret_is_an_error() {
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let mut journal = Journal::open(&path).unwrap();
    journal
        .commit(&[Entry::Secret {
            group: "g",
            bytes: b"hush",
        }])
        .unwrap();
    fs::remove_dir_all(journal.vault_folder()).unwrap();
    assert!(matches!(
        journal.records(),
        Err(JournalError::File(FileError::Missing { .. }))
    ));
    let bad = journal.commit(&[Entry::Secret {
        group: "../g",
        bytes: b"hush",
    }]);
    assert!(matches!(bad, Err(JournalError::Group { .. })));
}

#[test]
fn named_values_last() {
    let folder = folder();
    let path = folder.path().join("journal.redb");
    let mut journal = Journal::open(&path).unwrap();
    assert_eq!(journal.named("config").unwrap(), None);
    journal.set_named("config", b"one").unwrap();
    drop(journal);
    assert_eq!(
        Journal::open(&path).unwrap().named("config").unwrap().as_deref(),
        Some(&b"one"[..])
    );
}

/// A disk in memory with so much space. As on a real one, space is taken by what is written and not by the
/// length of a file. Its contents outlive the journal.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    blocks: Arc<Mutex<BTreeSet<u64>>>,
    space: Arc<AtomicU64>,
}

const BLOCK: u64 = 4096;

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.bytes.lock().unwrap();
        let piece = bytes
            .get(offset as usize..offset as usize + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(piece);
        Ok(())
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.bytes.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let end = offset + data.len() as u64;
        let mut blocks = self.blocks.lock().unwrap();
        blocks.extend(offset / BLOCK..end.div_ceil(BLOCK));
        if blocks.len() as u64 * BLOCK > self.space.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.lock().unwrap()[offset as usize..end as usize].copy_from_slice(data);
        Ok(())
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let disk = Disk::default();
    disk.space.store(12 << 20, Ordering::SeqCst);
    let name = Path::new("state/journal.redb");
    let mut journal = Journal::with_backend(disk.clone(), name).unwrap();
    let mut kept = Vec::new();
    let error = loop {
        let record = vec![kept.len() as u8; 900_000];
        match journal.append(&record) {
            Ok(()) => kept.push(record),
            Err(error) => break error,
        }
        assert!(kept.len() < 20, "the disk never runs full");
    };
    let text = error.to_string();
    assert!(
        text.starts_with("no space left on the disk while appending to state/journal.redb"),
        "{text}"
    );
    assert!(kept.len() >= 8, "{} records of 0.9 MB fit on 12 MiB", kept.len());
    drop(journal);

    disk.space.store(64 << 20, Ordering::SeqCst);
    let mut journal = Journal::with_backend(disk, name).unwrap();
    assert_eq!(journal.records().unwrap(), kept);
    journal.append(b"after").unwrap();
    assert_eq!(journal.len(), kept.len() as u64 + 1);
}
