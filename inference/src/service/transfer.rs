//! Blobs in chunks: the sender goes back to where the receiver says it is, so that nothing depends on what got lost.

use std::sync::Arc;

use hedgerow_crypto::hash::Digest;

use super::wire::{CHUNK, Message, What};

/// Bytes on the way that the receiver has not confirmed.
const WINDOW: u64 = 1 << 20;
/// A receiver confirms after so many bytes, and at the end.
const CONFIRM: u64 = WINDOW / 2;

/// A blob on its way out.
#[derive(Debug, Clone)]
pub struct Outgoing {
    what: What,
    blob: Digest,
    about: Digest,
    bytes: Arc<[u8]>,
    /// Confirmed; nothing is sent before the first confirmation.
    confirmed: Option<u64>,
    /// Sent so far.
    sent: u64,
}

impl Outgoing {
    /// A blob that has this name.
    pub fn new(what: What, blob: Digest, about: Digest, bytes: Arc<[u8]>) -> Self {
        Self {
            what,
            blob,
            about,
            bytes,
            confirmed: None,
            sent: 0,
        }
    }

    /// Its name.
    pub fn blob(&self) -> Digest {
        self.blob
    }

    /// What it is about.
    pub fn about(&self) -> Digest {
        self.about
    }

    /// What it is.
    pub fn what(&self) -> What {
        self.what
    }

    /// What announces it, as often as necessary.
    pub fn put(&self) -> Message {
        Message::Put {
            what: self.what,
            blob: self.blob,
            bytes: self.bytes.len() as u64,
            about: self.about,
        }
    }

    /// What was on its way may be lost, as with its connection: the receiver's next word says where to go on.
    pub fn restart(&mut self) {
        self.confirmed = None;
    }

    /// The receiver is at `offset`; true once it has everything. A receiver that says twice that it is at the same place
    /// misses what was sent after it.
    pub fn ready(&mut self, offset: u64) -> bool {
        let offset = offset.min(self.bytes.len() as u64);
        if self.confirmed.is_none_or(|confirmed| offset <= confirmed) || offset > self.sent {
            self.sent = offset;
        }
        self.confirmed = Some(offset);
        offset == self.bytes.len() as u64
    }

    /// The next chunk that may go.
    pub fn chunk(&mut self) -> Option<Message> {
        let limit = self
            .confirmed?
            .saturating_add(WINDOW)
            .min(self.bytes.len() as u64);
        let end = limit.min(self.sent + CHUNK as u64);
        let data = self.bytes.get(self.sent as usize..end as usize)?;
        if data.is_empty() {
            return None;
        }
        let offset = self.sent;
        self.sent = end;
        Some(Message::Chunk {
            blob: self.blob,
            offset,
            data: data.to_vec(),
        })
    }
}

/// A blob on its way in. Its room is reserved before it is made; it grows with what arrives.
#[derive(Debug)]
pub struct Incoming {
    blob: Digest,
    total: u64,
    bytes: Vec<u8>,
    told: u64,
    /// The sender was told that something is missing here: once, or two sides would repeat each other.
    missed: bool,
}

/// What a chunk brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to say yet.
    Silent,
    /// Tell the sender where we are.
    Tell,
    /// Everything is here.
    Complete,
}

impl Incoming {
    /// A blob of that name and size.
    pub fn new(blob: Digest, total: u64) -> Self {
        Self {
            blob,
            total,
            bytes: Vec::new(),
            told: 0,
            missed: false,
        }
    }

    /// Its name.
    pub fn blob(&self) -> Digest {
        self.blob
    }

    /// Its size in the end.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Where the receiver is.
    pub fn ready(&mut self) -> Message {
        self.told = self.bytes.len() as u64;
        Message::Ready {
            blob: self.blob,
            offset: self.told,
        }
    }

    /// Takes a chunk; bytes that are here already, or that come too early, are not looked at.
    pub fn chunk(&mut self, offset: u64, data: &[u8]) -> Progress {
        let here = self.bytes.len() as u64;
        let end = offset.saturating_add(data.len() as u64);
        if end > self.total || offset > here {
            return match std::mem::replace(&mut self.missed, true) {
                true => Progress::Silent,
                false => Progress::Tell,
            };
        }
        if end <= here {
            return Progress::Silent;
        }
        self.missed = false;
        let fresh = data.get((here - offset) as usize..).unwrap_or_default();
        self.bytes.extend_from_slice(fresh);
        if end == self.total {
            Progress::Complete
        } else if end - self.told >= CONFIRM {
            Progress::Tell
        } else {
            Progress::Silent
        }
    }

    /// The bytes, once complete.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{NONE, name_of};
    use super::*;

    /// Sends 2.3 MB where every `lost`-th message vanishes and every third comes twice.
    fn carry(lost: usize) -> usize {
        let bytes: Vec<u8> = (0..2_300_000u32).map(|i| (i >> 8) as u8).collect();
        let name = name_of(&bytes);
        let mut out = Outgoing::new(What::Keys, name, NONE, bytes.clone().into());
        let mut inn = Incoming::new(name, bytes.len() as u64);
        let (mut sent, mut dice) = (0, 1usize);
        out.ready(0);
        for _ in 0..10_000 {
            let Some(Message::Chunk { offset, data, .. }) = out.chunk() else {
                // Nothing moves: the timer of whoever waits makes the receiver repeat itself.
                let Message::Ready { offset, .. } = inn.ready() else {
                    panic!()
                };
                if out.ready(offset) {
                    break;
                }
                continue;
            };
            sent += 1;
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let lot = dice >> 33;
            if lot.is_multiple_of(lost) {
                continue;
            }
            let mut progress = inn.chunk(offset, &data);
            if lot % 3 == 1 {
                progress = inn.chunk(offset, &data);
            }
            if progress != Progress::Silent {
                let Message::Ready { offset, .. } = inn.ready() else {
                    panic!()
                };
                if !lot.is_multiple_of(lost + 1) && out.ready(offset) {
                    break;
                }
            }
        }
        assert_eq!(name_of(&inn.into_bytes()), name);
        sent
    }

    #[test]
    fn blobs_arrive_whole_whatever_is_lost_or_repeated() {
        for lost in [2, 3, 7, 1000] {
            assert!(carry(lost) >= 18, "{lost}");
        }
    }

    #[test]
    fn nothing_goes_before_the_receiver_is_ready_and_no_more_than_a_window() {
        let bytes: Arc<[u8]> = vec![1; 3 << 20].into();
        let mut out = Outgoing::new(What::Request, NONE, NONE, bytes);
        assert_eq!(out.chunk(), None);
        out.ready(0);
        assert_eq!(
            std::iter::from_fn(|| out.chunk()).count() as u64,
            WINDOW / CHUNK as u64
        );
        assert!(!out.ready(WINDOW));
        assert!(out.chunk().is_some());
    }

    #[test]
    fn a_chunk_beyond_the_announced_size_is_not_kept() {
        let mut inn = Incoming::new(NONE, 10);
        assert_eq!(inn.chunk(5, &[0; 5]), Progress::Tell);
        assert_eq!(inn.chunk(0, &[0; 11]), Progress::Silent, "told already");
        assert_eq!(inn.chunk(u64::MAX, &[0; 2]), Progress::Silent);
        assert_eq!(inn.chunk(0, &[0; 10]), Progress::Complete);
    }
}
