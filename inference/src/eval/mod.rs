//! Running a plan over any scheme. The oracle is [`Graph::evaluate`](crate::graph::Graph::evaluate).

mod model;
mod polynomial;
#[cfg(test)]
mod tests;

pub use model::{EvalError, Prepared, Trace, decode, encode};
pub use polynomial::depth;
