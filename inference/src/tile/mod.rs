//! Tile tensors (Aharoni et al., *HeLayers: A Tile Tensors Framework for Large Neural Networks on Encrypted Data*,
//! PETS 2023): a tensor is cut into tiles of one ciphertext each, and the notation says how.
//!
//! | notation | along this dimension |
//! |---|---|
//! | `n/t` | `n` elements in tiles of `t`; `/1` is left out; unused slots are zero |
//! | `n?/t` | the same, but unused slots hold anything |
//! | `*/t` | one element, repeated in all `t` slots; `*r/t`: in the first `r` |
//! | `n~/t` | interleaved: neighbours are in different tiles, so that a shift renames tiles; `n~e/t` with `e` tiles |
//! | `[(d)n/t, m/u]` | the first two dimensions as generalised diagonals |
//!
//! Operations take the scheme as their first argument, so that the same code runs encrypted, in the clear and as a
//! simulation that only counts.

mod convolve;
mod error;
mod product;
mod reduce;
mod reshape;
mod shape;
mod tensor;
#[cfg(test)]
mod tests;

pub use convolve::Window;
pub use error::TileError;
pub use product::Diagonals;
pub use shape::{Dim, ShapeError, TileShape};
pub use tensor::TileTensor;

/// A tensor in the clear.
pub type Tensor = tract_onnx::prelude::tract_ndarray::ArrayD<f64>;
