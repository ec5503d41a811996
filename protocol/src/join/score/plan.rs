//! A forest as both sides take it apart.

use std::sync::Arc;

use hedgerow_crypto::exact::SlotParams;
use hedgerow_dp::Mechanism;
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::join::{AttributePredicate, NOBODY, PartialScores, PredicateScores};
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::{SCALE, TableQuery};

use super::super::JoinError;
use super::super::plan::{JoinPlan, MAX_PROFILES};
use super::super::upload::Source;
use super::{ScoreRows, select};
use crate::config::RunConfig;
use crate::ids::PartyId;
use crate::score_noise;

/// Bytes of weights of one link that are held at a time.
const MAX_WEIGHTS: usize = 256 << 20;

/// A forest as both sides take it apart.
#[derive(Debug)]
pub struct ScorePlan {
    parts: Parts,
    /// For each link its sources, in the order of their weights.
    pub(super) sources: Vec<Vec<Source>>,
    trees: usize,
    pub(super) noise: Option<Mechanism>,
}

#[derive(Debug)]
enum Parts {
    Profiles(PartialScores),
    Predicates(PredicateScores),
}

impl ScorePlan {
    /// The plan of a forest: by profiles or by predicates, whichever are fewer.
    ///
    /// # Errors
    /// A forest that is not of this run, or noise that cannot be had.
    pub fn new(config: &RunConfig, plan: &JoinPlan, forest: &Forest) -> Result<Self, JoinError> {
        let query =
            TableQuery::score_histogram(Arc::clone(&forest.trees), Arc::clone(&forest.leaf_values), 1)
                .map_err(hedgerow_forest::join::JoinError::from)?;
        let binner = Binner::new(&config.schema, config.forest.bins)?;
        let by_predicate = PredicateScores::new(&query, &config.schema, &binner)?;
        let links = plan.cells().links();
        let predicates: Vec<Vec<Source>> = (0..links.links().len())
            .map(|link| {
                by_predicate
                    .predicates(link)
                    .iter()
                    .map(|p| Source::Predicate(*p))
                    .collect()
            })
            .collect();
        let by_profile = PartialScores::new(&query, &config.schema, &binner, MAX_PROFILES).ok();
        let (parts, sources) = match by_profile {
            Some(by_profile) => {
                let of_link = |(number, link): (usize, &hedgerow_forest::join::LinkColumns)| {
                    let domain = link.domain;
                    let profiles = 0..by_profile.profiles(number);
                    profiles
                        .map(|profile| Source::Profile { domain, profile })
                        .collect()
                };
                let profiles: Vec<Vec<Source>> = links.links().iter().enumerate().map(of_link).collect();
                if distinct(&profiles).len() <= distinct(&predicates).len() {
                    (Parts::Profiles(by_profile), profiles)
                } else {
                    (Parts::Predicates(by_predicate), predicates)
                }
            }
            None => (Parts::Predicates(by_predicate), predicates),
        };
        let noise =
            score_noise::mechanism(config, forest).map_err(|error| JoinError::Data(error.to_string()))?;
        Ok(Self {
            parts,
            sources,
            trees: forest.trees.len(),
            noise,
        })
    }

    /// Everything that an attribute party encrypts for scores.
    pub fn sources(&self, plan: &JoinPlan, party: &PartyId) -> Vec<Source> {
        let links = self.sources.iter().enumerate();
        let own: Vec<Vec<Source>> = links
            .filter(|(link, _)| plan.goes_to(*link, party))
            .map(|(_, sources)| sources.clone())
            .collect();
        distinct(&own)
    }

    /// Parameters for one pair of parties: exact totals, and room for noise.
    ///
    /// # Errors
    /// Bounds under which nothing can be encrypted.
    pub fn params(&self, union: u64) -> Result<SlotParams, JoinError> {
        let total = (self.trees as u64).saturating_mul(u64::from(SCALE));
        let least = match &self.noise {
            Some(mechanism) => 2 * (total + score_noise::tail(mechanism)),
            None => total,
        };
        let most = self.sources.iter().map(Vec::len).max().unwrap_or(1);
        let blocks = usize::try_from(union).unwrap_or(usize::MAX).div_ceil(8192).max(1);
        let products = u32::try_from(blocks.saturating_mul(most.max(1))).unwrap_or(u32::MAX);
        Ok(SlotParams::new(least, products)?)
    }

    fn local(&self, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        Ok(match &self.parts {
            Parts::Profiles(parts) => parts.local(rows)?,
            Parts::Predicates(parts) => parts.local(rows)?,
        })
    }

    pub(super) fn of_link(&self, link: usize, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        Ok(match &self.parts {
            Parts::Profiles(parts) => parts.of_link(link, rows)?,
            Parts::Predicates(parts) => parts.of_link(link, rows)?,
        })
    }

    /// Whether a missing entity is of a source.
    fn holds_missing(&self, link: usize, place: usize, plan: &JoinPlan) -> bool {
        let own = self.sources.get(link).map(Vec::as_slice).unwrap_or_default();
        match own.get(place) {
            Some(Source::Profile { .. }) => place + 1 == own.len(),
            Some(Source::Predicate(predicate)) => plan
                .cells()
                .predicates()
                .get(*predicate)
                .is_some_and(AttributePredicate::accepts_missing),
            None => false,
        }
    }

    /// The scores of all rows as far as the row party has them: with every entity missing that is at none of `there`.
    ///
    /// # Errors
    /// Rows of another schema.
    pub fn own_part(
        &self,
        plan: &JoinPlan,
        rows: &ScoreRows,
        there: &[PartyId],
    ) -> Result<Vec<i64>, JoinError> {
        let mut totals: Vec<i64> = self.local(&rows.rows)?.into_iter().map(i64::from).collect();
        for (link, entities) in rows.entities.iter().enumerate() {
            let is_missing = |entity: &u32| {
                *entity == NOBODY
                    || rows
                        .party_of(*entity)
                        .is_none_or(|party| there.binary_search(party).is_err() || !plan.goes_to(link, party))
            };
            let missing: Vec<usize> = (0..entities.len())
                .filter(|row| entities.get(*row).is_some_and(is_missing))
                .collect();
            let weights = self.of_link(link, &select(&rows.rows, &missing))?;
            for (place, weights) in weights.chunks(missing.len().max(1)).enumerate() {
                if !self.holds_missing(link, place, plan) {
                    continue;
                }
                for (row, weight) in missing.iter().zip(weights) {
                    if let Some(total) = totals.get_mut(*row) {
                        *total += i64::from(*weight);
                    }
                }
            }
        }
        Ok(totals)
    }
}

/// Rows that are scored in one batch at most, so that the weights of a link fit into memory.
#[must_use]
pub fn max_batch(config: &RunConfig, forest: &Forest) -> usize {
    let plan = TableQuery::leaf_counts(Arc::clone(&forest.trees))
        .ok()
        .and_then(|query| JoinPlan::new(config, &query).ok());
    let sources = plan
        .and_then(|plan| ScorePlan::new(config, &plan, forest).ok())
        .map_or(1, |plan| plan.sources.iter().map(Vec::len).max().unwrap_or(1));
    (MAX_WEIGHTS / 4 / sources.max(1)).max(1)
}

fn distinct(sources: &[Vec<Source>]) -> Vec<Source> {
    let mut all: Vec<Source> = sources.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}
