//! The common order of entities: what the row party draws, and what it tells each attribute party.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hedgerow_crypto::align::common::{Common, NOWHERE, Union};
use hedgerow_crypto::seed::Seed;

use super::super::align::Aligned;
use super::super::data::JoinData;
use super::super::error::JoinError;
use super::super::stream::CHUNK;
use super::MAX_BLOCKS;
use crate::ids::PartyId;

/// Slots in one message.
const PER_MESSAGE: usize = CHUNK / 4;

/// A common order, as the row party knows it. Secret: not printed.
pub struct Orders {
    slots: u32,
    /// For each attribute party the slot of each position of its union, and of each reference to it.
    parties: BTreeMap<PartyId, (Vec<u32>, Vec<u32>)>,
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Orders({} slots, {} parties)", self.slots, self.parties.len())
    }
}

impl Orders {
    /// Draws the order of a round over these attribute parties; `is_plain` if they have told their keys.
    ///
    /// # Errors
    /// Data that cannot be read or have changed, or more entities than the chain takes.
    pub fn draw(
        data: &dyn JoinData,
        parties: &[(PartyId, Arc<Aligned>)],
        is_plain: bool,
        seed: &Seed,
    ) -> Result<Self, JoinError> {
        let mut references = Vec::new();
        for (party, aligned) in parties {
            let keys = data.references(party).map_err(JoinError::Data)?;
            if super::super::keys_digest(&keys) != aligned.keys {
                return Err(JoinError::Changed);
            }
            references.push(keys);
        }
        let all: BTreeSet<[u8; 32]> = references.iter().flatten().copied().collect();
        let all: Vec<[u8; 32]> = all.into_iter().collect();
        let place = |key: &[u8; 32]| all.binary_search(key).unwrap_or_default();
        let mut known = Vec::new();
        for ((_, aligned), references) in parties.iter().zip(&references) {
            let size = u32::try_from(aligned.union).map_err(|_| too_many(aligned.union))?;
            let mut positions = vec![NOWHERE; all.len()];
            for (key, position) in references.iter().zip(&aligned.positions) {
                // Where keys were told, the last position stands for all that the other side does not have.
                let in_vain = is_plain && u64::from(*position) + 1 == aligned.union;
                if let Some(at) = positions.get_mut(place(key)).filter(|_| !in_vain) {
                    *at = *position;
                }
            }
            known.push((positions, size));
        }
        let unions: Vec<Union<'_>> = known
            .iter()
            .map(|(positions, size)| Union {
                positions,
                size: *size,
            })
            .collect();
        let common = Common::new(all.len(), &unions, seed)?;
        let most = u64::from(MAX_BLOCKS) * super::params()?.slots() as u64;
        if u64::from(common.slots) > most {
            return Err(too_many(common.slots.into()));
        }
        let slots = common.slots;
        let keys = common.keys;
        let of = common.maps.into_iter().zip(references).map(|(map, references)| {
            let slots = references.iter().filter_map(|key| keys.get(place(key)).copied());
            (map, slots.collect())
        });
        let parties = parties.iter().map(|(party, _)| party.clone()).zip(of).collect();
        Ok(Self { slots, parties })
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.slots as usize
    }

    /// The slot of each reference to a party.
    pub fn references(&self, party: &PartyId) -> &[u32] {
        self.parties.get(party).map_or(&[], |(_, references)| references)
    }

    /// The messages that tell a party its map: the number of slots, then the slot of each position of its union.
    pub fn messages(&self, party: &PartyId) -> Vec<Vec<u8>> {
        let map = self.parties.get(party).map_or(&[][..], |(map, _)| map);
        let words: Vec<u32> = std::iter::once(self.slots).chain(map.iter().copied()).collect();
        words
            .chunks(PER_MESSAGE)
            .map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect())
            .collect()
    }
}

/// What an attribute party was told: where its own entities stand among so many slots, in the order of its data.
///
/// # Errors
/// Another number of slots than the union has positions, or a map that is no injection.
pub fn told(aligned: &Aligned, messages: &[Vec<u8>]) -> Result<Aligned, JoinError> {
    let bytes = messages.concat();
    let unreadable = JoinError::Unreadable {
        what: "an order of entities",
        length: bytes.len(),
    };
    let (words, []) = bytes.as_chunks::<4>() else {
        return Err(unreadable);
    };
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let Some((slots, map)) = words.split_first() else {
        return Err(unreadable);
    };
    if map.len() as u64 != aligned.union {
        return Err(JoinError::Shape {
            what: "positions in an order of entities",
            expected: aligned.union,
            actual: map.len() as u64,
        });
    }
    let most = u64::from(MAX_BLOCKS) * super::params()?.slots() as u64;
    if u64::from(*slots) > most {
        return Err(too_many((*slots).into()));
    }
    let mut taken = vec![false; *slots as usize];
    for slot in map {
        match taken.get_mut(*slot as usize) {
            Some(taken) if !*taken => *taken = true,
            _ => return Err(unreadable),
        }
    }
    let slot = |position: &u32| {
        map.get(*position as usize).copied().ok_or(JoinError::Shape {
            what: "position in the union, below",
            expected: map.len() as u64,
            actual: u64::from(*position),
        })
    };
    Ok(Aligned {
        positions: aligned.positions.iter().map(slot).collect::<Result<_, _>>()?,
        union: u64::from(*slots),
        keys: aligned.keys,
    })
}

fn too_many(actual: u64) -> JoinError {
    JoinError::Shape {
        what: "entities of a chained run, at most",
        expected: u64::from(MAX_BLOCKS) * 8192,
        actual,
    }
}
