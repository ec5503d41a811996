//! When a phase ends, and how.

use std::collections::BTreeSet;

use super::CoordinatorMachine;
use super::output::{AttemptFailure, CoordinatorProgress, Missing, Output, PhaseName, RunFailure};
use super::phase::Phase;
use super::record::Record;
use crate::config::Role;
use crate::ids::{PartyId, RoundId};
use crate::time::Millis;
use crate::wire::ToParty;

/// How often a step is tried before the run fails. Every attempt after an upload costs privacy budget, and
/// one that fails takes a whole phase timeout; more of them would hide a broken deployment.
pub const MAX_ATTEMPTS: u32 = 5;

/// Who answered a phase and who may still.
pub(super) struct Tally {
    pub(super) answered: usize,
    /// Neither answered nor excluded.
    pub(super) hopeful: usize,
    /// Some of the hopeful are here, or have been away for less than the grace period.
    pub(super) awaited: bool,
    pub(super) due: bool,
}

impl CoordinatorMachine {
    /// Ends phases for as long as they can end.
    pub(super) fn advance(&mut self, now: Millis) {
        self.last_seen = self.last_seen.max(now);
        while self.step(now) {}
    }

    fn step(&mut self, now: Millis) -> bool {
        if let Some(failure) = self.growth_failure.take() {
            self.fail(failure, now);
            return true;
        }
        match self.phase.name() {
            PhaseName::Enrolling => self.close_enrolment(now),
            PhaseName::Aligning => self.close_alignment(now),
            PhaseName::Upload if self.circle.is_joined_run() => self.close_attribute_upload(now),
            PhaseName::KeyCollection | PhaseName::ShareCollection | PhaseName::Upload => {
                self.close_collection(now)
            }
            PhaseName::RowUpload => self.close_row_upload(now),
            PhaseName::SurvivorVote => self.close_vote(now),
            PhaseName::Unmasking => self.close_unmasking(now),
            PhaseName::Publishing => self.close_publishing(now),
            PhaseName::Done | PhaseName::Failed => false,
        }
    }

    pub(super) fn tally(&self, now: Millis) -> Tally {
        let asked = self.phase.asked(&self.circle);
        let answered = asked
            .iter()
            .filter(|party| self.phase.has_answered(party, &self.circle))
            .count();
        let owing = self.owing();
        let awaited = owing.iter().any(|party| !self.is_lost(party, now));
        Tally {
            answered,
            hopeful: owing.len(),
            awaited,
            due: now >= self.deadline,
        }
    }

    pub(super) fn is_lost(&self, party: &PartyId, now: Millis) -> bool {
        self.presences
            .get(party)
            .is_none_or(|presence| presence.is_lost(self.timeouts.grace, now))
    }

    /// Whether nothing is to be expected of the party: it is left out, or it has been away for the grace period,
    /// counted anew in every phase. The others go on without a party once it is lost; what cannot go on without
    /// it fails, or is tried again, once it is given up.
    pub(super) fn is_given_up(&self, party: &PartyId, now: Millis) -> bool {
        let waited = now >= self.entered.plus(self.timeouts.grace.0);
        self.excluded.contains_key(party) || (waited && self.is_lost(party, now))
    }

    /// Who was asked in this phase, or dropped out of this round before it, and has not answered.
    pub(super) fn missing(&self, now: Millis) -> Vec<Missing> {
        let asked = self.phase.asked(&self.circle);
        let everybody: Vec<PartyId> = match self.phase {
            Phase::Enrolling(_) => asked.clone(),
            _ => self.circle.configured.clone(),
        };
        everybody
            .into_iter()
            .filter(|party| !(asked.contains(party) && self.phase.has_answered(party, &self.circle)))
            .map(|party| Missing {
                why: self.why_missing(&party, asked.contains(&party), now),
                party,
            })
            .collect()
    }

    pub(super) fn why_missing(&self, party: &PartyId, asked: bool, now: Millis) -> super::output::Absence {
        use super::output::Absence;
        match (self.excluded.get(party), self.presences.get(party)) {
            (Some(absence), _) => absence.clone(),
            (None, Some(presence)) if asked || !presence.is_connected() => presence.absence(now),
            _ => Absence::DroppedEarlier,
        }
    }

    fn close_enrolment(&mut self, now: Millis) -> bool {
        let tally = self.tally(now);
        // Also after a refusal everybody else is heard first: the operators read all reasons at once.
        if tally.hopeful > 0 && !tally.due {
            return false;
        }
        let Phase::Enrolling(enrolling) = &self.phase else {
            return false;
        };
        if !self.suffices(enrolling.enrolled.keys()) {
            return self.fail_short(tally.answered, self.missing(now), now);
        }
        let enrolments = enrolling
            .enrolled
            .values()
            .map(|(enrolment, _)| enrolment.clone())
            .collect();
        self.report_dropped(now);
        self.commit(
            Record::Participants {
                config: self.config_digest,
                enrolments,
            },
            now,
        )
    }

