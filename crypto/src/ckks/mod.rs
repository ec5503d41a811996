//! Approximate arithmetic on encrypted vectors of real or complex numbers (Cheon, Kim, Kim, Song, *Homomorphic encryption
//! for arithmetic of approximate numbers*, Asiacrypt 2017) in residues (Cheon et al., *A full RNS variant*, SAC 2018),
//! with hybrid key switching (Han and Ki, *Better bootstrapping for approximate homomorphic encryption*, CT-RSA 2020).
//!
//! A ciphertext at level `l` has `l + 1` primes and may be rescaled `l` times. Every level has a *canonical scale*,
//! [`Params::scale`]; what is encoded, multiplied and rescaled by the book always has the canonical scale of its level, to
//! the last bit. Additions of unequal scales are errors.
//!
//! | module | what it holds |
//! |---|---|
//! | [`params`] | degree, chain of primes, digits: checked against the security table in one constructor |
//! | [`encoder`] | numbers to polynomials and back; how a result is published |
//! | [`key`] | secret and public keys |
//! | [`eval_key`] | relinearisation and Galois keys, made by plan |
//! | [`ciphertext`] | ciphertexts, and fresh ones whose second half is a seed |
//! | [`evaluator`] | all arithmetic |
//! | [`diagonals`] | linear transforms given by their diagonals |
//! | [`chebyshev`] | polynomials in the Chebyshev basis |
//! | [`functions`] | sign and inverse, by iteration |
//! | [`noise`] | how much noise operations add, predicted |
//! | [`codec`] | bytes of ciphertexts and keys |
//!
//! # What is not hidden
//! A decrypted number carries the noise of its computation, and noise tells about the key (Li and Micciancio, *On the
//! security of homomorphic encryption on approximate numbers*, Eurocrypt 2021). Whoever passes a result on to anybody
//! but the key's owner takes [`Encoder::decode_public`].

pub mod chebyshev;
pub mod ciphertext;
pub mod codec;
pub mod diagonals;
pub mod encoder;
pub mod eval_key;
pub mod evaluator;
pub mod functions;
pub mod key;
pub mod noise;
pub mod params;

mod bits;
mod error;
mod eval_key_codec;
mod fft;
mod key_switch;
mod parallel;
mod periodic;
mod plaintext;
mod tables;
mod transform;

pub use chebyshev::Chebyshev;
pub use ciphertext::{Ciphertext, SeededCiphertext};
pub use diagonals::{Diagonals, PreparedDiagonals};
pub use encoder::Encoder;
pub use error::CkksError;
pub use eval_key::{EvalKeys, KeyPlan};
pub use evaluator::{Evaluator, Rescale, Scratch};
pub use fft::Complex;
pub use key::{PublicKey, SecretKey};
pub use params::{INSECURE_ParamsLiteral, Params, ParamsLiteral};
pub use periodic::{Combination, PeriodicPlaintext};
pub use plaintext::{Decrypted, Plaintext, PreparedPlaintext};

pub use crate::rlwe::KeyId;

#[cfg(test)]
mod tests;
