//! Weights: the joined cells of a row party by entity.

#![expect(
    clippy::indexing_slicing,
    reason = "hot loops over tables of their own making; inputs are checked at the entrance"
)]

use std::ops::Range;

use rayon::prelude::*;

use super::counter::PASS_CHUNKS;
use super::rows::{LinkedBlock, Ordered};
use crate::route::lanes::{Mask, NONE, ROWS};
use crate::route::reach::{Reach, ReachScratch};

/// Most masks of a pass, but for those of one chunk: bounds its memory where trees are deep or many.
const MASKS: usize = 1 << 14;

/// Rows by joined cell and entity: what a row party multiplies with encrypted bits. Secret: not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Weights {
    pub(super) entities: Range<u32>,
    /// Ascending, two to a leaf.
    pub(super) cells: Vec<usize>,
    /// `[cells, entities]`
    pub(super) data: Vec<u32>,
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

/// One pass over the rows for the weights of the trees of one link.
pub(super) struct Pass {
    pub(super) reach: Reach,
    pub(super) link: usize,
    /// Per tree of the pass its joined leaves.
    pub(super) trees: Vec<Vec<usize>>,
    /// Per joined leaf of the pass its position among those of all links.
    pub(super) leaves: Vec<usize>,
    pub(super) entities: Range<u32>,
}

impl Pass {
    /// Adds a block's rows to the counters of the pass's leaves, `[classes, entities]` each.
    pub(super) fn run(&self, block: &LinkedBlock, counters: &mut [&mut [u32]]) {
        let rows = block.ordered(Some(self.link));
        let among = rows.among(&self.entities);
        let (Some(first), Some(end)) = (rows.starts().get(among.start), rows.starts().get(among.end)) else {
            return;
        };
        let chunks = first / ROWS..end.div_ceil(ROWS);
        let at_a_time = (MASKS / self.leaves.len().max(1)).clamp(1, PASS_CHUNKS);
        for start in chunks.clone().step_by(at_a_time) {
            let chunks = start..chunks.end.min(start + at_a_time);
            self.run_chunks(rows, &among, chunks, counters);
        }
    }

    /// First the masks of all leaves, chunk by chunk, then leaf by leaf the runs of its entities: each thread has its
    /// own chunks, then its own counters.
    fn run_chunks(
        &self,
        rows: &Ordered,
        among: &Range<usize>,
        chunks: Range<usize>,
        counters: &mut [&mut [u32]],
    ) {
        let leaves = self.leaves.len();
        let mut masks = vec![NONE; chunks.len() * leaves];
        masks.par_chunks_mut(leaves).zip(chunks.clone()).for_each_init(
            ReachScratch::new,
            |scratch, (masks, chunk)| {
                let mut out = masks.iter_mut();
                let range = chunk * ROWS..(chunk + 1) * ROWS;
                let visit = |tree: usize, reached: &[Mask]| {
                    for (leaf, out) in self.trees[tree].iter().zip(out.by_ref()) {
                        *out = reached[*leaf];
                    }
                };
                self.reach
                    .for_each_tree(scratch, rows.rows(), range, &rows.present(chunk), visit);
            },
        );
        let positive: Vec<u64> = chunks.clone().flat_map(|chunk| *rows.positive(chunk)).collect();
        counters.par_iter_mut().enumerate().for_each(|(leaf, counters)| {
            let own = masks.chunks_exact(leaves).flat_map(|masks| masks[leaf]);
            let own: Vec<u64> = own.collect();
            self.count_runs(rows, among, chunks.start * ROWS, &own, &positive, counters);
        });
    }

    /// Adds the rows of one leaf to their entities: `words` is its mask from place `first` on.
    fn count_runs(
        &self,
        rows: &Ordered,
        among: &Range<usize>,
        first: usize,
        words: &[u64],
        positive: &[u64],
        counters: &mut [u32],
    ) {
        let (negatives, positives) = counters.split_at_mut(self.entities.len());
        let starts = &rows.starts()[among.start..=among.end];
        let end = first + 64 * words.len();
        // The entity whose rows are at `first`, or the first one after it.
        let skipped = starts.partition_point(|start| *start <= first).saturating_sub(1);
        let mut runs = Runs::new(words, positive);
        runs.skip_to(starts[skipped].saturating_sub(first));
        let ends = starts[skipped..].iter().take_while(|start| **start < end).skip(1);
        let last = starts[skipped..]
            .iter()
            .find(|start| **start >= end)
            .map(|_| &end);
        for (position, until) in (among.start + skipped..).zip(ends.chain(last)) {
            let entity = (rows.entity(position) - self.entities.start) as usize;
            let (negative, positive) = runs.count_to(until - first);
            negatives[entity] += negative;
            positives[entity] += positive;
        }
    }
}

/// Counts ones between two places of a mask, one run after the other.
struct Runs<'a> {
    words: &'a [u64],
    positive: &'a [u64],
    /// Words behind us, and the ones in them, of both classes and of the positive one.
    word: usize,
    behind: (u32, u32),
    /// Ones before the last place.
    before: (u32, u32),
}

impl<'a> Runs<'a> {
    const fn new(words: &'a [u64], positive: &'a [u64]) -> Self {
        Self {
            words,
            positive,
            word: 0,
            behind: (0, 0),
            before: (0, 0),
        }
    }

    fn skip_to(&mut self, place: usize) {
        self.before = self.ones_before(place);
    }

    /// Negative and positive rows from the last place to this one.
    #[inline(always)]
    fn count_to(&mut self, place: usize) -> (u32, u32) {
        let (all, positive) = self.ones_before(place);
        let (all_before, positive_before) = std::mem::replace(&mut self.before, (all, positive));
        let positive = positive - positive_before;
        (all - all_before - positive, positive)
    }

    #[inline(always)]
    fn ones_before(&mut self, place: usize) -> (u32, u32) {
        let (word, bit) = (place / 64, place % 64);
        let ones = |word: usize, among: u64| {
            let all = self.words[word] & among;
            (all.count_ones(), (all & self.positive[word]).count_ones())
        };
        while self.word < word {
            let (all, positive) = ones(self.word, u64::MAX);
            self.behind = (self.behind.0 + all, self.behind.1 + positive);
            self.word += 1;
        }
        if bit == 0 {
            return self.behind;
        }
        let (all, positive) = ones(word, (1 << bit) - 1);
        (self.behind.0 + all, self.behind.1 + positive)
    }
}
