//! `hedgerow bench`: what the project promises, measured on this machine against a baseline of the same run.
//!
//! - [`train`]: a whole federated training run against the same forest trained centrally, and the routing kernel
//! - [`he`]: operations under encryption
//! - [`net`]: networks under encryption
//! - [`forest`]: forests under encryption
//! - [`sum`]: the secure sum of a million counters
//! - [`growth`]: how good forests get, by growth, epsilon and number of parties, over several seeds
//! - `reference`: smartcore's forest on the same rows
//! - [`report`]: asked, measured, met; the form of every benchmark
//! - `simulation`: runs `hedgerow simulate` and reads its report

pub mod forest;
pub mod growth;
pub mod he;
pub mod net;
mod reference;
pub mod report;
mod simulation;
pub mod sum;
pub mod train;
