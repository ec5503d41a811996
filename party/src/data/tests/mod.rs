//! Tests of the engine on small generated files.

mod bad_input;
mod counting;
mod deriving;
mod fixture;
mod formats;
mod memory;
