//! The policy of a service, a TOML file: whom, which models, how often, how much.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hedgerow_edge::configfile::{self, ConfigFileError};
use hedgerow_edge::files;
use hedgerow_inference::service::{LimitError, Limits, Quota};
use serde::Deserialize;

const MIB: u64 = 1 << 20;
/// Largest number of MiB in the file: a tebibyte.
const MOST_MIB: u64 = 1 << 20;

/// The file as written; every key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    /// Ids in certificates; without a list every party of the consortium.
    clients: Option<Vec<String>>,
    /// Names of models that may be served; without a list all.
    models: Option<Vec<String>>,
    /// Where the budgets' use is kept; relative to the file.
    state: Option<PathBuf>,
    /// For every client that has no table of its own.
    quota: Quota,
    client: Vec<Client>,
    limits: Sizes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    id: String,
    #[serde(default)]
    per_minute: Option<u64>,
    #[serde(default)]
    budget: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Sizes {
    keys_mib: Option<u64>,
    request_mib: Option<u64>,
    connections: Option<u64>,
    connections_per_client: Option<u64>,
    cached_keys_mib: Option<u64>,
    transfers_mib: Option<u64>,
    idle_s: Option<u64>,
    workers: Option<u64>,
}

/// A policy, checked.
#[derive(Debug, Default)]
pub struct Policy {
    /// What the machine keeps.
    pub limits: Limits,
    /// Where the use of budgets is kept.
    pub state: Option<PathBuf>,
    models: Option<Vec<String>>,
    file: Option<(PathBuf, String)>,
}

impl Policy {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigFileError`] with file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigFileError> {
        Self::parse(&files::read_text(path)?, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigFileError> {
        let file: File = configfile::parse(text, path)?;
        let wrong = |key: &str, message: String| configfile::invalid(text, path, key, message);
        let mut limits = Limits {
            clients: file.clients,
            quota: file.quota,
            ..Limits::default()
        };
        for client in file.client {
            let quota = Quota {
                per_minute: client.per_minute,
                budget: client.budget,
            };
            if let Some(listed) = &limits.clients
                && !listed.contains(&client.id)
            {
                return Err(wrong(
                    "id",
                    format!("is {:?}, which `clients` does not name", client.id),
                ));
            }
            if limits.quotas.insert(client.id.clone(), quota).is_some() {
                return Err(wrong("id", format!("{:?} has two tables", client.id)));
            }
        }
        let sizes = file.limits;
        let mib = [
            ("limits.keys_mib", sizes.keys_mib, &mut limits.keys),
            ("limits.request_mib", sizes.request_mib, &mut limits.request),
            (
                "limits.cached_keys_mib",
                sizes.cached_keys_mib,
                &mut limits.cached_keys,
            ),
            ("limits.transfers_mib", sizes.transfers_mib, &mut limits.transfers),
        ];
        for (key, given, limit) in mib {
            match given {
                Some(given @ 1..=MOST_MIB) => *limit = given * MIB,
                Some(other) => return Err(wrong(key, format!("is {other}, expected 1 to {MOST_MIB} MiB"))),
                None => {}
            }
        }
        let counts = [
            ("limits.connections", sizes.connections, &mut limits.connections),
            (
                "limits.connections_per_client",
                sizes.connections_per_client,
                &mut limits.connections_per_client,
            ),
            ("limits.workers", sizes.workers, &mut limits.workers),
        ];
        for (key, given, limit) in counts {
            match given {
                Some(given @ 1..=100_000) => *limit = given as usize,
                Some(other) => return Err(wrong(key, format!("is {other}, expected 1 to 100000"))),
                None => {}
            }
        }
        match sizes.idle_s {
            Some(idle @ 5..=86_400) => limits.idle = Duration::from_secs(idle),
            Some(other) => {
                return Err(wrong(
                    "limits.idle_s",
                    format!("is {other}, expected 5 to 86400 seconds"),
                ));
            }
            None => {}
        }
        let budget = limits
            .quotas
            .values()
            .chain([&limits.quota])
            .any(|quota| quota.budget.is_some());
        let state = file.state.map(|state| configfile::resolve(path, &state));
        if budget && state.is_none() {
            let message = "is there, and `state` is not: a budget must survive the process".to_owned();
            let key = if limits.quota.budget.is_some() {
                "quota.budget"
            } else {
                "budget"
            };
            return Err(wrong(key, message));
        }
        Ok(Self {
            limits,
            state,
            models: file.models,
            file: Some((path.to_path_buf(), text.to_owned())),
        })
    }

    /// Whether a model may be served.
    pub fn allows(&self, model: &str) -> bool {
        self.models
            .as_ref()
            .is_none_or(|models| models.iter().any(|known| known == model))
    }

    /// A limit that no model fits, at its line.
    pub fn explain(&self, error: &LimitError) -> String {
        let table = if matches!(error.key, "per_minute" | "budget") {
            "quota"
        } else {
            "limits"
        };
        match &self.file {
            Some((path, text)) => {
                let field = format!("{table}.{}", error.key);
                configfile::invalid(text, path, &field, error.to_string()).to_string()
            }
            None => format!("{} {error}", error.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Policy, String> {
        Policy::parse(text, Path::new("policy.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_sample_reads_and_an_empty_file_is_the_default() {
        let sample = include_str!("../../../examples/deploy/serve-policy.toml");
        let policy = parse(sample).unwrap();
        assert!(policy.limits.admits("bank-a") && !policy.limits.admits("bank-z"));
        assert_eq!(policy.limits.quota("bank-b").budget, Some(100_000));
        assert!(policy.state.is_some() && policy.allows("mlp"));
        let empty = parse("").unwrap();
        assert_eq!(empty.limits, Limits::default());
        assert!(empty.allows("anything"));
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let refused = |text: &str, parts: &[&str]| {
            let error = parse(text).unwrap_err();
            parts
                .iter()
                .for_each(|part| assert!(error.contains(part), "{part:?} in {error}"));
        };
        refused("[limits]\nkeys_mb = 3\n", &["policy.toml:2", "keys_mib"]);
        refused("[limits]\nkeys_mib = 0\n", &["policy.toml:2", "is 0"]);
        refused("[limits]\nidle_s = 1\n", &["policy.toml:2", "5 to 86400"]);
        refused("[quota]\nbudget = 5\n", &["policy.toml:2", "`state` is not"]);
        refused(
            "clients = [\"a\"]\n[[client]]\nid = \"b\"\n",
            &["policy.toml", "\"b\", which `clients`"],
        );
    }
}
