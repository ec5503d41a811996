//! Pair masks: a seed that two parties share by X25519, which one adds and the other subtracts.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::domain;
use crate::fixed;
use crate::hash::Digest;
use crate::seed::{self, Seed};

/// Whether a mask is added to a vector or subtracted from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// The mask is added.
    Add,
    /// The mask is subtracted.
    Subtract,
}

impl Sign {
    /// The sign with which `mine` puts on the mask shared with `theirs`: the lower id adds, the higher subtracts.
    /// Nobody shares a mask with itself.
    pub fn between<T: Ord + ?Sized>(mine: &T, theirs: &T) -> Option<Self> {
        match mine.cmp(theirs) {
            Ordering::Less => Some(Self::Add),
            Ordering::Equal => None,
            Ordering::Greater => Some(Self::Subtract),
        }
    }

    /// The sign that takes off what this one put on.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Add => Self::Subtract,
            Self::Subtract => Self::Add,
        }
    }
}

/// The secret half of a mask key: made for one round, shared by Shamir, and opened only for parties that dropped.
/// A type of its own, because a sealing key must never be opened.
#[derive(Clone)]
pub struct MaskSecret(StaticSecret);

impl MaskSecret {
    /// The key whose X25519 scalar is the seed (clamped when used). The seed is what is shared.
    pub fn from_seed(seed: &Seed) -> Self {
        Self(StaticSecret::from(*seed.expose_bytes()))
    }

    /// The public half. Who puts a key together from shares compares this with what its owner published.
    pub fn public(&self) -> MaskPublic {
        MaskPublic(PublicKey::from(&self.0).to_bytes())
    }

    /// The seed of the mask shared with the holder of `their`, bound to the transcript; the same on both sides.
    ///
    /// # Errors
    /// `their` has low order, which would make the mask known to everybody.
    pub fn pair_seed(&self, their: &MaskPublic, transcript: &Digest) -> Result<Seed, PairwiseError> {
        let shared = self.0.diffie_hellman(&PublicKey::from(their.0));
        if !shared.was_contributory() {
            return Err(PairwiseError::LowOrder {
                key: hex::encode(their.0),
            });
        }
        let own = self.public();
        let (low, high) = if own <= *their {
            (own, *their)
        } else {
            (*their, own)
        };
        Ok(seed::expand(
            domain::MASK_PAIR,
            shared.as_bytes(),
            &[&low.0, &high.0, &transcript.0],
        ))
    }
}

impl fmt::Debug for MaskSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskSecret(redacted)")
    }
}

/// The public half of a mask key: 32 bytes, unchecked until [`MaskSecret::pair_seed`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaskPublic([u8; 32]);

impl MaskPublic {
    /// A key from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of RFC 7748.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for MaskPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskPublic({}..)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for MaskPublic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fixed::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for MaskPublic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fixed::deserialize(deserializer).map(Self)
    }
}

/// Why two parties share no mask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairwiseError {
    /// The other party's key has low order.
    #[error("{key} is refused as an X25519 key: a point of low order")]
    LowOrder {
        /// The key, in hexadecimal.
        key: String,
    },
}

#[cfg(test)]
#[path = "pairwise_tests.rs"]
mod tests;
