//! Arguments of `hedgerow simulate` and `hedgerow audit`.

use crate::simulate::payments::Scale;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `hedgerow simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    #[command(flatten)]
    pub which: Which,
    /// Where report.json, report.html and model.json go; only our own files there are replaced
    #[arg(long, default_value = "hedgerow-out", value_name = "DIR")]
    pub out: PathBuf,
    /// Continue the simulation whose state is under --out
    #[arg(long)]
    pub resume: bool,
    /// Rehearse a drop-out: kill this party at the start of a round or phase and do not restart it
    #[arg(long = "drop", value_name = "PARTY[@ROUND|PHASE]")]
    pub drops: Vec<String>,
    /// Rehearse a crash: kill this party, or the coordinator, at the start of a round or phase and restart it
    #[arg(long = "crash", value_name = "PROCESS[@ROUND|PHASE]")]
    pub crashes: Vec<String>,
    /// Of joined data: keep coordinator and attribute parties running after the report, for `hedgerow query`, until Ctrl-C
    #[arg(long)]
    pub serve: bool,
    /// Audit the mechanism, too: rehearse so many runs with canaries, for a lower bound on epsilon in the report
    #[arg(long, value_name = "RUNS", num_args = 0..=1, default_missing_value = "20")]
    pub audit: Option<u64>,
    /// Print every key of a scenario file with its default, and stop
    #[arg(long)]
    pub keys: bool,
}

/// Which scenario, of those that `hedgerow simulate` runs.
#[derive(Debug, Args)]
pub struct Which {
    /// `payments` or `adult` (built-in data), or a scenario file
    #[arg(default_value = "payments", value_name = "payments|adult|SCENARIO.toml")]
    pub scenario: PathBuf,
    /// Of `payments`: how much of it [default: small]
    #[arg(long, value_enum)]
    pub scale: Option<Scale>,
    /// Of `payments`: bank nodes, over which the banks are divided [default: 9]
    #[arg(long, value_name = "2|4|9")]
    pub nodes: Option<u32>,
    /// Of `adult`: how its table is divided over parties [default: horizontal]
    #[arg(long, value_enum)]
    pub partition: Option<BuiltInPartition>,
    /// Override a key of the scenario, as `forest.trees=200`; a value that is not TOML is a string
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// `hedgerow audit`.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(flatten)]
    pub which: Which,
    /// Training runs, each with noise, structure and coins of its own
    #[arg(long, default_value_t = 20)]
    pub runs: u64,
    /// Rows that are made up, each included by a fair coin; half of them are guessed about
    #[arg(long, default_value_t = 400)]
    pub canaries: usize,
    /// Seed of canaries, coins, noise and trees
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where audit.json goes; only our own files there are replaced
    #[arg(long, default_value = "hedgerow-audit", value_name = "DIR")]
    pub out: PathBuf,
}

/// How a built-in table is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BuiltInPartition {
    /// By rows.
    Horizontal,
    /// By columns, over two parties.
    Vertical,
    /// By columns, over three parties, with trees that join attributes of two.
    #[value(name = "vertical-3")]
    VerticalOverThree,
}
