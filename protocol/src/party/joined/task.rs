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
        /// The first own message that was asked for, if any was.
        asked: Option<u32>,
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
    ChainOrders {
        round: RoundId,
    },
    ChainAttributes {
        round: RoundId,
    },
    ChainEncrypt {
        channel: Channel,
        first: usize,
        total: usize,
        epoch: u64,
    },
    ChainPass {
        round: RoundId,
        last: bool,
        ends: bool,
        epoch: u64,
    },
    ChainStep {
        round: RoundId,
        last: bool,
        epoch: u64,
        from: PartyId,
    },
    ChainOpen {
        round: RoundId,
    },
    ChainMissing {
        round: RoundId,
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
            // Of a round that is over, done or failed.
            (
                _,
                Task::ChainOrders { round }
                | Task::ChainAttributes { round }
                | Task::ChainPass { round, .. }
                | Task::ChainStep { round, .. }
                | Task::ChainOpen { round }
                | Task::ChainMissing { round },
            ) if open != Some(*round) => return Ok(Finished::Nothing),
            (Ok(done), _) => done,
            // CHK-076: what came along a chain.
            (Err(detail), Task::ChainStep { from, .. }) => {
                return Err(broken(check::RELAY_CONTENT, open, Some(from), detail));
            }
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
                | Task::ChainAttributes { .. }
                | Task::ChainPass { .. }
                | Task::ChainOpen { .. }
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
            Task::ChainOrders { .. } => self.orders_done(done)?,
            Task::ChainAttributes { .. } => self.chain_attributes_done(done, outputs)?,
            Task::ChainEncrypt {
                channel,
                first,
                total,
                epoch,
            } => self.chain_encrypted(index, (channel, first, total, epoch), done)?,
            Task::ChainPass {
                last, ends, epoch, ..
            } => self.chain_passed(index, (last, ends, epoch), done)?,
            Task::ChainStep { last, epoch, .. } => {
                self.chain_stepped(index, (last, epoch), done, outputs)?;
            }
            Task::ChainOpen { .. } => self.chain_opened(index, done)?,
            Task::ChainMissing { .. } => self.dead_counted(done)?,
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
