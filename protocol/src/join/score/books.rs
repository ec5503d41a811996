//! What a row party has asked for, and what it may still ask: the limits of a run hold over all its batches.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hedgerow_crypto::hash::Digest;
use serde::{Deserialize, Serialize};

use super::ScoreRows;
use crate::config::Prediction;
use crate::ids::PartyId;

/// One batch in the books; the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its number.
    pub batch: u64,
    /// The digest of its rows.
    pub rows: Digest,
    /// Each entity that it asks about, with how often.
    pub entities: Vec<(u32, u32)>,
    /// For each attribute party how often it is asked.
    pub parties: Vec<(PartyId, u64)>,
}

/// Why rows are not scored; the run does not depend on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreRefusal {
    /// Only row parties of joined runs that declare a prediction have private scores.
    #[error("the run offers no private scores to this party")]
    NotOffered,
    /// The run is not as far.
    #[error("the run has no model yet")]
    NoModel,
    /// Entities would be asked about too often.
    #[error(
        "{entities} entities would be asked about more often than the run allows: one of them {asked} times over all \
         queries so far, allowed are {allowed} (prediction.per_entity)"
    )]
    PerEntity {
        /// How many entities.
        entities: usize,
        /// How often the one that is asked about most would have been.
        asked: u32,
        /// How often is allowed.
        allowed: u32,
    },
    /// An attribute party would be asked for too many scores.
    #[error(
        "{party} would be asked for {asked} scores over all queries so far, allowed are {allowed} (prediction.rows)"
    )]
    Rows {
        /// The attribute party.
        party: PartyId,
        /// Scores with these.
        asked: u64,
        /// How many are allowed.
        allowed: u64,
    },
    /// An attribute party has taken part in as many scores as it may, over all row parties.
    #[error(
        "{party} takes part in no more scores than the run declares for all row parties together (prediction.rows)"
    )]
    ByParty {
        /// The attribute party.
        party: PartyId,
    },
    /// Entities are numbered by other keys than those that were aligned.
    #[error(
        "the keys that rows name at {party} are not those that were aligned when the run began: have data changed?"
    )]
    OtherKeys {
        /// The attribute party.
        party: PartyId,
    },
}

/// A batch's number, and what it adds to the books if it is new.
pub type Accepted = (u64, Option<Asked>);

/// All scores that a row party has asked for in a run.
#[derive(Debug, Default)]
pub struct ScoreBooks {
    batches: BTreeMap<u64, Digest>,
    entities: HashMap<u32, u32>,
    parties: BTreeMap<PartyId, u64>,
}

impl ScoreBooks {
    /// Takes a batch from the journal.
    pub fn take(&mut self, asked: Asked) {
        self.batches.insert(asked.batch, asked.rows);
        for (entity, more) in asked.entities {
            let count = self.entities.entry(entity).or_default();
            *count = count.saturating_add(more);
        }
        for (party, more) in asked.parties {
            let count = self.parties.entry(party).or_default();
            *count = count.saturating_add(more);
        }
    }

    /// Accepts all of these batches or none. Rows that were asked about before are the same question: they keep their
    /// number and add nothing. `aligned` tells the digest of the keys that were aligned with a party.
    ///
    /// # Errors
    /// [`ScoreRefusal`]; the books are as before.
    pub fn ask(
        &mut self,
        prediction: &Prediction,
        batches: &[Arc<ScoreRows>],
        aligned: impl Fn(&PartyId) -> Option<Digest>,
    ) -> Result<Vec<Accepted>, ScoreRefusal> {
        let mut next = self.batches.last_key_value().map_or(0, |(last, _)| last + 1);
        let mut accepted: Vec<Accepted> = Vec::with_capacity(batches.len());
        for rows in batches {
            for ((party, _), keys) in rows.ranges.iter().zip(&rows.keys) {
                if aligned(party).is_some_and(|aligned| aligned != *keys) {
                    return Err(ScoreRefusal::OtherKeys { party: party.clone() });
                }
            }
            let digest = rows.digest();
            let known = self.batches.iter().find(|(_, known)| **known == digest);
            let known = known.map(|(batch, _)| *batch).or_else(|| {
                let mut new = accepted.iter().filter_map(|(_, new)| new.as_ref());
                new.find(|asked| asked.rows == digest).map(|asked| asked.batch)
            });
            accepted.push(match known {
                Some(batch) => (batch, None),
                None => {
                    next += 1;
                    (next - 1, Some(asked(next - 1, digest, rows)))
                }
            });
        }
        self.check(prediction, accepted.iter().filter_map(|(_, new)| new.as_ref()))?;
        for (_, new) in &accepted {
            if let Some(asked) = new {
                self.take(asked.clone());
            }
        }
        Ok(accepted)
    }

    fn check<'a>(
        &self,
        prediction: &Prediction,
        new: impl Iterator<Item = &'a Asked>,
    ) -> Result<(), ScoreRefusal> {
        let (mut entities, mut parties) = (HashMap::new(), BTreeMap::new());
        for asked in new {
            for (entity, more) in &asked.entities {
                let before = self.entities.get(entity).copied().unwrap_or_default();
                let count = entities.entry(*entity).or_insert(before);
                *count = u32::saturating_add(*count, *more);
            }
            for (party, more) in &asked.parties {
                let before = self.parties.get(party).copied().unwrap_or_default();
                let count = parties.entry(party).or_insert(before);
                *count = u64::saturating_add(*count, *more);
            }
        }
        let allowed = prediction.per_entity;
        let beyond = entities.values().filter(|count| **count > allowed);
        if let Some(asked) = beyond.clone().max() {
            return Err(ScoreRefusal::PerEntity {
                entities: beyond.count(),
                asked: *asked,
                allowed,
            });
        }
        match parties.into_iter().find(|(_, asked)| *asked > prediction.rows) {
            Some((party, asked)) => Err(ScoreRefusal::Rows {
                party: party.clone(),
                asked,
                allowed: prediction.rows,
            }),
            None => Ok(()),
        }
    }
}

fn asked(batch: u64, digest: Digest, rows: &ScoreRows) -> Asked {
    let entities = rows.asked_per_entity();
    let of_party = |range: &std::ops::Range<u32>| {
        let own = entities.iter().filter(|(entity, _)| range.contains(entity));
        own.map(|(_, count)| u64::from(*count)).sum()
    };
    Asked {
        batch,
        rows: digest,
        parties: rows
            .ranges
            .iter()
            .map(|(party, range)| (party.clone(), of_party(range)))
            .collect(),
        entities,
    }
}
