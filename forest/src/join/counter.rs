//! The row party's side of a leaf table: local counts, and which rows weights are made of.

#![expect(
    clippy::indexing_slicing,
    reason = "hot loops over tables of their own making; inputs are checked at the entrance"
)]

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::JoinError;
use super::histograms::{self, Axis};
use super::links::{Links, Owner};
use super::plan::{JoinPlan, LeafRole};
use super::rows::{LinkedBlock, Ordered};
use super::weights::{Pass, Weights};
use crate::query::{Measure, TableQuery};
use crate::route::lanes::{Mask, ROWS};
use crate::route::reach::{Reach, ReachScratch, count};
use crate::table::CLASSES;
use crate::tree::{Split, Tree};

/// Chunks of rows that are taken at a time: the masks of 64 leaves over these 32,768 rows stay in the second-level
/// cache.
pub(super) const PASS_CHUNKS: usize = 64;

/// A query compiled for counting at a row party. Immutable and `Sync`.
#[derive(Debug)]
pub struct JoinCounter {
    plan: JoinPlan,
    trees: Vec<Tree>,
    open: Vec<bool>,
    /// Per predicate: do missing entities pass?
    missing: Vec<bool>,
    /// Of histograms, one for each tree of the plan.
    axes: Option<Vec<Axis>>,
}

impl JoinCounter {
    /// Compiles a query with its plan.
    ///
    /// # Errors
    /// A plan of another query.
    pub fn new(query: &TableQuery, plan: &JoinPlan) -> Result<Self, JoinError> {
        let trees = query.trees().len() * plan.features();
        super::error::expect("trees of the plan", trees, plan.trees())?;
        super::error::expect("leaves of the plan", query.leaves(), plan.leaves())?;
        let (mut trees, mut open) = (Vec::new(), Vec::new());
        for tree in query.trees().iter() {
            let (own, others) = row_part(plan.links(), tree)?;
            trees.push(own);
            open.extend(others);
        }
        let predicates = 0..plan.predicates().len();
        let axes = match query.measure() {
            Measure::Histograms(axes) => Some(histograms::axes_of(plan.links(), axes)?),
            _ => None,
        };
        Ok(Self {
            axes,
            trees,
            open,
            missing: predicates
                .map(|predicate| plan.accepts_missing(predicate))
                .collect(),
            plan: plan.clone(),
        })
    }

    /// The plan.
    pub const fn plan(&self) -> &JoinPlan {
        &self.plan
    }

    /// What the row party knows alone, `[cells]`: all rows of local cells, and in joined cells those rows that name
    /// nobody, if the predicate accepts the missing. On all threads of the current rayon pool.
    ///
    /// # Errors
    /// Blocks of another schema.
    pub fn local(&self, blocks: &[LinkedBlock]) -> Result<Vec<u64>, JoinError> {
        self.check(blocks)?;
        if let Some(axes) = &self.axes {
            return Ok(self.local_histograms(axes, blocks));
        }
        let mut counts = vec![0; self.plan.cells()];
        for (link, trees) in self.trees_by_link(0..self.trees.len()) {
            let reach = self.reach(&trees);
            let more = blocks
                .iter()
                .map(|block| block.ordered(link))
                .flat_map(|rows| (0..rows.chunks()).map(move |chunk| (rows, chunk)))
                .collect::<Vec<_>>()
                .into_par_iter()
                .with_min_len(PASS_CHUNKS)
                .fold(
                    || {
                        (
                            ReachScratch::new(),
                            vec![0; trees.len() * self.plan.leaves() * CLASSES],
                        )
                    },
                    |(mut scratch, mut counts), (rows, chunk)| {
                        self.count_chunk(&reach, &mut scratch, &trees, (rows, chunk), &mut counts);
                        (scratch, counts)
                    },
                )
                .map(|(_, counts)| counts)
                .reduce_with(|mut sum: Vec<u64>, more| {
                    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                    sum
                });
            let per_tree = self.plan.leaves() * CLASSES;
            for (tree, more) in trees
                .iter()
                .zip(more.iter().flat_map(|more| more.chunks_exact(per_tree)))
            {
                counts[tree * per_tree..][..per_tree].copy_from_slice(more);
            }
        }
        Ok(counts)
    }

