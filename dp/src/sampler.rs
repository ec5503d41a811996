//! Exact samplers: integers in, integers out, no floating point in between.

mod bignum;
pub mod discrete_gaussian;
mod exp2;
mod variance;
mod words;

pub use discrete_gaussian::DiscreteGaussian;
pub use variance::{Variance, VarianceError};
