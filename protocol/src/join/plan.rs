//! The plan of a query among parties: which trees concern which attribute party, in which groups cells are answered.
//!
//! What a leaf demands of an entity, and which cells share a predicate, is [`hedgerow_forest::join`]'s. All of it
//! follows from the configuration and the query, so every party computes the same.

use std::sync::Arc;

use hedgerow_forest::binning::Binner;
use hedgerow_forest::join;
use hedgerow_forest::query::{Measure, TableQuery};

use super::JoinError;
use crate::config::{LinkParty, RunConfig};
use crate::ids::PartyId;

/// Profiles beyond this many are never encrypted one by one.
pub const MAX_PROFILES: usize = 1 << 12;

/// Cells of one tree that one answer holds: they share a predicate, and fill one segment each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// An index of the predicates of the plan.
    pub predicate: usize,
    /// Cells of the query, ascending; at most as many as an answer has segments.
    pub cells: Vec<u32>,
}

/// The plan of one query.
#[derive(Clone, Debug)]
pub struct JoinPlan {
    cells: join::JoinPlan,
    /// Digest of the query: encryptions of several queries of one run never share randomness.
    query: [u8; 32],
    /// Of a query of gradients.
    gradients: Option<Arc<join::GradientPlan>>,
    /// For each tree its groups, in the order of their predicates.
    groups: Vec<Vec<Group>>,
    /// The attribute party that each link goes to; none if it goes to all.
    parties: Vec<Option<PartyId>>,
}

impl JoinPlan {
    /// The plan of a query of a joined run.
    ///
    /// # Errors
    /// [`JoinError`] for a run without a join, another measure, or a tree that tests columns of several links (of
    /// more than two in a chained run).
    pub fn new(config: &RunConfig, query: &TableQuery) -> Result<Self, JoinError> {
        let join = config.join().ok_or(JoinError::NoJoin)?;
        let binner = Binner::new(&config.schema, config.forest.bins)?;
        let cells = join::JoinPlan::new(query, &config.schema, &binner)?;
        let gradients = match query.measure() {
            Measure::Gradients(_) => Some(Arc::new(join::GradientPlan::new(query, &config.schema, &binner)?)),
            _ => None,
        };
        let two = (0..cells.trees()).find(|tree| cells.second_link_of_tree(*tree).is_some());
        if let Some(tree) = two.filter(|_| !config.is_chained()) {
            return Err(JoinError::TwoLinks { tree });
        }
        let parties = cells.links().links().iter().map(|link| {
            let declared = join.links.iter().find(|declared| declared.name == link.name);
            match declared.map(|declared| &declared.party) {
                Some(LinkParty::Party(party)) => Some(party.clone()),
                _ => None,
            }
        });
        let parties = parties.collect();
        let segments = (join.segments as usize).max(1);
        let groups = (0..cells.trees())
            .map(|tree| {
                let shared = cells.groups([tree]);
                let split = shared.iter().flat_map(|group| {
                    group.cells.chunks(segments).map(|cells| Group {
                        predicate: group.predicate,
                        cells: cells
                            .iter()
                            .filter_map(|cell| u32::try_from(*cell).ok())
                            .collect(),
                    })
                });
                split.collect()
            })
            .collect();
        Ok(Self {
            cells,
            gradients,
            query: query.digest_bytes(),
            groups,
            parties,
        })
    }

    /// Digest of the query.
    pub fn query(&self) -> &[u8; 32] {
        &self.query
    }

    /// What every cell needs, and what every leaf demands of an entity.
    pub fn cells(&self) -> &join::JoinPlan {
        &self.cells
    }

    /// What is joined of a query of gradients; none for others.
    pub fn gradients(&self) -> Option<&Arc<join::GradientPlan>> {
        self.gradients.as_ref()
    }

    /// The groups of a tree, in the order of their predicates.
    pub fn groups(&self, tree: usize) -> &[Group] {
        self.groups.get(tree).map(Vec::as_slice).unwrap_or_default()
    }

    /// The distinct predicates of a tree, ascending.
    pub fn predicates(&self, tree: usize) -> Vec<usize> {
        let mut predicates: Vec<usize> = self.groups(tree).iter().map(|group| group.predicate).collect();
        predicates.dedup();
        predicates
    }

    /// The one party that a link goes to; none if it goes to several.
    pub fn party_of(&self, link: usize) -> Option<&PartyId> {
        self.parties.get(link)?.as_ref()
    }

    /// Whether a link's entities can be at this attribute party.
    pub fn goes_to(&self, link: usize, party: &PartyId) -> bool {
        match self.parties.get(link) {
            Some(Some(only)) => only == party,
            Some(None) => true,
            None => false,
        }
    }

    /// The trees whose cells are answered to an attribute party, ascending.
    pub fn trees_of(&self, party: &PartyId) -> Vec<usize> {
        let concerns = |tree: &usize| {
            let link = self.cells.link_of_tree(*tree);
            !self.groups(*tree).is_empty() && link.is_some_and(|link| self.goes_to(link, party))
        };
        (0..self.cells.trees()).filter(concerns).collect()
    }

    /// The domains of all links that go to an attribute party, ascending, whatever the query tests.
    pub fn domains_served(&self, party: &PartyId) -> Vec<usize> {
        let links = self.cells.links().links().iter().enumerate();
        let mut domains: Vec<usize> = links
            .filter(|(link, _)| self.goes_to(*link, party))
            .map(|(_, link)| link.domain)
            .collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// The domains of the links that go to an attribute party and are tested by any tree, ascending.
    pub fn domains_of(&self, party: &PartyId) -> Vec<usize> {
        let links = self.cells.links().links();
        let mut domains: Vec<usize> = self
            .trees_of(party)
            .into_iter()
            .filter_map(|tree| self.cells.link_of_tree(tree))
            .filter_map(|link| links.get(link).map(|link| link.domain))
            .collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// Schema features that hold the attributes of a domain, in the order of its bins: those of the first link of
    /// the party that has it.
    pub fn features(&self, domain: usize, party: &PartyId) -> Vec<u16> {
        let links = self.cells.links().links();
        links
            .iter()
            .enumerate()
            .find(|(number, link)| link.domain == domain && self.goes_to(*number, party))
            .map(|(_, link)| &link.attributes)
            .into_iter()
            .flatten()
            .filter_map(|feature| u16::try_from(*feature).ok())
            .collect()
    }
}
