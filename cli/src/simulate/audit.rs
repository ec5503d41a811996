//! `hedgerow audit`: canaries, an attack on what is released, and what it proves.
//!
//! Every run is rehearsed in this process by [`hedgerow_protocol::audit`]: the same growth and queries, and a share of the
//! real mechanism's noise from every party; no network, masks or signatures, which change no total. Joined rows are
//! joined in the clear first, which changes none either.

use super::builtin;
use super::deploy::Deployment;
use super::joined::{Part, View};
use super::layout::Layout;
use super::measure;
use super::oracle::Pool;
use super::world::World;
use crate::args::Audit;
use crate::error::{CliError, Result};
use crate::report::audit as report;
use crate::scenario::Scenario;
use comfy_table::{Cell, CellAlignment, Table, presets};
use hedgerow_dp::audit::membership::{FALSE_POSITIVES, largest_advantage};
use hedgerow_dp::audit::{Membership, epsilon_lower_bound, guess, membership};
use hedgerow_forest::binning::Binner;
use hedgerow_party::data::Rows;
use hedgerow_protocol::audit::{Attack, Block, attack};
use hedgerow_protocol::config::{RunConfig, RunConfigLiteral};
use indicatif::ProgressBar;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;

/// Confidence of every bound.
const CONFIDENCE: f64 = 0.999;
/// Delta that the bound grants a run without noise, which claims none.
const DELTA_WITHOUT_NOISE: f64 = 1e-6;
/// Canaries of an audit for a report.
const CANARIES: usize = 400;
const DOING: &str = "audit";

/// What one kind of adversary achieved over all runs.
struct Adversary {
    name: &'static str,
    bounds: Vec<f64>,
    right: Vec<u64>,
    membership: Option<Membership>,
}

/// Runs the command.
///
/// # Errors
/// The scenario's, the data's, the growth's; a lower bound above the claim.
pub async fn run(arguments: &Audit) -> Result<()> {
    if arguments.runs == 0 || arguments.canaries < 8 {
        return Err(CliError::Config(format!(
            "--runs {} --canaries {}: expected at least 1 run and 8 canaries",
            arguments.runs, arguments.canaries
        )));
    }
    let layout = Layout::prepare(&arguments.out, false)?;
    let (name, path) = builtin::find(&arguments.which, false, &layout)?;
    let scenario = Scenario::load(&path, &arguments.which.sets)?;
    let world = World::open(&scenario).await?;
    let deployment = Deployment {
        scenario: &scenario,
        schema: &world.schema,
        forest: &world.forest.params,
        delta: scenario.delta(world.train_rows())?,
        layout: &layout,
        serve: false,
    };
    deployment.write(false)?;
    let config = measure::config(&deployment)?;
    let asked = Asked {
        runs: arguments.runs,
        canaries: arguments.canaries,
        seed: arguments.seed,
    };
    let (delta, adversaries) = adversaries(asked, &world, &config).await?;
    let value = as_json(&name, arguments, &config, delta, &adversaries);
    let file = layout.out().join("audit.json");
    let text = format!("{value:#}\n");
    hedgerow_edge::files::write_atomic(&file, text.as_bytes())?;
    println!("{}", table(&name, arguments, &config, delta, &adversaries));
    println!("audit: {}", file.display());
    refuted(
        config.privacy.map(|privacy| privacy.epsilon),
        exceeded(
            &adversaries,
            config.privacy.map_or(f64::INFINITY, |privacy| privacy.epsilon),
        ),
        arguments.runs,
    )
}

/// For the report of a simulation: the same of its configuration and data.
pub(super) async fn of(runs: u64, world: &World, config: &RunConfig) -> Result<report::Audit> {
    let asked = Asked {
        runs,
        canaries: CANARIES,
        seed: 1,
    };
    let (delta, adversaries) = adversaries(asked, world, config).await?;
    let claim = config.privacy.map(|privacy| privacy.epsilon);
    let of = |adversary: &Adversary| report::Adversary {
        sees: adversary.name,
        largest_lower_bound: largest(&adversary.bounds),
        mean_lower_bound: adversary.bounds.iter().sum::<f64>() / runs as f64,
        auc: adversary.membership.as_ref().map(|found| found.auc),
        advantage: adversary.membership.as_ref().map(|found| found.advantage),
    };
    Ok(report::Audit {
        runs,
        canaries: CANARIES,
        confidence: CONFIDENCE,
        delta,
        claimed_epsilon: claim,
        bounds_above_the_claim: claim.map(|claim| exceeded(&adversaries, claim)),
        advantage_allowed: claim.map(|claim| largest_advantage(claim, delta)),
        adversaries: adversaries.iter().map(of).collect(),
    })
}

