//! Arguments of a deployment's processes and certificates.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

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
