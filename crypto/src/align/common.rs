//! One order of entities for several attribute parties, from the alignments that a row party has with each.
//!
//! The row party knows, for each of its own keys, the position in the union with every attribute party. It draws a
//! *slot* for each own key, and for every attribute party a map of the positions of their union to slots: own keys go
//! to their slots, all other positions to other slots, drawn at random. An attribute party that is given its map puts
//! its entities there; two of them then have every entity of the row party in one place, and where the row party has
//! none, weights are zero and it does not matter what meets.
//!
//! # What it tells
//! An attribute party sees a map of its union into `0 .. slots` that is uniform among all injections: which of its
//! positions are the row party's makes no difference to it. It learns the number of slots, which is the size of the
//! largest of the unions (for unions that hold all keys of the row party, as private ones do; else the number of the
//! row party's keys and of the positions that hold none of them, at most). It does not learn the keys that another
//! attribute party has, nor how many of them are its own. *Two* attribute parties together compare their maps: positions
//! of both in one slot are the same entity if the row party has it, and by chance only if it has not. So this stands
//! against one dishonest party, as the chain does (`crate::exact::chain`).

use super::AlignError;
use super::error::Whose;
use super::params::MAX_KEYS;
use super::set::shuffle;
use crate::seed::Seed;

/// What an own key's position is where the union does not hold it.
pub const NOWHERE: u32 = u32::MAX;

/// One attribute party's union as the row party knows it.
#[derive(Clone, Copy, Debug)]
pub struct Union<'a> {
    /// For each own key of the row party, over all parties, its position, or [`NOWHERE`].
    pub positions: &'a [u32],
    /// Positions of the union.
    pub size: u32,
}

/// A common order. Secret to the row party but for the map that each attribute party is given: not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Common {
    /// Number of slots.
    pub slots: u32,
    /// The slot of each own key.
    pub keys: Vec<u32>,
    /// For each union the slot of every position.
    pub maps: Vec<Vec<u32>>,
}

impl std::fmt::Debug for Common {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Common({} slots, {} unions)", self.slots, self.maps.len())
    }
}

