//! Linear layers as affine maps. Shapes are of one sample, `[channels, height, width]`, row-major.

use super::{Affine, GraphError};
use crate::tile::Tensor;

/// A map with the shape of its result.
pub(super) type Layer = Result<(Affine, Vec<usize>), GraphError>;

/// Geometry of a window over the last two dimensions.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
}

impl Geometry {
    fn span(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// Height and width of the result, or nothing where the window does not fit.
    pub fn output(&self, height: usize, width: usize) -> Option<[usize; 2]> {
        let along = |axis: usize, size: usize| {
            let padded = size + self.pads[axis] + self.pads[axis + 2];
            padded
                .checked_sub(self.span(axis))
                .map(|rest| rest / self.stride[axis] + 1)
        };
        Some([along(0, height)?, along(1, width)?])
    }

    /// The `(kernel row, kernel column, row, column)` under the window at `[y, x]` that are inside the image.
    fn under(&self, y: usize, x: usize, height: usize, width: usize) -> Vec<[usize; 4]> {
        let mut cells = Vec::with_capacity(self.kernel[0] * self.kernel[1]);
        for i in 0..self.kernel[0] {
            for j in 0..self.kernel[1] {
                let row = (y * self.stride[0] + i * self.dilation[0]).checked_sub(self.pads[0]);
                let column = (x * self.stride[1] + j * self.dilation[1]).checked_sub(self.pads[1]);
                if let (Some(row), Some(column)) = (row, column)
                    && row < height
                    && column < width
                {
                    cells.push([i, j, row, column]);
                }
            }
        }
        cells
    }
}

/// Convolution with `weights` `[filters, channels / groups, kernel height, kernel width]`.
pub(super) fn conv(
    image: [usize; 3],
    geometry: &Geometry,
    groups: usize,
    weights: &Tensor,
    bias: &[f64],
) -> Layer {
    let [channels, height, width] = image;
    let [out_height, out_width] = geometry.output(height, width).unwrap_or([0, 0]);
    let filters = weights.shape()[0];
    let (inputs, outputs) = (channels / groups, filters / groups);
    let mut rows = Vec::with_capacity(filters * out_height * out_width);
    for f in 0..filters {
        for y in 0..out_height {
            for x in 0..out_width {
                let cells = geometry.under(y, x, height, width);
                let mut row = Vec::with_capacity(inputs * cells.len());
                for c in 0..inputs {
                    let plane = (f / outputs * inputs + c) * height * width;
                    row.extend(cells.iter().map(|&[i, j, r, k]| {
                        ((plane + r * width + k) as u32, weights[[f, c, i, j].as_slice()])
                    }));
                }
                rows.push((row, bias.get(f).copied().unwrap_or(0.0)));
            }
        }
    }
    Ok((
        Affine::from_rows(channels * height * width, rows)?,
        vec![filters, out_height, out_width],
    ))
}

/// Average pooling; zeros of the padding count only with `include_pad`.
pub(super) fn average(image: [usize; 3], geometry: &Geometry, include_pad: bool) -> Layer {
    let [channels, height, width] = image;
    let [out_height, out_width] = geometry.output(height, width).unwrap_or([0, 0]);
    let mut rows = Vec::with_capacity(channels * out_height * out_width);
    for c in 0..channels {
        for y in 0..out_height {
            for x in 0..out_width {
                let cells = geometry.under(y, x, height, width);
                let count = if include_pad {
                    geometry.kernel[0] * geometry.kernel[1]
                } else {
                    cells.len()
                };
                let value = 1.0 / count as f64;
                let row = cells
                    .iter()
                    .map(|&[_, _, r, k]| (((c * height + r) * width + k) as u32, value));
                rows.push((row.collect(), 0.0));
            }
        }
    }
    Ok((
        Affine::from_rows(channels * height * width, rows)?,
        vec![channels, out_height, out_width],
    ))
}

/// `y = W x + b` with `weights` `[outputs, inputs]`.
pub(super) fn dense(weights: &Tensor, bias: &[f64]) -> Layer {
    let (outputs, inputs) = (weights.shape()[0], weights.shape()[1]);
    let rows = (0..outputs).map(|i| {
        let row = (0..inputs)
            .map(|j| (j as u32, weights[[i, j].as_slice()]))
            .collect();
        (row, bias.get(i).copied().unwrap_or(0.0))
    });
    Ok((Affine::from_rows(inputs, rows)?, vec![outputs]))
}

/// `y = scale x + shift`, element by element.
pub(super) fn diagonal(shape: &[usize], scale: impl Fn(usize) -> f64, shift: impl Fn(usize) -> f64) -> Layer {
    let size: usize = shape.iter().product();
    let rows = (0..size).map(|i| (vec![(i as u32, scale(i))], shift(i)));
    Ok((Affine::from_rows(size, rows)?, shape.to_vec()))
}

/// The index along each dimension of the element number `flat`.
pub(super) fn index(shape: &[usize], flat: usize) -> Vec<usize> {
    let mut rest = flat;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let i = rest % size;
            rest /= size;
            i
        })
        .collect();
    index.reverse();
    index
}

