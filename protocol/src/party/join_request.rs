//! What the coordinator and the counterparts say in a joined run beside its rounds.

use super::joined::Finished;
use super::{PartyMachine, Phase, equivocation};
use crate::check;
use crate::join::{Done, WorkId};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::ToParty;

impl PartyMachine {
    pub(super) fn join_request(&mut self, request: ToParty, now: Millis) -> Result<(), Refusal> {
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        let Some(joined) = &mut run.joined else {
            return Ok(());
        };
        match request {
            ToParty::Align => {
                joined.ask_to_align(&mut self.outputs);
                Ok(())
            }
            ToParty::Joined { ref parties } => match &joined.joined {
                None => {
                    joined.check_joined(parties)?;
                    joined.joined = Some(parties.clone());
                    self.exchange(request, None);
                    Ok(())
                }
                Some(known) if known == parties => Ok(()),
                // CHK-071: once.
                Some(_) => Err(equivocation(check::JOINED, None, "list of joined parties")),
            },
            ToParty::Relayed {
                from,
                channel,
                seq,
                last,
                sealed,
            } => joined.relayed(&from, (channel, seq, last), &sealed, now, &mut self.outputs),
            ToParty::RelayAcked {
                from,
                channel,
                next,
                again,
            } => {
                joined.acknowledged(&from, (channel, next, again), now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn worked(&mut self, id: WorkId, done: Result<Done, String>) -> Result<(), Refusal> {
        let Phase::Running(run) = &mut self.phase else {
            return Ok(());
        };
        let Some(joined) = &mut run.joined else {
            return Ok(());
        };
        match joined.work_done(id, done, &mut self.outputs)? {
            Finished::Nothing => Ok(()),
            Finished::Counted(round, table) => self.counted(round, table),
        }
    }
}
