//! The vectors of a round, summed as they come in: memory for one vector, whatever the number of parties.

use std::collections::{BTreeMap, BTreeSet};

use hedgerow_crypto::mask::modulus::Modulus;

use super::malformed::Malformed;
use crate::ids::PartyId;

/// Running sum of masked vectors mod M, with the names of those in it.
pub(super) struct Uploads {
    modulus: Modulus,
    sum: Vec<u64>,
    received: BTreeSet<PartyId>,
    /// Shares mode: by aggregator, the sealed seeds by sender.
    seeds: BTreeMap<PartyId, BTreeMap<PartyId, Vec<u8>>>,
}

impl Uploads {
    pub(super) fn new(modulus: Modulus, cells: usize) -> Self {
        Self {
            modulus,
            sum: vec![0; cells],
            received: BTreeSet::new(),
            seeds: BTreeMap::new(),
        }
    }

    pub(super) fn has(&self, party: &PartyId) -> bool {
        self.received.contains(party)
    }

    pub(super) fn received(&self) -> &BTreeSet<PartyId> {
        &self.received
    }

    /// Adds one party's vector; the caller has made sure that it is the party's first.
    pub(super) fn add(
        &mut self,
        party: &PartyId,
        vector: &[u8],
        seeds: Vec<(PartyId, Vec<u8>)>,
    ) -> Result<(), Malformed> {
        add(&mut self.sum, vector, self.modulus)?;
        for (aggregator, sealed) in seeds {
            self.seeds
                .entry(aggregator)
                .or_default()
                .insert(party.clone(), sealed);
        }
        self.received.insert(party.clone());
        Ok(())
    }

    /// The sealed seeds that the survivors addressed to this aggregator.
    pub(super) fn seeds_for(&self, aggregator: &PartyId) -> Vec<(PartyId, Vec<u8>)> {
        self.seeds
            .get(aggregator)
            .map(|by_sender| {
                by_sender
                    .iter()
                    .map(|(from, sealed)| (from.clone(), sealed.clone()))
                    .collect()
            })
            .unwrap_or_default()
    }

    pub(super) fn sum(&self) -> &[u64] {
        &self.sum
    }
}

/// Adds a vector as it came over the wire.
// CHK-050: exactly one word per cell, each below the modulus.
pub(super) fn add(sum: &mut [u64], bytes: &[u8], modulus: Modulus) -> Result<(), Malformed> {
    modulus.add_packed(sum, bytes).map_err(|error| Malformed::Vector {
        reason: error.to_string(),
    })
}
