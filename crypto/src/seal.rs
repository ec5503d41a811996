//! Sealing between two parties: X25519 (RFC 7748), HKDF-SHA256, ChaCha20-Poly1305 (RFC 8439).
//!
//! A sealing key is made for one round and never shared or reconstructed; it is a type of its own, so that it
//! cannot be taken for a mask key, which is. Each message has its own AEAD key, derived from the pair, the
//! direction and the message's label, and therefore a constant nonce: one (key, nonce) is used once as long as one
//! label seals one plaintext. Sealing the same again, as after a restart, gives the same bytes.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::domain;
use crate::fixed;
use crate::secret::Secret;
use crate::seed::{self, Seed};

/// What sealing adds to the length of a plaintext: the tag, in bytes.
pub const OVERHEAD: usize = 16;

/// The secret half of a sealing key.
#[derive(Clone)]
pub struct SealingSecret(StaticSecret);

impl SealingSecret {
    /// The key whose X25519 scalar is the seed (clamped when used).
    pub fn from_seed(seed: &Seed) -> Self {
        Self(StaticSecret::from(*seed.expose_bytes()))
    }

    /// The public half.
    pub fn public(&self) -> SealingPublic {
        SealingPublic(PublicKey::from(&self.0).to_bytes())
    }

    /// The key shared with the holder of `their`, bound to the context (run, round, ...), the same on both sides.
    ///
    /// # Errors
    /// `their` has low order, which would make the shared secret a constant that everybody knows.
    pub fn pair(&self, their: &SealingPublic, context: &[u8]) -> Result<PairKey, SealError> {
        let shared = self.0.diffie_hellman(&PublicKey::from(their.0));
        if !shared.was_contributory() {
            return Err(SealError::LowOrder {
                key: hex::encode(their.0),
            });
        }
        let own = self.public();
        let (low, high) = if own <= *their {
            (own, *their)
        } else {
            (*their, own)
        };
        let root = seed::expand(domain::SEAL_PAIR, shared.as_bytes(), &[&low.0, &high.0, context]);
        Ok(PairKey {
            root,
            own,
            their: *their,
        })
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingSecret(redacted)")
    }
}

/// The public half of a sealing key: 32 bytes, unchecked until [`SealingSecret::pair`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealingPublic([u8; 32]);

impl SealingPublic {
    /// A key from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of RFC 7748.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for SealingPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublic({}..)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for SealingPublic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fixed::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for SealingPublic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fixed::deserialize(deserializer).map(Self)
    }
}

/// What two parties share for a context, seen from one of them.
#[derive(Clone)]
pub struct PairKey {
    root: Seed,
    own: SealingPublic,
    their: SealingPublic,
}

impl PairKey {
    /// Seals a plaintext for the other party; [`OVERHEAD`] bytes longer. `aad` is authenticated, not sent.
    ///
    /// **One label seals one plaintext and one `aad`.** Whoever seals different ones under the same label of the
    /// same pair reveals their difference; take a label for each message of the context.
    pub fn seal(&self, label: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.cipher(self.own, self.their, label)
            .encrypt(&Nonce::default(), Payload { msg: plaintext, aad })
            .expect("ChaCha20-Poly1305 takes up to 256 GiB")
    }

    /// Opens what the other party sealed under the same label with the same `aad`.
    ///
    /// # Errors
    /// Shorter than a tag, or not sealed by the other party in just this way.
    pub fn open(&self, label: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealError> {
        if sealed.len() < OVERHEAD {
            return Err(SealError::Short {
                actual: sealed.len(),
                at_least: OVERHEAD,
            });
        }
        self.cipher(self.their, self.own, label)
            .decrypt(&Nonce::default(), Payload { msg: sealed, aad })
            .map(Secret::new)
            .map_err(|_| SealError::NotAuthentic {
                from: self.their,
                length: sealed.len(),
            })
    }

    fn cipher(&self, from: SealingPublic, to: SealingPublic, label: &[u8]) -> ChaCha20Poly1305 {
        let key = self
            .root
            .derive(domain::SEAL_MESSAGE, &[&from.0, &to.0, label].concat());
        ChaCha20Poly1305::new(&Key::from(*key.expose_bytes()))
    }
}

impl fmt::Debug for PairKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PairKey({:?} to {:?}, redacted)", self.own, self.their)
    }
}

/// Why nothing was sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The other party's key has low order.
    #[error("{key} is refused as an X25519 key: a point of low order")]
    LowOrder {
        /// The key, in hexadecimal.
        key: String,
    },
    /// Shorter than an empty plaintext, sealed.
    #[error("{actual} bytes are too few for a sealed message, expected at least {at_least}")]
    Short {
        /// Bytes received.
        actual: usize,
        /// Fewest bytes of any sealed message.
        at_least: usize,
    },
    /// The tag does not match.
    #[error(
        "a sealed message of {length} bytes is not from {from:?} in this place, or was changed on its way"
    )]
    NotAuthentic {
        /// Whose it should be.
        from: SealingPublic,
        /// Bytes received.
        length: usize,
    },
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
