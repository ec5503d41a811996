//! The processes of a simulation: started together, watched, and never left behind.

use crate::error::{CliError, Result};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// One process to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// Party id, or `coordinator`.
    pub id: String,
    /// `coordinator` or `party`.
    pub role: &'static str,
    /// Its configuration file.
    pub config: PathBuf,
    /// Where its log goes; appended to.
    pub log: PathBuf,
}

/// What a process did.
#[derive(Debug)]
pub enum News {
    /// It wrote a line of progress.
    Line {
        /// Which process.
        id: String,
        /// The line.
        line: String,
    },
    /// It ended.
    Ended {
        /// Which process.
        id: String,
        /// Did it end well?
        success: bool,
        /// How it ended, in words.
        status: String,
        /// Was it killed by us?
        killed: bool,
    },
}

/// All processes. Dropping it kills those that still run; if this process dies without dropping anything, each
/// child sees its standard input close and stops by itself.
pub struct Children {
    tasks: JoinSet<()>,
    kill: BTreeMap<String, oneshot::Sender<()>>,
    send: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
}

impl Children {
    /// No process yet.
    pub fn new() -> Self {
        let (send, news) = mpsc::unbounded_channel();
        Self {
            tasks: JoinSet::new(),
            kill: BTreeMap::new(),
            send,
            news,
        }
    }

    /// Starts a process: this very executable with another command.
    ///
    /// # Errors
    /// [`CliError::File`] if the log cannot be opened or the executable not started.
    pub fn start(&mut self, executable: &Path, program: &Program) -> Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&program.log)
            .map_err(CliError::file(&program.log, "writing"))?;
        let mut child = Command::new(executable)
            .arg(program.role)
            .arg("--config")
            .arg(&program.config)
            .args(["--progress", "json", "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(CliError::file(executable, "starting"))?;
        let (kill, killed) = oneshot::channel();
        self.kill.insert(program.id.clone(), kill);
        let (id, send) = (program.id.clone(), self.send.clone());
        let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        self.tasks.spawn(async move {
            let read = async {
                let Some(mut lines) = lines else { return };
                while let Ok(Some(line)) = lines.next_line().await {
                    // The receiver lives as long as the tasks.
                    let _ = send.send(News::Line { id: id.clone(), line });
                }
            };
            let (ended, ()) = tokio::join!(end(&mut child, killed), read);
            let (status, killed) = ended;
            let (success, status) = match status {
                Ok(status) => (status.success(), status.to_string()),
                Err(error) => (false, error.to_string()),
            };
            let _ = send.send(News::Ended {
                id,
                success,
                status,
                killed,
            });
        });
        Ok(())
    }

    /// The next thing that happens; waits for ever if nothing runs.
    pub async fn news(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// Waits until no process runs.
    pub async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Ends a process at once, as a power cut would (SIGKILL). Its end is reported as news.
    pub fn kill(&mut self, id: &str) {
        if let Some(kill) = self.kill.remove(id) {
            let _ = kill.send(());
        }
    }

    /// Ends all that still run and waits until they are gone. Every step they took is in their journals.
    pub async fn stop(&mut self) {
        for (_, kill) in std::mem::take(&mut self.kill) {
            // Where nobody receives, the process has ended before.
            let _ = kill.send(());
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn end(
    child: &mut Child,
    kill: oneshot::Receiver<()>,
) -> (std::io::Result<std::process::ExitStatus>, bool) {
    // Held until the end: closing it is how a child learns that we are gone.
    let input = child.stdin.take();
    let ended = tokio::select! {
        status = child.wait() => (status, false),
        Ok(()) = kill => match child.start_kill() {
            Ok(()) => (child.wait().await, true),
            Err(error) => (Err(error), true),
        },
        else => (child.wait().await, false),
    };
    drop(input);
    ended
}
