//! The protocol of Hedgerow: what parties and coordinator say to each other, and when.
//!
//! Sans-IO: machines take events (`handle_*`) with time and randomness as arguments and give outputs
//! (`poll_output`, `poll_timeout`). No socket, clock, file or source of randomness lives here, so a whole
//! run can be simulated in one thread, crash for crash.
//!
//! What this crate is not: a transport (`hedgerow-edge`), a reader of data (`hedgerow-party`), a learning
//! algorithm (`hedgerow-forest`), cryptography (`hedgerow-crypto`) or noise (`hedgerow-dp`).
//!
//! # Map
//! - [`ids`], [`time`]: names of parties, runs and rounds; milliseconds.
//! - [`config`]: the public configuration of a run; one constructor enforces every bound.
//! - [`policy`], [`refusal`]: what a party accepts, and the words in which it declines.
//! - [`privacy`]: from the run's budget to the noise of one query; [`growth`]: the next query.
//! - [`join`]: rows of some parties with attributes at others.
//! - [`wire`]: frames, messages, vectors; versioned and limited in length.
//! - [`binding`], [`roster`]: what is signed and hashed; who is who.
//! - [`party`], [`coordinator`]: the two machines.
//! - [`outlook`]: what a budget will buy; [`audit`]: an attack on what a run would release.
//! - [`check`]: every check that the protocol makes, by id.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod audit;
pub mod binding;
pub mod check;
pub mod config;
pub mod coordinator;
pub mod growth;
pub mod ids;
pub mod join;
pub mod outlook;
pub mod party;
pub mod policy;
pub mod privacy;
pub mod refusal;
pub mod roster;
pub mod time;
pub mod wire;

mod mask_table;
mod score_noise;
