//! One direction of one relayed channel: messages in chunks, pulled by the receiver, go-back-N.
//!
//! The receiver opens a stream by acknowledging sequence 0 and says the same again after a silence or a new
//! connection; the sender sends nothing unasked and never more than [`WINDOW`] chunks beyond what is wanted. All
//! bytes of a stream are deterministic, so whoever has lost them makes them again: a sender that is asked for
//! what it no longer keeps starts over and drops what the receiver has.

use std::collections::VecDeque;

use crate::wire::MAX_CHUNK_LEN;

/// Bytes of a message in one chunk. One more byte tells whether the message ends there.
pub const CHUNK: usize = MAX_CHUNK_LEN - 1;
/// Chunks that may be on their way.
pub const WINDOW: u32 = 16;
/// The receiver acknowledges every so many chunks, and at the end of each message.
const ACK_EVERY: u32 = 4;

/// Items of so many bytes in one message: as many as fit one chunk, and at least one.
pub const fn items_per_message(bytes: usize) -> usize {
    let items = CHUNK.checked_div(bytes);
    match items {
        Some(items) if items > 0 => items,
        _ => 1,
    }
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Place in the stream, from 0.
    pub seq: u32,
    /// Whether the stream ends here.
    pub last: bool,
    /// Plaintext: 1 if the message ends here, else 0; then the part of the message.
    pub bytes: Vec<u8>,
}

/// What the owner of an [`Outbound`] must do after an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Nothing but to send on.
    Continue,
    /// Make the messages of the stream again, from the first.
    FromTheFirst,
}

/// The sender's end.
#[derive(Debug, Default)]
pub struct Outbound {
    /// What the receiver wants next; none before it has said so.
    wanted: Option<u32>,
    sent: u32,
    made: u32,
    messages: usize,
    ended: bool,
    kept: VecDeque<Chunk>,
}

impl Outbound {
    /// The next message of the stream, cut into chunks; `end` with the last one. Chunks that the receiver has are
    /// dropped.
    pub fn push(&mut self, message: &[u8], end: bool) {
        self.messages += 1;
        self.ended = end;
        let wanted = self.wanted.unwrap_or(0);
        let count = message.len().div_ceil(CHUNK).max(1);
        for index in 0..count {
            let seq = self.made;
            self.made = self.made.saturating_add(1);
            if seq >= wanted {
                let part = message.chunks(CHUNK).nth(index).unwrap_or_default();
                let ends = index + 1 == count;
                let mut bytes = Vec::with_capacity(part.len() + 1);
                bytes.push(u8::from(ends));
                bytes.extend_from_slice(part);
                self.kept.push_back(Chunk {
                    seq,
                    last: end && ends,
                    bytes,
                });
            }
        }
    }

    /// How many messages have been pushed since the beginning, or since the last [`Resume::FromTheFirst`].
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Whether the receiver has asked and little is left to send: time to push further messages.
    pub fn is_hungry(&self) -> bool {
        !self.ended
            && self
                .wanted
                .is_some_and(|wanted| self.made < wanted.saturating_add(WINDOW))
    }

    /// Whether the last message has been pushed and has arrived.
    pub fn is_finished(&self) -> bool {
        self.ended && self.wanted.is_some_and(|wanted| wanted >= self.made)
    }

    /// The receiver wants `next`; `again` if what was sent from there on is lost.
    pub fn acknowledge(&mut self, next: u32, again: bool) -> Resume {
        // An acknowledgement that others have overtaken says nothing.
        if !again && self.wanted.is_some_and(|wanted| next <= wanted) {
            return Resume::Continue;
        }
        self.wanted = Some(next);
        let kept_from = self.kept.front().map_or(self.made, |chunk| chunk.seq);
        if next < kept_from {
            self.kept.clear();
            (self.made, self.sent, self.messages, self.ended) = (0, next, 0, false);
            return Resume::FromTheFirst;
        }
        while self.kept.front().is_some_and(|chunk| chunk.seq < next) {
            self.kept.pop_front();
        }
        self.sent = if again { next } else { self.sent.max(next) };
        Resume::Continue
    }

    /// The next chunk to send, within the window.
    pub fn poll(&mut self) -> Option<Chunk> {
        let wanted = self.wanted?;
        if self.sent >= wanted.saturating_add(WINDOW) {
            return None;
        }
        let first = self.kept.front()?.seq;
        let index = usize::try_from(self.sent.checked_sub(first)?).ok()?;
        let chunk = self.kept.get(index)?.clone();
        self.sent += 1;
        Some(chunk)
    }
}

/// What became of a chunk that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was the next one.
    Next {
        /// Whether to say so now.
        acknowledge: bool,
    },
    /// Known already, or ahead of one that is missing: dropped.
    Dropped,
    /// No part of a message, or the message grows beyond its limit.
    TooLong,
}

