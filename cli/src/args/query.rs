//! Arguments of `hedgerow query`.

use clap::Args;
use std::path::PathBuf;

/// `hedgerow query`.
///
/// Three ways to ask:
///
/// `--to HOST:PORT` asks a service (`hedgerow serve`) about rows that it does not see: keys are made and kept here, the
/// input is encrypted, the answer is opened here. `--local` starts such a service as a process of its own on this machine.
///
/// `--config PARTY.toml` asks the running parties of a finished run of joined data. A model over joined data cannot score a
/// row alone: part of the row is at other parties. This command is the party with rows, come back after its run: it computes
/// on the attribute parties' encrypted tables, and they learn nothing but how many scores are asked of them. It needs
/// `queries = true` in party.toml before the run, a consortium with a `[prediction]`, a coordinator with `serve = true` that is
/// running, and the attribute parties' processes. Rows go through the same features as in training. The limits of the run
/// (prediction.rows, prediction.per_entity) hold over all queries, and over the test rows of the run; a query beyond them
/// asks nothing. Entities that no row named when the run began read as missing. The same rows may be asked about again at no
/// cost, and bring the same scores.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whom").required(true).args(["to", "local", "config"]))]
pub struct Query {
    /// Ask this service of encrypted evaluation
    #[arg(long, value_name = "HOST:PORT")]
    pub to: Option<String>,
    /// Start a service of --model on this machine, as a process of its own, and ask it
    #[arg(long, requires = "model")]
    pub local: bool,
    /// The configuration file of the party with rows
    #[arg(long, value_name = "PARTY.toml")]
    pub config: Option<PathBuf>,
    /// Rows. Of a service: an array of numbers (.npy, the first dimension counts rows) or CSV with numbers alone. With
    /// --config: without labels or with some that are not looked at, a CSV or Parquet file, a folder, or SQL
    #[arg(long, value_name = "SOURCE", required_unless_present = "forget")]
    pub input: Option<String>,
    /// Where the scores go: .csv; with --config .csv or .parquet: the row's id, score, and 1 if it is positive at the model's
    /// threshold
    #[arg(long, value_name = "FILE", required_unless_present_any = ["forget", "to", "local"])]
    pub output: Option<PathBuf>,
    /// The column that tells the rows apart [default: `[data] id` of the party, else the number of the row]
    #[arg(long, value_name = "COLUMN", requires = "config")]
    pub id: Option<String>,
    /// The run, if several were kept
    #[arg(long, value_name = "RUN", requires = "config")]
    pub run: Option<String>,
    /// Score though attribute parties do not answer: what is at them reads as missing
    #[arg(long, requires = "config")]
    pub allow_missing: bool,
    /// Seconds to wait for the coordinator, or for a service that says nothing
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub wait: u64,
    /// Ask nothing: erase what was kept of the run, and with it all further queries
    #[arg(long, requires = "config", conflicts_with_all = ["input", "output", "id", "allow_missing"])]
    pub forget: bool,
    #[command(flatten)]
    pub service: crate::query::ServiceArguments,
}
