//! What can be typed.

use crate::generate::payments;
use crate::plan::Plan;
use crate::simulate::payments::Scale;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// Private federated forests: several organisations learn one forest, and nobody shows a row.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train with a coordinator and several parties on this machine, and compare with central training
    Simulate(Simulate),
    /// Run the coordinator of a consortium
    Coordinator(Process),
    /// Run a party, or check that it could
    Party(Party),
    /// Make keys and certificates
    #[command(subcommand)]
    Provision(Provision),
    /// Write data to try things on, with a scenario that runs it
    #[command(subcommand)]
    Generate(Generate),
    /// Say what a budget will buy, before any data is touched
    #[command(subcommand)]
    Plan(Plan),
    /// Attack what a scenario would release, with canaries: a lower bound on epsilon, and membership inference
    Audit(Audit),
    /// Score rows with a model
    Predict(Predict),
    /// Answer encrypted questions about a model: the server sees no row and no score
    Serve(crate::serve::Serve),
    /// Score rows in private: encrypted, with a service; or with the running parties of a finished run of joined data
    Query(Query),
    /// Describe a model
    Inspect(Inspect),
    /// Write a model for other programs: ONNX or plain JSON
    Export(Export),
    /// Measure what is promised, against a baseline of the same run
    #[command(subcommand)]
    Bench(Bench),
    /// Read a party's privacy ledger
    #[command(subcommand)]
    Ledger(Ledger),
}

/// `hedgerow bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Federated against central training, the routing kernel, identical models
    Train {
        /// Synthetic rows over ten parties
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
        /// Where bench.json and the runs go
        #[arg(long, default_value = "hedgerow-bench/train", value_name = "DIR")]
        out: PathBuf,
    },
    /// How good forests get by growth, epsilon and number of parties: mean and spread over several seeds
    Growth {
        /// Data to learn from
        #[arg(value_enum, default_values_t = [GrowthData::Payments, GrowthData::Adult, GrowthData::AdultVertical])]
        data: Vec<GrowthData>,
        /// Growths to compare, as `forest.growth` names them
        #[arg(long, value_delimiter = ',', default_value = "random,quantile,greedy,boosted")]
        growths: Vec<String>,
        /// Privacy budgets, numbers or `none`
        #[arg(long, value_delimiter = ',', default_value = "none,1,0.1")]
        epsilons: Vec<String>,
        /// Bank nodes of payments
        #[arg(long, value_delimiter = ',', default_value = "2,4,9")]
        nodes: Vec<u32>,
        /// Seeds, of generated data, of trees and of noise
        #[arg(long, default_value_t = 5)]
        seeds: u64,
        /// Payments to learn from [default: a tenth of the challenge's]
        #[arg(long, default_value_t = 299_387)]
        rows: u64,
        /// Further settings of the scenarios, `key=value`
        #[arg(long = "set", value_name = "KEY=VALUE")]
        sets: Vec<String>,
        /// Where growth.json and the data go
        #[arg(long, default_value = "hedgerow-bench/growth", value_name = "DIR")]
        out: PathBuf,
    },
    /// Every operation of the encryption: milliseconds by ring and level, and the table that plans are priced by
    He(crate::bench::he::He),
    /// The repository's networks under encryption: seconds, bytes, decisions
    Net {
        /// Where bench.json goes
        #[arg(long, default_value = "hedgerow-bench/net", value_name = "DIR")]
        out: PathBuf,
    },
    /// The secure sum of a million counters of ten parties
    Sum {
        /// Where bench.json and the runs go
        #[arg(long, default_value = "hedgerow-bench/sum", value_name = "DIR")]
        out: PathBuf,
    },
}

/// Data of `hedgerow bench growth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GrowthData {
    /// Synthetic payments, mixed.
    Payments,
    /// Adult over four parties' rows.
    Adult,
    /// Adult, its columns over two parties.
    AdultVertical,
}

/// `hedgerow simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
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
    /// Override a key of the scenario, as `privacy.epsilon=0.5`; a value that is not TOML is a string
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

impl Which {
    /// As `hedgerow simulate` would be asked for it.
    pub fn simulate(&self, out: &Path) -> Simulate {
        Simulate {
            scenario: self.scenario.clone(),
            scale: self.scale,
            nodes: self.nodes,
            partition: self.partition,
            sets: self.sets.clone(),
            out: out.to_path_buf(),
            resume: false,
            serve: false,
            drops: Vec::new(),
            crashes: Vec::new(),
            audit: None,
            keys: false,
        }
    }
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

/// A process with a configuration file.
#[derive(Debug, Args)]
pub struct Process {
    /// Its configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    #[command(flatten)]
    pub output: ProcessOutput,
}

/// How a process reports.
#[derive(Debug, Default, Args)]
pub struct ProcessOutput {
    /// Write progress to standard output, one JSON object a line
    #[arg(long, value_enum, value_name = "FORM")]
    pub progress: Option<Progress>,
    /// Stop when standard input closes, so that no process outlives the one that started it
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// Form of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// One JSON object a line.
    Json,
}

/// `hedgerow party`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Party {
    /// Check instead of run.
    #[command(subcommand)]
    pub command: Option<PartyCommand>,
    /// Its configuration file
    #[arg(long, value_name = "FILE", required = true)]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub output: ProcessOutput,
}

