//! The row party's side of a leaf table: local counts, and weights by entity.

#![expect(
    clippy::indexing_slicing,
    reason = "hot loops over tables of their own making; inputs are checked at the entrance"
)]

use std::ops::Range;

use rayon::prelude::*;

use super::JoinError;
use super::links::{Links, Owner};
use super::plan::{JoinPlan, LeafRole};
use super::rows::{LinkedBlock, and, and_not};
use crate::query::TableQuery;
use crate::route::lanes::Mask;
use crate::route::reach::{Reach, ReachScratch, count};
use crate::table::CLASSES;
use crate::tree::{Split, Tree};

/// Chunks of rows whose leaves are noted before they are scattered: the counters of one leaf stay in the second-level
/// cache while 32,768 rows are.
const SCATTER_CHUNKS: usize = 64;
/// Chunks that a thread takes at a time where nothing is scattered.
const PARALLEL_CHUNKS: usize = 32;

/// A query compiled for counting at a row party. Immutable and `Sync`.
#[derive(Debug)]
pub struct JoinCounter {
    plan: JoinPlan,
    trees: Vec<Tree>,
    open: Vec<bool>,
    all: Reach,
    /// Per predicate: do missing entities pass?
    missing: Vec<bool>,
}

/// Rows by joined cell and entity: what a row party multiplies with encrypted bits. Secret: not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Weights {
    entities: Range<u32>,
    /// Ascending, two to a leaf.
    cells: Vec<usize>,
    /// `[cells, entities]`
    data: Vec<u32>,
}

