//! Logs, and what a process used.

use std::io::IsTerminal;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::files::{self, FileError};

/// The environment variable that sets what is logged, as `RUST_LOG` does elsewhere.
pub const LOG_VARIABLE: &str = "HEDGEROW_LOG";

/// Starts logging to standard error: for people on a terminal, JSON lines otherwise. Levels come from
/// [`LOG_VARIABLE`] (by default `info` for this project, `warn` for libraries). A second call does nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let terminal = std::io::stderr().is_terminal();
    // An error here means that logging was started before, which is what was asked.
    let _ = if terminal {
        builder.compact().with_target(false).try_init()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init()
    };
}

const DEFAULT_FILTER: &str = "warn,hedgerow=info,hedgerow_cli=info,hedgerow_coordinator=info,hedgerow_edge=info,hedgerow_party=info,hedgerow_protocol=info";

/// What this process used so far. Zero where the system does not tell (`/proc` of Linux).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessStats {
    /// Largest resident set so far, in MiB.
    pub peak_rss_mib: f64,
    /// Processor time of all threads, user and system, in seconds.
    pub cpu_seconds: f64,
}

/// Clock ticks a second of `/proc/self/stat`: `USER_HZ`, 100 on every Linux architecture that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

impl ProcessStats {
    /// As of now.
    #[must_use]
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            peak_rss_mib: peak_kib(&status).unwrap_or(0.0) / 1024.0,
            cpu_seconds: ticks(&stat).unwrap_or(0.0) / TICKS_PER_SECOND,
        }
    }
}

fn peak_kib(status: &str) -> Option<f64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()
}

fn ticks(stat: &str) -> Option<f64> {
    // The second field is the program's name in parentheses and may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// `state/process.json`: what one process used over its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessReport {
    /// The party's id, or the coordinator's.
    pub id: String,
    /// `party` or `coordinator`.
    pub role: String,
    /// Largest resident set in MiB.
    pub peak_rss_mib: f64,
    /// Processor time in seconds.
    pub cpu_seconds: f64,
    /// Bytes of UDP datagrams sent.
    pub bytes_sent: u64,
    /// Bytes of UDP datagrams received.
    pub bytes_received: u64,
    /// Start of the process, RFC 3339.
    pub started: String,
    /// End of the process, RFC 3339.
    pub finished: String,
}

/// The life of a process, from its start.
#[derive(Clone, Debug)]
pub struct ProcessLife {
    started: Timestamp,
}

impl ProcessLife {
    /// Starts now.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            started: Timestamp::now(),
        }
    }

    /// Ends now.
    #[must_use]
    pub fn report(&self, id: &str, role: &str, bytes_sent: u64, bytes_received: u64) -> ProcessReport {
        let stats = ProcessStats::now();
        ProcessReport {
            id: id.to_owned(),
            role: role.to_owned(),
            peak_rss_mib: stats.peak_rss_mib,
            cpu_seconds: stats.cpu_seconds,
            bytes_sent,
            bytes_received,
            started: self.started.to_string(),
            finished: Timestamp::now().to_string(),
        }
    }
}

impl ProcessReport {
    /// Writes the report in one step.
    ///
    /// # Errors
    /// [`FileError`] names the file.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        files::write_atomic(path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        assert_eq!(
            peak_kib("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"),
            Some(2048.0)
        );
        assert_eq!(peak_kib("Name:\tx\n"), None);
        assert_eq!(ticks("7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0"), Some(200.0));
        assert_eq!(ticks("7 (x) S 1"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let stats = ProcessStats::now();
        assert!(stats.peak_rss_mib > 0.5, "{stats:?}");
    }

    #[test]
    fn a_report_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("process.json");
        let report = ProcessLife::begin().report("a", "party", 1, 2);
        report.write(&path).unwrap();
        let back: ProcessReport = serde_json::from_slice(&files::read(&path).unwrap()).unwrap();
        assert_eq!(back, report);
    }
}
