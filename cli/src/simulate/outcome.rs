//! What a federated run left behind: the model, the rounds, and what every process used and paid.

use super::deploy::{COORDINATOR, Deployment};
use super::oracle::Scored;
use crate::error::{CliError, Result};
use crate::report::{Charge, Ledger, Process, Round};
use crate::scenario::{Role, Scenario};
use hedgerow_coordinator::report::RoundsFile;
use hedgerow_coordinator::{MODEL_FILE, PROCESS_FILE, ROUNDS_FILE};
use hedgerow_edge::files::{self, FileError};
use hedgerow_edge::telemetry::ProcessReport;
use hedgerow_forest::model::Forest;
use hedgerow_protocol::config::RunConfig;
use serde::de::DeserializeOwned;
use std::path::Path;

/// A finished run.
pub struct Outcome {
    /// The published model.
    pub model: Forest,
    /// Its file, byte for byte.
    pub model_text: String,
    /// What all parties signed.
    pub config: RunConfig,
    /// Every summed table, by step.
    pub rounds: Vec<Round>,
    /// Each party's ledger.
    pub ledgers: Vec<Ledger>,
    /// The coordinator's process.
    pub coordinator: Process,
    /// The parties' processes, in the scenario's order.
    pub parties: Vec<Process>,
    /// From enrolment to the published model.
    pub train_seconds: f64,
    /// Scores of the test rows that row parties asked for in private; `None` for a horizontal run.
    pub scores: Option<Scored>,
}

impl Outcome {
    /// Reads what the processes wrote. `trained` is the training time as seen from here, for runs whose
    /// coordinator was restarted and cannot know it.
    ///
    /// # Errors
    /// A file that is missing or not what it should be.
    pub fn read(deployment: &Deployment, trained: f64) -> Result<Self> {
        let result = deployment.layout.result();
        let model_text = files::read_text(&result.join(MODEL_FILE))?;
        let model = Forest::from_json(&model_text).map_err(CliError::library("read the published model"))?;
        let rounds: RoundsFile = json(&result.join(ROUNDS_FILE))?;
        let config = hex::decode(&rounds.config).map_err(CliError::library(ROUNDS_FILE))?;
        let config = RunConfig::from_bytes(&config).map_err(CliError::library(ROUNDS_FILE))?;
        let ids = || deployment.scenario.parties.iter().map(|party| party.id.as_str());
        Ok(Self {
            model,
            model_text,
            rounds: rounds
                .rounds
                .iter()
                .map(|round| Round {
                    id: round.id.clone(),
                    kind: round.kind.clone(),
                    survivors: round.survivors.iter().map(|id| id.as_str().to_owned()).collect(),
                    cells: round.cells as u64,
                    seconds: round.seconds,
                })
                .collect(),
            ledgers: match config.privacy {
                None => Vec::new(),
                Some(privacy) => ids()
                    .map(|id| ledger(deployment, id, &config.run.to_string(), privacy.delta))
                    .collect::<Result<_>>()?,
            },
            config,
            coordinator: process(deployment, COORDINATOR)?,
            parties: ids().map(|id| process(deployment, id)).collect::<Result<_>>()?,
            train_seconds: rounds.timings.train.unwrap_or(trained),
            scores: private_scores(deployment)?,
        })
    }

    /// The parties, by position, whose data are in the total of a step; beyond the last step it is the last one's.
    pub fn members(&self, step: usize, scenario: &Scenario) -> Vec<usize> {
        let Some(round) = self.rounds.get(step).or(self.rounds.last()) else {
            return Vec::new();
        };
        scenario
            .parties
            .iter()
            .enumerate()
            .filter(|(_, party)| round.survivors.contains(&party.id))
            .map(|(position, _)| position)
            .collect()
    }
}

/// The scores that all row parties wrote, one party after the other.
fn private_scores(deployment: &Deployment) -> Result<Option<Scored>> {
    if !deployment.scenario.file.data.partition.joins() {
        return Ok(None);
    }
    let mut all = Scored {
        labels: Vec::new(),
        scores: vec![Vec::new()],
    };
    for party in deployment
        .scenario
        .parties
        .iter()
        .filter(|party| party.role == Role::Rows)
    {
        let path = deployment.layout.scores(&party.id);
        let text = match files::read_text(&path) {
            // A row party that was killed for good, or whose run forbids scores.
            Err(FileError::Missing { .. }) => return Ok(None),
            text => text?,
        };
        // The first line names the columns.
        for (line, row) in text.lines().enumerate().skip(1) {
            // The first column tells the rows apart, whatever it is.
            let mut fields = row.rsplit(',');
            let (score, label) = (fields.next(), fields.next());
            let pair = score.zip(label).and_then(|(score, label)| {
                let (label, score): (u8, f64) = (label.trim().parse().ok()?, score.trim().parse().ok()?);
                Some((label, score))
            });
            let Some((label, score)) = pair else {
                return Err(CliError::Config(format!(
                    "{}:{}: expected `row,label,score`, found {row:?}",
                    path.display(),
                    line + 1
                )));
            };
            all.labels.push(label);
            all.scores.iter_mut().for_each(|scores| scores.push(score));
        }
    }
    Ok(Some(all))
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_str(&files::read_text(path)?).map_err(CliError::library(path.display().to_string()))
}

fn process(deployment: &Deployment, id: &str) -> Result<Process> {
    let path = deployment.layout.process(id).join(PROCESS_FILE);
    let report: Option<ProcessReport> = match json(&path) {
        Err(CliError::File(FileError::Missing { .. })) => None,
        other => Some(other?),
    };
    Ok(Process {
        id: id.to_owned(),
        complete: report.is_some(),
        peak_rss_mib: report.as_ref().map_or(0.0, |report| report.peak_rss_mib),
        cpu_seconds: report.as_ref().map_or(0.0, |report| report.cpu_seconds),
        bytes_sent: report.as_ref().map_or(0, |report| report.bytes_sent),
        bytes_received: report.as_ref().map_or(0, |report| report.bytes_received),
        train_rows: None,
        test_rows: None,
        entities: None,
        bytes_predicted: None,
    })
}

fn ledger(deployment: &Deployment, id: &str, run: &str, delta: f64) -> Result<Ledger> {
    // A ledger outlives runs and names them; this one has the one run.
    let this_run = format!("run {run} ");
    let short = |label: String| label.strip_prefix(&this_run).map_or(label.clone(), str::to_owned);
    let summary = hedgerow_party::ledger::Ledger::open(&deployment.layout.process(id))
        .map_err(CliError::library(format!("party {id:?}")))?
        .summary(delta);
    Ok(Ledger {
        id: id.to_owned(),
        entries: summary
            .lines
            .into_iter()
            .map(|(label, rho)| Charge {
                label: short(label),
                rho,
            })
            .collect(),
        rho: summary.rho_spent,
        epsilon: summary.epsilon_spent,
    })
}
