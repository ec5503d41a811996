//! Decoded evaluation keys, bounded; keys that somebody is about to use are not dropped for others.

use std::collections::BTreeMap;

use hedgerow_crypto::hash::Digest;

use super::super::ClientKeys;
use super::ConnId;

/// Whose keys, for which offer, which: the same keys under another name or for another plan are other keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyName {
    pub client: String,
    pub offer: Digest,
    pub keys: Digest,
}

struct Entry {
    keys: ClientKeys,
    memory: u64,
    used: u64,
    /// Requests that wait for these keys or run with them.
    requests: usize,
    /// The connection that brought them and has not asked yet.
    fresh: Option<ConnId>,
}

/// The keys.
pub(super) struct Cache {
    limit: u64,
    /// Bytes of all entries and of keys that are being decoded.
    memory: u64,
    clock: u64,
    entries: BTreeMap<KeyName, Entry>,
}

impl Cache {
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            memory: 0,
            clock: 0,
            entries: BTreeMap::new(),
        }
    }

    pub fn memory(&self) -> u64 {
        self.memory
    }

    pub fn contains(&self, name: &KeyName) -> bool {
        self.entries.contains_key(name)
    }

    /// Room for keys that are about to be decoded, where unused ones make it.
    pub fn reserve(&mut self, memory: u64) -> bool {
        let idle = |entry: &Entry| entry.requests == 0 && entry.fresh.is_none();
        let free: u64 = self
            .entries
            .values()
            .filter(|entry| idle(entry))
            .map(|entry| entry.memory)
            .sum();
        if self.memory - free + memory > self.limit {
            return false;
        }
        while self.memory + memory > self.limit {
            let oldest = self.entries.iter().filter(|(_, entry)| idle(entry));
            let Some(name) = oldest
                .min_by_key(|(_, entry)| entry.used)
                .map(|(name, _)| name.clone())
            else {
                return false;
            };
            self.remove(&name);
        }
        self.memory += memory;
        true
    }

    /// Gives reserved room back.
    pub fn release(&mut self, memory: u64) {
        self.memory -= memory;
    }

    fn remove(&mut self, name: &KeyName) {
        if let Some(entry) = self.entries.remove(name) {
            self.memory -= entry.memory;
        }
    }

    /// Keeps keys whose room was reserved.
    pub fn insert(&mut self, name: KeyName, keys: ClientKeys, memory: u64, fresh: Option<ConnId>) {
        self.remove(&name);
        self.clock += 1;
        let entry = Entry {
            keys,
            memory,
            used: self.clock,
            requests: 0,
            fresh,
        };
        self.entries.insert(name, entry);
    }

    /// A request will need these keys; they stay until [`Cache::done`].
    pub fn pin(&mut self, name: &KeyName) -> bool {
        let Some(entry) = self.entries.get_mut(name) else {
            return false;
        };
        entry.requests += 1;
        entry.fresh = None;
        true
    }

    /// A request needs them no more.
    pub fn done(&mut self, name: &KeyName) {
        self.clock += 1;
        if let Some(entry) = self.entries.get_mut(name) {
            entry.requests = entry.requests.saturating_sub(1);
            entry.used = self.clock;
        }
    }

    /// Keys that a connection has brought are nobody's hurry any more.
    pub fn left(&mut self, conn: ConnId) {
        for entry in self
            .entries
            .values_mut()
            .filter(|entry| entry.fresh == Some(conn))
        {
            entry.fresh = None;
        }
    }

    pub fn get(&self, name: &KeyName) -> Option<ClientKeys> {
        self.entries.get(name).map(|entry| entry.keys.clone())
    }
}
