//! Ed25519 identities (RFC 8032) and signatures under a domain.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fixed;
use crate::secret::Secret;
use crate::seed::Seed;

/// The DER of a version 1 Ed25519 `PrivateKeyInfo` up to its last 32 bytes, the key: RFC 8410, section 7. All
/// lengths in it are constant.
const PKCS8_HEAD: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// The secret half of a party's identity. Wiped on drop, redacted, never serialised but by
/// [`to_pkcs8_der`](Self::to_pkcs8_der).
#[derive(Clone)]
pub struct SigningIdentity(SigningKey);

impl SigningIdentity {
    /// The identity whose RFC 8032 private key is the seed.
    pub fn from_seed(seed: &Seed) -> Self {
        Self(SigningKey::from_bytes(seed.expose_bytes()))
    }

    /// An identity from a PKCS#8 `PrivateKeyInfo` in DER (RFC 8410), with or without the public key inside.
    ///
    /// # Errors
    /// Not PKCS#8, not Ed25519, or a public key inside that does not belong to the private one.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, IdentityError> {
        SigningKey::from_pkcs8_der(der)
            .map(Self)
            .map_err(|error| IdentityError::PrivateKey {
                length: der.len(),
                reason: error.to_string(),
            })
    }

    /// The PKCS#8 `PrivateKeyInfo` in DER, version 1: without the public key, as `openssl genpkey` writes it,
    /// because not every reader knows version 2.
    pub fn to_pkcs8_der(&self) -> Secret<Vec<u8>> {
        Secret::new([&PKCS8_HEAD, self.0.as_bytes().as_slice()].concat())
    }

    /// The public half.
    pub fn verifying(&self) -> VerifyingIdentity {
        VerifyingIdentity(self.0.verifying_key())
    }

    /// Signs the message under a domain. A signature under one domain is none under another.
    pub fn sign(&self, domain: &str, message: &[u8]) -> Signature {
        Signature(self.0.sign(&framed(domain, message)).to_bytes())
    }
}

impl fmt::Debug for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningIdentity({}, redacted)", self.verifying())
    }
}

/// The public half of a party's identity: a point of large order. 32 bytes on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingIdentity(VerifyingKey);

impl VerifyingIdentity {
    /// An identity from the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// The bytes are no point of the curve, or one of small order, under which anything verifies.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, IdentityError> {
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            Ok(_) => Err(IdentityError::SmallOrder {
                key: hex::encode(bytes),
            }),
            Err(_) => Err(IdentityError::NotAPoint {
                key: hex::encode(bytes),
            }),
        }
    }

    /// The 32 bytes of RFC 8032.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Verifies strictly: canonical encodings only, and neither key nor nonce point of small order (Chalkias,
    /// Garillot, Nikolaenko, *Taming the Many EdDSAs*, 2020), so that all parties agree on what verifies.
    ///
    /// # Errors
    /// The signature is not this identity's over this message under this domain.
    pub fn verify(&self, domain: &str, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.0
            .verify_strict(
                &framed(domain, message),
                &ed25519_dalek::Signature::from_bytes(&signature.0),
            )
            .map_err(|_| SignatureError {
                signer: self.to_string(),
                domain: domain.to_owned(),
            })
    }
}

/// The domain, preceded by its length, then the message: no two pairs are signed as the same bytes.
fn framed(domain: &str, message: &[u8]) -> Vec<u8> {
    [&(domain.len() as u64).to_le_bytes(), domain.as_bytes(), message].concat()
}

impl PartialOrd for VerifyingIdentity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for VerifyingIdentity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
    }
}

impl Hash for VerifyingIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for VerifyingIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for VerifyingIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingIdentity({self})")
    }
}

impl Serialize for VerifyingIdentity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fixed::serialize(self.0.as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for VerifyingIdentity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_bytes(&fixed::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An Ed25519 signature, 64 bytes on the wire. Well-formed or not shows when it is verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature from its 64 bytes, unverified.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes of RFC 8032.
    pub const fn to_bytes(&self) -> [u8; 64] {
        self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}..)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fixed::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fixed::deserialize(deserializer).map(Self)
    }
}

/// Bytes that are no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The bytes are not the compressed form of a point.
    #[error("{key} is no Ed25519 public key: not a point of the curve")]
    NotAPoint {
        /// The bytes, in hexadecimal.
        key: String,
    },
    /// The point has small order.
    #[error("{key} is refused as an Ed25519 public key: a point of small order")]
    SmallOrder {
        /// The bytes, in hexadecimal.
        key: String,
    },
    /// The private key file does not hold an Ed25519 key.
    #[error("{length} bytes are no Ed25519 private key in PKCS#8 DER: {reason}")]
    PrivateKey {
        /// Length of what was read, in bytes. The bytes themselves may be secret.
        length: usize,
        /// What the decoder says.
        reason: String,
    },
}

/// A signature that does not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not {signer}'s over this message under `{domain}`")]
#[non_exhaustive]
pub struct SignatureError {
    /// Whose signature it should be: the identity in hexadecimal.
    pub signer: String,
    /// Under which domain.
    pub domain: String,
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
