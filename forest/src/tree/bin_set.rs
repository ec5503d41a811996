//! Sets of bins.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of bins, as 256 bits.
///
/// Its text form lists ranges in ascending order, as `"3"`, `"40-64"`, `"0,2-5,9"`, `""`; the form is unique, and no
/// other is read. Compact formats hold four little-endian words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BinSet([u64; 4]);

/// A text that is not the form of a bin set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bins: expected ascending ranges of 0 to 255 such as \"0,2-5,9\", found {seen:?}")]
pub struct BinSetError {
    /// The text.
    pub seen: String,
}

impl BinSet {
    /// No bin.
    pub const EMPTY: Self = Self([0; 4]);

    /// All bins from `first` to `last`, both included; empty if `last < first`.
    pub fn range(first: u8, last: u8) -> Self {
        if last < first {
            return Self::EMPTY;
        }
        // Of each word the bits from `first` up, without those above `last`.
        let word = |index: u8| {
            let from = |bin: u16| match bin.saturating_sub(u16::from(index) * 64) {
                shift @ 0..64 => u64::MAX << shift,
                _ => 0,
            };
            from(first.into()) & !from(u16::from(last) + 1)
        };
        Self([word(0), word(1), word(2), word(3)])
    }

    /// Is `bin` in the set?
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a u8 shifted by 6 is below 4")]
    pub const fn contains(&self, bin: u8) -> bool {
        self.0[(bin >> 6) as usize] >> (bin & 63) & 1 == 1
    }

    /// Adds `bin`.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a u8 shifted by 6 is below 4")]
    pub const fn insert(&mut self, bin: u8) {
        self.0[(bin >> 6) as usize] |= 1 << (bin & 63);
    }

    /// Removes `bin`.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "a u8 shifted by 6 is below 4")]
    pub const fn remove(&mut self, bin: u8) {
        self.0[(bin >> 6) as usize] &= !(1 << (bin & 63));
    }

    /// Is the set empty?
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// Number of bins in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The bins, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<> {
        (0..=192).step_by(64).zip(self.0).flat_map(|(start, word)| {
            // Clears the lowest bit that is left.
            let rest = |left: &u64| Some(*left & (*left - 1)).filter(|left| *left != 0);
            std::iter::successors(Some(word).filter(|word| *word != 0), rest)
                .map(move |left| start + left.trailing_zeros() as u8)
        })
    }

    /// The bins of both sets.
    #[must_use]
    pub const fn and(&self, other: &Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a & e, b & f, c & g, d & h])
    }

    /// The bins of this set that the other has not.
    #[must_use]
    pub const fn without(&self, other: &Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a & !e, b & !f, c & !g, d & !h])
    }

    /// The 256 bits as words, bin 0 in the lowest bit of the first.
    pub const fn words(&self) -> [u64; 4] {
        self.0
    }

    /// The bins at which membership changes, ascending: a bin is in the set if an odd number of them is not above it.
    pub fn changes(&self) -> Self {
        let mut below = 0;
        Self(self.0.map(|word| {
            let changes = word ^ (word << 1 | below);
            below = word >> 63;
            changes
        }))
    }

    /// The maximal ranges of consecutive bins, ascending, both ends included.
    pub fn ranges(&self) -> impl Iterator<Item = (u8, u8)> + use<> {
        let mut changes = self.changes().iter();
        std::iter::from_fn(move || {
            let first = changes.next()?;
            Some((first, changes.next().map_or(255, |after| after - 1)))
        })
    }
}

impl FromIterator<u8> for BinSet {
    fn from_iter<I: IntoIterator<Item = u8>>(bins: I) -> Self {
        let mut set = Self::EMPTY;
        bins.into_iter().for_each(|bin| set.insert(bin));
        set
    }
}

impl fmt::Display for BinSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for BinSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BinSet({self})")
    }
}

impl FromStr for BinSet {
    type Err = BinSetError;

    fn from_str(text: &str) -> Result<Self, BinSetError> {
        let wrong = || BinSetError {
            seen: text.to_owned(),
        };
        let mut set = Self::EMPTY;
        for range in text.split(',').filter(|_| !text.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first: u8 = first.parse().map_err(|_| wrong())?;
            let last: u8 = last.parse().map_err(|_| wrong())?;
            (first..=last).for_each(|bin| set.insert(bin));
        }
        // One set, one text: what prints differently was not written by us.
        if set.to_string() == text {
            Ok(set)
        } else {
            Err(wrong())
        }
    }
}

impl Serialize for BinSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for BinSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(D::Error::custom)
        } else {
            <[u64; 4]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_is_read_back(words: [u64; 4], sparse: bool) {
            let words = if sparse { words.map(|word| word & word >> 7 & word << 5) } else { words };
            let set = BinSet(words);
            prop_assert_eq!(set.to_string().parse::<BinSet>(), Ok(set));
            prop_assert_eq!(set.iter().collect::<BinSet>(), set);
            prop_assert_eq!(set.len(), set.iter().count());
            prop_assert!((0..=255).all(|bin| set.contains(bin) == set.iter().any(|other| other == bin)));
            let ranges = set.ranges().flat_map(|(first, last)| first..=last);
            prop_assert_eq!(ranges.collect::<Vec<_>>(), set.iter().collect::<Vec<_>>());
        }

        #[test]
        fn parity_of_changes_is_membership(words: [u64; 4], bin: u8) {
            let set = BinSet(words);
            let below = set.changes().iter().filter(|change| *change <= bin).count();
            prop_assert_eq!(below % 2 == 1, set.contains(bin));
        }

        #[test]
        fn a_range_holds_what_lies_between_its_ends(first: u8, last: u8) {
            let range = BinSet::range(first, last);
            prop_assert!((0..=255).all(|bin| range.contains(bin) == (first..=last).contains(&bin)));
        }
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        for text in [
            "256", "3-2", "1,1", "1-2,3", "2,1", "01", "+1", "1-", "-", ",", "1,", "a", " 1", "1-1",
        ] {
            assert!(text.parse::<BinSet>().is_err(), "{text:?}");
        }
        assert_eq!(
            "0,2-5,255".parse::<BinSet>().unwrap().iter().collect::<Vec<_>>(),
            [0, 2, 3, 4, 5, 255]
        );
        assert_eq!("".parse::<BinSet>().unwrap(), BinSet::EMPTY);
    }
}
