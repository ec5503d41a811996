//! Scenarios that come with the program. They are written out first, so that they run like anybody's.

use super::layout::Layout;
use super::payments::{self, NODES, Scale};
use crate::args::{BuiltInPartition, Simulate};
use crate::error::{CliError, Result};
use crate::generate::{self, SCENARIO_FILE};
use std::path::PathBuf;

/// The name and the file of the scenario that was asked for.
///
/// # Errors
/// An option that belongs to another scenario, or a folder that cannot be written.
pub fn find(arguments: &Simulate, layout: &Layout) -> Result<(String, PathBuf)> {
    let name = arguments.scenario.display().to_string();
    let of_payments = arguments.scale.is_some() || arguments.nodes.is_some();
    let only = |option: &str, scenario: &str| {
        Err(CliError::Config(format!(
            "{option} belongs to `simulate {scenario}`, not to `simulate {name}`"
        )))
    };
    if of_payments && name != "payments" {
        return only("--scale and --nodes", "payments");
    }
    if arguments.partition.is_some() && name != "adult" {
        return only("--partition", "adult");
    }
    let data = layout.data();
    let path = data.join(SCENARIO_FILE);
    if arguments.resume && path.exists() {
        return Ok((name, path));
    }
    let path = match (name.as_str(), arguments.partition) {
        ("payments", _) => {
            let scale = arguments.scale.unwrap_or(Scale::Small);
            payments::generate(scale, arguments.nodes.unwrap_or(NODES), &data)?
        }
        ("adult", Some(BuiltInPartition::Vertical)) => generate::adult::vertical(&data)?,
        ("adult", Some(BuiltInPartition::VerticalOverThree)) => generate::adult::vertical_over_three(&data)?,
        ("adult", Some(BuiltInPartition::Horizontal) | None) => generate::adult::generate(None, &data)?,
        _ => arguments.scenario.clone(),
    };
    Ok((name, path))
}
