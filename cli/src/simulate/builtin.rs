//! Scenarios that come with the program. They are written out first, so that they run like anybody's.

use super::layout::Layout;
use super::payments::{self, NODES, Scale};
use crate::args::{BuiltInPartition, Which};
use crate::error::{CliError, Result};
use crate::generate::{self, SCENARIO_FILE};
use std::path::PathBuf;

/// The name and the file of the scenario that was asked for; `resume` takes up the one that lies there.
///
/// # Errors
/// An option that belongs to another scenario, or a folder that cannot be written.
pub fn find(which: &Which, resume: bool, layout: &Layout) -> Result<(String, PathBuf)> {
    let name = which.scenario.display().to_string();
    let of_payments = which.scale.is_some() || which.nodes.is_some();
    let only = |option: &str, scenario: &str| {
        Err(CliError::Config(format!(
            "{option} belongs to `simulate {scenario}`, not to `simulate {name}`"
        )))
    };
    if of_payments && name != "payments" {
        return only("--scale and --nodes", "payments");
    }
    if which.partition.is_some() && name != "adult" {
        return only("--partition", "adult");
    }
    let data = layout.data();
    let path = data.join(SCENARIO_FILE);
    if resume && path.exists() {
        return Ok((name, path));
    }
    let path = match (name.as_str(), which.partition) {
        ("payments", _) => {
            let scale = which.scale.unwrap_or(Scale::Small);
            payments::generate(scale, which.nodes.unwrap_or(NODES), &data)?
        }
        ("adult", Some(BuiltInPartition::Vertical)) => generate::adult::vertical(&data)?,
        ("adult", Some(BuiltInPartition::VerticalOverThree)) => generate::adult::vertical_over_three(&data)?,
        ("adult", Some(BuiltInPartition::Horizontal) | None) => generate::adult::generate(None, &data)?,
        _ => which.scenario.clone(),
    };
    Ok((name, path))
}
