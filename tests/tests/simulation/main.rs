//! The whole system in one thread: coordinator and parties over a bad network, with crashes at any step, all
//! from a seed. What is found is kept as a named `repro_*` test.
//!
//! # Map
//! - [`world`]: virtual time, machines, journals; [`node`]: one party's process and disk.
//! - [`network`], [`op`]: what can go wrong. - [`oracle`]: what must hold whatever does.
//! - [`cases`]: named cases; [`chaos`]: generated ones; [`adversary`]: a coordinator that lies.

//ADV
mod cases;
mod chaos;
mod network;
mod node;
mod op;
mod oracle;
mod world;
