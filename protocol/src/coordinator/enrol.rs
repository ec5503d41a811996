//! Opening the run: versions, configuration, certificates, signatures.

use hedgerow_crypto::identity::Signature;
use hedgerow_crypto::seal::SealingPublic;

use super::CoordinatorMachine;
use super::output::{Absence, CoordinatorProgress, Output};
use super::phase::Phase;
use crate::ids::{PartyId, RunId};
use crate::roster::verify_enrolment;
use crate::time::Millis;
use crate::wire::{Enrolment, PROTOCOL_VERSIONS, ToParty};

impl CoordinatorMachine {
    /// A party says hello: it is told where the run stands, as far as that concerns it.
    pub(super) fn hello(&mut self, party: &PartyId, versions: (u16, u16), run: Option<RunId>, now: Millis) {
        let (lowest, highest) = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
        let agreed = versions.1.min(highest);
        if agreed < versions.0.max(lowest) {
            let reason = format!(
                "party speaks protocol versions {}..={}, coordinator {lowest}..={highest}",
                versions.0, versions.1
            );
            self.turn_away(party, reason);
            return;
        }
        if let Some(other) = run.filter(|run| *run != self.config.run) {
            self.turn_away(
                party,
                format!("party is in run {other}, this is run {}", self.config.run),
            );
            return;
        }
        if let Some(Absence::Malformed(reason)) = self.excluded.get(party) {
            let reason = format!("left out of the run: {reason}");
            self.outputs
                .push_back(Output::Send(party.clone(), ToParty::Failed { reason }));
            return;
        }
        // A refusal may have been cured at the party (its policy, its data): it starts with a clean slate.
        self.excluded.remove(party);
        if let Some(reason) = self.left_out_of_join(party) {
            self.outputs
                .push_back(Output::Send(party.clone(), ToParty::Failed { reason }));
            return;
        }
        let enrolling = matches!(self.phase, Phase::Enrolling(_));
        if !enrolling && !self.circle.participants.contains_key(party) {
            self.turn_away(party, "enrolment of this run is closed".to_owned());
            return;
        }
        if let Some(presence) = self.presences.get_mut(party) {
            presence.version = Some(agreed);
            // Whatever it knew before, it may have restarted from a journal that ends earlier.
            presence.oriented = false;
            presence.joined = false;
        }
        if run.is_none() && !enrolling {
            self.send_welcome(party, agreed);
        }
        self.ask(party, now);
    }

    pub(super) fn send_welcome(&mut self, party: &PartyId, version: u16) {
        let welcome = ToParty::Welcome {
            version,
            config: self.config_bytes.clone(),
        };
        self.outputs.push_back(Output::Send(party.clone(), welcome));
    }

    fn turn_away(&mut self, party: &PartyId, reason: String) {
        self.outputs.push_back(Output::Send(
            party.clone(),
            ToParty::Failed {
                reason: reason.clone(),
            },
        ));
        self.exclude(party, Absence::Refused(reason));
    }

    /// A party accepts the configuration with its signature.
    pub(super) fn enrol(
        &mut self,
        party: &PartyId,
        certificate: Vec<u8>,
        signature: Signature,
        channel: Option<SealingPublic>,
    ) {
        let asked = self.circle.configured.len();
        let Phase::Enrolling(enrolling) = &mut self.phase else {
            return;
        };
        if enrolling.enrolled.contains_key(party) || self.excluded.contains_key(party) {
            return;
        }
        let enrolment = Enrolment {
            party: party.clone(),
            certificate,
            signature,
            channel,
        };
        let identity = match verify_enrolment(&self.config, &self.config_digest, &enrolment, &*self.verifier)
        {
            Ok(identity) => identity,
            Err(error) => return self.turn_away(party, error.to_string()),
        };
        if let Some((other, _)) = enrolling
            .enrolled
            .iter()
            .find(|(_, (_, known))| *known == identity)
        {
            let reason = format!("the certificate holds the identity of {other}");
            return self.turn_away(party, reason);
        }
        // CHK-052: as everybody will check it.
        let same = |known: &Enrolment| known.channel.is_some() && known.channel == enrolment.channel;
        if let Some((other, _)) = enrolling.enrolled.iter().find(|(_, (known, _))| same(known)) {
            let reason = format!("the same key for relayed chunks as {other}");
            return self.turn_away(party, reason);
        }
        enrolling.enrolled.insert(party.clone(), (enrolment, identity));
        let answered = enrolling.enrolled.len();
        let (phase, party) = (self.phase.name(), party.clone());
        self.progress(CoordinatorProgress::Answered {
            party,
            phase,
            answered,
            asked,
        });
    }
}
