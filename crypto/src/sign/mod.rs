//! Is an encrypted number negative? One encrypted bit as the answer, and nothing else of the number.
//!
//! What comes in is one sample of learning with errors under any ternary key, with phase `m / 2^P` of the modulus and
//! little noise: one coefficient of a ring ciphertext, before it is opened. It is switched to the key of a published set
//! of TFHE parameters, its low digits are cleared by programmable bootstraps from the lowest up, until what is left is a
//! digit whose sign one bootstrap tells (Liu, Micciancio, Polyakov, *Large-precision homomorphic sign evaluation using
//! FHEW/TFHE bootstrapping*, ASIACRYPT 2022, ePrint 2021/1337). The result is washed: re-randomised, flooded and
//! bootstrapped again (Ducas and Stehle, *Sanitization of FHE ciphertexts*, EUROCRYPT 2016). Bootstraps, key switches and
//! their keys are those of `tfhe::core_crypto`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`params`] | which published parameters, digits, number of bootstraps, bytes |
//! | [`noise`] | noise of every step, and how surely the sign is right and hides the number |
//! | [`key`] | the client's side: keys, bytes of what the server gets, opening |
//! | [`server`] | the server's side: keys from bytes, the sign, the washing |
//!
//! # A step
//! Let `c` have phase `(m + 1/2) / 2^R`, the half making ties of no number lie on a boundary. `x = 2^(R - 5) c` has the
//! five low bits of `m` as phase, in the middles of 32 boxes. One bootstrap tells the highest of the five, as 0 or 1/2;
//! less that, `x` lies in the lower half of the torus, where any function can be looked up, and a second bootstrap gives
//! the other four bits `j` as `(j - 15/2) / 2^R`. Less that, `c` has phase `(m' + 1/2) / 2^(R - 4)` with `m' = floor(m / 16)`.
//! With `R <= 5` the sign of the phase is that of `m`.
//!
//! # What hides the number
//! The client has all secret keys, so noise that depends on the number must not reach it. A *soak* adds an encryption of
//! zero with the client's public key, whose mask is uniform for who does not know its ternary `v` (ring-LWE), and a
//! uniform number in `-B ..= B`, `B = 3/16`. Two samples of the same bit, with noise within `H`, are then within a
//! statistical distance of `H / B`. A bootstrap of both is a function of them and keeps the distance; where they are
//! not equal, which has that chance, the next soak brings it down by the same factor again: `H / B` to the power of the
//! number of soaks. [`noise::distance_log2`] says how little is left.

pub mod key;
pub mod noise;
pub mod params;
pub mod server;

mod codec;
mod error;
mod material;

pub use error::SignError;
pub use key::SignKey;
pub use params::{SignLiteral, SignParams};
pub use server::SignKeys;

#[cfg(test)]
mod tests;
