//! Joined runs: who is aligned with whom, and when the run goes on without somebody.
//!
//! Every row party and every attribute party find their common entities in pairs, over relayed chunks that the
//! coordinator cannot read. Each end reports the pairs that it has done. Whoever is lost, or is silent until the
//! phase is over, is left out of the run if those who remain are enough; the entities of an attribute party that
//! is left out read as missing.

use std::collections::{BTreeMap, BTreeSet};

use super::CoordinatorMachine;
use super::malformed::Malformed;
use super::output::{Absence, CoordinatorProgress, Missing, RunFailure};
use super::phase::{Circle, Phase};
use super::record::Record;
use crate::config::Role;
use crate::ids::PartyId;
use crate::time::Millis;

/// What parties have reported so far.
#[derive(Default)]
pub(super) struct Aligning {
    /// By reporter: its counterparts, each with the size of the union of their keys.
    pub(super) reports: BTreeMap<PartyId, BTreeMap<PartyId, u64>>,
}

impl Aligning {
    fn size(&self, reporter: &PartyId, with: &PartyId) -> Option<u64> {
        self.reports.get(reporter)?.get(with).copied()
    }

    /// Whether the party has reported all its counterparts, lost ones included.
    pub(super) fn is_complete(&self, party: &PartyId, circle: &Circle) -> bool {
        let own = circle.role(party);
        circle
            .members()
            .filter(|other| circle.role(other) != own)
            .all(|other| self.size(party, other).is_some())
    }
}

/// A row party and an attribute party.
type Pair<'a> = (&'a PartyId, &'a PartyId);

impl CoordinatorMachine {
    /// Takes a report; `true` if it holds something new.
    pub(super) fn take_aligned(
        &mut self,
        from: &PartyId,
        with: Vec<(PartyId, u64)>,
    ) -> Result<bool, Malformed> {
        let Phase::Aligning(phase) = &mut self.phase else {
            return Ok(false);
        };
        if !self.circle.is_member(from) || self.excluded.contains_key(from) {
            return Ok(false);
        }
        // CHK-055: counterparts of the run, and no size takes back what was said.
        let role = self.circle.role(from);
        let known = phase.reports.entry(from.clone()).or_default();
        let before = known.len();
        for (other, union) in with {
            if !self.circle.is_member(&other) || self.circle.role(&other) == role {
                return Err(Malformed::Counterpart { named: other });
            }
            match known.get(&other).copied() {
                Some(first) if first != union => {
                    return Err(Malformed::AlignedAnew {
                        with: other,
                        first,
                        second: union,
                    });
                }
                Some(_) => {}
                None => {
                    known.insert(other, union);
                }
            }
        }
        if let Some(presence) = self.presences.get_mut(from) {
            presence.oriented = true;
        }
        Ok(known.len() > before)
    }

    pub(super) fn close_alignment(&mut self, now: Millis) -> bool {
        let Phase::Aligning(phase) = &self.phase else {
            return false;
        };
        let here: BTreeSet<&PartyId> = self
            .circle
            .members()
            .filter(|party| !self.excluded.contains_key(*party) && !self.is_lost(party, now))
            .collect();
        if !self.suffices(here.iter().copied()) {
            let coming = self
                .circle
                .members()
                .filter(|party| !self.is_given_up(party, now));
            return !self.suffices(coming) && self.fail_short(here.len(), self.missing_of(&here, now), now);
        }
        let (rows, attributes) = (
            self.of_role(&here, Role::Row),
            self.of_role(&here, Role::Attributes),
        );
        let mut open: Vec<Pair<'_>> = Vec::new();
        for &row in &rows {
            for &attribute in &attributes {
                match (phase.size(row, attribute), phase.size(attribute, row)) {
                    (Some(a), Some(b)) if a == b => {}
                    // CHK-055: both ends of a pair have the same union.
                    (Some(row_says), Some(attribute_says)) => {
                        let failure = RunFailure::AlignmentDiffers {
                            row: row.clone(),
                            attribute: attribute.clone(),
                            row_says,
                            attribute_says,
                        };
                        self.fail(failure, now);
                        return true;
                    }
                    _ => open.push((row, attribute)),
                }
            }
        }
        if !open.is_empty() && now < self.deadline {
            return false;
        }
        let Some(parties) = self.without_silent(&here, &open) else {
            let silent = open.iter().flat_map(|(row, attribute)| {
                let unsaid =
                    |of: &'_ PartyId, with: &PartyId| phase.size(of, with).is_none().then(|| of.clone());
                [unsaid(row, attribute), unsaid(attribute, row)]
            });
            let silent: BTreeSet<PartyId> = silent.flatten().collect();
            let answering = here
                .iter()
                .copied()
                .filter(|party| !silent.contains(*party))
                .collect();
            let missing = self.missing_of(&answering, now);
            return self.fail_short(answering.len(), missing, now);
        };
        let left_out: Vec<Missing> = self
            .missing_of(&parties.iter().collect(), now)
            .into_iter()
            .filter(|missing| !self.excluded.contains_key(&missing.party))
            .collect();
        let phase = self.phase.name();
        for missing in left_out {
            self.progress(CoordinatorProgress::Dropped { phase, missing });
        }
        self.commit(Record::Joined { parties }, now)
    }

