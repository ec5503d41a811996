//! Arguments of what reads models and ledgers.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

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
