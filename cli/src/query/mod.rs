//! `hedgerow query`: scores of rows that others do not see.
//!
//! - [`joined`]: with the running parties of a finished run of joined data.
//! - [`service`]: encrypted, with a service; [`local`]: one of one's own; [`session`]: the connection; [`keys`]: what stays
//!   here.
//! - [`downloads`]: encrypted models that a service hands out once.
//! - [`check`]: answers beside the model in the clear; [`input`]: arrays and tables of numbers.

mod check;
mod downloads;
pub mod input;
mod joined;
pub mod keys;
mod local;
mod service;
mod session;

use crate::args::Query;
use crate::error::{CliError, Result};
use crate::serve::forest::Forests;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `hedgerow query` for a service.
#[derive(Debug, Args)]
#[command(next_help_heading = "Of a service")]
pub struct ServiceArguments {
    /// With --local: the model that is served. With --encrypted-model: your own network
    #[arg(long, value_name = "MODEL", conflicts_with = "config")]
    pub model: Option<PathBuf>,
    /// The network is yours, and encrypted too: it is sent once, with the keys, to a service that has its plan alone
    #[arg(long, requires = "model", conflicts_with_all = ["config", "mode"])]
    pub encrypted_model: bool,
    #[command(flatten)]
    pub activations: crate::plan::net::Calibrate,
    /// The model that is asked for, where a service has several
    #[arg(long, value_name = "NAME", requires = "to")]
    pub name: Option<String>,
    /// With --local: how a forest is evaluated, as `serve --mode`
    #[arg(long, value_name = "MODE", requires = "local")]
    pub mode: Option<String>,
    /// Compare with this model in the clear: a network, or a forest, whose binned form must give the same [default with --local: --model]
    #[arg(long, value_name = "MODEL", conflicts_with = "config")]
    pub check: Option<PathBuf>,
    /// Identity folder of a party: key.pem, cert.pem, ca.pem
    #[arg(long, value_name = "DIR", default_value = "identity")]
    pub identity: PathBuf,
    /// The name in the server's certificate [default: any coordinator of the consortium]
    #[arg(long, value_name = "NAME", requires = "to")]
    pub server: Option<String>,
    /// Keep the secret of the keys in this file (made if it is not there, mode 0600), so that the server knows the evaluation
    /// keys again. Without it each run makes its own
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub keys: Option<PathBuf>,
    /// Keep models that a service has encrypted, and that are downloaded before the first row, in this folder [default: the
    /// folder `models` in that of --identity]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub downloads: Option<PathBuf>,
    /// With --local: rows of one request, as `serve --batch`
    #[arg(long, value_name = "ROWS", requires = "local")]
    pub batch: Option<u32>,
    // With --local they are of `serve`; with --check, what the server has.
    #[command(flatten)]
    pub forests: Forests,
}

/// Runs the command.
///
/// # Errors
/// What the parties or the service refuse, a file that does not read.
pub async fn run(arguments: &Query) -> Result<()> {
    match &arguments.config {
        Some(_) if !arguments.service.forests.is_empty() => Err(CliError::Config(
            "--bins, --leaf-bits, --threshold: of a service, and not with --config".to_owned(),
        )),
        Some(_) => joined::run(arguments).await,
        None => service::run(arguments).await,
    }
}
