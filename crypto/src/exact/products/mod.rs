//! Products of ciphertexts: integers modulo a prime `p` in `N` slots, with certain bounds on the noise.
//!
//! A phase `c0 + c1 s` is the message plus a multiple of `p` (Brakerski, Gentry, Vaikuntanathan, *(Leveled) fully
//! homomorphic encryption without bootstrapping*, ITCS 2012). All primes are `1` modulo `p`, so that dropping one leaves the
//! message as it is. Before an answer leaves, the phase is divided by `-p`: that is the message times `Q / p`, rounded, as
//! everywhere in [`exact`](super), and the answer is hidden and opened as everywhere.
//!
//! The sum over all slots is `N` times the constant coefficient: it takes no rotations (the values at all roots of
//! `X^N + 1` of `X^k`, `0 < k < N`, sum to zero).
//!
//! | module | what it holds |
//! |---|---|
//! | [`params`] | primes of unequal sizes, checked against the security table in one constructor |
//! | [`noise`] | what the noise of any circuit never exceeds |
//! | [`fit`] | the smallest parameters of a circuit |
//! | [`ciphertext`] | ciphertexts with their noise, lazy sums of products, counts |
//! | [`evaluate`] | sums, products, lazy sums of products, rotations, answers; the same without ciphertexts, for bounds |
//! | [`key`] | the owner of the key: encrypt, open; encryption with the public key |

pub mod ciphertext;
pub mod evaluate;
pub mod fit;
pub mod key;
pub mod noise;
pub mod params;

pub use ciphertext::{Counts, ProductCiphertext, ProductSum};
pub use evaluate::ProductEvaluator;
pub use key::{ProductKey, ProductKeys, ProductPublic};
pub use noise::NoiseModel;
pub use params::{ProductLiteral, ProductParams};

#[cfg(test)]
mod tests;
