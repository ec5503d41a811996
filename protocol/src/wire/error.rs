//! What is wrong with bytes from outside.

use super::{Kind, MAGIC, PROTOCOL_VERSIONS};

/// Bytes that are no frame, message or vector of this protocol. The connection they came over is of no
/// further use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The frame does not start with the magic.
    #[error("the frame starts with {actual:02x?}, expected {MAGIC:02x?}: this is no Hedgerow peer")]
    Magic {
        /// First four bytes.
        actual: [u8; 4],
    },
    /// The frame is of a version that this software does not speak.
    #[error("the frame is of version {actual}, this software speaks {} to {}", PROTOCOL_VERSIONS.start(), PROTOCOL_VERSIONS.end())]
    Version {
        /// Version of the frame.
        actual: u16,
    },
    /// The frame is of a kind that nobody knows.
    #[error("the frame is of unknown kind {actual:#04x}")]
    Kind {
        /// Kind of the frame.
        actual: u8,
    },
    /// The reserved byte of the header is not zero.
    #[error("the reserved byte of the header is {actual:#04x}, expected zero")]
    Reserved {
        /// Byte found.
        actual: u8,
    },
    /// The frame is longer than its kind may be; nothing was allocated.
    #[error("a {kind} frame of {actual} bytes, at most {limit} are allowed")]
    TooLong {
        /// Kind of the frame.
        kind: Kind,
        /// Length that the header declares.
        actual: usize,
        /// Limit of the kind.
        limit: usize,
    },
    /// The frame ends before its header says.
    #[error("the frame ends after {actual} bytes, expected {expected}")]
    Truncated {
        /// Bytes there.
        actual: usize,
        /// Bytes declared.
        expected: usize,
    },
    /// The payload is no message.
    #[error("the payload of {length} bytes is no {kind} message")]
    Payload {
        /// Kind of the frame.
        kind: Kind,
        /// Bytes there.
        length: usize,
    },
    /// The payload is a message of another kind than the header says, or of the other direction.
    #[error("a {header} frame carries another message")]
    KindMismatch {
        /// Kind of the header.
        header: Kind,
    },
}
