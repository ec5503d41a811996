//! 32 secret bytes, from which other secrets derive by label.

use std::fmt;

use hkdf::Hkdf;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::domain;
use crate::secret::Secret;

/// 32 uniform secret bytes. Wiped on drop, redacted, never serialised; compared in constant time.
#[derive(Clone)]
pub struct Seed(Secret<[u8; 32]>);

impl Seed {
    /// A fresh seed.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Secret::new([0; 32]);
        rng.fill_bytes(bytes.expose_mut());
        Self(bytes)
    }

    /// A seed from bytes that were exposed before, as by a journal.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The bytes, for a journal, a sealed message or a key schedule.
    pub const fn expose_bytes(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The seed for one use of this one: HKDF-SHA256 (RFC 5869), with the label and the context in the `info`,
    /// the label preceded by its length. Different (label, context) give independent seeds.
    pub fn derive(&self, label: &str, context: &[u8]) -> Self {
        let length = (label.len() as u64).to_le_bytes();
        expand(
            domain::SEED_DERIVE,
            self.expose_bytes(),
            &[&length, label.as_bytes(), context],
        )
    }

    /// A generator seeded with these bytes. Use each seed for one generator only; derive others. ChaCha20Rng does not
    /// wipe its state: keep generators short-lived.
    pub fn rng(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(*self.expose_bytes())
    }
}

/// HKDF-SHA256 from secret input to a seed. The parts of `info` are joined as they are: the caller delimits.
pub(crate) fn expand(salt: &str, input: &[u8], info: &[&[u8]]) -> Seed {
    let mut okm = Secret::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt.as_bytes()), input)
        .expand_multi_info(info, okm.expose_mut())
        .expect("HKDF-SHA256 yields up to 8160 bytes, and 32 are asked");
    Seed(okm)
}

impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        self.expose_bytes().ct_eq(other.expose_bytes()).into()
    }
}

impl Eq for Seed {}

impl ZeroizeOnDrop for Seed {}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_core::Rng;

    use super::*;

    /// RFC 5869, appendix A.1: the primitive.
    #[test]
    fn the_primitive_is_hkdf_sha256() {
        let salt = hex::decode("000102030405060708090a0b0c").unwrap();
        let (prk, hkdf) = Hkdf::<Sha256>::extract(Some(&salt), &[0x0b; 22]);
        assert_eq!(
            hex::encode(prk),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
        );
        let mut okm = [0; 42];
        hkdf.expand(&hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap(), &mut okm)
            .unwrap();
        assert_eq!(
            hex::encode(okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    /// RFC 5869, appendix A.1, through our own `expand`: the first 32 bytes of the same output, were the salt
    /// text. The salt of the vector is not, so appendix A.3 (no salt) is taken: an empty salt is the same HMAC key.
    #[test]
    fn expand_is_hkdf_sha256() {
        let seed = expand("", &[0x0b; 22], &[]);
        assert_eq!(
            hex::encode(seed.expose_bytes()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
        );
    }

    #[test]
    fn derived_seeds_differ_by_label_context_boundary_and_parent() {
        let parent = Seed::from_bytes([7; 32]);
        let other = Seed::from_bytes([8; 32]);
        let seeds = [
            parent.clone(),
            parent.derive("", b""),
            parent.derive("ab", b"c"),
            parent.derive("a", b"bc"),
            parent.derive("ab", b"d"),
            parent.derive("abc", b""),
            other.derive("ab", b"c"),
        ];
        let distinct: BTreeSet<_> = seeds.iter().map(|seed| *seed.expose_bytes()).collect();
        assert_eq!(distinct.len(), seeds.len());
        assert_eq!(parent.derive("ab", b"c"), parent.derive("ab", b"c"));
    }

    #[test]
    fn generators_repeat_and_differ() {
        let seed = Seed::from_bytes([1; 32]);
        assert_eq!(seed.rng().next_u64(), seed.rng().next_u64());
        let mut rng = seed.rng();
        assert_ne!(Seed::random(&mut rng), Seed::random(&mut rng));
    }

    #[test]
    fn prints_nothing_of_the_bytes() {
        assert_eq!(format!("{:?}", Seed::from_bytes([0xab; 32])), "Seed(redacted)");
    }
}