    /// `counts` is `[trees of this reach, leaves, classes]`.
    fn count_chunk(
        &self,
        reach: &Reach,
        scratch: &mut ReachScratch,
        trees: &[usize],
        (rows, chunk): (&Ordered, usize),
        counts: &mut [u64],
    ) {
        let (nameless, leaves) = (rows.nameless(chunk), self.plan.leaves());
        let visit = |tree: usize, masks: &[Mask]| {
            let roles = &self.plan.roles()[trees[tree] * leaves..][..leaves];
            let counts = &mut counts[tree * leaves * CLASSES..][..leaves * CLASSES];
            for ((mask, role), counts) in masks.iter().zip(roles).zip(counts.chunks_exact_mut(CLASSES)) {
                let counted = match role {
                    LeafRole::Local => *mask,
                    LeafRole::Joined(predicate) if self.missing[*predicate] => and(mask, &nameless),
                    LeafRole::Joined(_) | LeafRole::Empty => continue,
                };
                let positive = count(&and(&counted, rows.positive(chunk)));
                counts[0] += count(&counted) - positive;
                counts[1] += positive;
            }
        };
        let range = chunk * ROWS..(chunk + 1) * ROWS;
        reach.for_each_tree(scratch, rows.rows(), range, &rows.present(chunk), visit);
    }

    /// Whether the query is one of histograms, whose weights are [`JoinCounter::histogram_weights`].
    pub const fn is_of_histograms(&self) -> bool {
        self.axes.is_some()
    }

    pub(super) fn axes(&self) -> Option<&[Axis]> {
        self.axes.as_deref()
    }

    pub(super) fn accepts_missing(&self, predicate: usize) -> bool {
        self.missing[predicate]
    }

    /// Bytes of [`JoinCounter::weights`] of these trees over so many entities.
    pub fn weights_bytes(&self, trees: Range<usize>, entities: usize) -> usize {
        let leaves = self.joined_leaves(trees).len();
        leaves * CLASSES * entities * size_of::<u32>()
    }

    /// Divides a range of entities so that [`JoinCounter::weights`] of each part takes at most so many bytes, but for
    /// parts of one entity: where entities are as many as rows, all at once are gigabytes.
    pub fn parts(&self, trees: Range<usize>, entities: Range<u32>, bytes: usize) -> Vec<Range<u32>> {
        let each = (bytes / self.weights_bytes(trees, 1).max(1)).clamp(1, u32::MAX as usize) as u32;
        let part = |start: u32| start..start.saturating_add(each).min(entities.end);
        entities.clone().step_by(each as usize).map(part).collect()
    }

    /// The joined cells of some trees by entity: how many rows of the cell's class pass the leaf's tests on the row and
    /// name the entity. Entities outside of the range, another party's perhaps, are passed over. On all threads of the
    /// current rayon pool.
    ///
    /// # Errors
    /// Blocks of another schema, trees that there are not.
    pub fn weights(
        &self,
        blocks: &[LinkedBlock],
        trees: Range<usize>,
        entities: Range<u32>,
    ) -> Result<Weights, JoinError> {
        self.check(blocks)?;
        if trees.end > self.trees.len() {
            return Err(JoinError::Range {
                what: "tree",
                seen: trees.end - 1,
                count: self.trees.len(),
            });
        }
        let leaves = self.joined_leaves(trees.clone());
        let per_leaf = CLASSES * entities.len();
        let cells = leaves
            .iter()
            .flat_map(|leaf| (0..CLASSES).map(move |class| leaf * CLASSES + class));
        let mut weights = Weights {
            cells: cells.collect(),
            data: vec![0; leaves.len() * per_leaf],
            entities: entities.clone(),
        };
        if leaves.is_empty() || per_leaf == 0 {
            return Ok(weights);
        }
        let mut counters: Vec<&mut [u32]> = weights.data.chunks_exact_mut(per_leaf).collect();
        for (link, trees) in self.trees_by_link(trees) {
            let Some(link) = link else { continue };
            let pass = self.pass(link, &trees, &leaves, entities.clone());
            if pass.leaves.is_empty() {
                continue;
            }
            let mut own: Vec<&mut [u32]> = Vec::with_capacity(pass.leaves.len());
            for (position, counters) in counters.iter_mut().enumerate() {
                if pass.leaves.binary_search(&position).is_ok() {
                    own.push(counters);
                }
            }
            blocks.iter().for_each(|block| pass.run(block, &mut own));
        }
        Ok(weights)
    }

