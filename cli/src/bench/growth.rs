//! `hedgerow bench growth`: how good forests get, by growth, epsilon and number of parties; mean and spread over seeds.
//!
//! Trees, tables and noise are those of a run; what is left out is the cryptography, which changes no table (see
//! [`crate::simulate::measure`]). Numbers of other libraries on the same rows come from `docs/reference/growth.py`.

use std::fmt;
use std::path::{Path, PathBuf};

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use crate::args::GrowthData;
use crate::error::{CliError, Result};
use crate::generate::payments::{self, Format, PaymentsSpec};
use crate::generate::{self, adult};
use crate::simulate::measure::measure;
use crate::simulate::payments::scenario;

/// What is to be measured.
pub struct Asked<'a> {
    /// On which data.
    pub data: &'a [GrowthData],
    /// Growths, as scenarios name them.
    pub growths: &'a [String],
    /// Numbers or `none`.
    pub epsilons: &'a [String],
    /// Bank nodes of payments.
    pub nodes: &'a [u32],
    /// How many seeds.
    pub seeds: u64,
    /// Training rows of payments.
    pub rows: u64,
    /// Further overrides of the scenarios.
    pub sets: &'a [String],
}

/// Mean, standard deviation, least and largest of a figure over the seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for one seed.
    pub deviation: f64,
    /// Least.
    pub least: f64,
    /// Largest.
    pub most: f64,
}

impl Spread {
    fn of(figures: &[f64]) -> Self {
        let count = figures.len() as f64;
        let mean = figures.iter().sum::<f64>() / count;
        let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / (count - 1.0).max(1.0)).sqrt(),
            least: figures.iter().copied().fold(f64::INFINITY, f64::min),
            most: figures.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Which data.
    pub data: String,
    /// How trees grew.
    pub growth: String,
    /// Number or `none`.
    pub epsilon: String,
    /// Parties, row parties among them.
    pub parties: usize,
    /// Average precision.
    pub auprc: Spread,
    /// Area under the ROC curve.
    pub auroc: Spread,
    /// Accuracy at the forest's own threshold.
    pub accuracy: Spread,
    /// Seconds of one training, counting on one core included.
    pub seconds: f64,
    /// Tables asked, of those planned, with the last seed.
    pub asked: (u32, usize),
    /// Sizes that were chosen.
    pub why: String,
}

/// All lines.
#[derive(Clone, Debug, Serialize)]
pub struct Lines {
    /// How many seeds each is over.
    pub seeds: u64,
    /// In the order of measuring.
    pub lines: Vec<Line>,
}

/// Measures everything that is asked, and writes `growth.json`.
///
/// # Errors
/// Data that cannot be written, a scenario that cannot be run.
pub async fn run(asked: &Asked<'_>, out: &Path) -> Result<Lines> {
    let mut lines = Lines {
        seeds: asked.seeds,
        lines: Vec::new(),
    };
    for data in asked.data {
        let parties: Vec<usize> = match data {
            GrowthData::Payments => asked.nodes.iter().map(|nodes| *nodes as usize + 1).collect(),
            GrowthData::Adult => vec![4],
            GrowthData::AdultVertical => vec![2],
        };
        for parties in parties {
            for growth in asked.growths {
                for epsilon in asked.epsilons {
                    let line = line(asked, *data, parties, (growth, epsilon), out).await?;
                    eprintln!("{line}");
                    lines.lines.push(line);
                }
            }
        }
    }
    let path = out.join("growth.json");
    let text = serde_json::to_vec_pretty(&lines).map_err(CliError::library("write growth.json"))?;
    std::fs::write(&path, text).map_err(CliError::file(&path, "writing"))?;
    Ok(lines)
}

