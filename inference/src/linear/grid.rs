//! How positions and samples share the slots of a ciphertext.

use serde::{Deserialize, Serialize};

/// Which of position and sample changes from one slot to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Order {
    /// Slot `position * lanes + lane`, in tile tensor notation `[n/t, batch/B]`: rotations go around all positions.
    #[default]
    BatchLast,
    /// Slot `lane * positions + position`, `[batch/B, n/t]`: what all samples share repeats over the slots, so that masks
    /// are a few words; but a rotation goes on into the next sample instead of around.
    BatchFirst,
}

/// Positions and samples of a ciphertext: `positions * lanes` slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Positions of each sample.
    pub positions: usize,
    /// Samples.
    pub lanes: usize,
    /// Which changes faster.
    pub order: Order,
}

impl Grid {
    /// Fewest samples for which [`Order::BatchFirst`] pays: below, its masks are hardly smaller, and not every ring can
    /// multiply by them.
    pub const LEAST_LANES: usize = 16;

    /// A grid with the sample changing fastest.
    pub const fn new(positions: usize, lanes: usize) -> Self {
        Self {
            positions,
            lanes,
            order: Order::BatchLast,
        }
    }

    /// The slot of a position of a sample.
    pub const fn slot(self, position: usize, lane: usize) -> usize {
        match self.order {
            Order::BatchLast => position * self.lanes + lane,
            Order::BatchFirst => lane * self.positions + position,
        }
    }

    /// Slots from one position to the next.
    pub const fn stride(self) -> usize {
        match self.order {
            Order::BatchLast => self.lanes,
            Order::BatchFirst => 1,
        }
    }

    /// Rotations, in positions, that differ by a multiple of it are named alike: where they do not go around, the upper
    /// half stands for negative ones.
    pub const fn turns(self) -> usize {
        match self.order {
            Order::BatchLast => self.positions,
            Order::BatchFirst => 2 * self.positions,
        }
    }

    /// The rotation of a name in `0..turns`.
    pub(super) const fn signed(self, turn: u32) -> i64 {
        let turn = turn as i64;
        match self.order {
            Order::BatchFirst if turn >= self.positions as i64 => turn - 2 * self.positions as i64,
            _ => turn,
        }
    }
}