/// `hedgerow party check`.
#[derive(Debug, Subcommand)]
pub enum PartyCommand {
    /// Try everything before a run: certificate, reachability, data, schema, policy
    Check {
        /// The party's configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// `hedgerow provision`.
#[derive(Debug, Subcommand)]
pub enum Provision {
    /// At the organisation: make a key, which never leaves, and a request for a certificate
    Request {
        /// Party id, or the coordinator's name
        #[arg(long)]
        id: String,
        /// What the certificate is for
        #[arg(long, value_enum, default_value = "party")]
        role: Role,
        /// Identity folder to make
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// At the consortium, offline: make the certificate authority
    Ca {
        /// Name of the consortium
        #[arg(long)]
        name: String,
        /// Folder to make
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How long the authority is valid
        #[arg(long, default_value_t = 3650)]
        days: u32,
    },
    /// At the consortium, offline: turn a request into a certificate
    Sign {
        /// The authority's folder
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// The request
        #[arg(long, value_name = "FILE")]
        request: PathBuf,
        /// The id that the request must have: compare it with the organisation over another channel
        #[arg(long)]
        id: String,
        /// Where the certificate goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// How long the certificate is valid
        #[arg(long, default_value_t = 365)]
        days: u32,
    },
    /// Back at the organisation: put the certificate beside the key, after checking that they fit
    Install {
        /// The identity folder that `request` made
        #[arg(long, value_name = "DIR")]
        identity: PathBuf,
        /// The certificate
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// The authority's certificate
        #[arg(long, value_name = "FILE")]
        ca: PathBuf,
    },
    /// FOR SIMULATIONS: make an authority and everybody's keys in one place
    AllInOne {
        /// Party ids
        #[arg(long = "party", value_name = "ID", required = true)]
        parties: Vec<String>,
        /// The coordinator's name
        #[arg(long, default_value = "coordinator")]
        coordinator: String,
        /// Folder to make
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// A party.
    Party,
    /// The coordinator.
    Coordinator,
}

/// `hedgerow generate`.
#[derive(Debug, Subcommand)]
pub enum Generate {
    /// The built-in census data (UCI Adult), divided over parties
    Adult {
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Divide the rows evenly over this many parties, instead of over four lines of work
        #[arg(long)]
        parties: Option<u32>,
        /// Convert the UCI files in this folder into the Parquet files that are built in, instead
        #[arg(long, value_name = "DIR", conflicts_with = "parties")]
        raw: Option<PathBuf>,
    },
    /// A well-known network as an ONNX file, to plan
    Network(crate::generate::network::Network),
    /// Synthetic payments between banks, in the schema of the PETs prize challenge (docs/payments-data.md)
    Payments {
        /// Rows for training
        #[arg(long, default_value_t = payments::TRAIN_ROWS)]
        rows: u64,
        /// Rows for testing; a third of --rows if left out
        #[arg(long)]
        test_rows: Option<u64>,
        /// Accounts over all banks
        #[arg(long, default_value_t = payments::ACCOUNTS)]
        accounts: u64,
        /// Banks
        #[arg(long, default_value_t = payments::BANKS)]
        banks: u64,
        /// The same seed gives the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Format of the files
        #[arg(long, value_enum, default_value = "parquet")]
        format: payments::Format,
    },
    /// Synthetic labelled rows
    Rows {
        /// Rows over all parties
        #[arg(long)]
        rows: u64,
        /// Feature columns
        #[arg(long, default_value_t = 20)]
        features: u16,
        /// Row parties
        #[arg(long, default_value_t = 4)]
        parties: u32,
        /// The same seed gives the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// `hedgerow predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// The model: model.json, or a tree ensemble of scikit-learn, XGBoost or LightGBM as ONNX
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Rows: a CSV or Parquet file, a folder, or SQL
    #[arg(long, value_name = "SOURCE")]
    pub input: String,
    /// Where the scores go (CSV); standard output if left out
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

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
/// `queries = true` in party.toml before the run, a consortium with a [prediction], a coordinator with `serve = true` that is
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

/// `hedgerow inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The model: model.json, or a tree ensemble as ONNX or JSON
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
}

/// `hedgerow export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The model: model.json, or a tree ensemble as ONNX or JSON
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub to: ExportFormat,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// ONNX: one input per column under its name, texts for categories, instead of one matrix of numbers
    #[arg(long)]
    pub columns: bool,
    /// ONNX: no operator newer than ai.onnx.ml 3, for older runtimes; scores are then rounded to 32 bits
    #[arg(long = "ml-3")]
    pub ml_3: bool,
}

/// What `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// An ONNX file.
    Onnx,
    /// Plain JSON, documented in docs/models.md.
    Json,
}

/// `hedgerow ledger`.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Show what was charged and what is left
    Show {
        /// The party's state folder
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Delta at which epsilon is shown
        #[arg(long, default_value_t = 1e-6)]
        delta: f64,
    },
}
