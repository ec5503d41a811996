//! What a map between two images looks at: the windows of a convolution, found from its entries.

use crate::graph::Affine;

/// The windows of an affine map between two images: for every row of the result, the elements that it may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Channels, rows and columns of the operand.
    pub image: [usize; 3],
    /// Channels of the result.
    pub filters: usize,
    /// Rows and columns of the result.
    pub windows: [usize; 2],
    /// Rows and columns of a window.
    pub kernel: [usize; 2],
    /// From one window to the next.
    pub stride: [usize; 2],
    /// Rows and columns of the first window before the image.
    pub pads: [usize; 2],
}

impl Geometry {
    /// The smallest windows that hold all entries of `map`; nothing where its operand or result is no image, or where windows
    /// are as large as the image.
    pub fn of(map: &Affine, operand: &[usize], result: &[usize]) -> Option<Self> {
        let (&[channels, height, width], &[filters, rows, columns]) = (operand, result) else {
            return None;
        };
        if rows * columns <= 1 || map.inputs() != channels * height * width {
            return None;
        }
        let (image, windows) = ([height, width], [rows, columns]);
        // Of the strides that the sizes allow, the one with the smaller windows.
        let strides = [0, 1].map(|axis| {
            let least = (image[axis] / windows[axis]).max(1);
            [least, least + 1]
        });
        let mut span = [[(i64::MAX, i64::MIN); 2]; 2];
        for r in 0..map.outputs() {
            let at = [r / columns % rows, r % columns];
            let mut seen = [(usize::MAX, 0); 2];
            for (c, _) in map.row(r) {
                let element = [c as usize / width % height, c as usize % width];
                for (seen, element) in seen.iter_mut().zip(element) {
                    *seen = (seen.0.min(element), seen.1.max(element));
                }
            }
            if seen[0].0 == usize::MAX {
                continue;
            }
            for axis in 0..2 {
                for (span, stride) in span[axis].iter_mut().zip(strides[axis]) {
                    let origin = (at[axis] * stride) as i64;
                    *span = (
                        span.0.min(seen[axis].0 as i64 - origin),
                        span.1.max(seen[axis].1 as i64 - origin),
                    );
                }
            }
        }
        let (mut kernel, mut stride, mut pads) = ([0; 2], [0; 2], [0; 2]);
        for axis in 0..2 {
            let of = |n: usize| {
                let (low, high) = span[axis][n];
                let pad = (-low).max(0);
                (high >= low).then_some(((high + pad + 1) as usize, strides[axis][n], pad as usize))
            };
            let (size, step, pad) = [0, 1].into_iter().filter_map(of).min()?;
            (kernel[axis], stride[axis], pads[axis]) = (size, step, pad);
        }
        let inside = kernel[0] <= height && kernel[1] <= width;
        (inside && kernel[0] * kernel[1] < height * width).then_some(Self {
            image: [channels, height, width],
            filters,
            windows,
            kernel,
            stride,
            pads,
        })
    }

    /// Taps of a window: an element of the kernel in every channel.
    pub fn taps(&self) -> usize {
        self.image[0] * self.kernel[0] * self.kernel[1]
    }

    /// Rows of the map that need the rotations of all, where those do not depend on where a window is but for its residues
    /// modulo `tiles`: a run of windows in the middle, where the image's edge cuts none.
    pub fn sample(&self, tiles: [usize; 2]) -> Vec<usize> {
        let run = |axis: usize| {
            let long = tiles[axis].min(self.windows[axis]);
            let start = (self.windows[axis] - long) / 2;
            start..start + long
        };
        let [rows, columns] = self.windows;
        let mut sample = Vec::new();
        for f in 0..self.filters {
            for y in run(0) {
                sample.extend(run(1).map(|x| (f * rows + y) * columns + x));
            }
        }
        sample
    }

    /// Tiles along a dimension of the operand that becomes as many of the result, and the factor of the gap between neighbours
    /// in a tile, where the operand has `tiles` of them.
    pub fn strided(&self, tiles: [usize; 2]) -> Option<([usize; 2], usize)> {
        let shared = [0, 1].map(|axis| gcd(tiles[axis], self.stride[axis]));
        let gaps = [0, 1].map(|axis| self.stride[axis] / shared[axis]);
        (gaps[0] == gaps[1]).then_some(([tiles[0] / shared[0], tiles[1] / shared[1]], gaps[0]))
    }
}

/// The greatest common divisor.
pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Geometry;
    use crate::linear::image_tests::shapes;

    proptest! {
        /// Every window holds what its row sees, and is no larger than the convolution's.
        #[test]
        fn windows_are_found(shape in shapes(), seed: u64) {
            let windows = shape.windows().unwrap();
            let map = shape.map(seed);
            let operand = [shape.channels, shape.image[0], shape.image[1]];
            let result = [shape.filters, windows[0], windows[1]];
            let Some(found) = Geometry::of(&map, &operand, &result) else {
                return Ok(());
            };
            for r in 0..map.outputs() {
                let at = [r / windows[1] % windows[0], r % windows[1]];
                for (c, _) in map.row(r) {
                    let element = [c as usize / operand[2] % operand[1], c as usize % operand[2]];
                    for axis in 0..2 {
                        let tap = (element[axis] + found.pads[axis]) as i64 - (at[axis] * found.stride[axis]) as i64;
                        prop_assert!((0..found.kernel[axis] as i64).contains(&tap), "{found:?}");
                    }
                }
            }
            for axis in 0..2 {
                let least = (operand[axis + 1] / windows[axis]).max(1);
                if (least..least + 2).contains(&shape.stride[axis]) {
                    prop_assert!(found.kernel[axis] <= shape.kernel[axis], "{found:?} of {shape:?}");
                }
            }
        }
    }
}
