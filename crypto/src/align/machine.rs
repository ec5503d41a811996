//! The machine: greets, takes its role by the sizes of the sets, and knows which message is whose turn.

use std::fmt;

use super::error::{AlignError, Whose};
use super::matcher::Matcher;
use super::message::{self, HEADER, Kind};
use super::params::Params;
use super::set::OwnSet;
use super::tagger::Tagger;
use super::{Alignment, Outgoing, Side};
use crate::seed::Seed;

/// One side of an alignment. No input or output: the caller carries numbered messages. Heavy work happens in
/// [`message`](Self::message) and [`receive`](Self::receive), on the current `rayon` pool; move the machine to a
/// worker for them.
///
/// Own messages are numbered from 0, and so are those of the peer. The bytes of each message depend on the set, the
/// parameters, the seed and the peer's messages, never on timing: a machine that was made anew and is fed the same
/// messages sends the same bytes again. Wiped on drop as far as it is secret; not serialised.
pub struct Align {
    side: Side,
    params: Params,
    seed: Seed,
    own: OwnSet,
    role: Role,
    /// Messages taken.
    taken: u32,
    result: Option<Alignment>,
}

enum Role {
    Greeting,
    Tagger(Tagger),
    Matcher(Matcher),
}

/// A stage and its items, if their number is known.
type Stage = (Kind, Option<u32>);

impl Align {
    /// A machine for the keys of one side: 32 bytes each, digests of the identifying columns, in any order.
    ///
    /// One seed may serve many alignments if the context of their parameters differs. Use one (seed, context) with
    /// one list of keys and one peer only.
    ///
    /// # Errors
    /// Fewer keys than the minimum, too many, or a key that the list names twice.
    pub fn new(side: Side, params: &Params, keys: &[[u8; 32]], seed: &Seed) -> Result<Self, AlignError> {
        Ok(Self {
            side,
            params: params.clone(),
            own: OwnSet::new(keys, params, seed)?,
            seed: seed.clone(),
            role: Role::Greeting,
            taken: 0,
            result: None,
        })
    }

    /// Which side this is.
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Own message number `seq`, if what came so far determines it. Any message can be asked for at any time, and
    /// again: resending after a break needs no buffer. `None` after the last, or until the peer has sent more.
    pub fn message(&self, seq: u32) -> Option<Outgoing> {
        let Some(after) = seq.checked_sub(1) else {
            let mut hello = [self.side as u8; 33];
            hello[1..].copy_from_slice(self.params.digest().as_ref());
            return Some(Outgoing {
                bytes: message::encode(Kind::Hello, 0, self.own.len(), &[hello]),
                last: false,
            });
        };
        let stages = self.sends();
        let (kind, total, number) = locate(&stages, after)?;
        let total = total?;
        let first = number as usize * kind.batch() as usize;
        let places = first..(first + kind.batch() as usize).min(total as usize);
        let bytes = match &self.role {
            Role::Greeting => None,
            Role::Tagger(tagger) => tagger.message(&self.own, kind, seq, places),
            Role::Matcher(matcher) => matcher.message(&self.own, kind, seq, places),
        }?;
        Some(Outgoing {
            bytes,
            last: Some(seq + 1) == self.outgoing(),
        })
    }

    /// How many messages this side sends, once that is known.
    pub fn outgoing(&self) -> Option<u32> {
        count(&self.sends())
    }

    /// How many messages the peer sends, once that is known.
    pub fn incoming(&self) -> Option<u32> {
        count(&self.receives())
    }

    /// The number of the peer's message that is next.
    pub const fn next(&self) -> u32 {
        self.taken
    }

