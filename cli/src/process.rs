//! `hedgerow coordinator` and `hedgerow party`: the same processes as the two other programs.

use crate::args::{Party, PartyCommand, Process, ProcessOutput};
use crate::error::{CliError, Result};
use hedgerow_edge::drive::Shutdown;
use hedgerow_edge::progress::Progress;
use hedgerow_edge::telemetry;
use std::io::Read;
use std::path::Path;

/// Runs a coordinator until its run is over.
///
/// # Errors
/// [`CliError::Config`] in the coordinator's own words.
pub async fn coordinator(arguments: &Process) -> Result<()> {
    telemetry::init();
    let shutdown = shutdown(&arguments.output)?;
    hedgerow_coordinator::run(&arguments.config, progress(&arguments.output), shutdown)
        .await
        .map(|_| ())
        .map_err(|error| CliError::Config(error.to_string()))
}

/// Runs a party until its run is over, or checks that it could.
///
/// # Errors
/// [`CliError::Config`] in the party's own words.
pub async fn party(arguments: &Party) -> Result<()> {
    match (&arguments.command, &arguments.config) {
        (Some(PartyCommand::Check { config }), _) => check(config).await,
        (None, Some(config)) => {
            telemetry::init();
            let shutdown = shutdown(&arguments.output)?;
            hedgerow_party::run(config, progress(&arguments.output), shutdown)
                .await
                .map(|_| ())
                .map_err(|error| CliError::Config(error.to_string()))
        }
        (None, None) => Err(CliError::Config("party: --config is missing".into())),
    }
}

/// Where progress goes.
pub fn progress(output: &ProcessOutput) -> Progress {
    match output.progress {
        Some(crate::args::Progress::Json) => Progress::stdout(),
        None => Progress::silent(),
    }
}

/// Ends on a signal, or with whoever started the process.
///
/// # Errors
/// Signals that cannot be handled.
pub fn shutdown(output: &ProcessOutput) -> Result<Shutdown> {
    let shutdown = Shutdown::on_signal().map_err(CliError::library("handle signals"))?;
    if output.until_stdin_closes {
        let asked = shutdown.clone();
        // A thread of its own: a blocked read of the runtime's would keep the process from ending.
        std::thread::spawn(move || {
            let mut rest = [0; 64];
            let mut input = std::io::stdin().lock();
            while matches!(input.read(&mut rest), Ok(1..)) {}
            asked.request();
        });
    }
    Ok(shutdown)
}

async fn check(config: &Path) -> Result<()> {
    let sound = hedgerow_party::check(config, |tried| match &tried.outcome {
        Ok(found) => println!("ok      {}: {found}", tried.what),
        Err(wrong) => println!("WRONG   {}: {wrong}", tried.what),
    })
    .await;
    match sound {
        true => Ok(()),
        false => Err(CliError::Config(format!(
            "{}: not ready for a run",
            config.display()
        ))),
    }
}
