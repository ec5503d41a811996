//! Private union join of keys between two parties, after Private-ID (ePrint 2020/599), on ristretto255.
mod error;
mod group;
mod machine;
mod matcher;
mod message;
mod pad;
mod params;
mod set;
mod tagger;
#[cfg(test)]
mod tests;

pub use error::{AlignError, Whose};
pub use machine::Align;
pub use message::{BATCH, HEADER, Kind, UNION_BATCH, VERSION};
pub use pad::{MAX_POOL, Padding};
pub use params::{MAX_KEYS, Params};

use message::{Encoding, Pseudonym};

/// Which side of an alignment a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Side {
    /// The party whose rows name entities.
    Row = 0,
    /// The party that has attributes of entities.
    Attribute = 1,
}

impl Side {
    /// The side across.
    pub const fn other(self) -> Self {
        match self {
            Self::Row => Self::Attribute,
            Self::Attribute => Self::Row,
        }
    }
}

/// A message to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The bytes: at most 256,014.
    pub bytes: Vec<u8>,
    /// Whether it is this side's last.
    pub last: bool,
}

/// What a side knows in the end. Positions are secret to their owner: not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Alignment {
    /// For each key, in the order of the caller's list, its position in the sorted union, from 0. Both sides have
    /// the same position for a key that both have.
    pub positions: Vec<u32>,
    /// Positions of this side's own dummies, ascending: to be treated as positions that this side does not know.
    pub dummies: Vec<u32>,
    /// Size of the union: keys and dummies of both sides.
    pub union: u32,
    /// Keys of the peer, dummies not counted.
    pub peer: u32,
}

impl std::fmt::Debug for Alignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alignment")
            .field("positions", &self.positions.len())
            .field("dummies", &self.dummies.len())
            .field("union", &self.union)
            .field("peer", &self.peer)
            .finish()
    }
}

/// The pseudonym of an element: its first 16 bytes.
fn prefix(encoding: &Encoding) -> Pseudonym {
    let [first @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *encoding;
    first
}

/// Where a pseudonym stands in a sorted list.
fn find(sorted: &[Pseudonym], pseudonym: &Pseudonym) -> Option<u32> {
    let place = sorted.binary_search(pseudonym).ok()?;
    u32::try_from(place).ok()
}

/// Whether each item is above the one before it, and the first above `last`.
fn strictly_ascending<const N: usize>(
    seq: u32,
    last: Option<&[u8; N]>,
    items: &[[u8; N]],
) -> Result<(), AlignError> {
    let before = last.into_iter().chain(items);
    let after = items.iter().skip(usize::from(last.is_none()));
    match before.zip(after).position(|(before, after)| before >= after) {
        None => Ok(()),
        Some(pair) => Err(AlignError::Order {
            seq,
            index: pair + usize::from(last.is_none()),
        }),
    }
}
