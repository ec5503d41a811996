//! What each client has used of its budget: one JSON object a line, durable before the evaluation begins.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use hedgerow_edge::files;
use serde::{Deserialize, Serialize};

use crate::error::{CliError, Result};

const FILE: &str = "used.jsonl";

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    client: String,
    used: u64,
}

/// The file, open for appending; or nothing, where no state is kept.
pub struct Ledger {
    used: BTreeMap<String, u64>,
    file: Option<(PathBuf, File)>,
}

impl Ledger {
    /// Reads what was used, and keeps the file at one line for each client.
    ///
    /// # Errors
    /// A folder that cannot be used, a line that does not read: a budget is not forgotten silently.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self {
                used: BTreeMap::new(),
                file: None,
            });
        };
        files::create_folder(folder)?;
        let path = folder.join(FILE);
        let text = if path.exists() {
            files::read_text(&path)?
        } else {
            String::new()
        };
        let mut used: BTreeMap<String, u64> = BTreeMap::new();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        // A line without its end was never acted upon: the process ended while it wrote.
        for (at, line) in text.get(..whole).unwrap_or_default().lines().enumerate() {
            let line: Line = serde_json::from_str(line)
                .map_err(|error| CliError::Config(format!("{}:{}: {error}", path.display(), at + 1)))?;
            let known = used.entry(line.client).or_default();
            *known = line.used.max(*known);
        }
        let mut fresh = String::new();
        for (client, used) in &used {
            fresh.push_str(&format(client, *used)?);
        }
        files::write_atomic(&path, fresh.as_bytes())?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(CliError::file(&path, "writing"))?;
        Ok(Self {
            used,
            file: Some((path, file)),
        })
    }

    /// Rows of each client.
    pub fn used(&self) -> BTreeMap<String, u64> {
        self.used.clone()
    }

    /// Makes it durable that a client has used so many.
    ///
    /// # Errors
    /// A disk that is full: then nothing is evaluated.
    pub fn charge(&mut self, client: &str, used: u64) -> Result<()> {
        if let Some((path, file)) = &mut self.file {
            file.write_all(format(client, used)?.as_bytes())
                .and_then(|()| file.sync_data())
                .map_err(CliError::file(path, "writing"))?;
        }
        Ok(())
    }
}

fn format(client: &str, used: u64) -> Result<String> {
    let line = Line {
        client: client.to_owned(),
        used,
    };
    let mut text = serde_json::to_string(&line).map_err(CliError::library("write the ledger"))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_is_there_after_a_restart_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(Some(folder.path())).unwrap();
        for used in [1, 5, 9] {
            ledger.charge("bank-a", used).unwrap();
        }
        ledger.charge("bank-b", 2).unwrap();
        let path = folder.path().join(FILE);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"client\":\"bank-a\",\"used\":70");
        std::fs::write(&path, text).unwrap();
        let again = Ledger::open(Some(folder.path())).unwrap();
        assert_eq!(
            again.used(),
            BTreeMap::from([("bank-a".to_owned(), 9), ("bank-b".to_owned(), 2)])
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        std::fs::write(&path, "{\"client\":3}\n").unwrap();
        assert!(
            Ledger::open(Some(folder.path()))
                .err()
                .unwrap()
                .to_string()
                .contains("used.jsonl:1")
        );
    }
}
