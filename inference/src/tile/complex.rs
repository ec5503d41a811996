//! Complex packing: two reals in a slot, half the ciphertexts.
//!
//! Along the dimension that the notation marks with `(c)`, tiles `2a` and `2a + 1` are one ciphertext: the first is its real
//! part, the second its imaginary part (HElayers has such a flag for a dimension; how it would write it is not known). What is
//! linear and the same for both parts keeps the packing, at half the cost: sums, sums along other dimensions,
//! duplication, shifts, products with what is duplicated along the packed dimension. What mixes the parts (products
//! of two packed tensors, sums along the packed dimension) wants them apart first.
//!
//! **Slots hold halves**, `(x + iy) / 2`, so that the parts come apart without a division, hence without a level:
//! `x = z + conj z`, `y = -i (z - conj z)`, one conjugation for two tiles ([`Scheme::split`]).
//!
//! ```
//! use hedgerow_inference::scheme::{Noop, Scheme};
//! use hedgerow_inference::tile::{Tensor, TileError, TileShape, TileTensor};
//!
//! // Rows of 12 samples, 6 tiles of two: 3 ciphertexts. One row of weights for all of them.
//! let scheme = Noop::new(16, 2);
//! let (shape, weights): (TileShape, TileShape) = ("[(c)12/2, 5/8]".parse()?, "[*/2, 5/8]".parse()?);
//! let samples = Tensor::from_shape_fn(vec![12, 5], |i| (i[0] * i[1]) as f64);
//! let x = TileTensor::pack_complex(&shape, &samples)?.try_map(|z| scheme.encrypt_complex(2, || z.clone()))?;
//! assert_eq!(x.tiles().len(), 3);
//! let row = TileTensor::pack(&weights, &Tensor::from_elem(vec![1, 5], 0.5))?;
//! let row = row.try_map(|slots| scheme.prepare(2, || slots.clone()))?;
//! let sums = x.multiply_plain_and_sum(&scheme, &row, 1)?;
//! assert_eq!(sums.shape().to_string(), "[(c)12/2, 1?/8]");
//! // A square mixes the parts.
//! assert!(sums.mul(&scheme, &sums).unwrap_err().to_string().contains("split_complex"));
//! let sums = sums.split_complex(&scheme)?;
//! assert_eq!((sums.shape().to_string().as_str(), sums.tiles().len()), ("[12/2, 1?/8]", 6));
//! let squares = sums.mul(&scheme, &sums)?;
//! let open = squares.try_map(|ct| Ok::<_, TileError>(scheme.decrypt(ct).clone()))?.unpack();
//! assert_eq!(open[[3, 0].as_slice()], 15.0 * 15.0);
//! # Ok::<(), TileError>(())
//! ```

use super::{Tensor, TileError, TileShape, TileTensor};
use crate::scheme::{Complex, Rescale, Scheme};

impl TileTensor<Vec<Complex>> {
    /// Cuts `tensor` (of `shape.sizes()`) into tiles: as [`TileTensor::pack`], and where the shape is complex-packed, **half** of
    /// each element in the real or the imaginary part of its slot.
    ///
    /// # Errors
    /// A tensor of other sizes.
    pub fn pack_complex(shape: &TileShape, tensor: &Tensor) -> Result<Self, TileError> {
        let reals = TileTensor::pack(&shape.parts(), tensor)?;
        let reals = reals.tiles();
        let packed = shape.complex_dim().is_some();
        let joined = |tile: usize| {
            let (re, im) = shape.tiles_of(tile);
            let part = |tile: usize, slot: usize| {
                let value = reals.get(tile).and_then(|slots| slots.get(slot));
                value.copied().unwrap_or(0.0) / if packed { 2.0 } else { 1.0 }
            };
            let slot = |slot| Complex::new(part(re, slot), im.map_or(0.0, |im| part(im, slot)));
            (0..shape.slots()).map(slot).collect()
        };
        Self::from_tiles(shape.clone(), (0..shape.tiles()).map(joined).collect())
    }