async fn line(
    asked: &Asked<'_>,
    data: GrowthData,
    parties: usize,
    (growth, epsilon): (&str, &str),
    out: &Path,
) -> Result<Line> {
    let (mut auprc, mut auroc, mut accuracy, mut seconds) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    let (mut tables, mut why) = ((0, 0), String::new());
    for seed in 1..=asked.seeds {
        let scenario = prepare(asked, data, parties, seed, out)?;
        let mut sets = vec![
            format!("forest.growth={growth}"),
            format!("privacy.epsilon={epsilon}"),
            format!("run.seed={seed}"),
        ];
        sets.extend_from_slice(asked.sets);
        let measured = measure(&scenario, &sets, seed, &out.join("work")).await?;
        auprc.push(measured.metrics.auprc);
        auroc.push(measured.metrics.auroc);
        accuracy.push(measured.metrics.accuracy);
        seconds += measured.seconds;
        (tables, why) = (measured.asked, measured.growth);
    }
    Ok(Line {
        data: match data {
            GrowthData::Payments => format!("payments, {} rows", asked.rows),
            GrowthData::Adult => "Adult, horizontal".to_owned(),
            GrowthData::AdultVertical => "Adult, vertical".to_owned(),
        },
        growth: growth.to_owned(),
        epsilon: epsilon.to_owned(),
        parties,
        auprc: Spread::of(&auprc),
        auroc: Spread::of(&auroc),
        accuracy: Spread::of(&accuracy),
        seconds: seconds / asked.seeds.max(1) as f64,
        asked: tables,
        why,
    })
}

/// The scenario over the data of a seed, made if they are not there yet.
fn prepare(asked: &Asked<'_>, data: GrowthData, parties: usize, seed: u64, out: &Path) -> Result<PathBuf> {
    let nodes = parties - 1;
    let folder = out.join("data").join(match data {
        GrowthData::Adult => "adult".to_owned(),
        GrowthData::AdultVertical => "adult-vertical".to_owned(),
        GrowthData::Payments => format!("payments-{}-{nodes}-{seed}", asked.rows),
    });
    let path = folder.join(generate::SCENARIO_FILE);
    if path.exists() {
        return Ok(path);
    }
    match data {
        GrowthData::Adult => adult::generate(None, &folder),
        GrowthData::AdultVertical => adult::vertical(&folder),
        GrowthData::Payments => {
            let part = asked.rows as f64 / payments::TRAIN_ROWS as f64;
            let spec = PaymentsSpec {
                rows: asked.rows,
                test_rows: None,
                accounts: (payments::ACCOUNTS as f64 * part) as u64,
                banks: payments::BANKS,
                seed,
                format: Format::Parquet,
            };
            let written = payments::generate(&spec, &folder, &|_| ())?;
            scenario(&written, u32::try_from(nodes).unwrap_or(u32::MAX), &folder)
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            data,
            growth,
            epsilon,
            parties,
            ..
        } = self;
        write!(
            f,
            "{data}, {parties} parties, {growth}, epsilon {epsilon}: AUPRC {}, AUROC {}, accuracy {}, {:.1} s",
            self.auprc, self.auroc, self.accuracy, self.seconds
        )
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} +- {:.4}", self.mean, self.deviation)
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "data", "parties", "growth", "epsilon", "AUPRC", "least", "AUROC", "accuracy", "tables",
            "seconds",
        ]);
        for line in &self.lines {
            let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            table.add_row([
                Cell::new(&line.data),
                right(line.parties.to_string()),
                Cell::new(&line.growth),
                right(line.epsilon.clone()),
                right(line.auprc.to_string()),
                right(format!("{:.4}", line.auprc.least)),
                right(line.auroc.to_string()),
                right(line.accuracy.to_string()),
                right(format!("{} of {}", line.asked.0, line.asked.1)),
                right(format!("{:.1}", line.seconds)),
            ]);
        }
        write!(
            f,
            "{table}\nmean and standard deviation over {} seeds",
            self.seeds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_of_a_sample() {
        let spread = Spread::of(&[1.0, 2.0, 3.0]);
        assert_eq!(
            (spread.mean, spread.deviation, spread.least, spread.most),
            (2.0, 1.0, 1.0, 3.0)
        );
        assert_eq!(Spread::of(&[0.5]).deviation, 0.0);
    }
}
