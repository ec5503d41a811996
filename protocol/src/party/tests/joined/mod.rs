//! Rows of some machines with attributes at others, over a coordinator by hand.

mod cases;
mod chain;
mod checks;
mod drop_outs;
mod gradients;
mod scores;
mod shape;
pub(crate) mod world;
