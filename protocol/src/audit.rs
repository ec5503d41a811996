//! An attack on what a run would release, to hold against what it claims.
//!
//! One run is rehearsed without a network: the same growth, the same queries, the same mechanism with a share of noise from
//! every party; only masks and signatures are left out, which change no total. Into the training rows of one party go
//! *canaries*: rows of uniformly drawn bins and labels, each included or not by a fair coin. The adversary knows every other
//! row, every canary and everything that is released, and nothing of the coins: it scores each canary by how likely it
//! is in, once from the released tables (as every party sees them) and once from the published model alone.
//! `dp::audit` turns guesses by these scores into a lower bound on epsilon.
//!
//! **Neighbours** add or remove one row; where the unit is an entity, a canary is an entity of one row.

use std::sync::Arc;

use hedgerow_dp::{Accountant, ApplyError, Mechanism, NoDifferentialPrivacy};
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::grow::GrowError;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::{QueryError, TableQuery};
use hedgerow_forest::route::Router;
use rand_core::CryptoRng;

use crate::config::RunConfig;
use crate::growth::{GrowthError, Progression};
use crate::privacy::{self, PrivacyError};

mod evidence;

use evidence::Evidence;

/// Why no run could be rehearsed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The growth.
    #[error(transparent)]
    Growth(#[from] GrowthError),
    /// The bins.
    #[error("growth: {0}")]
    Grow(#[from] GrowError),
    /// The noise.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// The noise did not fit its own query.
    #[error("noise of a rehearsed round: {0}")]
    Apply(#[from] ApplyError),
    /// The model's trees.
    #[error("model: {0}")]
    Query(#[from] QueryError),
    /// Bins without columns.
    #[error("block of {actual} columns, the schema has {expected} features")]
    Columns {
        /// Columns of the block.
        actual: usize,
        /// Features of the schema.
        expected: usize,
    },
}

/// Binned training rows with their labels, `[rows]` of each party in turn.
pub type Block = (Arc<Binned>, Vec<u8>);

/// What an adversary makes of one run. All lists are `[canaries]`.
#[derive(Clone, Debug)]
pub struct Attack {
    /// The coins.
    pub included: Vec<bool>,
    /// Scores from the released tables; high speaks for being in.
    pub by_tables: Vec<f64>,
    /// Scores from the published model alone.
    pub by_model: Vec<f64>,
    /// The model.
    pub forest: Forest,
}

/// Rows that the adversary has made up.
struct Canaries {
    rows: Vec<Block>,
    included: Vec<bool>,
}

fn fraction(rng: &mut impl CryptoRng) -> f64 {
    (rng.next_u64() >> 11) as f64 / 2f64.powi(53)
}

impl Canaries {
    fn draw(binner: &Binner, count: usize, rng: &mut impl CryptoRng) -> Self {
        let mut rows = Vec::with_capacity(count);
        let mut included = Vec::with_capacity(count);
        for _ in 0..count {
            let mut row = Binned::new(1, binner.len());
            for feature in 0..binner.len() {
                let bins = binner.feature(feature).value_bins().max(1) as f64;
                row.column_mut(feature).fill((fraction(rng) * bins) as u8);
            }
            let coins = rng.next_u64();
            rows.push((Arc::new(row), vec![(coins & 1) as u8]));
            included.push(coins & 2 != 0);
        }
        Canaries { rows, included }
    }

    /// The cells that each canary moves, and by how much.
    fn cells(&self, router: &Router) -> Vec<Vec<(usize, i64)>> {
        let mut counts = vec![0u64; router.cells()];
        let moved = |(row, labels): &Block| {
            router.count(row, labels, &mut counts);
            let mut cells = Vec::new();
            for (cell, count) in counts.iter_mut().enumerate().filter(|(_, count)| **count != 0) {
                cells.push((cell, *count as i64));
                *count = 0;
            }
            cells
        };
        self.rows.iter().map(moved).collect()
    }
}

fn count(router: &Router, blocks: &[Block]) -> Vec<i64> {
    router
        .count_parallel(blocks)
        .into_iter()
        .map(|count| count as i64)
        .collect()
}

/// The sum of the noise shares of all parties, `[cells]`.
fn noise(
    mechanism: &Mechanism,
    parties: usize,
    cells: usize,
    rng: &mut impl CryptoRng,
) -> Result<Vec<i64>, AuditError> {
    let mut total = vec![0i64; cells];
    if matches!(mechanism, Mechanism::None(_)) {
        return Ok(total);
    }
    for _ in 0..parties {
        // A rehearsal is released to nobody: its books are thrown away.
        let mut books = Accountant::unlimited(NoDifferentialPrivacy::chosen_by_configuration());
        let Ok(charge) = books.charge("rehearsal", mechanism.renyi_cost()) else {
            continue;
        };
        total = mechanism.apply(total, charge, rng)?.into_inner();
    }
    Ok(total)
}

/// Rehearses one run over `blocks` and attacks it. `canaries` rows are made up; `rng` gives them, their coins and the noise.
///
/// # Errors
/// [`AuditError`]; not for a checked configuration and blocks of its schema.
pub fn attack(
    config: &RunConfig,
    blocks: &[Block],
    canaries: usize,
    rng: &mut impl CryptoRng,
) -> Result<Attack, AuditError> {
    let binner = Binner::new(&config.schema, config.forest.bins).map_err(GrowError::from)?;
    if let Some((wrong, _)) = blocks.iter().find(|(block, _)| block.features() != binner.len()) {
        return Err(AuditError::Columns {
            actual: wrong.features(),
            expected: binner.len(),
        });
    }
    let canaries = Canaries::draw(&binner, canaries, rng);
    let parties = u32::try_from(config.parties.len()).unwrap_or(u32::MAX);
    let mut tables = Evidence::new(canaries.included.len());
    let mut progression = Progression::start(config)?;
    let mut leaf_sigma = 0.0;
    while let (Some(query), Some(planned)) = (progression.query(), progression.planned()) {
        let mechanism = privacy::mechanism(config, planned)?;
        let router = Router::new(query);
        let known = count(&router, blocks);
        let moved = canaries.cells(&router);
        let mut totals = noise(&mechanism, config.parties.len(), known.len(), rng)?;
        for (total, known) in totals.iter_mut().zip(&known) {
            *total = total.wrapping_add(*known);
        }
        for (cells, _) in moved.iter().zip(&canaries.included).filter(|(_, is_in)| **is_in) {
            for (cell, by) in cells {
                if let Some(total) = totals.get_mut(*cell) {
                    *total = total.wrapping_add(*by);
                }
            }
        }
        let sigma = mechanism.total_sigma(parties).unwrap_or(0.0);
        leaf_sigma = sigma;
        tables.see_totals(&totals, &known, &moved, sigma);
        progression.answer(&config.parties, totals)?;
    }
    let forest = progression
        .forest()
        .cloned()
        .ok_or(AuditError::Growth(GrowthError::Complete))?;
    let by_model = by_model(&forest, blocks, &canaries, leaf_sigma)?;
    Ok(Attack {
        by_tables: tables.scores(),
        by_model,
        included: canaries.included,
        forest,
    })
}

/// Scores from the published leaf values: an included canary draws the value of its leaf, in every tree, towards its label.
fn by_model(
    forest: &Forest,
    blocks: &[Block],
    canaries: &Canaries,
    sigma: f64,
) -> Result<Vec<f64>, AuditError> {
    let query = TableQuery::leaf_counts(forest.trees.clone())?;
    let router = Router::new(&query);
    let known = count(&router, blocks);
    let moved = canaries.cells(&router);
    let mut evidence = Evidence::new(canaries.included.len());
    evidence.see_values(&forest.leaf_values, &known, &moved, sigma);
    Ok(evidence.scores())
}

#[cfg(test)]
mod tests;
