//! What the attribute party sends: bits, encrypted.

use super::error::ExactError;
use super::scheme::Scheme;
use crate::rlwe::codec::{HEADER_BYTES, Header, Kind};
use crate::rlwe::{KeyId, SeededCiphertext};

/// One block of encrypted bits. Its second half is a 32-byte seed; its first is kept packed until it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedBlock {
    pub(super) header: Header,
    pub(super) key: KeyId,
    pub(super) body: SeededCiphertext,
}

impl EncryptedBlock {
    /// The key that it is encrypted under.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// Header, first half in values packed to 50 bits, seed of the second.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.header.write(self.key, &mut bytes);
        self.body.write(&mut bytes);
        bytes
    }

    pub(super) fn bytes(scheme: &Scheme) -> usize {
        HEADER_BYTES + SeededCiphertext::bytes(&scheme.ring)
    }

    pub(super) fn read(scheme: &Scheme, bytes: &[u8]) -> Result<Self, ExactError> {
        let header = scheme.header(Kind::Seeded);
        let (key, rest) = header.read(bytes, SeededCiphertext::bytes(&scheme.ring))?;
        Ok(Self {
            header,
            key,
            body: SeededCiphertext::read(&scheme.ring, rest)?,
        })
    }
}
