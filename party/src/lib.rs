//! Hedgerow's row party: the process that holds an organisation's rows and lets nobody see them.
//!
//! What it is: a data engine that answers a [`hedgerow_forest::query::TableQuery`] from CSV, Parquet or SQL without
//! loading the data, and the process around the party's state machine.
//! What it is not: the protocol (a state machine without I/O in `hedgerow_protocol`), nor transport, journal format and
//! logs (`hedgerow_edge`).
//!
//! # Map
//! - module [`data`]: from files to contingency tables and blocks of binned rows
//! - module [`config`]: `party.toml`
//! - module [`mod@process`]: [`run`], the life of the process; [`process::query`]: scores of new rows after it; module
//!   [`mod@check`]: all that can be tried before
//! - module [`ledger`]: what the party's rows have paid
//! - module [`evaluate`]: the model on own test rows
//!
//! Private: `machine` (events and outputs of the loop), `storage` (journal and secrets), `answers` (data as the
//! protocol asks for it), `join` (the same in joined runs), `scores` (what becomes of private predictions).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod answers;
pub mod check;
pub mod config;
pub mod data;
pub mod evaluate;
mod join;
pub mod ledger;
mod machine;
pub mod process;
mod scores;
mod storage;

pub use check::{Tried, check};
pub use config::PartyFile;
pub use process::{Ending, PartyError, run};
