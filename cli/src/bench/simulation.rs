//! Runs this executable's `simulate` and reads what it reports.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::error::{CliError, Result};

/// A finished simulation.
pub struct Simulation {
    report: Value,
}

impl Simulation {
    /// Runs a scenario with overrides into a folder of its own below `work`; its output goes to a log there.
    ///
    /// # Errors
    /// The simulation's own error, with the place of its log.
    pub fn run(name: &str, scenario: &Path, work: &Path, arguments: &[&str]) -> Result<Self> {
        let out = work.join(name);
        std::fs::create_dir_all(&out).map_err(CliError::file(&out, "creating"))?;
        let log_path = work.join(format!("{name}.log"));
        let log = std::fs::File::create(&log_path).map_err(CliError::file(&log_path, "creating"))?;
        let errors = log.try_clone().map_err(CliError::file(&log_path, "creating"))?;
        let executable = std::env::current_exe().map_err(CliError::library("find this executable"))?;
        let status = Command::new(executable)
            .arg("simulate")
            .arg(scenario)
            .arg("--out")
            .arg(&out)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .status()
            .map_err(CliError::library("start a simulation"))?;
        if !status.success() {
            return Err(CliError::Config(format!(
                "the simulation {name} failed ({status}); see {}",
                log_path.display()
            )));
        }
        Self::read(&out.join("report.json"))
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(CliError::file(path, "reading"))?;
        let report = serde_json::from_slice(&text).map_err(CliError::library(path.display().to_string()))?;
        Ok(Self { report })
    }

    /// A number at a JSON pointer of the report; not a number where there is none.
    pub fn number(&self, pointer: &str) -> f64 {
        self.report
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or(f64::NAN)
    }

    /// `identical_to_pooled`, false where it is missing.
    pub fn identical(&self) -> bool {
        self.report
            .get("identical_to_pooled")
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    /// Parties in the sum of the first round.
    pub fn survivors(&self) -> usize {
        self.report
            .pointer("/rounds/0/survivors")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    /// The largest of a figure over the coordinator and all parties; not a number if any lacks it.
    pub fn largest(&self, field: &str) -> f64 {
        let processes = self
            .report
            .get("parties")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        processes
            .chain(self.report.get("coordinator"))
            .map(|process| process.get(field).and_then(Value::as_f64).unwrap_or(f64::NAN))
            .fold(0.0, |largest: f64, figure| {
                if figure.is_nan() {
                    figure
                } else {
                    largest.max(figure)
                }
            })
    }

    /// The largest of a figure over the parties alone.
    pub fn largest_of_parties(&self, field: &str) -> f64 {
        self.report
            .get("parties")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|party| party.get(field).and_then(Value::as_f64))
            .fold(f64::NAN, f64::max)
    }
}
