//! From the budget of a run to the noise of one query.
//!
//! **Mechanism** discrete Gaussian in shares · **neighbours** add or remove one row of one row party, or change one
//! entity · **sensitivity** L2, `sqrt(trees)` for leaf counts (`K sqrt(2 trees)` for an entity of K rows), 1 for the
//! histogram of scores · **measure** zCDP: the run's (epsilon, delta) becomes one rho (Canonne, Kamath, Steinke
//! 2020), divided between the queries.

use hedgerow_dp::{
    Budget, BudgetError, CalibrationError, DistributedGaussian, L2Squared, Mechanism, NoDifferentialPrivacy,
    Rho, rho_for,
};
use hedgerow_forest::grow::{self, GrowError, PlannedQuery};
use hedgerow_forest::query::{QueryKind, TableQuery};

use crate::config::{PrivacyParams, RunConfigLiteral, Unit};
use crate::ids::{RoundId, RunId};

mod statement;

pub use statement::{learns, promise, statement};

/// Totals stay within the declared rows plus the noise's tail but for a probability of `2^-TAIL_BITS`.
pub const TAIL_BITS: u32 = 40;

/// The budget is divided in parts of this many.
const PARTS: u32 = 1 << 20;

/// Noise that cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// The budget itself.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// No growth to plan for.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// The noise for it.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A query that the plan does not know.
    #[error("no part of the budget is planned for {kind:?} queries")]
    Unplanned {
        /// What was asked.
        kind: QueryKind,
    },
    /// The share of the histogram is no proper part.
    #[error("threshold_share is {actual}, expected a number above 0 and below 1")]
    ThresholdShare {
        /// Share given.
        actual: f64,
    },
}

/// One query of the plan of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which part of the budget pays.
    pub kind: QueryKind,
    /// Cells of the answer.
    pub cells: usize,
    /// Squared L2 sensitivity per row.
    pub sensitivity: L2Squared,
}

impl Planned {
    /// The plan's view of a query.
    #[must_use]
    pub fn of(query: &TableQuery) -> Self {
        Self {
            kind: query.kind(),
            cells: query.cells(),
            sensitivity: L2Squared(query.l2_squared_sensitivity_per_row()),
        }
    }
}

impl From<PlannedQuery> for Planned {
    fn from(query: PlannedQuery) -> Self {
        Self {
            kind: query.kind,
            cells: query.cells,
            sensitivity: L2Squared(query.l2_squared),
        }
    }
}

/// The queries that the run's growth may ask if no attempt fails, known before any is asked; none if the growth cannot
/// start, which no checked configuration has. Joined runs ask no histogram of scores: nobody has scores.
#[must_use]
pub fn plan(config: &RunConfigLiteral) -> Vec<Planned> {
    queries(config)
        .unwrap_or_default()
        .into_iter()
        .map(Planned::from)
        .collect()
}

fn queries(config: &RunConfigLiteral) -> Result<Vec<PlannedQuery>, GrowError> {
    grow::plan(&config.schema, &config.forest)
}

/// Cells of the largest query of a run.
#[must_use]
pub fn largest_query(config: &RunConfigLiteral) -> usize {
    plan(config)
        .iter()
        .map(|planned| planned.cells)
        .max()
        .unwrap_or(0)
}

/// The whole budget of a run in zCDP.
///
/// # Errors
/// [`BudgetError`] for an epsilon or delta out of range.
pub fn total_rho(privacy: &PrivacyParams) -> Result<Rho, BudgetError> {
    rho_for(&Budget::new(privacy.epsilon, privacy.delta)?)
}

/// The part of the budget that pays for one query of this kind.
///
/// # Errors
/// As [`total_rho`]; [`PrivacyError::ThresholdShare`]; [`PrivacyError::Unplanned`].
pub fn rho_of(
    config: &RunConfigLiteral,
    privacy: &PrivacyParams,
    kind: QueryKind,
) -> Result<Rho, PrivacyError> {
    let plan = queries(config)?;
    let planned = plan
        .iter()
        .find(|planned| planned.kind == kind)
        .ok_or(PrivacyError::Unplanned { kind })?;
    let total = total_rho(privacy)?;
    let asks_threshold = plan.iter().any(|planned| planned.kind == QueryKind::Threshold);
    // Rounded to a grid that both sides compute alike; never 0 nor everything.
    let threshold = if asks_threshold {
        let share = privacy.threshold_share;
        if !(share > 0.0 && share < 1.0) {
            return Err(PrivacyError::ThresholdShare { actual: share });
        }
        ((share * f64::from(PARTS)) as u32).clamp(1, PARTS - 1)
    } else {
        0
    };
    if kind == QueryKind::Threshold {
        return Ok(total.share(threshold, PARTS));
    }
    let others = plan.iter().filter(|planned| planned.kind != QueryKind::Threshold);
    let parts: u64 = others.map(|planned| u64::from(planned.parts)).sum();
    let own = u64::from(planned.parts) * u64::from(PARTS - threshold) / parts.max(1);
    Ok(total.share(u32::try_from(own).unwrap_or(PARTS).max(1), PARTS))
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
            let rho = rho_of(config, privacy, query.kind)?;
            let gaussian = DistributedGaussian::calibrate(
                rho,
                sensitivity(privacy.unit, query),
                honest_shares(config),
                query.cells as u64,
            )?;
            Ok(Mechanism::DiscreteGaussian(gaussian))
        }
    }
}

/// Squared L2 sensitivity of a query per unit.
///
/// For an entity whose rows are at most K in all: a changed attribute moves up to K rows of each tree from one
/// cell to another, `K sqrt(2 trees)`; adding or removing it changes one cell of each tree by up to K.
fn sensitivity(unit: Unit, query: &Planned) -> L2Squared {
    match unit {
        Unit::Row => query.sensitivity,
        Unit::Entity { rows } => {
            let rows = u64::from(rows);
            L2Squared(
                query
                    .sensitivity
                    .0
                    .saturating_mul(rows.saturating_mul(rows))
                    .saturating_mul(2),
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

/// A bound on the absolute value of every total, but for a probability of `2^-TAIL_BITS`.
#[must_use]
pub fn largest_total(config: &RunConfigLiteral, mechanism: &Mechanism) -> u64 {
    let shares = u32::try_from(config.parties.len()).unwrap_or(u32::MAX);
    config
        .max_rows
        .saturating_add(mechanism.tail_bound(TAIL_BITS, shares))
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
        for planned in plan(&config) {
            let query = progression.query().unwrap();
            assert_eq!(Planned::of(query), planned);
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
            match mechanism(&config, &plan(&config)[0]).unwrap() {
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
