//! Joined runs: the upload in two steps, and the end in two.
//!
//! Attribute parties upload first. Those that have are fixed, row parties complete exactly their answers, once and
//! under a signature, and nothing else is summed. A row party that is lost cannot be left out any more: its masks
//! are in everything that attribute parties sent, so the attempt is given up.

use hedgerow_crypto::identity::Signature;

use super::CoordinatorMachine;
use super::malformed::Malformed;
use super::output::{Missing, Output};
use super::phase::{Phase, Upload};
use super::record::Record;
use crate::binding;
use crate::config::Role;
use crate::ids::PartyId;
use crate::time::Millis;
use crate::wire::ToParty;

impl CoordinatorMachine {
    /// Keeps a joined run's attribute parties answering for private scores after its end, until
    /// [`Self::handle_close`]; else they end with the run. Nothing for runs without prediction.
    #[must_use]
    pub fn with_serving(mut self, serving: bool) -> Self {
        let predicts = self.config.join().is_some_and(|join| join.prediction.is_some());
        self.serving = serving && predicts;
        self
    }

    /// The operator ends the serving of scores: parties of a complete joined run are told, now or when they come.
    pub fn handle_close(&mut self, now: Millis) {
        self.closed = true;
        if matches!(self.phase, Phase::Done(_)) {
            self.ask_all(now);
            self.tell_closed();
        }
        self.advance(now);
    }

    /// Whether an upload is the sender's to make now, as far as joined runs say more than others.
    pub(super) fn check_fixed(&self, from: &PartyId, fixed: Option<&Signature>) -> Result<bool, Malformed> {
        let role = self.circle.role(from);
        let upload = match &self.phase {
            Phase::Upload(_) if self.circle.is_joined_run() => None,
            Phase::RowUpload(phase) => Some(&phase.masking),
            Phase::SurvivorVote(phase) => Some(&phase.masking),
            Phase::Unmasking(phase) => Some(&phase.masking),
            _ => None,
        };
        if !self.circle.is_joined_run() || role == Role::Attributes {
            if fixed.is_some() {
                return Err(Malformed::Fixed {
                    what: "a signature under fixed attribute parties",
                    expected: "none of this party",
                });
            }
            // Whoever comes after the attribute parties were fixed is not in the sum.
            return Ok(upload
                .and_then(|masking| masking.fixed.as_ref())
                .is_none_or(|fixed| fixed.binary_search(from).is_ok()));
        }
        let (Some(masking), Some(roster)) = (upload, &self.circle.roster) else {
            // A row party that has not been told whom to complete cannot have uploaded: late, of another life.
            return Ok(false);
        };
        let Some(signature) = fixed else {
            return Err(Malformed::Fixed {
                what: "an upload of a row party without its signature under the fixed attribute parties",
                expected: "one",
            });
        };
        // CHK-056: the upload completes exactly the attribute parties that were fixed.
        let message = binding::fixed_message(
            &self.config_digest,
            self.config.run,
            masking.round(),
            &masking.keyed.digest(),
            masking.fixed.as_deref().unwrap_or_default(),
        );
        if roster.signed(from, binding::SIGN_FIXED, &message, signature) {
            Ok(true)
        } else {
            Err(Malformed::Signature {
                what: "the fixed attribute parties",
            })
        }
    }

