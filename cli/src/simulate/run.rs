//! One federated run in real processes: starts them, follows their progress, and ends with all of them.

use super::bars::Bars;
use super::children::{Children, News, Program};
use super::deploy::{ANY_PORT, COORDINATOR, Deployment};
use super::rehearse::{Fault, Rehearsal};
use crate::error::{CliError, Result};
use crate::report::Span;
use crate::scenario::Role;
use hedgerow_edge::progress::ProgressEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long other processes may still say why they failed once one has.
const LAST_WORDS: Duration = Duration::from_millis(1500);
/// How long parties may take to end once the coordinator has.
const FAREWELL: Duration = Duration::from_secs(20);

/// The coordinator's phase before training, in its words.
const ENROLMENT: &str = "enrolment";
/// The parties' phase at the start of a round, in their words.
const COUNTING: &str = "counting";

/// What was seen of a finished run.
pub struct Followed {
    /// Who did what when.
    pub timeline: Vec<Span>,
    /// Seconds from the first round to the end of the coordinator, as seen from here.
    pub trained: f64,
}

/// Processes that answer for scores until they are stopped.
pub struct Serving(Children);

impl Serving {
    /// Waits until somebody presses Ctrl-C, or everybody has ended.
    ///
    /// # Errors
    /// Signals cannot be waited for.
    pub async fn until_interrupted(mut self) -> Result<()> {
        let interrupted = tokio::select! {
            signal = tokio::signal::ctrl_c() => signal.map_err(CliError::library("wait for Ctrl-C")),
            () = self.0.all_ended() => Ok(()),
        };
        self.0.stop().await;
        interrupted
    }
}

/// A federated run.
pub struct Run<'a> {
    deployment: &'a Deployment<'a>,
    bars: &'a Bars,
    executable: PathBuf,
    children: Children,
    rehearsals: Vec<Rehearsal>,
    programs: BTreeMap<String, Program>,
    started: Instant,
    timeline: Timeline,
    /// Reasons given by processes, in the order they came.
    failures: Vec<(String, String)>,
    /// Parties that the coordinator left out: where a run fails, they are the reason and the others its victims.
    left_out: Vec<String>,
    running: BTreeSet<String>,
    done: BTreeSet<String>,
    stopped: BTreeSet<String>,
    /// How often each party began to count.
    counted: BTreeMap<String, u32>,
    /// The coordinator has published, and goes on relaying scores.
    serving: bool,
}

impl<'a> Run<'a> {
    /// Prepares a run; nothing is started yet.
    ///
    /// # Errors
    /// If this executable cannot be found, or a rehearsal names a process that there is not.
    pub fn new(deployment: &'a Deployment<'a>, bars: &'a Bars, rehearsals: Vec<Rehearsal>) -> Result<Self> {
        let executable = std::env::current_exe().map_err(CliError::library("find this executable"))?;
        for rehearsal in &rehearsals {
            let party = deployment
                .scenario
                .parties
                .iter()
                .any(|party| party.id == rehearsal.id);
            let coordinator = rehearsal.id == COORDINATOR && rehearsal.fault == Fault::Crash;
            if !party && !coordinator {
                return Err(CliError::Config(format!(
                    "{:?} cannot be made to fail: no such party",
                    rehearsal.id
                )));
            }
        }
        Ok(Self {
            deployment,
            bars,
            executable,
            children: Children::new(),
            rehearsals,
            programs: BTreeMap::new(),
            started: Instant::now(),
            timeline: Timeline::default(),
            failures: Vec::new(),
            left_out: Vec::new(),
            running: BTreeSet::new(),
            done: BTreeSet::new(),
            stopped: BTreeSet::new(),
            counted: BTreeMap::new(),
            serving: false,
        })
    }

    /// Runs to the published model; returns who did what when, and the processes that go on serving, if they do.
    ///
    /// # Errors
    /// [`CliError::Process`] naming the process that failed first, [`CliError::Interrupted`].
    pub async fn finish(mut self) -> Result<(Followed, Option<Serving>)> {
        let result = tokio::select! {
            result = self.drive() => result,
            signal = tokio::signal::ctrl_c() => {
                signal.map_err(CliError::library("wait for Ctrl-C"))?;
                Err(CliError::Interrupted)
            }
        };
        if !self.serving || result.is_err() {
            self.children.stop().await;
        }
        result?;
        let serving = self.serving.then_some(Serving(self.children));
        let spans = self.timeline.spans;
        let rounds = spans
            .iter()
            .filter(|span| span.id == COORDINATOR && span.phase != ENROLMENT);
        let first = rounds
            .clone()
            .map(|span| span.start)
            .fold(f64::INFINITY, f64::min);
        let last = rounds.map(|span| span.end).fold(0.0, f64::max);
        let followed = Followed {
            trained: (last - first).max(0.0),
            timeline: spans,
        };
        Ok((followed, serving))
    }

