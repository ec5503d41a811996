//! The coordinator's process: relays, sums, journals. It holds no data and no key that opens any.
//!
//! Everything that decides about a run is in `hedgerow_protocol::coordinator`; this crate gives that machine
//! its connections, its disk, its clock, and its files. It listens and never dials.
//!
//! # Map
//! - [`config`]: `coordinator.toml`; [`consortium`]: `consortium.toml`, and the run that it describes.
//! - [`state`]: the state folder: which run, and how far it is.
//! - `endpoint`: the accept loop; `machine`, `driver`: the machine between its connections and its journal.
//! - [`report`] holds `out/rounds.json`.
//! - [`run`]: all of it together.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod config;
pub mod consortium;
mod driver;
mod endpoint;
mod machine;
mod process;
pub mod report;
pub mod state;

pub use process::{CoordinatorError, Ending, MODEL_FILE, PROCESS_FILE, ROUNDS_FILE, run};
