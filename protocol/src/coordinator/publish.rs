//! The end of the run: the model is out, parties confirm it.

use hedgerow_crypto::hash::Digest;

use super::CoordinatorMachine;
use super::output::{CoordinatorOutcome, CoordinatorProgress, Output};
use super::phase::Phase;
use super::record::Record;
use crate::ids::PartyId;
use crate::time::Millis;
use crate::wire::PartyMetrics;

impl CoordinatorMachine {
    /// A party says that it has the model.
    pub(super) fn confirm(
        &mut self,
        party: &PartyId,
        model: Digest,
        metrics: Option<PartyMetrics>,
        now: Millis,
    ) {
        let (Phase::Publishing(phase) | Phase::Done(phase)) = &self.phase else {
            return;
        };
        let outside = !self.circle.is_member(party) || self.excluded.contains_key(party);
        if outside || phase.confirmed.contains_key(party) {
            return;
        }
        if Some(model) != self.model {
            self.progress(CoordinatorProgress::ModelDiffers { party: party.clone() });
            self.exclude_malformed(party, "another model than everybody else's");
            return;
        }
        if let Some(presence) = self.presences.get_mut(party) {
            presence.oriented = true;
            presence.joined = true;
            presence.steps_known = self.history.len();
        }
        // An attribute party has its model early, and serves on until it is told: then it says so again.
        if !self.is_told(party) {
            return;
        }
        if let Phase::Done(phase) = &mut self.phase {
            // The outcome is out; this only ends the asking.
            phase.confirmed.insert(party.clone(), metrics);
            return;
        }
        self.commit(
            Record::Confirmed {
                party: party.clone(),
                metrics,
            },
            now,
        );
    }

    pub(super) fn finish(&mut self) {
        let forest = self
            .progression
            .as_ref()
            .and_then(|progression| progression.forest())
            .cloned();
        let (Some(forest), Phase::Done(phase)) = (forest, &self.phase) else {
            return;
        };
        let outcome = CoordinatorOutcome {
            forest,
            rounds: self
                .history
                .iter()
                .map(|released| released.summary.clone())
                .collect(),
            totals: self
                .history
                .iter()
                .map(|released| released.totals.clone())
                .collect(),
            confirmed: phase
                .confirmed
                .iter()
                .map(|(party, metrics)| (party.clone(), *metrics))
                .collect(),
        };
        self.outputs.push_back(Output::Finished(Box::new(outcome)));
    }

    pub(super) fn close_publishing(&mut self, now: Millis) -> bool {
        if self.tell_all(now) {
            return true;
        }
        let tally = self.tally(now);
        if tally.awaited && !tally.due {
            return false;
        }
        self.report_dropped(now);
        self.commit(Record::Finished, now)
    }
}
