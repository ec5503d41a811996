//! Tensors in tiles: packing, unpacking and the operations slot by slot.

use super::{Dim, Tensor, TileError, TileShape};
use crate::scheme::{Rescale, Scheme};

/// A tensor cut into tiles: ciphertexts, prepared plaintexts or plain slots, row-major over the external index.
#[derive(Debug, Clone)]
pub struct TileTensor<T> {
    shape: TileShape,
    tiles: Vec<T>,
}

impl TileTensor<Vec<f64>> {
    /// Cuts `tensor` (of `shape.sizes()`) into tiles of plain slots; unused slots are zero.
    ///
    /// # Errors
    /// A tensor of other sizes, or a complex-packed shape.
    pub fn pack(shape: &TileShape, tensor: &Tensor) -> Result<Self, TileError> {
        if shape.complex_dim().is_some() {
            return Err(TileError::Complex {
                operation: "pack",
                shape: shape.clone(),
                reason: "its slots are complex numbers; pack_complex",
            });
        }
        if tensor.shape() != shape.sizes() {
            let (actual, expected) = (tensor.shape().to_vec(), shape.sizes());
            return Err(TileError::Sizes {
                actual,
                expected,
                shape: shape.clone(),
            });
        }
        let value = |tile, slot| {
            shape
                .element(tile, slot)
                .map_or(0.0, |index| tensor[index.as_slice()])
        };
        let tiles = (0..shape.tiles()).map(|tile| (0..shape.slots()).map(|slot| value(tile, slot)).collect());
        Ok(Self {
            shape: shape.clone(),
            tiles: tiles.collect(),
        })
    }

    /// The tensor again, each element from its first copy. Of a complex-packed shape, whose imaginary parts are not in real
    /// slots, it is NaN throughout: see [`TileTensor::unpack_complex`].
    pub fn unpack(&self) -> Tensor {
        if self.shape.complex_dim().is_some() {
            return Tensor::from_elem(self.shape.sizes(), f64::NAN);
        }
        let mut tensor = Tensor::zeros(self.shape.sizes());
        for (tile, slots) in self.tiles.iter().enumerate() {
            for (slot, &value) in slots.iter().enumerate().rev() {
                if let Some(index) = self.shape.element(tile, slot) {
                    tensor[index.as_slice()] = value;
                }
            }
        }
        tensor
    }
}

impl<T> TileTensor<T> {
    /// From tiles that are there already, in the order of the external index.
    ///
    /// # Errors
    /// A number of tiles other than the shape's.
    pub fn from_tiles(shape: TileShape, tiles: Vec<T>) -> Result<Self, TileError> {
        if tiles.len() != shape.tiles() {
            return Err(TileError::Sizes {
                actual: vec![tiles.len()],
                expected: vec![shape.tiles()],
                shape,
            });
        }
        Ok(Self { shape, tiles })
    }

    /// The shape.
    pub fn shape(&self) -> &TileShape {
        &self.shape
    }

    /// The tiles, row-major over the external index.
    pub fn tiles(&self) -> &[T] {
        &self.tiles
    }

    /// The same shape with other tiles: encryption, preparation, decryption.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U, E>(&self, f: impl FnMut(&T) -> Result<U, E>) -> Result<TileTensor<U>, E> {
        let tiles = self.tiles.iter().map(f).collect::<Result<_, E>>()?;
        Ok(TileTensor {
            shape: self.shape.clone(),
            tiles,
        })
    }

    /// The tile of `external`, where dimensions with one tile take any index (broadcast).
    fn broadcast(&self, external: &[usize]) -> Option<&T> {
        let flat = self.shape.dims().iter().zip(external).fold(0, |flat, (dim, &a)| {
            let size = dim.external_size();
            flat * size + if size == 1 { 0 } else { a }
        });
        self.tiles.get(flat)
    }

    pub(super) fn at(&self, external: &[usize]) -> Option<&T> {
        self.broadcast(external)
    }
}

/// Every external index of a shape, row-major.
pub(super) fn externals(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for &size in sizes {
        all = all
            .iter()
            .flat_map(|head| (0..size).map(move |a| [head.as_slice(), &[a]].concat()))
            .collect();
    }
    all
}

/// What an operation does to unused slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
    Product,
}

const ALIKE: &str = "a slot multiplies both parts alike: the other operand must be duplicated along that dimension, or split_complex first";
const BOTH: &str = "the other operand is not; pack both alike (plaintexts by pack_complex and encode_complex), or split_complex first";

