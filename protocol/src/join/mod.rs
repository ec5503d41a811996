//! Rows of some parties joined with attributes at others, without either side seeing the other's.
//!
//! What a leaf-count query asks of a join, what travels for it, and the heavy computations of both sides, as
//! [`Work`] that a driver runs wherever it likes. The states in between are [`crate::party`]'s; the cryptography is
//! `hedgerow_crypto::{align, exact}`.
//!
//! # Map
//! - [`plan`]: which trees concern which party, in which groups cells are answered.
//! - [`upload`]: what an attribute party encrypts, profiles or predicates, whichever costs less.
//! - [`gradients`]: boosted trees, encrypted in both directions.
//! - [`stream`]: messages over relayed channels; [`data`]: what a party's data engine does.
//! - [`price`]: what a run sends, said before it starts.
//! - [`memory`]: data in memory, for tests and examples.
//! - [`score`]: private scores of a finished forest.
//! - [`chain`]: trees over two links.
//! - [`work`]: the computations: [`align`], [`encrypt`], [`answer`], [`open`].

pub mod align;
pub mod answer;
pub mod chain;
pub mod data;
mod done;
pub mod encrypt;
pub mod gradients;
pub mod memory;
pub mod open;
pub mod plan;
pub mod price;
pub mod score;
pub mod stream;
pub mod upload;
pub mod work;

mod error;

pub use data::{JoinData, Weight, keys_digest};
pub use done::Done;
pub use error::JoinError;
pub use plan::JoinPlan;
pub use work::{AlignWork, ChainWork, GradientWork, ScoreWork, Work, WorkId, WorkKind};
