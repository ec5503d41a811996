//! `hedgerow generate`: data sets to try the system on, with a scenario that runs them.

pub mod adult;
pub mod network;
pub mod payments;
pub mod rows;
mod table;

use crate::error::{CliError, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

/// Name of the scenario file that a generator leaves beside its data.
pub const SCENARIO_FILE: &str = "scenario.toml";

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(CliError::file(path, "writing"))
}

fn folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(CliError::file(path, "creating"))
}

/// A line that shows how many of `rows` are written; nothing where standard error is no terminal.
pub fn progress(rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} rows, {eta} left");
    let bar = ProgressBar::new(rows);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
