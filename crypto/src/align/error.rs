//! What can go wrong in an alignment. Every error names what came and what was expected; none tells a key.

use thiserror::Error;

use super::message::Kind;
use crate::hash::Digest;

/// Why an alignment cannot begin, or why a message was refused. A refused message leaves the machine as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The declared minimum must keep at least one key.
    #[error("an alignment needs a minimum of at least {expected} keys, and {actual} is declared")]
    Minimum {
        /// Declared.
        actual: u32,
        /// Least that may be declared.
        expected: u32,
    },
    /// No pool of dummies within bounds gives what was asked.
    #[error("no dummy pool of at most {maximum} keys gives epsilon {epsilon} at delta {delta}")]
    Padding {
        /// Asked, as text.
        epsilon: String,
        /// Asked, as text.
        delta: String,
        /// Largest pool.
        maximum: u32,
    },
    /// A dummy pool whose size is odd or out of bounds.
    #[error("a dummy pool of {actual} keys: it must be even, at least 2 and at most {maximum}")]
    Pool {
        /// Asked.
        actual: u32,
        /// Largest pool.
        maximum: u32,
    },
    /// One's own set, or that of the peer, is too small to hide anything.
    #[error("{whose} has {actual} keys, and at least {expected} are required")]
    TooFew {
        /// Whose set.
        whose: Whose,
        /// Keys there are, dummies not counted.
        actual: u64,
        /// Keys there must be.
        expected: u64,
    },
    /// One's own set, or that of the peer, exceeds what positions are made for.
    #[error("{whose} has {actual} keys, and at most {expected} are supported")]
    TooMany {
        /// Whose set.
        whose: Whose,
        /// Keys there are, dummies counted.
        actual: u64,
        /// Keys there may be.
        expected: u64,
    },
    /// One's own list names a key twice.
    #[error("keys {first} and {second} of the list are equal, and each may stand there once")]
    Duplicate {
        /// The earlier index in the caller's list.
        first: usize,
        /// The later index.
        second: usize,
    },
    /// The peer follows other parameters.
    #[error("the peer aligns under parameters {actual}, and here they are {expected}")]
    Parameters {
        /// Of the peer.
        actual: Digest,
        /// Ours.
        expected: Digest,
    },
    /// Both ends say that they are the same side.
    #[error("the peer says that it is side {actual}, and side {} ({expected:?}) was expected", *expected as u8)]
    Side {
        /// As the peer says.
        actual: u8,
        /// The side that this one is not.
        expected: super::Side,
    },
    /// A message out of turn, repeated or left out.
    #[error("message {actual} came, and message {expected} is next")]
    Sequence {
        /// That came.
        actual: u32,
        /// That is next.
        expected: u32,
    },
    /// A message after the last.
    #[error("message {actual} came, and message {last} was the last")]
    Finished {
        /// That came.
        actual: u32,
        /// That was the last.
        last: u32,
    },
    /// A message of another version of the protocol.
    #[error("message {seq} has version {actual}, and {expected} is spoken here")]
    Version {
        /// Number of the message.
        seq: u32,
        /// That came.
        actual: u8,
        /// Spoken here.
        expected: u8,
    },
    /// A message of another kind than its number calls for.
    #[error("message {seq} is of kind {actual}, and {expected:?} ({}) is due", *expected as u8)]
    Kind {
        /// Number of the message.
        seq: u32,
        /// That came.
        actual: u8,
        /// Due.
        expected: Kind,
    },
    /// A message of another length than its number and kind call for.
    #[error("message {seq} is {actual} bytes long, and {expected} are due")]
    Length {
        /// Number of the message.
        seq: u32,
        /// That came.
        actual: usize,
        /// Due.
        expected: usize,
    },
    /// A count in a message that does not follow from the set sizes.
    #[error("message {seq} counts {actual} {what}, and {expected} are due")]
    Count {
        /// Number of the message.
        seq: u32,
        /// Of what.
        what: &'static str,
        /// That came.
        actual: u64,
        /// Due, or the most there may be.
        expected: u64,
    },
    /// Bytes that are no canonical ristretto255 encoding, or the identity.
    #[error(
        "item {index} of message {seq} is {actual}, and an element of ristretto255 other than the identity is due"
    )]
    Element {
        /// Number of the message.
        seq: u32,
        /// Item of the message, from 0.
        index: usize,
        /// What it is.
        actual: &'static str,
    },
    /// Items of a sorted stage are out of order, or one is there twice.
    #[error(
        "item {index} of message {seq} is not above the one before it, and the stage is sorted without repeats"
    )]
    Order {
        /// Number of the message.
        seq: u32,
        /// Item of the message, from 0.
        index: usize,
    },
    /// An element came twice in a stage where all differ.
    #[error("a stage that message {seq} completes has {actual} different elements, and {expected} are due")]
    Repeated {
        /// Number of the message that completed the stage.
        seq: u32,
        /// Different elements.
        actual: usize,
        /// Elements.
        expected: usize,
    },
    /// Own pseudonyms are not where they must be.
    #[error("{actual} of this side's {expected} pseudonyms are in the union that the peer sent")]
    NotInUnion {
        /// Found, at different positions.
        actual: usize,
        /// Own keys and dummies.
        expected: usize,
    },
}

/// Whose set an error speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This side's.
    Own,
    /// The other side's.
    Peer,
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Own => "this side",
            Self::Peer => "the peer",
        })
    }
}
