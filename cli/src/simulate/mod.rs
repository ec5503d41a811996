//! `hedgerow simulate`: a whole consortium on one machine, and the truth beside it.
//!
//! The federated run is real: one coordinator and every party are processes of their own, started from
//! deployment files, talking QUIC with mutual TLS. Only afterwards this process, which may see all the data
//! because it simulates everybody, grows the forests to compare with ([`oracle`]).

mod bars;
mod children;
pub mod deploy;
mod layout;
pub mod oracle;
mod outcome;
mod rehearse;
mod run;

use crate::args::Simulate;
use crate::error::{CliError, Result};
use crate::generate;
use crate::report::{self, BestSingle, Curves, Report, Seconds, Series, Settings};
use crate::scenario::Scenario;
use bars::Bars;
use deploy::{COORDINATOR, Deployment};
use hedgerow_forest::model::Forest;
use hedgerow_forest::schema::Schema;
use hedgerow_party::data::{DataSet, Engine, EngineOptions, RowCounts, SchemaRequest, Split, derive_schema};
use layout::Layout;
use oracle::{Oracle, Quality};
use outcome::Outcome;
use rehearse::{Fault, Rehearsal};
use run::{Followed, Run};
use std::time::Instant;

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
    let (name, scenario) = scenario(arguments, &layout)?;
    let world = World::open(&scenario).await?;
    let ids: Vec<&str> = std::iter::once(COORDINATOR)
        .chain(scenario.parties.iter().map(|party| party.id.as_str()))
        .collect();
    let bars = Bars::new(&ids);
    world.announce(&bars);

    let delta = scenario.delta(world.counts.iter().map(|counts| counts.train).sum())?;
    let deployment = Deployment {
        scenario: &scenario,
        schema: &world.schema,
        delta,
        layout: &layout,
    };
    deployment.write(arguments.resume)?;
    let Followed { timeline, trained } = Run::new(&deployment, &bars, rehearsals)?.finish().await?;
    let outcome = Outcome::read(&deployment, trained)?;

    let comparison = compare(&scenario, &world, &outcome, &bars).await?;
    bars.clear();
    let epsilon = scenario.file.privacy.epsilon;
    let mut parties = outcome.parties;
    for (party, counts) in parties.iter_mut().zip(&world.counts) {
        (party.train_rows, party.test_rows) = (Some(counts.train), Some(counts.test));
    }
    let report = Report {
        hedgerow: env!("CARGO_PKG_VERSION"),
        task: scenario.file.task.name.clone(),
        scenario: name,
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        metrics: comparison.federated.metrics,
        pooled: comparison.pooled.metrics,
        best_single: comparison.best_single,
        identical_to_pooled: comparison.identical,
        rounds: outcome.rounds,
        privacy: report::Privacy {
            epsilon,
            delta,
            unit: "row",
            spent: outcome
                .ledgers
                .iter()
                .map(|ledger| ledger.epsilon)
                .fold(0.0, f64::max),
            ledgers: outcome.ledgers,
        },
        seconds: Seconds {
            total: started.elapsed().as_secs_f64(),
            train: outcome.train_seconds,
            predict: comparison.predict_seconds,
            baselines: comparison.baseline_seconds,
        },
        coordinator: outcome.coordinator,
        parties,
        settings: Settings {
            trees: scenario.forest.trees,
            depth: scenario.forest.depth,
            bins: scenario.forest.bins,
            growth: "random",
            aggregation: scenario.file.run.aggregation.as_str(),
            min_parties: scenario.min_parties,
            collusion: scenario.file.run.collusion,
            features: world.schema.features.len(),
            schema_derived: world.derived,
        },
        curves: comparison.curves,
        timeline,
    };
    let model = layout.out().join("model.json");
    hedgerow_edge::files::write_atomic(&model, outcome.model_text.as_bytes())?;
    report.write(layout.out())?;
    println!("{}", report::table::text(&report));
    println!("report: {}", layout.out().join("report.html").display());
    println!("model:  {}", model.display());
    if report.identical_to_pooled == Some(false) {
        return Err(CliError::Config(
            "the federated model differs from the pooled one although no noise was added; please report this bug"
                .into(),
        ));
    }
    Ok(())
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

/// The scenario and its name; `adult` is first written out, so that it runs like anybody's.
fn scenario(arguments: &Simulate, layout: &Layout) -> Result<(String, Scenario)> {
    let named = &arguments.scenario;
    let (name, path) = if named.as_os_str() == "adult" {
        let path = layout.data().join(generate::SCENARIO_FILE);
        if !path.exists() {
            generate::adult::generate(None, &layout.data())?;
        }
        ("adult".to_owned(), path)
    } else {
        (named.display().to_string(), named.clone())
    };
    Ok((name, Scenario::load(&path, &arguments.sets)?))
}

/// All the data, which only a simulation can hold in one place.
struct World {
    schema: Schema,
    derived: bool,
    parties: Vec<(String, DataSet)>,
    counts: Vec<RowCounts>,
}

