//! Every domain-separation constant of this crate, in one file, so that no two uses can meet by accident.
//!
//! The number at the end is the version of the construction. It changes when bytes change.

/// HKDF salt of [`crate::seed::Seed::derive`].
pub const SEED_DERIVE: &str = "hedgerow/seed/derive/1";
/// HKDF salt from an X25519 shared secret to a sealing pair key.
pub const SEAL_PAIR: &str = "hedgerow/seal/pair/1";
/// From a sealing pair key to the key of one message.
pub const SEAL_MESSAGE: &str = "hedgerow/seal/message/1";
/// HKDF salt from an X25519 shared secret to a pair mask seed.
pub const MASK_PAIR: &str = "hedgerow/mask/pair/1";
/// From a mask seed to the AES key that expands it.
pub const MASK_PRG: &str = "hedgerow/mask/prg/1";
/// Digest of what the masks of a round are bound to.
pub const MASK_TRANSCRIPT: &str = "hedgerow/mask/transcript/1";

/// All of the above, for the test that they differ.
#[cfg(test)]
const ALL: [&str; 6] = [
    SEED_DERIVE,
    SEAL_PAIR,
    SEAL_MESSAGE,
    MASK_PAIR,
    MASK_PRG,
    MASK_TRANSCRIPT,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn all_differ_and_every_constant_is_listed() {
        assert_eq!(ALL.iter().collect::<BTreeSet<_>>().len(), ALL.len());
        let declared = include_str!("domain.rs")
            .lines()
            .filter(|line| line.starts_with("pub const "))
            .count();
        assert_eq!(declared, ALL.len());
    }
}
