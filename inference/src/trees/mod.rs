//! Encrypted evaluation of forests: an organisation asks a model that it does not own about a row that it does not show.
//!
//! The client bins a row by public edges, at most 64 bins per feature, and sends encrypted bits. A comparison with a plain
//! threshold is then a look-up: no comparison is ever computed on encrypted numbers. What is left is the path, and that
//! is linear. Everything is exact: an opened score is the sum of whole numbers that the clear evaluation of the binned
//! model gives, always.
//!
//! What it is not: cryptography (that is [`hedgerow_crypto::exact`]), a network, or a reader of files.
//!
//! | module | what it holds |
//! |---|---|
//! | [`mode`] | the modes, and in one sentence each what it tells to whom |
//! | [`mod@bench`] | what the benchmark measures, and what was asked |
//! | [`binning`] | public edges, bins, thermometer bits; the forest over bins |
//! | [`leaves`] | paths as sets of bins per feature, leaf values as whole numbers |
//! | [`head`] | from sums of leaf values to scores and classes, as the source library computes them |
//! | [`plan`](mod@plan) | sizes, keys, predicted time, limits, before anything runs |
//! | [`offer`] | what a client is told |
//! | [`forest`] | a compiled forest: answers |
//! | [`client`] | keys, requests, scores |
//! | [`digits`], `circuit` | what is computed on products of ciphertexts: digits of values, trees, selected leaves |
//! | `prepared`, `modes` | what all modes begin with; each mode in a file, with both sides |

pub mod bench;
pub mod binning;
mod circuit;
pub mod client;
pub mod digits;
mod error;
pub mod forest;
pub mod head;
pub mod leaves;
pub mod mode;
mod modes;
pub mod offer;
pub mod plan;
mod prepared;

pub use binning::{Binned, Binning, Edges};
pub use client::{ForestClient, Prediction};
pub use error::TreesError;
pub use forest::{EncryptedForest, ForestKeys};
pub use mode::Mode;
pub use modes::{Asked, BatchLiteral, EncryptedModelLiteral, KeyOwner};
pub use offer::{Offer, Parameters};
pub use plan::{KeyHolder, Options, Plan};

#[cfg(test)]
mod label_tests;
#[cfg(test)]
mod tests;
