//! `hedgerow query --config`: private scores of new rows, with the running parties of a run of joined data.

use crate::args::Query;
use crate::error::{CliError, Result};
use hedgerow_edge::drive::Shutdown;
use hedgerow_party::process::query::{QueryReport, QueryRequest, forget, query};
use std::time::Duration;

/// Runs the command.
///
/// # Errors
/// [`CliError::Config`] in the party's own words.
pub async fn run(arguments: &Query) -> Result<()> {
    let said = |error: hedgerow_party::process::query::QueryError| CliError::Config(error.to_string());
    let Some(config) = &arguments.config else {
        return Err(CliError::Config("query: --config is missing".to_owned()));
    };
    let (Some(input), Some(output)) = (&arguments.input, &arguments.output) else {
        let run = forget(config, arguments.run.as_deref()).map_err(said)?;
        println!("run {run} is asked no more: its secret and its keys are erased");
        return Ok(());
    };
    let request = QueryRequest {
        run: arguments.run.clone(),
        input: input.clone(),
        id: arguments.id.clone(),
        output: output.clone(),
        allow_missing: arguments.allow_missing,
        patience: Duration::from_secs(arguments.wait),
    };
    let shutdown = Shutdown::on_signal().map_err(CliError::library("handle signals"))?;
    let report = query(config, &request, shutdown).await.map_err(said)?;
    for warning in warnings(&report) {
        eprintln!("warning: {warning}");
    }
    let noise = if report.noised {
        "with output noise, which may take them below 0 or above 1"
    } else {
        "exact: each reveals its entities up to those of equal score"
    };
    println!("{} scores of run {}, {noise}", report.rows, report.run);
    println!(
        "{} positive; {} of {} named entities are new to the run and read as missing",
        report.positive, report.unknown, report.names
    );
    println!("scores: {}", output.display());
    Ok(())
}

fn warnings(report: &QueryReport) -> Vec<String> {
    let absent = report
        .absent
        .iter()
        .map(|party| format!("{party} has no part in these scores: its entities read as missing"));
    report.warnings.iter().cloned().chain(absent).collect()
}
