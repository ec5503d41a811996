//! Forests that are served.

use std::path::Path;

use hedgerow_forest::ensemble::Ensemble;
use hedgerow_inference::service::forest::{HostedForest, MAX_ROWS};
use hedgerow_inference::trees::{EncryptedForest, Mode, Options};
use tracing::{info, warn};

use crate::error::{CliError, Result};

/// The mode of `--mode`; without it the one that tells a client least.
///
/// # Errors
/// Names of no mode, or of one that is not there yet.
pub fn mode(asked: Option<&str>) -> Result<Mode> {
    match asked {
        Some(text) => text
            .parse::<Mode>()
            .map_err(|error| CliError::Config(format!("--mode: {error}"))),
        None => Ok(Mode::PrivateModel),
    }
}

/// Compiles a forest.
///
/// # Errors
/// A forest that does not fit the mode, with a mode that it fits; more rows in a request than a forest takes.
pub fn host(path: &Path, name: String, model: &Ensemble, mode: Mode, batch: u32) -> Result<HostedForest> {
    let wrong = |error: &dyn std::fmt::Display| CliError::Config(format!("{}: {error}", path.display()));
    let rows = batch as usize;
    if rows > MAX_ROWS {
        let most = format!("--batch {rows}: a request about a forest carries at most {MAX_ROWS} rows");
        return Err(wrong(&most));
    }
    let forest = EncryptedForest::compile(model, mode, &Options::default()).map_err(|error| wrong(&error))?;
    let plan = forest.plan();
    info!(
        model = name,
        trees = plan.trees,
        leaves = plan.leaves,
        degree = plan.parameters.degree(),
        flooding_bits = plan.flooding_bits,
        predicted_ms = plan.seconds * 1e3,
        "compiled for {mode}"
    );
    if !plan.exact_bins {
        warn!(
            model = name,
            "a feature has more thresholds than 63: some are merged, and scores are those of that binned forest"
        );
    }
    Ok(HostedForest::new(name, forest, rows))
}
