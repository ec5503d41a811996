//! `hedgerow simulate`: a whole consortium on one machine, and the truth beside it.
//!
//! The federated run is real: one coordinator and every party are processes of their own, started from
//! deployment files, talking QUIC with mutual TLS. Only afterwards this process, which may see all the data
//! because it simulates everybody, grows the forests to compare with ([`oracle`]).

pub mod audit;
mod bars;
pub mod builtin;
mod children;
mod compare;
pub mod deploy;
mod forecast;
mod joined;
pub mod layout;
pub mod measure;
pub mod oracle;
mod outcome;
pub mod payments;
mod rehearse;
mod run;
mod split;
mod world;

use crate::args::Simulate;
use crate::error::{CliError, Result};
use crate::report::{self, Report, Seconds, Settings};
use crate::scenario::{Role, Scenario};
use bars::Bars;
use compare::{Comparison, compare};
use deploy::{COORDINATOR, Deployment};
use layout::Layout;
use oracle::Pool;
use outcome::Outcome;
use rehearse::{Fault, Rehearsal};
use run::{Followed, Run};
use std::time::Instant;
use world::World;

/// Runs the command.
///
/// # Errors
/// Whatever ends it, naming the culprit.
pub async fn run(arguments: &Simulate) -> Result<()> {
    if arguments.keys {
        print!("{}", crate::scenario::keys::markdown());
        return Ok(());
    }
    let started = Instant::now();
    let rehearsals = rehearsals(arguments)?;
    let layout = Layout::prepare(&arguments.out, arguments.resume)?;
    let (name, path) = builtin::find(&arguments.which, arguments.resume, &layout)?;
    let scenario = Scenario::load(&path, &arguments.which.sets)?;
    if arguments.serve && (!scenario.file.data.partition.joins() || scenario.file.prediction.rows == 0) {
        return Err(CliError::Config(
            "--serve is for joined data with private scores: partition = \"mixed\" or \"vertical\", prediction.rows above 0"
                .into(),
        ));
    }
    let mut world = World::open(&scenario).await?;
    let ids: Vec<&str> = std::iter::once(COORDINATOR)
        .chain(scenario.parties.iter().map(|party| party.id.as_str()))
        .collect();
    let bars = Bars::new(&ids);
    world.announce(&scenario, &bars);

    let deployment = Deployment {
        scenario: &scenario,
        schema: &world.schema,
        forest: &world.forest.params,
        delta: scenario.delta(world.train_rows())?,
        layout: &layout,
        serve: arguments.serve,
    };
    deployment.write(arguments.resume)?;
    let forecast = match &world.pool {
        Pool::Joined(joined) => Some(forecast::forecast(&deployment, joined)?),
        Pool::Whole(_) => None,
    };
    if let Some(forecast) = &forecast {
        bars.say(&forecast::sentence(forecast));
    }
    let (followed, serving) = Run::new(&deployment, &bars, rehearsals)?.finish().await?;
    let outcome = Outcome::read(&deployment, followed.trained)?;

    let comparison = compare(&scenario, &world, &outcome, &bars).await?;
    let audit = match arguments.audit {
        Some(runs) => Some(audit::of(runs.max(1), &world, &outcome.config).await?),
        None => None,
    };
    bars.clear();
    let mut report = written(name, started, &deployment, &world, &outcome, comparison, followed);
    report.audit = audit;
    for (id, bytes) in forecast.iter().flat_map(|forecast| &forecast.sent) {
        let mut processes = report.parties.iter_mut();
        if let Some(process) = processes.find(|process| process.id == id.as_str()) {
            process.bytes_predicted = Some(*bytes);
        }
    }
    let model = layout.out().join("model.json");
    hedgerow_edge::files::write_atomic(&model, outcome.model_text.as_bytes())?;
    report.write(layout.out())?;
    println!("{}", report::table::text(&report));
    println!("report: {}", layout.out().join("report.html").display());
    println!("model:  {}", model.display());
    // Where there is no output any more there is a reader to be told.
    let _ = std::io::Write::flush(&mut std::io::stdout());
    if report.identical_to_pooled == Some(false) || report.scores_identical == Some(false) {
        return Err(CliError::Config(
            "the federated model or its private scores differ from the pooled ones although no noise was added; please \
             report this bug"
                .into(),
        ));
    }
    if let Some(found) = &report.audit {
        audit::refuted(
            found.claimed_epsilon,
            found.bounds_above_the_claim.unwrap_or(0),
            found.runs,
        )?;
    }
    let Some(serving) = serving else { return Ok(()) };
    for party in scenario.parties.iter().filter(|party| party.role == Role::Rows) {
        println!(
            "serving: hedgerow query --config {} --input NEW_ROWS --output SCORES.csv",
            deployment.party_file(&party.id).display()
        );
    }
    println!("until Ctrl-C");
    serving.until_interrupted().await
}

