//! `hedgerow plan privacy`: what the budget of a scenario will buy, before any data is touched.

use super::PrivacyArguments;
use crate::error::{CliError, Result};
use crate::scenario::Scenario;
use crate::simulate::builtin;
use crate::simulate::deploy::Deployment;
use crate::simulate::layout::Layout;
use crate::simulate::measure;
use comfy_table::{Cell, CellAlignment, Table, presets};
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::outlook::{CLEAR, Outlook, Stage, outlook};
use serde_json::{Value, json};

/// Runs the command.
///
/// # Errors
/// A scenario without a declared schema, which only data could give; one that no run can have.
pub fn run(arguments: &PrivacyArguments) -> Result<()> {
    let layout = Layout::prepare(&arguments.out, false)?;
    let (name, path) = builtin::find(&arguments.which, false, &layout)?;
    let scenario = Scenario::load(&path, &arguments.which.sets)?;
    let Some(schema) = &scenario.schema else {
        return Err(CliError::Config(format!(
            "{}: [schema] is missing: it would be derived from the rows, and a plan is made before any row is read",
            path.display()
        )));
    };
    let chosen = scenario.forest(schema)?;
    let deployment = Deployment {
        scenario: &scenario,
        schema,
        forest: &chosen.params,
        delta: scenario.delta(scenario.max_rows.unwrap_or(0))?,
        layout: &layout,
        serve: false,
    };
    deployment.write(false)?;
    let config = measure::config(&deployment)?;
    let found = outlook(&config, scenario.max_rows).map_err(CliError::library("plan the budget"))?;
    if arguments.json {
        let value = as_json(&name, &config, &found, &chosen.why);
        println!("{value:#}");
    } else {
        println!("{}", text(&name, &config, &found, &chosen.why));
    }
    Ok(())
}

fn as_json(name: &str, config: &RunConfig, found: &Outlook, why: &str) -> Value {
    let stage = |stage: &Stage| {
        json!({
            "name": stage.name,
            "queries": stage.queries,
            "cells": stage.cells,
            "l2_squared": stage.l2_squared,
            "share": stage.share,
            "epsilon": stage.epsilon,
            "sigma": stage.sigma,
            "level": stage.level,
            "rows_per_node": stage.node_rows,
            "noise_per_node": stage.node_noise,
            "usable": stage.is_usable(),
            "suggested_share": stage.suggested,
        })
    };
    json!({
        "scenario": name,
        "growth": config.forest.growth.as_str(),
        "why": why,
        "trees": config.forest.trees,
        "depth": config.forest.depth,
        "mechanism": found.mechanism,
        "epsilon": config.privacy.map(|privacy| privacy.epsilon),
        "delta": config.privacy.map(|privacy| privacy.delta),
        "epsilon_of_the_plan": found.epsilon,
        "declared_rows": found.rows,
        "usable_depth": found.usable_depth,
        "suggested_split_share": found.suggested_split_share,
        "stages": found.stages.iter().map(stage).collect::<Vec<_>>(),
    })
}

fn text(name: &str, config: &RunConfig, found: &Outlook, why: &str) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "stage",
        "queries",
        "cells",
        "part",
        "epsilon alone",
        "noise of a cell",
        "rows of a node",
        "noise of a node",
        "suggested part",
    ]);
    let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let or_dash = |value: Option<String>| number(value.unwrap_or_else(|| "-".into()));
    for stage in &found.stages {
        table.add_row([
            Cell::new(&stage.name),
            number(stage.queries.to_string()),
            number(stage.cells.to_string()),
            number(percent(stage.share)),
            or_dash(stage.epsilon.map(|epsilon| format!("{epsilon:.4}"))),
            or_dash(stage.sigma.map(|sigma| format!("{sigma:.1}"))),
            or_dash(stage.node_rows.map(|rows| format!("{rows:.0}"))),
            or_dash(stage.node_noise.map(|noise| format!("{noise:.1}"))),
            or_dash(stage.suggested.map(percent)),
        ]);
    }
    let forest = &config.forest;
    let mut lines = vec![format!(
        "{name}: {} growth, {} trees of depth {}; {why}",
        forest.growth.as_str(),
        forest.trees,
        forest.depth
    )];
    lines.push(match (config.privacy, found.epsilon) {
        (Some(privacy), Some(epsilon)) => format!(
            "budget: epsilon {} at delta {:.1e}, {} noise of {} parties; all that is planned costs epsilon {epsilon:.4}",
            privacy.epsilon,
            privacy.delta,
            found.mechanism,
            config.parties.len()
        ),
        _ => "no noise (epsilon = \"none\"): nothing is promised to single rows, and nothing is spent".to_owned(),
    });
    lines.push(table.to_string());
    lines.push(match (found.rows, found.usable_depth) {
        (_, _) if config.privacy.is_none() => "without noise every depth is usable".to_owned(),
        (Some(rows), Some(depth)) => format!(
            "declared: {rows} rows. Nodes of average size hold {CLEAR} times their noise down to depth {depth} (planned: {})",
            forest.depth
        ),
        (Some(_), None) => {
            "the noise of gradients in rows depends on the model so far: no depth can be said beforehand".to_owned()
        }
        (None, _) => {
            "how deep trees can usefully be is not known: declare the number of rows (data.max_rows)".to_owned()
        }
    });
    if let Some(share) = found.suggested_split_share {
        lines.push(format!(
            "suggested: forest.split_share = {share:.2} (least summed squared noise of average nodes; the default was \
             measured on data)"
        ));
    }
    lines.join("\n")
}