impl World {
    async fn open(scenario: &Scenario) -> Result<Self> {
        let engine = Engine::new(EngineOptions {
            memory_mib: scenario.memory_mib,
            ..EngineOptions::default()
        })
        .map_err(CliError::library("start the data engine"))?;
        let file = &scenario.file;
        let wanted = file.wanted_features().map_err(CliError::Config)?;
        let schema = match &scenario.schema {
            Some(schema) => schema.clone(),
            None => {
                let sources: Vec<_> = scenario
                    .parties
                    .iter()
                    .flat_map(|party| std::iter::once(&party.data.source).chain(&party.data.test_source))
                    .cloned()
                    .collect();
                let request = SchemaRequest {
                    label: &file.task.label,
                    positive: &file.task.positive,
                    features: wanted.as_deref(),
                };
                derive_schema(&engine, &sources, request)
                    .await
                    .map_err(CliError::library("derive the schema"))?
            }
        };
        let (mut parties, mut counts) = (Vec::new(), Vec::new());
        for party in &scenario.parties {
            let doing = || format!("party {:?}", party.id);
            let split = Split::new(file.test.fraction, file.test.seed, &party.id)
                .map_err(CliError::library(doing()))?;
            let data = DataSet::open(&engine, &party.data, &schema, split)
                .await
                .map_err(CliError::library(doing()))?;
            counts.push(data.rows().await.map_err(CliError::library(doing()))?);
            parties.push((party.id.clone(), data));
        }
        Ok(Self {
            schema,
            derived: scenario.schema.is_none(),
            parties,
            counts,
        })
    }

    fn announce(&self, bars: &Bars) {
        if self.derived {
            bars.say(
                "note: the schema (types, categories, bounds) was derived from the pooled rows; a deployment must \
                 declare it, since bounds taken from data leak",
            );
        }
        for (id, data) in &self.parties {
            for warning in data.take_warnings() {
                bars.say(&format!("warning: party {id:?}: {warning}"));
            }
        }
    }
}

struct Comparison {
    federated: Quality,
    pooled: Quality,
    best_single: BestSingle,
    identical: Option<bool>,
    curves: Curves,
    predict_seconds: f64,
    baseline_seconds: f64,
}

async fn compare(scenario: &Scenario, world: &World, outcome: &Outcome, bars: &Bars) -> Result<Comparison> {
    let mut oracle = Oracle::new(
        &world.parties,
        &world.schema,
        scenario.forest,
        outcome.config.seed,
    );
    let started = Instant::now();
    let federated = {
        let _work = bars.work("predicting the test rows");
        oracle.test(&[&outcome.model]).await?
    };
    let predict_seconds = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let everybody: Vec<usize> = (0..world.parties.len()).collect();
    let pooled = {
        let _work = bars.work("training on the pooled rows, to compare");
        oracle.train(|_| everybody.clone()).await?
    };
    let mut singles = Vec::new();
    {
        let _work = bars.work("training every party alone, to compare");
        for party in &everybody {
            singles.push(oracle.train(|_| vec![*party]).await?);
        }
    }
    let identical = match scenario.file.privacy.epsilon {
        Some(_) => None,
        None => {
            let _work = bars.work("replaying the rounds over their survivors");
            let replay = oracle.train(|step| outcome.members(step, &world.parties)).await?;
            Some(same_file(replay, outcome)?)
        }
    };
    let _work = bars.work("measuring on the test rows");
    let forests: Vec<&Forest> = std::iter::once(&pooled).chain(&singles).collect();
    let scored = oracle.test(&forests).await?;
    let mut qualities = forests
        .iter()
        .zip(&scored.scores)
        .map(|(forest, scores)| Quality::of(forest, scores, &scored.labels))
        .collect::<Result<Vec<_>>>()?
        .into_iter();
    let missing = || CliError::Config("nothing was measured".into());
    let pooled = qualities.next().ok_or_else(missing)?;
    let (single, best) = world
        .parties
        .iter()
        .zip(qualities)
        .max_by(|(_, a), (_, b)| a.metrics.auprc.total_cmp(&b.metrics.auprc))
        .map(|((id, _), quality)| (id.clone(), quality))
        .ok_or_else(missing)?;
    let scores = federated.scores.first().ok_or_else(missing)?;
    let federated = Quality::of(&outcome.model, scores, &federated.labels)?;
    let series = |curve: fn(&Quality) -> &Vec<(f64, f64)>| Series {
        federated: curve(&federated).clone(),
        pooled: curve(&pooled).clone(),
        best_single: curve(&best).clone(),
    };
    Ok(Comparison {
        curves: Curves {
            roc: series(|quality| &quality.roc),
            pr: series(|quality| &quality.pr),
        },
        best_single: BestSingle {
            id: single,
            metrics: best.metrics,
        },
        federated,
        pooled,
        identical,
        predict_seconds,
        baseline_seconds: started.elapsed().as_secs_f64(),
    })
}

/// The privacy statement is the run's and no part of what was learned; the rest must agree to the byte.
fn same_file(mut replay: Forest, outcome: &Outcome) -> Result<bool> {
    replay.statement = outcome.model.statement.clone();
    let text = replay
        .to_json()
        .map_err(CliError::library("write the replayed model"))?;
    Ok(text == outcome.model_text)
}
