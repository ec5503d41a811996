//! `hedgerow bench train`: the federated run against the same forest trained centrally on the same files.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::grow::{Step, growth};
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::route::Router;
use hedgerow_forest::schema::Schema;
use hedgerow_party::data::{DataSet, DataSpec, Engine, EngineOptions, Rows, Split};
use rand_core::{Rng, SeedableRng};

use super::reference;
use super::report::{Asked, BenchReport};
use super::simulation::Simulation;
use crate::error::{CliError, Result};
use crate::generate::rows::{RowsSpec, generate};
use crate::scenario::Scenario;
use crate::simulate::oracle::{Oracle, Pool};

const PARTIES: u32 = 10;
const FEATURES: u16 = 20;
const PARAMS: ForestParams = ForestParams::new(100, 8, 64, Growth::Random);
const SEED: [u8; 32] = [7; 32];
/// Rows of the runs that only show that models are identical.
const SMALL: u64 = 4_000;
/// A simulation measures its models on test rows; a thousandth of the rows costs no time to speak of.
const SHAPE: [&str; 8] = [
    "--set",
    "forest.growth=random",
    "--set",
    "forest.trees=100",
    "--set",
    "forest.depth=8",
    "--set",
    "test.fraction=0.001",
];

/// Runs it over `rows` rows.
///
/// # Errors
/// A simulation that failed, data that cannot be read, or a folder that cannot be written.
pub async fn run(rows: u64, out: &Path) -> Result<BenchReport> {
    let work = out.join("work");
    let mut report = BenchReport::new("train");
    let spec = RowsSpec {
        rows,
        features: FEATURES,
        parties: PARTIES,
        seed: 1,
    };
    let scenario_path = generate(&spec, &work.join("data"))?;

    let scenario = Scenario::load(&scenario_path, &[])?;
    let schema = scenario
        .schema
        .clone()
        .ok_or_else(|| CliError::Config("generated without a schema".into()))?;
    let kernel = kernel(&mut report, &schema)?;
    let central = central(&mut report, &scenario, &schema, rows, kernel).await?;
    let (binner, _) = first_query(&schema)?;
    let data = open(&scenario, &schema, EngineOptions::default().threads).await?;
    let own = central / f64::from(PARAMS.trees);
    reference::run(&mut report, &data, &binner, PARAMS.depth, own).await?;
    drop(data);
    federated(&mut report, &scenario_path, &work, central)?;
    identical(&mut report, &work)?;
    report
        .write(out)
        .map_err(CliError::file(out, "writing bench.json"))?;
    Ok(report)
}

fn first_query(schema: &Schema) -> Result<(Binner, TableQuery)> {
    let binner = Binner::new(schema, PARAMS.bins).map_err(CliError::library("bins"))?;
    let mut grower = growth(schema, &binner, PARAMS, SEED, None).map_err(CliError::library("growth"))?;
    match grower.next(None).map_err(CliError::library("growth"))? {
        Step::Ask(query) => Ok((binner, query)),
        Step::Done(_) => Err(CliError::Config("growth asks for nothing".into())),
    }
}

/// The kernel alone on one core; returns million tree-rows a second.
fn kernel(report: &mut BenchReport, schema: &Schema) -> Result<f64> {
    const ROWS: usize = 8192;
    const PASSES: u32 = 40;
    let (_, query) = first_query(schema)?;
    let mut rng = rand_chacha::ChaCha8Rng::from_seed(SEED);
    let mut block = Binned::new(ROWS, FEATURES.into());
    for feature in 0..usize::from(FEATURES) {
        for bin in block.column_mut(feature) {
            *bin = (rng.next_u32() % 65) as u8;
        }
    }
    let labels: Vec<u8> = (0..ROWS).map(|_| (rng.next_u32() & 1) as u8).collect();
    let router = Router::new(&query);
    let mut counts = vec![0u64; query.cells()];
    router.count(&block, &labels, &mut counts);
    let started = Instant::now();
    for _ in 0..PASSES {
        router.count(black_box(&block), black_box(&labels), &mut counts);
    }
    black_box(&counts);
    let speed =
        f64::from(PASSES) * ROWS as f64 * f64::from(PARAMS.trees) / started.elapsed().as_secs_f64() / 1e6;
    report.row(
        "routing kernel, one core, depth 8, 20 features",
        Asked::AtLeast(60.0),
        speed,
        "M tree-rows/s",
        "f32 prototype: 59-66 (another machine)",
    );
    Ok(speed)
}

