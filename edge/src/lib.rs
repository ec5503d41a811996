//! What coordinator and party share of the outside world, once.
//!
//! Frames over QUIC with mutual TLS, certificates, identity folders, the journal, logs, progress lines,
//! configuration files, and the loop that drives a state machine.
//!
//! What this crate is not: a protocol (that is `hedgerow-protocol`; nothing here decides anything about a
//! run), a reader of data, or a process of its own.
//!
//! # Map
//! - [`quic`]: [`quic::Listener`], [`quic::Dialer`], [`quic::Connection`] of frames; counted bytes.
//! - [`drive`]: the loop around a machine: events in, journal, outputs, timers.
//! - [`tls`], [`certificate`], [`identity`]: TLS 1.3 on both sides; who somebody is; the identity folder.
//! - [`provision`]: CA, requests, certificates, installation.
//! - [`journal`]: durable records and erasable secrets.
//! - [`configfile`], [`files`]: TOML with good errors; files that are there completely or not at all.
//! - [`telemetry`], [`progress`]: logs and process figures; JSON lines for whoever started the process.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod certificate;
pub mod configfile;
pub mod drive;
pub mod files;
pub mod identity;
pub mod journal;
pub mod progress;
pub mod provision;
pub mod quic;
pub mod telemetry;
pub mod tls;
