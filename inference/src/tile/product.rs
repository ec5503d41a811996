//! Matrix products: multiply-and-sum in every compatible shape, and diagonalised matrices by baby and giant steps.

use std::collections::BTreeMap;

use super::{Dim, Tensor, TileError, TileShape, TileTensor};
use crate::scheme::{PreparedMap, Scheme, Term};

impl<C: Clone> TileTensor<C> {
    /// Product with a plaintext tensor, then the sum over `dim`: a matrix product, of one level.
    ///
    /// `[a/t1, b/t2, */t3] x [*/t1, b/t2, c/t3]` over 1 gives `[a/t1, 1?/t2, c/t3]`, and
    /// `[a/t1, b/t2, */t3] x [a/t1, */t2, c/t3]` over 0 gives `[*/t1, b/t2, c/t3]`.
    ///
    /// # Errors
    /// Incompatible shapes, and those of [`TileTensor::sum`].
    pub fn multiply_plain_and_sum<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        right: &TileTensor<S::Prepared>,
        dim: usize,
    ) -> Result<Self, TileError> {
        self.mul_plain(scheme, right)?.sum(scheme, dim)
    }

    /// [`TileTensor::multiply_plain_and_sum`] with an encrypted right side.
    ///
    /// # Errors
    /// As there.
    pub fn multiply_and_sum<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        right: &Self,
        dim: usize,
    ) -> Result<Self, TileError> {
        self.mul(scheme, right)?.sum(scheme, dim)
    }
}

/// A matrix `[(d)n/t1, m/t2, */t3]`, ready to be multiplied by vectors at one level.
///
/// `[(d)n/t1, m/t2, */t3] x [n/(t1 t2), b/t3] = [*/t1, m/t2, b/t3]`: as many rotations of the vector as the second
/// tile, split into baby steps (hoisted) and giant steps, instead of `log2` rotations for each tile of the product.
#[derive(Debug)]
pub struct Diagonals<P> {
    shape: TileShape,
    /// `[m/t2, b/t3]` with `t1` copies in front: what a product has, but for the size of the batch.
    map: PreparedMap<P>,
}

impl<P> Diagonals<P> {
    /// Prepares `matrix` (`[n, m]`) for vectors at `level`. Its shape has three dimensions, the last `*/t3` (`t3` is
    /// the batch's tile).
    ///
    /// # Errors
    /// A shape that is not diagonalised with three dimensions, of other sizes, or of other slots than the scheme.
    pub fn prepare<S: Scheme<Prepared = P>>(
        scheme: &S,
        level: usize,
        shape: &TileShape,
        matrix: &Tensor,
    ) -> Result<Self, TileError> {
        let [first, second, batch] = shape.dims() else {
            return Err(dimension(
                shape,
                0,
                "a diagonalised matrix has three dimensions: sum, result, batch",
            ));
        };
        if !shape.is_diagonal() || !batch.is_broadcast() {
            return Err(dimension(shape, 2, "expected [(d)n/t1, m/t2, */t3]"));
        }
        if shape.slots() != scheme.slots() {
            let (expected, actual) = (shape.slots(), scheme.slots());
            return Err(TileError::Slots {
                shape: shape.clone(),
                expected,
                actual,
            });
        }
        if !first.tile.is_power_of_two() || !second.tile.is_power_of_two() {
            return Err(dimension(
                shape,
                0,
                "rotate-and-sum needs tiles that are powers of two",
            ));
        }
        let expanded = matrix
            .clone()
            .insert_axis(tract_onnx::prelude::tract_ndarray::Axis(2));
        let packed = TileTensor::pack(shape, &expanded)?;
        let (inputs, outputs) = (first.size / (first.tile * second.tile), second.external_size());
        let babies = baby_steps(second.tile);
        let mut maps = Vec::<BTreeMap<i64, Vec<Term<P>>>>::new();
        maps.resize_with(outputs, BTreeMap::new);
        for (external, slots) in packed.tiles().iter().enumerate() {
            let (a0, a1) = (external / outputs, external % outputs);
            let (input, step) = (a0 / second.tile, a0 % second.tile);
            let (giant, baby) = (step / babies * babies * batch.tile, step % babies * batch.tile);
            // The giant rotation comes after the product, so the diagonal is turned back by it.
            let mask = scheme.prepare(level, || {
                let mut turned = slots.clone();
                turned.rotate_right(giant);
                turned
            })?;
            if let Some(map) = maps.get_mut(a1) {
                map.entry(giant as i64).or_default().push(Term {
                    input,
                    baby: baby as i64,
                    mask,
                });
            }
        }
        let fold = |k| ((second.tile * batch.tile) << k) as i64;
        let folds = (0..first.tile.ilog2()).map(fold).collect();
        Ok(Self {
            shape: shape.clone(),
            map: PreparedMap {
                inputs,
                outputs: maps,
                folds,
                real: false,
            },
        })
    }

    /// The shape of the matrix.
    pub fn shape(&self) -> &TileShape {
        &self.shape
    }

    /// The product with `vectors` (`[n/(t1 t2), b/t3]`): `[*/t1, m/t2, b/t3]`. The batch may be complex-packed, and stays so.
    ///
    /// # Errors
    /// Vectors of another shape, unknown slots among them, no level left.
    pub fn multiply<S: Scheme<Prepared = P>>(
        &self,
        scheme: &S,
        vectors: &TileTensor<S::Ciphertext>,
    ) -> Result<TileTensor<S::Ciphertext>, TileError> {
        let [first, second, batch] = self.shape.dims() else {
            return Err(dimension(
                &self.shape,
                0,
                "a diagonalised matrix has three dimensions",
            ));
        };
        let wrong = || TileError::Incompatible {
            operation: "diagonal product",
            left: self.shape.clone(),
            right: vectors.shape().clone(),
            dim: 0,
        };
        let [sum, samples] = vectors.shape().dims() else {
            return Err(wrong());
        };
        let fits = sum.size == first.size
            && sum.tile == first.tile * second.tile
            && samples.tile == batch.tile
            && !sum.interleaved
            && !sum.complex
            && !samples.interleaved;
        if !fits || sum.copies.is_some() || vectors.shape().is_diagonal() {
            return Err(wrong());
        }
        let mut columns = Vec::with_capacity(samples.external_size());
        for column in 0..samples.external_size() {
            let inputs: Vec<_> = vectors
                .tiles()
                .iter()
                .skip(column)
                .step_by(samples.external_size())
                .cloned()
                .collect();
            columns.push(scheme.linear_transform(&inputs, &self.map)?.into_iter());
        }
        let mut tiles = Vec::new();
        for _ in 0..second.external_size() {
            tiles.extend(columns.iter_mut().filter_map(Iterator::next));
        }
        let result = Dim {
            unknown: false,
            ..*second
        };
        TileTensor::from_tiles(
            TileShape::new(vec![Dim::duplicated(first.tile), result, *samples])?,
            tiles,
        )
    }
}

/// Baby steps for `count` diagonals: the power of two nearest above the square root, as they are hoisted and cheaper.
fn baby_steps(count: usize) -> usize {
    let half = usize::BITS - count.saturating_sub(1).leading_zeros();
    1 << half.div_ceil(2)
}

fn dimension(shape: &TileShape, dim: usize, reason: &'static str) -> TileError {
    TileError::Dimension {
        operation: "diagonal product",
        shape: shape.clone(),
        dim,
        reason,
    }
}
