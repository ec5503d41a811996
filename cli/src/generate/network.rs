//! `hedgerow generate network`: well-known networks as ONNX files, to plan.

use std::path::PathBuf;

use clap::Args;
use hedgerow_inference::graph::zoo::{self, NAMES, Weights};

use crate::error::{CliError, Result};

/// `hedgerow generate network`.
#[derive(Debug, Args)]
pub struct Network {
    /// lenet5, alexnet, vgg16, resnet18, resnet50 or squeezenet
    pub name: String,
    /// Declare the weights and leave them out: a small file that can be planned, not run
    #[arg(long)]
    pub shapes_only: bool,
    /// The same seed gives the same weights
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Writes it.
///
/// # Errors
/// A name that there is not, or a file that cannot be written.
pub fn run(asked: &Network) -> Result<()> {
    let (name, out) = (&asked.name, &asked.out);
    let weights = if asked.shapes_only {
        Weights::Declared
    } else {
        Weights::Random(asked.seed)
    };
    let bytes = zoo::onnx(name, weights)
        .ok_or_else(|| CliError::Config(format!("no network `{name}`; there are {}", NAMES.join(", "))))?;
    std::fs::write(out, &bytes).map_err(CliError::file(out, "writing the network"))?;
    println!("{}: {name}, {:.1} MB", out.display(), bytes.len() as f64 / 1e6);
    println!("hedgerow plan net {}", out.display());
    Ok(())
}
