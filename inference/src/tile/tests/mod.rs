//! Every operator against the clear, in all packings, on the clear scheme.

mod complex;
mod elementwise;
mod generic;
mod notation;
mod products;
mod real;
mod windows;

use proptest::prelude::*;

use super::{Dim, Tensor, TileShape, TileTensor};
use crate::scheme::{ClearCiphertext, Noop, Numbers};

pub(super) type Ct = ClearCiphertext<Numbers>;

pub(super) const TOP: usize = 8;

/// Encrypts `tensor`, with rubbish in the unused slots where the shape says that they are unknown.
pub(super) fn encrypt(scheme: &Noop, shape: &TileShape, tensor: &Tensor) -> TileTensor<Ct> {
    let packed = TileTensor::pack(shape, tensor).unwrap();
    let tiles = packed.tiles().iter().enumerate().map(|(index, slots)| {
        let mut slots = slots.clone();
        for (slot, value) in slots.iter_mut().enumerate() {
            if shape.element(index, slot).is_none() && !silent(shape, index, slot) {
                *value = 1e3 + slot as f64;
            }
        }
        scheme.encrypt(TOP, || slots).unwrap()
    });
    TileTensor::from_tiles(shape.clone(), tiles.collect()).unwrap()
}

/// Whether an unused slot is promised to be zero: unused along some dimension, and none of those is unknown.
fn silent(shape: &TileShape, tile: usize, slot: usize) -> bool {
    let (mut tile, mut slot) = (tile, slot);
    let mut zero = false;
    for dim in shape.dims().iter().rev() {
        let (a, b) = (tile % dim.external_size(), slot % dim.tile);
        (tile, slot) = (tile / dim.external_size(), slot / dim.tile);
        if dim.element(a, b).is_none() {
            if dim.unknown {
                return false;
            }
            zero = true;
        }
    }
    zero
}

/// Decrypts, and checks that slots promised to be zero are, and that duplicates agree.
pub(super) fn decrypt(scheme: &Noop, tensor: &TileTensor<Ct>) -> Tensor {
    let plain = tensor
        .try_map(|ct| Ok::<_, ()>(scheme.decrypt(ct).clone()))
        .unwrap();
    let clear = plain.unpack();
    for (tile, slots) in plain.tiles().iter().enumerate() {
        for (slot, &value) in slots.iter().enumerate() {
            match plain.shape().element(tile, slot) {
                Some(index) => assert_close(value, clear[index.as_slice()], plain.shape()),
                None if silent(plain.shape(), tile, slot) => assert_close(value, 0.0, plain.shape()),
                None => {}
            }
        }
    }
    clear
}

fn assert_close(actual: f64, expected: f64, shape: &TileShape) {
    assert!(
        (actual - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
        "{shape}: {actual}, expected {expected}"
    );
}

pub(super) fn assert_equal(actual: &Tensor, expected: &Tensor) {
    assert_eq!(actual.shape(), expected.shape());
    for (a, b) in actual.iter().zip(expected) {
        assert!(
            (a - b).abs() <= 1e-9 * (1.0 + b.abs()),
            "{actual}\nexpected\n{expected}"
        );
    }
}

/// A tensor of small integers, the same for the same seed.
pub(super) fn tensor(sizes: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Tensor::from_shape_simple_fn(sizes, || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) % 19) as f64 - 9.0
    })
}

/// Tiles of `count` dimensions, powers of two whose product is `slots`.
pub(super) fn tiles(count: usize, slots: usize) -> impl Strategy<Value = Vec<usize>> {
    let bits = slots.ilog2();
    proptest::collection::vec(0..=bits, count - 1).prop_map(move |mut cuts| {
        cuts.extend([0, bits]);
        cuts.sort_unstable();
        cuts.windows(2).map(|w| 1 << (w[1] - w[0])).collect()
    })
}

/// A dimension in any packing, with its size.
pub(super) fn any_dim(tile: usize) -> impl Strategy<Value = Dim> {
    (1usize..12, 0..5, any::<bool>(), 0usize..2).prop_map(move |(size, kind, unknown, more)| match kind {
        0 => Dim::duplicated(tile),
        1 => Dim {
            copies: Some(1 + size % tile),
            unknown,
            ..Dim::new(1, tile)
        },
        2 => Dim {
            unknown,
            ..Dim::interleaved(size, tile)
        },
        3 => Dim {
            unknown,
            external: Some(size.div_ceil(tile) + more),
            ..Dim::interleaved(size, tile)
        },
        _ => Dim {
            unknown,
            ..Dim::new(size, tile)
        },
    })
}

/// A shape of `count` dimensions in any packing.
pub(super) fn any_shape(count: usize, slots: usize) -> impl Strategy<Value = TileShape> {
    tiles(count, slots)
        .prop_flat_map(|tiles| tiles.into_iter().map(|t| any_dim(t).boxed()).collect::<Vec<_>>())
        .prop_map(|dims| TileShape::new(dims).unwrap())
}
