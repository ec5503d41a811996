//! `hedgerow-coordinator --config coordinator.toml`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hedgerow_coordinator::Ending;
use hedgerow_edge::drive::Shutdown;
use hedgerow_edge::progress::Progress;
use hedgerow_edge::telemetry;

/// Coordinates one federated training run. It holds no data: it relays messages, adds up masked tables and
/// keeps a journal. Ctrl-C stops it; started again, it goes on.
#[derive(Parser)]
#[command(name = "hedgerow-coordinator", version)]
struct Arguments {
    /// The configuration file, coordinator.toml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Progress on standard output; logs go to standard error.
    #[arg(long, value_enum, default_value_t = ProgressForm::None)]
    progress: ProgressForm,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProgressForm {
    /// Nothing.
    None,
    /// One JSON object a line.
    Json,
}

/// Stopped on request, as a shell reports an interrupted program.
const STOPPED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::init();
    let progress = match arguments.progress {
        ProgressForm::None => Progress::silent(),
        ProgressForm::Json => Progress::stdout(),
    };
    let outcome = match Shutdown::on_signal() {
        Ok(shutdown) => hedgerow_coordinator::run(&arguments.config, progress, shutdown).await,
        Err(error) => {
            eprintln!("error: signals cannot be handled: {error}");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(Ending::Finished) => ExitCode::SUCCESS,
        Ok(Ending::Stopped) => ExitCode::from(STOPPED),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
