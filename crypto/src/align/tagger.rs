//! The tagger: the side with the larger set. It tags all pseudonyms and lays out the union.

use std::ops::Range;

use curve25519_dalek::Scalar;
use zeroize::Zeroizing;

use super::error::AlignError;
use super::group;
use super::message::{self, Encoding, Kind, Message, Pseudonym};
use super::set::OwnSet;
use super::{find, prefix, strictly_ascending};
use crate::hash::Digest;
use crate::seed::Seed;

/// Scalars and what has come so far. `n` own elements, `m` of the matcher.
pub struct Tagger {
    params: Digest,
    /// Half of `a`, of `a t` and of `t`.
    half_a: Zeroizing<Scalar>,
    half_at: Zeroizing<Scalar>,
    half_t: Zeroizing<Scalar>,
    /// `m`.
    peer: u32,
    /// `a t d H(y)`, in the order in which `d H(y)` came; up to `m`.
    tags: Vec<Encoding>,
    /// `a d H(y)`, sorted once all are there; up to `m`.
    shuffled: Vec<Encoding>,
    /// `t a b H(x)`, by own place; up to `n`.
    own: Vec<Pseudonym>,
    /// `t a b H(y)` for `y` of the matcher alone; with the number of them, once that is known.
    exclusive: Vec<Pseudonym>,
    exclusives: Option<u32>,
    /// The last of the sorted stage that came, to check that it is sorted.
    last: Option<Encoding>,
    /// All of them, sorted; empty until they are known.
    union: Vec<Pseudonym>,
}

impl Tagger {
    pub fn new(params: &Digest, seed: &Seed, peer: u32) -> Self {
        let seed = seed.derive("align/tagger", params.as_ref());
        let a = group::scalar(&seed.derive("a", b""));
        let half_t = group::scalar(&seed.derive("half t", b""));
        Self {
            params: *params,
            half_a: Zeroizing::new(a.div_by_2()),
            half_at: Zeroizing::new(*a * *half_t),
            half_t,
            peer,
            tags: Vec::new(),
            shuffled: Vec::new(),
            own: Vec::new(),
            exclusive: Vec::new(),
            exclusives: None,
            last: None,
            union: Vec::new(),
        }
    }

    /// Size of the peer's set.
    pub const fn peer(&self) -> u32 {
        self.peer
    }

    /// The stages that it sends, with their items; the last is known late.
    pub fn sends(&self, own: &OwnSet) -> [(Kind, Option<u32>); 4] {
        let union = (!self.union.is_empty()).then_some(self.union.len() as u32);
        [
            (Kind::Larger, Some(own.len())),
            (Kind::Tags, Some(self.peer)),
            (Kind::Shuffled, Some(self.peer)),
            (Kind::Union, union),
        ]
    }

    /// The stages that it receives.
    pub fn receives(&self, own: &OwnSet) -> [(Kind, Option<u32>); 3] {
        [
            (Kind::Smaller, Some(self.peer)),
            (Kind::Answers, Some(own.len())),
            (Kind::Exclusive, self.exclusives),
        ]
    }

    /// A message of a stage, if its items are known.
    pub fn message(&self, own: &OwnSet, kind: Kind, seq: u32, places: Range<usize>) -> Option<Vec<u8>> {
        match kind {
            Kind::Larger => {
                let blinded = group::blind(&self.params, &own.items(places), &self.half_a);
                Some(message::encode(kind, seq, own.len(), &blinded))
            }
            Kind::Tags => Some(message::encode(kind, seq, self.peer, self.tags.get(places)?)),
            Kind::Shuffled if self.shuffled.len() == self.peer as usize => {
                Some(message::encode(kind, seq, self.peer, self.shuffled.get(places)?))
            }
            Kind::Union => {
                let total = self.union.len() as u32;
                Some(message::encode(kind, seq, total, self.union.get(places)?))
            }
            _ => None,
        }
    }

    /// Takes a message of a stage.
    pub fn receive(
        &mut self,
        own: &OwnSet,
        kind: Kind,
        seq: u32,
        message: &Message<'_>,
    ) -> Result<(), AlignError> {
        match kind {
            Kind::Smaller => self.tag(seq, message.items(kind, seq, self.peer, self.tags.len())?),
            Kind::Answers => self.answers(own, seq, message.items(kind, seq, own.len(), self.own.len())?),
            _ => {
                let total = self.exclusives.unwrap_or(message.total);
                if total > self.peer {
                    return Err(AlignError::Count {
                        seq,
                        what: "exclusive elements",
                        actual: total.into(),
                        expected: self.peer.into(),
                    });
                }
                let items = message.items(kind, seq, total, self.exclusive.len())?;
                self.exclude(seq, total, items)
            }
        }
    }

    fn tag(&mut self, seq: u32, items: &[Encoding]) -> Result<(), AlignError> {
        let [tags, blinded] = group::raise(seq, items, [&self.half_at, &self.half_a])?;
        let seen = self.shuffled.len();
        self.shuffled.extend(blinded);
        if self.shuffled.len() == self.peer as usize {
            let mut sorted = self.shuffled.clone();
            sorted.sort_unstable();
            if let Err(error) = all_differ(seq, &sorted) {
                self.shuffled.truncate(seen);
                return Err(error);
            }
            self.shuffled = sorted;
        }
        self.tags.extend(tags);
        Ok(())
    }

    fn answers(&mut self, own: &OwnSet, seq: u32, items: &[Encoding]) -> Result<(), AlignError> {
        let [tagged] = group::raise(seq, items, [&self.half_t])?;
        let seen = self.own.len();
        self.own.extend(tagged.iter().map(prefix));
        if self.own.len() == own.len() as usize {
            let mut sorted = self.own.clone();
            sorted.sort_unstable();
            if let Err(error) = all_differ(seq, &sorted) {
                self.own.truncate(seen);
                return Err(error);
            }
        }
        Ok(())
    }

    fn exclude(&mut self, seq: u32, total: u32, items: &[Encoding]) -> Result<(), AlignError> {
        strictly_ascending(seq, self.last.as_ref(), items)?;
        let [tagged] = group::raise(seq, items, [&self.half_t])?;
        let seen = self.exclusive.len();
        self.exclusive.extend(tagged.iter().map(prefix));
        if self.exclusive.len() == total as usize {
            let mut union = [self.own.as_slice(), &self.exclusive].concat();
            union.sort_unstable();
            if let Err(error) = all_differ(seq, &union) {
                self.exclusive.truncate(seen);
                return Err(error);
            }
            self.union = union;
        }
        self.exclusives = Some(total);
        self.last = items.last().copied();
        Ok(())
    }

    /// The size of the union and the position of each own place, once they are known.
    pub fn positions(&self) -> Option<(u32, Vec<u32>)> {
        let positions = self.own.iter().filter_map(|own| find(&self.union, own));
        (!self.union.is_empty()).then(|| (self.union.len() as u32, positions.collect()))
    }
}

/// Whether a sorted list has no repeats.
pub fn all_differ<T: PartialEq>(seq: u32, sorted: &[T]) -> Result<(), AlignError> {
    let repeats = sorted.array_windows().filter(|[a, b]| a == b).count();
    if repeats == 0 {
        return Ok(());
    }
    Err(AlignError::Repeated {
        seq,
        actual: sorted.len() - repeats,
        expected: sorted.len(),
    })
}
