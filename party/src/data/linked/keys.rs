//! Numbers for the distinct keys that rows name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::data::error::DataError;
use crate::data::key::KeyDigest;
use crate::data::linked::NOBODY;

/// Numbers in the order in which keys were seen; [`KeyIndex::sorted`] puts them in the order of the keys, which is the
/// same in every reading.
#[derive(Default)]
pub(super) struct KeyIndex {
    numbers: HashMap<(u16, KeyDigest), u32>,
    /// How often a key was named that is not known, where none is added any more.
    unknown: Option<u64>,
}

impl KeyIndex {
    /// Exactly these keys, party by party, under the numbers that [`KeyIndex::sorted`] gave them.
    pub(super) fn known(keys: &[Vec<KeyDigest>]) -> Self {
        let all = (0u16..)
            .zip(keys)
            .flat_map(|(party, keys)| keys.iter().map(move |key| (party, *key)));
        Self {
            numbers: all.zip(0..).collect(),
            unknown: Some(0),
        }
    }

    /// How often an unknown key was named.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown.unwrap_or_default()
    }

    /// The number of a key at a party.
    pub(super) fn number(&mut self, party: u16, key: KeyDigest) -> Result<u32, DataError> {
        if let Some(unknown) = &mut self.unknown {
            let known = self.numbers.get(&(party, key)).copied();
            *unknown += u64::from(known.is_none());
            return Ok(known.unwrap_or(NOBODY));
        }
        let next = self.numbers.len();
        match self.numbers.entry((party, key)) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(place) => match u32::try_from(next) {
                Ok(number) if number != NOBODY => Ok(*place.insert(number)),
                _ => Err(DataError::Invalid {
                    what: "keys".to_owned(),
                    reason: format!("expected fewer than {NOBODY} distinct ones, found more"),
                }),
            },
        }
    }

    /// The keys in their own order.
    pub(super) fn sorted(self, parties: usize) -> SortedKeys {
        let mut renumber = vec![NOBODY; self.numbers.len()];
        let mut all: Vec<((u16, KeyDigest), u32)> = self.numbers.into_iter().collect();
        all.sort_unstable();
        let mut keys = vec![Vec::new(); parties];
        for (new, ((party, key), old)) in (0..).zip(all) {
            if let (Some(list), Some(place)) =
                (keys.get_mut(usize::from(party)), renumber.get_mut(old as usize))
            {
                list.push(key);
                *place = new;
            }
        }
        let offsets = keys.iter().scan(0u32, |next, list: &Vec<KeyDigest>| {
            let start = *next;
            *next += list.len() as u32;
            Some(start)
        });
        SortedKeys {
            offsets: offsets.collect(),
            keys,
            renumber,
        }
    }
}

/// Keys under numbers that follow their order, party by party.
pub(super) struct SortedKeys {
    /// Per party its keys, ascending.
    pub(super) keys: Vec<Vec<KeyDigest>>,
    /// Per party the number of its first key.
    pub(super) offsets: Vec<u32>,
    /// The new number of each old one.
    pub(super) renumber: Vec<u32>,
}
