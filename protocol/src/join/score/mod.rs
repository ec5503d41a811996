//! Private scores: the row party's weights times encrypted profiles, slot by slot.
//!
//! The score of a row is a sum of leaf values, and for each link linear in what the row's entity is: a sum over
//! *sources* (profiles, or predicates where these are fewer) of the row's weight under it. Entity `i` of the union
//! stands in slot `i % N` of block `i / N`; the `k`-th answer carries in slot `j` the `k`-th row whose entity
//! stands there. The attribute party opens masked sums and gives them back.
//!
//! # Map
//! `books` what was asked for so far, `plan` a forest taken apart, `query` a batch at the row party, `serve` the attribute party's side.

use std::ops::Range;

use hedgerow_crypto::exact::SlotParams;
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_forest::binning::Binned;
use hedgerow_forest::join::NOBODY;
use serde::{Deserialize, Serialize};

use super::stream::items_per_message;
use crate::ids::PartyId;

mod books;
mod plan;
mod query;
mod serve;

pub use books::{Asked, ScoreBooks, ScoreRefusal};
pub use plan::{ScorePlan, max_batch};
pub use query::{ScoreBlocks, ScoreQuery};
pub use serve::ScoreServer;

/// Rows whose scores are wanted.
#[derive(Clone, Debug)]
pub struct ScoreRows {
    /// The rows' own columns, in the schema's order.
    pub rows: Binned,
    /// For each link of the schema the entity of every row, [`NOBODY`] for none.
    pub entities: Vec<Vec<u32>>,
    /// The entities of each attribute party; the first of a range is the first of
    /// [`super::JoinData::references`].
    pub ranges: Vec<(PartyId, Range<u32>)>,
    /// The digest of each range's keys ([`super::keys_digest`]), in the order of `ranges`.
    pub keys: Vec<Digest>,
}

/// What is asked in a batch; the first message of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreHeader {
    /// Scores that the batch asks for, at this party through any link.
    pub rows: u64,
    /// Answers that follow.
    pub outputs: u64,
}

impl ScoreRows {
    fn party_of(&self, entity: u32) -> Option<&PartyId> {
        let of = self.ranges.iter().find(|(_, range)| range.contains(&entity));
        of.map(|(party, _)| party)
    }

    /// The digest of rows and entities: masks are bound to it.
    pub fn digest(&self) -> Digest {
        let columns: Vec<&[u8]> = (0..self.rows.features())
            .map(|feature| self.rows.column(feature))
            .collect();
        let entities: Vec<Vec<u8>> = self
            .entities
            .iter()
            .map(|link| link.iter().flat_map(|entity| entity.to_le_bytes()).collect())
            .collect();
        let parts: Vec<&[u8]> = columns
            .into_iter()
            .chain(entities.iter().map(Vec::as_slice))
            .collect();
        hash("hedgerow/protocol/join/scores/1", &parts)
    }

    /// Each entity that rows ask about, with how often over all links; ascending.
    pub fn asked_per_entity(&self) -> Vec<(u32, u32)> {
        let mut all: Vec<u32> = self
            .entities
            .iter()
            .flatten()
            .copied()
            .filter(|e| *e != NOBODY)
            .collect();
        all.sort_unstable();
        all.chunk_by(|a, b| a == b)
            .filter_map(|run| Some((*run.first()?, u32::try_from(run.len()).unwrap_or(u32::MAX))))
            .collect()
    }
}

/// The rows at these places.
fn select(rows: &Binned, places: &[usize]) -> Binned {
    let mut selected = Binned::new(places.len(), rows.features());
    for feature in 0..rows.features() {
        let column = rows.column(feature);
        for (bin, place) in selected.column_mut(feature).iter_mut().zip(places) {
            *bin = column.get(*place).copied().unwrap_or_default();
        }
    }
    selected
}

/// Answers in one message.
pub fn per_message(params: &SlotParams) -> usize {
    items_per_message(params.answer_bytes())
}
