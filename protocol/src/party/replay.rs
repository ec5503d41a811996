//! From a journal to a machine: the same checks, the stored answers.

use hedgerow_crypto::seed::Seed;

use super::record::{Record, RestoreError};
use super::round::{Context, RoundPhase, Stepped, round_of, step};
use super::run::{Run, Stage};
use super::{Output, PartyMachine, PartySetup, Phase, result, start};
use crate::ids::RoundId;
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
    /// A party as far as its journal goes, from the records in order and the round secret, if one is kept.
    /// Outputs that a driver may not have done any more (counting, the model, deleting a secret) come again.
    ///
    /// # Errors
    /// [`RestoreError`] for a journal that this software did not write, or that this party would not accept
    /// any more.
    pub fn restore(
        setup: PartySetup,
        records: &[Vec<u8>],
        secret: Option<(RoundId, Seed)>,
    ) -> Result<Self, RestoreError> {
        let mut machine = Self::new(setup);
        for (index, bytes) in records.iter().enumerate() {
            let taken = match Record::from_bytes(index, bytes)? {
                Record::Exchange { request, response } => machine.take(request, response, secret.as_ref()),
                Record::Done { response } => machine.take_done(response),
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
    ) -> Result<(), Fault> {
        match &request {
            ToParty::Welcome { config, .. } => {
                let Phase::Greeting = self.phase else {
                    return Err(Fault::OutOfOrder);
                };
                let response = response.ok_or(Fault::OutOfOrder)?;
                let enrolled = self
                    .accept(config)?
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
            | ToParty::SurvivorProof { .. } => {
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
            ToParty::Finished { .. }
            | ToParty::Failed { .. }
            | ToParty::Align
            | ToParty::Joined { .. }
            | ToParty::Relayed { .. }
            | ToParty::RelayAcked { .. }
            | ToParty::Fixed { .. }
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
    };
    round.phase = match step(phase, request, &context)? {
        Stepped::NotNow(_) => return Err(Fault::OutOfOrder),
        // Journaled with its answer, so the counts were there, paid for, and masked.
        Stepped::Next(RoundPhase::Counting { members, .. }) => {
            me.ledger.settle(&round.label);
            RoundPhase::Uploaded { members }
        }
        Stepped::Next(phase) => phase,
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
