//! `hedgerow plan net`: how a network would be evaluated under encryption, before any key is made.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hedgerow_inference::graph::{Graph, Outline, PartKind};
use hedgerow_inference::plan::{Asked, CostTable, Objective, Plan, PlanError, outline, plan};

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
    /// Most bytes of keys and model in the server's memory, as 8GiB or 512MiB; a number alone is MiB
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_memory: Option<u64>,
    /// Plan for a model that is encrypted too: its owner asks, and the server is given this plan and no weights
    #[arg(long)]
    pub encrypted_model: bool,
    #[command(flatten)]
    pub activations: Calibrate,
    /// Prices of operations, as `hedgerow bench he` writes them [default: those of the project's machine]
    #[arg(long, value_name = "FILE")]
    pub costs: Option<PathBuf>,
    /// Writes the plan of `--objective` to this file, as JSON
    #[arg(long, value_name = "FILE", requires = "objective")]
    pub out: Option<PathBuf>,
}

/// What replaces activations that are no polynomials.
#[derive(Debug, Clone, Default, Args)]
pub struct Calibrate {
    /// Sample inputs of a network, .npy or CSV: Relu, Sigmoid, SiLU, GELU, Tanh, Erf are replaced by polynomials on the
    /// intervals that these show, widened by a quarter
    #[arg(long, value_name = "FILE")]
    pub calibrate: Option<PathBuf>,
    /// Degree of these polynomials [default: 8; 2 where `plan net` plans from shapes alone]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub degree: Option<u32>,
}

/// Degree of replacements: 4, 8 and 16 use their levels best.
const DEGREE: u32 = 8;
/// What samples show is widened by it, about its middle.
const MARGIN: f64 = 1.25;
/// Samples that are looked at.
const SAMPLES: usize = 1000;

impl Calibrate {
    /// The network with its activations replaced, and what there is to say of that; unchanged where it has none.
    ///
    /// # Errors
    /// Activations without samples, samples that do not read or do not fit.
    pub fn apply(&self, path: &Path, graph: Graph) -> Result<(Graph, Vec<String>)> {
        let open = graph
            .activations()
            .next()
            .map(|(node, name)| format!("node `{node}`: {name}"));
        match (open, &self.calibrate) {
            (None, _) => Ok((graph, Vec::new())),
            (Some(open), None) => Err(CliError::Config(format!(
                "{}: {open} is no polynomial; give sample inputs with --calibrate FILE.npy, and it is replaced by one",
                path.display()
            ))),
            (Some(_), Some(file)) => {
                let (rows, _) = crate::query::input::Input::read(file)?.rows(&[])?;
                let samples: Vec<Vec<f64>> = rows.iter().take(SAMPLES).map(<[f64]>::to_vec).collect();
                let degree = self.degree.unwrap_or(DEGREE) as usize;
                let wrong = |error: &dyn std::fmt::Display| {
                    CliError::Config(format!("--calibrate {}: {error}", file.display()))
                };
                let (graph, replaced) = graph
                    .calibrate(&samples, degree, MARGIN)
                    .map_err(|error| wrong(&error))?;
                Ok((graph, replaced.iter().map(ToString::to_string).collect()))
            }
        }
    }
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
    let path = &arguments.model;
    let bytes = std::fs::read(path).map_err(CliError::file(path, "reading"))?;
    let wanted = arguments.objective.map_or(ALL.to_vec(), |one| vec![one]);
    // What the outline does not know, the graph may: its refusals are the ones to show.
    let shapes = Outline::from_onnx(&bytes).ok().filter(|outline| {
        let open = |part: &hedgerow_inference::graph::Part| part.kind == PartKind::Activation;
        let uncalibrated = arguments.activations.calibrate.is_none();
        !outline.complete || outline.products() > LARGE || (uncalibrated && outline.parts.iter().any(open))
    });
    let graph = match &shapes {
        Some(_) => None,
        None => {
            let (graph, said) = arguments.activations.apply(path, network(path)?)?;
            said.iter().for_each(|line| println!("{line}"));
            Some(graph)
        }
    };
    for objective in wanted {
        let name = objective.to_possible_value();
        let name = name.map(|value| value.get_name().to_owned()).unwrap_or_default();
        let asked = asked(arguments, objective)?;
        let wrong = |error: PlanError| CliError::Config(format!("{}: {error}", path.display()));
        match (&shapes, &graph) {
            (Some(shapes), _) => {
                let found = outline(shapes, &asked).map_err(wrong)?;
                write(arguments, &found)?;
                println!("best for {name}\n{found}");
            }
            (None, Some(graph)) => {
                let found: Plan = plan(graph, &asked).map_err(wrong)?;
                write(arguments, &found)?;
                println!("best for {name}\n{found}");
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// Products of a network beyond which its maps are not written down: it is planned from its shapes.
const LARGE: u64 = 20_000_000;

/// The plan as JSON, where a file for it is asked for.
fn write(arguments: &Net, plan: &impl serde::Serialize) -> Result<()> {
    let Some(out) = &arguments.out else { return Ok(()) };
    let mut text = serde_json::to_vec_pretty(plan).map_err(CliError::library("write the plan"))?;
    text.push(b'\n');
    std::fs::write(out, text).map_err(CliError::file(out, "writing the plan"))
}

/// Bytes, as `8GiB`, `512MiB` or a number of MiB.
fn bytes(text: &str) -> std::result::Result<u64, String> {
    let (number, unit) = match text {
        _ if text.ends_with("GiB") => (text.trim_end_matches("GiB"), 1 << 30),
        _ => (text.trim_end_matches("MiB"), 1_u64 << 20),
    };
    let number: u64 = number
        .trim()
        .parse()
        .map_err(|_| format!("`{text}`: expected a whole number of GiB or MiB, as 8GiB"))?;
    number
        .checked_mul(unit)
        .ok_or_else(|| format!("`{text}` is more than any memory"))
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

/// What is asked of the planner.
fn asked(arguments: &Net, objective: For) -> Result<Asked> {
    let costs = match &arguments.costs {
        None => CostTable::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(CliError::file(path, "reading"))?;
            CostTable::parse(&text)
                .map_err(|error| CliError::Config(format!("{}: {error}", path.display())))?
        }
    };
    Ok(Asked {
        objective: objective.objective(),
        batch: arguments.batch as usize,
        max_memory: arguments.max_memory,
        encrypted_model: arguments.encrypted_model,
        degree: arguments.activations.degree.unwrap_or(2) as usize,
        costs,
        ..Asked::default()
    })
}
