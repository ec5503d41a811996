//! What the rows of a leaf are counted by.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::QueryError;
use crate::params::{MAX_CELLS, MAX_SLOTS};
use crate::table::CLASSES;
use crate::tree::BinSet;

/// Values of a `u8`: entries of a feature's list of slots.
pub const BINS: usize = 256;

/// The axes of histograms: features for each tree, and for every feature its bins in groups called slots.
///
/// Slots may be single bins, or fewer and wider: less noise in their sums, and fewer cells. The grouping is public, as
/// the query is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedAxes")]
pub struct Axes {
    features: Arc<[u16]>,
    /// Follows from the number of trees.
    #[serde(skip_serializing)]
    per_tree: u16,
    slots: u16,
    slot_of: Arc<[u8]>,
}

#[derive(Deserialize)]
#[serde(rename = "Axes", deny_unknown_fields)]
struct UncheckedAxes {
    features: Arc<[u16]>,
    slots: u16,
    slot_of: Arc<[u8]>,
}

impl TryFrom<UncheckedAxes> for Axes {
    type Error = QueryError;

    fn try_from(axes: UncheckedAxes) -> Result<Self, QueryError> {
        Self::new(axes.features, axes.slots, axes.slot_of)
    }
}

impl Axes {
    /// Axes of one query. `features` are `[trees, features per tree]`; `slot_of` is `[features of the schema, 256]`,
    /// the slot of every bin, below `slots`.
    ///
    /// # Errors
    /// No slot or more than [`MAX_SLOTS`]; a bin in a slot that there is not; a feature without a list of slots.
    pub fn new(features: Arc<[u16]>, slots: u16, slot_of: Arc<[u8]>) -> Result<Self, QueryError> {
        let slots_error = |what, seen: u16, most| {
            Err(QueryError::Slots {
                what,
                seen: seen.into(),
                most,
            })
        };
        if slots == 0 || slots > MAX_SLOTS {
            return slots_error("slots of a histogram", slots, MAX_SLOTS.into());
        }
        if let Some(slot) = slot_of.iter().find(|slot| u16::from(**slot) >= slots) {
            return slots_error("a bin in slot", (*slot).into(), usize::from(slots) - 1);
        }
        let expected = slot_of.len() / BINS;
        if let Some(seen) = features.iter().find(|seen| usize::from(**seen) >= expected) {
            return Err(QueryError::Feature {
                seen: *seen,
                expected,
            });
        }
        Ok(Self {
            features,
            per_tree: 0,
            slots,
            slot_of,
        })
    }

    /// Fits the axes to so many trees; [`Axes::per_tree`] is right from here on.
    pub(super) fn check(&mut self, trees: usize, leaves: usize) -> Result<(), QueryError> {
        let seen = self.features.len();
        let wrong = QueryError::Features { trees, seen };
        let per_tree = seen
            .checked_div(trees)
            .filter(|each| *each > 0 && each * trees == seen);
        let per_tree = per_tree.and_then(|each| u16::try_from(each).ok()).ok_or(wrong)?;
        self.per_tree = per_tree;
        let cells = seen.saturating_mul(leaves * usize::from(self.slots) * CLASSES);
        if cells as u64 > MAX_CELLS {
            return Err(QueryError::Slots {
                what: "cells of all histograms:",
                seen: cells,
                most: MAX_CELLS as usize,
            });
        }
        Ok(())
    }

    /// Features of every tree, `[trees, features per tree]`.
    pub const fn features(&self) -> &Arc<[u16]> {
        &self.features
    }

    /// Features that each tree has histograms of.
    pub const fn per_tree(&self) -> u16 {
        self.per_tree
    }

    /// The features of one tree; none for a tree that there is not.
    pub fn of_tree(&self, tree: usize) -> &[u16] {
        let each = usize::from(self.per_tree);
        self.features
            .get(tree * each..(tree + 1) * each)
            .unwrap_or_default()
    }

    /// Slots of every histogram; a feature with fewer bins leaves the last empty.
    pub const fn slots(&self) -> u16 {
        self.slots
    }

    /// The slot of every bin of a feature; empty for a feature that there is not.
    pub fn slots_of(&self, feature: u16) -> &[u8] {
        let first = usize::from(feature) * BINS;
        self.slot_of.get(first..first + BINS).unwrap_or_default()
    }

    /// The bins of a feature that are in a slot, among its first `bins`.
    pub fn bins_of(&self, feature: u16, slot: u8, bins: u16) -> BinSet {
        let all = self.slots_of(feature).iter().zip(0u8..=255).take(bins.into());
        all.filter(|(of, _)| **of == slot).map(|(_, bin)| bin).collect()
    }

    pub(super) fn update(&self, hash: &mut Sha256) {
        hash.update((self.features.len() as u64).to_le_bytes());
        self.features
            .iter()
            .for_each(|feature| hash.update(feature.to_le_bytes()));
        hash.update(self.slots.to_le_bytes());
        hash.update(&self.slot_of);
    }
}
