//! Running a plan over any scheme. The oracle is [`Graph::evaluate`](crate::graph::Graph::evaluate).
//!
//! | | |
//! |---|---|
//! | [`Prepared`] | a model in the clear: plaintext diagonals |
//! | [`EncryptedModel`] | a model that is encrypted too: diagonals are ciphertexts of its owner |

mod encrypted;
#[cfg(test)]
mod encrypted_tests;
mod error;
#[cfg(test)]
mod image_tests;
mod model;
mod pack;
mod polynomial;
mod program;
#[cfg(test)]
mod tests;

pub use encrypted::{EncryptedModel, Weight, weight_levels, weights};
pub use error::EvalError;
pub use model::Prepared;
pub use pack::{decode, encode, encode_complex};
pub(crate) use pack::{pack, pairs, unpack};
pub use polynomial::depth;
pub use program::Trace;
pub(crate) use program::{Program, Weights};
