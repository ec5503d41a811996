//! A row party's rows, laid out for counting.

// Positions in masks are those of `reach::position`, which is a permutation of the rows of a chunk.
#![expect(
    clippy::indexing_slicing,
    reason = "positions of a chunk in lists that are cut to whole chunks"
)]

use std::ops::Range;

use super::JoinError;
use super::error::expect;
use crate::binning::Binned;
use crate::route::lanes::{Mask, NONE, ROWS};
use crate::route::reach::{mask_of, position};

/// A reference to nobody: an empty one, or one to a party that is not in the run.
pub const NOBODY: u32 = u32::MAX;

/// A block of rows with labels, and for every link the entity that each row names. One byte for each column, an eighth
/// for the label, and four for each link.
#[derive(Clone)]
pub struct LinkedBlock {
    rows: Binned,
    /// `[chunks]`
    chunks: Vec<Chunk>,
    /// `[links][chunks * ROWS]`, within each chunk in the order of the bits of masks.
    entities: Vec<Vec<u32>>,
}

/// Which of some 512 rows there are, and which are positive.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    pub(super) present: Mask,
    pub(super) positive: Mask,
}

impl LinkedBlock {
    /// A block of `rows`, whose features are the schema's row columns in their order ([`crate::schema::Schema::row_columns`]). A row is
    /// positive if its label is not 0. `entities` are, for every link, the entity of each row, by whatever numbers the
    /// caller gives entities, or [`NOBODY`]. One numbering may serve all links; where entities are at several parties
    /// each has its own range of numbers.
    ///
    /// # Errors
    /// Labels or entities that are not one for each row.
    pub fn new<E: AsRef<[u32]>>(rows: Binned, labels: &[u8], entities: &[E]) -> Result<Self, JoinError> {
        expect("labels of a block", rows.rows(), labels.len())?;
        for link in entities {
            expect("entities of a block", rows.rows(), link.as_ref().len())?;
        }
        let chunks = labels.chunks(ROWS).map(|labels| {
            let mut chunk = Chunk {
                present: NONE,
                positive: NONE,
            };
            for (row, label) in labels.iter().enumerate() {
                let (word, bit) = (position(row) / 64, position(row) % 64);
                chunk.present[word] |= 1 << bit;
                chunk.positive[word] |= u64::from(*label != 0) << bit;
            }
            chunk
        });
        let permuted = |link: &E| {
            let mut out = vec![NOBODY; rows.rows().next_multiple_of(ROWS)];
            for (out, chunk) in out.chunks_exact_mut(ROWS).zip(link.as_ref().chunks(ROWS)) {
                for (row, entity) in chunk.iter().enumerate() {
                    out[position(row)] = *entity;
                }
            }
            out
        };
        Ok(Self {
            chunks: chunks.collect(),
            entities: entities.iter().map(permuted).collect(),
            rows,
        })
    }

    /// The rows' own columns.
    pub const fn rows(&self) -> &Binned {
        &self.rows
    }

    /// Number of links.
    pub const fn links(&self) -> usize {
        self.entities.len()
    }

    /// Checks that the block is one of a schema with so many row columns and links.
    pub(super) fn fits(&self, row_columns: usize, links: usize) -> Result<(), JoinError> {
        expect("columns of the rows", row_columns, self.rows.features())?;
        expect("links of a block", links, self.links())
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    pub(super) fn rows_of(&self, chunk: usize) -> Range<usize> {
        chunk * ROWS..self.rows.rows().min((chunk + 1) * ROWS)
    }

    /// The entities of one chunk in the order of the bits of masks.
    pub(super) fn entities(&self, link: usize, chunk: usize) -> &[u32] {
        &self.entities[link][chunk * ROWS..][..ROWS]
    }

    /// The rows of a chunk whose entity is in a range; of rows that there are not none is.
    pub(super) fn naming(&self, link: usize, chunk: usize, entities: &Range<u32>) -> Mask {
        let list = self.entities(link, chunk);
        let (start, length) = (entities.start, entities.end.saturating_sub(entities.start));
        mask_of(|position| list[position].wrapping_sub(start) < length)
    }

    /// The rows of a chunk that name nobody.
    pub(super) fn nameless(&self, link: usize, chunk: usize) -> Mask {
        let list = self.entities(link, chunk);
        let nobody = mask_of(|position| list[position] == NOBODY);
        and(&nobody, &self.chunks[chunk].present)
    }
}

pub(super) fn and(a: &Mask, b: &Mask) -> Mask {
    std::array::from_fn(|lane| a[lane] & b[lane])
}

pub(super) fn and_not(a: &Mask, b: &Mask) -> Mask {
    std::array::from_fn(|lane| a[lane] & !b[lane])
}

// Rows must not reach a log by way of `{:?}`.
impl std::fmt::Debug for LinkedBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedBlock")
            .field("rows", &self.rows.rows())
            .finish_non_exhaustive()
    }
}
