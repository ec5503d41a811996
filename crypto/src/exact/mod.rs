//! Encrypted inner products of integers, which end as additive shares of the result.
//!
//! An attribute party encrypts bits under its own key; a row party multiplies them by its weights, adds a mask and
//! sends the sum back; the attribute party opens `result + mask`. Each then holds a share modulo `p`, and neither the
//! result. Messages are encoded as `round(Q m / p)`, so that sums and products by integers reduce modulo `p` by
//! themselves (Brakerski, *Fully homomorphic encryption without modulus switching from classical GapSVP*, Crypto
//! 2012; Fan and Vercauteren, ePrint 2012/144).
//!
//! | module | what it holds |
//! |---|---|
//! | [`count`] | sums of counts over entities, packed in coefficients: `p = 2^30`, `N = 4096`, two primes (larger sums: as slots) |
//! | [`slots`] | sums of scores for many rows, packed in slots: a prime `p`, `N = 8192`, three primes |
//! | [`chain`] | one sum over entities of weights times the bits of two parties: slots, four primes |
//! | [`forms`] | linear forms of encrypted bits, packed into few answers: forests |
//! | [`products`] | products of ciphertexts, in slots: forests by the thousand rows, encrypted forests |
//! | [`block`] | what the attribute party sends |
//! | [`answer`] | what the row party sends back |
//! | [`noise`] | what hides the weights, and how surely an answer opens right |
//!
//! # What hides the weights
//! The attribute party has the secret key, so noise that depends on the weights must not reach it. An answer is the
//! product plus a *fresh encryption with the public key* of the mask, with *uniform bounded flooding*, at least
//! [`noise::FLOODING_BITS`] wider than all that it hides, on every coefficient of the first half that is sent; only
//! then it is switched to one prime. All of the second half is sent: for who does not know the fresh ternary `v` it
//! is uniform, by ring-LWE. What is opened is uniform, by the mask.
//!
//! All bounds rest on what the row party *declares*: the largest sum of weights of one answer.

pub mod answer;
pub mod block;
pub mod chain;
pub mod count;
pub mod forms;
pub mod noise;
pub mod products;
pub mod slots;

mod error;
mod galois;
mod scale;
mod scheme;

pub use answer::Answer;
pub use block::EncryptedBlock;
pub use chain::{ChainBlock, ChainKey, ChainParams, ChainProduct, ChainScratch, PassedBlock};
pub use count::{AttributeKey, CountParams, PredicateBlock, Product, Scratch};
pub use error::ExactError;
pub use forms::{Evaluator, Form, FormKey, FormLiteral, FormParams};
pub use galois::GaloisKeys;
pub use products::{
    ProductCiphertext, ProductEvaluator, ProductKey, ProductKeys, ProductLiteral, ProductParams,
    ProductPublic,
};
pub use slots::{SlotBlock, SlotKey, SlotParams, SlotProduct, SlotScratch};

pub use crate::rlwe::{KeyId, PublicKey};
