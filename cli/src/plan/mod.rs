//! `hedgerow plan`: what something will cost and yield, said before it is done.

pub mod net;
pub mod privacy;

use crate::args::Which;
use crate::error::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `hedgerow plan`.
#[derive(Debug, Subcommand)]
pub enum Plan {
    /// Noise of every query, cost of every stage, usable depth, a suggested division of the budget
    Privacy(PrivacyArguments),
    /// How a network would be evaluated under encryption: layouts, levels, ring, keys, predicted costs
    Net(net::Net),
}

/// `hedgerow plan privacy`.
#[derive(Debug, Args)]
pub struct PrivacyArguments {
    #[command(flatten)]
    pub which: Which,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where the plan's files go; only our own files there are replaced
    #[arg(long, default_value = "hedgerow-plan", value_name = "DIR")]
    pub out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Those of what is planned.
pub fn run(plan: &Plan) -> Result<()> {
    match plan {
        Plan::Privacy(arguments) => privacy::run(arguments),
        Plan::Net(arguments) => net::run(arguments),
    }
}