    fn close_collection(&mut self, now: Millis) -> bool {
        let tally = self.tally(now);
        let asked = self.phase.asked(&self.circle);
        let answered = |party: &&PartyId| self.phase.has_answered(party, &self.circle);
        // Also a party that the run cannot do without is not waited for any longer than that.
        let coming = |party: &&PartyId| !self.is_given_up(party, now);
        let enough = self.suffices(asked.iter().filter(answered));
        let reachable = self.suffices(asked.iter().filter(|party| answered(party) || coming(party)));
        if !reachable || (tally.due && !enough) {
            let mut missing = self.missing(now);
            // Whoever could still answer has kept nobody waiting.
            missing.retain(|missing| {
                tally.due || !asked.contains(&missing.party) || self.is_given_up(&missing.party, now)
            });
            return self.fail_short(tally.answered, missing, now);
        }
        if !enough || (tally.awaited && !tally.due) {
            return false;
        }
        let missing = self.missing_aggregators(now);
        if !missing.is_empty() {
            let hopeless = missing
                .iter()
                .any(|missing| self.is_given_up(&missing.party, now));
            if !tally.due && !hopeless {
                return false;
            }
            let failure = RunFailure::AggregatorMissing {
                phase: self.phase.name(),
                round: self.phase.round(),
                missing,
            };
            self.fail(failure, now);
            return true;
        }
        let record = match &self.phase {
            Phase::KeyCollection(phase) => Record::Keys {
                round: phase.round,
                keys: phase.keys.values().cloned().collect(),
            },
            Phase::ShareCollection(phase) => {
                let members: Vec<&PartyId> = phase.shares.keys().collect();
                let inbox = |to: &PartyId| {
                    // A member's entry for itself is empty: everybody reads the same list of members.
                    let sealed =
                        |from: &PartyId| phase.shares.get(from).and_then(|sent| sent.get(to)).cloned();
                    members
                        .iter()
                        .map(|from| ((*from).clone(), sealed(from).unwrap_or_default()))
                        .collect()
                };
                let inboxes = members.iter().map(|to| ((*to).clone(), inbox(to))).collect();
                Record::Inboxes {
                    round: phase.keyed.round,
                    inboxes,
                }
            }
            Phase::Upload(phase) => {
                let survivors = phase.uploads.received().iter().cloned().collect();
                Record::Survivors {
                    round: phase.masking.round(),
                    survivors,
                }
            }
            _ => return false,
        };
        self.report_dropped(now);
        self.commit(record, now)
    }

    fn missing_aggregators(&self, now: Millis) -> Vec<Missing> {
        let Some(aggregators) = &self.circle.aggregators else {
            return Vec::new();
        };
        let mut missing = self.missing(now);
        missing.retain(|missing| aggregators.contains(&missing.party));
        missing
    }

    fn close_vote(&mut self, now: Millis) -> bool {
        let Phase::SurvivorVote(phase) = &self.phase else {
            return false;
        };
        let threshold = self.threshold();
        if phase.signatures.len() >= threshold {
            let signatures = phase
                .signatures
                .iter()
                .map(|(party, signature)| (party.clone(), *signature))
                .collect();
            return self.commit(
                Record::Proof {
                    round: phase.masking.round(),
                    signatures,
                },
                now,
            );
        }
        let able = phase
            .survivors
            .iter()
            .filter(|party| phase.signatures.contains_key(*party) || !self.is_given_up(party, now))
            .count();
        if able < threshold || now >= self.deadline {
            let reason = format!("{} of at least {threshold} signatures", phase.signatures.len());
            return self.give_up_attempt(reason, now);
        }
        false
    }

    pub(super) fn report_dropped(&mut self, now: Millis) {
        self.report_dropped_if(now, |_| true);
    }

    pub(super) fn report_dropped_of(&mut self, role: Role, now: Millis) {
        let attributes = self.circle.attributes.clone();
        self.report_dropped_if(now, |party| {
            attributes.contains(party) == (role == Role::Attributes)
        });
    }

    fn report_dropped_if(&mut self, now: Millis, told: impl Fn(&PartyId) -> bool) {
        let phase = self.phase.name();
        let asked: BTreeSet<PartyId> = self.phase.asked(&self.circle).into_iter().collect();
        for missing in self.missing(now) {
            // Exclusions were reported when they happened.
            let news = asked.contains(&missing.party) && !self.excluded.contains_key(&missing.party);
            if news && told(&missing.party) {
                self.progress(CoordinatorProgress::Dropped { phase, missing });
            }
        }
    }

    pub(super) fn give_up_attempt(&mut self, reason: String, now: Millis) -> bool {
        let Some(round) = self.phase.round() else {
            return false;
        };
        let mut missing = self.missing(now);
        let asked = self.phase.asked(&self.circle);
        missing.retain(|missing| asked.contains(&missing.party));
        let failure = AttemptFailure {
            phase: self.phase.name(),
            reason,
            missing,
        };
        let attempts = round.attempt.saturating_add(1);
        if attempts >= MAX_ATTEMPTS {
            self.fail(
                RunFailure::AttemptsExhausted {
                    round,
                    attempts,
                    last: failure,
                },
                now,
            );
            return true;
        }
        self.progress(CoordinatorProgress::AttemptFailed { round, failure });
        self.commit(
            Record::Attempt {
                round: RoundId {
                    step: round.step,
                    attempt: attempts,
                },
            },
            now,
        )
    }

    /// Ends the run, and tells everybody who is here.
    pub(super) fn fail(&mut self, failure: RunFailure, now: Millis) {
        self.commit(Record::Failed(failure.clone()), now);
        for (party, presence) in &self.presences {
            if presence.is_connected() {
                let reason = failure.to_string();
                self.outputs
                    .push_back(Output::Send(party.clone(), ToParty::Failed { reason }));
            }
        }
        self.outputs.push_back(Output::Failed(failure));
    }
}
