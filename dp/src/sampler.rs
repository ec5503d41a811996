//! Exact samplers: integers in, integers out, no floating point in between.

mod bignum;
pub mod discrete_gaussian;
mod exp2;
mod inversion;
pub mod polya;
pub mod skellam;
#[cfg(test)]
pub(crate) mod testing;
mod variance;
mod words;

pub use discrete_gaussian::DiscreteGaussian;
pub use polya::Polya;
pub use skellam::Skellam;
pub use variance::{Variance, VarianceError};
