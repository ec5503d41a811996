//! What a simulation leaves behind: `report.json` for programs, `report.html` for people.

pub mod audit;
mod bars;
mod html;
mod joined;
pub mod learned;
mod plot;
pub mod table;

pub use bars::bytes;

use crate::error::{CliError, Result};
use hedgerow_protocol::config::RunConfig;
use serde::Serialize;
use std::path::Path;

/// Everything a simulation found out; `report.json` is this, field by field.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of the program.
    pub hedgerow: &'static str,
    /// Name of the task.
    pub task: String,
    /// Scenario file, or `adult`.
    pub scenario: String,
    /// When the simulation ended, RFC 3339 in UTC.
    pub created: String,
    /// The federated model on all parties' test rows.
    pub metrics: Metrics,
    /// The same forest trained without noise on the rows of all parties.
    pub pooled: Metrics,
    /// The best of the forests that one row party trains alone from its own columns, without noise.
    pub best_single: BestSingle,
    /// Is the federated model, byte for byte, the forest of the pooled rows of each round's survivors?
    /// `None` with noise, which makes the question meaningless.
    pub identical_to_pooled: Option<bool>,
    /// Are the scores that row parties asked for in private, one by one, those of the model on the joined rows?
    /// `None` in horizontal runs, and with output noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores_identical: Option<bool>,
    /// Every summed table.
    pub rounds: Vec<Round>,
    /// What was promised and spent.
    pub privacy: Privacy,
    /// What an audit found, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<audit::Audit>,
    /// What each role learned, and what it was promised.
    pub learned: Vec<learned::Learned>,
    /// What the model's statement adds, in sentences: what alignment and scores reveal among it.
    pub notes: Vec<String>,
    /// Wall-clock seconds.
    pub seconds: Seconds,
    /// The coordinator's process.
    pub coordinator: Process,
    /// The parties' processes.
    pub parties: Vec<Process>,
    /// What was configured.
    pub settings: Settings,
    /// Curves on the test rows.
    pub curves: Curves,
    /// Who did what when.
    pub timeline: Vec<Span>,
}

/// Quality on the test rows.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metrics {
    /// Area under the precision-recall curve (average precision).
    pub auprc: f64,
    /// Area under the receiver operating characteristic.
    pub auroc: f64,
    /// Share of rows classified correctly at the model's threshold.
    pub accuracy: f64,
}

/// The best party alone, by AUPRC.
#[derive(Clone, Debug, Serialize)]
pub struct BestSingle {
    /// Which party.
    pub id: String,
    /// Its forest's quality on all parties' test rows.
    #[serde(flatten)]
    pub metrics: Metrics,
}

/// One summed table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Round {
    /// `step.attempt`.
    pub id: String,
    /// `leaves` or `threshold`.
    pub kind: String,
    /// Parties whose rows are in the total.
    pub survivors: Vec<String>,
    /// Cells of the table.
    pub cells: u64,
    /// From its start to its total; `None` if the coordinator was restarted in between.
    pub seconds: Option<f64>,
}

/// Promise and spending.
#[derive(Clone, Debug, Serialize)]
pub struct Privacy {
    /// Whole run's epsilon; `None`: no noise.
    pub epsilon: Option<f64>,
    /// Whole run's delta; `None`: no noise.
    pub delta: Option<f64>,
    /// What is protected.
    pub unit: &'static str,
    /// Epsilon at `delta` that the dearest party's ledger charged; 0 without noise.
    pub spent: f64,
    /// What the budget buys, in the order of the run.
    pub stages: Vec<Stage>,
    /// Each party's ledger.
    pub ledgers: Vec<Ledger>,
}

/// Queries that serve one purpose, as planned: a run that stops growing early asks fewer.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// What for.
    pub name: String,
    /// How many.
    pub queries: usize,
    /// Cells of all of them.
    pub cells: u64,
    /// zCDP of all of them; 0 without noise.
    pub rho: f64,
    /// Standard deviation of a released cell, of the least and of the most noisy one; none without noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma: Option<(f64, f64)>,
}

impl Stage {
    /// The stages of a run.
    pub fn of(config: &RunConfig) -> Vec<Self> {
        let stages = hedgerow_protocol::privacy::stages(config).unwrap_or_default();
        let stages = stages.into_iter().map(|stage| Self {
            name: stage.name,
            queries: stage.queries,
            cells: stage.cells,
            rho: stage.rho,
            sigma: stage.sigma,
        });
        stages.collect()
    }

    /// Its noise in words.
    pub fn noise(&self) -> String {
        match self.sigma {
            None => "none".to_owned(),
            Some((least, most)) if least == most => format!("{least:.1}"),
            Some((least, most)) => format!("{least:.1} to {most:.1}"),
        }
    }
}

