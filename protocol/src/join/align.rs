//! Alignment as work: the private machine's steps, and the plain way.

use std::collections::HashMap;
use std::ops::Range;

use hedgerow_crypto::align::{Align, Outgoing, Padding, Params, Side};
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::seed::Seed;

use super::data::{JoinData, keys_digest};
use super::error::JoinError;
use super::stream::CHUNK;
use crate::binding;
use crate::config::{Alignment, RunConfig};
use crate::ids::PartyId;

/// Keys in one message of a plain alignment.
const PLAIN_BATCH: usize = CHUNK / 32;

/// What a pair of parties knows of its common entities. Positions are secret to their owner: not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Aligned {
    /// For each own key, in the order of the data engine, its position in the union.
    pub positions: Vec<u32>,
    /// Positions of the union.
    pub union: u64,
    /// Digest of the own keys.
    pub keys: Digest,
}

impl std::fmt::Debug for Aligned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aligned({} of {})", self.positions.len(), self.union)
    }
}

/// Whose keys are aligned.
#[derive(Clone, Debug)]
pub enum Own {
    /// An attribute party's entities.
    Entities,
    /// What a row party's rows name at a party.
    References(PartyId),
}

impl Own {
    /// Reads the keys.
    ///
    /// # Errors
    /// [`JoinError::Data`].
    pub fn read(&self, data: &dyn JoinData) -> Result<Vec<[u8; 32]>, JoinError> {
        match self {
            Self::Entities => data.entities(),
            Self::References(party) => data.references(party),
        }
        .map_err(JoinError::Data)
    }

    fn side(&self) -> Side {
        match self {
            Self::Entities => Side::Attribute,
            Self::References(_) => Side::Row,
        }
    }
}

/// A private alignment with its messages so far.
#[derive(Debug)]
pub struct Machine {
    /// The machine.
    pub align: Align,
    /// Digest of the own keys.
    pub keys: Digest,
}

impl Machine {
    /// A machine for one pair.
    ///
    /// # Errors
    /// Data that cannot be read, or sets that are too small or too large.
    pub fn start(
        data: &dyn JoinData,
        config: &RunConfig,
        own: &Own,
        pair: (&PartyId, &PartyId),
        seed: &Seed,
    ) -> Result<Self, JoinError> {
        let keys = own.read(data)?;
        let (minimum, pad) = match config.join().map(|join| join.alignment) {
            Some(Alignment::Private { minimum, pad }) => (minimum.max(1), pad),
            _ => (1, 0),
        };
        let padding = if pad == 0 { None } else { Some(Padding::new(pad)?) };
        let context = hash(
            "hedgerow/protocol/join/align/1",
            &[&binding::relay_context(
                config.run,
                &config.digest(),
                pair.0,
                pair.1,
            )],
        );
        let params = Params::new(&context, minimum, padding)?;
        Ok(Self {
            align: Align::new(own.side(), &params, &keys, seed)?,
            keys: keys_digest(&keys),
        })
    }

    /// Takes messages of the peer, in order.
    ///
    /// # Errors
    /// [`JoinError::Align`].
    pub fn receive(&mut self, messages: Vec<Vec<u8>>) -> Result<(), JoinError> {
        for message in messages {
            self.align.receive(self.align.next(), &message)?;
        }
        Ok(())
    }

    /// Own messages of a range, as far as they are determined.
    pub fn messages(&self, range: Range<u32>) -> Vec<(u32, Outgoing)> {
        range
            .map_while(|seq| Some((seq, self.align.message(seq)?)))
            .collect()
    }

    /// The result, if it is there.
    pub fn result(&self) -> Option<Aligned> {
        self.align.result().map(|result| Aligned {
            positions: result.positions.clone(),
            union: u64::from(result.union),
            keys: self.keys,
        })
    }
}

/// Plain alignment, attribute side: all keys, in messages; and the result. One position more than there are keys
/// stands for all entities that the row party names in vain.
///
/// # Errors
/// [`JoinError::Data`].
pub fn tell(data: &dyn JoinData) -> Result<(Vec<Vec<u8>>, Aligned), JoinError> {
    let keys = Own::Entities.read(data)?;
    let mut messages: Vec<Vec<u8>> = keys
        .chunks(PLAIN_BATCH)
        .map(|keys| keys.as_flattened().to_vec())
        .collect();
    if messages.is_empty() {
        messages.push(Vec::new());
    }
    let aligned = Aligned {
        positions: (0u32..).take(keys.len()).collect(),
        union: keys.len() as u64 + 1,
        keys: keys_digest(&keys),
    };
    Ok((messages, aligned))
}

/// Plain alignment, row side: the keys that the attribute party has told.
///
/// # Errors
/// [`JoinError::Data`], or bytes that are no distinct keys.
pub fn hear(data: &dyn JoinData, party: &PartyId, messages: &[Vec<u8>]) -> Result<Aligned, JoinError> {
    let own = Own::References(party.clone()).read(data)?;
    let mut theirs: HashMap<[u8; 32], u32> = HashMap::new();
    for message in messages {
        let unreadable = || JoinError::Unreadable {
            what: "a list of keys",
            length: message.len(),
        };
        let (keys, []) = message.as_chunks::<32>() else {
            return Err(unreadable());
        };
        for key in keys {
            let position = u32::try_from(theirs.len()).map_err(|_| unreadable())?;
            if theirs.insert(*key, position).is_some() {
                return Err(unreadable());
            }
        }
    }
    let nobody = u32::try_from(theirs.len()).unwrap_or(u32::MAX);
    Ok(Aligned {
        positions: own
            .iter()
            .map(|key| theirs.get(key).copied().unwrap_or(nobody))
            .collect(),
        union: u64::from(nobody) + 1,
        keys: keys_digest(&own),
    })
}
