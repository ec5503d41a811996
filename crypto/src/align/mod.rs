//! A private union join: two parties get a common index of entities and learn how many they share, not which.
//!
//! After Private-ID (Buddhavarapu, Knox, Mohassel, Sengupta, Taubeneck and Vlaskin, *Private Matching for Compute*,
//! ePrint 2020/599), on ristretto255 (RFC 9496). Each key of either side gets a pseudonym; a key that both have gets
//! one. Both sides learn the pseudonyms of the union, and which of them are their own keys'. Sorted, they are the
//! index: the result is the position of each own key, and the size of the union.
//!
//! | module | what it holds |
//! |---|---|
//! | `machine` | [`Align`]: greets, takes its role, knows whose turn it is |
//! | `tagger`, `matcher` | the two roles |
//! | `set` | own keys, dummies, and the secret order in which they are sent |
//! | `group` | keys to group elements, and these to powers, in parallel |
//! | [`common`] | one order of entities for several parties, from the alignments of one with each |
//! | `message` | bytes |
//! | `params`, `pad` | what both agree on; dummies that make the overlap differentially private |
//!
//! # Protocol
//! The side with the larger set `X` of `N` keys is the *tagger*, with scalars `a` and `t`; the other is the *matcher*,
//! with `Y` of `M <= N` keys and scalars `b` and `d` (a tie: the row side tags). Scalars are uniform, not zero, and
//! used in one alignment only. `H` maps keys to the group. The pseudonym of `k` is `a b t H(k)`, cut to 16 bytes.
//!
//! | message | items | order | multiplications |
//! |---|---|---|---|
//! | both: `Hello` | side, size, digest of parameters | | |
//! | tagger: `Larger` | `a H(x)` | shuffled by the tagger | `N` |
//! | matcher: `Answers` | `b (a H(x))` | as they came | `N`; and the tagger's `t (a b H(x))`, `N` |
//! | matcher: `Smaller` | `d H(y)` | shuffled by the matcher | `M` |
//! | tagger: `Tags` | `a t (d H(y))` | as they came | `M`; and the matcher's `b/d (a t d H(y))`, `M` |
//! | tagger: `Shuffled` | `a (d H(y))` | sorted | `M`; and the matcher's `b/d (a d H(y))`, `M` |
//! | matcher: `Exclusive` | those of `a b H(y)` that are no answer: `E` of them | sorted | the tagger's, `E` |
//! | tagger: `Union` | pseudonyms of all, `U = N + E` | sorted | |
//!
//! That is `3 N + 5 M + E` multiplications, from 3 a key where the sets are very unequal to 4.5 where they are equal and
//! disjoint, and `64 N + 96 M + 32 E + 16 U` bytes (and 14 a message). Private-ID as published takes 4 a key and 2 more
//! for each key that one side alone has, 8,000 of 4,000 and 4,000 disjoint keys thus 48,000 instead of 36,000. What
//! saves: only one side compares, only one side collects, and `b/d` makes one message of `d H(y)` serve both the
//! comparison and the tag. Less seems out of reach in this group: an oblivious evaluation is three multiplications,
//! and the smaller set's unlinked comparison two more.
//!
//! Measured on one core of an AMD EPYC (Zen 5), both sides together, by `benches/align.rs`: 6,800 (disjoint, equal sizes)
//! to 9,400 (1,000 among 11,000) keys a second with AVX2, and 11,200 to 15,100 with AVX-512 IFMA. AVX2 is found at run
//! time. So is IFMA in a build with `RUSTFLAGS='--cfg curve25519_dalek_backend="avx512"'` (stable Rust from 1.89; no
//! target feature is needed, and the binary runs everywhere).
//!
//! # What each side learns, and why not more
//! Sides are honest but curious; `H` is modelled as a random oracle; decisional Diffie-Hellman is hard in the group.
//! Then `k -> s H(k)` is a pseudorandom function for a secret uniform `s`, and for independent `s` the functions are
//! independent, for one who knows the other scalars and whatever keys he pleases.
//!
//! - *The tagger* receives `d H(y)` in random order, `b (a H(x))` for its own keys, and, sorted, `a b H(y)` for those
//!   that it has not. Knowing `a` it sees two functions: `d` on all of `Y`, as a set; `b` on its own keys, and on the
//!   rest of `Y`, as a set. Nothing relates the two, so replace both by random distinct elements: what is left is `M` and
//!   `E`. It does not learn which of its keys the matcher has (`d` hides it), nor which message item is which
//!   pseudonym.
//! - *The matcher* receives `a H(x)` in random order and `a d H(y)` sorted; `a t d H(y)` for its own keys in its order;
//!   and the sorted pseudonyms `a b t H(k)` of the union. Knowing `b` and `d` it sees two functions: `a` on `X` and on
//!   `Y`, each as a set; `a t` on its own keys, by key, and on the rest of `X`, as a set. Replaced by random
//!   elements they tell `N`, the size of the overlap, and `U`. The comparison is in the first, where it cannot tell its
//!   own keys apart; the pseudonyms are in the second, where it cannot tell which are the tagger's too.
//! - *Neither* links a pseudonym of the other's to a key, not even to one that it guesses: that takes `a t` or `b`,
//!   and guesses at the few keys that exist do not help, as each pseudonym takes both sides.
//! - *Who relays* the messages sealed sees their lengths: the sizes.
//!
//! A side may of course *have* any keys it likes in its set, and learn how many of them the other has. Minimum sizes and
//! dummies ([`Padding`]) blunt this, and every alignment is to be charged; a side that lies about its set, or that
//! answers with elements of its own choice, is outside of this model. Lies that can be seen are refused: wrong lengths,
//! counts and encodings, the identity, repeats, disorder, and a union without one's own pseudonyms.
//!
//! # Order, repeats and restarts
//! Messages are numbered; the order of stages is fixed, so that a number tells what must come, and every batch is
//! answered as it comes. At most 8,000 elements, or 16,000 pseudonyms, make a message. `Shuffled`, `Exclusive` and
//! `Union` need all that precedes them: a shuffle of each batch for itself would tell how many of a batch are common.
//! Sorting pseudorandom elements is a perfect shuffle: a sorted set is the set.
//!
//! Everything derives from a seed: a machine that is made anew and fed the same messages sends the same bytes. A side
//! keeps 56 bytes for each own key, at most 64 for each of the peer's, 32 for each of `E` and 16 for each of the union;
//! a sort takes a copy of what it sorts.
//!
//! # Constant time
//! Scalar multiplication is. Sorting, searching and shuffling are not: they touch memory by pseudorandom values that
//! this side is to know anyhow, and by the secret order of its own set. Who shares a core's caches with a party is not
//! an adversary here.

pub mod common;
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
