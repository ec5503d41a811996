//! The end of an attempt: from the sum of masked vectors and what was opened to totals.

use std::collections::BTreeMap;

use super::CoordinatorMachine;
use super::opened::Opened;
use super::output::CoordinatorProgress;
use super::phase::{Phase, Unmasking};
use super::presence::Presence;
use super::record::Record;
use super::sum::{self, Masks, SumError};
use crate::binding::{self, RoundView};
use crate::ids::PartyId;
use crate::privacy;
use crate::time::Millis;

impl CoordinatorMachine {
    pub(super) fn close_unmasking(&mut self, now: Millis) -> bool {
        let Phase::Unmasking(phase) = &self.phase else {
            return false;
        };
        let round = phase.masking.round();
        let whole = phase.survivors.iter().all(|survivor| phase.uploads.has(survivor));
        let answers = phase.opened.len() + phase.sums.len();
        // An answer set that did not open the sum will not do so the second time.
        let tried = self.tried_answers == answers;
        let mut reason = format!("{answers} answers");
        if whole && !tried {
            match self.open_sum(phase) {
                Ok((totals, culprit)) => {
                    let survivors = phase.survivors.clone();
                    if let Some(culprit) = culprit {
                        self.exclude_malformed(&culprit, "a share that does not fit those of the others");
                    }
                    let done = CoordinatorProgress::RoundDone {
                        round,
                        survivors: survivors.clone(),
                    };
                    let committed = self.commit(
                        Record::Released {
                            round,
                            survivors,
                            totals,
                        },
                        now,
                    );
                    self.progress(done);
                    return committed;
                }
                Err(SumError::TooFew { .. }) => {}
                Err(error) => {
                    reason = error.to_string();
                    self.tried_answers = answers;
                }
            }
        }
        let lost = self.owing().is_empty() || self.out_of_reach(now);
        if lost || now >= self.deadline {
            return self.give_up_attempt(reason, now);
        }
        false
    }

    /// Whether exclusions and losses have made the threshold, or a needed party, unreachable.
    fn out_of_reach(&self, now: Millis) -> bool {
        let Phase::Unmasking(phase) = &self.phase else {
            return false;
        };
        let gone = |party: &PartyId| self.is_given_up(party, now);
        let vector_gone = phase
            .survivors
            .iter()
            .any(|party| gone(party) && !phase.uploads.has(party));
        let answers_gone = match &self.circle.aggregators {
            Some(aggregators) => aggregators
                .iter()
                .any(|party| gone(party) && !phase.sums.contains_key(party)),
            None => {
                let able = |party: &&PartyId| !gone(party) || phase.opened.contains_key(*party);
                phase.survivors.iter().filter(able).count() < self.threshold()
            }
        };
        vector_gone || answers_gone
    }

    /// The totals, and who sent a wrong share if leaving its answer out is what opened them.
    fn open_sum(&self, phase: &Unmasking) -> Result<(Vec<i64>, Option<PartyId>), SumError> {
        let modulus = self.config.modulus;
        let limit = self.largest_total();
        if let Some(aggregators) = &self.circle.aggregators {
            let (answers, threshold) = (phase.sums.len(), aggregators.len());
            if answers < threshold {
                return Err(SumError::TooFew { answers, threshold });
            }
            let mut words = phase.uploads.sum().to_vec();
            for shares in phase.sums.values() {
                modulus.add(&mut words, shares);
            }
            return Ok((sum::totals(&words, modulus, limit)?, None));
        }
        let Some(masks) = self.masks(phase) else {
            return Err(SumError::TooFew {
                answers: 0,
                threshold: self.threshold(),
            });
        };
        let open = |answers: &[&Opened]| {
            let words = masks.take_off(phase.uploads.sum(), answers)?;
            sum::totals(&words, modulus, limit)
        };
        let all: Vec<(&PartyId, &Opened)> = phase.opened.iter().collect();
        let opened: Vec<&Opened> = all.iter().map(|(_, opened)| *opened).collect();
        let error = match open(&opened) {
            Ok(totals) => return Ok((totals, None)),
            Err(error) => error,
        };
        if all.len() > masks.threshold {
            for (culprit, _) in all.iter().take(masks.threshold) {
                let others: Vec<&Opened> = all
                    .iter()
                    .filter(|(party, _)| party != culprit)
                    .map(|(_, opened)| *opened)
                    .collect();
                if let Ok(totals) = open(&others) {
                    return Ok((totals, Some((*culprit).clone())));
                }
            }
        }
        Err(error)
    }

    /// In shares mode the relayed seeds are whole with the last upload that a restart had lost.
    pub(super) fn ask_aggregators_once_whole(&mut self, now: Millis) {
        let (Phase::Unmasking(phase), Some(aggregators)) = (&self.phase, &self.circle.aggregators) else {
            return;
        };
        if !phase.survivors.iter().all(|survivor| phase.uploads.has(survivor)) {
            return;
        }
        let waiting: Vec<PartyId> = aggregators
            .iter()
            .filter(|party| !phase.sums.contains_key(*party))
            .cloned()
            .collect();
        for party in waiting {
            if self.presences.get(&party).is_some_and(Presence::is_connected) {
                self.ask(&party, now);
            }
        }
    }

    /// The public facts that masks of the round come from.
    pub(super) fn masks<'a>(&self, phase: &'a Unmasking) -> Option<Masks<'a>> {
        let (roster, progression) = (self.circle.roster.as_ref()?, self.progression.as_ref()?);
        let keys = &phase.masking.keyed.keys;
        let members: Vec<PartyId> = phase.masking.members().cloned().collect();
        let transcript = binding::round_transcript(&RoundView {
            run: self.config.run,
            round: phase.masking.round(),
            config: &self.config_digest,
            answers: progression.answers(),
            participants: roster.digest(),
            keys: &phase.masking.keyed.digest(),
            members: &members,
            modulus: self.config.modulus,
            cells: phase.uploads.sum().len(),
        });
        let members: BTreeMap<_, _> = phase
            .masking
            .members()
            .filter_map(|member| keys.get(member).map(|keys| (member, keys.mask)))
            .collect();
        let survivors: &[PartyId] = &phase.survivors;
        let (modulus, threshold) = (self.config.modulus, self.threshold());
        Some(Masks {
            modulus,
            threshold,
            transcript,
            survivors,
            members,
            threads: self.threads,
        })
    }

    /// A bound on every total of the present query: masks that came off wrongly leave uniform words.
    pub(super) fn largest_total(&self) -> u64 {
        let planned = self
            .progression
            .as_ref()
            .and_then(|progression| progression.planned());
        planned.map_or(0, |planned| {
            privacy::mechanism(&self.config, planned).map_or(0, |mechanism| {
                privacy::largest_total(&self.config, planned, &mechanism)
            })
        })
    }
}
