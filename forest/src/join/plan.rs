//! Which cells of a leaf table are counted where.

use std::collections::{BTreeMap, HashMap};

use super::JoinError;
use super::links::Links;
use super::predicate::{AttributePredicate, is_reachable};
use crate::binning::Binner;
use crate::query::{Measure, TableQuery};
use crate::schema::Schema;
use crate::table::CLASSES;

/// Where the two cells of a leaf are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeafRole {
    /// At the row party alone: every entity passes.
    Local,
    /// Nowhere: no row, or no entity, can pass, and everybody knows it.
    Empty,
    /// Between the row party and the attribute parties; the number is an index of [`JoinPlan::predicates`].
    Joined(usize),
}

/// Joined cells that share a predicate: what is encrypted for one serves all, and their answers can be packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// An index of [`JoinPlan::predicates`].
    pub predicate: usize,
    /// Cells of the query, ascending.
    pub cells: Vec<usize>,
}

/// The plan of one query: a function of query and schema, which all sides derive alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinPlan {
    links: Links,
    leaves: usize,
    /// Per tree.
    tree_links: Vec<Option<usize>>,
    /// `[trees, leaves]`
    roles: Vec<LeafRole>,
    predicates: Vec<AttributePredicate>,
}

impl JoinPlan {
    /// The plan of a query of leaf counts.
    ///
    /// # Errors
    /// Another measure; a binner of another schema; a tree that tests columns of two links, or one that there is not.
    pub fn new(query: &TableQuery, schema: &Schema, binner: &Binner) -> Result<Self, JoinError> {
        if *query.measure() != Measure::LeafCounts {
            return Err(JoinError::Measure { seen: query.kind() });
        }
        let links = Links::new(schema, binner)?;
        let leaves = query.leaves();
        let mut plan = Self {
            links,
            leaves,
            tree_links: Vec::with_capacity(query.trees().len()),
            roles: Vec::with_capacity(query.trees().len() * leaves),
            predicates: Vec::new(),
        };
        let mut known: HashMap<AttributePredicate, usize> = HashMap::new();
        for (position, tree) in query.trees().iter().enumerate() {
            let link = plan.links.link_of_tree(position, tree)?;
            plan.tree_links.push(link);
            for leaf in 0..leaves {
                let role = match link {
                    None if is_reachable(&plan.links, tree, leaf) => LeafRole::Local,
                    None => LeafRole::Empty,
                    Some(link) => match AttributePredicate::of_leaf(&plan.links, link, tree, leaf) {
                        Some(all) if all.is_all() => LeafRole::Local,
                        Some(some) if !some.is_none() => {
                            let next = plan.predicates.len();
                            let predicate = *known.entry(some.clone()).or_insert(next);
                            if predicate == next {
                                plan.predicates.push(some);
                            }
                            LeafRole::Joined(predicate)
                        }
                        _ => LeafRole::Empty,
                    },
                };
                plan.roles.push(role);
            }
        }
        Ok(plan)
    }

    /// The links of the schema.
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// Number of trees.
    pub const fn trees(&self) -> usize {
        self.tree_links.len()
    }

    /// Leaves of every tree.
    pub const fn leaves(&self) -> usize {
        self.leaves
    }

    /// Cells of the query: leaf `l` of tree `t` has the cells `2 (t * leaves + l)` and, of positive rows, the next.
    pub const fn cells(&self) -> usize {
        self.roles.len() * CLASSES
    }

    /// The link whose columns a tree tests; `None` if it tests the row alone.
    pub fn link_of_tree(&self, tree: usize) -> Option<usize> {
        self.tree_links.get(tree).copied().flatten()
    }

    /// Where every leaf is counted: `[trees, leaves]`.
    pub fn roles(&self) -> &[LeafRole] {
        &self.roles
    }

    /// Where a cell is counted. (A cell that there is not is empty.)
    pub fn role_of(&self, cell: usize) -> LeafRole {
        self.roles.get(cell / CLASSES).copied().unwrap_or(LeafRole::Empty)
    }

    /// The distinct predicates of joined leaves, in the order in which trees and leaves first have them.
    pub fn predicates(&self) -> &[AttributePredicate] {
        &self.predicates
    }

    /// The predicate of a joined cell.
    pub fn predicate_of(&self, cell: usize) -> Option<&AttributePredicate> {
        match self.role_of(cell) {
            LeafRole::Joined(predicate) => self.predicates.get(predicate),
            LeafRole::Local | LeafRole::Empty => None,
        }
    }

    /// The joined cells of some trees by their predicates, in the order of [`JoinPlan::predicates`].
    ///
    /// All trees together give the fewest groups: what is kept as profiles can be added up in any order. One tree at a
    /// time keeps little: what is sent predicate by predicate is used, and dropped.
    pub fn groups(&self, trees: impl IntoIterator<Item = usize>) -> Vec<Group> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for tree in trees.into_iter().filter(|tree| *tree < self.trees()) {
            let first = tree * self.leaves;
            for (leaf, role) in (first..).zip(self.roles.iter().skip(first).take(self.leaves)) {
                if let LeafRole::Joined(predicate) = role {
                    let cells = groups.entry(*predicate).or_default();
                    cells.extend((0..CLASSES).map(|class| leaf * CLASSES + class));
                }
            }
        }
        let group = |(predicate, mut cells): (usize, Vec<usize>)| {
            cells.sort_unstable();
            cells.dedup();
            Group { predicate, cells }
        };
        groups.into_iter().map(group).collect()
    }
}
