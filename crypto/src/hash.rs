//! SHA-256 over a domain and parts, in an encoding that no other list of parts shares.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::fixed;

/// A SHA-256 digest, 32 bytes. Public: compared in variable time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The first 8 of 64 hexadecimal digits: enough to tell two apart in a log.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({}..)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fixed::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fixed::deserialize(deserializer).map(Self)
    }
}

/// Digest of a domain and any number of parts, each preceded by its length as a little-endian `u64`, so that
/// two different (domain, parts) never give SHA-256 the same input.
pub fn hash(domain: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_sha256_of_the_length_prefixed_parts() {
        let input = b"\x01\0\0\0\0\0\0\0d\x02\0\0\0\0\0\0\0ab\0\0\0\0\0\0\0\0";
        assert_eq!(
            hash("d", &[b"ab", b""]).0,
            <[u8; 32]>::from(Sha256::digest(input))
        );
    }

    /// FIPS 180-2, appendix B.1, in the form that `hash` cannot make: here only to pin the primitive.
    #[test]
    fn the_primitive_is_sha256() {
        assert_eq!(
            Digest(Sha256::digest(b"abc").into()).to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn prints_and_serialises() {
        let digest = Digest(core::array::from_fn(|i| i as u8));
        assert_eq!(format!("{digest:?}"), "Digest(00010203..)");
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(
            json,
            "\"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\""
        );
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        let bytes = postcard::to_stdvec(&digest).unwrap();
        assert_eq!(bytes, digest.0);
        assert_eq!(postcard::from_bytes::<Digest>(&bytes).unwrap(), digest);
        assert!(postcard::from_bytes::<Digest>(&bytes[..31]).is_err());
        let error = serde_json::from_str::<Digest>("\"0001\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected 64 hexadecimal digits"), "{error}");
    }

    proptest! {
        #[test]
        fn moving_a_boundary_changes_the_digest(bytes in prop::collection::vec(any::<u8>(), 1..40), cut: prop::sample::Index) {
            let (left, right) = bytes.split_at(cut.index(bytes.len()));
            let whole = hash("test", &[&bytes]);
            prop_assert_ne!(whole, hash("test", &[left, right]));
            prop_assert_ne!(whole, hash("test", &[&bytes, b""]));
            prop_assert_ne!(whole, hash("tes", &[&bytes]));
            prop_assert_ne!(hash("test", &[left, right]), hash("test", &[right, left, b""]));
        }
    }
}
