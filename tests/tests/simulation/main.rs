//! The whole system in one thread: coordinator and parties over a bad network, with crashes at any step, all
//! from a seed. What is found is kept as a named `repro_*` test.
//!
//! # Map
//! - [`world`]: virtual time, machines, journals; [`node`]: one party's process and disk.
//! - [`network`], [`op`]: what can go wrong. - [`oracle`]: what must hold whatever does.
//! - [`cases`]: named cases; [`chaos`]: generated ones; [`journal`]: what is continued.
//! - [`growths`]: several tables, each after the one before.
//! - [`mixed`], [`mixed_culprits`]: rows of some parties joined with attributes of others;
//!   [`transcripts`]: what attribute parties see of the rows; [`culprits`]: parties that send nonsense; [`adversary`]: a coordinator that lies, with the parties of [`rig`] in its hands.

mod adversary;
mod cases;
mod chaos;
mod culprits;
mod growths;
mod journal;
mod mixed;
mod mixed_culprits;
mod network;
mod node;
mod op;
mod oracle;
mod rig;
mod transcripts;
mod world;