/// An error where a lower bound is above what is claimed.
pub(super) fn refuted(claim: Option<f64>, above: usize, runs: u64) -> Result<()> {
    match claim {
        Some(claim) if above > 0 => Err(CliError::Config(format!(
            "{above} lower bounds are above the claimed epsilon {claim}: with {} bounds at {CONFIDENCE} one should be in \
             {:.0} audits; please report this bug",
            2 * runs,
            1.0 / ((1.0 - CONFIDENCE) * 2.0 * runs as f64)
        ))),
        _ => Ok(()),
    }
}

/// What is attacked how often.
#[derive(Clone, Copy)]
struct Asked {
    runs: u64,
    canaries: usize,
    seed: u64,
}

/// What the two adversaries achieve, and the delta of their bounds.
async fn adversaries(asked: Asked, world: &World, config: &RunConfig) -> Result<(f64, [Adversary; 2])> {
    let blocks = blocks(world, config).await?;
    let attacks = attacks(asked, config, &blocks)?;
    let delta = config
        .privacy
        .map_or(DELTA_WITHOUT_NOISE, |privacy| privacy.delta);
    let guesses = asked.canaries / 4;
    let by_model = judge(
        "published model",
        |attack| attack.by_model.as_slice(),
        &attacks,
        guesses,
        delta,
    );
    let by_tables = judge(
        "released tables",
        |attack| attack.by_tables.as_slice(),
        &attacks,
        guesses,
        delta,
    );
    Ok((delta, [by_model, by_tables]))
}

/// All training rows as the growth sees them, binned.
async fn blocks(world: &World, config: &RunConfig) -> Result<Vec<Block>> {
    let binner = Binner::new(&config.schema, config.forest.bins).map_err(CliError::library(DOING))?;
    let mut blocks: Vec<Block> = Vec::new();
    match &world.pool {
        Pool::Whole(parties) => {
            for (id, data) in parties {
                data.for_each_block(&binner, Rows::Train, |block, labels| {
                    blocks.push((Arc::new(block.clone()), labels.to_vec()));
                })
                .await
                .map_err(CliError::library(format!("read the rows of party {id:?}")))?;
            }
        }
        Pool::Joined(joined) => {
            let everybody: Vec<usize> = joined.positions().collect();
            let view = if config.schema.has_links() {
                View::Joined
            } else {
                View::Own
            };
            for position in joined.positions() {
                joined.each_block(position, Part::Train, view, &everybody, |block, labels| {
                    blocks.push((Arc::new(block.clone()), labels.to_vec()));
                });
            }
        }
    }
    Ok(blocks)
}

