//! Arguments of `hedgerow generate`.

use crate::generate::payments;
use clap::Subcommand;
use std::path::PathBuf;

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
