//! Convolutions between interleaved images and from windows, on the clear scheme, against the map itself.

use proptest::prelude::*;

use super::tests::run_in;
use super::{Fold, Grid, Interleaved, Layout, Order, Windows, lacking, rotations, sampled};
use crate::graph::Affine;

const POSITIONS: usize = 128;

/// A convolution.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub channels: usize,
    pub filters: usize,
    pub image: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: [usize; 2],
}

impl Shape {
    pub fn windows(&self) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let room = (self.image[axis] + 2 * self.pads[axis]).checked_sub(self.kernel[axis])?;
            Some(room / self.stride[axis] + 1)
        };
        Some([along(0)?, along(1)?])
    }

    pub fn map(&self, seed: u64) -> Affine {
        let [height, width] = self.image;
        let [rows, columns] = self.windows().unwrap();
        let mut all = Vec::new();
        for f in 0..self.filters {
            for oy in 0..rows {
                for ox in 0..columns {
                    let mut row = Vec::new();
                    for c in 0..self.channels {
                        for ky in 0..self.kernel[0] {
                            for kx in 0..self.kernel[1] {
                                let y = (oy * self.stride[0] + ky).checked_sub(self.pads[0]);
                                let x = (ox * self.stride[1] + kx).checked_sub(self.pads[1]);
                                let (Some(y), Some(x)) = (y, x) else { continue };
                                if y < height && x < width {
                                    let tap = (((f * 7 + c) * 5 + ky) * 3 + kx) as u64 + seed % 11;
                                    let column = ((c * height + y) * width + x) as u32;
                                    row.push((column, (tap * 37 % 9) as f64 - 4.5));
                                }
                            }
                        }
                    }
                    all.push((row, 0.0));
                }
            }
        }
        Affine::from_rows(self.channels * height * width, all).unwrap()
    }
}

/// Any convolution: strides, padding, channels, uneven sizes.
pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let two = |most: usize| [1..=most, 1..=most];
    let pads = [0usize..3, 0usize..3];
    (1usize..5, 1usize..5, two(9), two(3), two(3), pads)
        .prop_map(|(channels, filters, image, kernel, stride, pads)| Shape {
            channels,
            filters,
            image,
            kernel,
            stride,
            pads,
        })
        .prop_filter("a kernel that fits", |shape| shape.windows().is_some())
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn interleaved(
    channels: usize,
    image: [usize; 2],
    tiles: [usize; 2],
    gap: usize,
    least: [usize; 2],
    planes: usize,
) -> Interleaved {
    let [height, width] = image;
    let [rows, columns] = [tiles[0].min(height), tiles[1].min(width)];
    let pitch = (width.div_ceil(columns) * gap).max(least[1]);
    let block = (height.div_ceil(rows) * gap * pitch)
        .max(least[0])
        .next_power_of_two();
    let planes = planes.min(channels.div_ceil(gap * gap).next_power_of_two());
    Interleaved {
        channels,
        height,
        width,
        rows,
        columns,
        gap,
        pitch,
        block,
        planes,
        copies: 1,
    }
}

fn orders(grid: Grid) -> [Grid; 2] {
    let order = Order::BatchFirst;
    [grid, Grid { order, ..grid }]
}

