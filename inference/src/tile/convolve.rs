//! Convolution and pooling over interleaved images: neighbours are in different tiles, so that a shift renames tiles
//! and only those at the border of a tile rotate (section 5 of the paper). Depth 1, no mask.

use super::tensor::externals;
use super::{Dim, TileError, TileTensor};
use crate::scheme::{Rescale, Scheme};

const COMPLEX: &str = "neighbours are in both parts of a ciphertext; split_complex first";

/// A window that slides over two interleaved dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The two dimensions.
    pub dims: [usize; 2],
    /// Elements that it covers along each.
    pub size: [usize; 2],
    /// Steps from one position to the next along each.
    pub stride: [usize; 2],
}

impl Window {
    fn offsets(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [height, width] = self.size;
        (0..height).flat_map(move |i| (0..width).map(move |j| [i, j]))
    }
}

impl<C: Clone> TileTensor<C> {
    /// `out[p] = sum_o filters[o] * self[p stride + o]`, for one plaintext filter tensor at each offset of the window
    /// (row-major), broadcast along the window's dimensions; then the sum over `channel` if there is one.
    ///
    /// Only tiles that the strides keep are computed. The result is interleaved again, with as many tiles as remain,
    /// so that layers follow each other without repacking; what lies outside is unknown.
    ///
    /// # Errors
    /// Dimensions that are not interleaved, a window larger than the image, strides that do not divide the number
    /// of tiles, and those of the product and of the sum.
    pub fn convolve<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        window: &Window,
        filters: &[TileTensor<S::Prepared>],
        channel: Option<usize>,
    ) -> Result<Self, TileError> {
        let shifted = self.windows(scheme, window)?;
        if shifted.len() != filters.len() {
            return self.no_window(
                window.dims[0],
                "expected one filter tensor for each offset of the window",
            );
        }
        let mut sum: Option<Self> = None;
        for (image, filter) in shifted.iter().zip(filters) {
            // One rescale after all offsets.
            let product = image.zip_lazy(scheme, filter)?;
            sum = Some(match sum {
                None => product,
                Some(sum) => sum.add(scheme, &product)?,
            });
        }
        let Some(sum) = sum else {
            return self.no_window(window.dims[0], "the window is empty");
        };
        let sum = sum.try_map(|tile| {
            let mut tile = tile.clone();
            scheme.rescale(&mut tile)?;
            Ok::<_, TileError>(tile)
        })?;
        match channel {
            Some(channel) => sum.sum(scheme, channel),
            None => Ok(sum),
        }
    }

    /// The average under each position of the window: additions and one product with a number, one level.
    ///
    /// # Errors
    /// As [`TileTensor::convolve`].
    pub fn average_pool<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        window: &Window,
    ) -> Result<Self, TileError> {
        let mut sum: Option<Self> = None;
        for image in self.windows(scheme, window)? {
            sum = Some(match sum {
                None => image,
                Some(sum) => sum.add(scheme, &image)?,
            });
        }
        let Some(sum) = sum else {
            return self.no_window(window.dims[0], "the window is empty");
        };
        sum.scale(scheme, 1.0 / (window.size[0] * window.size[1]) as f64)
    }

    /// Zeros around an interleaved dimension: `before` in front, and behind what fits into the unused slots.
    ///
    /// # Errors
    /// A dimension that is not interleaved, unknown slots, too few unused ones for `before + after` zeros.
    pub fn pad<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        dim: usize,
        before: usize,
        after: usize,
    ) -> Result<Self, TileError> {
        let Some(&d) = self.shape().dims().get(dim) else {
            return self.no_window(dim, "there is no such dimension");
        };
        if d.complex {
            return self.no_window(dim, COMPLEX);
        }
        if self.shape().dims().iter().any(|d| d.unknown) {
            return self.no_window(dim, "unused slots are unknown; clear_unknowns first");
        }
        if d.size + before + after > d.external_size() * d.tile {
            return self.no_window(
                dim,
                "too few unused slots for the zeros; pack with a larger external size",
            );
        }
        let padded = Dim {
            size: d.size + before + after,
            unknown: false,
            external: Some(d.external_size()),
            ..d
        };
        let moved = if before == 0 {
            self.clone()
        } else {
            self.shift(scheme, dim, -(before as i64))?
        };
        // The zeros of the end wrap around to the front, so nothing becomes unknown.
        let shape = self.shape().with_dim(dim, padded);
        moved.reshaped(shape)
    }

    fn no_window<T>(&self, dim: usize, reason: &'static str) -> Result<T, TileError> {
        Err(TileError::Dimension {
            operation: "window",
            shape: self.shape().clone(),
            dim,
            reason,
        })
    }

    /// The image shifted by every offset of the window, restricted to the tiles that the strides keep.
    fn windows<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        window: &Window,
    ) -> Result<Vec<Self>, TileError> {
        let mut shape = self.shape().clone();
        for axis in 0..2 {
            let (dim, size, stride) = (window.dims[axis], window.size[axis], window.stride[axis]);
            let Some(&d) = self.shape().dims().get(dim) else {
                return self.no_window(dim, "there is no such dimension");
            };
            let e = d.external_size();
            if d.complex {
                return self.no_window(dim, COMPLEX);
            }
            if !d.interleaved {
                return self.no_window(dim, "a window needs an interleaved dimension");
            }
            if size == 0 || size > d.size {
                return self.no_window(dim, "the window is empty or larger than the image");
            }
            if stride == 0 || e % stride != 0 {
                return self.no_window(
                    dim,
                    "the stride does not divide the number of tiles; pack with `~e` tiles",
                );
            }
            let positions = (d.size - size) / stride + 1;
            let unused = positions < e / stride * d.tile;
            shape = shape.with_dim(
                dim,
                Dim {
                    size: positions,
                    external: Some(e / stride),
                    unknown: unused,
                    ..d
                },
            );
        }
        // A rotated tile is used by several offsets: (source tile, turns along both dimensions) -> ciphertext.
        let mut turned = std::collections::BTreeMap::<(Vec<usize>, [usize; 2]), C>::new();
        let mut images = Vec::new();
        for offset in window.offsets() {
            let mut tiles = Vec::with_capacity(shape.tiles());
            for mut external in externals(&shape.external()) {
                let mut turns = [0; 2];
                for axis in 0..2 {
                    let (dim, stride) = (window.dims[axis], window.stride[axis]);
                    let e = self.shape().dims()[dim].external_size();
                    let from = external[dim] * stride + offset[axis];
                    external[dim] = from % e;
                    turns[axis] = from / e;
                }
                let Some(tile) = self.at(&external) else { continue };
                let steps = window
                    .dims
                    .iter()
                    .zip(turns)
                    .map(|(&dim, turn)| self.shape().stride(dim) * turn);
                let step: usize = steps.sum();
                let key = (external, turns);
                let ct = match turned.get(&key) {
                    Some(ct) => ct.clone(),
                    None => {
                        let ct = scheme.rotate(tile, step as i64)?;
                        turned.insert(key, ct.clone());
                        ct
                    }
                };
                tiles.push(ct);
            }
            images.push(Self::from_tiles(shape.clone(), tiles)?);
        }
        Ok(images)
    }

    fn zip_lazy<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        right: &TileTensor<S::Prepared>,
    ) -> Result<Self, TileError> {
        self.product("convolve", right, |a, b| scheme.mul_plain(a, b, Rescale::Lazy))
    }
}
