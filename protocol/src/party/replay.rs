//! From a journal to a machine: the same checks, the stored answers.

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::seed::Seed;

use super::joined::Joined;
use super::record::{Record, RestoreError};
use super::round::{Context, RoundPhase, Stepped, round_of, settle, step, tell};
use super::run::{Run, Stage};
use super::secret::RunSecret;
use super::{Output, PartyMachine, PartySetup, Phase, result, start};
use crate::ids::{PartyId, RoundId, RunId};
use crate::join::align::Aligned;
use crate::join::score::Asked;
use crate::refusal::Refusal;
use crate::wire::{ToCoordinator, ToParty};

/// Why a record cannot be taken.
enum Fault {
    OutOfOrder,
    OtherParty,
    Refused(Refusal),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl PartyMachine {
    /// A party as far as its journal goes, from the records in order, and the secrets of round and run
    /// that are kept.
    /// Outputs that a driver may not have done any more (counting, the model, deleting a secret) come again.
    ///
    /// # Errors
    /// [`RestoreError`] for a journal that this software did not write, or that this party would not accept
    /// any more.
    pub fn restore(
        setup: PartySetup,
        records: &[Vec<u8>],
        secret: Option<(RoundId, Seed)>,
        run_secret: Option<(RunId, Seed)>,
    ) -> Result<Self, RestoreError> {
        let mut machine = Self::new(setup);
        for (index, bytes) in records.iter().enumerate() {
            let taken = match Record::from_bytes(index, bytes)? {
                Record::Exchange { request, response } => {
                    machine.take(request, response, secret.as_ref(), run_secret.as_ref())
                }
                Record::Done { response } => machine.take_done(response),
                Record::Aligned {
                    peer,
                    positions,
                    union,
                    keys,
                } => machine.take_aligned(
                    &peer,
                    Aligned {
                        positions,
                        union,
                        keys,
                    },
                ),
                Record::Scored { peer, batch, rows } => machine.take_scored(&peer, batch, rows),
                Record::Asked(asked) => machine.take_asked(asked),
                Record::Attributes { digest } => machine.take_attributes(digest),
                Record::Answering { round, peer, digest } => machine.take_answering(round, &peer, digest),
            };
            taken.map_err(|fault| match fault {
                Fault::OutOfOrder => RestoreError::OutOfOrder { index },
                Fault::OtherParty => RestoreError::OtherParty { index },
                Fault::Refused(refusal) => RestoreError::Refused {
                    index,
                    refusal: Box::new(refusal),
                },
            })?;
        }
        machine.outputs.clear();
        if let Some((kept, _)) = secret
            && machine.open_round() != Some(kept)
        {
            machine.outputs.push_back(Output::ForgetRoundSecret(kept));
        }
        machine.ask_for_counts();
        machine.give_outcome();
        Ok(machine)
    }

    fn open_round(&self) -> Option<RoundId> {
        match &self.phase {
            Phase::Running(run) => match &run.stage {
                Stage::Open(round) => Some(round.id),
                _ => None,
            },
            _ => None,
        }
    }

    fn take(
        &mut self,
        request: ToParty,
        response: Option<ToCoordinator>,
        secret: Option<&(RoundId, Seed)>,
        run_secret: Option<&(RunId, Seed)>,
    ) -> Result<(), Fault> {
        match &request {
            ToParty::Welcome { config, .. } => {
                let Phase::Greeting = self.phase else {
                    return Err(Fault::OutOfOrder);
                };
                let response = response.ok_or(Fault::OutOfOrder)?;
                // Without the secret that it was signed with, the enrolment is another one.
                let kept = run_secret.map_or_else(|| Seed::from_bytes([0; 32]), |(_, seed)| seed.clone());
                let enrolled = self
                    .accept(config, || RunSecret::from_seed(kept))?
                    .with_stored(response)
                    .ok_or(Fault::OtherParty)?;
                self.phase = Phase::Enrolled(Box::new(enrolled));
                Ok(())
            }
            ToParty::Participants { enrolments } => match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Enrolled(enrolled) => {
                    let run = self.run(enrolled, enrolments).map_err(|(_, refusal)| refusal)?;
                    self.phase = Phase::Running(Box::new(run));
                    Ok(())
                }
                _ => Err(Fault::OutOfOrder),
            },
            ToParty::RoundStart { round, .. } => {
                let response = response.ok_or(Fault::OutOfOrder)?;
                self.take_start(*round, &request, &response, secret)
            }
            ToParty::RoundResult { .. } => {
                let Self {
                    me,
                    phase: Phase::Running(run),
                    ..
                } = self
                else {
                    return Err(Fault::OutOfOrder);
                };
                take_result(me, run, &request)
            }
            ToParty::KeyList { .. }
            | ToParty::ShareInbox { .. }
            | ToParty::Survivors { .. }
            | ToParty::SurvivorProof { .. }
            | ToParty::Fixed { .. } => {
                let Self {
                    me,
                    phase: Phase::Running(run),
                    ..
                } = self
                else {
                    return Err(Fault::OutOfOrder);
                };
                take_round_request(me, run, &request, response)
            }
            ToParty::Joined { parties } => self.take_joined(parties),
            ToParty::Finished { .. }
            | ToParty::Failed { .. }
            | ToParty::Align
            | ToParty::Relayed { .. }
            | ToParty::RelayAcked { .. }
            | ToParty::Closed => Err(Fault::OutOfOrder),
        }
    }

