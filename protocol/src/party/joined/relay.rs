//! The relayed streams of one pair: sealed, acknowledged, asked for again.

use std::collections::{BTreeMap, VecDeque};

use hedgerow_crypto::seal::PairKey;

use super::super::{Output, broken};
use crate::check;
use crate::ids::PartyId;
use crate::join::stream::{Inbound, Outbound, Resume, Taken};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{self, Channel, ToCoordinator};

/// How long a stream may be silent before its receiver asks again; each time in vain it waits twice as long, as
/// what is on its way over a busy line would only be sent twice.
const SILENCE_MS: u64 = 5_000;
const LONGEST_SILENCE_MS: u64 = 20_000;
/// Longest message of any stream.
const MAX_MESSAGE: usize = 1 << 20;
/// Bytes of whole messages that may wait to be taken; more is not acknowledged.
const MAX_WAITING: usize = 8 << 20;

/// A stream that comes in.
struct In {
    inbound: Inbound,
    /// When something was last heard or asked.
    heard: Millis,
    /// How long it may be silent now.
    patience: u64,
    /// What was last said to be wanted; none before the first word.
    said: Option<u32>,
}

/// Both directions of one pair.
pub(super) struct Streams {
    peer: PartyId,
    key: PairKey,
    ins: BTreeMap<Channel, In>,
    outs: BTreeMap<Channel, Outbound>,
}

impl Streams {
    pub(super) fn new(peer: PartyId, key: PairKey) -> Self {
        Self {
            peer,
            key,
            ins: BTreeMap::new(),
            outs: BTreeMap::new(),
        }
    }

    /// Begins to listen, unless it listens already.
    pub(super) fn listen(&mut self, channel: Channel, now: Millis) {
        self.ins.entry(channel).or_insert_with(|| In {
            inbound: Inbound::new(MAX_MESSAGE),
            heard: now,
            patience: SILENCE_MS,
            said: None,
        });
    }

    /// Forgets what has come in.
    pub(super) fn close(&mut self, channel: Channel) {
        self.ins.remove(&channel);
    }

    pub(super) fn listens(&self, channel: Channel) -> bool {
        self.ins.contains_key(&channel)
    }

    /// The next whole message of a stream.
    pub(super) fn pop(&mut self, channel: Channel) -> Option<Vec<u8>> {
        self.ins.get_mut(&channel)?.inbound.pop()
    }

    /// Whether all of a stream has come.
    pub(super) fn has_ended(&self, channel: Channel) -> bool {
        self.ins
            .get(&channel)
            .is_some_and(|stream| stream.inbound.has_ended())
    }

    /// A stream that the peer has asked for.
    pub(super) fn out(&mut self, channel: Channel) -> Option<&mut Outbound> {
        self.outs.get_mut(&channel)
    }

    /// The same, or one that it has not asked for yet.
    pub(super) fn out_or_new(&mut self, channel: Channel) -> &mut Outbound {
        self.outs.entry(channel).or_default()
    }

    /// Streams for scores that the peer has asked for.
    pub(super) fn asked_scores(&self) -> Vec<Channel> {
        let is_score = |channel: &&Channel| matches!(channel, Channel::ScoreProfiles | Channel::Score(_));
        self.outs.keys().filter(is_score).copied().collect()
    }

    /// Drops the streams of other batches of scores.
    pub(super) fn keep_batch(&mut self, batch: u64) {
        let keeps = |channel: &Channel| !matches!(channel, Channel::Score(other) if *other != batch);
        self.ins.retain(|channel, _| keeps(channel));
        self.outs.retain(|channel, _| keeps(channel));
    }

    /// Drops the streams of all batches of scores.
    pub(super) fn forget_batches(&mut self) {
        self.ins
            .retain(|channel, _| !matches!(channel, Channel::Score(_)));
        self.outs
            .retain(|channel, _| !matches!(channel, Channel::Score(_)));
    }

    /// Whether no whole message waits.
    pub(super) fn is_empty(&self, channel: Channel) -> bool {
        self.ins
            .get(&channel)
            .is_none_or(|stream| stream.inbound.waiting() == 0)
    }

    /// Drops the streams of other rounds.
    pub(super) fn keep_round(&mut self, round: crate::ids::RoundId) {
        let keeps = |channel: &Channel| channel.round().is_none_or(|of| of == round);
        self.ins.retain(|channel, _| keeps(channel));
        self.outs.retain(|channel, _| keeps(channel));
    }

