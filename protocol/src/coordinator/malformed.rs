//! What a party may get wrong. The sender is the culprit: the transport has told who it is.

use crate::ids::PartyId;

/// A message that no correct party sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Malformed {
    #[error("keys in the name of {named}")]
    OthersKeys { named: PartyId },
    #[error("the same key as {other}")]
    SameKeys { other: PartyId },
    #[error("the signature under {what} does not verify")]
    Signature { what: &'static str },
    #[error("{what} for {found:?}, expected {expected:?}")]
    Addressees {
        what: &'static str,
        found: Vec<PartyId>,
        expected: Vec<PartyId>,
    },
    #[error("{what} for {party} of {actual} bytes, at most {limit}")]
    TooLong {
        what: &'static str,
        party: PartyId,
        actual: usize,
        limit: usize,
    },
    #[error("{reason}")]
    Vector { reason: String },
    #[error("both kinds of shares for {party}")]
    BothShares { party: PartyId },
    #[error("the {what} share for {party} cannot be read: {reason}")]
    Share {
        what: &'static str,
        party: PartyId,
        reason: String,
    },
    #[error("the {what} share for {party} has index {actual}, this party holds index {expected}")]
    ShareIndex {
        what: &'static str,
        party: PartyId,
        actual: usize,
        expected: usize,
    },
    #[error("a message for or about {named}, which is no counterpart of this party")]
    Counterpart { named: PartyId },
    #[error("its union with {with} has {second} keys, and had {first}")]
    AlignedAnew { with: PartyId, first: u64, second: u64 },
    #[error("{what}, expected {expected}")]
    Fixed {
        what: &'static str,
        expected: &'static str,
    },
    #[error("a message of {mode} in a run that does not use it")]
    Mode { mode: &'static str },
}
