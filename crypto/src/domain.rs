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
/// From a public seed to the uniform half of a key or ciphertext.
pub const RLWE_UNIFORM: &str = "hedgerow/rlwe/uniform/1";
/// From a secret seed to the public seed of a uniform half.
pub const RLWE_PUBLIC_SEED: &str = "hedgerow/rlwe/public-seed/1";
/// From a seed to a secret key.
pub const RLWE_SECRET: &str = "hedgerow/rlwe/secret/1";
/// From a seed to the noise of a key or of an encryption with the secret key.
pub const RLWE_NOISE: &str = "hedgerow/rlwe/noise/1";
/// From a seed to the randomness of an encryption with the public key.
pub const RLWE_ENCRYPT: &str = "hedgerow/rlwe/encrypt/1";
/// Digest that names a public key.
pub const RLWE_KEY_ID: &str = "hedgerow/rlwe/key-id/1";
/// From a seed, a context and a plaintext to the seed of one encryption.
pub const EXACT_BLOCK: &str = "hedgerow/exact/block/1";
/// The same of numbers.
pub const EXACT_NUMBERS: &str = "hedgerow/exact/numbers/1";
/// From a seed to the seed of the re-randomization of an answer.
pub const EXACT_ANSWER: &str = "hedgerow/exact/answer/1";
/// From a seed to the flooding of an answer.
pub const EXACT_FLOOD: &str = "hedgerow/exact/flood/1";
/// From a seed to that of the key of one automorphism.
pub const EXACT_GALOIS: &str = "hedgerow/exact/galois/1";
/// The secret keys of encrypted signs.
pub const SIGN_SECRET: &str = "hedgerow/sign/secret/1";
/// The noise of the keys of encrypted signs.
pub const SIGN_NOISE: &str = "hedgerow/sign/noise/1";
/// The public halves of the keys of encrypted signs.
pub const SIGN_MASK: &str = "hedgerow/sign/mask/1";
/// The names of the keys of encrypted signs.
pub const SIGN_KEY_ID: &str = "hedgerow/sign/key-id/1";
/// The soaking of an encrypted sign.
pub const SIGN_SOAK: &str = "hedgerow/sign/soak/1";
/// Digest of the parameters of approximate arithmetic.
pub const CKKS_PARAMS: &str = "hedgerow/ckks/params/1";
/// From the seed of a key to its public name.
pub const CKKS_KEY_ID: &str = "hedgerow/ckks/key-id/1";
/// From a seed to that of one digit of one evaluation key.
pub const CKKS_EVAL_KEY: &str = "hedgerow/ckks/eval-key/1";
/// From a seed to the seed of the public key.
pub const CKKS_PUBLIC_KEY: &str = "hedgerow/ckks/public-key/1";
/// Digest of the parameters of an alignment.
pub const ALIGN_PARAMS: &str = "hedgerow/align/params/1";
/// From a key to a group element.
pub const ALIGN_ELEMENT: &str = "hedgerow/align/element/1";

/// All of the above, for the test that they differ.
#[cfg(test)]
const ALL: [&str; 28] = [
    SEED_DERIVE,
    SEAL_PAIR,
    SEAL_MESSAGE,
    MASK_PAIR,
    MASK_PRG,
    MASK_TRANSCRIPT,
    RLWE_UNIFORM,
    RLWE_PUBLIC_SEED,
    RLWE_SECRET,
    RLWE_NOISE,
    RLWE_ENCRYPT,
    RLWE_KEY_ID,
    EXACT_BLOCK,
    EXACT_NUMBERS,
    EXACT_ANSWER,
    EXACT_FLOOD,
    EXACT_GALOIS,
    SIGN_SECRET,
    SIGN_NOISE,
    SIGN_MASK,
    SIGN_KEY_ID,
    SIGN_SOAK,
    CKKS_PARAMS,
    CKKS_KEY_ID,
    CKKS_EVAL_KEY,
    CKKS_PUBLIC_KEY,
    ALIGN_PARAMS,
    ALIGN_ELEMENT,
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