/// The report on a finished run.
fn written(
    name: String,
    started: Instant,
    deployment: &Deployment<'_>,
    world: &World,
    outcome: &Outcome,
    comparison: Comparison,
    followed: Followed,
) -> Report {
    let (scenario, file) = (deployment.scenario, &deployment.scenario.file);
    let mut parties = outcome.parties.clone();
    for ((process, party), sizes) in parties.iter_mut().zip(&scenario.parties).zip(&world.sizes) {
        match party.role {
            crate::scenario::Role::Rows => {
                (process.train_rows, process.test_rows) = (Some(sizes.train), Some(sizes.test));
            }
            crate::scenario::Role::Attributes => process.entities = Some(sizes.entities),
        }
    }
    let split = split::of(&followed.timeline);
    Report {
        hedgerow: env!("CARGO_PKG_VERSION"),
        task: file.task.name.clone(),
        scenario: name,
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        metrics: comparison.federated.metrics,
        pooled: comparison.pooled.metrics,
        best_single: comparison.best_single,
        identical_to_pooled: comparison.identical,
        scores_identical: comparison.scores_identical,
        rounds: outcome.rounds.clone(),
        privacy: report::Privacy {
            epsilon: file.privacy.epsilon,
            delta: deployment.delta,
            unit: file.privacy.unit.as_str(),
            spent: outcome
                .ledgers
                .iter()
                .map(|ledger| ledger.epsilon)
                .fold(0.0, f64::max),
            stages: report::Stage::of(&outcome.config),
            ledgers: outcome.ledgers.clone(),
        },
        audit: None,
        learned: report::learned::of(&outcome.config),
        notes: report::learned::notes(&outcome.config),
        seconds: Seconds {
            total: started.elapsed().as_secs_f64(),
            train: outcome.train_seconds,
            predict: split.map_or(comparison.predict_seconds, |split| split.prediction),
            baselines: comparison.baseline_seconds,
            split,
        },
        coordinator: outcome.coordinator.clone(),
        parties,
        settings: Settings {
            partition: file.data.partition.as_str(),
            alignment: file.data.partition.joins().then(|| file.join.alignment.as_str()),
            trees: outcome.config.forest.trees,
            depth: outcome.config.forest.depth,
            bins: outcome.config.forest.bins,
            growth: outcome.config.forest.growth.as_str(),
            why: world.forest.why.clone(),
            aggregation: file.run.aggregation.as_str(),
            min_parties: scenario.min_parties,
            collusion: file.run.collusion,
            features: world.schema.features.len(),
            schema_derived: world.derived,
        },
        curves: comparison.curves,
        timeline: followed.timeline,
    }
}

fn rehearsals(arguments: &Simulate) -> Result<Vec<Rehearsal>> {
    let drops = arguments
        .drops
        .iter()
        .map(|text| Rehearsal::parse(text, Fault::Drop));
    let crashes = arguments
        .crashes
        .iter()
        .map(|text| Rehearsal::parse(text, Fault::Crash));
    drops.chain(crashes).collect()
}
