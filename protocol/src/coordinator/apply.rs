//! What a decision changes. Live and restored runs go through the same code.

use std::collections::BTreeMap;

use hedgerow_forest::query::TableQuery;

use super::align::Aligning;
use super::output::{Absence, CoordinatorProgress, Output, PhaseName, RoundSummary, RunFailure};
use super::phase::{KeyCollection, Phase, Publishing};
use super::record::{Record, RestoreError};
use super::transition::within_round;
use super::uploads::Uploads;
use super::{CoordinatorMachine, Released};
use crate::growth;
use crate::ids::{PartyId, RoundId};
use crate::roster::{Roster, strictly_sorted};
use crate::time::Millis;

impl CoordinatorMachine {
    /// Journals a decision, makes it true, and asks what follows from it.
    pub(super) fn commit(&mut self, record: Record, now: Millis) -> bool {
        let confirms = matches!(record, Record::Confirmed { .. });
        let fresh_round = matches!(record, Record::Attempt { .. } | Record::Released { .. });
        self.outputs.push_back(Output::Persist(record.to_bytes()));
        if let Err(impossible) = self.apply(0, record) {
            // Records are made from the phase that they apply to. If that is ever wrong, stopping is right.
            self.phase = Phase::Failed;
            let failure = RunFailure::Aborted {
                reason: impossible.to_string(),
            };
            self.failure = Some(failure.clone());
            self.outputs.push_back(Output::Failed(failure));
            return false;
        }
        if confirms {
            return true;
        }
        if fresh_round {
            // Whoever refused may take part again; whoever sent nonsense may not.
            self.excluded
                .retain(|_, why| matches!(why, Absence::Malformed(_)));
        }
        // A growth that broke ends the run in the next step; until then nobody is asked for more.
        if self.growth_failure.is_none() {
            self.enter(now);
        }
        if matches!(self.phase, Phase::Done(_)) {
            self.finish();
        }
        true
    }

    /// A phase begins, or is taken up again after a restart.
    pub(super) fn enter(&mut self, now: Millis) {
        let wait = if matches!(self.phase, Phase::Enrolling(_)) {
            self.timeouts.enrol
        } else {
            self.timeouts.phase
        };
        self.entered = now;
        self.deadline = now.plus(wait.0);
        self.tried_answers = 0;
        if self.phase.is_over() {
            return;
        }
        let asked = self.phase.asked(&self.circle).len();
        self.progress(CoordinatorProgress::Phase {
            phase: self.phase.name(),
            round: self.phase.round(),
            asked,
        });
        self.ask_all(now);
    }

    /// Changes the state by one record; `index` is its position, for the error.
    pub(super) fn apply(&mut self, index: usize, record: Record) -> Result<(), RestoreError> {
        let name = record.name();
        let here = self.phase.name();
        let wrong = || RestoreError::OutOfOrder {
            index,
            record: name,
            phase: here,
        };
        match record {
            Record::Participants { config, enrolments } => {
                if config != self.config_digest {
                    return Err(RestoreError::OtherConfig {
                        found: config,
                        expected: self.config_digest,
                    });
                }
                if !matches!(self.phase, Phase::Enrolling(_)) {
                    return Err(wrong());
                }
                let roster = Roster::new(&self.config, &enrolments, &*self.verifier).map_err(|error| {
                    RestoreError::Participants {
                        culprit: error.culprit.clone(),
                        reason: error.to_string(),
                    }
                })?;
                self.circle.participants = enrolments
                    .into_iter()
                    .map(|enrolment| (enrolment.party.clone(), enrolment))
                    .collect();
                self.circle.roster = Some(roster);
                self.phase = self.next_step().ok_or_else(wrong)?;
            }
            Record::Joined { parties } => {
                let known =
                    strictly_sorted(&parties) && parties.iter().all(|party| self.circle.is_member(party));
                if here != PhaseName::Aligning || !known {
                    return Err(wrong());
                }
                self.circle.joined = Some(parties.into_iter().collect());
                self.phase = self.next_step().ok_or_else(wrong)?;
            }
            Record::Attempt { round } => {
                let of_this_step = self
                    .phase
                    .round()
                    .is_some_and(|was| was.step == round.step && was < round);
                if !of_this_step {
                    return Err(wrong());
                }
                self.phase = collection(round);
            }
            Record::Failed(failure) => {
                self.failure = Some(failure);
                self.phase = Phase::Failed;
            }
            Record::Confirmed { party, metrics } => match &mut self.phase {
                Phase::Publishing(phase) => {
                    phase.confirmed.insert(party, metrics);
                }
                _ => return Err(wrong()),
            },
            Record::Finished => match &mut self.phase {
                Phase::Publishing(phase) => self.phase = Phase::Done(std::mem::take(phase)),
                _ => return Err(wrong()),
            },
            Record::Released {
                round,
                survivors,
                totals,
            } => {
                if self.phase.round() != Some(round) || here != PhaseName::Unmasking {
                    return Err(wrong());
                }
                self.release(round, survivors, totals);
                if let Some(next) = self.next_step() {
                    self.phase = next;
                }
            }
            Record::Keys { .. }
            | Record::Inboxes { .. }
            | Record::Fixed { .. }
            | Record::Survivors { .. }
            | Record::Proof { .. } => {
                let before = std::mem::replace(&mut self.phase, Phase::Failed);
                let modulus = self.config.modulus;
                let query = self
                    .progression
                    .as_ref()
                    .and_then(|progression| progression.query());
                let cells = query.map_or(0, TableQuery::cells);
                self.phase = within_round(before, record, &self.circle, || Uploads::new(modulus, cells))
                    .map_err(|()| wrong())?;
            }
        }
        Ok(())
    }

    /// Where the run goes after the participants or a total are known.
    fn next_step(&self) -> Option<Phase> {
        let progression = self.progression.as_ref()?;
        Some(match progression.forest() {
            None if self.circle.is_joined_run() && self.circle.joined.is_none() => {
                Phase::Aligning(Aligning::default())
            }
            None => collection(RoundId::first_of(progression.step())),
            Some(_) => Phase::Publishing(Publishing::default()),
        })
    }

    fn release(&mut self, round: RoundId, survivors: Vec<PartyId>, totals: Vec<i64>) {
        let Some(progression) = &mut self.progression else {
            return;
        };
        let Some((kind, cells)) = progression.query().map(|query| (query.kind(), query.cells())) else {
            return;
        };
        if let Err(error) = progression.answer(&survivors, totals.clone()) {
            self.growth_failure = Some(RunFailure::Growth {
                step: round.step,
                reason: error.to_string(),
            });
        }
        let summary = RoundSummary {
            id: round,
            kind,
            survivors,
            cells,
        };
        self.history.push(Released { summary, totals });
        match progression.forest().map(growth::model_digest) {
            Some(Ok(model)) => self.model = Some(model),
            Some(Err(error)) => {
                self.growth_failure = Some(RunFailure::Growth {
                    step: round.step,
                    reason: error.to_string(),
                });
            }
            None => {}
        }
    }

    /// Fewest members that keys, shares and uploads must come from.
    pub(super) fn needed(&self) -> usize {
        self.config.quorum()
    }

    /// Shares that open a secret, and signatures that prove a list of survivors.
    pub(super) fn threshold(&self) -> usize {
        usize::try_from(self.config.shamir_threshold).unwrap_or(usize::MAX)
    }
}

fn collection(round: RoundId) -> Phase {
    Phase::KeyCollection(KeyCollection {
        round,
        keys: BTreeMap::new(),
    })
}
