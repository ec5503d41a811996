//! What each party is asked, derived from the phase alone: asking first, again, after a reconnect and after
//! a restart are the same thing.

use super::CoordinatorMachine;
use super::output::Output;
use super::phase::{Masking, Phase};
use super::uploads::Uploads;
use crate::config::Role;
use crate::ids::{PartyId, RoundId};
use crate::time::Millis;
use crate::wire::ToParty;

impl CoordinatorMachine {
    /// Sends a party everything that it still needs to answer the present phase.
    pub(super) fn ask(&mut self, party: &PartyId, now: Millis) {
        let requests = self.requests(party);
        for request in requests {
            self.outputs.push_back(Output::Send(party.clone(), request));
        }
        if let Some(presence) = self.presences.get_mut(party) {
            presence.asked(&self.timeouts, now);
        }
    }

    /// Asks everybody who is connected and owes an answer.
    pub(super) fn ask_all(&mut self, now: Millis) {
        for party in self.owing() {
            if self
                .presences
                .get(&party)
                .is_some_and(|presence| presence.is_connected())
            {
                self.ask(&party, now);
            }
        }
    }

    /// Asks again whoever has been silent for too long.
    pub(super) fn ask_again(&mut self, now: Millis) {
        for party in self.owing() {
            let Some(presence) = self.presences.get_mut(&party) else {
                continue;
            };
            if presence.is_connected() && presence.resend_at() <= now {
                presence.asked_again(&self.timeouts, now);
                for request in self.requests(&party) {
                    self.outputs.push_back(Output::Send(party.clone(), request));
                }
            }
        }
    }

    /// Who owes an answer in this phase and has not forfeited it.
    pub(super) fn owing(&self) -> Vec<PartyId> {
        let mut asked = self.phase.asked(&self.circle);
        asked.retain(|party| {
            !self.phase.has_answered(party, &self.circle) && !self.excluded.contains_key(party)
        });
        asked
    }

    fn requests(&self, party: &PartyId) -> Vec<ToParty> {
        let mut requests = Vec::new();
        match &self.phase {
            Phase::Enrolling(enrolling) => {
                let version = self.presences.get(party).and_then(|presence| presence.version);
                if let Some(version) = version.filter(|_| !enrolling.enrolled.contains_key(party)) {
                    requests.push(ToParty::Welcome {
                        version,
                        config: self.config_bytes.clone(),
                    });
                }
                return requests;
            }
            Phase::Failed => {
                requests.extend(self.failure.as_ref().map(|failure| ToParty::Failed {
                    reason: failure.to_string(),
                }));
                return requests;
            }
            _ => {}
        }
        if !self.circle.is_member(party) {
            return requests;
        }
        self.push_background(party, &mut requests);
        match &self.phase {
            Phase::Aligning(phase) if !phase.is_complete(party, &self.circle) => {
                requests.push(ToParty::Align);
            }
            Phase::KeyCollection(phase) if !phase.keys.contains_key(party) => {
                requests.extend(self.round_start(phase.round));
            }
            Phase::ShareCollection(phase)
                if phase.keyed.keys.contains_key(party) && !phase.shares.contains_key(party) =>
            {
                let keys = phase.keyed.keys.values().cloned().collect();
                requests.push(ToParty::KeyList {
                    round: phase.keyed.round,
                    keys,
                });
            }
            Phase::Upload(phase) | Phase::RowUpload(phase) => {
                self.push_upload(party, &phase.masking, &phase.uploads, &mut requests)
            }
            Phase::SurvivorVote(phase) if phase.survivors.contains(party) => {
                self.push_upload(party, &phase.masking, &phase.uploads, &mut requests);
                if !phase.signatures.contains_key(party) {
                    let survivors = phase.survivors.clone();
                    requests.push(ToParty::Survivors {
                        round: phase.masking.round(),
                        survivors,
                    });
                }
            }
            Phase::Unmasking(phase) if phase.survivors.contains(party) => {
                let round = phase.masking.round();
                self.push_upload(party, &phase.masking, &phase.uploads, &mut requests);
                if !phase.proof.iter().any(|(signer, _)| signer == party) {
                    requests.push(ToParty::Survivors {
                        round,
                        survivors: phase.survivors.clone(),
                    });
                }
                let asked = match &self.circle.aggregators {
                    None => !phase.opened.contains_key(party),
                    // The relayed seeds are whole only when every survivor's upload is here.
                    Some(aggregators) => {
                        aggregators.contains(party)
                            && !phase.sums.contains_key(party)
                            && phase.survivors.iter().all(|survivor| phase.uploads.has(survivor))
                    }
                };
                if asked {
                    let seeds = phase.uploads.seeds_for(party);
                    requests.push(ToParty::SurvivorProof {
                        round,
                        signatures: phase.proof.clone(),
                        seeds,
                    });
                }
            }
            Phase::Publishing(_) | Phase::Done(_) => {
                if self.is_told(party) {
                    requests.extend(self.model.map(|model| ToParty::Finished { model }));
                }
                if self.closed && matches!(self.phase, Phase::Done(_)) && self.circle.is_joined_run() {
                    requests.push(ToParty::Closed);
                }
            }
            _ => {}
        }
        requests
    }

    /// The participants and the totals of earlier steps, as far as the party has not shown to hold them.
    fn push_background(&self, party: &PartyId, requests: &mut Vec<ToParty>) {
        let Some(presence) = self.presences.get(party) else {
            return;
        };
        if !presence.oriented {
            let enrolments = self.circle.participants.values().cloned().collect();
            requests.push(ToParty::Participants { enrolments });
        }
        if let Some(joined) = self.circle.joined.as_ref().filter(|_| !presence.joined) {
            let parties = joined.iter().cloned().collect();
            requests.push(ToParty::Joined { parties });
        }
        for released in self.history.iter().skip(presence.steps_known) {
            requests.push(ToParty::RoundResult {
                round: released.summary.id,
                survivors: released.summary.survivors.clone(),
                totals: released.totals.clone(),
            });
        }
    }

    fn push_upload(
        &self,
        party: &PartyId,
        masking: &Masking,
        uploads: &Uploads,
        requests: &mut Vec<ToParty>,
    ) {
        // Who is not in the sum is not asked to be.
        let out = masking.fixed.is_some() && !masking.summed(&self.circle).contains(party);
        if uploads.has(party) || !masking.is_member(party) || out {
            return;
        }
        let round = masking.round();
        if self.circle.aggregators.is_some() {
            let keys = masking.keyed.keys.values().cloned().collect();
            requests.push(ToParty::KeyList { round, keys });
        } else if let Some(sealed) = masking.inboxes.get(party) {
            requests.push(ToParty::ShareInbox {
                round,
                sealed: sealed.clone(),
            });
            let fixed = masking.fixed.as_ref();
            if let Some(fixed) = fixed.filter(|_| self.circle.role(party) == Role::Row) {
                let attributes = fixed.clone();
                requests.push(ToParty::Fixed { round, attributes });
            }
        }
    }

    fn round_start(&self, round: RoundId) -> Option<ToParty> {
        let progression = self.progression.as_ref()?;
        let query = *progression.query_digest()?;
        Some(ToParty::RoundStart {
            round,
            query,
            answers: *progression.answers(),
        })
    }
}
