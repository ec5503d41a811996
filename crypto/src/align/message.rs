//! Messages: a header of 14 bytes, then items of one length. Little-endian throughout.
//!
//! `version u8 | kind u8 | number of the message u32 | items of the whole stage u32 | items here u32 | items`

use super::error::AlignError;

/// Version of the protocol and of its bytes.
pub const VERSION: u8 = 1;
/// Bytes before the items.
pub const HEADER: usize = 14;
/// Group elements in a full message: 256,000 bytes, so that a message fits a relayed chunk of 256 KiB.
pub const BATCH: u32 = 8_000;
/// Pseudonyms in a full message of the union.
pub const UNION_BATCH: u32 = 16_000;
/// A group element on the wire.
pub type Encoding = [u8; 32];
/// A pseudonym: the first 16 bytes of a group element. `n` of them collide by a chance below `n^2 / 2^128`.
pub type Pseudonym = [u8; 16];

/// What the items of a message are. The order of kinds is the order in which a side sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// One item: side, and digest of the parameters. The stage counts the sender's set.
    Hello = 0,
    /// Tagger: its keys, blinded.
    Larger = 1,
    /// Tagger: tags of the matcher's keys, in the order in which these came.
    Tags = 2,
    /// Tagger: the matcher's keys blinded a second time, sorted.
    Shuffled = 3,
    /// Tagger: all pseudonyms, sorted.
    Union = 4,
    /// Matcher: its keys, blinded.
    Smaller = 5,
    /// Matcher: the tagger's keys blinded a second time, in the order in which they came.
    Answers = 6,
    /// Matcher: what the tagger has not, blinded twice, sorted.
    Exclusive = 7,
}

impl Kind {
    /// Bytes of an item.
    pub const fn item(self) -> usize {
        match self {
            Self::Hello => 33,
            Self::Union => size_of::<Pseudonym>(),
            _ => size_of::<Encoding>(),
        }
    }

    /// Items in a full message.
    pub const fn batch(self) -> u32 {
        match self {
            Self::Hello => 1,
            Self::Union => UNION_BATCH,
            _ => BATCH,
        }
    }

    /// Messages that `items` items take: at least one, so that an empty stage is announced too.
    pub const fn messages(self, items: u32) -> u32 {
        let messages = items.div_ceil(self.batch());
        if messages == 0 { 1 } else { messages }
    }
}

/// One message as it lies on the wire, its header checked against nothing but itself.
pub struct Message<'a> {
    /// Items of the whole stage.
    pub total: u32,
    /// The items' bytes, a multiple of the item's length.
    pub items: &'a [u8],
}

/// The bytes of a message.
pub fn encode<const N: usize>(kind: Kind, seq: u32, total: u32, items: &[[u8; N]]) -> Vec<u8> {
    debug_assert_eq!(N, kind.item());
    let mut bytes = Vec::with_capacity(HEADER + N * items.len());
    bytes.extend([VERSION, kind as u8]);
    bytes.extend(seq.to_le_bytes());
    bytes.extend(total.to_le_bytes());
    // A slice of at most a batch.
    bytes.extend((items.len() as u32).to_le_bytes());
    bytes.extend(items.as_flattened());
    bytes
}

/// Takes a message apart whose number and kind are known.
///
/// # Errors
/// Another version, number or kind, or a length that is not what the header says, or more items than a batch has.
pub fn decode(kind: Kind, seq: u32, bytes: &[u8]) -> Result<Message<'_>, AlignError> {
    let length = |expected| AlignError::Length {
        seq,
        actual: bytes.len(),
        expected,
    };
    let (header, items) = bytes.split_first_chunk::<HEADER>().ok_or(length(HEADER))?;
    let [version, tag, s0, s1, s2, s3, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
    if version != VERSION {
        return Err(AlignError::Version {
            seq,
            actual: version,
            expected: VERSION,
        });
    }
    let number = u32::from_le_bytes([s0, s1, s2, s3]);
    if number != seq {
        return Err(AlignError::Sequence {
            actual: number,
            expected: seq,
        });
    }
    if tag != kind as u8 {
        return Err(AlignError::Kind {
            seq,
            actual: tag,
            expected: kind,
        });
    }
    let count = u32::from_le_bytes([c0, c1, c2, c3]);
    if count > kind.batch() {
        return Err(AlignError::Count {
            seq,
            what: "items in one message",
            actual: count.into(),
            expected: kind.batch().into(),
        });
    }
    let expected = HEADER + kind.item() * count as usize;
    if bytes.len() != expected {
        return Err(length(expected));
    }
    Ok(Message {
        total: u32::from_le_bytes([t0, t1, t2, t3]),
        items,
    })
}

impl<'a> Message<'a> {
    /// The items, `total` in the whole stage, of which `seen` came before this message.
    ///
    /// # Errors
    /// Another total, or another number of items than that the stage is sent in full batches.
    pub fn items<const N: usize>(
        &self,
        kind: Kind,
        seq: u32,
        total: u32,
        seen: usize,
    ) -> Result<&'a [[u8; N]], AlignError> {
        let count = |what, actual: u64, expected: u64| AlignError::Count {
            seq,
            what,
            actual,
            expected,
        };
        if self.total != total {
            return Err(count("items in the stage", self.total.into(), total.into()));
        }
        let items = self.items.as_chunks::<N>().0;
        let expected = (total as usize).saturating_sub(seen).min(kind.batch() as usize);
        if items.len() != expected {
            return Err(count("items in one message", items.len() as u64, expected as u64));
        }
        Ok(items)
    }
}