/// The receiver's end.
#[derive(Debug)]
pub struct Inbound {
    next: u32,
    unsaid: u32,
    limit: usize,
    partial: Vec<u8>,
    messages: VecDeque<Vec<u8>>,
    ended: bool,
}

impl Inbound {
    /// A stream of messages of at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self {
            next: 0,
            unsaid: 0,
            limit,
            partial: Vec::new(),
            messages: VecDeque::new(),
            ended: false,
        }
    }

    /// The chunk that is wanted next.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// A chunk has arrived and was opened.
    pub fn take(&mut self, seq: u32, last: bool, bytes: &[u8]) -> Taken {
        if seq != self.next || self.ended {
            return Taken::Dropped;
        }
        let Some((ends, bytes)) = bytes.split_first() else {
            return Taken::TooLong;
        };
        if self.partial.len().saturating_add(bytes.len()) > self.limit {
            return Taken::TooLong;
        }
        self.partial.extend_from_slice(bytes);
        self.next = self.next.saturating_add(1);
        self.unsaid += 1;
        self.ended = last;
        if *ends == 1 {
            self.messages.push_back(std::mem::take(&mut self.partial));
        }
        let acknowledge = last || self.unsaid >= ACK_EVERY;
        if acknowledge {
            self.unsaid = 0;
        }
        Taken::Next { acknowledge }
    }

    /// The next whole message.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.messages.pop_front()
    }

    /// Whether the stream has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.messages.iter().map(Vec::len).sum::<usize>() + self.partial.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(index: usize, length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 + index * 7) as u8).collect()
    }

    #[test]
    fn nothing_is_sent_unasked_and_no_more_than_a_window() {
        let mut out = Outbound::default();
        out.push(&message(0, 40 * CHUNK), true);
        assert_eq!(out.poll(), None);
        assert_eq!(out.acknowledge(0, true), Resume::Continue);
        let sent = std::iter::from_fn(|| out.poll()).count();
        assert_eq!(sent, WINDOW as usize);
        out.acknowledge(4, false);
        assert_eq!(std::iter::from_fn(|| out.poll()).count(), 4);
        assert!(!out.is_finished());
    }

    #[test]
    fn an_empty_message_is_a_message() {
        let (mut out, mut inbound) = (Outbound::default(), Inbound::new(10));
        out.push(&[], true);
        out.acknowledge(0, true);
        let chunk = out.poll().unwrap();
        inbound.take(chunk.seq, chunk.last, &chunk.bytes);
        assert_eq!(inbound.pop(), Some(Vec::new()));
    }

    #[test]
    fn a_message_beyond_its_limit_is_refused() {
        let mut inbound = Inbound::new(10);
        assert_eq!(
            inbound.take(0, false, &[0; 7]),
            Taken::Next { acknowledge: false }
        );
        assert_eq!(inbound.take(1, true, &[1; 6]), Taken::TooLong);
    }

    proptest! {
        /// Chunks are lost, doubled and delayed, and either end loses its memory: all messages arrive, once, in order.
        #[test]
        fn everything_arrives(
            lengths in prop::collection::vec(0usize..3 * CHUNK, 1..6),
            faults in prop::collection::vec(0u8..12, 0..60),
        ) {
            let messages: Vec<_> = lengths.iter().enumerate().map(|(i, n)| message(i, *n)).collect();
            let (mut out, mut inbound) = (Outbound::default(), Inbound::new(3 * CHUNK));
            let mut got = Vec::new();
            let mut made = 0;
            let mut faults = faults.into_iter();
            let mut rounds = 0;
            while got.len() < messages.len() {
                rounds += 1;
                prop_assert!(rounds < 2_000);
                if out.acknowledge(inbound.next(), true) == Resume::FromTheFirst {
                    made = 0;
                }
                while out.is_hungry() && made < messages.len() {
                    out.push(&messages[made], made + 1 == messages.len());
                    made += 1;
                }
                while let Some(chunk) = out.poll() {
                    match faults.next() {
                        Some(0..=3) => continue,
                        Some(4) => { out = Outbound::default(); made = 0; break; }
                        Some(5) => { inbound = Inbound::new(3 * CHUNK); got.clear(); break; }
                        Some(6) => { inbound.take(chunk.seq, chunk.last, &chunk.bytes); }
                        _ => {}
                    }
                    inbound.take(chunk.seq, chunk.last, &chunk.bytes);
                    while let Some(message) = inbound.pop() {
                        got.push(message);
                    }
                }
            }
            prop_assert_eq!(got, messages);
            prop_assert!(inbound.has_ended());
        }
    }
}