    async fn drive(&mut self) -> Result<()> {
        let config = self.deployment.coordinator(ANY_PORT)?;
        self.start(COORDINATOR, "coordinator", config)?;
        let mut deadline: Option<tokio::time::Instant> = None;
        loop {
            let news = match deadline {
                None => self.children.news().await,
                Some(at) => match tokio::time::timeout_at(at, self.children.news()).await {
                    Ok(news) => news,
                    Err(_) => return self.conclude(),
                },
            };
            let Some(news) = news else { return self.conclude() };
            match news {
                News::Line { id, line } => {
                    if let Ok(event) = serde_json::from_str::<ProgressEvent>(&line) {
                        self.event(&id, event)?;
                    }
                }
                News::Ended {
                    id,
                    success,
                    status,
                    killed,
                } => self.ended(id, success, &status, killed)?,
            }
            let parties_needed = self.deployment.scenario.min_parties as usize;
            let parties_left = self.parties_left();
            let hopeless = !self.failures.is_empty()
                && (self.failures.iter().any(|(id, _)| id == COORDINATOR)
                    || self.programs.len() > 1 && parties_left < parties_needed);
            if self.running.is_empty() || self.serving && !self.rows_run() {
                return self.conclude();
            }
            if hopeless && deadline.is_none() {
                deadline = Some(tokio::time::Instant::now() + LAST_WORDS);
            } else if self.done.contains(COORDINATOR) && deadline.is_none() && !self.serving {
                deadline = Some(tokio::time::Instant::now() + FAREWELL);
            }
        }
    }

    fn start(&mut self, id: &str, role: &'static str, config: PathBuf) -> Result<()> {
        let log = self.deployment.layout.log(id);
        let program = Program {
            id: id.to_owned(),
            role,
            config,
            log,
        };
        self.children.start(&self.executable, &program)?;
        self.running.insert(id.to_owned());
        self.programs.insert(id.to_owned(), program);
        Ok(())
    }

    fn event(&mut self, id: &str, event: ProgressEvent) -> Result<()> {
        self.bars.show(id, &event);
        let now = self.started.elapsed().as_secs_f64();
        match &event {
            ProgressEvent::Listening { address } if self.programs.len() == 1 => {
                // A restarted coordinator must be found where the parties dial.
                self.deployment.coordinator(address)?;
                for (position, party) in self.deployment.scenario.parties.iter().enumerate() {
                    let config = self.deployment.party(position, address)?;
                    self.start(&party.id, "party", config)?;
                }
            }
            ProgressEvent::Phase { name, .. } => {
                self.timeline.phase(id, name, now);
                if name == COUNTING {
                    *self.counted.entry(id.to_owned()).or_default() += 1;
                }
                self.rehearse(id, name);
            }
            ProgressEvent::RoundDone { .. } => self.timeline.end(id, now),
            ProgressEvent::Dropped { party, reason }
                if id == COORDINATOR && !self.left_out.contains(party) =>
            {
                self.bars.say(&format!("party {party:?} is left out: {reason}"));
                self.left_out.push(party.clone());
            }
            ProgressEvent::Finished => {
                self.timeline.end(id, now);
                if id == COORDINATOR && self.deployment.serve {
                    self.serving = true;
                    self.done.insert(id.to_owned());
                }
            }
            ProgressEvent::Stopped => {
                self.stopped.insert(id.to_owned());
                self.timeline.end(id, now);
            }
            ProgressEvent::Failed { reason } => {
                self.timeline.end(id, now);
                self.failures.push((id.to_owned(), reason.clone()));
            }
            _ => {}
        }
        Ok(())
    }

    /// Sets off what is due when a process enters a phase.
    fn rehearse(&mut self, id: &str, phase: &str) {
        let begun = self.counted.get(id).copied().unwrap_or(0);
        for rehearsal in &self.rehearsals {
            let concerned = rehearsal.id == id || rehearsal.id == COORDINATOR && id != COORDINATOR;
            if concerned && rehearsal.is_due(begun, phase) {
                self.children.kill(&rehearsal.id);
            }
        }
    }