proptest! {
    /// Between any two interleaved layouts, those that fit each other and others; with and without copies and partial sums.
    #[test]
    fn between_interleaved_images(
        shape in shapes(), tiles in [1usize..4, 1usize..4], planes in 0u32..3, after in 0u32..3, count in 0u32..3,
        gap in 1usize..3, fitting: bool, full: bool, lanes in 1usize..3, seed: u64,
    ) {
        let windows = shape.windows().unwrap();
        let mut input = interleaved(shape.channels, shape.image, tiles, gap, [1, 1], 1 << planes);
        let shared = |axis: usize, tiles: usize| gcd(tiles, shape.stride[axis]);
        let [g, h] = [shared(0, input.rows), shared(1, input.columns)];
        let mut output = if fitting && shape.stride[0] / g == shape.stride[1] / h {
            let least = [input.block, input.pitch];
            let tiles = [input.rows / g, input.columns / h];
            interleaved(shape.filters, windows, tiles, gap * shape.stride[0] / g, least, 1 << after)
        } else {
            interleaved(shape.filters, windows, tiles, 1, [1, 1], 1 << after)
        };
        prop_assume!(Layout::Interleaved(input.clone()).check(POSITIONS).is_ok());
        if full {
            input.copies = POSITIONS / input.period();
        }
        // Partial sums over the planes of the input, and rows so many planes apart.
        let room = if full && output.block <= input.block { input.planes.next_power_of_two() } else { 1 };
        let count = (1 << count).min(room);
        let fold = if count > 1 {
            let step = input.block;
            output.block = step * count;
            Fold::Skewed { step, count }
        } else {
            Fold::None
        };
        prop_assume!(Layout::Interleaved(output.clone()).check(POSITIONS).is_ok());
        if full && seed % 2 == 0 {
            output.copies = POSITIONS / output.period();
        }
        let map = shape.map(seed);
        let copies = output.copies;
        let (input, output) = (Layout::Interleaved(input), Layout::Interleaved(output));
        for grid in orders(Grid::new(POSITIONS, lanes)) {
            if copies == 1 || grid.order == Order::BatchLast {
                run_in(grid, &map, &input, &output, fold, true);
            }
        }
    }

    /// From windows to an image and to anything else, the taps over several tiles, with and without partial sums.
    #[test]
    fn from_windows(
        shape in shapes(), taps in 0u32..6, count in 0u32..4, full: bool, wide: bool, lanes in 1usize..3, seed: u64,
    ) {
        let windows = shape.windows().unwrap();
        let block = (windows[0] * windows[1]).next_power_of_two();
        let mut input = Windows {
            channels: shape.channels, height: shape.image[0], width: shape.image[1], kernel: shape.kernel,
            stride: shape.stride, pads: shape.pads, windows, block, taps: (1 << taps).min((POSITIONS / block).max(1)), copies: 1,
        };
        prop_assume!(Layout::Windows(input.clone()).check(POSITIONS).is_ok());
        let map = shape.map(seed);
        if full {
            input.copies = POSITIONS / input.period();
        }
        let step = input.block;
        let count = (1usize << count).min(if full { input.taps } else { 1 });
        let input = Layout::Windows(input);
        prop_assert!(lacking(&map, &input, POSITIONS).is_none());
        let block = step * count;
        let room = (POSITIONS / block).max(1);
        let output = if wide {
            let size = map.outputs();
            Layout::Dense { size, period: POSITIONS, copies: 1 }
        } else {
            let output = interleaved(shape.filters, windows, [1, 1], 1, [block, 1], room);
            Layout::Interleaved(Interleaved { block, ..output })
        };
        let fold = if count > 1 && !wide { Fold::Skewed { step, count } } else { Fold::None };
        prop_assume!(output.check(POSITIONS).is_ok());
        for grid in orders(Grid::new(POSITIONS, lanes)) {
            run_in(grid, &map, &input, &output, fold, true);
        }
    }

    #[test]
    fn numbers_say_all_of_a_layout(sides in proptest::collection::vec(0usize..40, 3..15)) {
        if let Some(layout) = Layout::from_sides(&sides) {
            prop_assert_eq!(layout.sides(), sides);
            // Whatever passes the check can be packed and read.
            if layout.size() < 4096 && layout.check(POSITIONS).is_ok() {
                let grid = Grid::new(POSITIONS, 1);
                let sample: Vec<f64> = (0..layout.size()).map(|i| i as f64 + 1.0).collect();
                let packed = layout.pack(std::slice::from_ref(&sample), grid);
                prop_assert_eq!(packed.len(), layout.tiles(POSITIONS));
                let opened = layout.unpack(&packed, 1, grid);
                for (i, (a, b)) in opened[0].iter().zip(&sample).enumerate() {
                    prop_assert_eq!(*a, if layout.place(i, POSITIONS).is_some() { *b } else { 0.0 });
                }
            }
        }
    }
}

