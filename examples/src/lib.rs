//! One small program per idea; each has a test, so that it keeps running.
//!
//! - [`tables`]: a learning algorithm that sees nothing but contingency tables (`cargo run --release -p
//!   hedgerow-examples --bin tables`)
//! - [`budget`]: what epsilon buys, in noise per cell (`--bin budget`)
#![forbid(unsafe_code)]

pub mod budget;
pub mod tables;
