//! The matcher: the side with the smaller set. It compares blinded elements whose owners' keys it cannot tell.

use std::ops::Range;

use curve25519_dalek::Scalar;
use zeroize::Zeroizing;

use super::error::AlignError;
use super::group;
use super::message::{self, Encoding, Kind, Message, Pseudonym};
use super::set::OwnSet;
use super::tagger::all_differ;
use super::{find, prefix, strictly_ascending};
use crate::hash::Digest;
use crate::seed::Seed;

/// Scalars and what has come so far. `m` own elements, `n` of the tagger.
pub struct Matcher {
    params: Digest,
    /// Half of `b`, of `d` and of `b / d`.
    half_b: Zeroizing<Scalar>,
    half_d: Zeroizing<Scalar>,
    half_b_over_d: Zeroizing<Scalar>,
    /// `n`.
    peer: u32,
    /// `b a H(x)`, in the order in which `a H(x)` came; up to `n`.
    answers: Vec<Encoding>,
    /// The same, cut short and sorted: filled with the last of them, emptied with the comparison.
    compared: Vec<Pseudonym>,
    /// Pseudonyms `a t b H(y)`, by own place; up to `m`.
    own: Vec<Pseudonym>,
    /// The last of the sorted stage that came, to check that it is sorted.
    last: Option<Encoding>,
    /// `a b H(y)` in an order unrelated to own places: how many came, and those that the tagger has not.
    shuffled: u32,
    exclusive: Vec<Encoding>,
    /// All pseudonyms, sorted, and once all are there the position of each own place.
    union: Vec<Pseudonym>,
    positions: Option<Vec<u32>>,
}

impl Matcher {
    pub fn new(params: &Digest, seed: &Seed, peer: u32) -> Self {
        let seed = seed.derive("align/matcher", params.as_ref());
        let half_b = group::scalar(&seed.derive("half b", b""));
        let d = group::scalar(&seed.derive("d", b""));
        Self {
            params: *params,
            half_b_over_d: Zeroizing::new(*half_b * *Zeroizing::new(d.invert())),
            half_b,
            half_d: Zeroizing::new(d.div_by_2()),
            peer,
            answers: Vec::new(),
            compared: Vec::new(),
            own: Vec::new(),
            last: None,
            shuffled: 0,
            exclusive: Vec::new(),
            union: Vec::new(),
            positions: None,
        }
    }

    fn compared_all(&self, own: &OwnSet) -> bool {
        self.shuffled == own.len()
    }

    /// The size of the union, once it is known.
    fn union_size(&self, own: &OwnSet) -> Option<u32> {
        self.compared_all(own)
            .then(|| self.peer + self.exclusive.len() as u32)
    }

    /// Size of the peer's set.
    pub const fn peer(&self) -> u32 {
        self.peer
    }

    /// The stages that it sends, with their items; the last is known late.
    pub fn sends(&self, own: &OwnSet) -> [(Kind, Option<u32>); 3] {
        let exclusive = self.compared_all(own).then_some(self.exclusive.len() as u32);
        [
            (Kind::Smaller, Some(own.len())),
            (Kind::Answers, Some(self.peer)),
            (Kind::Exclusive, exclusive),
        ]
    }

    /// The stages that it receives.
    pub fn receives(&self, own: &OwnSet) -> [(Kind, Option<u32>); 4] {
        [
            (Kind::Larger, Some(self.peer)),
            (Kind::Tags, Some(own.len())),
            (Kind::Shuffled, Some(own.len())),
            (Kind::Union, self.union_size(own)),
        ]
    }

    /// A message of a stage, if its items are known.
    pub fn message(&self, own: &OwnSet, kind: Kind, seq: u32, places: Range<usize>) -> Option<Vec<u8>> {
        match kind {
            Kind::Smaller => {
                let blinded = group::blind(&self.params, &own.items(places), &self.half_d);
                Some(message::encode(kind, seq, own.len(), &blinded))
            }
            Kind::Answers => Some(message::encode(kind, seq, self.peer, self.answers.get(places)?)),
            Kind::Exclusive if self.compared_all(own) => {
                let total = self.exclusive.len() as u32;
                Some(message::encode(kind, seq, total, self.exclusive.get(places)?))
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
            Kind::Larger => self.answer(seq, message.items(kind, seq, self.peer, self.answers.len())?),
            Kind::Tags => {
                let items = message.items(kind, seq, own.len(), self.own.len())?;
                let [tagged] = group::raise(seq, items, [&self.half_b_over_d])?;
                self.own.extend(tagged.iter().map(prefix));
                Ok(())
            }
            Kind::Shuffled => {
                let items = message.items(kind, seq, own.len(), self.shuffled as usize)?;
                self.compare(own, seq, items)
            }
            _ => {
                let total = self.union_size(own).unwrap_or(0);
                self.place(seq, total, message.items(kind, seq, total, self.union.len())?)
            }
        }
    }

    fn answer(&mut self, seq: u32, items: &[Encoding]) -> Result<(), AlignError> {
        let [answers] = group::raise(seq, items, [&self.half_b])?;
        let seen = self.answers.len();
        self.answers.extend(answers);
        if self.answers.len() == self.peer as usize {
            let mut compared: Vec<_> = self.answers.iter().map(prefix).collect();
            compared.sort_unstable();
            if let Err(error) = all_differ(seq, &compared) {
                self.answers.truncate(seen);
                return Err(error);
            }
            self.compared = compared;
        }
        Ok(())
    }

    fn compare(&mut self, own: &OwnSet, seq: u32, items: &[Encoding]) -> Result<(), AlignError> {
        strictly_ascending(seq, self.last.as_ref(), items)?;
        let [normal] = group::raise(seq, items, [&self.half_b_over_d])?;
        self.last = items.last().copied();
        self.shuffled += items.len() as u32;
        let compared = &self.compared;
        self.exclusive.extend(
            normal
                .iter()
                .filter(|&encoding| find(compared, &prefix(encoding)).is_none()),
        );
        if self.compared_all(own) {
            self.exclusive.sort_unstable();
            self.compared = Vec::new();
        }
        Ok(())
    }

    fn place(&mut self, seq: u32, total: u32, items: &[Pseudonym]) -> Result<(), AlignError> {
        strictly_ascending(seq, self.union.last(), items)?;
        let seen = self.union.len();
        self.union.extend_from_slice(items);
        if self.union.len() == total as usize {
            let positions: Vec<_> = self
                .own
                .iter()
                .filter_map(|pseudonym| find(&self.union, pseudonym))
                .collect();
            let mut different = positions.clone();
            different.sort_unstable();
            different.dedup();
            if different.len() != self.own.len() {
                self.union.truncate(seen);
                return Err(AlignError::NotInUnion {
                    actual: different.len(),
                    expected: self.own.len(),
                });
            }
            self.positions = Some(positions);
        }
        Ok(())
    }

    /// The size of the union and the position of each own place, once they are known.
    pub fn positions(&self) -> Option<(u32, Vec<u32>)> {
        let positions = self.positions.clone()?;
        Some((self.union.len() as u32, positions))
    }
}