/// The shape of `left (op) right`.
fn combined(
    operation: &'static str,
    kind: Kind,
    left: &TileShape,
    right: &TileShape,
) -> Result<TileShape, TileError> {
    let incompatible = |dim| {
        let (left, right) = (left.clone(), right.clone());
        TileError::Incompatible {
            operation,
            left,
            right,
            dim,
        }
    };
    let (l, r) = (left.dims(), right.dims());
    if l.len() != r.len() || left.is_diagonal() != right.is_diagonal() {
        return Err(incompatible(l.len().min(r.len())));
    }
    let refused = |shape: &TileShape, reason| {
        Err(TileError::Complex {
            operation,
            shape: shape.clone(),
            reason,
        })
    };
    match (kind, left.complex_dim(), right.complex_dim()) {
        (Kind::Product, Some(_), Some(_)) => {
            return refused(left, "products mix the parts; split_complex both operands first");
        }
        (Kind::Product, Some(dim), None) if !r[dim].is_broadcast() => {
            return refused(left, ALIKE);
        }
        (Kind::Product, None, Some(dim)) if !l[dim].is_broadcast() => {
            return refused(right, ALIKE);
        }
        (Kind::Sum, Some(_), None) => return refused(left, BOTH),
        (Kind::Sum, None, Some(_)) => return refused(right, BOTH),
        _ => {}
    }
    let clean = |dims: &[Dim]| dims.iter().all(|d| !d.unknown);
    let (left_clean, right_clean) = (clean(l), clean(r));
    let mut dims = Vec::with_capacity(l.len());
    for (i, (a, b)) in l.iter().zip(r).enumerate() {
        if a.tile != b.tile {
            return Err(incompatible(i));
        }
        let (broadcast_a, broadcast_b) = (a.is_broadcast(), b.is_broadcast());
        let same = a.size == b.size
            && a.interleaved == b.interleaved
            && a.complex == b.complex
            && a.external_size() == b.external_size()
            && a.copies.unwrap_or(1) == b.copies.unwrap_or(1);
        if !same && !broadcast_a && !broadcast_b {
            return Err(incompatible(i));
        }
        let larger = if broadcast_a && !same { b } else { a };
        // Zeros of one operand silence what is unknown in the other, but only where nothing of its own is unknown.
        let silences =
            |zeros: &Dim, is_clean: bool| kind == Kind::Product && is_clean && !zeros.is_broadcast();
        let unknown = (a.unknown && !silences(b, right_clean))
            || (b.unknown && !silences(a, left_clean))
            || (kind == Kind::Sum && !same && larger.has_unused());
        dims.push(larger.with_unknown(unknown));
    }
    if left.is_diagonal() {
        Ok(TileShape::diagonal(dims)?)
    } else {
        Ok(TileShape::new(dims)?)
    }
}

impl<C: Clone> TileTensor<C> {
    fn zip<R, U>(
        &self,
        operation: &'static str,
        kind: Kind,
        right: &TileTensor<R>,
        mut f: impl FnMut(&C, &R) -> Result<U, crate::scheme::SchemeError>,
    ) -> Result<TileTensor<U>, TileError> {
        let shape = combined(operation, kind, &self.shape, &right.shape)?;
        let mut tiles = Vec::with_capacity(shape.tiles());
        for external in externals(&shape.external()) {
            if let (Some(a), Some(b)) = (self.broadcast(&external), right.broadcast(&external)) {
                tiles.push(f(a, b)?);
            }
        }
        TileTensor::from_tiles(shape, tiles)
    }

    /// [`TileTensor::zip`] with the shape of a product.
    pub(super) fn product<R>(
        &self,
        operation: &'static str,
        right: &TileTensor<R>,
        f: impl FnMut(&C, &R) -> Result<C, crate::scheme::SchemeError>,
    ) -> Result<Self, TileError> {
        self.zip(operation, Kind::Product, right, f)
    }

    /// Sum slot by slot; one operation for each tile of the result.
    ///
    /// # Errors
    /// Incompatible shapes, or what the scheme refuses.
    pub fn add<S: Scheme<Ciphertext = C>>(&self, scheme: &S, right: &Self) -> Result<Self, TileError> {
        self.zip("add", Kind::Sum, right, |a, b| {
            let mut sum = a.clone();
            scheme.add(&mut sum, b)?;
            Ok(sum)
        })
    }

    /// Difference slot by slot.
    ///
    /// # Errors
    /// As [`TileTensor::add`].
    pub fn sub<S: Scheme<Ciphertext = C>>(&self, scheme: &S, right: &Self) -> Result<Self, TileError> {
        self.zip("sub", Kind::Sum, right, |a, b| {
            let mut difference = a.clone();
            scheme.sub(&mut difference, b)?;
            Ok(difference)
        })
    }

    /// Sum with a plaintext tensor.
    ///
    /// # Errors
    /// As [`TileTensor::add`].
    pub fn add_plain<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        right: &TileTensor<S::Plaintext>,
    ) -> Result<Self, TileError> {
        self.zip("add_plain", Kind::Sum, right, |a, b| {
            let mut sum = a.clone();
            scheme.add_plain(&mut sum, b)?;
            Ok(sum)
        })
    }

    /// Product slot by slot, one level.
    ///
    /// # Errors
    /// As [`TileTensor::add`]; two complex-packed operands, or one where the other differs along that dimension.
    pub fn mul<S: Scheme<Ciphertext = C>>(&self, scheme: &S, right: &Self) -> Result<Self, TileError> {
        self.zip("mul", Kind::Product, right, |a, b| scheme.mul(a, b, Rescale::Now))
    }

    /// Product slot by slot with a prepared plaintext tensor, one level.
    ///
    /// # Errors
    /// As [`TileTensor::add`].
    pub fn mul_plain<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        right: &TileTensor<S::Prepared>,
    ) -> Result<Self, TileError> {
        self.zip("mul_plain", Kind::Product, right, |a, b| {
            scheme.mul_plain(a, b, Rescale::Now)
        })
    }

    /// Every element times one number, one level.
    ///
    /// # Errors
    /// What the scheme refuses.
    pub fn scale<S: Scheme<Ciphertext = C>>(&self, scheme: &S, factor: f64) -> Result<Self, TileError> {
        Ok(self.try_map(|tile| scheme.mul_scalar(tile, factor, Rescale::Now))?)
    }

    /// The result of `f` with a new shape of as many tiles.
    pub(super) fn reshaped(mut self, shape: TileShape) -> Result<Self, TileError> {
        self.shape = shape;
        Self::from_tiles(self.shape, self.tiles)
    }
}
