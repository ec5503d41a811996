//! `coordinator.toml`: where the coordinator listens and what it keeps.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hedgerow_edge::configfile::{self, ConfigFileError};
use hedgerow_edge::files;
use hedgerow_edge::quic::Transport;
use hedgerow_protocol::coordinator::Timeouts;
use hedgerow_protocol::time::Millis;
use serde::{Deserialize, Serialize};

/// The file as written. Paths are relative to its folder; [`CoordinatorFile::load`] resolves them.
///
/// ```toml
/// listen = "0.0.0.0:7447"            # UDP; open it in the firewall
/// consortium = "consortium.toml"     # what is learned, by whom, under which bounds
/// identity = "identity"              # folder with key.pem, cert.pem, ca.pem
/// state = "state"                    # journal; with it a run goes on after a crash
/// out = "out"                        # model.json and rounds.json
/// # serve = true                     # of joined data: relay private scores after the run, until stopped
///
/// [timeouts]                         # all in seconds
/// enrol_s = 600                      # for all parties to enrol
/// phase_s = 3600                     # for a connected party to answer; it includes counting
/// grace_s = 30                       # for a disconnected party to come back
///
/// [transport]
/// # mtu = 1452                       # largest UDP payload that path discovery tries
///
/// [resources]
/// # threads = 4                      # for taking masks off; all cores by default
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorFile {
    /// Address and UDP port; port 0 takes any that is free, and a progress line says which.
    pub listen: SocketAddr,
    /// The public description of the task.
    pub consortium: PathBuf,
    /// Folder with key.pem, cert.pem and ca.pem.
    pub identity: PathBuf,
    /// Folder of the journal.
    pub state: PathBuf,
    /// Folder of what the run leaves.
    pub out: PathBuf,
    /// After a joined run: go on relaying private scores until somebody stops the process. Without it the parties
    /// are told that it is over as soon as all of them have confirmed the model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serve: bool,
    /// How long to wait.
    #[serde(default)]
    pub timeouts: TimeoutsSection,
    /// How QUIC is tuned.
    #[serde(default)]
    pub transport: Transport,
    /// What the process may use.
    #[serde(default)]
    pub resources: Resources,
}

/// `[timeouts]`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsSection {
    /// For all parties to enrol.
    pub enrol_s: u64,
    /// For a connected party to answer.
    pub phase_s: u64,
    /// For a disconnected party to come back.
    pub grace_s: u64,
    /// Before a request is sent again to a connected party that is silent.
    pub resend_s: u64,
}

impl Default for TimeoutsSection {
    fn default() -> Self {
        let Timeouts {
            enrol,
            phase,
            grace,
            resend,
        } = Timeouts::default();
        let seconds = |time: Millis| time.0 / 1000;
        Self {
            enrol_s: seconds(enrol),
            phase_s: seconds(phase),
            grace_s: seconds(grace),
            resend_s: seconds(resend),
        }
    }
}

/// `[resources]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Threads that take masks off; 0 takes all cores.
    pub threads: usize,
}

impl Resources {
    /// The number of threads meant.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// A year is longer than any run and far from the end of time.
const LONGEST_S: u64 = 365 * 86_400;

impl CoordinatorFile {
    /// Reads and checks the file and resolves its paths.
    ///
    /// # Errors
    /// [`ConfigFileError`] with file, line and key.
    pub fn load(path: &Path) -> Result<Self, ConfigFileError> {
        let text = files::read_text(path)?;
        let mut file: Self = configfile::parse(&text, path)?;
        let timeouts = &file.timeouts;
        for (key, seconds) in [
            ("timeouts.enrol_s", timeouts.enrol_s),
            ("timeouts.phase_s", timeouts.phase_s),
            ("timeouts.grace_s", timeouts.grace_s),
            ("timeouts.resend_s", timeouts.resend_s),
        ] {
            if !(1..=LONGEST_S).contains(&seconds) {
                let message = format!("is {seconds}, expected 1 to {LONGEST_S} seconds");
                return Err(configfile::invalid(&text, path, key, message));
            }
        }
        if let Err((key, message)) = file.transport.check() {
            return Err(configfile::invalid(
                &text,
                path,
                &format!("transport.{key}"),
                message,
            ));
        }
        for path_in_file in [
            &mut file.consortium,
            &mut file.identity,
            &mut file.state,
            &mut file.out,
        ] {
            *path_in_file = configfile::resolve(path, path_in_file);
        }
        Ok(file)
    }

    /// The timeouts as the machine takes them.
    #[must_use]
    pub fn machine_timeouts(&self) -> Timeouts {
        let millis = |seconds: u64| Millis(seconds.saturating_mul(1000));
        let TimeoutsSection {
            enrol_s,
            phase_s,
            grace_s,
            resend_s,
        } = self.timeouts;
        Timeouts {
            enrol: millis(enrol_s),
            phase: millis(phase_s),
            grace: millis(grace_s),
            resend: millis(resend_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "listen = \"0.0.0.0:7447\"\nconsortium = \"consortium.toml\"\nidentity = \"identity\"\n\
                          state = \"/var/lib/hedgerow\"\nout = \"out\"\n";

    fn load(text: &str) -> Result<CoordinatorFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coordinator.toml");
        std::fs::write(&path, text).unwrap();
        let base = format!("{}/", folder.path().display());
        CoordinatorFile::load(&path).map_err(|error| error.to_string().replace(&base, ""))
    }

    #[test]
    fn the_smallest_file_has_the_machines_own_timeouts() {
        let file = load(SAMPLE).unwrap();
        assert_eq!(file.machine_timeouts(), Timeouts::default());
        assert_eq!(file.state, Path::new("/var/lib/hedgerow"));
        assert!(file.identity.is_absolute() && file.identity.ends_with("identity"));
        assert!(file.resources.threads() >= 1);
    }

    #[test]
    fn errors_point_at_their_line() {
        let error = load(&format!("{SAMPLE}[timeouts]\nenrol_s = 0\n")).unwrap_err();
        assert!(
            error.starts_with("coordinator.toml:7: key `timeouts.enrol_s`: is 0"),
            "{error}"
        );
        let error = load(&format!("{SAMPLE}[transport]\nmtu = 900\n")).unwrap_err();
        assert!(
            error.starts_with("coordinator.toml:7: key `transport.mtu`: is 900"),
            "{error}"
        );
        let error = load(&SAMPLE.replace("listen", "lisen")).unwrap_err();
        assert!(error.ends_with("did you mean `listen`?"), "{error}");
        let error = load(&SAMPLE.replace("0.0.0.0:7447", "everywhere")).unwrap_err();
        assert!(error.starts_with("coordinator.toml:1: key `listen`"), "{error}");
    }
}
