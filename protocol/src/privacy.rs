//! From the budget of a run to the noise of one query.
//!
//! **Mechanism** shares of discrete Gaussian, Skellam or discrete Laplace noise, as the configuration says ·
//! **neighbours** add or remove one row of one row party, or change one entity · **sensitivity** L2, as the growth's plan
//! says of one row: `sqrt(trees)` for leaf counts, `sqrt(trees features)` for histograms of so many features per tree, 1
//! for the histogram of scores; times `K sqrt(2)` for an entity of K rows; L1, for Skellam and Laplace, without the roots
//! and times `2 K` · **measure** zCDP: the run's (epsilon, delta) becomes one rho (Canonne, Kamath, Steinke 2020), divided
//! between the planned queries by their parts; for Skellam the same at the budget's order of Renyi divergence; for Laplace
//! pure differential privacy, and its epsilon is divided.

use hedgerow_dp::{
    Accountant, Budget, BudgetError, CalibrationError, L1, L2Squared, Mechanism, NoDifferentialPrivacy,
    Release, Rho,
};
use hedgerow_forest::grow::{self, GrowError};
use hedgerow_forest::query::{QueryKind, TableQuery};

use crate::config::{PrivacyParams, RunConfigLiteral, Unit};
use crate::ids::{RoundId, RunId};

mod stages;
mod statement;

pub use stages::{Stage, stages};
pub use statement::{learns, promise, statement};

/// Totals stay within the declared rows plus the noise's tail but for a probability of `2^-TAIL_BITS`.
pub const TAIL_BITS: u32 = 40;

/// Noise that cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// The budget itself.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The noise for it.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// The growth cannot say what it would ask.
    #[error(transparent)]
    Growth(#[from] GrowError),
    /// A query that the plan gives nothing.
    #[error("no part of the budget is planned for {kind}")]
    NoPart {
        /// What would be asked.
        kind: QueryKind,
    },
}

/// One query of the plan of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which step of the growth it is; unique in a plan.
    pub kind: QueryKind,
    /// Most cells of the answer.
    pub cells: usize,
    /// Largest squared L2 norm of what one row adds.
    pub sensitivity: L2Squared,
    /// Largest L1 norm of what one row adds.
    pub l1: L1,
    /// The most that one row adds to one cell, in absolute value.
    pub of_one_row: u64,
    /// Its part of the budget, of `whole`.
    pub parts: u32,
    /// All parts of the plan together.
    pub whole: u32,
}

impl Planned {
    /// Whether a query is this one: of its kind, no larger, no more sensitive.
    #[must_use]
    pub fn covers(&self, query: &TableQuery) -> bool {
        query.kind() == self.kind
            && query.cells() <= self.cells
            && query.l2_squared_sensitivity_per_row() <= self.sensitivity.0
    }
}

/// The queries that the run's growth may ask if no attempt fails, in their order, known before any is asked. It may
/// end early or leave some out; what it does not ask is not paid for.
///
/// # Errors
/// [`PrivacyError::Growth`]; not for a checked configuration.
pub fn plan(config: &RunConfigLiteral) -> Result<Vec<Planned>, PrivacyError> {
    let asked = grow::plan(&config.schema, &config.forest)?;
    let whole = asked
        .iter()
        .fold(0u32, |sum, query| sum.saturating_add(query.parts));
    let planned = asked.into_iter().map(|query| Planned {
        kind: query.kind,
        cells: query.cells,
        sensitivity: L2Squared(query.l2_squared),
        l1: L1(query.l1),
        of_one_row: query.most,
        parts: query.parts,
        whole,
    });
    Ok(planned.collect())
}

/// Cells of the largest query of a run; 0 where nothing can be planned, which no checked configuration is.
#[must_use]
pub fn largest_query(config: &RunConfigLiteral) -> usize {
    let plan = plan(config).unwrap_or_default();
    plan.iter().map(|planned| planned.cells).max().unwrap_or(0)
}

/// The books of a run: what its budget is in the measure of its noise, and what a release costs in it.
///
/// # Errors
/// [`BudgetError`] for an epsilon or delta out of range.
pub fn books(privacy: &PrivacyParams) -> Result<Accountant, BudgetError> {
    privacy
        .mechanism
        .books(&Budget::new(privacy.epsilon, privacy.delta)?)
}

/// The whole budget of a run in the measure of its noise: rho of zCDP for the discrete Gaussian.
///
/// # Errors
/// As [`books`].
pub fn total_rho(privacy: &PrivacyParams) -> Result<Rho, BudgetError> {
    Ok(books(privacy)?.capacity().unwrap_or(Rho::ZERO))
}

/// What a release by a mechanism costs, in the measure of the run's noise; 0 without noise.
#[must_use]
pub fn amount(config: &RunConfigLiteral, mechanism: &Mechanism) -> f64 {
    let books = config.privacy.as_ref().and_then(|privacy| books(privacy).ok());
    books
        .and_then(|books| books.amount(&mechanism.renyi_cost()))
        .map_or(0.0, Rho::value)
}

/// Parties whose noise counts: the fewest survivors less those that may collude.
#[must_use]
pub fn honest_shares(config: &RunConfigLiteral) -> u32 {
    config.min_parties.saturating_sub(config.collusion)
}

