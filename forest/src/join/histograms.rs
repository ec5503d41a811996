//! The row party's side of histograms: local counts, and weights row by row.
//!
//! A row is in one slot of each histogram of a leaf that it may reach, so a tree has few weights and many cells: they
//! are collected cell by cell, where the rows' order makes entities ascend, and never laid out by cell and entity.

#![expect(
    clippy::indexing_slicing,
    reason = "hot loops over tables of their own making; inputs are checked at the entrance"
)]

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::JoinError;
use super::counter::{JoinCounter, PASS_CHUNKS};
use super::links::{Links, Owner};
use super::plan::LeafRole;
use super::rows::{LinkedBlock, Ordered};
use crate::query::Axes;
use crate::route::lanes::{Mask, ROWS};
use crate::route::reach::{ReachScratch, bits, count, row_at};
use crate::table::CLASSES;

/// What a histogram is over.
#[derive(Debug, Clone)]
pub(super) enum Axis {
    /// A column of the rows: its position among these, and the slot of every bin.
    Row(usize, Vec<u8>),
    /// A column of entities: a row may be in any slot.
    Entity,
}

/// One axis for each tree of the plan.
pub(super) fn axes_of(links: &Links, axes: &Axes) -> Result<Vec<Axis>, JoinError> {
    let of = |feature: &u16| match links.owner(*feature) {
        Some(Owner::Row(column)) => Ok(Axis::Row(column.into(), axes.slots_of(*feature).to_vec())),
        Some(Owner::Link(..)) => Ok(Axis::Entity),
        None => Err(JoinError::Range {
            what: "feature",
            seen: (*feature).into(),
            count: links.features(),
        }),
    };
    axes.features().iter().map(of).collect()
}

impl JoinCounter {
    /// As [`JoinCounter::local`].
    pub(super) fn local_histograms(&self, axes: &[Axis], blocks: &[LinkedBlock]) -> Vec<u64> {
        let cells = self.plan().cells();
        let mut counts = vec![0u64; cells];
        for (link, trees) in self.trees_by_link(0..self.plan().trees()) {
            // Trees of the query, each with its trees of the plan.
            let mut by_tree: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for tree in trees {
                by_tree
                    .entry(tree / self.plan().features())
                    .or_default()
                    .push(tree);
            }
            let own: Vec<usize> = by_tree.keys().copied().collect();
            let histograms: Vec<Vec<usize>> = by_tree.into_values().collect();
            let reach = self.reach(&own);
            let more = blocks
                .iter()
                .map(|block| block.ordered(link))
                .flat_map(|rows| (0..rows.chunks()).map(move |chunk| (rows, chunk)))
                .collect::<Vec<_>>()
                .into_par_iter()
                .with_min_len(PASS_CHUNKS)
                .fold(
                    || (ReachScratch::new(), vec![0u64; cells]),
                    |(mut scratch, mut counts), (rows, chunk)| {
                        let range = chunk * ROWS..(chunk + 1) * ROWS;
                        let visit = |tree: usize, masks: &[Mask]| {
                            for histogram in &histograms[tree] {
                                let axis = &axes[*histogram];
                                self.count_histogram(axis, *histogram, masks, (rows, chunk), &mut counts);
                            }
                        };
                        reach.for_each_tree(&mut scratch, rows.rows(), range, &rows.present(chunk), visit);
                        (scratch, counts)
                    },
                )
                .map(|(_, counts)| counts)
                .reduce_with(|mut sum, more| {
                    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                    sum
                });
            for (count, more) in counts.iter_mut().zip(more.into_iter().flatten()) {
                *count += more;
            }
        }
        counts
    }

