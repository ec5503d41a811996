//! What can be typed.

mod bench;
mod deploy;
mod generate;
mod models;
mod query;
mod simulate;

pub use bench::{Bench, GrowthData};
pub use deploy::{Party, PartyCommand, Process, ProcessOutput, Progress, Provision, Role};
pub use generate::Generate;
pub use models::{Export, ExportFormat, Inspect, Ledger, Predict};
pub use query::Query;
pub use simulate::{Audit, BuiltInPartition, Simulate, Which};

use crate::plan::Plan;
use clap::{Parser, Subcommand};

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
