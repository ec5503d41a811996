use proptest::prelude::*;

use super::super::{Dim, Tensor, TileShape, TileTensor};
use super::{TOP, any_shape, assert_equal, decrypt, encrypt, tensor};
use crate::scheme::{Noop, Op, Scheme};

/// Two shapes of which each dimension is the same or, in one of them, duplicated.
fn compatible() -> impl Strategy<Value = (TileShape, TileShape)> {
    (any_shape(3, 32), proptest::collection::vec(0..4, 3)).prop_map(|(left, sides)| {
        let (mut l, mut r) = (left.dims().to_vec(), left.dims().to_vec());
        for (i, side) in sides.into_iter().enumerate() {
            match side {
                0 => l[i] = Dim::duplicated(l[i].tile),
                1 => r[i] = Dim::duplicated(r[i].tile),
                2 => r[i].unknown = !r[i].unknown,
                _ => {}
            }
        }
        (TileShape::new(l).unwrap(), TileShape::new(r).unwrap())
    })
}

proptest! {
    #[test]
    fn sums_differences_and_products_broadcast((left, right) in compatible(), seed: u64) {
        let scheme = Noop::new(32, TOP);
        let (a, b) = (tensor(&left.sizes(), seed), tensor(&right.sizes(), seed ^ 1));
        let (x, y) = (encrypt(&scheme, &left, &a), encrypt(&scheme, &right, &b));
        let wide = |t: &Tensor, like: &TileTensor<_>| t.broadcast(like.shape().sizes()).unwrap().to_owned();
        let sum = x.add(&scheme, &y).unwrap();
        assert_equal(&decrypt(&scheme, &sum), &(wide(&a, &sum) + wide(&b, &sum)));
        let difference = x.sub(&scheme, &y).unwrap();
        assert_equal(&decrypt(&scheme, &difference), &(wide(&a, &sum) - wide(&b, &sum)));
        let product = x.mul(&scheme, &y).unwrap();
        assert_equal(&decrypt(&scheme, &product), &(wide(&a, &sum) * wide(&b, &sum)));
        let cleared = product.clear_unknowns(&scheme).unwrap();
        prop_assert!(cleared.shape().dims().iter().all(|d| !d.unknown));
        assert_equal(&decrypt(&scheme, &cleared), &(wide(&a, &sum) * wide(&b, &sum)));
    }

    #[test]
    fn plaintext_operands_give_the_same((left, right) in compatible(), seed: u64) {
        let scheme = Noop::new(32, TOP);
        let right = TileShape::new(right.dims().iter().map(|d| Dim { unknown: false, ..*d }).collect()).unwrap();
        let (a, b) = (tensor(&left.sizes(), seed), tensor(&right.sizes(), seed ^ 1));
        let x = encrypt(&scheme, &left, &a);
        let packed = TileTensor::pack(&right, &b).unwrap();
        let prepared = packed.try_map(|slots| scheme.prepare(TOP, || slots.clone())).unwrap();
        let encoded = packed.try_map(|slots| scheme.encode(TOP, || slots.clone())).unwrap();
        let y = encrypt(&scheme, &right, &b);
        let product = x.mul_plain(&scheme, &prepared).unwrap();
        let encrypted = x.mul(&scheme, &y).unwrap();
        prop_assert_eq!(product.shape(), encrypted.shape());
        assert_equal(&decrypt(&scheme, &product), &decrypt(&scheme, &encrypted));
        let sum = x.add_plain(&scheme, &encoded).unwrap();
        assert_equal(&decrypt(&scheme, &sum), &decrypt(&scheme, &x.add(&scheme, &y).unwrap()));
    }

    #[test]
    fn sums_along_any_dimension(shape in any_shape(3, 32), dim in 0usize..3, seed: u64) {
        let scheme = Noop::new(32, TOP);
        let clear = tensor(&shape.sizes(), seed);
        let encrypted = encrypt(&scheme, &shape, &clear);
        let d = shape.dims()[dim];
        let summable = d.is_broadcast() || (!(d.unknown && d.has_unused()) && d.copies.is_none());
        let sum = encrypted.sum(&scheme, dim);
        prop_assert_eq!(sum.is_ok(), summable);
        if let Ok(sum) = sum {
            let axis = tract_onnx::prelude::tract_ndarray::Axis(dim);
            let expected = clear.sum_axis(axis).insert_axis(axis);
            assert_equal(&decrypt(&scheme, &sum), &expected);
            if !d.is_broadcast() {
                prop_assert_eq!(sum.shape().dims()[dim].copies.is_some(), shape.is_first(dim) || d.tile == 1 && shape.is_first(dim));
            }
            // What was summed can be duplicated again: the alternating chain depends on it.
            let again = sum.clear_unknowns(&scheme).unwrap().duplicate(&scheme, dim).unwrap();
            prop_assert!(again.shape().dims()[dim].is_broadcast());
            assert_equal(&decrypt(&scheme, &again), &expected);
        }
    }
}

