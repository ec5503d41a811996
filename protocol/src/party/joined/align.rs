//! Finding the common entities of a pair.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::record::Record;
use super::super::{Output, internal};
use super::pair::{AlignStage, Pair};
use super::{Joined, Task};
use crate::config::{Alignment, Role};
use crate::join::align::{Aligned, Own};
use crate::join::{AlignWork, Done, Work};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{Channel, ToCoordinator};

/// Messages of the peer that one step takes, and own ones that it makes.
const STEP: usize = 8;

impl Joined {
    /// Takes the alignment with one counterpart as far as it goes now.
    pub(super) fn align(&mut self, index: usize, now: Millis, outputs: &mut VecDeque<Output>) {
        let (asked, role, me) = (self.asked, self.role, self.me.clone());
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        if !pair.is_joined {
            return;
        }
        // A peer that asks for messages which nobody keeps any more has lost its result: both go through it again.
        let wanted = pair
            .streams
            .out(Channel::Align)
            .is_some_and(|out| out.is_hungry());
        if !(pair.aligned.is_none() && asked || wanted)
            && matches!(pair.stage, AlignStage::Idle | AlignStage::Over)
        {
            return;
        }
        let own = match role {
            Role::Row => Own::References(pair.peer.clone()),
            Role::Attributes => Own::Entities,
        };
        let plain = matches!(
            self.config.join().map(|join| join.alignment),
            Some(Alignment::Plain)
        );
        match std::mem::replace(&mut pair.stage, AlignStage::Away) {
            AlignStage::Idle | AlignStage::Over if plain => match role {
                Role::Attributes => self.give(
                    index,
                    Task::Align { asked: None },
                    Work::Align(AlignWork::Tell),
                    outputs,
                ),
                Role::Row => {
                    pair.streams.listen(Channel::Align, now);
                    if !pair.streams.has_ended(Channel::Align) {
                        pair.stage = AlignStage::Idle;
                        return;
                    }
                    let messages = std::iter::from_fn(|| pair.streams.pop(Channel::Align)).collect();
                    let party = pair.peer.clone();
                    self.give(
                        index,
                        Task::Align { asked: None },
                        Work::Align(AlignWork::Hear { party, messages }),
                        outputs,
                    );
                }
            },
            AlignStage::Idle | AlignStage::Over => {
                pair.streams.close(Channel::Align);
                pair.streams.listen(Channel::Align, now);
                let work = Work::Align(AlignWork::Start {
                    config: Arc::clone(&self.config),
                    own,
                    seed: self.secret.alignment(&pair.peer),
                    pair: (me, pair.peer.clone()),
                });
                self.give(index, Task::Align { asked: None }, work, outputs);
            }
            AlignStage::Here { machine, stuck } => {
                let receive: Vec<Vec<u8>> = std::iter::from_fn(|| pair.streams.pop(Channel::Align))
                    .take(STEP)
                    .collect();
                let made = pair
                    .streams
                    .out(Channel::Align)
                    .map_or(0, |out| out.messages() as u32);
                if receive.is_empty() && (stuck || !wanted) {
                    let over = machine.result().is_some()
                        && pair
                            .streams
                            .out(Channel::Align)
                            .is_some_and(|out| out.is_finished());
                    pair.stage = if over {
                        AlignStage::Over
                    } else {
                        AlignStage::Here { machine, stuck }
                    };
                    return;
                }
                let send = if wanted {
                    made..made + STEP as u32
                } else {
                    made..made
                };
                let work = Work::Align(AlignWork::Step {
                    machine,
                    receive,
                    send,
                });
                let asked = wanted.then_some(made);
                self.give(index, Task::Align { asked }, work, outputs);
            }
            AlignStage::Away => {}
        }
    }

    /// A step of an alignment is done.
    pub(super) fn align_done(
        &mut self,
        index: usize,
        asked: Option<u32>,
        done: Done,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        match done {
            Done::Align { machine, messages } => {
                let out = pair.streams.out_or_new(Channel::Align);
                // The peer may have gone back to the first message meanwhile, and that one is there.
                let stuck = messages.is_empty() && asked == Some(out.messages() as u32);
                for (seq, message) in messages {
                    // The peer may have asked for others meanwhile.
                    if out.messages() as u32 == seq {
                        out.push(&message.bytes, message.last);
                    }
                }
                let result = machine.result();
                pair.stage = AlignStage::Here { machine, stuck };
                match result {
                    Some(aligned) => self.aligned(index, aligned, outputs),
                    None => Ok(()),
                }
            }
            Done::Aligned { messages, aligned } => {
                pair.stage = AlignStage::Over;
                let count = messages.len();
                let out = pair.streams.out_or_new(Channel::Align);
                for (index, message) in messages.iter().enumerate().skip(out.messages()) {
                    out.push(message, index + 1 == count);
                }
                self.aligned(index, aligned, outputs)
            }
            _ => Err(internal("work of another kind")),
        }
    }

    /// A result: kept, then told.
    fn aligned(
        &mut self,
        index: usize,
        aligned: Aligned,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        if let Some(known) = &pair.aligned {
            return if **known == aligned {
                Ok(())
            } else {
                Err(Refusal::Data {
                    detail: crate::join::JoinError::Changed.to_string(),
                })
            };
        }
        let record = Record::Aligned {
            peer: pair.peer.clone(),
            positions: aligned.positions.clone(),
            union: aligned.union,
            keys: aligned.keys,
        };
        self.set_aligned(index, aligned)?;
        outputs.push_back(Output::Persist(record.to_bytes()));
        self.tell_aligned(outputs);
        Ok(())
    }

    /// A result, fresh or from the journal.
    pub(super) fn set_aligned(&mut self, index: usize, aligned: Aligned) -> Result<(), Refusal> {
        let Some(pair) = self.pairs.get_mut(index) else {
            return Ok(());
        };
        if self.chain.is_some() {
            pair.aligned = Some(Arc::new(aligned));
            return Ok(());
        }
        let attributes = match self.role {
            Role::Row => &pair.peer,
            Role::Attributes => &self.me,
        };
        let upload = crate::join::upload::Upload::new(&self.config, &self.plan, attributes, aligned.union)
            .map_err(internal)?;
        if self.role == Role::Attributes {
            let seed = self.secret.attribute_key(&pair.peer);
            let key = hedgerow_crypto::exact::AttributeKey::generate(&upload.params, &seed);
            pair.encrypts.key = Some(Arc::new(key));
        }
        pair.upload = Some(Arc::new(upload));
        pair.aligned = Some(Arc::new(aligned));
        self.set_exchange(index)
    }

    /// All results so far.
    pub(super) fn tell_aligned(&self, outputs: &mut VecDeque<Output>) {
        let known = |pair: &Pair| Some((pair.peer.clone(), pair.aligned.as_ref()?.union));
        let with = self.pairs.iter().filter_map(known).collect();
        outputs.push_back(Output::Send(ToCoordinator::Aligned { with }));
    }
}