impl Common {
    /// A common order of `keys` own keys and the unions with several parties, drawn from a seed that is used for
    /// nothing else.
    ///
    /// # Errors
    /// Too many slots; a union whose positions are not one for each key, or are beyond it, or that has two keys at one
    /// position.
    pub fn new(keys: usize, unions: &[Union<'_>], seed: &Seed) -> Result<Self, AlignError> {
        let mut slots = keys as u64;
        for union in unions {
            slots = slots.max(keys as u64 + u64::from(union.size) - check(keys, union)?);
        }
        let limit = u64::from(MAX_KEYS) * 2;
        if slots > limit {
            return Err(AlignError::TooMany {
                whose: Whose::Own,
                actual: slots,
                expected: limit,
            });
        }
        let mut drawn: Vec<u32> = (0..slots as u32).collect();
        shuffle(&mut drawn, &seed.derive("common slots", &[]));
        let (own, free) = drawn.split_at(keys);
        let maps = unions.iter().enumerate().map(|(number, union)| {
            let mut map = vec![NOWHERE; union.size as usize];
            for (position, slot) in union.positions.iter().zip(own) {
                if let Some(place) = map.get_mut(*position as usize) {
                    *place = *slot;
                }
            }
            let mut free = free.to_vec();
            shuffle(
                &mut free,
                &seed.derive("common rest", &(number as u64).to_le_bytes()),
            );
            let rest = map.iter_mut().filter(|place| **place == NOWHERE);
            rest.zip(free).for_each(|(place, slot)| *place = slot);
            map
        });
        Ok(Self {
            slots: slots as u32,
            maps: maps.collect(),
            keys: own.to_vec(),
        })
    }
}

/// How many of the keys a union holds.
fn check(keys: usize, union: &Union<'_>) -> Result<u64, AlignError> {
    let wrong = |what, actual: usize, expected: usize| AlignError::Count {
        seq: 0,
        what,
        actual: actual as u64,
        expected: expected as u64,
    };
    if union.positions.len() != keys {
        return Err(wrong("positions of own keys", union.positions.len(), keys));
    }
    let mut held = vec![false; union.size as usize];
    let mut count = 0;
    for position in union.positions.iter().filter(|position| **position != NOWHERE) {
        match held.get_mut(*position as usize) {
            Some(held) if !*held => *held = true,
            Some(_) => return Err(wrong("keys at one position of a union", 2, 1)),
            None => {
                return Err(wrong(
                    "position in a union, below",
                    *position as usize,
                    union.size as usize,
                ));
            }
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_core::Rng;

    use super::*;

    /// `keys` at random places of unions of these sizes, some nowhere.
    fn unions(keys: usize, more: &[u32], holds_all: bool, seed: &Seed) -> Vec<(Vec<u32>, u32)> {
        let mut rng = seed.rng();
        let union = |(number, more): (usize, &u32)| {
            let mut own: Vec<Option<usize>> = (0..keys)
                .map(|_| holds_all || !rng.next_u32().is_multiple_of(3))
                .enumerate()
                .map(|(key, held)| held.then_some(key))
                .collect();
            let size = own.iter().flatten().count() as u32 + more;
            let mut places: Vec<u32> = (0..size).collect();
            shuffle(&mut places, &seed.derive("places", &[number as u8]));
            let mut places = places.into_iter();
            let positions = own.drain(..).map(|key| match key {
                Some(_) => places.next().unwrap(),
                None => NOWHERE,
            });
            (positions.collect(), size)
        };
        more.iter().enumerate().map(union).collect()
    }

    proptest! {
        /// Maps are injections; every own key that a union holds goes to its slot, every key that it does not hold has
        /// a slot where the union has nothing; and slots are no more than are needed.
        #[test]
        fn own_keys_meet_and_nothing_else_is_in_their_slots(
            keys in 0usize..40, more in prop::collection::vec(0u32..40, 1..4), holds_all: bool, seed: [u8; 32],
        ) {
            let seed = Seed::from_bytes(seed);
            let unions = unions(keys, &more, holds_all, &seed);
            let given: Vec<Union<'_>> = unions.iter().map(|(positions, size)| Union { positions, size: *size }).collect();
            let common = Common::new(keys, &given, &seed).unwrap();
            prop_assert_eq!(&common, &Common::new(keys, &given, &seed).unwrap());
            prop_assert_eq!(common.slots, keys as u32 + more.iter().max().unwrap());
            for ((positions, size), map) in unions.iter().zip(&common.maps) {
                prop_assert_eq!(map.len(), *size as usize);
                let distinct: std::collections::BTreeSet<_> = map.iter().copied().collect();
                prop_assert_eq!(distinct.len(), map.len());
                prop_assert!(distinct.iter().all(|slot| *slot < common.slots));
                for (position, slot) in positions.iter().zip(&common.keys) {
                    match map.get(*position as usize) {
                        Some(at) => prop_assert_eq!(at, slot),
                        None => prop_assert!(!distinct.contains(slot)),
                    }
                }
            }
        }
    }

    /// Where a position goes does not depend on whether it is one of the row party's: over 4096 seeds each of two
    /// positions is in each of 4 slots as often. Chi-squared of 3 degrees of freedom, at one in a million 30.7.
    #[test]
    fn a_map_does_not_tell_whose_positions_are_own() {
        let mut counts = [[0u32; 4]; 2];
        for number in 0..4096u32 {
            let seed = Seed::from_bytes([7; 32]).derive("test", &number.to_le_bytes());
            let union = Union {
                positions: &[0, 2],
                size: 4,
            };
            let map = &Common::new(2, &[union], &seed).unwrap().maps[0];
            counts[0][map[0] as usize] += 1;
            counts[1][map[1] as usize] += 1;
        }
        for counts in counts {
            let statistic: f64 = counts
                .iter()
                .map(|count| (f64::from(*count) - 1024.0).powi(2) / 1024.0)
                .sum();
            assert!(statistic < 30.7, "{counts:?}");
        }
    }

    #[test]
    fn unions_that_do_not_hold_together_are_refused() {
        let seed = Seed::from_bytes([1; 32]);
        for positions in [&[0, 0][..], &[0, 5], &[0]] {
            let union = Union { positions, size: 5 };
            assert!(Common::new(2, &[union], &seed).is_err(), "{positions:?}");
        }
    }
}
