use proptest::prelude::*;

use super::super::{Dim, Tensor, TileShape, TileTensor, Window};
use super::{TOP, assert_equal, decrypt, encrypt, tensor, tiles};
use crate::scheme::{Noop, Op, Scheme};

/// `out[f, y, x] = sum_{c, i, j} filters[f, c, i, j] * image[c, y s0 + i, x s1 + j]`.
fn convolve(image: &Tensor, filters: &Tensor, stride: [usize; 2]) -> Tensor {
    let (i, f) = (image.shape(), filters.shape());
    let (height, width) = ((i[1] - f[2]) / stride[0] + 1, (i[2] - f[3]) / stride[1] + 1);
    Tensor::from_shape_fn(vec![f[0], height, width], |o| {
        let mut sum = 0.0;
        for c in 0..f[1] {
            for y in 0..f[2] {
                for x in 0..f[3] {
                    sum += filters[[o[0], c, y, x].as_slice()]
                        * image[[c, o[1] * stride[0] + y, o[2] * stride[1] + x].as_slice()];
                }
            }
        }
        sum
    })
}

/// Tiles along an interleaved dimension: enough for the size, and a multiple of the stride.
fn external(size: usize, tile: usize, stride: usize) -> Option<usize> {
    Some(size.div_ceil(tile).next_multiple_of(stride))
}

proptest! {
    /// Image [C/t1, H~/t2, W~/t3, */t4], filters [C/t1, */t2, */t3, F/t4] at each offset.
    #[test]
    fn convolution_in_all_packings(
        t in tiles(4, 64), channels in 1usize..4, filters in 1usize..4,
        size in [3usize..9, 3usize..9], window in [1usize..4, 1usize..4], stride in [1usize..4, 1usize..4], seed: u64,
    ) {
        let scheme = Noop::new(64, TOP);
        let image = tensor(&[channels, size[0], size[1]], seed);
        let weights = tensor(&[filters, channels, window[0], window[1]], seed ^ 5);
        let dim = |axis: usize| Dim {
            external: external(size[axis], t[1 + axis], stride[axis]),
            ..Dim::interleaved(size[axis], t[1 + axis])
        };
        let shape = TileShape::new(vec![Dim::new(channels, t[0]), dim(0), dim(1), Dim::duplicated(t[3])]).unwrap();
        let filter_shape = TileShape::new(
            vec![Dim::new(channels, t[0]), Dim::duplicated(t[1]), Dim::duplicated(t[2]), Dim::new(filters, t[3])],
        ).unwrap();
        let mut prepared = Vec::new();
        for i in 0..window[0] {
            for j in 0..window[1] {
                let at = Tensor::from_shape_fn(vec![channels, 1, 1, filters], |x| weights[[x[3], x[0], i, j].as_slice()]);
                let packed = TileTensor::pack(&filter_shape, &at).unwrap();
                prepared.push(packed.try_map(|s| scheme.prepare(TOP, || s.clone())).unwrap());
            }
        }
        let four = image.clone().into_shape_with_order(vec![channels, size[0], size[1], 1]).unwrap();
        let encrypted = encrypt(&scheme, &shape, &four);
        let window = Window { dims: [1, 2], size: window, stride };
        let out = encrypted.convolve(&scheme, &window, &prepared, Some(0)).unwrap();
        let expected = convolve(&image, &weights, stride);
        let (h, w) = (expected.shape()[1], expected.shape()[2]);
        let expected = expected.permuted_axes(vec![1, 2, 0]).as_standard_layout().to_owned();
        assert_equal(&decrypt(&scheme, &out), &expected.into_shape_with_order(vec![1, h, w, filters]).unwrap());
        // Depth 1 and no mask: one product for each offset and tile of the sum over channels' tiles.
        let tiles = out.tiles().len() * shape.dims()[0].external_size();
        prop_assert_eq!(scheme.tally().total(Op::MulPlain), (window.size[0] * window.size[1] * tiles) as u64);
    }

    #[test]
    fn pooling_after_padding(
        t in tiles(2, 16), size in [2usize..9, 2usize..9], pad in [0usize..3, 0usize..3], window in [1usize..4, 1usize..4],
        stride in [1usize..3, 1usize..3], seed: u64,
    ) {
        let scheme = Noop::new(16, TOP);
        let image = tensor(&size, seed);
        let dim = |axis: usize| Dim {
            external: external(size[axis] + 2 * pad[axis], t[axis], stride[axis]),
            ..Dim::interleaved(size[axis], t[axis])
        };
        let shape = TileShape::new(vec![dim(0), dim(1)]).unwrap();
        let encrypted = encrypt(&scheme, &shape, &image);
        let padded = encrypted.pad(&scheme, 0, pad[0], pad[0]).unwrap().pad(&scheme, 1, pad[1], pad[1]).unwrap();
        let wide = Tensor::from_shape_fn(vec![size[0] + 2 * pad[0], size[1] + 2 * pad[1]], |i| {
            match (i[0].checked_sub(pad[0]), i[1].checked_sub(pad[1])) {
                (Some(y), Some(x)) if y < size[0] && x < size[1] => image[[y, x].as_slice()],
                _ => 0.0,
            }
        });
        assert_equal(&decrypt(&scheme, &padded), &wide);
        prop_assume!(window[0] <= wide.shape()[0] && window[1] <= wide.shape()[1]);
        let out = padded.average_pool(&scheme, &Window { dims: [0, 1], size: window, stride }).unwrap();
        let ones = Tensor::from_elem(vec![1, 1, window[0], window[1]], 1.0 / (window[0] * window[1]) as f64);
        let three = wide.clone().insert_axis(tract_onnx::prelude::tract_ndarray::Axis(0));
        let expected = convolve(&three, &ones, stride);
        assert_equal(&decrypt(&scheme, &out), &expected.index_axis_move(tract_onnx::prelude::tract_ndarray::Axis(0), 0));
    }
}

/// The paper's counts: a shift by `k` of [32~/8, 32~/8] (4 x 4 tiles) rotates min(k, 4) * 4 tiles, without a mask.
#[test]
fn only_tiles_that_wrap_rotate() {
    let shape: TileShape = "[32~/8, 32~/8]".parse().unwrap();
    for (by, rotations) in [(1, 4), (2, 8), (5, 16)] {
        let scheme = Noop::new(64, TOP);
        let shifted = encrypt(&scheme, &shape, &tensor(&[32, 32], 1))
            .shift(&scheme, 0, by)
            .unwrap();
        assert_eq!(scheme.tally().total(Op::Rotate), rotations, "by {by}");
        assert_eq!(scheme.tally().total(Op::MulPlain), 0);
        assert_eq!(scheme.level(&shifted.tiles()[0]), TOP);
    }
}
