//! Sums along a dimension, duplication, clearing, and shifts of interleaved dimensions.

use super::tensor::externals;
use super::{Dim, TileError, TileShape, TileTensor};
use crate::scheme::{Rescale, Scheme};

impl<C: Clone> TileTensor<C> {
    fn refuse<T>(&self, operation: &'static str, dim: usize, reason: &'static str) -> Result<T, TileError> {
        Err(TileError::Dimension {
            operation,
            shape: self.shape().clone(),
            dim,
            reason,
        })
    }

    /// A dimension along which an operation moves elements.
    fn dim(&self, operation: &'static str, dim: usize) -> Result<Dim, TileError> {
        match self.shape().dims().get(dim) {
            Some(found) if found.complex => self.refuse(
                operation,
                dim,
                "neighbours are in both parts of a ciphertext; split_complex first",
            ),
            Some(found) => Ok(*found),
            None => self.refuse(operation, dim, "there is no such dimension"),
        }
    }

    /// Sum over dimension `dim`: its tiles are added, then `log2(t)` rotations sum inside each of the rest.
    ///
    /// Where the dimension is the first with a tile above 1, the rotations are cyclic and the sum ends up duplicated
    /// for free (`[5/2, 6/4]` over 0: `[*/2, 6/4]`); elsewhere it is in the first slot and the others hold what they
    /// hold (over 1: `[5/2, 1?/4]`).
    ///
    /// # Errors
    /// Unknown slots along the dimension, a tile that is not a power of two, a diagonalised shape.
    pub fn sum<S: Scheme<Ciphertext = C>>(&self, scheme: &S, dim: usize) -> Result<Self, TileError> {
        const OPERATION: &str = "sum";
        let d = self.dim(OPERATION, dim)?;
        if self.shape().is_diagonal() {
            return self.refuse(OPERATION, dim, "the shape is diagonalised");
        }
        if d.is_broadcast() {
            return Ok(self.clone());
        }
        if d.unknown && d.has_unused() {
            return self.refuse(OPERATION, dim, "unused slots are unknown; clear_unknowns first");
        }
        if d.copies.is_some() {
            return self.refuse(OPERATION, dim, "the dimension is partly duplicated");
        }
        if !d.tile.is_power_of_two() {
            return self.refuse(
                OPERATION,
                dim,
                "rotate-and-sum needs a tile that is a power of two",
            );
        }
        let first = self.shape().is_first(dim);
        let new = if first {
            Dim::duplicated(d.tile)
        } else {
            Dim::new(1, d.tile).with_unknown(d.tile > 1)
        };
        let shape = self.shape().with_dim(dim, new);
        let step = self.shape().stride(dim) as i64;
        let mut tiles = Vec::with_capacity(shape.tiles());
        for mut external in externals(&shape.external()) {
            let mut sum: Option<C> = None;
            for a in 0..d.external_size() {
                external[dim] = a;
                if let Some(tile) = self.at(&external) {
                    match &mut sum {
                        None => sum = Some(tile.clone()),
                        Some(sum) => scheme.add(sum, tile)?,
                    }
                }
            }
            let Some(mut sum) = sum else { continue };
            for k in 0..d.tile.ilog2() {
                let turned = scheme.rotate(&sum, step << k)?;
                scheme.add(&mut sum, &turned)?;
            }
            tiles.push(sum);
        }
        Self::from_tiles(shape, tiles)
    }

