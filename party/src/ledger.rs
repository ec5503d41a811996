//! The party's privacy ledger: `ledger.json` in the state folder, replaced in one durable step per payment.
//!
//! **Unit** rows of this party, over all its runs. **Accounting** at the order of Renyi divergence that suits the policy's
//! budget (pure where its delta is 0), see [`Policy::books`]. Private alignments cost keys, not rows: they stand beside, with
//! epsilons that add up.

use std::path::{Path, PathBuf};

use hedgerow_dp::{Cost, epsilon_of};
use hedgerow_edge::files::{self, FileError};
use hedgerow_protocol::party::{LedgerEntry, LedgerState, OverlapEntry};
use hedgerow_protocol::policy::Policy;
use serde::{Deserialize, Serialize};

/// Name of the file in the state folder.
pub const FILE_NAME: &str = "ledger.json";
const VERSION: u32 = 1;

/// A ledger that cannot be used; without one no run is joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file system.
    #[error("privacy ledger: {0}")]
    File(#[from] FileError),
    /// The file is there and is no ledger. It is never replaced by an empty one.
    #[error("privacy ledger {} is not readable ({reason}); restore it from a backup: a new one would forget what is spent", .path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// The file comes from another version.
    #[error("privacy ledger {} has version {actual}, expected {VERSION}", .path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version found.
        actual: u32,
    },
    /// The policy's epsilon or delta is out of range.
    #[error("policy: {0}")]
    Policy(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    entries: Vec<LedgerEntry>,
    /// Payments for private alignments: of keys, not of rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    alignments: Vec<OverlapEntry>,
}

/// The open ledger of a state folder.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("entries", &self.entries.len())
            .finish()
    }
}

/// The whole ledger, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Payments, oldest first: what for, and how much: rho of zCDP for discrete Gaussian noise, and as the books were when
    /// it was paid for other noise.
    pub lines: Vec<(String, f64)>,
    /// Their sum.
    pub rho_spent: f64,
    /// `rho_spent` as epsilon at `delta`.
    pub epsilon_spent: f64,
    /// The delta of `epsilon_spent`.
    pub delta: f64,
    /// Payments for private alignments, oldest first: run and peer, epsilon (infinite without dummies), delta.
    pub alignments: Vec<(String, f64, f64)>,
}