    /// A chunk has come.
    pub(super) fn take(
        &mut self,
        (channel, seq, last): (Channel, u32, bool),
        sealed: &[u8],
        now: Millis,
        outputs: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let Some(stream) = self.ins.get_mut(&channel) else {
            return Ok(());
        };
        // What is not the next one is not worth opening.
        if seq != stream.inbound.next() || stream.inbound.has_ended() {
            return Ok(());
        }
        let fail = |detail: String| {
            Err(broken(
                check::RELAY_OPENS,
                channel.round(),
                Some(&self.peer),
                detail,
            ))
        };
        // CHK-070: from this peer, in this place; and not without end.
        let bytes = match self.key.open(&label(channel, seq, last), &[], sealed) {
            Ok(bytes) => bytes,
            Err(error) => return fail(format!("chunk {seq} of its {channel}: {error}")),
        };
        stream.heard = now;
        stream.patience = SILENCE_MS;
        match stream.inbound.take(seq, last, bytes.expose()) {
            Taken::TooLong => fail(format!(
                "a message of its {channel} is longer than {MAX_MESSAGE} bytes"
            )),
            Taken::Next { acknowledge } => {
                if acknowledge && stream.inbound.waiting() <= MAX_WAITING {
                    say(&self.peer, channel, stream, false, outputs);
                }
                Ok(())
            }
            Taken::Dropped => Ok(()),
        }
    }

    /// The peer says what it wants of a stream.
    pub(super) fn acknowledged(&mut self, channel: Channel, next: u32, again: bool) -> Resume {
        self.outs.entry(channel).or_default().acknowledge(next, again)
    }

    /// Asks again for everything that has not ended, as after a new connection.
    pub(super) fn ask_again(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
        for (channel, stream) in &mut self.ins {
            if !stream.inbound.has_ended() && stream.inbound.waiting() <= MAX_WAITING {
                stream.heard = now;
                stream.patience = SILENCE_MS;
                say(&self.peer, *channel, stream, true, outputs);
            }
        }
    }

    /// Asks again where it has been silent for long.
    pub(super) fn wake(&mut self, now: Millis, outputs: &mut VecDeque<Output>) {
        for (channel, stream) in &mut self.ins {
            if !stream.inbound.has_ended() && stream.heard.plus(stream.patience) <= now {
                stream.heard = now;
                stream.patience = (2 * stream.patience).min(LONGEST_SILENCE_MS);
                if stream.inbound.waiting() <= MAX_WAITING {
                    say(&self.peer, *channel, stream, true, outputs);
                }
            }
        }
    }

    /// When to [`wake`](Self::wake).
    pub(super) fn timeout(&self) -> Option<Millis> {
        self.ins
            .values()
            .filter(|stream| !stream.inbound.has_ended())
            .map(|stream| stream.heard.plus(stream.patience))
            .min()
    }

    /// Says what can be said now: first words, acknowledgements that were held back, chunks within the windows.
    pub(super) fn flush(&mut self, outputs: &mut VecDeque<Output>) {
        for (channel, stream) in &mut self.ins {
            let next = stream.inbound.next();
            let held_back = stream.said.is_some_and(|said| said.saturating_add(8) <= next);
            if stream.said.is_none() {
                say(&self.peer, *channel, stream, true, outputs);
            } else if held_back && stream.inbound.waiting() <= MAX_WAITING {
                say(&self.peer, *channel, stream, false, outputs);
            }
        }
        for (channel, stream) in &mut self.outs {
            while let Some(chunk) = stream.poll() {
                let label = label(*channel, chunk.seq, chunk.last);
                outputs.push_back(Output::Send(ToCoordinator::Relay {
                    to: self.peer.clone(),
                    channel: *channel,
                    seq: chunk.seq,
                    last: chunk.last,
                    sealed: self.key.seal(&label, &[], &chunk.bytes),
                }));
            }
        }
    }
}

/// Every chunk has a label of its own: its place. The pair key tells the direction.
fn label(channel: Channel, seq: u32, last: bool) -> Vec<u8> {
    wire::to_bytes(&("relayed", channel, seq, last))
}

fn say(peer: &PartyId, channel: Channel, stream: &mut In, again: bool, outputs: &mut VecDeque<Output>) {
    let next = stream.inbound.next();
    stream.said = Some(next);
    outputs.push_back(Output::Send(ToCoordinator::RelayAck {
        to: peer.clone(),
        channel,
        next,
        again,
    }));
}
