//! Works that find the common entities of two parties.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::seed::Seed;

use super::super::align::{self, Machine, Own};
use super::super::data::JoinData;
use super::super::done::Done;
use super::super::error::JoinError;
use crate::config::RunConfig;
use crate::ids::PartyId;

/// A step of an alignment.
pub enum AlignWork {
    /// Begin a private alignment.
    Start {
        /// The run.
        config: Arc<RunConfig>,
        /// Whose keys.
        own: Own,
        /// Both parties.
        pair: (PartyId, PartyId),
        /// The seed of this party for the pair.
        seed: Seed,
    },
    /// Take messages of a private alignment, then make own ones.
    Step {
        /// The machine, moved here and back.
        machine: Box<Machine>,
        /// The peer's, in order.
        receive: Vec<Vec<u8>>,
        /// Which own messages are wanted.
        send: Range<u32>,
    },
    /// Tell the own keys.
    Tell,
    /// Compare with the keys that a party has told.
    Hear {
        /// The party.
        party: PartyId,
        /// Its messages.
        messages: Vec<Vec<u8>>,
    },
}

impl AlignWork {
    pub(super) fn compute(self, data: &dyn JoinData) -> Result<Done, JoinError> {
        Ok(match self {
            Self::Start {
                config,
                own,
                pair,
                seed,
            } => Done::Align {
                machine: Box::new(Machine::start(data, &config, &own, (&pair.0, &pair.1), &seed)?),
                messages: Vec::new(),
            },
            Self::Step {
                mut machine,
                receive,
                send,
            } => {
                machine.receive(receive)?;
                Done::Align {
                    messages: machine.messages(send),
                    machine,
                }
            }
            Self::Tell => {
                let (messages, aligned) = align::tell(data)?;
                Done::Aligned { messages, aligned }
            }
            Self::Hear { party, messages } => Done::Aligned {
                messages: Vec::new(),
                aligned: align::hear(data, &party, &messages)?,
            },
        })
    }
}
