//! Trees over two links: the chain (protocol.md, "Joins"; `hedgerow_crypto::exact::chain`).
//!
//! In a run with `forest.links_per_tree = 2` a tree may test attributes of two attribute parties. All joined cells of
//! such a run go this way, those of trees that happen to test one link without a second party:
//!
//! 1. The row party gives every attribute party its map to a common order of entities ([`order`]).
//! 2. The *first* party of a tree, that of the lower link, encrypts what its paths demand and sends it to the *second*,
//!    or to the row party if there is none ([`encrypt`]).
//! 3. The second multiplies by what the paths demand of its own entities, and passes on to the row party ([`pass`]).
//! 4. The row party multiplies by its weights, masks, and answers the first party, cell by cell ([`answer`]).
//!
//! Whoever takes part in a round is fixed before any of it: a tree of which a party is not among them reads as missing
//! through both links, and everything that a later drop-out breaks is done again in a new attempt without it.

pub mod answer;
pub mod encrypt;
pub mod order;
pub mod pass;

use hedgerow_crypto::exact::{ChainParams, ExactError};

use super::plan::JoinPlan;
use crate::ids::PartyId;

/// Totals of a chained run are below half of this: 33 million rows.
pub const MIN_PLAINTEXT: u64 = 1 << 26;
/// Most blocks of 8192 entities: a million entities.
pub const MAX_BLOCKS: u32 = 128;

/// The one set of parameters.
///
/// # Errors
/// None that is not a defect.
pub fn params() -> Result<ChainParams, ExactError> {
    ChainParams::new(MIN_PLAINTEXT, MAX_BLOCKS)
}

/// One tree between its parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The tree.
    pub tree: usize,
    /// The party of its second link, if it tests two.
    pub second: Option<PartyId>,
    /// What the first party encrypts: predicates of the plan, of which the first halves are meant; no half twice.
    pub sources: Vec<usize>,
    /// What is answered from, in order: a source, and the predicate that it becomes.
    pub products: Vec<Product>,
}

/// One predicate of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Position of its first half in [`Unit::sources`].
    pub source: usize,
    /// The predicate.
    pub predicate: usize,
    /// The cells that it is of, ascending.
    pub cells: Vec<u32>,
}

impl Unit {
    /// Ciphertexts that reach the row party for one block.
    pub fn width(&self) -> usize {
        match self.second {
            Some(_) => self.products.len(),
            None => self.sources.len(),
        }
    }

    /// The cells that are answered, in order.
    pub fn cells(&self) -> impl Iterator<Item = u32> {
        self.products
            .iter()
            .flat_map(|product| product.cells.iter().copied())
    }
}

/// The parties of a tree with joined cells: of its first link and of its second.
fn parties(plan: &JoinPlan, tree: usize) -> Option<(PartyId, Option<PartyId>)> {
    if plan.groups(tree).is_empty() {
        return None;
    }
    let cells = plan.cells();
    let first = plan.party_of(cells.link_of_tree(tree)?)?;
    let second = match cells.second_link_of_tree(tree) {
        Some(link) => Some(plan.party_of(link)?.clone()),
        None => None,
    };
    Some((first.clone(), second))
}

/// The trees of which a party is the first, ascending, as far as all of their parties are `there` (sorted).
pub fn units(plan: &JoinPlan, first: &PartyId, there: &[PartyId]) -> Vec<Unit> {
    let is_there = |party: &PartyId| there.binary_search(party).is_ok();
    (0..plan.cells().trees())
        .filter_map(|tree| {
            let (of, second) = parties(plan, tree)?;
            let live = of == *first && is_there(first) && second.as_ref().is_none_or(is_there);
            live.then(|| unit(plan, tree, second))
        })
        .collect()
}

/// The trees with joined cells of which a party is not `there`, ascending.
pub fn dead(plan: &JoinPlan, there: &[PartyId]) -> Vec<usize> {
    let is_there = |party: &PartyId| there.binary_search(party).is_ok();
    (0..plan.cells().trees())
        .filter(|tree| {
            parties(plan, *tree)
                .is_some_and(|(first, second)| !is_there(&first) || !second.as_ref().is_none_or(is_there))
        })
        .collect()
}

/// The party whose entities the weights of a tree are by.
pub fn first_of(plan: &JoinPlan, tree: usize) -> Option<PartyId> {
    parties(plan, tree).map(|(first, _)| first)
}

fn unit(plan: &JoinPlan, tree: usize, second: Option<PartyId>) -> Unit {
    let predicates = plan.cells().predicates();
    let mut sources: Vec<usize> = Vec::new();
    let mut products = Vec::new();
    for group in plan.cells().groups([tree]) {
        let half = predicates.get(group.predicate);
        let known = sources.iter().position(|source| predicates.get(*source) == half);
        let source = known.unwrap_or_else(|| {
            sources.push(group.predicate);
            sources.len() - 1
        });
        let cells = group.cells.iter().filter_map(|cell| u32::try_from(*cell).ok());
        products.push(Product {
            source,
            predicate: group.predicate,
            cells: cells.collect(),
        });
    }
    Unit {
        tree,
        second,
        sources,
        products,
    }
}
