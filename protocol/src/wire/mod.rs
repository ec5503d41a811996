//! What travels: frames, messages, vectors.
//!
//! A frame is a 12-byte header (magic, version, kind, length) and a payload of one postcard message. The
//! length is checked against the limit of the kind before memory is taken for it. Crypto payloads are opaque
//! bytes here; they are decoded where their parameters are known. Pinned by `tests/tests/wire_snapshots.rs`.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

mod bytes;
mod channel;
mod error;
mod frame;
mod limits;
mod message;
pub mod vector;

pub use channel::{Channel, MAX_CHUNK_LEN};
pub use error::WireError;
pub use frame::{Frame, FrameDecoder, HEADER_LEN, Header, MAGIC};
pub use limits::{Kind, Limits, MAX_CELLS, MAX_CERTIFICATE_LEN, MAX_SEALED_LEN};
pub use message::{Enrolment, Message, PartyMetrics, SignedRoundKeys, ToCoordinator, ToParty};

/// The version that this software writes into every frame.
pub const PROTOCOL_VERSION: u16 = 2;

/// Versions that this software speaks; what `Hello` offers.
pub const PROTOCOL_VERSIONS: RangeInclusive<u16> = 2..=2;

/// Postcard bytes of a value of ours; our types have no unsupported parts, so this cannot fail.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap_or_default()
}

/// A value from postcard bytes, all of them.
pub(crate) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        (_, _) => Err(postcard::Error::DeserializeBadEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_the_value_are_an_error() {
        assert!(from_bytes::<u8>(&[7]).is_ok());
        assert!(from_bytes::<u8>(&[7, 0]).is_err());
    }
}