#[test]
fn operations_are_as_many_as_the_paper_says() {
    // [32/8, 32/8] over either dimension: 24 additions and 12 rotations. Clearing 4 tiles: 4 products.
    let scheme = Noop::new(64, TOP);
    let shape: TileShape = "[32/8, 32/8]".parse().unwrap();
    let matrix = encrypt(&scheme, &shape, &tensor(&[32, 32], 1));
    let first = matrix.sum(&scheme, 0).unwrap();
    assert_eq!(first.shape().to_string(), "[*/8, 32/8]");
    assert_eq!(
        (scheme.tally().total(Op::Add), scheme.tally().total(Op::Rotate)),
        (24, 12)
    );
    let second = matrix.sum(&scheme, 1).unwrap();
    assert_eq!(second.shape().to_string(), "[32/8, 1?/8]");
    assert_eq!(
        (scheme.tally().total(Op::Add), scheme.tally().total(Op::Rotate)),
        (48, 24)
    );
    let cleared = second.clear_unknowns(&scheme).unwrap();
    assert_eq!(
        (
            scheme.tally().total(Op::MulPlain),
            scheme.tally().total(Op::Rescale)
        ),
        (4, 4)
    );
    let duplicated = cleared.duplicate(&scheme, 1).unwrap();
    assert_eq!(duplicated.shape().to_string(), "[32/8, */8]");
    assert_eq!(scheme.tally().total(Op::Rotate), 36);
    assert_eq!(
        scheme.tally().keys.rotations.keys().copied().collect::<Vec<_>>(),
        [1, 2, 4, 8, 16, 32, 60, 62, 63]
    );
}

#[test]
fn refusals_say_why() {
    let scheme = Noop::new(8, TOP);
    let a = encrypt(&scheme, &"[5/2, 6/4]".parse().unwrap(), &tensor(&[5, 6], 1));
    let b = encrypt(&scheme, &"[5/4, 6/2]".parse().unwrap(), &tensor(&[5, 6], 1));
    let error = a.add(&scheme, &b).unwrap_err().to_string();
    assert!(
        error.starts_with("add: [5/2, 6/4] and [5/4, 6/2] differ in dimension 0"),
        "{error}"
    );
    let unknown = encrypt(&scheme, &"[5?/2, 6/4]".parse().unwrap(), &tensor(&[5, 6], 1));
    let error = unknown.sum(&scheme, 0).unwrap_err().to_string();
    assert!(error.contains("clear_unknowns first"), "{error}");
    let error = a.duplicate(&scheme, 1).unwrap_err().to_string();
    assert!(error.contains("only a single value"), "{error}");
    assert!(a.shift(&scheme, 0, 1).is_err());
    // What is unknown in one row would be carried over into the next.
    let carried = encrypt(&scheme, &"[3?/2, 1/4]".parse().unwrap(), &tensor(&[3, 1], 1));
    let error = carried.duplicate(&scheme, 1).unwrap_err().to_string();
    assert!(error.contains("carried over"), "{error}");
    let beside = encrypt(&scheme, &"[1/2, 3?/4]".parse().unwrap(), &tensor(&[1, 3], 1));
    let both = beside.duplicate(&scheme, 0).unwrap();
    assert_equal(&decrypt(&scheme, &both), &tensor(&[1, 3], 1));
}
