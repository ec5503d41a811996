//! Hedgerow's row party: the process that holds an organisation's rows and lets nobody see them.
//!
//! What it is: the data engine that answers a [`hedgerow_forest::query::TableQuery`] from CSV, Parquet or SQL
//! without loading the data ([`data`]).
//! What it is not: the protocol (a state machine without I/O in `hedgerow_protocol`), nor transport, journal and
//! logs (`hedgerow_edge`).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod data;