    /// The tensor again, each element from its first copy; of either kind of shape.
    pub fn unpack_complex(&self) -> Tensor {
        let parts = self.shape().parts();
        let factor = if self.shape().complex_dim().is_some() {
            2.0
        } else {
            1.0
        };
        let mut tensor = Tensor::zeros(parts.sizes());
        for (tile, slots) in self.tiles().iter().enumerate() {
            let (re, im) = self.shape().tiles_of(tile);
            for (slot, z) in slots.iter().enumerate().rev() {
                if let Some(index) = parts.element(re, slot) {
                    tensor[index.as_slice()] = factor * z.re;
                }
                if let Some(index) = im.and_then(|im| parts.element(im, slot)) {
                    tensor[index.as_slice()] = factor * z.im;
                }
            }
        }
        tensor
    }
}

impl<C: Clone> TileTensor<C> {
    /// The parts apart, `(c)n/t` as `n/t`: one conjugation for each ciphertext, no level. Nothing happens where no
    /// dimension is complex-packed.
    ///
    /// # Errors
    /// No key for the conjugation.
    pub fn split_complex<S: Scheme<Ciphertext = C>>(&self, scheme: &S) -> Result<Self, TileError> {
        if self.shape().complex_dim().is_none() {
            return Ok(self.clone());
        }
        let parts = self.shape().parts();
        let mut tiles: Vec<Option<C>> = vec![None; parts.tiles()];
        for (tile, z) in self.tiles().iter().enumerate() {
            match self.shape().tiles_of(tile) {
                (re, Some(im)) => {
                    let (real, imaginary) = scheme.split(z)?;
                    (tiles[re], tiles[im]) = (Some(real), Some(imaginary));
                }
                (re, None) => {
                    let mut real = scheme.conjugate(z)?;
                    scheme.add(&mut real, z)?;
                    tiles[re] = Some(real);
                }
            }
        }
        Self::from_tiles(parts, tiles.into_iter().flatten().collect())
    }

    /// Neighbouring tiles along `dim` in one ciphertext, `n/t` as `(c)n/t`. Slots hold halves, so this is a product with a
    /// number: one level. (A result that nobody computes with is joined by [`Scheme::join`], which needs none.)
    ///
    /// # Errors
    /// A dimension that there is not or that is duplicated, a shape that is diagonalised or complex-packed already, no
    /// level left.
    pub fn join_complex<S: Scheme<Ciphertext = C>>(&self, scheme: &S, dim: usize) -> Result<Self, TileError> {
        let Some(d) = self.shape().dims().get(dim) else {
            return Err(TileError::Dimension {
                operation: "join_complex",
                shape: self.shape().clone(),
                dim,
                reason: "there is no such dimension",
            });
        };
        if self.shape().complex_dim().is_some() {
            return Err(TileError::Complex {
                operation: "join_complex",
                shape: self.shape().clone(),
                reason: "a slot has two parts, and both are taken",
            });
        }
        let mut dims = self.shape().dims().to_vec();
        dims[dim] = d.with_complex(true);
        let shape = if self.shape().is_diagonal() {
            TileShape::diagonal(dims)?
        } else {
            TileShape::new(dims)?
        };
        let half = |z: &C| scheme.mul_scalar(z, 0.5, Rescale::Now);
        let mut tiles = Vec::with_capacity(shape.tiles());
        for tile in 0..shape.tiles() {
            let (re, im) = shape.tiles_of(tile);
            let at = |tile: usize| self.tiles().get(tile);
            match (at(re), im.and_then(at)) {
                (Some(re), Some(im)) => tiles.push(half(&scheme.join(re, im)?)?),
                (Some(re), None) => tiles.push(half(re)?),
                _ => {}
            }
        }
        Self::from_tiles(shape, tiles)
    }
}
