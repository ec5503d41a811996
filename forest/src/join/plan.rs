//! Which cells of a leaf table are counted where.

use std::collections::{BTreeMap, HashMap};

use super::JoinError;
use super::links::Links;
use super::predicate::{AttributePredicate, is_reachable};
use crate::binning::Binner;
use crate::query::{Axes, Measure, TableQuery};
use crate::schema::Schema;
use crate::table::CLASSES;
use crate::tree::{BinSet, Tree};

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
///
/// A query of histograms is planned as if every tree were one for each of its features, with a leaf for each of its own
/// leaves and slot: the conjunction of the path to the leaf and of a test of the slot. What is said of trees and leaves
/// below is said of these; their cells keep the places that they have in the query's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinPlan {
    links: Links,
    /// Leaves of every tree of the query.
    leaves: usize,
    /// Features that every tree of the query has histograms of, and their slots; 1 and 1 for leaf counts.
    features: usize,
    slots: usize,
    /// Per tree.
    tree_links: Vec<Option<usize>>,
    /// Per tree of leaf counts that tests columns of two links, the higher of these.
    second_links: Vec<Option<usize>>,
    /// Two cells each, in the order of the table: `[trees, leaves]`, or `[trees, leaves, features, slots]`.
    roles: Vec<LeafRole>,
    predicates: Vec<AttributePredicate>,
    /// For each of them what the path demands of the entity of the tree's second link, if it has one.
    seconds: Vec<Option<AttributePredicate>>,
}

/// A plan in the making.
struct Draft {
    plan: JoinPlan,
    known: HashMap<(AttributePredicate, Option<AttributePredicate>), usize>,
}

impl Draft {
    /// Where a leaf is counted; with a test that comes after its path, where it passes.
    fn role(
        &mut self,
        link: Option<usize>,
        tree: &Tree,
        leaf: usize,
        also: Option<&(u16, BinSet)>,
    ) -> LeafRole {
        let links = &self.plan.links;
        let Some(link) = link else {
            return if is_reachable(links, tree, leaf, also) {
                LeafRole::Local
            } else {
                LeafRole::Empty
            };
        };
        match AttributePredicate::of_leaf(links, link, tree, leaf, also) {
            Some(all) if all.is_all() => LeafRole::Local,
            Some(some) if !some.is_none() => LeafRole::Joined(self.predicate(some, None)),
            _ => LeafRole::Empty,
        }
    }

    /// Where a leaf of a tree over two links is counted.
    fn role_of_two(&mut self, links: [usize; 2], tree: &Tree, leaf: usize) -> LeafRole {
        let of = |link| AttributePredicate::of_leaf(&self.plan.links, link, tree, leaf, None);
        let (Some(first), Some(second)) = (of(links[0]), of(links[1])) else {
            return LeafRole::Empty;
        };
        if first.is_none() || second.is_none() {
            return LeafRole::Empty;
        }
        if first.is_all() && second.is_all() {
            return LeafRole::Local;
        }
        LeafRole::Joined(self.predicate(first, Some(second)))
    }

    fn predicate(&mut self, first: AttributePredicate, second: Option<AttributePredicate>) -> usize {
        let next = self.plan.predicates.len();
        let predicate = *self.known.entry((first.clone(), second.clone())).or_insert(next);
        if predicate == next {
            self.plan.predicates.push(first);
            self.plan.seconds.push(second);
        }
        predicate
    }

    fn leaf_counts(&mut self, query: &TableQuery) -> Result<(), JoinError> {
        for (position, tree) in query.trees().iter().enumerate() {
            let [link, second] = self.plan.links.links_of_tree(position, tree)?;
            self.plan.tree_links.push(link);
            self.plan.second_links.push(second);
            for leaf in 0..self.plan.leaves {
                let role = match (link, second) {
                    (Some(first), Some(second)) => self.role_of_two([first, second], tree, leaf),
                    _ => self.role(link, tree, leaf, None),
                };
                self.plan.roles.push(role);
            }
        }
        Ok(())
    }

    fn histograms(&mut self, query: &TableQuery, axes: &Axes) -> Result<(), JoinError> {
        for (position, tree) in query.trees().iter().enumerate() {
            let features = axes.of_tree(position);
            let first = self.plan.tree_links.len();
            for feature in features {
                let link = self.plan.links.link_of_histogram(position, tree, *feature)?;
                self.plan.tree_links.push(link);
            }
            for leaf in 0..self.plan.leaves {
                for (number, feature) in features.iter().enumerate() {
                    let link = self.plan.tree_links.get(first + number).copied().flatten();
                    let bins = self.plan.links.bins_of(*feature);
                    for slot in 0..axes.slots() {
                        let slot = u8::try_from(slot).unwrap_or(u8::MAX);
                        let also = (*feature, axes.bins_of(*feature, slot, bins));
                        let role = self.role(link, tree, leaf, Some(&also));
                        self.plan.roles.push(role);
                    }
                }
            }
        }
        Ok(())
    }
}

