//! A coordinator with parties that say what a test tells them. Nobody masks anything: these runs end before sums.

use std::sync::Arc;

use hedgerow_crypto::mask::pairwise::MaskPublic;
use hedgerow_crypto::seal::SealingPublic;

use crate::binding;
use crate::config::join_tests::mixed;
use crate::config::{Role, RunConfig, RunConfigLiteral};
use crate::coordinator::{CoordinatorMachine, CoordinatorProgress, Output, PhaseName, RunFailure, Timeouts};
use crate::ids::{PartyId, RoundId};
use crate::party::tests::support::{TestConsortium, certificate, id, identity};
use crate::time::Millis;
use crate::wire::{Channel, SignedRoundKeys, ToCoordinator, ToParty};

pub(super) const TIMEOUTS: Timeouts = Timeouts {
    enrol: Millis(10_000),
    phase: Millis(100_000),
    grace: Millis(1_000),
    resend: Millis(500),
};

pub(super) struct Script {
    pub(super) config: RunConfig,
    pub(super) machine: CoordinatorMachine,
    pub(super) now: u64,
    pub(super) sent: Vec<(PartyId, ToParty)>,
    pub(super) records: Vec<Vec<u8>>,
    pub(super) dropped: Vec<(PhaseName, PartyId)>,
    pub(super) failure: Option<RunFailure>,
    keys: Vec<SignedRoundKeys>,
}

impl Script {
    /// Everybody is here and nobody has said anything but hello.
    pub(super) fn greeted(literal: RunConfigLiteral) -> Self {
        let config = RunConfig::new(literal).unwrap();
        let machine = CoordinatorMachine::new(config.clone(), Arc::new(TestConsortium), TIMEOUTS, Millis(0));
        let mut script = Self {
            config,
            machine,
            now: 0,
            sent: Vec::new(),
            records: Vec::new(),
            dropped: Vec::new(),
            failure: None,
            keys: Vec::new(),
        };
        for index in 0..script.config.parties.len() {
            script.connect(index);
        }
        script
    }

    /// Four attribute parties of a chained run, then a row party: all have sent keys and shares.
    pub(super) fn chained() -> Self {
        let shape = crate::party::tests::joined::world::Shape::chained(4);
        let mut script = Self::greeted(shape.literal());
        for index in 0..5 {
            script.enrol(index, Some(index as u8));
        }
        for index in 0..5 {
            script.aligned(index);
        }
        script.keys_and_shares(&[0, 1, 2, 3, 4]);
        script
    }

    /// Everybody has enrolled: alignment begins.
    pub(super) fn enrolled(rows: usize, attributes: usize) -> Self {
        let mut script = Self::greeted(mixed(rows, attributes));
        for index in 0..rows + attributes {
            script.enrol(index, Some(index as u8));
        }
        script
    }

    /// Everybody is aligned: keys are collected.
    pub(super) fn joined(rows: usize, attributes: usize) -> Self {
        let mut script = Self::enrolled(rows, attributes);
        for index in 0..rows + attributes {
            script.aligned(index);
        }
        script
    }

    /// Everybody has sent keys and shares: attribute parties upload.
    pub(super) fn sharing(rows: usize, attributes: usize) -> Self {
        let mut script = Self::joined(rows, attributes);
        script.keys_and_shares(&(0..rows + attributes).collect::<Vec<_>>());
        script
    }

    pub(super) fn connect(&mut self, index: usize) {
        self.machine.handle_connected(&id(index), Millis(self.now));
        let versions = (2, 2);
        let run = (self.machine.phase() != PhaseName::Enrolling).then_some(self.config.run);
        self.say(index, ToCoordinator::Hello { versions, run });
    }

    pub(super) fn disconnect(&mut self, index: usize) {
        self.machine.handle_disconnected(&id(index), Millis(self.now));
        self.drain();
    }

    /// Gone, and nobody hopes any more.
    pub(super) fn lose(&mut self, index: usize) {
        self.disconnect(index);
        self.wait(2 * TIMEOUTS.grace.0);
    }