    fn count_histogram(
        &self,
        axis: &Axis,
        histogram: usize,
        masks: &[Mask],
        (rows, chunk): (&Ordered, usize),
        counts: &mut [u64],
    ) {
        let (slots, nameless) = (self.plan().slots(), rows.nameless(chunk));
        let positive = rows.positive(chunk);
        let mut places = self.plan().places(histogram).step_by(slots);
        for (mask, first) in masks.iter().zip(places.by_ref()) {
            let roles = &self.plan().roles()[first..][..slots];
            let counts = &mut counts[first * CLASSES..][..slots * CLASSES];
            let counted = |role: &LeafRole| match role {
                LeafRole::Local => Some(*mask),
                LeafRole::Joined(predicate) if self.accepts_missing(*predicate) => Some(and(mask, &nameless)),
                LeafRole::Joined(_) | LeafRole::Empty => None,
            };
            match axis {
                Axis::Entity => {
                    for (role, counts) in roles.iter().zip(counts.chunks_exact_mut(CLASSES)) {
                        let Some(counted) = counted(role) else { continue };
                        let ones = count(&and(&counted, positive));
                        counts[0] += count(&counted) - ones;
                        counts[1] += ones;
                    }
                }
                Axis::Row(column, slot_of) => {
                    // Whom any slot counts; a role decides row by row only where slots differ.
                    let all_local = roles.iter().all(|role| *role == LeafRole::Local);
                    let any_local = roles.contains(&LeafRole::Local);
                    let among = if any_local { *mask } else { and(mask, &nameless) };
                    let bins = &rows.rows().column(*column)[chunk * ROWS..][..ROWS];
                    for_each_row(&among, |position| {
                        let slot = usize::from(slot_of[usize::from(bins[row_at(position)])]);
                        let is_counted =
                            all_local || counted(&roles[slot]).is_some_and(|counted| has(&counted, position));
                        if is_counted {
                            counts[slot * CLASSES + usize::from(has(positive, position))] += 1;
                        }
                    });
                }
            }
        }
    }

    /// The joined cells of one tree of a plan of histograms by entity, as [`JoinCounter::weights`] has them of leaf
    /// counts: cell, entity counted from the start of the range, rows; ascending, none of them 0. On all threads of
    /// the current rayon pool.
    ///
    /// # Errors
    /// Blocks of another schema, a tree that there is not, a plan of leaf counts.
    pub fn histogram_weights(
        &self,
        blocks: &[LinkedBlock],
        tree: usize,
        entities: Range<u32>,
    ) -> Result<Vec<(usize, u32, u32)>, JoinError> {
        self.check(blocks)?;
        let Some(axis) = self.axes().and_then(|axes| axes.get(tree)) else {
            return Err(JoinError::Range {
                what: "histogram",
                seen: tree,
                count: self.axes().map_or(0, <[Axis]>::len),
            });
        };
        let Some(link) = self.plan().link_of_tree(tree) else {
            return Ok(Vec::new());
        };
        let roles = self.plan().roles();
        let joined: Vec<bool> = self
            .plan()
            .places(tree)
            .map(|place| matches!(roles[place], LeafRole::Joined(_)))
            .collect();
        let mut buckets: Vec<Vec<u32>> = Vec::new();
        for block in blocks {
            let rows = block.ordered(Some(link));
            let among = rows.among(&entities);
            let (Some(first), Some(end)) = (rows.starts().get(among.start), rows.starts().get(among.end))
            else {
                continue;
            };
            let named = *first..*end;
            let chunks = named.start / ROWS..named.end.div_ceil(ROWS);
            let pieces: Vec<Range<usize>> = chunks
                .clone()
                .step_by(PASS_CHUNKS)
                .map(|start| start..chunks.end.min(start + PASS_CHUNKS))
                .collect();
            let found: Vec<Vec<Vec<u32>>> = pieces
                .into_par_iter()
                .map(|chunks| {
                    let pass = Collect {
                        counter: self,
                        tree,
                        axis,
                        joined: &joined,
                        start: entities.start,
                    };
                    pass.run(rows, &among, &named, chunks)
                })
                .collect();
            // Pieces follow each other, so entities still ascend; blocks may repeat them.
            for piece in found {
                if buckets.is_empty() {
                    buckets = piece;
                    continue;
                }
                for (all, more) in buckets.iter_mut().zip(piece) {
                    all.extend(more);
                }
            }
        }
        if blocks.len() > 1 {
            buckets.par_iter_mut().for_each(|bucket| bucket.sort_unstable());
        }
        Ok(self.weights_of(tree, axis, &joined, &buckets))
    }

