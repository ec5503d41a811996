//! `hedgerow generate`: data sets to try the system on, with a scenario that runs them.

pub mod adult;
pub mod rows;
mod table;

use crate::error::{CliError, Result};
use std::path::Path;

/// Name of the scenario file that a generator leaves beside its data.
pub const SCENARIO_FILE: &str = "scenario.toml";

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(CliError::file(path, "writing"))
}

fn folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(CliError::file(path, "creating"))
}
