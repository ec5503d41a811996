//! `party.toml`: what one organisation's process needs to know.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hedgerow_edge::certificate::Subject;
use hedgerow_edge::configfile::{self, ConfigFileError};
use hedgerow_edge::identity::Identity;
use hedgerow_edge::quic::{Dialer, Traffic, Transport};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::policy::Policy;
use serde::{Deserialize, Serialize};

use crate::data::{CsvRules, EngineOptions};

mod data;

pub use data::{DataSection, Role, TableSection};

/// The file as written. Paths are relative to its folder; [`PartyFile::load`] makes them absolute or relative to the
/// working folder.
///
/// ```toml
/// id = "bank-a"
/// coordinator = "coordinator.example:7447"
/// identity = "identity"            # folder with key.pem, cert.pem, ca.pem
/// state = "state"                  # journal, ledger; keep it
/// policy = "policy.toml"
///
/// # queries = true                 # keep what `hedgerow query` needs after a run of joined data
/// # role = "attributes"            # answers for the entities that others' rows name; by default "rows"
///
/// [data]
/// source = "transactions.parquet"  # CSV, Parquet, folder of Parquet, or SQL over named files
/// # test_source = "test.parquet"
/// # features = "features.sql"      # SQL over `rows` (the source at hand) and the tables below, a file or the text
/// # key = ["Account", "Name"]      # role "attributes": the columns that tell the entities apart
///
/// # [[table]]
/// # name = "branches"
/// # source = "branches.csv"
///
/// [resources]
/// threads = 4
/// memory_mib = 512
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartyFile {
    /// This party, as in its certificate and in the consortium's list.
    pub id: PartyId,
    /// `host:port` of the coordinator.
    pub coordinator: String,
    /// The coordinator's name in its certificate; without it any coordinator of the consortium will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator_name: Option<PartyId>,
    /// Folder with key.pem, cert.pem and ca.pem.
    pub identity: PathBuf,
    /// Folder of the journal and the privacy ledger.
    pub state: PathBuf,
    /// The party's own rules; without a file the defaults of [`Policy`] hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PathBuf>,
    /// The consortium's schema (`schema.toml`), which `party check` tries the data against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,
    /// What the party holds.
    #[serde(default, skip_serializing_if = "Role::is_rows")]
    pub role: Role,
    /// Where the scores of the test rows go, `.csv` or `.parquet`: `row,label,score`, one row each, in their order; with
    /// `[data] id` that column's text in place of `row`, which counts the test rows from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<PathBuf>,
    /// After a joined run with a prediction: keep what `hedgerow query` needs to ask for private scores of new rows, the
    /// secret of the run among it. Without it the run is over for this party when its process ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queries: bool,
    /// Where the rows are.
    pub data: DataSection,
    /// Further tables of the party, for its features.
    #[serde(default, rename = "table", skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableSection>,
    /// What the process may use.
    #[serde(default)]
    pub resources: Resources,
    /// The connection.
    #[serde(default)]
    pub transport: Transport,
}

/// `[resources]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Threads of the data engine; 0 takes all cores.
    pub threads: usize,
    /// MiB that the data engine's operators may hold.
    pub memory_mib: u64,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            threads: 0,
            memory_mib: 512,
        }
    }
}

impl PartyFile {
    /// Reads the file and resolves its paths.
    ///
    /// # Errors
    /// [`ConfigFileError`] with file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigFileError> {
        let mut file: Self = configfile::load(path)?;
        if let Err((key, problem)) = file.consistent() {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            return Err(configfile::invalid(&text, path, key, problem));
        }
        for folder in [&mut file.identity, &mut file.state] {
            *folder = configfile::resolve(path, folder);
        }
        for optional in [&mut file.policy, &mut file.schema, &mut file.scores] {
            *optional = optional.take().map(|given| configfile::resolve(path, &given));
        }
        Ok(file)
    }

    /// The party's rules.
    ///
    /// # Errors
    /// [`ConfigFileError`] of the policy file.
    pub fn load_policy(&self) -> Result<Policy, ConfigFileError> {
        match &self.policy {
            Some(path) => configfile::load(path),
            None => Ok(Policy::default()),
        }
    }

    /// Calls the coordinator that the file names, as `identity`.
    pub(crate) fn dialer(&self, identity: Arc<Identity>, traffic: Traffic) -> Dialer {
        Dialer {
            identity,
            address: self.coordinator.clone(),
            expected: self.coordinator_name.clone().map(Subject::Coordinator),
            transport: self.transport.clone(),
            traffic,
        }
    }

    /// What the data engine may use, and how it reads CSV.
    #[must_use]
    pub fn engine_options(&self) -> EngineOptions {
        let defaults = EngineOptions::default();
        let rules = CsvRules::default();
        EngineOptions {
            threads: match self.resources.threads {
                0 => defaults.threads,
                threads => threads,
            },
            memory_mib: self.resources.memory_mib,
            csv: CsvRules {
                delimiter: self
                    .data
                    .csv_delimiter
                    .and_then(|c| u8::try_from(c).ok())
                    .or(rules.delimiter),
                missing: self.data.csv_missing.clone().unwrap_or(rules.missing),
            },
            ..defaults
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("party.toml");
        std::fs::write(
            &path,
            "id = \"a\"\ncoordinator = \"localhost:1\"\nidentity = \"id\"\nstate = \"/var/s\"\npolicy = \"p.toml\"\n\
             [data]\nsource = \"x.csv\"\n[resources]\nthreads = 3\n",
        )
        .unwrap();
        let file = PartyFile::load(&path).unwrap();
        assert_eq!(file.identity, folder.path().join("id"));
        assert_eq!(file.state, Path::new("/var/s"));
        assert_eq!(file.policy, Some(folder.path().join("p.toml")));
        assert_eq!(file.engine_options().threads, 3);
        assert_eq!(file.engine_options().memory_mib, 512);
    }

    #[test]
    fn a_misspelt_key_names_line_and_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("party.toml");
        std::fs::write(
            &path,
            "id = \"a\"\ncoordinator = \"localhost:1\"\nidentity = \"id\"\nstate = \"s\"\n[data]\nsorce = \"x.csv\"\n",
        )
        .unwrap();
        let message = PartyFile::load(&path).unwrap_err().to_string();
        assert!(
            message.contains("party.toml:6") && message.contains("did you mean `source`"),
            "{message}"
        );
    }
}