    pub(super) fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        while let Some(at) = self.machine.poll_timeout().filter(|at| at.0 <= until) {
            self.now = self.now.max(at.0);
            self.machine.handle_timeout(Millis(self.now));
            self.drain();
        }
        self.now = until;
    }

    pub(super) fn say(&mut self, index: usize, message: ToCoordinator) {
        self.machine.handle_message(&id(index), message, Millis(self.now));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(to, message) => self.sent.push((to, message)),
                Output::Persist(record) => self.records.push(record),
                Output::Failed(failure) => self.failure = Some(failure),
                Output::Progress(CoordinatorProgress::Dropped { phase, missing }) => {
                    self.dropped.push((phase, missing.party));
                }
                Output::Progress(_) | Output::Finished(_) => {}
            }
        }
    }

    /// The process dies and comes back; everybody reconnects.
    pub(super) fn restart(&mut self) {
        let (config, verifier) = (self.config.clone(), Arc::new(TestConsortium));
        self.machine =
            CoordinatorMachine::restore(config, verifier, TIMEOUTS, &self.records, Millis(self.now)).unwrap();
        self.drain();
        for index in 0..self.config.parties.len() {
            self.connect(index);
        }
    }

    pub(super) fn enrol(&mut self, index: usize, channel: Option<u8>) {
        let channel = channel.map(|byte| SealingPublic::from_bytes([byte; 32]));
        let message = binding::enrolment_message(&self.config.digest(), &id(index), channel.as_ref());
        let signature = identity(index).sign(binding::SIGN_ENROLMENT, &message);
        self.say(
            index,
            ToCoordinator::Enrol {
                certificate: certificate(index),
                signature,
                channel,
            },
        );
    }

    /// Size of the union that both ends of a pair report.
    pub(super) fn union(a: usize, b: usize) -> u64 {
        100 + (a + b) as u64
    }

    pub(super) fn counterparts(&self, index: usize) -> Vec<usize> {
        let all = 0..self.config.parties.len();
        all.filter(|other| self.config.are_counterparts(&id(index), &id(*other)))
            .collect()
    }

    pub(super) fn aligned(&mut self, index: usize) {
        let all = self.counterparts(index);
        self.aligned_with(index, &all);
    }

    pub(super) fn aligned_with(&mut self, index: usize, others: &[usize]) {
        let with = others
            .iter()
            .map(|&other| (id(other), Self::union(index, other)))
            .collect();
        self.say(index, ToCoordinator::Aligned { with });
    }

    pub(super) fn round(&self) -> RoundId {
        self.machine.round().unwrap()
    }

    pub(super) fn keys_of(&mut self, indices: &[usize]) {
        let round = self.round();
        let roster = self.machine.circle.roster.as_ref().unwrap().digest().to_owned();
        self.keys.clear();
        for &index in indices {
            // Fresh for each attempt.
            let byte = (index as u8) * 8 + round.attempt as u8;
            let (seal, mask) = ([byte; 32], [255 - byte; 32]);
            let (seal, mask) = (SealingPublic::from_bytes(seal), MaskPublic::from_bytes(mask));
            let message = binding::keys_message(self.config.run, round, &roster, &id(index), &seal, &mask);
            let keys = SignedRoundKeys {
                party: id(index),
                seal,
                mask,
                signature: identity(index).sign(binding::SIGN_ROUND_KEYS, &message),
            };
            self.keys.push(keys.clone());
            self.say(index, ToCoordinator::RoundKeys { keys, round });
        }
    }

    pub(super) fn shares_of(&mut self, indices: &[usize], keyed: &[usize]) {
        let round = self.round();
        for &from in indices {
            let others = keyed.iter().filter(|&&to| to != from);
            let sealed = others.map(|&to| (id(to), vec![from as u8, to as u8])).collect();
            self.say(from, ToCoordinator::Shares { round, sealed });
        }
    }

    pub(super) fn keys_and_shares(&mut self, indices: &[usize]) {
        self.keys_of(indices);
        self.shares_of(indices, indices);
    }

    pub(super) fn upload(&mut self, index: usize) {
        self.upload_with(index, None);
    }

    /// A row party completes these attribute parties.
    pub(super) fn complete(&mut self, index: usize, attributes: &[usize]) {
        let attributes: Vec<PartyId> = attributes.iter().copied().map(id).collect();
        let message = binding::fixed_message(
            &self.config.digest(),
            self.config.run,
            self.round(),
            &binding::key_list_digest(&self.keys),
            &attributes,
        );
        let signature = identity(index).sign(binding::SIGN_FIXED, &message);
        self.upload_with(index, Some(signature));
    }

    pub(super) fn upload_with(&mut self, index: usize, fixed: Option<hedgerow_crypto::identity::Signature>) {
        let cells = crate::privacy::largest_query(&self.config);
        self.say(
            index,
            ToCoordinator::Masked {
                round: self.machine.round().unwrap_or(RoundId::first_of(0)),
                vector: vec![0; 4 * cells],
                seeds: Vec::new(),
                fixed,
            },
        );
    }

    pub(super) fn relay(&mut self, from: usize, to: usize, channel: Channel, seq: u32) {
        self.relay_chunk((from, to), channel, seq, false);
    }

    pub(super) fn relay_last(&mut self, from: usize, to: usize, channel: Channel, seq: u32) {
        self.relay_chunk((from, to), channel, seq, true);
    }

    fn relay_chunk(&mut self, (from, to): (usize, usize), channel: Channel, seq: u32, last: bool) {
        self.say(
            from,
            ToCoordinator::Relay {
                to: id(to),
                channel,
                seq,
                last,
                sealed: vec![from as u8, to as u8],
            },
        );
    }

    pub(super) fn ack(&mut self, from: usize, to: usize, channel: Channel, next: u32) {
        self.say(
            from,
            ToCoordinator::RelayAck {
                to: id(to),
                channel,
                next,
                again: true,
            },
        );
    }

    /// What the party was sent since the last look.
    pub(super) fn heard(&mut self, index: usize) -> Vec<ToParty> {
        let sent = std::mem::take(&mut self.sent);
        let (his, others) = sent
            .into_iter()
            .partition::<Vec<_>, _>(|(to, _)| *to == id(index));
        self.sent = others;
        his.into_iter().map(|(_, message)| message).collect()
    }

    pub(super) fn phase(&self) -> PhaseName {
        self.machine.phase()
    }

    pub(super) fn of_role(&self, role: Role) -> Vec<usize> {
        let all = 0..self.config.parties.len();
        all.filter(|index| self.config.role(&id(*index)) == role)
            .collect()
    }

    /// Who a failure names.
    pub(super) fn missing(&self) -> Vec<PartyId> {
        let failure = self.failure.as_ref().expect("the run has failed");
        failure
            .missing()
            .iter()
            .map(|missing| missing.party.clone())
            .collect()
    }
}
