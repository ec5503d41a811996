//! A row party's rows, laid out for counting.
//!
//! Rows are kept once for every link, sorted by the entity that they name through it. Then the rows of an entity are a
//! run of bits in the mask of a leaf, and a weight is the number of ones in it: whatever the number of leaves that a
//! row may reach, no row is looked at alone. The rows of one party's entities are a run too.

#![expect(
    clippy::indexing_slicing,
    reason = "places of rows in lists that were made for as many"
)]

use std::ops::Range;

use rayon::prelude::*;

use super::JoinError;
use super::error::expect;
use crate::binning::Binned;
use crate::route::lanes::{Mask, NONE, ROWS};
use crate::route::reach::{bits, row_at};

/// A reference to nobody: an empty one, or one to a party that is not in the run.
pub const NOBODY: u32 = u32::MAX;

/// Rows with labels, and for every link the entity that each row names. For each link a row takes a byte for each own
/// column and a bit for the label; the fewer and larger the blocks of a data set, the faster it is counted.
#[derive(Clone)]
pub struct LinkedBlock {
    rows: usize,
    columns: usize,
    links: usize,
    /// One for each link; one if there is none.
    orders: Vec<Ordered>,
}

/// The rows by what they name through one link; those that name nobody come last.
#[derive(Clone)]
pub(super) struct Ordered {
    /// Number of rows, without what fills the last chunk.
    count: usize,
    /// `[columns, chunks * ROWS]`; within each chunk the row of bit `p` of a mask is the `p`-th.
    rows: Binned,
    /// Per chunk the rows of the positive class.
    positive: Vec<Mask>,
    /// The distinct entities, ascending.
    entities: Vec<u32>,
    /// The place of the first row of each entity, and the end of the last.
    starts: Vec<usize>,
}

impl LinkedBlock {
    /// A block of `rows`, whose features are the row columns of the schema in their order
    /// ([`crate::schema::Schema::row_columns`]). A row is positive if its label is not 0. `entities` are, for every
    /// link, the entity of each row, or [`NOBODY`], by whatever numbers the caller gives entities: one numbering may
    /// serve all links, and where entities are at several parties each has its own range of numbers.
    ///
    /// # Errors
    /// Labels or entities that are not one for each row, or 2^32 rows or more.
    pub fn new<E: AsRef<[u32]> + Sync>(
        rows: Binned,
        labels: &[u8],
        entities: &[E],
    ) -> Result<Self, JoinError> {
        expect("labels of a block", rows.rows(), labels.len())?;
        for link in entities {
            expect("entities of a block", rows.rows(), link.as_ref().len())?;
        }
        if u32::try_from(rows.rows()).is_err() {
            return Err(JoinError::Range {
                what: "row",
                seen: rows.rows() - 1,
                count: u32::MAX as usize,
            });
        }
        let orders = if entities.is_empty() {
            vec![Ordered::new(&rows, labels, &vec![NOBODY; labels.len()])]
        } else {
            let order = |link: &E| Ordered::new(&rows, labels, link.as_ref());
            entities.par_iter().map(order).collect()
        };
        Ok(Self {
            rows: rows.rows(),
            columns: rows.features(),
            links: entities.len(),
            orders,
        })
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of links.
    pub const fn links(&self) -> usize {
        self.links
    }

    /// Checks that the block is one of a schema with so many row columns and links.
    pub(super) fn fits(&self, row_columns: usize, links: usize) -> Result<(), JoinError> {
        expect("columns of the rows", row_columns, self.columns)?;
        expect("links of a block", links, self.links)
    }

    /// The rows by a link, or in any order.
    pub(super) fn ordered(&self, link: Option<usize>) -> &Ordered {
        &self.orders[link.unwrap_or(0)]
    }
}

impl Ordered {
    fn new(rows: &Binned, labels: &[u8], entities: &[u32]) -> Self {
        let mut order: Vec<u32> = (0..rows.rows() as u32).collect();
        order.par_sort_unstable_by_key(|row| (entities[*row as usize], *row));
        let mut out = Self {
            count: order.len(),
            rows: Binned::new(order.len().next_multiple_of(ROWS), rows.features()),
            positive: Vec::with_capacity(order.len().div_ceil(ROWS)),
            entities: Vec::new(),
            starts: Vec::new(),
        };
        for feature in 0..rows.features() {
            let (from, to) = (rows.column(feature), out.rows.column_mut(feature));
            for (to, chunk) in to.chunks_exact_mut(ROWS).zip(order.chunks(ROWS)) {
                for (position, row) in chunk.iter().enumerate() {
                    to[row_at(position)] = from[*row as usize];
                }
            }
        }
        for chunk in order.chunks(ROWS) {
            let mut positive = NONE;
            for (position, row) in chunk.iter().enumerate() {
                positive[position / 64] |= u64::from(labels[*row as usize] != 0) << (position % 64);
            }
            out.positive.push(positive);
        }
        for (place, row) in order.iter().enumerate() {
            let entity = entities[*row as usize];
            if out.entities.last() != Some(&entity) {
                out.entities.push(entity);
                out.starts.push(place);
            }
        }
        // Those that name nobody are no entity; where they start the last one ends.
        if out.entities.last() == Some(&NOBODY) {
            out.entities.pop();
        } else {
            out.starts.push(out.count);
        }
        out
    }

    /// Number of chunks of [`ROWS`] rows.
    pub(super) fn chunks(&self) -> usize {
        self.positive.len()
    }

    /// All rows of all chunks, what fills the last among them.
    pub(super) const fn rows(&self) -> &Binned {
        &self.rows
    }

    /// The rows of a chunk that there are.
    pub(super) fn present(&self, chunk: usize) -> Mask {
        bits(0..self.count.saturating_sub(chunk * ROWS))
    }

    /// The rows of a chunk that name nobody.
    pub(super) fn nameless(&self, chunk: usize) -> Mask {
        let (first, named) = (chunk * ROWS, self.starts.last().copied().unwrap_or(0));
        bits(named.saturating_sub(first)..self.count.saturating_sub(first))
    }

    /// The rows of a chunk that are of the positive class.
    pub(super) fn positive(&self, chunk: usize) -> &Mask {
        &self.positive[chunk]
    }

    /// The entities of a range that any row names, as positions in [`Ordered::entity`].
    pub(super) fn among(&self, entities: &Range<u32>) -> Range<usize> {
        let position = |number: u32| self.entities.partition_point(|entity| *entity < number);
        position(entities.start)..position(entities.end.max(entities.start))
    }

    /// The number of an entity.
    pub(super) fn entity(&self, position: usize) -> u32 {
        self.entities[position]
    }

    /// The place of the first row of each entity, and the end of the last.
    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }
}

// Rows must not reach a log by way of `{:?}`.
impl std::fmt::Debug for LinkedBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedBlock")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}