    /// The trees that are counted over the rows in the same order.
    pub(super) fn trees_by_link(&self, trees: Range<usize>) -> BTreeMap<Option<usize>, Vec<usize>> {
        let mut by_link: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for tree in trees {
            by_link
                .entry(self.plan.link_of_tree(tree))
                .or_default()
                .push(tree);
        }
        by_link
    }

    /// Of these trees of the query.
    pub(super) fn reach(&self, trees: &[usize]) -> Reach {
        let own: Vec<Tree> = trees.iter().map(|tree| self.trees[*tree].clone()).collect();
        let nodes = self.plan.leaves() - 1;
        let open = trees.iter().flat_map(|tree| &self.open[tree * nodes..][..nodes]);
        Reach::new(&own, open.copied().collect())
    }

    /// The pass over the rows for the trees of one link; `all` are the joined leaves of all trees asked for.
    fn pass(&self, link: usize, trees: &[usize], all: &[usize], entities: Range<u32>) -> Pass {
        let per_tree = self.plan.leaves();
        let own = |tree: &usize| {
            let own = all.iter().filter(|leaf| *leaf / per_tree == *tree);
            own.map(|leaf| leaf % per_tree).collect()
        };
        let positions = all.iter().enumerate();
        let of_link = positions.filter(|(_, leaf)| trees.contains(&(*leaf / per_tree)));
        Pass {
            reach: self.reach(trees),
            link,
            trees: trees.iter().map(own).collect(),
            leaves: of_link.map(|(position, _)| position).collect(),
            entities,
        }
    }

    /// Positions in `[trees, leaves]`, ascending.
    fn joined_leaves(&self, trees: Range<usize>) -> Vec<usize> {
        let roles = self.plan.roles().iter().enumerate();
        roles
            .skip(trees.start * self.plan.leaves())
            .take(trees.len() * self.plan.leaves())
            .filter(|(_, role)| matches!(role, LeafRole::Joined(_)))
            .map(|(leaf, _)| leaf)
            .collect()
    }

    pub(super) fn check(&self, blocks: &[LinkedBlock]) -> Result<(), JoinError> {
        let links = self.plan.links();
        blocks
            .iter()
            .try_for_each(|block| block.fits(links.row_columns(), links.links().len()))
    }
}

/// A tree's tests on the row, over the row's columns, and which nodes test something else.
pub(super) fn row_part(links: &Links, tree: &Tree) -> Result<(Tree, Vec<bool>), JoinError> {
    let mut open = Vec::with_capacity(tree.splits().len());
    let mut splits = Vec::with_capacity(tree.splits().len());
    for split in tree.splits() {
        let owner = links.owner(split.feature);
        let (own, is_open) = match owner {
            _ if split.is_dummy() => (Split::DUMMY, false),
            Some(Owner::Row(feature)) => (Split { feature, ..*split }, false),
            Some(Owner::Link(..)) => (Split::DUMMY, true),
            None => {
                return Err(JoinError::Range {
                    what: "feature",
                    seen: split.feature.into(),
                    count: links.features(),
                });
            }
        };
        splits.push(own);
        open.push(is_open);
    }
    let (expected, seen) = (tree.splits().len(), splits.len());
    let own = Tree::new(tree.depth(), splits).map_err(|_| JoinError::Shape {
        what: "tests of a tree",
        expected,
        seen,
    })?;
    Ok((own, open))
}

fn and(a: &Mask, b: &Mask) -> Mask {
    std::array::from_fn(|lane| a[lane] & b[lane])
}
