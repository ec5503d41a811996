//! Arithmetic of `Z_Q[X] / (X^N + 1)` in residue number representation: what every lattice scheme of this crate rests on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`barrett`] | arithmetic modulo one number below `2^50`, without a division or a branch |
//! | [`ntt`] | the negacyclic number-theoretic transform modulo one prime, over `tfhe-ntt`; tables cached |
//! | [`basis`] | the primes `= 1 mod 2N` just under `2^50`, and what is precomputed for a set of them |
//! | [`poly`] | polynomials over a basis, as coefficients ([`Coeff`]) or as values ([`Eval`]) |
//! | [`xof`] | from a 32-byte seed to as many words as are asked for |
//! | [`sample`] | ternary, centred binomial, uniform and bounded uniform polynomials and numbers |
//! | [`switch`] | from a basis to the one without its last prime |
//! | [`automorphism`] | `X -> X^g` as a permutation of values |
//! | [`convert`] | from the residues modulo some primes to those modulo others |
//! | [`simd`] | the kernels, with AVX-512 IFMA and without |

pub mod automorphism;
pub mod barrett;
pub mod basis;
pub mod convert;
pub mod ntt;
pub mod poly;
pub mod sample;
pub mod simd;
pub mod switch;
pub mod xof;

pub use basis::RnsBasis;
pub use poly::{Coeff, Eval, Poly};