    fn take_start(
        &mut self,
        id: RoundId,
        request: &ToParty,
        response: &ToCoordinator,
        secret: Option<&(RoundId, Seed)>,
    ) -> Result<(), Fault> {
        let Self {
            me,
            phase: Phase::Running(run),
            ..
        } = self
        else {
            return Err(Fault::OutOfOrder);
        };
        if !start::is_next(run, id) {
            return Err(Fault::OutOfOrder);
        }
        start::check_start(run, request)?;
        let reopened = match secret {
            Some((kept, secret)) if *kept == id => start::reopen(me, run, request, response, secret)?,
            _ => None,
        };
        match reopened {
            Some(round) => self.enter(round),
            // Its secret is gone, so it is over: it had a result, or a later attempt.
            None => {
                run.latest = Some(id);
                run.started = run.started.saturating_add(1);
                run.stage = Stage::Between;
            }
        }
        Ok(())
    }

    fn take_joined(&mut self, parties: &[PartyId]) -> Result<(), Fault> {
        let Some(joined) = self.joined() else {
            return Err(Fault::OutOfOrder);
        };
        joined.check_joined(parties)?;
        joined.joined = Some(parties.to_vec());
        Ok(())
    }

    fn take_aligned(&mut self, peer: &PartyId, aligned: Aligned) -> Result<(), Fault> {
        let joined = self.joined().ok_or(Fault::OutOfOrder)?;
        if joined.restore_aligned(peer, aligned)? {
            Ok(())
        } else {
            Err(Fault::OutOfOrder)
        }
    }

    fn take_answering(&mut self, round: RoundId, peer: &PartyId, digest: Digest) -> Result<(), Fault> {
        let joined = self.joined().ok_or(Fault::OutOfOrder)?;
        joined.restore_answering(round, peer, digest);
        Ok(())
    }

    fn take_scored(&mut self, peer: &PartyId, batch: u64, rows: u64) -> Result<(), Fault> {
        let joined = self.joined().ok_or(Fault::OutOfOrder)?;
        joined.restore_scored(peer, batch, rows);
        Ok(())
    }

    fn take_asked(&mut self, asked: Asked) -> Result<(), Fault> {
        self.joined().ok_or(Fault::OutOfOrder)?.restore_asked(asked);
        Ok(())
    }

    fn take_attributes(&mut self, digest: Digest) -> Result<(), Fault> {
        self.joined().ok_or(Fault::OutOfOrder)?.restore_attributes(digest);
        Ok(())
    }

    fn joined(&mut self) -> Option<&mut Joined> {
        match &mut self.phase {
            Phase::Running(run) => run.joined.as_deref_mut(),
            _ => None,
        }
    }

    fn take_done(&mut self, response: ToCoordinator) -> Result<(), Fault> {
        let Phase::Running(run) = &mut self.phase else {
            return Err(Fault::OutOfOrder);
        };
        let Stage::Evaluating { model, .. } = run.stage else {
            return Err(Fault::OutOfOrder);
        };
        run.stage = Stage::Done { model, response };
        Ok(())
    }
}

fn take_round_request(
    me: &mut PartySetup,
    run: &mut Run,
    request: &ToParty,
    response: Option<ToCoordinator>,
) -> Result<(), Fault> {
    let id = round_of(request);
    let Stage::Open(round) = &mut run.stage else {
        // Of a round without its secret. Its requests were checked when they came.
        return if id == run.latest {
            Ok(())
        } else {
            Err(Fault::OutOfOrder)
        };
    };
    if id != Some(round.id) {
        return Err(Fault::OutOfOrder);
    }
    let phase = std::mem::replace(&mut round.phase, RoundPhase::Keys);
    let context = Context {
        me,
        config: &run.enrolled.config,
        config_digest: &run.enrolled.digest,
        roster: &run.roster,
        answers: run.progression.answers(),
        round: round.id,
        secret: &round.secret,
        given: &round.answers,
        shape: round.shape,
        joined: run.joined.as_deref(),
    };
    let phase = match step(phase, request, &context)? {
        Stepped::NotNow(_) => return Err(Fault::OutOfOrder),
        Stepped::Next(phase) => settle(phase, context.answers_attributes()),
    };
    if let Some(joined) = &mut run.joined {
        tell(joined, &phase);
    }
    round.phase = match phase {
        // Journaled with its answer, so the counts were there, paid for, and masked.
        RoundPhase::Counting { members, .. } | RoundPhase::Fixing { members, .. } => {
            me.ledger.settle(&round.label);
            RoundPhase::Uploaded { members }
        }
        phase => phase,
    };
    round.answers.insert(request, response);
    Ok(())
}

fn take_result(me: &PartySetup, run: &mut Run, request: &ToParty) -> Result<(), Fault> {
    if round_of(request).map(|id| id.step) != Some(run.progression.step()) {
        return Err(Fault::OutOfOrder);
    }
    // A round without its secret looks like one that this party was not in; its survivors were checked before.
    if matches!(run.stage, Stage::Open(_)) {
        result::check_result(me, run, request)?;
    }
    result::release(run, request)?;
    Ok(())
}
