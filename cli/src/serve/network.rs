//! Networks to serve: with their weights, or as the plan of somebody else's network that stays encrypted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hedgerow_inference::plan::{Asked, Plan, plan};
use hedgerow_inference::service::Host;
use hedgerow_inference::service::network::HostedNetwork;
use hedgerow_inference::service::network::encrypted::HostedEncryptedNetwork;
use tracing::info;

use super::Serve;
use crate::error::{CliError, Result};

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::Config(format!("{}: {error}", path.display()))
}

fn read(file: &Path) -> Result<Plan> {
    let text = std::fs::read(file).map_err(CliError::file(file, "reading"))?;
    serde_json::from_slice(&text).map_err(|error| wrong(file, &error))
}

/// A network in the clear, compiled.
///
/// # Errors
/// A file that is no network, activations without --calibrate, a plan for another model.
pub fn host(
    arguments: &Serve,
    path: &Path,
    name: &str,
    plan_file: Option<&PathBuf>,
) -> Result<Arc<dyn Host>> {
    let graph = crate::plan::net::network(path)?;
    let (graph, said) = arguments.activations.apply(path, graph)?;
    for line in said {
        info!(model = name, "replaced {line}");
    }
    let (found, source) = match plan_file {
        Some(file) => (read(file)?, file.as_path()),
        None => {
            let asked = Asked {
                batch: arguments.batch as usize,
                ..Asked::default()
            };
            (plan(&graph, &asked).map_err(|error| wrong(path, &error))?, path)
        }
    };
    let host =
        HostedNetwork::new(name, &graph, &found, arguments.compact).map_err(|error| wrong(source, &error))?;
    Ok(Arc::new(host))
}

/// The plan of a network whose owner will ask, by the name of its file.
///
/// # Errors
/// A file that is no plan of an encrypted model, or one that does not fit together.
pub fn encrypted(file: &Path) -> Result<Arc<dyn Host>> {
    let name = file
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let host = HostedEncryptedNetwork::new(&name, &read(file)?).map_err(|error| wrong(file, &error))?;
    Ok(Arc::new(host))
}