/// The mechanism that every party applies to its own table for one query.
///
/// # Errors
/// [`PrivacyError`]; never for a query of the plan of a checked configuration.
pub fn mechanism(config: &RunConfigLiteral, query: &Planned) -> Result<Mechanism, PrivacyError> {
    match &config.privacy {
        None => Ok(Mechanism::None(NoDifferentialPrivacy::chosen_by_configuration())),
        Some(privacy) => {
            if query.parts == 0 {
                return Err(PrivacyError::NoPart { kind: query.kind });
            }
            let budget = Budget::new(privacy.epsilon, privacy.delta)?;
            let (l1, l2) = sensitivity(privacy.unit, query);
            let release = Release {
                l1,
                l2,
                cells: query.cells as u64,
                honest_shares: honest_shares(config),
            };
            Ok(privacy
                .mechanism
                .mechanism(&budget, query.parts, query.whole, release)?)
        }
    }
}

/// L1 and squared L2 sensitivity of a query per unit.
///
/// Let one row add a vector of norm at most `s`. For an entity whose rows are at most K in all, adding or removing it
/// changes a table by up to `K s`. A changed attribute replaces K vectors by K others: counts only ever add, and two
/// vectors without a negative entry differ by at most `sqrt(2) s`; gradients have signs, and differ by at most `2 s`. In
/// L1 two vectors always differ by at most `2 s`.
fn sensitivity(unit: Unit, query: &Planned) -> (L1, L2Squared) {
    match unit {
        Unit::Row => (query.l1, query.sensitivity),
        Unit::Entity { rows } => {
            let rows = u64::from(rows);
            let change = match query.kind {
                QueryKind::Gradients { .. } => 4,
                _ => 2,
            };
            let squared = rows.saturating_mul(rows).saturating_mul(change);
            (
                L1(query.l1.0.saturating_mul(rows).saturating_mul(2)),
                L2Squared(query.sensitivity.0.saturating_mul(squared)),
            )
        }
    }
}

/// Most rows that one row party counts for one entity over all links, where the unit is an entity.
#[must_use]
pub fn rows_per_entity(config: &RunConfigLiteral) -> Option<u32> {
    let attributes = config.partition.join()?.attribute_parties.len();
    match config.privacy?.unit {
        Unit::Row => None,
        Unit::Entity { rows } => {
            let parties = u32::try_from(config.parties.len().saturating_sub(attributes)).unwrap_or(u32::MAX);
            Some(rows / parties.max(1))
        }
    }
}

/// A bound on the absolute value of every total of a planned query, but for a probability of `2^-TAIL_BITS`.
#[must_use]
pub fn largest_total(config: &RunConfigLiteral, query: &Planned, mechanism: &Mechanism) -> u64 {
    let shares = u32::try_from(config.parties.len()).unwrap_or(u32::MAX);
    let tail = mechanism.tail_bound(TAIL_BITS, shares);
    config
        .max_rows
        .saturating_mul(query.of_one_row)
        .saturating_add(tail)
}

/// The words under which a round stands in the ledger; one round, one label.
#[must_use]
pub fn ledger_label(run: RunId, round: RoundId, kind: QueryKind) -> String {
    format!("run {run} round {round} {kind}")
}

#[cfg(test)]
mod tests {
    use hedgerow_dp::epsilon_for;

    use super::*;
    use crate::config::RunConfig;
    use crate::growth::Progression;
    use crate::party::tests::support::{literal, noisy};

    #[test]
    fn the_plan_is_what_the_growth_asks() {
        let config = RunConfig::new(literal(4)).unwrap();
        let mut progression = Progression::start(&config).unwrap();
        for planned in plan(&config).unwrap() {
            let query = progression.query().unwrap();
            assert!(planned.covers(query));
            let cells = query.cells();
            progression.answer(&config.parties, vec![1; cells]).unwrap();
        }
        assert!(progression.query().is_none(), "and nothing else");
    }

    #[test]
    fn the_parts_spend_at_most_the_whole() {
        let config = RunConfig::new(noisy(literal(4))).unwrap();
        let privacy = config.privacy.unwrap();
        let spent: f64 = plan(&config)
            .unwrap()
            .iter()
            .map(|planned| mechanism(&config, planned).unwrap().cost().value())
            .sum();
        assert!(spent <= total_rho(&privacy).unwrap().value());
        let spent = Rho::at_least(spent).unwrap();
        assert!(epsilon_for(spent, privacy.delta) <= privacy.epsilon);
        assert!(
            epsilon_for(spent, privacy.delta) > 0.9 * privacy.epsilon,
            "and nearly all of it"
        );
    }

    #[test]
    fn fewer_honest_shares_mean_wider_shares() {
        let sigma = |collusion: u32| {
            let config = RunConfig::new(crate::config::RunConfigLiteral {
                min_parties: 5,
                shamir_threshold: 5,
                collusion,
                ..noisy(literal(5))
            });
            let config = config.unwrap();
            match mechanism(&config, &plan(&config).unwrap()[0]).unwrap() {
                Mechanism::DiscreteGaussian(gaussian) => gaussian.share_sigma(),
                other => panic!("no Gaussian noise: {other:?}"),
            }
        };
        let ratio = sigma(4) / sigma(1);
        assert!((ratio - 2.0).abs() < 0.05, "4 honest shares against 1: {ratio}");
    }

    #[test]
    fn an_attempt_has_a_label_of_its_own() {
        let run = RunId([1; 16]);
        let label = |attempt| ledger_label(run, RoundId { step: 0, attempt }, QueryKind::Leaves);
        assert_ne!(label(0), label(1));
        assert_eq!(label(2), format!("run {} round 0.2 leaf counts", "01".repeat(16)));
    }
}
