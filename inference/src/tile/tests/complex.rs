//! Complex packing in all packings of the other marks, over the clear scheme, the simulation and the real one.

use hedgerow_crypto::seed::Seed;
use proptest::prelude::*;

use super::super::{Dim, Tensor, TileError, TileShape, TileTensor, Window};
use super::{Ct, TOP, any_shape, assert_equal, decrypt, encrypt, tensor};
use crate::scheme::tests::{pair, toy};
use crate::scheme::{Complex, Noop, Op, Scheme, Sim};

const LEVELS: usize = 3;
const SLOTS: usize = 128;

/// A shape with a complex-packed dimension, in any packing, and that dimension.
fn any_complex(count: usize, slots: usize) -> impl Strategy<Value = (TileShape, usize)> {
    (any_shape(count, slots), 0..count, 1_usize..12).prop_map(|(shape, dim, size)| {
        let mut dims = shape.dims().to_vec();
        let d = dims[dim];
        dims[dim] = if d.copies.is_some() {
            Dim::new(size, d.tile)
        } else {
            d
        };
        dims[dim].complex = true;
        (TileShape::new(dims).unwrap(), dim)
    })
}

/// Slots of a packed tensor, with rubbish where the shape says that slots are unknown.
fn packed(shape: &TileShape, clear: &Tensor) -> TileTensor<Vec<Complex>> {
    let mut rubbish = TileTensor::pack_complex(shape, clear).unwrap();
    let parts = shape.parts();
    let tiles = rubbish.tiles().iter().enumerate().map(|(tile, slots)| {
        let (re, im) = shape.tiles_of(tile);
        let unknown =
            |tile: usize, slot| parts.element(tile, slot).is_none() && !super::silent(&parts, tile, slot);
        let fill = |(slot, z): (usize, &Complex)| Complex {
            re: if unknown(re, slot) { 1.25 } else { z.re },
            im: if im.is_some_and(|im| unknown(im, slot)) {
                -0.75
            } else {
                z.im
            },
        };
        slots.iter().enumerate().map(fill).collect()
    });
    rubbish = TileTensor::from_tiles(shape.clone(), tiles.collect()).unwrap();
    rubbish
}

fn hide(scheme: &Noop, x: &TileTensor<Vec<Complex>>, level: usize) -> TileTensor<Ct> {
    x.try_map(|z| scheme.encrypt_complex(level, || z.clone()))
        .unwrap()
}

fn show(scheme: &Noop, x: &TileTensor<Ct>) -> TileTensor<Vec<Complex>> {
    x.try_map(|ct| Ok::<_, ()>(scheme.decrypt_complex(ct))).unwrap()
}

/// What is promised to be zero, is: in both parts. And the elements.
fn opened(scheme: &Noop, x: &TileTensor<Ct>) -> Tensor {
    let plain = show(scheme, x);
    let parts = plain.shape().parts();
    for (tile, slots) in plain.tiles().iter().enumerate() {
        let (re, im) = plain.shape().tiles_of(tile);
        for (slot, z) in slots.iter().enumerate() {
            assert!(!super::silent(&parts, re, slot) || z.re.abs() < 1e-9);
            assert!(im.is_none_or(|im| !super::silent(&parts, im, slot)) || z.im.abs() < 1e-9);
        }
    }
    plain.unpack_complex()
}

/// The other operand of a product: duplicated along the packed dimension.
fn along(shape: &TileShape, dim: usize) -> TileShape {
    let mut dims = shape.dims().to_vec();
    dims[dim] = Dim::duplicated(dims[dim].tile);
    dims.iter_mut().for_each(|d| d.unknown = false);
    TileShape::new(dims).unwrap()
}