impl JoinCounter {
    /// Compiles a query with its plan.
    ///
    /// # Errors
    /// A plan of another query.
    pub fn new(query: &TableQuery, plan: &JoinPlan) -> Result<Self, JoinError> {
        super::error::expect("trees of the plan", query.trees().len(), plan.trees())?;
        super::error::expect("leaves of the plan", query.leaves(), plan.leaves())?;
        let (mut trees, mut open) = (Vec::new(), Vec::new());
        for tree in query.trees().iter() {
            let (own, others) = row_part(plan.links(), tree)?;
            trees.push(own);
            open.extend(others);
        }
        let predicates = plan.predicates().iter();
        Ok(Self {
            all: Reach::new(&trees, open.clone()),
            trees,
            open,
            missing: predicates.map(|predicate| predicate.accepts_missing()).collect(),
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
        let add = |mut sum: Vec<u64>, more: Vec<u64>| {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            sum
        };
        let zeros = || vec![0; self.plan.cells()];
        let counts =
            chunks_of(blocks, PARALLEL_CHUNKS)
                .into_par_iter()
                .fold(zeros, |mut counts, (block, chunks)| {
                    let mut scratch = ReachScratch::new();
                    chunks.for_each(|chunk| self.count_chunk(&mut scratch, block, chunk, &mut counts));
                    counts
                });
        Ok(counts.reduce(zeros, add))
    }

    fn count_chunk(&self, scratch: &mut ReachScratch, block: &LinkedBlock, chunk: usize, counts: &mut [u64]) {
        let rows = block.chunks()[chunk];
        let nameless: Vec<Mask> = (0..block.links())
            .map(|link| block.nameless(link, chunk))
            .collect();
        let leaves = self.plan.leaves();
        let visit = |tree: usize, masks: &[Mask]| {
            let roles = &self.plan.roles()[tree * leaves..][..leaves];
            let counts = &mut counts[tree * leaves * CLASSES..][..leaves * CLASSES];
            let link = self.plan.link_of_tree(tree);
            for ((mask, role), counts) in masks.iter().zip(roles).zip(counts.chunks_exact_mut(CLASSES)) {
                let counted = match (role, link) {
                    (LeafRole::Local, _) => *mask,
                    (LeafRole::Joined(predicate), Some(link)) if self.missing[*predicate] => {
                        and(mask, &nameless[link])
                    }
                    _ => continue,
                };
                let positive = count(&and(&counted, &rows.positive));
                counts[0] += count(&counted) - positive;
                counts[1] += positive;
            }
        };
        self.all
            .for_each_tree(scratch, block.rows(), block.rows_of(chunk), &rows.present, visit);
    }

    /// Bytes of [`JoinCounter::weights`] of these trees over so many entities.
    pub fn weights_bytes(&self, trees: Range<usize>, entities: usize) -> usize {
        let leaves = self.joined_leaves(trees).len();
        leaves * CLASSES * entities * size_of::<u32>()
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
        let pass = Pass::new(self, trees, &leaves, entities);
        for (block, chunks) in chunks_of(blocks, SCATTER_CHUNKS) {
            pass.run(block, chunks, &mut weights.data);
        }
        Ok(weights)
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

    fn check(&self, blocks: &[LinkedBlock]) -> Result<(), JoinError> {
        let links = self.plan.links();
        blocks
            .iter()
            .try_for_each(|block| block.fits(links.row_columns(), links.links().len()))
    }
}

/// One pass over the rows for the weights of some trees.
struct Pass {
    reach: Reach,
    /// Per tree of the pass: its link, and its joined leaves.
    trees: Vec<(Option<usize>, Vec<usize>)>,
    /// Per joined leaf: the link.
    links: Vec<usize>,
    entities: Range<u32>,
}

impl Pass {
    fn new(counter: &JoinCounter, trees: Range<usize>, leaves: &[usize], entities: Range<u32>) -> Self {
        let (plan, per_tree) = (&counter.plan, counter.plan.leaves());
        let nodes = per_tree - 1;
        let link_of = |leaf: &usize| plan.link_of_tree(leaf / per_tree).unwrap_or_default();
        let own = |tree: usize| {
            let own = leaves.iter().filter(|leaf| *leaf / per_tree == tree);
            let own: Vec<usize> = own.map(|leaf| leaf % per_tree).collect();
            (plan.link_of_tree(tree).filter(|_| !own.is_empty()), own)
        };
        let open = &counter.open[trees.start * nodes..trees.end * nodes];
        Self {
            reach: Reach::new(&counter.trees[trees.clone()], open.to_vec()),
            trees: trees.map(own).collect(),
            links: leaves.iter().map(link_of).collect(),
            entities,
        }
    }

    /// First the masks of all joined leaves, chunk by chunk, then leaf by leaf the rows in them: each thread has its own
    /// chunks, then its own counters.
    fn run(&self, block: &LinkedBlock, chunks: Range<usize>, data: &mut [u32]) {
        let (first, leaves) = (chunks.start, self.links.len());
        let mut masks = vec![[0; 8]; chunks.len() * leaves];
        masks.par_chunks_mut(leaves).zip(chunks).for_each_init(
            ReachScratch::new,
            |scratch, (masks, chunk)| {
                self.masks_of(scratch, block, chunk, masks);
            },
        );
        data.par_chunks_mut(CLASSES * self.entities.len())
            .zip(&self.links)
            .enumerate()
            .for_each(|(leaf, (counters, link))| {
                let (negative, positive) = counters.split_at_mut(self.entities.len());
                for (chunk, masks) in (first..).zip(masks.chunks_exact(leaves)) {
                    let (mask, rows) = (&masks[leaf], &block.chunks()[chunk]);
                    let entities = block.entities(*link, chunk);
                    self.scatter(&and_not(mask, &rows.positive), entities, negative);
                    self.scatter(&and(mask, &rows.positive), entities, positive);
                }
            });
    }

    fn masks_of(&self, scratch: &mut ReachScratch, block: &LinkedBlock, chunk: usize, masks: &mut [Mask]) {
        let naming: Vec<Mask> = (0..block.links())
            .map(|link| block.naming(link, chunk, &self.entities))
            .collect();
        let mut out = masks.iter_mut();
        let present = &block.chunks()[chunk].present;
        self.reach.for_each_tree(
            scratch,
            block.rows(),
            block.rows_of(chunk),
            present,
            |tree, masks| {
                let (link, leaves) = &self.trees[tree];
                let Some(naming) = link.map(|link| &naming[link]) else {
                    return;
                };
                for (out, leaf) in out.by_ref().take(leaves.len()).zip(leaves) {
                    *out = and(&masks[*leaf], naming);
                }
            },
        );
    }

    #[inline(always)]
    fn scatter(&self, mask: &Mask, entities: &[u32], counters: &mut [u32]) {
        for (word, entities) in mask.iter().zip(entities.chunks_exact(64)) {
            let mut rest = *word;
            while rest != 0 {
                let entity = entities[rest.trailing_zeros() as usize % 64] - self.entities.start;
                counters[entity as usize] += 1;
                rest &= rest - 1;
            }
        }
    }
}

impl Weights {
    /// The entities counted.
    pub const fn entities(&self) -> &Range<u32> {
        &self.entities
    }

    /// The cells of the query that these weights are of, ascending.
    pub fn cells(&self) -> &[usize] {
        &self.cells
    }

    /// The weights of a cell, one for each entity; `None` if the cell is not among them.
    pub fn of(&self, cell: usize) -> Option<&[u32]> {
        let position = self.cells.binary_search(&cell).ok()?;
        self.data
            .get(position * self.entities.len()..)?
            .get(..self.entities.len())
    }

    /// Every cell with its weights, one for each entity.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u32])> {
        let each = self.entities.len();
        let of = move |(position, cell): (usize, &usize)| (*cell, &self.data[position * each..][..each]);
        self.cells.iter().enumerate().map(of)
    }

    /// Every weight that is not zero: cell, entity counted from the start of the range, rows; ascending.
    pub fn nonzero(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        self.iter().flat_map(|(cell, weights)| {
            let entities = (0u32..).zip(weights).filter(|(_, rows)| **rows != 0);
            entities.map(move |(entity, rows)| (cell, entity, *rows))
        })
    }

    /// Rows of a cell that name any entity of a part of the range (counted from its start): what is added to the local
    /// count, if the predicate accepts the missing, once the party of these entities has dropped.
    pub fn total(&self, cell: usize, entities: Range<usize>) -> u64 {
        let weights = self.of(cell).and_then(|weights| weights.get(entities));
        weights
            .unwrap_or_default()
            .iter()
            .map(|rows| u64::from(*rows))
            .sum()
    }
}

// Counts before noise must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weights")
            .field("cells", &self.cells.len())
            .field("entities", &self.entities.len())
            .finish_non_exhaustive()
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

/// The chunks of all blocks, at most so many together.
fn chunks_of(blocks: &[LinkedBlock], most: usize) -> Vec<(&LinkedBlock, Range<usize>)> {
    let of = |block| {
        let chunks = LinkedBlock::chunks(block).len();
        (0..chunks)
            .step_by(most)
            .map(move |start| (block, start..chunks.min(start + most)))
    };
    blocks.iter().flat_map(of).collect()
}
