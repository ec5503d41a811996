//! Every operator over the clear scheme, the simulation and the real one: the same numbers, shapes, refusals, operations, levels
//! and keys, in all packings.

use hedgerow_crypto::seed::Seed;
use proptest::prelude::*;

use super::super::{TileError, TileShape, TileTensor, Window};
use super::{any_shape, silent, tensor};
use crate::scheme::tests::{pair, toy};
use crate::scheme::{Noop, Scheme, Sim};

const LEVELS: usize = 3;
const SLOTS: usize = 128;

/// Each operator once, on operands of one shape; those that a shape does not allow are errors.
fn operators<S: Scheme>(
    s: &S,
    x: &TileTensor<S::Ciphertext>,
    y: &TileTensor<S::Ciphertext>,
) -> Vec<Result<TileTensor<S::Ciphertext>, TileError>> {
    let plain = TileTensor::pack(x.shape(), &(tensor(&x.shape().sizes(), 9) / 32.0)).unwrap();
    let prepared = plain
        .try_map(|slots| s.prepare(s.top(), || slots.clone()))
        .unwrap();
    let encoded = plain
        .try_map(|slots| s.encode(s.top(), || slots.clone()))
        .unwrap();
    let mut found = vec![
        x.add(s, y),
        x.sub(s, y),
        x.mul(s, y),
        x.add_plain(s, &encoded),
        x.mul_plain(s, &prepared),
        x.scale(s, -0.75),
        x.clear_unknowns(s),
        x.reshape(s, x.shape()),
    ];
    for dim in 0..x.shape().dims().len() {
        found.push(x.sum(s, dim));
        found.push(x.clear_unknowns(s).and_then(|x| x.duplicate(s, dim)));
        found.push(x.shift(s, dim, 1));
        found.push(x.pad(s, dim, 1, 0));
        found.push(x.multiply_and_sum(s, y, dim));
        found.push(x.multiply_plain_and_sum(s, &prepared, dim));
    }
    let window = Window {
        dims: [0, 1],
        size: [2, 1],
        stride: [1, 1],
    };
    found.push(x.average_pool(s, &window));
    found.push(x.convolve(s, &window, &[prepared, plain_of(s, x.shape())], None));
    found
}

fn plain_of<S: Scheme>(s: &S, shape: &TileShape) -> TileTensor<S::Prepared> {
    let ones = TileTensor::pack(shape, &(tensor(&shape.sizes(), 11) / 32.0)).unwrap();
    ones.try_map(|slots| s.prepare(s.top(), || slots.clone()))
        .unwrap()
}

/// The slots of a packed tensor, with rubbish where the shape says that slots are unknown.
fn packed(shape: &TileShape, seed: u64) -> TileTensor<Vec<f64>> {
    let clear = TileTensor::pack(shape, &(tensor(&shape.sizes(), seed) / 16.0)).unwrap();
    let tiles = clear.tiles().iter().enumerate().map(|(tile, slots)| {
        let fill = |(slot, value): (usize, &f64)| match shape.element(tile, slot) {
            None if !silent(shape, tile, slot) => 1.5,
            _ => *value,
        };
        slots.iter().enumerate().map(fill).collect()
    });
    TileTensor::from_tiles(shape.clone(), tiles.collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn operators_do_the_same_over_all_schemes(shape in any_shape(3, SLOTS), seed: u64) {
        prop_assume!(shape.tiles() <= 12);
        let (x, y) = (packed(&shape, seed), packed(&shape, seed ^ 3));
        let noop = Noop::new(SLOTS, LEVELS);
        let hide = |t: &TileTensor<Vec<f64>>| t.try_map(|slots| noop.encrypt(LEVELS, || slots.clone())).unwrap();
        let expected = operators(&noop, &hide(&x), &hide(&y));

        let sim = Sim::new(SLOTS, LEVELS);
        let bare = |t: &TileTensor<Vec<f64>>| t.try_map(|_| sim.encrypt(LEVELS, Vec::new)).unwrap();
        let simulated = operators(&sim, &bare(&x), &bare(&y));
        prop_assert_eq!(sim.tally(), noop.tally());

        let params = toy(8, LEVELS as u32);
        let (client, server) = pair(&params, &noop.tally().keys);
        let rng = &mut Seed::from_bytes([3; 32]).rng();
        let mut encrypt = |t: &TileTensor<Vec<f64>>| {
            t.try_map(|slots| {
                let fresh = client.encrypt(LEVELS, slots, rng).unwrap();
                fresh.expand(&params)
            })
            .unwrap()
        };
        let (a, b) = (encrypt(&x), encrypt(&y));
        let real = operators(&server, &a, &b);
        prop_assert_eq!(server.tally(), noop.tally());
        for (i, ((expected, simulated), real)) in expected.iter().zip(&simulated).zip(&real).enumerate() {
            match (expected, simulated, real) {
                (Ok(expected), Ok(simulated), Ok(real)) => {
                    prop_assert_eq!(expected.shape(), real.shape());
                    prop_assert_eq!(expected.shape(), simulated.shape());
                    let levels = |i: usize| {
                        (noop.level(&expected.tiles()[i]), sim.level(&simulated.tiles()[i]), server.level(&real.tiles()[i]))
                    };
                    for tile in 0..expected.tiles().len() {
                        let (a, b, c) = levels(tile);
                        prop_assert!(a == b && b == c);
                    }
                    let clear = expected.try_map(|ct| Ok::<_, ()>(noop.decrypt(ct).clone())).unwrap().unpack();
                    let open = real.try_map(|ct| client.decrypt(ct)).unwrap().unpack();
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
