//! Tile tensors (Aharoni et al., *HeLayers: A Tile Tensors Framework for Large Neural Networks on Encrypted Data*,
//! PETS 2023): a tensor is cut into tiles of one ciphertext each, and the notation says how.
//!
//! | notation | along this dimension |
//! |---|---|
//! | `n/t` | `n` elements in tiles of `t`; `/1` is left out; unused slots are zero |
//! | `n?/t` | the same, but unused slots hold anything |
//! | `*/t` | one element, repeated in all `t` slots; `*r/t`: in the first `r` |
//! | `n~/t` | interleaved: neighbours are in different tiles, so that a shift renames tiles; `n~e/t` with `e` tiles |
//! | `(c)n/t` | complex-packed: two neighbouring tiles are the real and the imaginary parts of one ciphertext |
//! | `[(d)n/t, m/u]` | the first two dimensions as generalised diagonals |
//!
//! The paper's chain of matrix products, which needs no repacking between layers:
//!
//! ```
//! use hedgerow_inference::scheme::{Noop, Scheme};
//! use hedgerow_inference::tile::{Tensor, TileError, TileShape, TileTensor};
//!
//! let scheme = Noop::new(64, 3);
//! let tensor = |sizes: &[usize]| Tensor::from_shape_fn(sizes, |i| (i[0] + 2 * i[1] + 3 * i[2]) as f64);
//! let pack = |shape: &str, level: usize| -> Result<_, TileError> {
//!     let shape: TileShape = shape.parse()?;
//!     let packed = TileTensor::pack(&shape, &tensor(&shape.sizes()))?;
//!     Ok(packed.try_map(|slots| scheme.prepare(level, || slots.clone()))?)
//! };
//! // The first matrix is encrypted, transposed: [b, a, *]; the others are weights.
//! let shape: TileShape = "[7/4, 10/4, */4]".parse()?;
//! let first = TileTensor::pack(&shape, &tensor(&[7, 10, 1]))?.try_map(|s| scheme.encrypt(3, || s.clone()))?;
//! let product = first.multiply_plain_and_sum(&scheme, &pack("[7/4, */4, 6/4]", 3)?, 0)?;
//! assert_eq!(product.shape().to_string(), "[*/4, 10/4, 6/4]");
//! let product = product.multiply_plain_and_sum(&scheme, &pack("[9/4, */4, 6/4]", 2)?, 2)?;
//! assert_eq!(product.shape().to_string(), "[9/4, 10/4, 1?/4]");
//! # Ok::<(), TileError>(())
//! ```
//!
//! Operations take the scheme as their first argument, so that the same code runs encrypted, in the clear and as a
//! simulation that only counts.

pub mod complex;
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
