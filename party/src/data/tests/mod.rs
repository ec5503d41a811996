//! Tests of the engine on small generated files.

mod bad_input;
mod counting;
mod deriving;
mod features;
mod fixture;
mod formats;
mod linked;
mod memory;
