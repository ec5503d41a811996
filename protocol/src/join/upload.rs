//! What an attribute party encrypts for a row party: profiles once per run, or predicates tree by tree.
//!
//! A run of one query takes what costs less for it. A run of several takes profiles if they can be held: they serve
//! all queries, and their parameters, hence the key, must not depend on any of them.

use hedgerow_crypto::exact::count::CountLiteral;
use hedgerow_crypto::exact::{CountParams, ExactError};
use hedgerow_forest::join::AttributePredicate;

use super::plan::{JoinPlan, MAX_PROFILES};
use crate::config::RunConfig;
use crate::ids::PartyId;
use crate::privacy;

/// Most bytes of foreign ciphertexts that a row party holds at a time, unless a single party's profiles are more.
pub const MAX_HELD: u64 = 256 << 20;
/// Most bytes of one party's profiles; above, predicates are sent tree by tree, however many they are.
pub const MAX_PROFILE_BYTES: u64 = 768 << 20;

/// What is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Each profile once; any predicate is a sum of profiles.
    Profiles,
    /// Each distinct predicate of each tree.
    Predicates,
}

/// One vector of bits over the entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The entities with one profile.
    Profile {
        /// The domain.
        domain: usize,
        /// The profile.
        profile: usize,
    },
    /// The entities that pass one predicate of the plan.
    Predicate(usize),
}

/// Sources that are sent together, block by block, and the trees that are answered from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Trees, ascending.
    pub trees: Vec<usize>,
    /// The sources of every block, in the order in which they are sent.
    pub sources: Vec<Source>,
}

/// Everything that passes between one attribute party and one row party for one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What is encrypted.
    pub engine: Engine,
    /// Parameters of the encryption, the same at both.
    pub params: CountParams,
    /// Blocks of entities.
    pub blocks: usize,
    /// Units in the order in which they are sent.
    pub units: Vec<Unit>,
}

impl Upload {
    /// The cheaper of both ways, by the bytes of the upload; profiles if they are equal, and if a row party can
    /// hold them.
    ///
    /// # Errors
    /// Bounds under which nothing can be encrypted.
    pub fn new(config: &RunConfig, plan: &JoinPlan, party: &PartyId, union: u64) -> Result<Self, ExactError> {
        let predicates = Self::of(config, plan, party, union, Engine::Predicates)?;
        let several = is_asked_often(config);
        if profiles(plan, party, several).is_none() {
            return Ok(predicates);
        }
        // More summands than the noise allows are no way at all.
        let Ok(profiles) = Self::of(config, plan, party, union, Engine::Profiles) else {
            return Ok(predicates);
        };
        let is_cheaper = several || profiles.bytes() <= predicates.bytes();
        if is_cheaper && profiles.bytes() <= MAX_PROFILE_BYTES {
            Ok(profiles)
        } else {
            Ok(predicates)
        }
    }

    fn of(
        config: &RunConfig,
        plan: &JoinPlan,
        party: &PartyId,
        union: u64,
        engine: Engine,
    ) -> Result<Self, ExactError> {
        let several = is_asked_often(config);
        let units = match engine {
            Engine::Profiles => vec![Unit {
                trees: plan.trees_of(party),
                sources: profiles(plan, party, several).unwrap_or_default(),
            }],
            Engine::Predicates => predicates(plan, party),
        };
        let max_summands = match engine {
            Engine::Profiles if several => units.iter().map(|unit| unit.sources.len()).max().unwrap_or(1),
            Engine::Profiles => most_summands(plan, party),
            Engine::Predicates => 1,
        };
        let segments = config.join().map_or(1, |join| join.segments as usize);
        let params = CountParams::from_literal(CountLiteral {
            segments,
            max_weight_sum: config.max_rows,
            max_summands: u32::try_from(max_summands.max(1)).unwrap_or(u32::MAX),
        })?;
        let blocks = params.blocks(usize::try_from(union).unwrap_or(usize::MAX));
        Ok(Self {
            engine,
            params,
            blocks,
            units,
        })
    }

