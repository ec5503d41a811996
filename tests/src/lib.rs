//! What the whole-system tests share: tiny deployments, and the plain computation that they are compared with.
//!
//! Not a test itself: the tests are in `tests/`.
//!
//! # Map
//! - [`deployment`]: parties with identities, a configuration, a consortium that knows them.
//! - [`plain`]: counting in the clear, and the replay of a run over each round's survivors.
#![forbid(unsafe_code)]

pub mod deployment;
pub mod joined;
pub mod plain;