/// HElayers' counts: each tap of each tile is one product, and only the tiles at the end of a residue rotate.
#[test]
fn interleaved_tiles_rotate_only_where_they_wrap() {
    let shape = Shape {
        channels: 1,
        filters: 1,
        image: [8, 8],
        kernel: [3, 3],
        stride: [1, 1],
        pads: [0, 0],
    };
    let input = Layout::Interleaved(interleaved(1, [8, 8], [4, 4], 1, [1, 1], 1));
    let output = Layout::Interleaved(interleaved(1, [6, 6], [4, 4], 1, [4, 2], 1));
    let map = shape.map(1);
    let grid = Grid::new(4, 1);
    let matrix = rotations(&map, &input, &output, Fold::None, grid);
    let terms: usize = matrix.blocks.values().map(|block| block.len()).sum();
    assert_eq!(terms, 9 * 16);
    let mut turned: Vec<(u32, u32)> = Vec::new();
    for (&(_, input), block) in &matrix.blocks {
        turned.extend(
            block
                .keys()
                .filter(|&&rotation| rotation != 0)
                .map(|&r| (input, r)),
        );
    }
    turned.sort_unstable();
    turned.dedup();
    // (kernel - 1) wrapping residues of each dimension: 2 * 4 + 2 * 4 + 2 * 2 tiles.
    assert_eq!(turned.len(), 2 * 4 + 2 * 4 + 2 * 2);
    // A run of rows of every residue says all rotations.
    let some = (1..5).flat_map(|y| (1..5).map(move |x| y * 6 + x));
    assert_eq!(sampled(&map, some, &input, &output, Fold::None, grid), matrix);
}

/// HElayers' im2col: a product for each ciphertext, and rotations only to add up its taps.
#[test]
fn windows_need_no_rotation_before_the_sum() {
    let shape = Shape {
        channels: 2,
        filters: 3,
        image: [6, 6],
        kernel: [2, 2],
        stride: [2, 2],
        pads: [0, 0],
    };
    let windows = Windows {
        channels: 2,
        height: 6,
        width: 6,
        kernel: [2, 2],
        stride: [2, 2],
        pads: [0, 0],
        windows: [3, 3],
        block: 16,
        taps: 2,
        copies: 4,
    };
    let output = Layout::Image {
        channels: 3,
        height: 3,
        width: 3,
        gap: 1,
        pitch: 3,
        block: 32,
        copies: 1,
    };
    let fold = Fold::Skewed { step: 16, count: 2 };
    let grid = Grid::new(POSITIONS, 1);
    let matrix = rotations(&shape.map(3), &Layout::Windows(windows), &output, fold, grid);
    assert_eq!(matrix.blocks.len(), 4);
    assert!(matrix.blocks.values().all(|block| block.keys().eq([&0])));
    assert_eq!(fold.rotations(), [16]);
}

#[test]
fn layouts_that_do_not_fit_are_refused() {
    let good = interleaved(2, [6, 6], [2, 2], 1, [1, 1], 2);
    let refused = |change: fn(&mut Interleaved)| {
        let mut image = good.clone();
        change(&mut image);
        Layout::Interleaved(image)
            .check(POSITIONS)
            .unwrap_err()
            .to_string()
    };
    assert!(Layout::Interleaved(good.clone()).check(POSITIONS).is_ok());
    assert!(refused(|i| i.rows = 0).contains("at least 1"));
    assert!(refused(|i| i.rows = 7).contains("residues"));
    assert!(refused(|i| i.pitch = 2).contains("overlap"));
    assert!(refused(|i| i.block = 8).contains("overlap"));
    assert!(refused(|i| i.planes = 16).contains("planes"));
    assert!(refused(|i| i.copies = 8).contains("copies"));
    assert!(refused(|i| i.gap = 1 << 30).contains("2^20"));
    let good = Windows {
        channels: 1,
        height: 6,
        width: 6,
        kernel: [3, 3],
        stride: [1, 1],
        pads: [0, 0],
        windows: [4, 4],
        block: 16,
        taps: 8,
        copies: 1,
    };
    let refused = |change: fn(&mut Windows)| {
        let mut windows = good.clone();
        change(&mut windows);
        Layout::Windows(windows).check(POSITIONS).unwrap_err().to_string()
    };
    assert!(Layout::Windows(good.clone()).check(POSITIONS).is_ok());
    assert!(refused(|w| w.stride = [0, 1]).contains("at least 1"));
    assert!(refused(|w| w.windows = [5, 5]).contains("overlap"));
    assert!(refused(|w| w.taps = 9).contains("taps"));
    assert!(refused(|w| w.copies = 2).contains("copies"));
    assert!(refused(|w| (w.channels, w.kernel) = (1 << 20, [1 << 20, 1 << 20])).contains("2^26"));
}