    /// Takes the peer's message number `seq`, which must be [`next`](Self::next).
    ///
    /// # Errors
    /// A message out of turn, or one that is not what its number calls for in every byte that can be checked. The
    /// machine is then as it was before.
    pub fn receive(&mut self, seq: u32, bytes: &[u8]) -> Result<(), AlignError> {
        if let Some(incoming) = self.incoming()
            && seq >= incoming
        {
            return Err(AlignError::Finished {
                actual: seq,
                last: incoming - 1,
            });
        }
        if seq != self.taken {
            return Err(AlignError::Sequence {
                actual: seq,
                expected: self.taken,
            });
        }
        let stages = self.receives();
        match seq.checked_sub(1).map(|after| locate(&stages, after)) {
            None => self.greet(bytes)?,
            Some(stage) => {
                // Past the greeting the stages are known, and `seq` is within them.
                let kind = stage.map_or(Kind::Hello, |(kind, ..)| kind);
                let message = message::decode(kind, seq, bytes)?;
                match &mut self.role {
                    Role::Greeting => {}
                    Role::Tagger(tagger) => tagger.receive(&self.own, kind, seq, &message)?,
                    Role::Matcher(matcher) => matcher.receive(&self.own, kind, seq, &message)?,
                }
            }
        }
        self.taken += 1;
        if self.incoming() == Some(self.taken) {
            self.finish();
        }
        Ok(())
    }

    /// The result, once the peer's last message is taken. The peer may still need messages of this side.
    pub const fn result(&self) -> Option<&Alignment> {
        self.result.as_ref()
    }

    fn greet(&mut self, bytes: &[u8]) -> Result<(), AlignError> {
        let message = message::decode(Kind::Hello, 0, bytes)?;
        let Some(([side, digest @ ..], [])) = message.items.split_first_chunk::<33>() else {
            return Err(AlignError::Length {
                seq: 0,
                actual: bytes.len(),
                expected: HEADER + 33,
            });
        };
        if digest != self.params.digest().as_bytes() {
            return Err(AlignError::Parameters {
                actual: crate::hash::Digest(*digest),
                expected: *self.params.digest(),
            });
        }
        let expected = self.side.other();
        if *side != expected as u8 {
            return Err(AlignError::Side {
                actual: *side,
                expected,
            });
        }
        let peer = message.total;
        self.params.check_size(Whose::Peer, peer.into())?;
        let larger = match self.side {
            Side::Row => self.own.len() >= peer,
            Side::Attribute => self.own.len() > peer,
        };
        let digest = self.params.digest();
        self.role = if larger {
            Role::Tagger(Tagger::new(digest, &self.seed, peer))
        } else {
            Role::Matcher(Matcher::new(digest, &self.seed, peer))
        };
        Ok(())
    }

    fn finish(&mut self) {
        let (peer, positions) = match &self.role {
            Role::Greeting => (0, None),
            Role::Tagger(tagger) => (tagger.peer(), tagger.positions()),
            Role::Matcher(matcher) => (matcher.peer(), matcher.positions()),
        };
        self.result = positions.map(|(union, places)| {
            let (positions, dummies) = self.own.positions(&places);
            Alignment {
                positions,
                dummies,
                union,
                peer: peer - self.params.dummies(),
            }
        });
    }

    fn sends(&self) -> Vec<Stage> {
        match &self.role {
            Role::Greeting => Vec::new(),
            Role::Tagger(tagger) => tagger.sends(&self.own).to_vec(),
            Role::Matcher(matcher) => matcher.sends(&self.own).to_vec(),
        }
    }

    fn receives(&self) -> Vec<Stage> {
        match &self.role {
            Role::Greeting => Vec::new(),
            Role::Tagger(tagger) => tagger.receives(&self.own).to_vec(),
            Role::Matcher(matcher) => matcher.receives(&self.own).to_vec(),
        }
    }
}

/// The stage of message `after`, counted from the one after the greeting, with the stage's items and the message's
/// number within the stage. A stage whose items are not known has no end.
fn locate(stages: &[Stage], mut after: u32) -> Option<(Kind, Option<u32>, u32)> {
    for &(kind, items) in stages {
        match items.map(|items| kind.messages(items)) {
            Some(messages) if after >= messages => after -= messages,
            _ => return Some((kind, items, after)),
        }
    }
    None
}

/// Messages of all stages, the greeting included, if all are known.
fn count(stages: &[Stage]) -> Option<u32> {
    if stages.is_empty() {
        return None;
    }
    stages
        .iter()
        .try_fold(1, |sum, &(kind, items)| Some(sum + kind.messages(items?)))
}

impl fmt::Debug for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Greeting => "greeting",
            Role::Tagger(_) => "tagger",
            Role::Matcher(_) => "matcher",
        };
        f.debug_struct("Align")
            .field("side", &self.side)
            .field("role", &role)
            .field("own", &self.own.len())
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
