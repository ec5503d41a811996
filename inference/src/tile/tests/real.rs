//! Reshape in all packings, and the operators on the real scheme over a toy ring.

use proptest::prelude::*;

use super::super::{Dim, TileShape, TileTensor, Window};
use super::{TOP, any_dim, assert_equal, decrypt, encrypt, tensor, tiles};
use crate::scheme::tests::{pair, toy};
use crate::scheme::{Noop, Scheme, SchemeError};

/// Two packings of tensors of the same sizes.
fn two_packings() -> impl Strategy<Value = (TileShape, TileShape)> {
    let dims = |tiles: Vec<usize>| tiles.into_iter().map(|t| any_dim(t).boxed()).collect::<Vec<_>>();
    (tiles(2, 32).prop_flat_map(dims), tiles(2, 32).prop_flat_map(dims)).prop_map(|(left, mut right)| {
        for (l, r) in left.iter().zip(&mut right) {
            if l.size != r.size {
                let external = r.interleaved.then(|| l.size.div_ceil(r.tile));
                *r = Dim {
                    size: l.size,
                    copies: None,
                    external,
                    ..*r
                };
            }
        }
        (TileShape::new(left).unwrap(), TileShape::new(right).unwrap())
    })
}

proptest! {
    #[test]
    fn reshape_between_any_two_packings((from, to) in two_packings(), seed: u64) {
        let scheme = Noop::new(32, TOP);
        let clear = tensor(&from.sizes(), seed);
        let reshaped = encrypt(&scheme, &from, &clear).reshape(&scheme, &to).unwrap();
        assert_equal(&decrypt(&scheme, &reshaped), &clear);
        prop_assert!(reshaped.tiles().iter().all(|tile| scheme.level(tile) == TOP - 1));
        prop_assert!(reshaped.shape().dims().iter().all(|d| !d.unknown));
    }
}

/// A chain of operators, generic over the scheme: product with a matrix, square, clearing, duplication, reshape.
fn chain<S: Scheme>(s: &S, x: &TileTensor<S::Ciphertext>) -> TileTensor<S::Ciphertext> {
    let weights = TileTensor::pack(&"[12/8, 9/4, */4]".parse().unwrap(), &tensor(&[12, 9, 1], 5)).unwrap();
    let weights = weights.try_map(|slots| {
        let small: Vec<f64> = slots.iter().map(|v| v / 64.0).collect();
        s.prepare(s.top(), || small)
    });
    let y = x.multiply_plain_and_sum(s, &weights.unwrap(), 0).unwrap();
    assert_eq!(y.shape().to_string(), "[*/8, 9/4, 6/4]");
    let y = y
        .mul(s, &y)
        .unwrap()
        .sum(s, 1)
        .unwrap()
        .clear_unknowns(s)
        .unwrap()
        .duplicate(s, 1)
        .unwrap();
    assert_eq!(y.shape().to_string(), "[*/8, */4, 6/4]");
    y.reshape(s, &"[*/2, */8, 6/8]".parse().unwrap()).unwrap()
}

/// An image, one window by steps of two, average and padding.
fn image<S: Scheme>(s: &S, x: &TileTensor<S::Ciphertext>) -> TileTensor<S::Ciphertext> {
    let window = Window {
        dims: [0, 1],
        size: [2, 3],
        stride: [2, 1],
    };
    let filters: Vec<_> = (0..6)
        .map(|k| {
            let value = tensor(&[1, 1], k) / 16.0;
            let packed = TileTensor::pack(&"[*/16, */8]".parse().unwrap(), &value).unwrap();
            packed
                .try_map(|slots| s.prepare(s.top(), || slots.clone()))
                .unwrap()
        })
        .collect();
    let y = x
        .convolve(s, &window, &filters, None)
        .unwrap()
        .clear_unknowns(s)
        .unwrap();
    let y = y.pad(s, 0, 1, 0).unwrap();
    y.average_pool(
        s,
        &Window {
            dims: [0, 1],
            size: [3, 2],
            stride: [1, 1],
        },
    )
    .unwrap()
}

#[test]
fn operators_run_on_the_real_scheme() {
    let params = toy(8, 4);
    let slots = params.slots();
    for (shape, sizes, which) in [
        ("[12/8, */4, 6/4]", vec![12, 1, 6], 0),
        ("[9~4/16, 10~/8]", vec![9, 10], 1),
    ] {
        let shape: TileShape = shape.parse().unwrap();
        let clear = tensor(&sizes, 3) / 8.0;
        let noop = Noop::new(slots, 4);
        let packed = TileTensor::pack(&shape, &clear).unwrap();
        let plain = packed.try_map(|tile| noop.encrypt(4, || tile.clone())).unwrap();
        let expected = if which == 0 {
            chain(&noop, &plain)
        } else {
            image(&noop, &plain)
        };
        let (client, server) = pair(&params, &noop.tally().keys);
        let encrypted = packed.try_map(|tile| {
            let rng = &mut hedgerow_crypto::seed::Seed::from_bytes([3; 32]).rng();
            let fresh = client.encrypt(4, tile, rng)?;
            fresh
                .expand(&params)
                .map_err(|e| SchemeError::Backend(e.to_string()))
        });
        let encrypted = encrypted.unwrap();
        let actual = if which == 0 {
            chain(&server, &encrypted)
        } else {
            image(&server, &encrypted)
        };
        assert_eq!(server.tally(), noop.tally(), "operations, levels and keys");
        assert_eq!(actual.shape(), expected.shape());
        let open = actual.try_map(|ct| client.decrypt(ct)).unwrap().unpack();
        let expected = decrypt(&noop, &expected);
        let worst = open
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(worst < 2f64.powi(-20), "{shape}: error 2^{:.1}", worst.log2());
    }
}