/// Central training by the same code on the same files with all cores, and counting through the engine with one.
async fn central(
    report: &mut BenchReport,
    scenario: &Scenario,
    schema: &Schema,
    rows: u64,
    kernel: f64,
) -> Result<f64> {
    let one = open(scenario, schema, 1).await?;
    let (binner, query) = first_query(schema)?;
    let started = Instant::now();
    for (_, data) in &one {
        data.count(&query, &binner, Rows::Train)
            .await
            .map_err(CliError::library("count"))?;
    }
    let speed = rows as f64 * f64::from(PARAMS.trees) / started.elapsed().as_secs_f64() / 1e6;
    report.row(
        "the same through the data engine from Parquet, one thread",
        Asked::AtLeast(45.0),
        speed,
        "M tree-rows/s",
        format!("kernel alone: {kernel:.0}"),
    );

    let started = Instant::now();
    let all = open(scenario, schema, EngineOptions::default().threads).await?;
    let everybody: Vec<usize> = (0..all.len()).collect();
    let all = Pool::Whole(all);
    let mut oracle = Oracle::new(&all, schema, PARAMS, SEED);
    black_box(oracle.train(|_| everybody.clone()).await?);
    let seconds = started.elapsed().as_secs_f64();
    report.row(
        "central training of the same forest on the same files",
        Asked::Nothing,
        seconds,
        "s",
        "",
    );
    Ok(seconds)
}

async fn open(scenario: &Scenario, schema: &Schema, threads: usize) -> Result<Vec<(String, DataSet)>> {
    let engine = Engine::new(EngineOptions {
        threads,
        ..EngineOptions::default()
    })
    .map_err(CliError::library("start the data engine"))?;
    let mut parties = Vec::new();
    for party in &scenario.parties {
        let spec: &DataSpec = &party.data;
        let data = DataSet::open(&engine, spec, schema, Split::none())
            .await
            .map_err(CliError::library(format!("party {:?}", party.id)))?;
        parties.push((party.id.clone(), data));
    }
    Ok(parties)
}

fn federated(report: &mut BenchReport, scenario: &Path, work: &Path, central: f64) -> Result<()> {
    let mut largest: f64 = 0.0;
    for (name, epsilon, asked) in [("exact", "none", 1.5), ("noised", "1", 2.5)] {
        let epsilon = format!("privacy.epsilon={epsilon}");
        let mut arguments = vec!["--set", epsilon.as_str()];
        arguments.extend(SHAPE);
        let run = Simulation::run(name, scenario, work, &arguments)?;
        let seconds = run.number("/seconds/train");
        report.row(
            &format!("federated run of 10 parties, {name}, against central training"),
            Asked::AtMost(asked),
            seconds / central,
            "x",
            format!("{seconds:.2} s against {central:.2} s"),
        );
        largest = largest.max(run.largest("peak_rss_mib"));
    }
    report.row("largest process", Asked::AtMost(1000.0), largest, "MiB", "");
    Ok(())
}

/// Byte-identical models for several numbers of parties, with drop-outs and after a crash.
fn identical(report: &mut BenchReport, work: &Path) -> Result<()> {
    let scenario = |parties: u32| -> Result<PathBuf> {
        let spec = RowsSpec {
            rows: SMALL,
            features: FEATURES,
            parties,
            seed: 2,
        };
        generate(&spec, &work.join(format!("data-{parties}")))
    };
    let common = [
        "--set",
        "privacy.epsilon=none",
        "--set",
        "forest.growth=random",
        "--set",
        "forest.trees=20",
        "--set",
        "timeouts.grace_s=2",
    ];
    let cases: [(&str, u32, &[&str]); 7] = [
        ("2 parties", 2, &[]),
        ("4 parties", 4, &[]),
        ("16 parties", 16, &[]),
        (
            "16 parties, two drop out",
            16,
            &[
                "--drop",
                "party-03",
                "--drop",
                "party-11",
                "--set",
                "run.min_parties=14",
            ],
        ),
        (
            "5 parties, one drops out",
            5,
            &["--drop", "party-02", "--set", "run.min_parties=4"],
        ),
        (
            "4 parties, one is killed and restarted",
            4,
            &["--crash", "party-01", "--set", "timeouts.grace_s=60"],
        ),
        (
            "4 parties, the coordinator is killed and restarted",
            4,
            &["--crash", "coordinator"],
        ),
    ];
    for (name, parties, extra) in cases {
        let mut arguments = common.to_vec();
        arguments.extend(extra);
        let run = Simulation::run(
            &name.replace([' ', ','], "-"),
            &scenario(parties)?,
            work,
            &arguments,
        )?;
        let survivors = run.survivors();
        report.holds(
            &format!("model identical to the replay: {name}"),
            run.identical(),
            format!("{survivors} of {parties} in the sum"),
        );
    }
    Ok(())
}
