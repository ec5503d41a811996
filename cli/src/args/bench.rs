//! Arguments of `hedgerow bench`.

use clap::Subcommand;
use std::path::PathBuf;

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
    /// Forests under encryption, of the sizes of the reference: milliseconds, bytes, exactness of each mode
    Forest {
        /// Rows of each mode and size [default: 2000 of public-structure, 8192 of batch, 10 of label-only, else 50]
        #[arg(long)]
        rows: Option<usize>,
        /// One mode alone
        #[arg(long, value_name = "MODE")]
        mode: Option<String>,
        /// One size alone: 10 (of depth 4) or 50 (of depth 5)
        #[arg(long)]
        trees: Option<usize>,
        /// Where bench.json goes
        #[arg(long, default_value = "hedgerow-bench/forest", value_name = "DIR")]
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