/// The number of the element at `index`.
pub(super) fn flat(shape: &[usize], index: &[usize]) -> usize {
    shape
        .iter()
        .zip(index)
        .fold(0, |flat, (&size, &i)| flat * size + i)
}

/// Dimension `i` of the result is dimension `order[i]` of the operand.
pub(super) fn transpose(shape: &[usize], order: &[usize]) -> Layer {
    let result: Vec<usize> = order.iter().map(|&d| shape[d]).collect();
    let size: usize = shape.iter().product();
    let pick = (0..size).map(|i| {
        let to = index(&result, i);
        let mut from = vec![0; shape.len()];
        for (&d, &at) in order.iter().zip(&to) {
            from[d] = at;
        }
        Some(flat(shape, &from) as u32)
    });
    Ok((Affine::select(size, pick)?, result))
}

/// Zeros around every dimension.
pub(super) fn pad(shape: &[usize], before: &[usize], after: &[usize]) -> Layer {
    let result: Vec<usize> = shape
        .iter()
        .zip(before.iter().zip(after))
        .map(|(n, (b, a))| n + b + a)
        .collect();
    let pick = (0..result.iter().product()).map(|i| {
        let to = index(&result, i);
        let from: Option<Vec<usize>> = to.iter().zip(before).map(|(&i, &b)| i.checked_sub(b)).collect();
        let from = from.filter(|from| from.iter().zip(shape).all(|(i, n)| i < n))?;
        Some(flat(shape, &from) as u32)
    });
    Ok((Affine::select(shape.iter().product(), pick)?, result))
}

/// Sum or mean over `axes`, which keep size 1 with `keep`.
pub(super) fn reduce(shape: &[usize], axes: &[usize], mean: bool, keep: bool) -> Layer {
    let kept: Vec<usize> = shape
        .iter()
        .enumerate()
        .map(|(d, &n)| if axes.contains(&d) { 1 } else { n })
        .collect();
    let count: usize = axes.iter().map(|&d| shape[d]).product();
    let value = if mean { 1.0 / count as f64 } else { 1.0 };
    let mut rows = vec![(Vec::new(), 0.0); kept.iter().product()];
    for i in 0..shape.iter().product() {
        let to: Vec<usize> = index(shape, i)
            .iter()
            .enumerate()
            .map(|(d, &i)| if axes.contains(&d) { 0 } else { i })
            .collect();
        rows[flat(&kept, &to)].0.push((i as u32, value));
    }
    let result = if keep {
        kept
    } else {
        kept.iter()
            .enumerate()
            .filter(|(d, _)| !axes.contains(d))
            .map(|(_, &n)| n)
            .collect()
    };
    Ok((Affine::from_rows(shape.iter().product(), rows)?, result))
}

/// Part `offset..` of a result of `total` elements along `axis`: one operand of a concatenation, zeros elsewhere.
pub(super) fn embed(shape: &[usize], axis: usize, offset: usize, total: usize) -> Layer {
    let mut before = vec![0; shape.len()];
    let mut after = vec![0; shape.len()];
    (before[axis], after[axis]) = (offset, total - offset - shape[axis]);
    pad(shape, &before, &after)
}