    /// Bytes of all encrypted blocks, before sealing.
    pub fn bytes(&self) -> u64 {
        let items: u64 = self.units.iter().map(|unit| self.items(unit) as u64).sum();
        items.saturating_mul(self.params.block_bytes() as u64)
    }

    /// Bytes of all answers of a round, before sealing.
    pub fn answer_bytes(&self, plan: &JoinPlan) -> u64 {
        (self.answers(plan) as u64).saturating_mul(self.params.answer_bytes() as u64)
    }

    /// Encrypted blocks of a unit: source by source within block by block.
    pub fn items(&self, unit: &Unit) -> usize {
        unit.sources.len().saturating_mul(self.blocks)
    }

    /// Answers of a round: group by group within tree by tree within unit by unit.
    pub fn answers(&self, plan: &JoinPlan) -> usize {
        self.units
            .iter()
            .flat_map(|unit| &unit.trees)
            .map(|tree| plan.groups(*tree).len())
            .sum()
    }

    /// The cells of every answer, in order.
    pub fn cells<'a>(&'a self, plan: &'a JoinPlan) -> impl Iterator<Item = &'a [u32]> {
        self.units
            .iter()
            .flat_map(|unit| &unit.trees)
            .flat_map(|tree| plan.groups(*tree).iter().map(|group| group.cells.as_slice()))
    }
}

impl Unit {
    /// Which of the unit's sources add up to a predicate of the plan.
    pub fn summands(&self, plan: &JoinPlan, predicate: usize) -> Vec<usize> {
        let of = plan.cells().predicates().get(predicate);
        let accepted = of.map(|of| (of.domain(), accepted(plan, of)));
        let is_wanted = |source: &Source| match *source {
            Source::Profile { domain, profile } => accepted
                .as_ref()
                .is_some_and(|(of, accepted)| *of == domain && accepted.get(profile) == Some(&true)),
            Source::Predicate(source) => source == predicate,
        };
        let sources = self.sources.iter().enumerate();
        sources
            .filter(|(_, source)| is_wanted(source))
            .map(|(index, _)| index)
            .collect()
    }
}

/// Which profiles a predicate accepts; none if there are too many.
fn accepted(plan: &JoinPlan, predicate: &AttributePredicate) -> Vec<bool> {
    let domain = plan.cells().links().domains().get(predicate.domain());
    domain
        .and_then(|domain| predicate.accepted(domain, MAX_PROFILES).ok())
        .unwrap_or_default()
}

/// Whether the run asks more than one query.
fn is_asked_often(config: &RunConfig) -> bool {
    privacy::plan(config).is_ok_and(|plan| plan.len() > 1)
}

/// All profiles of the domains that matter to a party, in this query or in any; none if there are too many.
fn profiles(plan: &JoinPlan, party: &PartyId, any: bool) -> Option<Vec<Source>> {
    let mut sources = Vec::new();
    let domains = if any {
        plan.domains_served(party)
    } else {
        plan.domains_of(party)
    };
    for domain in domains {
        let count = plan
            .cells()
            .links()
            .domains()
            .get(domain)?
            .len(MAX_PROFILES)
            .ok()?;
        sources.extend((0..count).map(|profile| Source::Profile { domain, profile }));
    }
    Some(sources)
}

/// The most profiles that any predicate of a party's trees is the sum of.
fn most_summands(plan: &JoinPlan, party: &PartyId) -> usize {
    let mut predicates: Vec<usize> = plan
        .trees_of(party)
        .into_iter()
        .flat_map(|tree| plan.predicates(tree))
        .collect();
    predicates.sort_unstable();
    predicates.dedup();
    predicates
        .into_iter()
        .filter_map(|predicate| plan.cells().predicates().get(predicate))
        .map(|predicate| {
            accepted(plan, predicate)
                .into_iter()
                .filter(|accepts| *accepts)
                .count()
        })
        .max()
        .unwrap_or(1)
}

fn predicates(plan: &JoinPlan, party: &PartyId) -> Vec<Unit> {
    plan.trees_of(party)
        .into_iter()
        .map(|tree| Unit {
            trees: vec![tree],
            sources: plan.predicates(tree).into_iter().map(Source::Predicate).collect(),
        })
        .collect()
}
