//! `hedgerow plan net`: how a network would be evaluated under encryption, before any key is made.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hedgerow_inference::graph::Graph;
use hedgerow_inference::plan::{Asked, Objective, Plan, plan};

use crate::error::{CliError, Result};

/// `hedgerow plan net`.
#[derive(Debug, Args)]
pub struct Net {
    /// The network, an ONNX file
    pub model: PathBuf,
    /// What to be best at; each in turn if absent
    #[arg(long, value_enum)]
    pub objective: Option<For>,
    /// Samples of one evaluation, at least
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Most MiB of keys and model in the server's memory
    #[arg(long, value_name = "MIB")]
    pub max_memory: Option<u64>,
    /// Writes the plan of `--objective` to this file, as JSON
    #[arg(long, value_name = "FILE", requires = "objective")]
    pub out: Option<PathBuf>,
}

/// What a plan is best at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// Seconds of one evaluation
    Latency,
    /// Seconds for each sample
    Throughput,
    /// Bytes in the server's memory
    Memory,
    /// Bytes that the client sends and receives
    Client,
}

const ALL: [For; 4] = [For::Latency, For::Throughput, For::Memory, For::Client];

impl For {
    const fn objective(self) -> Objective {
        match self {
            Self::Latency => Objective::Latency,
            Self::Throughput => Objective::Throughput,
            Self::Memory => Objective::Memory,
            Self::Client => Objective::Client,
        }
    }
}

/// Plans and prints.
///
/// # Errors
/// A file that is no network or that has an operator that cannot be evaluated; constraints that no plan keeps; an
/// output that cannot be written.
pub fn run(arguments: &Net) -> Result<()> {
    let graph = network(&arguments.model)?;
    let wanted = arguments.objective.map_or(ALL.to_vec(), |one| vec![one]);
    for objective in wanted {
        let found = search(&graph, arguments, objective, &arguments.model)?;
        let name = objective
            .to_possible_value()
            .map(|value| value.get_name().to_owned());
        println!("best for {}\n{found}", name.unwrap_or_default());
        if let Some(out) = &arguments.out {
            let mut text = serde_json::to_vec_pretty(&found).map_err(CliError::library("write the plan"))?;
            text.push(b'\n');
            std::fs::write(out, text).map_err(CliError::file(out, "writing the plan"))?;
        }
    }
    Ok(())
}

/// The network of a file, as few maps and polynomials.
///
/// # Errors
/// A file that is no network or that has an operator that cannot be evaluated.
pub fn network(path: &Path) -> Result<Graph> {
    let bytes = std::fs::read(path).map_err(CliError::file(path, "reading"))?;
    let wrong = |error: &dyn std::fmt::Display| CliError::Config(format!("{}: {error}", path.display()));
    Graph::from_onnx(&bytes)
        .and_then(|graph| graph.simplify())
        .map_err(|error| wrong(&error))
}

fn search(graph: &Graph, arguments: &Net, objective: For, path: &Path) -> Result<Plan> {
    let asked = Asked {
        objective: objective.objective(),
        batch: arguments.batch as usize,
        max_memory: arguments.max_memory.map(|mib| mib.saturating_mul(1 << 20)),
        ..Asked::default()
    };
    plan(graph, &asked).map_err(|error| CliError::Config(format!("{}: {error}", path.display())))
}