    /// Those who are here without one end of each pair that is not aligned: the attribute parties if that leaves
    /// enough, else the row parties.
    fn without_silent(&self, here: &BTreeSet<&PartyId>, open: &[Pair<'_>]) -> Option<Vec<PartyId>> {
        let attributes: BTreeSet<&PartyId> = open.iter().map(|(_, attribute)| *attribute).collect();
        let rows: BTreeSet<&PartyId> = open.iter().map(|(row, _)| *row).collect();
        [attributes, rows]
            .into_iter()
            .map(|left_out| here.difference(&left_out).copied().collect::<Vec<_>>())
            .find(|rest| {
                let joined = rest
                    .iter()
                    .any(|party| self.circle.role(party) == Role::Attributes);
                joined && self.suffices(rest.iter().copied())
            })
            .map(|rest| rest.into_iter().cloned().collect())
    }

    fn of_role<'a>(&self, parties: &BTreeSet<&'a PartyId>, role: Role) -> Vec<&'a PartyId> {
        parties
            .iter()
            .copied()
            .filter(|party| self.circle.role(party) == role)
            .collect()
    }

    /// Everybody of the run who is not among these, and why.
    fn missing_of(&self, present: &BTreeSet<&PartyId>, now: Millis) -> Vec<Missing> {
        self.circle
            .members()
            .filter(|party| !present.contains(party))
            .map(|party| Missing {
                party: party.clone(),
                why: self.why_missing(party, true, now),
            })
            .collect()
    }

    /// Whether a sum over these parties may be released: enough of them, and in joined runs one with rows.
    pub(super) fn suffices<'a>(&self, parties: impl Iterator<Item = &'a PartyId>) -> bool {
        let (mut count, mut rows) = (0, false);
        for party in parties {
            count += 1;
            rows |= self.circle.role(party) == Role::Row;
        }
        count >= self.needed() && rows
    }

    /// Ends the run because those who are here do not suffice.
    pub(super) fn fail_short(&mut self, answered: usize, missing: Vec<Missing>, now: Millis) -> bool {
        let (phase, round, needed) = (self.phase.name(), self.phase.round(), self.needed());
        let failure = if answered < needed {
            RunFailure::TooFew {
                phase,
                round,
                answered,
                needed,
                missing,
            }
        } else {
            RunFailure::NoRows {
                phase,
                round,
                missing,
            }
        };
        self.fail(failure, now);
        true
    }

    /// Why a party of the configuration is out of a joined run for good, if it is.
    pub(super) fn left_out_of_join(&self, party: &PartyId) -> Option<String> {
        let enrolled = self.circle.participants.contains_key(party);
        (enrolled && !self.circle.is_member(party)).then(|| {
            Absence::DroppedEarlier
                .to_string()
                .replace("this round", "the alignment")
        })
    }
}