impl Ledger {
    /// Reads the ledger; an empty one where nothing was ever charged.
    ///
    /// # Errors
    /// [`LedgerError`]; a file that is there and cannot be read is an error.
    pub fn open(state: &Path) -> Result<Self, LedgerError> {
        let path = state.join(FILE_NAME);
        let text = match files::read(&path) {
            Ok(text) => text,
            Err(FileError::Missing { .. }) => {
                return Ok(Self {
                    path,
                    file: File {
                        version: VERSION,
                        entries: Vec::new(),
                        alignments: Vec::new(),
                    },
                });
            }
            Err(error) => return Err(error.into()),
        };
        let file: File = serde_json::from_slice(&text).map_err(|error| LedgerError::Corrupt {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        if file.version != VERSION {
            return Err(LedgerError::Version {
                path,
                actual: file.version,
            });
        }
        Ok(Self { path, file })
    }

    /// The books for a machine, limited by what the policy lets all runs spend together.
    ///
    /// # Errors
    /// [`LedgerError::Policy`].
    pub fn state(&self, policy: &Policy) -> Result<LedgerState, LedgerError> {
        let books = policy
            .books()
            .map_err(|error| LedgerError::Policy(error.to_string()))?;
        let state = LedgerState::new(books, self.file.entries.iter().cloned());
        Ok(state.with_overlaps(self.file.alignments.iter().cloned()))
    }

    /// Appends a payment; durable when this returns. A payment that is there already (same label) is not repeated.
    ///
    /// # Errors
    /// [`LedgerError::File`]; the ledger is then unchanged.
    pub fn append(&mut self, entry: LedgerEntry) -> Result<(), LedgerError> {
        if self.file.entries.iter().any(|known| known.label == entry.label) {
            return Ok(());
        }
        self.file.entries.push(entry);
        self.write().inspect_err(|_| {
            self.file.entries.pop();
        })
    }

    /// Appends the payment for an alignment; durable when this returns. One run pays once for one peer.
    ///
    /// # Errors
    /// [`LedgerError::File`]; the ledger is then unchanged.
    pub fn append_overlap(&mut self, entry: OverlapEntry) -> Result<(), LedgerError> {
        let same = |known: &OverlapEntry| known.run == entry.run && known.peer == entry.peer;
        if self.file.alignments.iter().any(same) {
            return Ok(());
        }
        self.file.alignments.push(entry);
        self.write().inspect_err(|_| {
            self.file.alignments.pop();
        })
    }

    fn write(&self) -> Result<(), LedgerError> {
        let mut text = serde_json::to_vec_pretty(&self.file).map_err(|error| LedgerError::Corrupt {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        text.push(b'\n');
        Ok(files::write_atomic(&self.path, &text)?)
    }

    /// What `hedgerow ledger show` prints.
    #[must_use]
    pub fn summary(&self, delta: f64) -> Summary {
        let costs: Vec<Cost> = self.file.entries.iter().map(LedgerEntry::cost).collect();
        Summary {
            lines: self
                .file
                .entries
                .iter()
                .map(|entry| (entry.label.clone(), entry.rho.value()))
                .collect(),
            rho_spent: self.file.entries.iter().map(|entry| entry.rho.value()).sum(),
            epsilon_spent: epsilon_of(&costs, delta),
            delta,
            alignments: self
                .file
                .alignments
                .iter()
                .map(|entry| {
                    let label = format!("run {} alignment with {}", entry.run, entry.peer);
                    (label, entry.epsilon.unwrap_or(f64::INFINITY), entry.delta)
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hedgerow_dp::{L1, Rho};
    use hedgerow_protocol::ids::{RoundId, RunId};

    use super::*;

    fn entry(label: &str, rho: Rho) -> LedgerEntry {
        LedgerEntry {
            run: RunId([1; 16]),
            round: RoundId::first_of(0),
            rho,
            cost: None,
            label: label.to_owned(),
        }
    }

    #[test]
    fn what_is_spent_survives_a_restart_and_a_larger_policy() {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy::default();
        let capacity = policy.books().unwrap().capacity().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!(ledger.state(&policy).unwrap().left(), Some(capacity));
        ledger.append(entry("run 1", capacity)).unwrap();
        ledger.append(entry("run 1", capacity)).unwrap();

        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!(ledger.state(&policy).unwrap().left(), Some(Rho::ZERO));
        let larger = Policy {
            max_epsilon: 4.0,
            ..policy
        };
        assert!(ledger.state(&larger).unwrap().left() > Some(Rho::ZERO));
        let summary = ledger.summary(1e-6);
        assert_eq!(summary.lines.len(), 1);
        assert!(
            summary.epsilon_spent > 0.99 && summary.epsilon_spent <= 1.0,
            "{summary:?}"
        );
    }

    #[test]
    fn noise_that_is_not_gaussian_is_paid_at_its_own_price() {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy::default();
        let books = policy.books().unwrap();
        let cost = Cost::Laplace {
            gap: 1 << 28,
            l1: L1(2),
        };
        let rho = books.amount(&cost).unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        ledger
            .append(LedgerEntry {
                cost: Some(cost),
                ..entry("run 1", rho)
            })
            .unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let left = ledger.state(&policy).unwrap().left().unwrap().value();
        assert_eq!(left, books.capacity().unwrap().value() - rho.value());
        let spent = ledger.summary(1e-6).epsilon_spent;
        assert!(
            spent > 0.0 && spent < 0.2,
            "two exponents of 1/16 are at most 1/8: {spent}"
        );
    }

    #[test]
    fn a_damaged_ledger_is_never_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        for damaged in ["", "{\"version\": 1, \"entri", "{\"version\": 1}"] {
            std::fs::write(folder.path().join(FILE_NAME), damaged).unwrap();
            let error = Ledger::open(folder.path()).unwrap_err();
            assert!(matches!(error, LedgerError::Corrupt { .. }), "{error}");
        }
        std::fs::write(folder.path().join(FILE_NAME), "{\"version\": 9, \"entries\": []}").unwrap();
        assert!(matches!(
            Ledger::open(folder.path()),
            Err(LedgerError::Version { actual: 9, .. })
        ));
    }
}
