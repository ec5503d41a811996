//! The federated model beside what it is measured against.

use super::bars::Bars;
use super::joined::Joined;
use super::oracle::{Oracle, Pool, Quality, Scored};
use super::outcome::Outcome;
use super::world::World;
use crate::error::{CliError, Result};
use crate::report::{BestSingle, Curves, Series};
use crate::scenario::{Role, Scenario};
use hedgerow_forest::model::Forest;
use std::time::Instant;

/// What the comparison found.
pub struct Comparison {
    /// The federated model on all test rows.
    pub federated: Quality,
    /// The same forest, everybody's data in one place.
    pub pooled: Quality,
    /// The best row party without the others.
    pub best_single: BestSingle,
    /// Is the federated model the replay of its rounds?
    pub identical: Option<bool>,
    /// Are the scores that row parties asked for in private those of the model in the clear?
    pub scores_identical: Option<bool>,
    /// Curves of the three.
    pub curves: Curves,
    /// Scores of all test rows by the federated model, where they were computed here.
    pub predict_seconds: f64,
    /// Everything else.
    pub baseline_seconds: f64,
}

/// Trains and measures everything that the report compares with.
///
/// # Errors
/// The data's, growth's and the metrics'.
pub async fn compare(
    scenario: &Scenario,
    world: &World,
    outcome: &Outcome,
    bars: &Bars,
) -> Result<Comparison> {
    let mut oracle = Oracle::new(
        &world.pool,
        &world.schema,
        outcome.config.forest,
        outcome.config.seed,
    );
    let last = outcome.members(usize::MAX, scenario);
    let started = Instant::now();
    let clear = {
        let _work = bars.work("predicting the test rows");
        oracle.test(&[&outcome.model], &last).await?
    };
    let predict_seconds = started.elapsed().as_secs_f64();
    let (scored, scores_identical) = match &outcome.scores {
        None => (clear, None),
        Some(private) => {
            let exact = scenario.file.prediction.epsilon.is_none();
            let identical = exact.then(|| sorted(private) == sorted(&clear));
            (private.clone(), identical)
        }
    };

    let started = Instant::now();
    let everybody: Vec<usize> = (0..scenario.parties.len()).collect();
    let pooled = {
        let _work = bars.work("training on the pooled rows, to compare");
        oracle.train(|_| everybody.clone()).await?
    };
    let identical = match scenario.file.privacy.epsilon {
        Some(_) => None,
        None => {
            let _work = bars.work("replaying the rounds over their survivors");
            let replay = oracle.train(|step| outcome.members(step, scenario)).await?;
            Some(same_file(replay, outcome)?)
        }
    };
    let pooled = {
        let scored = oracle.test(&[&pooled], &everybody).await?;
        one_quality(&pooled, &scored)?
    };
    let (single, best) = {
        let _work = bars.work("training every party alone, to compare");
        alone(scenario, world, oracle, outcome).await?
    };
    let federated = one_quality(&outcome.model, &scored)?;
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
        scores_identical,
        predict_seconds,
        baseline_seconds: started.elapsed().as_secs_f64(),
    })
}

/// The best of the forests that a row party grows from what it has itself, on everybody's test rows.
async fn alone(
    scenario: &Scenario,
    world: &World,
    mut oracle: Oracle<'_>,
    outcome: &Outcome,
) -> Result<(String, Quality)> {
    let own = match &world.pool {
        Pool::Joined(joined) => Some(Joined::own_columns(joined)),
        Pool::Whole(_) => None,
    };
    if let Some(own) = &own {
        oracle = Oracle::new(&world.pool, own, outcome.config.forest, outcome.config.seed);
    }
    let mut forests = Vec::new();
    for (position, party) in scenario.parties.iter().enumerate() {
        if party.role == Role::Rows {
            forests.push((party.id.clone(), oracle.train(|_| vec![position]).await?));
        }
    }
    let all: Vec<&Forest> = forests.iter().map(|(_, forest)| forest).collect();
    let scored = oracle.test(&all, &[]).await?;
    let mut best: Option<(String, Quality)> = None;
    for ((id, forest), scores) in forests.iter().zip(&scored.scores) {
        let quality = Quality::of(forest, scores, &scored.labels)?;
        if best
            .as_ref()
            .is_none_or(|(_, best)| quality.metrics.auprc > best.metrics.auprc)
        {
            best = Some((id.clone(), quality));
        }
    }
    best.ok_or_else(|| CliError::Config("nothing was measured".into()))
}

fn one_quality(forest: &Forest, scored: &Scored) -> Result<Quality> {
    let scores = scored
        .scores
        .first()
        .ok_or_else(|| CliError::Config("nothing was measured".into()))?;
    Quality::of(forest, scores, &scored.labels)
}

/// Labels and scores without the order of the rows, which SQL does not promise.
fn sorted(scored: &Scored) -> Vec<(u8, u64)> {
    let scores = scored.scores.first().map(Vec::as_slice).unwrap_or_default();
    let mut pairs: Vec<(u8, u64)> = scored
        .labels
        .iter()
        .zip(scores)
        .map(|(label, score)| (*label, score.to_bits()))
        .collect();
    pairs.sort_unstable();
    pairs
}

/// The privacy statement is the run's and no part of what was learned; the rest must agree to the byte.
fn same_file(mut replay: Forest, outcome: &Outcome) -> Result<bool> {
    replay.statement = outcome.model.statement.clone();
    let text = replay
        .to_json()
        .map_err(CliError::library("write the replayed model"))?;
    Ok(text == outcome.model_text)
}
