//! What works are for, and what becomes of them.

use std::collections::VecDeque;

use hedgerow_forest::table::Table;

use super::super::output::Output;
use super::super::{broken, internal};
use super::Joined;
use crate::check;
use crate::ids::{PartyId, RoundId};
use crate::join::{Done, WorkId};
use crate::refusal::Refusal;
use crate::wire::Channel;

/// What a work is for.
pub(super) enum Task {
    Align {
        asked: bool,
    },
    Attributes,
    Encrypt {
        channel: Channel,
        first: usize,
        total: usize,
        epoch: u64,
    },
    Open {
        round: RoundId,
    },
    Base {
        round: RoundId,
    },
    ReadUnit {
        unit: usize,
        epoch: u64,
    },
    Answer {
        round: RoundId,
        epoch: u64,
        next: (usize, usize),
        last: bool,
    },
    Missing {
        party: PartyId,
        step: u32,
    },
    GradientOwn {
        step: u32,
    },
    GradientRead {
        round: RoundId,
    },
    GradientMake {
        round: RoundId,
        epoch: u64,
        first: usize,
        total: usize,
    },
    ScoreOwn {
        batch: u64,
    },
    ScorePlan,
    ScoreQuery {
        begun: u64,
    },
    ScoreRead,
    ScoreAnswer {
        batch: u64,
        epoch: u64,
        last: bool,
    },
    ScoreClose {
        batch: u64,
        begun: u64,
    },
    ScoreEncrypt {
        first: usize,
        total: usize,
    },
    ScoreOpen {
        batch: u64,
        epoch: u64,
    },
}

/// What a finished work means to the rest of the machine.
pub(in super::super) enum Finished {
    /// Nothing.
    Nothing,
    /// The row party's own counts for a round.
    Counted(RoundId, Result<Table, String>),
}

impl Joined {
    /// A work is done, or failed.
    pub(in super::super) fn work_done(
        &mut self,
        id: WorkId,
        done: Result<Done, String>,
        outputs: &mut VecDeque<Output>,
    ) -> Result<Finished, Refusal> {
        let Some((index, task)) = self.tasks.remove(&id) else {
            return Ok(Finished::Nothing);
        };
        let open = self.round.as_ref().map(|round| round.id);
        let done = match (done, &task) {
            (Ok(done), _) => done,
            (Err(detail), Task::Base { round }) => return Ok(Finished::Counted(*round, Err(detail))),
            (
                Err(_),
                Task::Open { round }
                | Task::Answer { round, .. }
                | Task::GradientRead { round }
                | Task::GradientMake { round, .. },
            ) if open != Some(*round) => {
                return Ok(Finished::Nothing);
            }
            // CHK-076: what a counterpart has sent.
            (
                Err(detail),
                Task::ReadUnit { .. }
                | Task::GradientRead { .. }
                | Task::Open { .. }
                | Task::ScoreRead
                | Task::ScoreOpen { .. }
                | Task::ScoreClose { .. },
            ) => {
                let culprit = self.pairs.get(index).map(|pair| &pair.peer);
                return Err(broken(check::RELAY_CONTENT, open, culprit, detail));
            }
            (Err(detail), _) => return Err(Refusal::Data { detail }),
        };
        match task {
            Task::Align { asked } => self.align_done(index, asked, done, outputs)?,
            Task::Attributes => self.attributes_done(index, done, outputs)?,
            Task::Encrypt {
                channel,
                first,
                total,
                epoch,
            } => {
                self.encrypt_done(index, (channel, first, total, epoch), done)?;
            }
            Task::Open { round } if open == Some(round) && self.is_of_gradients() => {
                let Done::Shares(shares) = done else {
                    return Err(internal("work of another kind"));
                };
                self.gradients_opened(index, shares)?;
            }
            Task::Open { round } if open == Some(round) => self.open_done(index, done)?,
            Task::GradientOwn { .. } | Task::GradientRead { .. } | Task::GradientMake { .. } => {
                self.gradients_done(index, &task, done)?;
            }
            Task::ReadUnit { unit, epoch } => self.unit_done(index, (unit, epoch), done)?,
            Task::Answer {
                round,
                epoch,
                next,
                last,
            } if open == Some(round) => {
                self.answer_done(index, (epoch, next, last), done)?;
            }
            Task::Missing { party, step } => {
                if let Done::Missing(sums) = done
                    && step == self.step
                {
                    self.missing.insert(party, Some(sums));
                }
            }
            Task::Base { round } => {
                if let Done::Table(table) = done {
                    return Ok(Finished::Counted(round, Ok(table)));
                }
            }
            Task::Open { .. } | Task::Answer { .. } => {}
            Task::ScorePlan => {
                if let Done::ScorePlan(scores) = done {
                    self.score_plan_done(scores);
                }
            }
            task @ Task::ScoreOwn { .. } => self.score_done(index, task, done)?,
            task => self.score_pair_done(index, task, done)?,
        }
        Ok(Finished::Nothing)
    }
}