impl JoinPlan {
    /// The plan of a query of leaf counts or of histograms; of gradients one that leaves what is joined to
    /// [`super::GradientPlan`].
    ///
    /// # Errors
    /// Another measure; a binner of another schema; a tree that tests columns of three links (of two, for histograms),
    /// or one that there is not; a histogram of a column of another link than its tree's.
    pub fn new(query: &TableQuery, schema: &Schema, binner: &Binner) -> Result<Self, JoinError> {
        let (features, slots) = match query.measure() {
            Measure::LeafCounts => (1, 1),
            Measure::Histograms(axes) => (axes.per_tree().into(), axes.slots().into()),
            Measure::Gradients(gradients) => {
                // What is joined of it is the gradient plan's; for this one everything is the row party's.
                super::GradientPlan::new(query, schema, binner)?;
                let axes = gradients.axes();
                let slots = axes.map_or(1, Axes::slots);
                (axes.map_or(1, Axes::per_tree).into(), slots.into())
            }
            _ => return Err(JoinError::Measure { seen: query.kind() }),
        };
        let mut draft = Draft {
            plan: Self {
                links: Links::new(schema, binner)?,
                leaves: query.leaves(),
                features,
                slots,
                tree_links: Vec::with_capacity(query.trees().len() * features),
                second_links: Vec::new(),
                roles: Vec::with_capacity(query.cells() / CLASSES),
                predicates: Vec::new(),
                seconds: Vec::new(),
            },
            known: HashMap::new(),
        };
        match query.measure() {
            Measure::Histograms(axes) => draft.histograms(query, axes)?,
            Measure::Gradients(_) => {
                let plan = &mut draft.plan;
                plan.tree_links = vec![None; query.trees().len() * features];
                plan.roles = vec![LeafRole::Local; query.cells() / CLASSES];
            }
            _ => draft.leaf_counts(query)?,
        }
        Ok(draft.plan)
    }

    /// The links of the schema.
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// Number of trees, of histograms one for each feature of each tree of the query.
    pub const fn trees(&self) -> usize {
        self.tree_links.len()
    }

    /// Leaves of every tree of the query.
    pub const fn leaves(&self) -> usize {
        self.leaves
    }

    /// Histograms of every tree of the query; 1 for leaf counts.
    pub const fn features(&self) -> usize {
        self.features
    }

    /// Slots of every histogram; 1 for leaf counts.
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// Places of the leaves of a tree in [`JoinPlan::roles`], ascending: those of leaf 0, slot by slot, then of leaf 1.
    pub fn places(&self, tree: usize) -> impl Iterator<Item = usize> + use<> {
        let (features, slots) = (self.features.max(1), self.slots);
        let first = (tree / features * self.leaves * features + tree % features) * slots;
        (0..self.leaves).flat_map(move |leaf| {
            let start = first + leaf * features * slots;
            start..start + slots
        })
    }

    /// Cells of the query: place `p` of [`JoinPlan::roles`] has the cells `2 p` and, of positive rows, the next.
    pub const fn cells(&self) -> usize {
        self.roles.len() * CLASSES
    }

    /// The link whose columns a tree tests or counts, of two the lower; `None` if it is about the row alone.
    pub fn link_of_tree(&self, tree: usize) -> Option<usize> {
        self.tree_links.get(tree).copied().flatten()
    }

    /// The second link whose columns a tree tests, above [`JoinPlan::link_of_tree`]. Only of leaf counts. The weights
    /// of such a tree are by the entity of its *first* link, so they are of use where both links lead to the same
    /// entities; a joined cell is the sum of weights where both of its predicates accept the entity.
    pub fn second_link_of_tree(&self, tree: usize) -> Option<usize> {
        self.second_links.get(tree).copied().flatten()
    }

    /// What a predicate's paths demand of the entity of the second link; `None` for trees over one link.
    pub fn second_of(&self, predicate: usize) -> Option<&AttributePredicate> {
        self.seconds.get(predicate)?.as_ref()
    }

    /// Whether an entity that nobody knows passes a predicate, and the one over the second link if there is one.
    pub fn accepts_missing(&self, predicate: usize) -> bool {
        let first = self.predicates.get(predicate);
        first.is_some_and(AttributePredicate::accepts_missing)
            && self
                .second_of(predicate)
                .is_none_or(AttributePredicate::accepts_missing)
    }

    /// Whether an entity that nobody knows counts in a joined cell.
    pub fn cell_accepts_missing(&self, cell: usize) -> bool {
        matches!(self.role_of(cell), LeafRole::Joined(predicate) if self.accepts_missing(predicate))
    }

    /// Where every leaf is counted, in the order of the table: `[trees, leaves]`, or `[trees, leaves, features, slots]`.
    pub fn roles(&self) -> &[LeafRole] {
        &self.roles
    }

    /// Where a cell is counted. (A cell that there is not is empty.)
    pub fn role_of(&self, cell: usize) -> LeafRole {
        self.roles.get(cell / CLASSES).copied().unwrap_or(LeafRole::Empty)
    }

    /// The distinct predicates of joined leaves, in the order in which trees and leaves first have them. Those of trees
    /// over two links are pairs, of which these are the first halves ([`JoinPlan::second_of`]): halves may repeat, and
    /// one of both may accept everybody.
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
            for place in self.places(tree) {
                if let Some(LeafRole::Joined(predicate)) = self.roles.get(place) {
                    let cells = groups.entry(*predicate).or_default();
                    cells.extend((0..CLASSES).map(|class| place * CLASSES + class));
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
