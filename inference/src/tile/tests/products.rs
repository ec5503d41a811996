use proptest::prelude::*;
use tract_onnx::prelude::tract_ndarray::{Axis, Ix2};

use super::super::{Diagonals, Dim, Tensor, TileShape, TileTensor};
use super::{TOP, assert_equal, decrypt, encrypt, tensor, tiles};
use crate::scheme::{Noop, Op, Scheme};

fn times(a: &Tensor, b: &Tensor) -> Tensor {
    let (a, b) = (
        a.view().into_dimensionality::<Ix2>().unwrap(),
        b.view().into_dimensionality::<Ix2>().unwrap(),
    );
    a.dot(&b).into_dyn()
}

/// `n/t` in one of the packings that a product allows.
fn packed(size: usize, tile: usize, interleaved: bool) -> Dim {
    if interleaved {
        Dim::interleaved(size, tile)
    } else {
        Dim::new(size, tile)
    }
}

proptest! {
    /// [a/t1, b/t2, */t3] x [*/t1, b/t2, c/t3] over 1, and [b/t1, a/t2, */t3] x [b/t1, */t2, c/t3] over 0.
    #[test]
    fn matrices_multiply_in_all_compatible_shapes(
        t in tiles(3, 32), a in 1usize..9, b in 1usize..9, c in 1usize..9,
        inter in any::<[bool; 3]>(), sum_first: bool, encrypted: bool, seed: u64,
    ) {
        let scheme = Noop::new(32, TOP);
        let (left, right) = (tensor(&[a, b], seed), tensor(&[b, c], seed ^ 7));
        // The order of the three dimensions: rows of the left, summed, columns of the right.
        let order = if sum_first { [1, 0, 2] } else { [0, 1, 2] };
        let sizes = if sum_first { [b, a, c] } else { [a, b, c] };
        let dims: Vec<Dim> = (0..3).map(|i| packed(sizes[i], t[i], inter[i])).collect();
        let (mut l, mut r) = (dims.clone(), dims);
        l[2] = Dim::duplicated(t[2]);
        r[order[0]] = Dim::duplicated(t[order[0]]);
        let (l, r) = (TileShape::new(l).unwrap(), TileShape::new(r).unwrap());
        let x = if sum_first { left.clone().reversed_axes().insert_axis(Axis(2)) } else { left.clone().insert_axis(Axis(2)) };
        let y = if sum_first { right.clone().insert_axis(Axis(1)) } else { right.clone().insert_axis(Axis(0)) };
        let (x, sum_dim) = (encrypt(&scheme, &l, &x.as_standard_layout().to_owned()), order[1]);
        let product = if encrypted {
            x.multiply_and_sum(&scheme, &encrypt(&scheme, &r, &y), sum_dim).unwrap()
        } else {
            let y = TileTensor::pack(&r, &y).unwrap().try_map(|s| scheme.prepare(TOP, || s.clone())).unwrap();
            x.multiply_plain_and_sum(&scheme, &y, sum_dim).unwrap()
        };
        let expected = times(&left, &right).insert_axis(Axis(sum_dim));
        assert_equal(&decrypt(&scheme, &product), &expected);
    }

    #[test]
    fn diagonalised_matrices_multiply_vectors(
        t in tiles(3, 64), blocks in 1usize..4, m in 1usize..9, batch in 1usize..6, seed: u64,
    ) {
        let scheme = Noop::new(64, TOP);
        let n = blocks * t[0] * t[1];
        let (matrix, vectors) = (tensor(&[n, m], seed), tensor(&[n, batch], seed ^ 3));
        let shape = TileShape::diagonal(vec![Dim::new(n, t[0]), Dim::new(m, t[1]), Dim::duplicated(t[2])]).unwrap();
        let diagonals = Diagonals::prepare(&scheme, TOP, &shape, &matrix).unwrap();
        let input = TileShape::new(vec![Dim::new(n, t[0] * t[1]), Dim::new(batch, t[2])]).unwrap();
        let product = diagonals.multiply(&scheme, &encrypt(&scheme, &input, &vectors)).unwrap();
        let expected = times(&matrix.reversed_axes(), &vectors).insert_axis(Axis(0));
        assert_equal(&decrypt(&scheme, &product), &expected);
        prop_assert_eq!(scheme.tally().total(Op::Rescale), product.tiles().len() as u64);
    }
}

/// The paper's chain: one layout, every other product without mask and duplication.
#[test]
fn products_alternate_without_repacking() {
    let scheme = Noop::new(64, TOP);
    let (a, b, c, d, e) = (10, 7, 6, 9, 5);
    let m: Vec<Tensor> = [[a, b], [b, c], [c, d], [d, e]]
        .iter()
        .zip(1..)
        .map(|(sizes, seed)| tensor(sizes, seed))
        .collect();
    let pack = |text: &str, tensor: Tensor, level| {
        let packed =
            TileTensor::pack(&text.parse().unwrap(), &tensor.as_standard_layout().to_owned()).unwrap();
        packed.try_map(|s| scheme.prepare(level, || s.clone())).unwrap()
    };
    // Rows of the left matrix are in the second dimension throughout.
    let left = m[0]
        .clone()
        .reversed_axes()
        .insert_axis(Axis(2))
        .as_standard_layout()
        .to_owned();
    let x = encrypt(&scheme, &"[7/4, 10/4, */4]".parse().unwrap(), &left);
    let second = pack("[7/4, */4, 6/4]", m[1].clone().insert_axis(Axis(1)), TOP);
    let x = x.multiply_plain_and_sum(&scheme, &second, 0).unwrap();
    assert_eq!(x.shape().to_string(), "[*/4, 10/4, 6/4]");
    let third = pack(
        "[9/4, */4, 6/4]",
        m[2].clone().reversed_axes().insert_axis(Axis(1)),
        TOP - 1,
    );
    let x = x.multiply_plain_and_sum(&scheme, &third, 2).unwrap();
    assert_eq!(x.shape().to_string(), "[9/4, 10/4, 1?/4]");
    let x = x.clear_unknowns(&scheme).unwrap().duplicate(&scheme, 2).unwrap();
    assert_eq!(x.shape().to_string(), "[9/4, 10/4, */4]");
    let fourth = pack("[9/4, */4, 5/4]", m[3].clone().insert_axis(Axis(1)), TOP - 3);
    let x = x.multiply_plain_and_sum(&scheme, &fourth, 0).unwrap();
    assert_eq!(x.shape().to_string(), "[*/4, 10/4, 5/4]");
    let expected = times(&times(&times(&m[0], &m[1]), &m[2]), &m[3]).insert_axis(Axis(0));
    assert_equal(&decrypt(&scheme, &x), &expected);
}