/// One party's privacy ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Ledger {
    /// Which party.
    pub id: String,
    /// Its charges.
    pub entries: Vec<Charge>,
    /// Their sum, zCDP.
    pub rho: f64,
    /// Their sum as epsilon at the run's delta.
    pub epsilon: f64,
}

/// One charge of a ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Charge {
    /// Which run, round and table.
    pub label: String,
    /// zCDP charged.
    pub rho: f64,
}

/// Wall-clock seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Seconds {
    /// The whole command.
    pub total: f64,
    /// From enrolment to the published model, reading the data included.
    pub train: f64,
    /// Scores of all test rows by the federated model, reading included.
    pub predict: f64,
    /// The forests it is compared with.
    pub baselines: f64,
    /// What a joined run spent its time on.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// Seconds in which any process was in a phase of a joined run; phases of different processes overlap.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Split {
    /// Finding the entities that two parties both know.
    pub alignment: f64,
    /// Attribute parties' encryptions, until they have arrived.
    pub encryption: f64,
    /// Row parties' products and attribute parties' openings.
    pub inner_products: f64,
    /// Keys, shares, masked uploads, unmasking.
    pub summation: f64,
    /// Private scores of all test rows.
    pub prediction: f64,
}

/// One process.
#[derive(Clone, Debug, Serialize)]
pub struct Process {
    /// Party id, or `coordinator`.
    pub id: String,
    /// Did it end by itself? A process that was killed for good left no figures: they are 0.
    pub complete: bool,
    /// Largest resident memory, MiB.
    pub peak_rss_mib: f64,
    /// Processor time of all its threads.
    pub cpu_seconds: f64,
    /// Bytes it sent over the network, framing included.
    pub bytes_sent: u64,
    /// Bytes it received.
    pub bytes_received: u64,
    /// Training rows; the coordinator has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_rows: Option<u64>,
    /// Test rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_rows: Option<u64>,
    /// Entities of an attribute party.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entities: Option<u64>,
    /// Bytes that it was predicted to send in training, before the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_predicted: Option<u64>,
}

/// What was configured, defaults filled in.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// How the data are divided.
    pub partition: &'static str,
    /// How keys were aligned, in joined runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<&'static str>,
    /// Trees of the forest.
    pub trees: u32,
    /// Levels of each.
    pub depth: u8,
    /// Value bins of a numeric column.
    pub bins: u16,
    /// How the trees grow.
    pub growth: &'static str,
    /// Why that growth and these sizes.
    pub why: String,
    /// How tables are summed.
    pub aggregation: &'static str,
    /// Fewest parties of a sum.
    pub min_parties: u32,
    /// Parties that may collude with the coordinator.
    pub collusion: u32,
    /// Features.
    pub features: usize,
    /// Was the schema derived from the data?
    pub schema_derived: bool,
}

/// Curves of the three models, thinned for drawing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Curves {
    /// Receiver operating characteristics: (false positive rate, true positive rate).
    pub roc: Series,
    /// Precision-recall: (recall, precision).
    pub pr: Series,
}

/// One curve per model.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Series {
    /// Federated.
    pub federated: Vec<(f64, f64)>,
    /// Pooled.
    pub pooled: Vec<(f64, f64)>,
    /// Best party alone.
    pub best_single: Vec<(f64, f64)>,
}

/// A stretch of one process's time.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// Party id, or `coordinator`.
    pub id: String,
    /// What it did.
    pub phase: String,
    /// Seconds since the processes were started.
    pub start: f64,
    /// The same.
    pub end: f64,
}

impl Report {
    /// Were rows of some parties joined with attributes of others?
    pub fn is_joined(&self) -> bool {
        self.settings.alignment.is_some()
    }

    /// What the best party alone is called.
    pub fn single_name(&self) -> String {
        if self.is_joined() {
            format!("{} alone, own columns, no noise", self.best_single.id)
        } else {
            format!("best party alone ({}), no noise", self.best_single.id)
        }
    }

    /// Writes `report.json` and `report.html` into `out`.
    ///
    /// # Errors
    /// [`CliError::File`] if the folder cannot be written (a full disk, say).
    pub fn write(&self, out: &Path) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(self).map_err(CliError::library("write report.json"))?;
        json.push(b'\n');
        let page = html::page(self)?;
        for (name, bytes) in [("report.json", json), ("report.html", page.into_bytes())] {
            let path = out.join(name);
            std::fs::write(&path, bytes).map_err(CliError::file(&path, "writing"))?;
        }
        Ok(())
    }
}

/// At most `most` points of a curve, the first and the last among them.
pub fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(most.max(2)).max(1);
    let mut thinned: Vec<(f64, f64)> = points.iter().step_by(step).copied().collect();
    if let Some(last) = points.last().filter(|last| thinned.last() != Some(last)) {
        thinned.push(*last);
    }
    thinned
}

#[cfg(test)]
mod tests;