proptest! {
    #[test]
    fn packing_and_notation_come_back((shape, _) in any_complex(3, 16), seed: u64) {
        let clear = tensor(&shape.sizes(), seed);
        let packed = TileTensor::pack_complex(&shape, &clear).unwrap();
        prop_assert_eq!(packed.unpack_complex(), clear.clone());
        prop_assert_eq!(shape.to_string().parse::<TileShape>().unwrap(), shape.clone());
        // Half the ciphertexts, up to the last of an odd number.
        prop_assert!(2 * shape.tiles() >= shape.parts().tiles());
        let real = TileTensor::pack(&shape.parts(), &clear).unwrap();
        let complex = TileTensor::pack_complex(&shape.parts(), &clear).unwrap();
        prop_assert_eq!(complex.unpack_complex(), real.unpack());
    }

    #[test]
    fn parts_come_apart_and_together((shape, dim) in any_complex(3, 32), seed: u64) {
        let scheme = Noop::new(32, TOP);
        let clear = tensor(&shape.sizes(), seed);
        let x = hide(&scheme, &packed(&shape, &clear), TOP);
        let apart = x.split_complex(&scheme).unwrap();
        prop_assert_eq!(apart.shape(), &shape.parts());
        assert_equal(&decrypt(&scheme, &apart), &clear);
        prop_assert!(apart.tiles().iter().all(|tile| scheme.level(tile) == TOP), "no level");
        prop_assert_eq!(scheme.tally().total(Op::Conjugate), x.tiles().len() as u64);
        let again = apart.join_complex(&scheme, dim).unwrap();
        prop_assert_eq!(again.shape(), &shape);
        assert_equal(&opened(&scheme, &again), &clear);
        // Tensors whose parts were never together.
        let other = encrypt(&scheme, &shape.parts(), &clear).join_complex(&scheme, dim).unwrap();
        assert_equal(&opened(&scheme, &other), &clear);
    }

    /// Operators that keep the packing: what they do, they do to both parts.
    #[test]
    fn packed_operators_are_those_of_the_parts((shape, dim) in any_complex(3, 32), seed: u64) {
        let scheme = Noop::new(32, TOP);
        let (a, b) = (tensor(&shape.sizes(), seed), tensor(&shape.sizes(), seed ^ 1));
        let other = along(&shape, dim);
        let c = tensor(&other.sizes(), seed ^ 2);
        let [x, y] = [&a, &b].map(|clear| hide(&scheme, &packed(&shape, clear), TOP));
        assert_equal(&opened(&scheme, &x.add(&scheme, &y).unwrap()), &(&a + &b));
        assert_equal(&opened(&scheme, &x.sub(&scheme, &y).unwrap()), &(&a - &b));
        assert_equal(&opened(&scheme, &x.scale(&scheme, -0.5).unwrap()), &(&a * -0.5));
        let plain = TileTensor::pack(&other, &c).unwrap();
        let prepared = plain.try_map(|slots| scheme.prepare(TOP, || slots.clone())).unwrap();
        let product = x.mul_plain(&scheme, &prepared).unwrap();
        prop_assert_eq!(product.shape().complex_dim(), Some(dim));
        assert_equal(&opened(&scheme, &product), &(&a * &c));
        let hidden = encrypt(&scheme, &other, &c);
        assert_equal(&opened(&scheme, &x.mul(&scheme, &hidden).unwrap()), &(&a * &c));
        assert_equal(&opened(&scheme, &hidden.mul(&scheme, &x).unwrap()), &(&a * &c));
        let clean = TileShape::new(shape.dims().iter().map(|d| d.with_unknown(false)).collect()).unwrap();
        let encoded = TileTensor::pack_complex(&clean, &b).unwrap();
        let encoded = encoded.try_map(|z| scheme.encode_complex(TOP, || z.clone())).unwrap();
        assert_equal(&opened(&scheme, &x.add_plain(&scheme, &encoded).unwrap()), &(&a + &b));
        if let Ok(cleared) = x.clear_unknowns(&scheme) {
            prop_assert!(cleared.shape().dims().iter().all(|d| !d.unknown));
            assert_equal(&opened(&scheme, &cleared), &a);
        }
        for axis in (0..3).filter(|&axis| axis != dim) {
            // As without the packing: allowed there, allowed here.
            let real = x.split_complex(&scheme).unwrap();
            let pairs = [
                (x.sum(&scheme, axis), real.sum(&scheme, axis)),
                (x.duplicate(&scheme, axis), real.duplicate(&scheme, axis)),
                (x.pad(&scheme, axis, 1, 0), real.pad(&scheme, axis, 1, 0)),
                (x.multiply_plain_and_sum(&scheme, &prepared, axis), x.mul_plain(&scheme, &prepared).unwrap().sum(&scheme, axis)),
            ];
            for (packed, apart) in pairs {
                prop_assert_eq!(packed.is_ok(), apart.is_ok(), "{:?} {:?}", packed.err(), apart.err());
                if let (Ok(packed), Ok(apart)) = (packed, apart) {
                    let split = packed.split_complex(&scheme).unwrap();
                    prop_assert_eq!(split.shape(), &apart.shape().parts());
                    assert_equal(&opened(&scheme, &packed), &opened(&scheme, &apart));
                }
            }
            let other = (0..3).find(|other| *other != dim && *other != axis).unwrap_or(axis);
            let window = Window { dims: [axis, other], size: [2, 1], stride: [1, 1] };
            if let Ok(apart) = real.average_pool(&scheme, &window) {
                let packed = x.average_pool(&scheme, &window).unwrap();
                prop_assert_eq!(packed.shape().parts(), apart.shape().clone());
                assert_equal(&opened(&scheme, &packed), &decrypt(&scheme, &apart));
            }
        }
    }

    #[test]
    fn what_mixes_the_parts_says_what_to_do((shape, dim) in any_complex(3, 32), seed: u64) {
        let scheme = Noop::new(32, TOP);
        let clear = tensor(&shape.sizes(), seed);
        let x = hide(&scheme, &packed(&shape, &clear), TOP);
        let real = encrypt(&scheme, &shape.parts(), &clear);
        let plain = TileTensor::pack(&shape.parts(), &clear).unwrap();
        let prepared = plain.try_map(|slots| scheme.prepare(TOP, || slots.clone())).unwrap();
        let encoded = plain.try_map(|slots| scheme.encode(TOP, || slots.clone())).unwrap();
        let window = Window { dims: [dim, (dim + 1) % 3], size: [1, 1], stride: [1, 1] };
        let mut refused = vec![
            x.mul(&scheme, &x), x.add(&scheme, &real), real.sub(&scheme, &x), x.add_plain(&scheme, &encoded),
            x.sum(&scheme, dim), x.shift(&scheme, dim, 1), x.pad(&scheme, dim, 1, 0), x.duplicate(&scheme, dim),
            x.average_pool(&scheme, &window), x.reshape(&scheme, &shape.parts()), real.reshape(&scheme, &shape),
        ];
        if !real.shape().dims()[dim].is_broadcast() {
            refused.extend([x.mul(&scheme, &real), x.mul_plain(&scheme, &prepared), real.mul(&scheme, &x)]);
        }
        for error in refused {
            let error = error.unwrap_err().to_string();
            prop_assert!(error.contains("split_complex"), "{}", error);
        }
        let joined = x.join_complex(&scheme, (dim + 1) % 3).unwrap_err().to_string();
        prop_assert!(joined.contains("both are taken"), "{}", joined);
        let wrong = TileTensor::pack(&shape, &clear).unwrap_err().to_string();
        prop_assert!(wrong.contains("pack_complex"), "{}", wrong);
        let half = TileTensor::from_tiles(shape.clone(), vec![vec![0.0; 32]; shape.tiles()]).unwrap();
        prop_assert!(half.unpack().iter().all(|n| n.is_nan()), "imaginary parts are not forgotten silently");
    }
}

