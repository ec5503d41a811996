//! Any affine map as generalised diagonals: where elements are ([`Layout`]), which rotations bring them to where they
//! are summed ([`place`]), and how the rotations are split into baby and giant steps ([`split`]).
//!
//! This is the general linear layer of Orion (Ebel et al., ASPLOS 2025, section 4): convolutions become sparse Toeplitz
//! matrices over multiplexed images, so that a layer of any stride costs one level; matrices with few rows are embedded
//! with partial sums that a rotate-and-sum adds up. The copies of a repeated input do part of the work in parallel.

mod grid;
#[cfg(test)]
pub(crate) mod image_tests;
mod interleaved;
mod layout;
mod numbers;
mod place;
mod split;
#[cfg(test)]
mod tests;
mod windows;

pub use grid::{Grid, Order};
pub use interleaved::Interleaved;
pub use layout::{Layout, LayoutError, Place};
pub use place::{Fold, Mask, Matrix, lacking, place, rotations, sampled};
pub use split::{StepCost, Steps, StepsUsed, dense, split};
pub use windows::Windows;