fn attacks(asked: Asked, config: &RunConfig, blocks: &[Block]) -> Result<Vec<Attack>> {
    let mut key = [0; 32];
    key.iter_mut()
        .zip(asked.seed.to_le_bytes())
        .for_each(|(to, from)| *to = from);
    let mut rng = ChaCha20Rng::from_seed(key);
    let bar = ProgressBar::new(asked.runs);
    let mut attacks = Vec::new();
    for _ in 0..asked.runs {
        let mut literal: RunConfigLiteral = config.to_literal();
        rng.fill_bytes(&mut literal.seed);
        let config = RunConfig::new(literal).map_err(CliError::library(DOING))?;
        attacks.push(attack(&config, blocks, asked.canaries, &mut rng).map_err(CliError::library(DOING))?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(attacks)
}

fn judge(
    name: &'static str,
    scores: fn(&Attack) -> &[f64],
    attacks: &[Attack],
    guesses: usize,
    delta: f64,
) -> Adversary {
    let made: Vec<_> = attacks
        .iter()
        .map(|attack| guess(scores(attack), &attack.included, guesses))
        .collect();
    let all: Vec<f64> = attacks.iter().flat_map(scores).copied().collect();
    let included: Vec<bool> = attacks
        .iter()
        .flat_map(|attack| attack.included.clone())
        .collect();
    Adversary {
        name,
        bounds: made
            .iter()
            .map(|guesses| epsilon_lower_bound(guesses, delta, CONFIDENCE))
            .collect(),
        right: made.iter().map(|guesses| guesses.right).collect(),
        membership: membership(&all, &included, CONFIDENCE),
    }
}

fn exceeded(adversaries: &[Adversary], claim: f64) -> usize {
    let bounds = adversaries.iter().flat_map(|adversary| &adversary.bounds);
    bounds.filter(|bound| **bound > claim).count()
}

fn largest(bounds: &[f64]) -> f64 {
    bounds.iter().copied().fold(0.0, f64::max)
}

fn as_json(
    name: &str,
    arguments: &Audit,
    config: &RunConfig,
    delta: f64,
    adversaries: &[Adversary],
) -> Value {
    let claim = config.privacy.map(|privacy| privacy.epsilon);
    let of = |adversary: &Adversary| {
        let points = adversary.membership.iter().flat_map(|found| &found.at);
        json!({
            "adversary": adversary.name,
            "epsilon_lower_bounds": adversary.bounds,
            "largest_lower_bound": largest(&adversary.bounds),
            "right_guesses": adversary.right,
            "membership": adversary.membership.as_ref().map(|found| json!({
                "auc": found.auc,
                "advantage": found.advantage,
                "true_positives_at": points.zip(FALSE_POSITIVES).map(|(point, at)| json!({
                    "false_positives": at,
                    "true_positives": point.true_positives,
                    "low": point.bounds.0,
                    "high": point.bounds.1,
                })).collect::<Vec<_>>(),
            })),
        })
    };
    json!({
        "scenario": name,
        "hedgerow": env!("CARGO_PKG_VERSION"),
        "method": "one-run auditing with canaries (Steinke, Nasr, Jagielski 2023, Theorem 5.2), rehearsed in one process \
                   with the real mechanism's shares",
        "claimed_epsilon": claim,
        "delta": delta,
        "confidence": CONFIDENCE,
        "runs": arguments.runs,
        "canaries": arguments.canaries,
        "guesses": 2 * (arguments.canaries / 4),
        "growth": config.forest.growth.as_str(),
        "bounds_above_the_claim": claim.map(|claim| exceeded(adversaries, claim)),
        "largest_advantage_allowed": claim.map(|claim| largest_advantage(claim, delta)),
        "adversaries": adversaries.iter().map(of).collect::<Vec<_>>(),
    })
}

fn table(name: &str, arguments: &Audit, config: &RunConfig, delta: f64, adversaries: &[Adversary]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "adversary sees",
        "largest lower bound",
        "mean",
        "right guesses",
        "AUC",
        "advantage",
        "found at 1 % false alarms",
    ]);
    let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let runs = arguments.runs as f64;
    let guesses = 2 * (arguments.canaries / 4);
    for adversary in adversaries {
        let right: u64 = adversary.right.iter().sum();
        let found = adversary.membership.as_ref();
        let low = found.and_then(|found| found.at.get(1));
        table.add_row([
            Cell::new(adversary.name),
            number(format!("{:.3}", largest(&adversary.bounds))),
            number(format!("{:.3}", adversary.bounds.iter().sum::<f64>() / runs)),
            number(format!(
                "{:.1} % of {guesses}",
                100.0 * right as f64 / (guesses as f64 * runs)
            )),
            number(found.map_or("-".into(), |found| format!("{:.3}", found.auc))),
            number(found.map_or("-".into(), |found| format!("{:.3}", found.advantage))),
            number(low.map_or("-".into(), |point| {
                format!(
                    "{:.1} % ({:.1} to {:.1})",
                    100.0 * point.true_positives,
                    100.0 * point.bounds.0,
                    100.0 * point.bounds.1
                )
            })),
        ]);
    }
    let claim = match config.privacy {
        Some(privacy) => format!(
            "claimed: epsilon {} at delta {delta:.1e}; {} of {} lower bounds at {} % are above it (advantage allowed: {:.3})",
            privacy.epsilon,
            exceeded(adversaries, privacy.epsilon),
            2 * arguments.runs,
            100.0 * CONFIDENCE,
            largest_advantage(privacy.epsilon, delta)
        ),
        None => format!(
            "claimed: nothing (no noise); the audit refutes every epsilon below {:.3} at delta {delta:.1e}",
            adversaries
                .iter()
                .map(|adversary| adversary.bounds.iter().copied().fold(f64::INFINITY, f64::min))
                .fold(0.0, f64::max)
        ),
    };
    format!(
        "{name}: {} growth, {} runs with {} canaries each, rehearsed in one process with every party's share of the noise\n\
         {table}\n{claim}",
        config.forest.growth.as_str(),
        arguments.runs,
        arguments.canaries
    )
}