/// Every operator that a packed tensor may meet, once; errors are the same over all schemes.
fn operators<S: Scheme>(
    s: &S,
    x: &TileTensor<S::Ciphertext>,
    y: &TileTensor<S::Ciphertext>,
    dim: usize,
) -> Vec<Result<TileTensor<S::Ciphertext>, TileError>> {
    let other = along(x.shape(), dim);
    let plain = TileTensor::pack(&other, &(tensor(&other.sizes(), 9) / 32.0)).unwrap();
    let prepared = plain
        .try_map(|slots| s.prepare(s.top(), || slots.clone()))
        .unwrap();
    let clear = TileTensor::pack_complex(x.shape(), &(tensor(&x.shape().sizes(), 7) / 32.0)).unwrap();
    let encoded = clear
        .try_map(|z| s.encode_complex(s.top(), || z.clone()))
        .unwrap();
    let apart = x.split_complex(s).unwrap();
    let mut found = vec![
        x.add(s, y),
        x.sub(s, y),
        x.mul(s, y),
        x.add_plain(s, &encoded),
        x.mul_plain(s, &prepared),
        x.scale(s, -0.75),
        x.clear_unknowns(s),
        apart.mul(s, &y.split_complex(s).unwrap()),
        apart.join_complex(s, dim),
        Ok(apart),
    ];
    for axis in 0..x.shape().dims().len() {
        found.push(x.sum(s, axis));
        found.push(x.clear_unknowns(s).and_then(|x| x.duplicate(s, axis)));
        found.push(x.shift(s, axis, 1));
        found.push(x.pad(s, axis, 1, 0));
        found.push(x.multiply_plain_and_sum(s, &prepared, axis));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn packed_operators_do_the_same_over_all_schemes((shape, dim) in any_complex(3, SLOTS), seed: u64) {
        prop_assume!(shape.tiles() <= 12);
        let [x, y] = [seed, seed ^ 3].map(|seed| packed(&shape, &(tensor(&shape.sizes(), seed) / 16.0)));
        let noop = Noop::new(SLOTS, LEVELS);
        let expected = operators(&noop, &hide(&noop, &x, LEVELS), &hide(&noop, &y, LEVELS), dim);

        let sim = Sim::new(SLOTS, LEVELS);
        let bare = |t: &TileTensor<Vec<Complex>>| t.try_map(|_| sim.encrypt_complex(LEVELS, Vec::new)).unwrap();
        let simulated = operators(&sim, &bare(&x), &bare(&y), dim);
        prop_assert_eq!(sim.tally(), noop.tally());

        let params = toy(8, LEVELS as u32);
        let (client, server) = pair(&params, &noop.tally().keys);
        let rng = &mut Seed::from_bytes([3; 32]).rng();
        let mut fresh = |t: &TileTensor<Vec<Complex>>| {
            t.try_map(|z| client.encrypt_complex(LEVELS, z, rng).unwrap().expand(&params))
                .unwrap()
        };
        let (a, b) = (fresh(&x), fresh(&y));
        let real = operators(&server, &a, &b, dim);
        prop_assert_eq!(server.tally(), noop.tally());
        for (i, ((expected, simulated), real)) in expected.iter().zip(&simulated).zip(&real).enumerate() {
            match (expected, simulated, real) {
                (Ok(expected), Ok(simulated), Ok(real)) => {
                    prop_assert_eq!(expected.shape(), real.shape());
                    prop_assert_eq!(expected.shape(), simulated.shape());
                    for (tile, ct) in expected.tiles().iter().enumerate() {
                        let levels = (sim.level(&simulated.tiles()[tile]), server.level(&real.tiles()[tile]));
                        prop_assert_eq!(levels, (noop.level(ct), noop.level(ct)));
                    }
                    let clear = show(&noop, expected).unpack_complex();
                    let open = real.try_map(|ct| client.decrypt_complex(ct)).unwrap().unpack_complex();
                    for (a, b) in open.iter().zip(&clear) {
                        prop_assert!((a - b).abs() < 2f64.powi(-18), "operator {} on {}: {} {}", i, shape, a, b);
                    }
                }
                (Err(a), Err(b), Err(c)) => {
                    prop_assert_eq!(a.to_string(), b.to_string());
                    prop_assert_eq!(a.to_string(), c.to_string());
                }
                _ => prop_assert!(false, "operator {} on {} is refused by some schemes only", i, shape),
            }
        }
    }
}

/// A batch in both parts through a diagonalised matrix: half the ciphertexts, half the rotations.
#[test]
fn diagonals_take_a_packed_batch() {
    use super::super::Diagonals;
    let shape: TileShape = "[(d)16/2, 5/4, */4]".parse().unwrap();
    let (matrix, vectors) = (tensor(&[16, 5], 1), tensor(&[16, 15], 2));
    let mut rotations = Vec::new();
    for text in ["[16/8, 15/4]", "[16/8, (c)15/4]"] {
        let scheme = Noop::new(32, TOP);
        let diagonals = Diagonals::prepare(&scheme, TOP, &shape, &matrix).unwrap();
        let input: TileShape = text.parse().unwrap();
        let x = hide(&scheme, &TileTensor::pack_complex(&input, &vectors).unwrap(), TOP);
        let product = diagonals.multiply(&scheme, &x).unwrap();
        assert_eq!(product.shape().complex_dim().is_some(), text.contains("(c)"));
        let axis = tract_onnx::prelude::tract_ndarray::Axis(0);
        let open = show(&scheme, &product).unpack_complex();
        let expected = Tensor::from_shape_fn(vec![5, 15], |i| {
            (0..16)
                .map(|k| matrix[[k, i[0]].as_slice()] * vectors[[k, i[1]].as_slice()])
                .sum()
        });
        assert_equal(&open, &expected.insert_axis(axis));
        rotations.push(scheme.tally().total(Op::HoistedRotate) + scheme.tally().total(Op::Rotate));
    }
    assert_eq!(rotations[0], 2 * rotations[1]);
    let scheme = Noop::new(32, TOP);
    let diagonals = Diagonals::prepare(&scheme, TOP, &shape, &matrix).unwrap();
    let wrong = TileTensor::pack_complex(&"[(c)16/8, 15/4]".parse().unwrap(), &vectors).unwrap();
    assert!(diagonals.multiply(&scheme, &hide(&scheme, &wrong, TOP)).is_err());
}
