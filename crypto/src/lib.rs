//! The cryptography of Hedgerow: seeds, signatures, sealing, and the masks of secure aggregation.
//!
//! It is not a network and not a protocol: no input or output, no clock, no global state but a cache of public tables
//! ([`ring::ntt`]); randomness is an argument. Primitives come from RustCrypto and dalek, the kernel
//! of number-theoretic transforms from tfhe-ntt, programmable bootstraps from tfhe; what is built here is how they are put together.
//!
//! | module | what it holds |
//! |---|---|
//! | [`secret`] | `Secret<T>`: wiped on drop, never printed, never serialised |
//! | [`domain`] | every domain-separation constant |
//! | [`hash`] | SHA-256 over a domain and length-prefixed parts |
//! | [`seed`] | 32 secret bytes, from which all other secrets derive |
//! | [`identity`] | Ed25519 signatures of parties |
//! | [`seal`] | X25519 and ChaCha20-Poly1305 between two parties |
//! | [`align`] | a private union join of keys: a common index that tells neither side who is known to the other |
//! | [`mask`] | masks that cancel in a sum, and the recovery of those of a party that dropped |
//! | [`ring`] | polynomials modulo primes: transforms, samplers, the switch to a smaller modulus |
//! | [`rlwe`] | keys and ciphertexts of lattice schemes, checked against the security table |
//! | [`exact`] | encrypted inner products of integers that end as additive shares |
//! | [`sign`] | whether an encrypted number is negative, as one encrypted bit: TFHE |
//! | [`ckks`] | approximate arithmetic on encrypted vectors of real and complex numbers |
//!
//! Secrets are wiped when they are dropped, as far as safe Rust reaches: copies that the compiler leaves in
//! registers and dead stack frames are not, nor are the states of generators that [`seed::Seed::rng`] hands out. No
//! branch and no index depends on a secret, but for how often [`mask::prg`] and [`ring::sample`] reject a number.
// Only `ring::simd` allows itself unsafe code.
#![deny(unsafe_code)]

mod fixed;

pub mod align;
pub mod ckks;
pub mod domain;
pub mod exact;
pub mod hash;
pub mod identity;
pub mod mask;
pub mod ring;
pub mod rlwe;
pub mod seal;
pub mod secret;
pub mod seed;
pub mod sign;

#[cfg(test)]
mod secrets_tests;
