//! What a federation would learn, without one: the same growth over the same tables with the same noise, drawn here.
//!
//! Tables of a run are the plain ones plus the noise that each party adds to its own, which runs without noise show
//! byte for byte. So quality can be measured over many seeds without processes, keys and masks.

use super::deploy::Deployment;
use super::layout::Layout;
use super::oracle::{Oracle, Quality};
use super::world::World;
use crate::error::{CliError, Result};
use crate::report::Metrics;
use crate::scenario::Scenario;
use hedgerow_coordinator::consortium::{Consortium, Drawn};
use hedgerow_dp::{Accountant, NoDifferentialPrivacy};
use hedgerow_forest::binning::Binner;
use hedgerow_forest::model::Forest;
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::growth::Progression;
use hedgerow_protocol::ids::RunId;
use hedgerow_protocol::privacy;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::path::Path;
use std::time::Instant;

const DOING: &str = "grow a forest";

/// One forest, measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// On all test rows.
    pub metrics: Metrics,
    /// Queries that were asked, of those planned.
    pub asked: (u32, usize),
    /// How trees grew, and why.
    pub growth: String,
    /// Seconds of the training, counting included, on one core of this process.
    pub seconds: f64,
}

/// Trains as `scenario` says with `sets`, and measures on its test rows. `noise` seeds the parties' noise.
///
/// # Errors
/// The scenario's, the data's, the growth's.
pub async fn measure(scenario: &Path, sets: &[String], noise: u64, work: &Path) -> Result<Measured> {
    let scenario = Scenario::load(scenario, sets)?;
    let world = World::open(&scenario).await?;
    let layout = Layout::prepare(work, false)?;
    let deployment = Deployment {
        scenario: &scenario,
        schema: &world.schema,
        forest: &world.forest.params,
        delta: scenario.delta(world.train_rows())?,
        layout: &layout,
        serve: false,
    };
    deployment.write(false)?;
    let config = config(&deployment)?;
    let everybody: Vec<usize> = (0..scenario.parties.len()).collect();
    let mut oracle = Oracle::new(&world.pool, &world.schema, config.forest, config.seed);
    let started = Instant::now();
    let mut key = [0; 32];
    key.iter_mut()
        .zip(noise.to_le_bytes())
        .for_each(|(to, from)| *to = from);
    let (forest, asked) = train(&mut oracle, &config, &everybody, key).await?;
    let seconds = started.elapsed().as_secs_f64();
    let quality = |forest: &Forest, scored: &super::oracle::Scored| {
        let scores = scored.scores.first().map(Vec::as_slice).unwrap_or_default();
        Quality::of(forest, scores, &scored.labels).map(|quality| quality.metrics)
    };
    let scored = oracle.test(&[&forest], &everybody).await?;
    let metrics = quality(&forest, &scored)?;
    Ok(Measured {
        metrics,
        asked: (asked, privacy::plan(&config).map_or(0, |plan| plan.len())),
        growth: world.forest.why.clone(),
        seconds,
    })
}

/// The configuration of the run that a written deployment describes.
///
/// # Errors
/// A consortium that no run can have.
pub fn config(deployment: &Deployment<'_>) -> Result<RunConfig> {
    let drawn = Drawn {
        run: RunId([0; 16]),
        seed: [0; 32],
    };
    Consortium::load(&deployment.layout.config().join("consortium.toml"))
        .and_then(|consortium| consortium.config(&drawn))
        .map_err(|error| CliError::Config(error.to_string()))
}

/// The forest of a run in which nobody fails, and how many queries it asked.
async fn train(
    oracle: &mut Oracle<'_>,
    config: &RunConfig,
    everybody: &[usize],
    noise: [u8; 32],
) -> Result<(Forest, u32)> {
    let binner = Binner::new(&config.schema, config.forest.bins).map_err(CliError::library(DOING))?;
    let mut rng = ChaCha20Rng::from_seed(noise);
    let mut free = Accountant::unlimited(NoDifferentialPrivacy::chosen_by_configuration());
    let mut progression = Progression::start(config).map_err(CliError::library(DOING))?;
    while let (Some(query), Some(planned)) = (progression.query().cloned(), progression.planned().copied()) {
        let mut totals = oracle.sum(&query, &binner, everybody).await?.into_cells();
        let mechanism = privacy::mechanism(config, &planned).map_err(CliError::library(DOING))?;
        for party in &config.parties {
            let label = format!("{party} {}", planned.kind);
            let charge = free
                .charge(&label, mechanism.renyi_cost())
                .map_err(CliError::library(DOING))?;
            let own = mechanism
                .apply(vec![0i64; totals.len()], charge, &mut rng)
                .map_err(CliError::library(DOING))?;
            let noise = own.into_inner();
            totals
                .iter_mut()
                .zip(noise)
                .for_each(|(total, noise)| *total = total.wrapping_add(noise));
        }
        progression
            .answer(&config.parties, totals)
            .map_err(CliError::library(DOING))?;
    }
    let forest = progression
        .forest()
        .cloned()
        .ok_or_else(|| CliError::Config("the growth has ended without a forest".into()))?;
    Ok((forest, progression.step()))
}
