//! What a process tells whoever started it: one JSON object a line on standard output.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// One event of a run. Nothing in it depends on a row, a count before noise, a key or a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProgressEvent {
    /// The coordinator accepts connections at this address.
    Listening {
        /// `ip:port`, with the real port also where the configuration says 0.
        address: String,
    },
    /// The party has a connection to the coordinator.
    Connected,
    /// A connection ended; the party dials again.
    Disconnected {
        /// Why, in one sentence.
        reason: String,
    },
    /// A phase began.
    Phase {
        /// Its name.
        name: String,
        /// Parties that have answered, or steps that are done.
        step: u64,
        /// Of so many.
        of: u64,
    },
    /// The party counts.
    Counting {
        /// Rows so far.
        rows: u64,
    },
    /// A table was released.
    RoundDone {
        /// `step.attempt`.
        round: String,
        /// Whose data it holds.
        survivors: Vec<String>,
    },
    /// A party was left out of a round.
    Dropped {
        /// Who.
        party: String,
        /// Why.
        reason: String,
    },
    /// The run is complete.
    Finished,
    /// The process stopped on request; the run can be resumed.
    Stopped,
    /// The run is over without a model, or this party refused it.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Where events go. Clones share the line.
#[derive(Clone)]
pub struct Progress(Option<Arc<Mutex<Box<dyn Write + Send>>>>);

impl Progress {
    /// Nobody listens.
    #[must_use]
    pub fn silent() -> Self {
        Self(None)
    }

    /// JSON lines on standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(std::io::stdout())
    }

    /// JSON lines to any writer.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(Box::new(writer)))))
    }

    /// Writes one line and flushes it.
    pub fn emit(&self, event: &ProgressEvent) {
        let Some(writer) = &self.0 else { return };
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever listened may have gone; the run does not depend on an audience.
        let _ = writer.write_all(&line).and_then(|()| writer.flush());
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Progress(json)"
        } else {
            "Progress(silent)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_event_is_one_line_that_reads_back() {
        let shared = Shared::default();
        let progress = Progress::to(shared.clone());
        let events = [
            ProgressEvent::Listening {
                address: "127.0.0.1:7447".into(),
            },
            ProgressEvent::Phase {
                name: "upload".into(),
                step: 1,
                of: 4,
            },
            ProgressEvent::RoundDone {
                round: "0.0".into(),
                survivors: vec!["a".into(), "b".into()],
            },
            ProgressEvent::Finished,
        ];
        events.iter().for_each(|event| progress.emit(event));
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        let back: Vec<ProgressEvent> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(back, events);
        assert_eq!(text.lines().last(), Some(r#"{"event":"finished"}"#));
    }
}
