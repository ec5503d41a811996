//! Relaying sealed chunks between row parties and attribute parties. The coordinator keeps no chunk: it forwards
//! what the receiver has asked for if the receiver is here, and throws it away if not.

use std::collections::{BTreeMap, VecDeque};

use hedgerow_crypto::seal::OVERHEAD;

use super::CoordinatorMachine;
use super::malformed::Malformed;
use super::output::Output;
use super::phase::Phase;
use super::presence::Presence;
use crate::ids::{PartyId, RoundId};
use crate::join::stream::WINDOW;
use crate::wire::{Channel, MAX_CHUNK_LEN, ToParty};

/// Streams of one direction of one pair whose position is known; older ones are asked for again.
const MAX_STREAMS: usize = 64;

/// What went from one party to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Chunks forwarded.
    pub chunks: u64,
    /// Their bytes, sealed.
    pub bytes: u64,
    /// Chunks thrown away: not asked for, or the receiver was away.
    pub dropped: u64,
}

/// One direction of one pair.
#[derive(Default)]
pub(super) struct Direction {
    total: Relayed,
    /// The position that the receiver wants next, by stream; the stream used last is at the end.
    wanted: VecDeque<(Channel, u32)>,
    /// The last round whose answers were forwarded to their end.
    answered: Option<RoundId>,
}

impl Direction {
    fn ask(&mut self, channel: Channel, next: u32) {
        self.wanted.retain(|(known, _)| *known != channel);
        if self.wanted.len() >= MAX_STREAMS {
            self.wanted.pop_front();
        }
        self.wanted.push_back((channel, next));
    }

    fn is_asked(&self, channel: Channel, seq: u32) -> bool {
        self.wanted
            .iter()
            .any(|(known, next)| *known == channel && (*next..next.saturating_add(WINDOW)).contains(&seq))
    }
}

/// By sender and receiver.
pub(super) type Directions = BTreeMap<(PartyId, PartyId), Direction>;

/// A chunk as its sender gave it.
pub(super) struct Chunk {
    pub(super) channel: Channel,
    pub(super) seq: u32,
    pub(super) last: bool,
    pub(super) sealed: Vec<u8>,
}

impl CoordinatorMachine {
    /// What was relayed so far, by sender and receiver; since the last start of this coordinator.
    pub fn relayed(&self) -> impl Iterator<Item = (&PartyId, &PartyId, Relayed)> {
        self.directions
            .iter()
            .map(|((from, to), direction)| (from, to, direction.total))
    }

    pub(super) fn relay(&mut self, from: &PartyId, to: PartyId, chunk: Chunk) -> Result<(), Malformed> {
        if !self.may_relay(from, &to)? {
            return Ok(());
        }
        // CHK-054: no longer than a chunk may be.
        let (actual, limit) = (chunk.sealed.len(), MAX_CHUNK_LEN + OVERHEAD);
        if actual > limit {
            return Err(Malformed::TooLong {
                what: "a relayed chunk",
                party: to,
                actual,
                limit,
            });
        }
        let present = self.is_present(chunk.channel) && self.is_here(&to);
        let direction = self.directions.entry((from.clone(), to.clone())).or_default();
        // CHK-054: within what the receiver has asked for, so that nobody can be flooded.
        if !present || !direction.is_asked(chunk.channel, chunk.seq) {
            direction.total.dropped += 1;
            return Ok(());
        }
        direction.total.chunks += 1;
        direction.total.bytes += actual as u64;
        if let (true, Channel::Answers(round)) = (chunk.last, chunk.channel) {
            direction.answered = Some(round);
        }
        let Chunk {
            channel,
            seq,
            last,
            sealed,
        } = chunk;
        let message = ToParty::Relayed {
            from: from.clone(),
            channel,
            seq,
            last,
            sealed,
        };
        self.outputs.push_back(Output::Send(to, message));
        Ok(())
    }

    pub(super) fn relay_ack(
        &mut self,
        from: &PartyId,
        to: PartyId,
        channel: Channel,
        next: u32,
        again: bool,
    ) -> Result<(), Malformed> {
        if !self.may_relay(from, &to)? || !self.is_present(channel) {
            return Ok(());
        }
        // The stream flows from the party that is asked.
        self.directions
            .entry((to.clone(), from.clone()))
            .or_default()
            .ask(channel, next);
        if self.is_here(&to) {
            let message = ToParty::RelayAcked {
                from: from.clone(),
                channel,
                next,
                again,
            };
            self.outputs.push_back(Output::Send(to, message));
        }
        Ok(())
    }

    /// Whether these two have anything to say to each other now.
    fn may_relay(&self, from: &PartyId, to: &PartyId) -> Result<bool, Malformed> {
        // CHK-054: between a row party and an attribute party of this run, or along a chain.
        if !self.config.may_relay(from, to) {
            return Err(Malformed::Counterpart { named: to.clone() });
        }
        let member = |party: &PartyId| self.circle.is_member(party) && !self.excluded.contains_key(party);
        let closed = matches!(self.phase, Phase::Enrolling(_) | Phase::Failed);
        Ok(!closed && member(from) && member(to))
    }

    /// Whether all answers of a row party were forwarded to an attribute party; not known after a restart.
    pub(super) fn has_answered(&self, row: &PartyId, attribute: &PartyId, round: RoundId) -> bool {
        let direction = self.directions.get(&(row.clone(), attribute.clone()));
        direction.is_some_and(|direction| direction.answered == Some(round))
    }

    /// Streams of a round end with it.
    fn is_present(&self, channel: Channel) -> bool {
        channel
            .round()
            .is_none_or(|round| self.phase.round() == Some(round))
    }

    fn is_here(&self, party: &PartyId) -> bool {
        self.presences.get(party).is_some_and(Presence::is_connected)
    }
}
