//! What both sides must agree on before they align.

use super::error::{AlignError, Whose};
use super::pad::Padding;
use crate::domain;
use crate::hash::{self, Digest};

/// Most keys of one side, dummies included: `2^25`, so that positions of the union fit a `u32`.
pub const MAX_KEYS: u32 = 1 << 25;

/// Public parameters of one alignment. Both sides must have the same: the first message carries their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    minimum: u32,
    padding: Option<Padding>,
    digest: Digest,
}

impl Params {
    /// Parameters for one pair of parties in one attempt.
    ///
    /// `context` is the digest of everything that makes this alignment another than all others: run, configuration,
    /// both parties, link, attempt. Pseudonyms under different contexts have nothing in common. `minimum` is the
    /// fewest keys, dummies not counted, that either side may have.
    ///
    /// # Errors
    /// A minimum of 0.
    pub fn new(context: &Digest, minimum: u32, padding: Option<Padding>) -> Result<Self, AlignError> {
        if minimum == 0 {
            return Err(AlignError::Minimum {
                actual: minimum,
                expected: 1,
            });
        }
        let pool = padding.map_or(0, Padding::pool);
        let digest = hash::hash(
            domain::ALIGN_PARAMS,
            &[context.as_ref(), &minimum.to_le_bytes(), &pool.to_le_bytes()],
        );
        Ok(Self {
            minimum,
            padding,
            digest,
        })
    }

    /// Fewest keys of either side.
    pub const fn minimum(&self) -> u32 {
        self.minimum
    }

    /// The dummy pool.
    pub const fn padding(&self) -> Option<Padding> {
        self.padding
    }

    /// Dummies that each side adds.
    pub fn dummies(&self) -> u32 {
        self.padding.map_or(0, Padding::each)
    }

    /// Digest of all of it.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Checks the size of a set, dummies included.
    ///
    /// # Errors
    /// Too few keys besides the dummies, or too many with them.
    pub(super) fn check_size(&self, whose: Whose, padded: u64) -> Result<(), AlignError> {
        let keys = padded.saturating_sub(self.dummies().into());
        if keys < self.minimum.into() {
            return Err(AlignError::TooFew {
                whose,
                actual: keys,
                expected: self.minimum.into(),
            });
        }
        if padded > MAX_KEYS.into() {
            return Err(AlignError::TooMany {
                whose,
                actual: padded,
                expected: MAX_KEYS.into(),
            });
        }
        Ok(())
    }
}
