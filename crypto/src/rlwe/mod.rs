//! Encryption from the ring learning-with-errors problem: keys, ciphertexts and their bytes.
//!
//! A ciphertext is a pair `(c0, c1)` with `c0 + c1 s = message + noise` modulo `Q`. What a message means is the
//! business of the scheme above: [`crate::exact`] puts integers modulo `p` into it as `round(Q m / p)`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`params`] | degree and primes, checked against the security table in one constructor |
//! | [`key`] | secret and public keys |
//! | [`ciphertext`] | encryption with either key; ciphertexts whose second half is a seed |
//! | [`codec`] | bytes: words packed to the primes' width, headers that say what they are for |
//! | [`sample`] | one coefficient of a ciphertext as a sample of learning with errors |
//! | [`noise`] | how much noise there is, predicted |

pub mod ciphertext;
pub mod codec;
pub mod key;
pub mod noise;
pub mod params;
pub mod sample;

pub use ciphertext::{Ciphertext, SeededCiphertext};
pub use codec::CodecError;
pub use key::{KeyId, PublicKey, SecretKey};
pub use params::{Literal, Params, ParamsError};
pub use sample::LweSample;
