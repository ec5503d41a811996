//! What a party journals: each request that it accepted, with the answer that it gave.
//!
//! State is a function of the requests and of the round's secret, so a restored machine runs through the same
//! checks again and takes the stored answers instead of making new ones. Round secrets are not here: records
//! stay, secrets go (see [`super::Output::StoreRoundSecret`]).

use hedgerow_crypto::hash::Digest;
use serde::{Deserialize, Serialize};

use crate::ids::{PartyId, RoundId};
use crate::join::score::Asked;
use crate::refusal::Refusal;
use crate::wire::{self, ToCoordinator, ToParty};

/// The layout of [`Record`]; a journal of another layout is refused.
const LAYOUT: u8 = 2;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Record {
    /// A request was accepted, and answered if it asks for an answer.
    Exchange {
        request: ToParty,
        response: Option<ToCoordinator>,
    },
    /// The driver has evaluated the model.
    Done { response: ToCoordinator },
    /// The common entities with a counterpart: for each own key its position in the union.
    Aligned {
        peer: PartyId,
        positions: Vec<u32>,
        union: u64,
        keys: Digest,
    },
    /// Row party: answers to the next unit of an attribute party are made from these ciphertexts and no others.
    Answering {
        round: RoundId,
        peer: PartyId,
        digest: Digest,
    },
    /// Attribute party: so many scores are asked for in a batch.
    Scored { peer: PartyId, batch: u64, rows: u64 },
    /// Row party: scores of these rows are asked for, so often for each entity.
    Asked(Asked),
    /// Attribute party: what its entities are like; the run goes on with these and no others.
    Attributes { digest: Digest },
}

/// A journal that cannot be continued.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A record is of another layout of this software.
    #[error("journal record {index} has layout {found}, this software reads layout {LAYOUT}")]
    Layout {
        /// Position in the journal.
        index: usize,
        /// Layout found.
        found: u8,
    },
    /// A record cannot be read.
    #[error("journal record {index} of {length} bytes cannot be read")]
    Unreadable {
        /// Position in the journal.
        index: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// A record does not follow from those before it.
    #[error("journal record {index} does not follow from those before it")]
    OutOfOrder {
        /// Position in the journal.
        index: usize,
    },
    /// The enrolment was signed with another key.
    #[error("journal record {index} was not signed by this party: the state folder belongs to another one")]
    OtherParty {
        /// Position in the journal.
        index: usize,
    },
    /// A request that was accepted is not acceptable any more: identity, policy or certificates have changed.
    #[error("journal record {index} is not acceptable any more: {refusal}")]
    Refused {
        /// Position in the journal.
        index: usize,
        /// Why.
        refusal: Box<Refusal>,
    },
}

impl Record {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Our types have no unsupported parts, so this cannot fail.
        postcard::to_extend(self, vec![LAYOUT]).unwrap_or_default()
    }

    pub(super) fn from_bytes(index: usize, bytes: &[u8]) -> Result<Self, RestoreError> {
        match bytes.split_first() {
            Some((&LAYOUT, body)) => wire::from_bytes(body).map_err(|_| RestoreError::Unreadable {
                index,
                length: bytes.len(),
            }),
            Some((&found, _)) => Err(RestoreError::Layout { index, found }),
            None => Err(RestoreError::Unreadable { index, length: 0 }),
        }
    }
}