    fn ended(&mut self, id: String, success: bool, status: &str, killed: bool) -> Result<()> {
        self.running.remove(&id);
        self.timeline.end(&id, self.started.elapsed().as_secs_f64());
        if killed {
            let position = self.rehearsals.iter().position(|rehearsal| rehearsal.id == id);
            let fault = position.map(|at| self.rehearsals.remove(at).fault);
            match (fault, self.programs.get(&id)) {
                (Some(Fault::Crash), Some(program)) => {
                    self.bars
                        .say(&format!("rehearsal: {id} was killed and starts again"));
                    let (role, config) = (program.role, program.config.clone());
                    self.start(&id, role, config)?;
                }
                _ => self.dropped(&id),
            }
        } else if self.stopped.contains(&id) {
            self.bars.say(&format!("{id} was stopped"));
        } else if success {
            self.done.insert(id);
        } else if !self.failures.iter().any(|(other, _)| *other == id) {
            let reason = last_words(&self.deployment.layout.log(&id))
                .unwrap_or_else(|| format!("it ended with {status}"));
            self.failures.push((id, reason));
        }
        Ok(())
    }

    /// A party is gone for good. If the others are too few, there is no use in waiting for it as long as a
    /// coordinator would that does not know.
    fn dropped(&mut self, id: &str) {
        self.bars.say(&format!("rehearsal: {id} was killed for good"));
        let needed = self.deployment.scenario.min_parties;
        if self.parties_left() < needed as usize {
            let reason =
                format!("it was killed for good, and the run needs {needed} parties (run.min_parties)");
            self.failures.push((id.to_owned(), reason));
        }
    }

    /// Whether a party with rows has not ended.
    fn rows_run(&self) -> bool {
        let parties = self.deployment.scenario.parties.iter();
        let mut rows = parties.filter(|party| party.role == Role::Rows);
        rows.any(|party| self.running.contains(&party.id))
    }

    fn parties_left(&self) -> usize {
        self.running
            .iter()
            .chain(&self.done)
            .filter(|id| *id != COORDINATOR)
            .count()
    }

    fn conclude(&self) -> Result<()> {
        if self.done.contains(COORDINATOR) {
            return Ok(());
        }
        // On a terminal Ctrl-C reaches every process, and some are faster than this one.
        if !self.stopped.is_empty() && self.failures.is_empty() {
            return Err(CliError::Interrupted);
        }
        let is = |wanted: &str| self.failures.iter().find(|(id, _)| id == wanted);
        let culprit = self
            .left_out
            .iter()
            .find_map(|id| is(id))
            .or(self.failures.first())
            .or_else(|| is(COORDINATOR));
        let (id, mut reason) = match culprit {
            Some((id, reason)) => (id.as_str(), reason.clone()),
            None => (COORDINATOR, "no process is left and there is no model".to_owned()),
        };
        let log = self.deployment.layout.log(id);
        if let Some(detail) = last_error(&log).filter(|detail| !reason.contains(detail.as_str())) {
            reason = format!("{reason}\n  {detail}");
        }
        let process = if id == COORDINATOR {
            id.to_owned()
        } else {
            format!("party {id:?}")
        };
        Err(CliError::Process { process, reason, log })
    }
}

/// The last line of a log, for a process that ended without an event.
fn last_words(log: &Path) -> Option<String> {
    let log = std::fs::read_to_string(log).ok()?;
    log.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .map(str::to_owned)
}

/// What a process told its own operator alone: row, column and value are in its log and never in a message.
fn last_error(log: &Path) -> Option<String> {
    let log = std::fs::read_to_string(log).ok()?;
    log.lines().rev().find_map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).ok()?;
        (entry.get("level")?.as_str()? == "ERROR").then_some(())?;
        entry
            .get("error")
            .or(entry.get("message"))?
            .as_str()
            .map(str::to_owned)
    })
}

/// Stretches of each process's time, from its events.
#[derive(Default)]
struct Timeline {
    spans: Vec<Span>,
    open: BTreeMap<String, (String, f64)>,
}

impl Timeline {
    fn phase(&mut self, id: &str, phase: &str, now: f64) {
        if self.open.get(id).is_some_and(|(open, _)| open == phase) {
            return;
        }
        self.end(id, now);
        self.open.insert(id.to_owned(), (phase.to_owned(), now));
    }

    fn end(&mut self, id: &str, now: f64) {
        if let Some((phase, start)) = self.open.remove(id) {
            self.spans.push(Span {
                id: id.to_owned(),
                phase,
                start,
                end: now,
            });
        }
    }
}
