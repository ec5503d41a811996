//! `hedgerow-party`: a party's process alone, for those who deploy nothing else.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hedgerow_edge::drive::Shutdown;
use hedgerow_edge::progress::Progress;
use hedgerow_edge::telemetry;

/// A party of a Hedgerow consortium: holds rows, answers with masked tables.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The party's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Try everything that can be tried before a run, and stop
    #[arg(long)]
    check: bool,
    /// Write progress to standard output, one JSON object a line
    #[arg(long, value_enum, value_name = "FORM")]
    progress: Option<Form>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Json,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::init();
    if arguments.check {
        let sound = hedgerow_party::check(&arguments.config, |tried| match tried.outcome {
            Ok(found) => println!("ok    {}: {found}", tried.what),
            Err(wrong) => println!("WRONG {}: {wrong}", tried.what),
        })
        .await;
        return if sound {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let progress = arguments
        .progress
        .map_or_else(Progress::silent, |Form::Json| Progress::stdout());
    let outcome = match Shutdown::on_signal() {
        Ok(shutdown) => hedgerow_party::run(&arguments.config, progress, shutdown).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
