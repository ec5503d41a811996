//! A plan in the making, and what it is worth.

use std::collections::{BTreeMap, BTreeSet};

use super::batches::Batch;
use super::compared::Work;
use super::{Objective, Ring, Step};
use crate::linear::Grid;

/// Seconds that a byte of the input is on its way: a link of 1 Gbit/s. Without it a latency plan would send seven times the
/// bytes for a gain that the link takes back.
pub(super) const LINK: f64 = 8e-9;

/// A plan in the making.
#[derive(Clone)]
pub(super) struct Partial {
    pub(super) steps: Vec<Step>,
    pub(super) seconds: f64,
    pub(super) masks: u64,
    /// Steps of rotations and levels; step 0, which needs none, stands for the conjugation.
    pub(super) keys: BTreeSet<(usize, usize)>,
    /// Whether inputs come two in a ciphertext.
    pub(super) paired: bool,
    /// What its affine maps do.
    pub(super) work: Vec<(usize, Work)>,
}

impl Partial {
    /// Bytes of keys and masks.
    pub(super) fn memory(&self, ring: &Ring) -> u64 {
        let keys: BTreeMap<usize, usize> = self.keys.iter().copied().collect();
        self.masks + keys.values().map(|&level| ring.key_bytes(level)).sum::<u64>()
    }

    /// Bytes of the input of one round.
    fn sent(&self, ring: &Ring, positions: usize) -> u64 {
        let tiles = self.steps.first().map_or(0, |s| s.layout.tiles(positions)) as u64;
        tiles.div_ceil(1 + u64::from(self.paired)) * ring.fresh_bytes(ring.levels)
    }

    /// What the objective makes smallest.
    pub(super) fn score(&self, ring: &Ring, (grid, rounds): Batch, objective: Objective) -> f64 {
        let Grid { positions, lanes, .. } = grid;
        match objective {
            Objective::Latency => (self.seconds + LINK * self.sent(ring, positions) as f64) * rounds as f64,
            Objective::Throughput => self.seconds / lanes as f64,
            Objective::Memory => self.memory(ring) as f64,
            Objective::Client => {
                let results = self.steps.last().map_or(0, |s| s.layout.tiles(positions)) as u64;
                let bytes = self.sent(ring, positions) + results * ring.ciphertext_bytes(0);
                (bytes as f64 + self.seconds) * rounds as f64
            }
        }
    }

    /// No more than the score of any plan that begins with it.
    pub(super) fn bound(&self, ring: &Ring, batch: Batch, objective: Objective) -> f64 {
        match objective {
            Objective::Client => self.sent(ring, batch.0.positions) as f64 * batch.1 as f64,
            other => self.score(ring, batch, other),
        }
    }
}