    /// Runs of equal entities, in the order of cells.
    fn weights_of(
        &self,
        tree: usize,
        axis: &Axis,
        joined: &[bool],
        buckets: &[Vec<u32>],
    ) -> Vec<(usize, u32, u32)> {
        let slots = self.plan().slots();
        let mut weights = Vec::new();
        for (position, place) in self.plan().places(tree).enumerate() {
            if !joined[position] {
                continue;
            }
            for class in 0..CLASSES {
                let bucket = match axis {
                    Axis::Row(..) => position * CLASSES + class,
                    // Every slot has the rows of the leaf.
                    Axis::Entity => position / slots * CLASSES + class,
                };
                let mut last: Option<(u32, u32)> = None;
                for entity in buckets.get(bucket).into_iter().flatten() {
                    match &mut last {
                        Some((same, rows)) if same == entity => *rows += 1,
                        other => {
                            let run = other.replace((*entity, 1));
                            weights.extend(run.map(|(entity, rows)| (place * CLASSES + class, entity, rows)));
                        }
                    }
                }
                weights.extend(last.map(|(entity, rows)| (place * CLASSES + class, entity, rows)));
            }
        }
        weights
    }
}

/// Entities of the rows of every joined cell of one tree, ascending, one for each row.
struct Collect<'a> {
    counter: &'a JoinCounter,
    tree: usize,
    axis: &'a Axis,
    /// Per place of the tree.
    joined: &'a [bool],
    /// The first entity of the range.
    start: u32,
}

impl Collect<'_> {
    fn run(
        &self,
        rows: &Ordered,
        among: &Range<usize>,
        named: &Range<usize>,
        chunks: Range<usize>,
    ) -> Vec<Vec<u32>> {
        let plan = self.counter.plan();
        let (slots, leaves) = (plan.slots(), plan.leaves());
        let each = match self.axis {
            Axis::Row(..) => slots,
            Axis::Entity => 1,
        };
        let mut buckets = vec![Vec::new(); leaves * each * CLASSES];
        let reach = self.counter.reach(&[self.tree / plan.features()]);
        let mut scratch = ReachScratch::new();
        let mut owners = [0u32; ROWS];
        for chunk in chunks {
            let first = chunk * ROWS;
            let here = named.start.max(first)..named.end.min(first + ROWS);
            self.owners(rows, among, first, &here, &mut owners);
            let present = bits(here.start - first..here.end - first);
            let positive = rows.positive(chunk);
            let visit = |_: usize, masks: &[Mask]| {
                for (leaf, mask) in masks.iter().enumerate() {
                    let joined = &self.joined[leaf * slots..][..slots];
                    if !joined.contains(&true) {
                        continue;
                    }
                    let buckets = &mut buckets[leaf * each * CLASSES..][..each * CLASSES];
                    match self.axis {
                        Axis::Entity => for_each_row(mask, |position| {
                            buckets[usize::from(has(positive, position))].push(owners[position]);
                        }),
                        Axis::Row(column, slot_of) => {
                            let bins = &rows.rows().column(*column)[first..][..ROWS];
                            for_each_row(mask, |position| {
                                let slot = usize::from(slot_of[usize::from(bins[row_at(position)])]);
                                if joined[slot] {
                                    let class = usize::from(has(positive, position));
                                    buckets[slot * CLASSES + class].push(owners[position]);
                                }
                            });
                        }
                    }
                }
            };
            reach.for_each_tree(&mut scratch, rows.rows(), first..first + ROWS, &present, visit);
        }
        buckets
    }

    /// The entity of every row of a chunk, counted from the start of the range.
    fn owners(
        &self,
        rows: &Ordered,
        among: &Range<usize>,
        first: usize,
        here: &Range<usize>,
        owners: &mut [u32; ROWS],
    ) {
        let starts = rows.starts();
        let before = starts[among.clone()].partition_point(|start| *start <= here.start);
        let mut position = among.start + before.saturating_sub(1);
        for place in here.clone() {
            while starts[position + 1] <= place {
                position += 1;
            }
            owners[place - first] = rows.entity(position) - self.start;
        }
    }
}

fn for_each_row(mask: &Mask, mut visit: impl FnMut(usize)) {
    for (word, ones) in mask.iter().enumerate() {
        let mut rest = *ones;
        while rest != 0 {
            visit(64 * word + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }
}

const fn has(mask: &Mask, position: usize) -> bool {
    mask[position / 64] >> (position % 64) & 1 == 1
}

fn and(a: &Mask, b: &Mask) -> Mask {
    std::array::from_fn(|lane| a[lane] & b[lane])
}