    /// `1/t` becomes `*/t`: `log2(t)` rotations and additions for each tile.
    ///
    /// # Errors
    /// A size other than 1, unknown slots of this dimension or of one before it, a tile that is not a power of two.
    pub fn duplicate<S: Scheme<Ciphertext = C>>(&self, scheme: &S, dim: usize) -> Result<Self, TileError> {
        const OPERATION: &str = "duplicate";
        let d = self.dim(OPERATION, dim)?;
        if d.is_broadcast() {
            return Ok(self.clone());
        }
        if d.size != 1 || d.copies.is_some() {
            return self.refuse(OPERATION, dim, "only a single value (1/t) can be duplicated");
        }
        if d.unknown {
            return self.refuse(OPERATION, dim, "unused slots are unknown; clear_unknowns first");
        }
        // Rotations carry over into the dimensions before this one.
        let before = self.shape().dims().iter().take(dim);
        if before
            .into_iter()
            .any(|d| d.tile > 1 && d.unknown && d.has_unused())
        {
            return self.refuse(
                OPERATION,
                dim,
                "unused slots of a dimension before it are unknown and would be carried over; clear_unknowns first",
            );
        }
        if !d.tile.is_power_of_two() {
            return self.refuse(
                OPERATION,
                dim,
                "rotate-and-sum needs a tile that is a power of two",
            );
        }
        let step = self.shape().stride(dim) as i64;
        let doubled = self.try_map(|tile| {
            let mut sum = tile.clone();
            for k in 0..d.tile.ilog2() {
                let turned = scheme.rotate(&sum, -(step << k))?;
                scheme.add(&mut sum, &turned)?;
            }
            Ok::<_, TileError>(sum)
        })?;
        let shape = self.shape().with_dim(dim, Dim::duplicated(d.tile));
        doubled.reshaped(shape)
    }

    /// Every `?` becomes zeros, by one product with a mask for each tile: one level. Nothing happens without a `?`.
    ///
    /// # Errors
    /// No level left; a complex-packed shape whose real and imaginary parts have different slots in use.
    pub fn clear_unknowns<S: Scheme<Ciphertext = C>>(&self, scheme: &S) -> Result<Self, TileError> {
        let shape = self.shape();
        if shape.dims().iter().all(|d| !d.unknown) {
            return Ok(self.clone());
        }
        let mut tiles = Vec::with_capacity(shape.tiles());
        let parts = shape.parts();
        for (index, tile) in self.tiles().iter().enumerate() {
            if shape.complex_dim().is_some() {
                let (real, imaginary) = shape.tiles_of(index);
                let used = |tile: usize, slot| parts.element(tile, slot).is_some();
                let alike =
                    |slot| used(real, slot) == imaginary.is_some_and(|imaginary| used(imaginary, slot));
                if !(0..shape.slots()).all(alike) {
                    return Err(TileError::Complex {
                        operation: "clear_unknowns",
                        shape: shape.clone(),
                        reason: "its last tiles use other slots in their real than in their imaginary part; split_complex first",
                    });
                }
            }
            let used = |slot| f64::from(u8::from(shape.element(index, slot).is_some()));
            let mask = scheme.prepare(scheme.level(tile), || (0..shape.slots()).map(used).collect())?;
            tiles.push(scheme.mul_plain(tile, &mask, Rescale::Now)?);
        }
        let dims: Vec<Dim> = shape.dims().iter().map(|d| d.with_unknown(false)).collect();
        let shape = if shape.is_diagonal() {
            TileShape::diagonal(dims)?
        } else {
            TileShape::new(dims)?
        };
        Self::from_tiles(shape, tiles)
    }

    /// Element `c` along the interleaved dimension becomes element `c + by`: most tiles are only renamed, those that
    /// wrap rotate by one slot. Elements that would come from outside are unknown (the pseudo-rotation of the paper).
    ///
    /// # Errors
    /// A dimension that is not interleaved.
    pub fn shift<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        dim: usize,
        by: i64,
    ) -> Result<Self, TileError> {
        let d = self.dim("shift", dim)?;
        if !d.interleaved {
            return self.refuse("shift", dim, "only interleaved dimensions shift without masks");
        }
        let e = d.external_size() as i64;
        let step = self.shape().stride(dim) as i64;
        let mut tiles = Vec::with_capacity(self.tiles().len());
        for mut external in externals(&self.shape().external()) {
            let from = external.get(dim).map_or(0, |&a| a as i64) + by;
            external[dim] = from.rem_euclid(e) as usize;
            if let Some(tile) = self.at(&external) {
                tiles.push(scheme.rotate(tile, step * from.div_euclid(e))?);
            }
        }
        self.clone()
            .reshaped(self.shape().with_dim(dim, d.with_unknown(by != 0 || d.unknown)))?
            .with_tiles(tiles)
    }

    fn with_tiles(self, tiles: Vec<C>) -> Result<Self, TileError> {
        Self::from_tiles(self.shape().clone(), tiles)
    }
}