    /// Ends the first step: every attribute party has uploaded, is lost, or has been silent for too long.
    pub(super) fn close_attribute_upload(&mut self, now: Millis) -> bool {
        let Phase::Upload(phase) = &self.phase else {
            return false;
        };
        if self.a_row_party_is_gone(phase, now) {
            return self.give_up_attempt("a row party is missing".to_owned(), now);
        }
        let (rows, attributes): (Vec<&PartyId>, Vec<&PartyId>) = phase
            .masking
            .members()
            .partition(|party| self.circle.role(party) == Role::Row);
        let uploaded = |party: &&PartyId| phase.uploads.has(party);
        let coming = |party: &&PartyId| !self.excluded.contains_key(*party) && !self.is_lost(party, now);
        let due = now >= self.deadline;
        let with = |attribute: &dyn Fn(&&PartyId) -> bool| {
            let attributes = attributes.iter().copied().filter(|party| attribute(party));
            self.suffices(rows.iter().copied().chain(attributes))
        };
        let enough = with(&uploaded);
        let reachable = with(&|party| uploaded(party) || !self.is_given_up(party, now));
        let awaited = attributes.iter().any(|party| !uploaded(party) && coming(party));
        let fixed: Vec<PartyId> = attributes.iter().copied().filter(uploaded).cloned().collect();
        if !reachable || (due && !enough) {
            let answered = fixed.len() + rows.len();
            let round = phase.masking.round();
            let silent =
                |party: &&PartyId| !phase.uploads.has(party) && (due || self.is_given_up(party, now));
            let silent: Vec<&PartyId> = attributes.iter().copied().filter(silent).collect();
            let mut missing = self.missing(now);
            missing.retain(|Missing { party, .. }| match self.circle.role(party) {
                _ if !phase.masking.is_member(party) => true,
                Role::Attributes => silent.contains(&party),
                // Row parties upload later; but perhaps somebody waits for their answers.
                Role::Row => silent.iter().any(|attribute| {
                    !self.is_given_up(attribute, now) && !self.has_answered(party, attribute, round)
                }),
            });
            return self.fail_short(answered, missing, now);
        }
        // Whoever is lost keeps the chains of others waiting, also after its own vector.
        let breaks_chains = self.config.is_chained()
            && !attributes.iter().all(uploaded)
            && attributes.iter().any(|party| self.is_given_up(party, now));
        if breaks_chains {
            return self.give_up_attempt("an attribute party of a chain is missing".to_owned(), now);
        }
        if (awaited || !enough || self.config.is_chained() && fixed.len() < attributes.len()) && !due {
            return false;
        }
        let round = phase.masking.round();
        if self.config.is_chained() && fixed.len() < attributes.len() {
            // What the others have passed on and opened may hold its attributes: again, without it.
            return self.give_up_attempt("an attribute party of a chain is missing".to_owned(), now);
        }
        self.report_dropped_of(Role::Attributes, now);
        self.commit(
            Record::Fixed {
                round,
                attributes: fixed,
            },
            now,
        )
    }

    /// Ends the second step: all that is to be summed is here, or never will be.
    pub(super) fn close_row_upload(&mut self, now: Millis) -> bool {
        let Phase::RowUpload(phase) = &self.phase else {
            return false;
        };
        let survivors = phase.masking.summed(&self.circle);
        if survivors.iter().all(|party| phase.uploads.has(party)) {
            let round = phase.masking.round();
            return self.commit(Record::Survivors { round, survivors }, now);
        }
        // After a restart the vectors of fixed attribute parties are asked for again.
        let gone = survivors
            .iter()
            .any(|party| !phase.uploads.has(party) && self.is_given_up(party, now));
        if gone || now >= self.deadline {
            return self.give_up_attempt("a vector that must be in the sum is missing".to_owned(), now);
        }
        false
    }

    fn a_row_party_is_gone(&self, phase: &Upload, now: Millis) -> bool {
        let mut rows = phase
            .masking
            .members()
            .filter(|party| self.circle.role(party) == Role::Row);
        rows.any(|party| self.is_given_up(party, now))
    }

    /// Tells attribute parties that the run is complete, once no row party can want scores for its evaluation any
    /// more. `true` if that has just become so.
    pub(super) fn tell_all(&mut self, now: Millis) -> bool {
        let Phase::Publishing(phase) = &self.phase else {
            return false;
        };
        if phase.told_all {
            return false;
        }
        let waits = self.circle.is_joined_run()
            && self.circle.members().any(|party| {
                self.circle.role(party) == Role::Row
                    && !phase.confirmed.contains_key(party)
                    && !self.excluded.contains_key(party)
                    && !self.is_lost(party, now)
            });
        if waits && now < self.deadline {
            return false;
        }
        if self.serving && !self.closed {
            // The run is complete; its attribute parties are not told before the serving ends.
            return self.commit(Record::Finished, now);
        }
        if let Phase::Publishing(phase) = &mut self.phase {
            phase.told_all = true;
        }
        if self.circle.is_joined_run() {
            self.deadline = now.plus(self.timeouts.phase.0);
            self.ask_all(now);
        }
        true
    }

    /// Whether the party is told in this phase that the run is complete.
    pub(super) fn is_told(&self, party: &PartyId) -> bool {
        if self.circle.role(party) == Role::Row {
            return true;
        }
        match &self.phase {
            Phase::Publishing(phase) => phase.told_all,
            Phase::Done(_) => !self.serving || self.closed,
            _ => false,
        }
    }

    pub(super) fn tell_closed(&mut self) {
        if !self.circle.is_joined_run() {
            return;
        }
        for (party, presence) in &self.presences {
            if presence.is_connected() && self.circle.is_member(party) {
                self.outputs
                    .push_back(Output::Send(party.clone(), ToParty::Closed));
            }
        }
    }
}
