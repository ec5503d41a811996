//! All that a growth may ask, known before anything is: what a budget is divided among.

use crate::params::{ForestParams, Growth};
use crate::query::QueryKind;
use crate::schema::Schema;
use crate::table::CLASSES;

use super::GrowError;
use super::threshold::SCORE_BINS;

/// One query that a growth may ask. It may end early or leave queries out; it never asks others, nor larger ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedQuery {
    /// Its kind, unique in a plan.
    pub kind: QueryKind,
    /// Cells of the answer, at most.
    pub cells: usize,
    /// Squared L2 norm of what one row adds to the answer, at most.
    pub l2_squared: u64,
    /// L1 norm of what one row adds to the answer, at most.
    pub l1: u64,
    /// What one row adds to one cell, in absolute value, at most.
    pub most: u64,
    /// The query's part of the budget, among the sum of all.
    pub parts: u32,
}

/// Parts of a whole budget: a plan's parts sum up to about so many.
pub const PARTS: u32 = 1000;
/// Parts of the score histogram.
const THRESHOLD_PARTS: u32 = 75;

/// Every query that a growth with these parameters may ask, in its order.
///
/// Over links there is no score histogram, because no party knows the score of a joined row; the threshold then comes
/// from the released leaf table.
///
/// # Errors
/// Parameters out of range, or a growth that this version does not have.
pub fn plan(schema: &Schema, params: &ForestParams) -> Result<Vec<PlannedQuery>, GrowError> {
    params.validate()?;
    match params.growth {
        Growth::Random => Ok(leaves_and_threshold(schema, params, PARTS)),
        Growth::Boosted => super::boosted::plan(schema, params),
        Growth::Greedy | Growth::Quantile => Ok(super::greedy::plan(schema, params)),
    }
}

/// The end of every growth: leaf counts and threshold, for `parts` of the budget together.
pub(super) fn leaves_and_threshold(schema: &Schema, params: &ForestParams, parts: u32) -> Vec<PlannedQuery> {
    let threshold = if schema.has_links() { 0 } else { THRESHOLD_PARTS };
    let trees = u64::from(params.trees);
    let mut plan = vec![PlannedQuery {
        kind: QueryKind::Leaves,
        cells: params.trees as usize * params.leaves() * CLASSES,
        l2_squared: trees,
        l1: trees,
        most: 1,
        parts: parts - threshold,
    }];
    if threshold > 0 {
        plan.push(PlannedQuery {
            kind: QueryKind::Threshold,
            cells: usize::from(SCORE_BINS) * CLASSES,
            l2_squared: 1,
            l1: 1,
            most: 1,
            parts: threshold,
        });
    }
    plan
}
