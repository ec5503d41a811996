//! Affine maps between all layouts, on the clear scheme, against the map itself.

use proptest::prelude::*;

use super::{Fold, Grid, Layout, Order, StepCost, Steps, dense, place, split};
use crate::graph::Affine;
use crate::scheme::{Noop, Scheme};

const POSITIONS: usize = 64;

fn random(inputs: usize, outputs: usize, density: u64, seed: u64) -> Affine {
    let mut state = seed | 1;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut rows = Vec::new();
    for _ in 0..outputs {
        let row = (0..inputs as u32).filter_map(|c| {
            let (keep, value) = (next() % 8 < density, next() % 9);
            keep.then_some((c, value as f64 - 4.0))
        });
        rows.push((row.collect::<Vec<_>>(), 0.0));
    }
    Affine::from_rows(inputs, rows).unwrap()
}

fn run(map: &Affine, input: &Layout, output: &Layout, fold: Fold, lanes: usize, rubbish: bool) {
    // Repeated results of cyclic folds, and rotations of repeated inputs, count on going around.
    let around = matches!(fold, Fold::Cyclic { .. }) && output.copies() > 1;
    let grid = Grid::new(POSITIONS, lanes);
    run_in(grid, map, input, output, fold, rubbish);
    if !around {
        let order = Order::BatchFirst;
        run_in(Grid { order, ..grid }, map, input, output, fold, rubbish);
    }
}

pub(super) fn run_in(grid: Grid, map: &Affine, input: &Layout, output: &Layout, fold: Fold, rubbish: bool) {
    let Grid {
        positions,
        lanes,
        order,
    } = grid;
    input.check(positions).unwrap();
    output.check(positions).unwrap();
    let scheme = Noop::new(positions * lanes, 2);
    let samples: Vec<Vec<f64>> = (0..lanes)
        .map(|lane| {
            (0..map.inputs())
                .map(|i| ((i * 7 + lane * 3) % 11) as f64 - 5.0)
                .collect()
        })
        .collect();
    let mut tiles = input.pack(&samples, grid);
    if rubbish {
        // What lies outside of the layout must not matter.
        let ones = vec![vec![1.0; map.inputs()]; lanes];
        for (tile, used) in tiles.iter_mut().zip(input.pack(&ones, grid)) {
            tile.iter_mut()
                .zip(used)
                .for_each(|(slot, used)| *slot += 1e3 * (1.0 - used));
        }
    }
    let matrix = place(map, input, output, fold, grid);
    let cost = StepCost {
        hoist: 1.0,
        hoisted: 1.0,
        rotate: 2.0,
    };
    let steps = Steps::cheapest(&matrix, grid, 6, cost);
    let map_of_masks = split(&matrix, fold, steps, grid);
    let prepared = map_of_masks
        .try_map(|mask| match order {
            Order::BatchLast => scheme.prepare(2, || dense(&mask, grid)),
            Order::BatchFirst => scheme.prepare_periodic(2, positions, || dense(&mask, grid)),
        })
        .unwrap();
    let cts: Vec<_> = tiles
        .into_iter()
        .map(|tile| scheme.encrypt(2, || tile).unwrap())
        .collect();
    let out = scheme.linear_transform(&cts, &prepared).unwrap();
    let clear: Vec<Vec<f64>> = out.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
    let expected: Vec<Vec<f64>> = samples.iter().map(|s| map.apply(s)).collect();
    assert_eq!(
        output.unpack(&clear, lanes, grid),
        expected,
        "{input} to {output} by {fold:?}"
    );
    // Every copy that the layout promises.
    for (tile, wide) in clear.iter().zip(output.pack(&expected, grid)) {
        let ones = output.pack(&vec![vec![1.0; map.outputs()]; lanes], grid);
        let promised = ones
            .iter()
            .flatten()
            .zip(tile.iter().zip(wide))
            .filter(|(one, _)| **one != 0.0);
        if ones.len() == 1 {
            promised
                .for_each(|(_, (actual, expected))| assert_eq!(*actual, expected, "{output} by {fold:?}"));
        }
    }
}

fn period(size: usize) -> usize {
    size.next_power_of_two()
}

proptest! {
    #[test]
    fn between_dense_layouts(
        n in 1usize..33, m in 1usize..33, copies in 0u32..4, out_copies in 0u32..2, density in 1u64..9,
        lanes in 1usize..3, seed: u64,
    ) {
        let room = |size: usize, copies: u32| (1usize << copies).min(POSITIONS / period(size));
        let input = Layout::Dense { size: n, period: period(n), copies: room(n, copies) };
        let output = Layout::Dense { size: m, period: period(m), copies: room(m, out_copies) };
        run(&random(n, m, density, seed), &input, &output, Fold::None, lanes, true);
    }

    #[test]
    fn over_many_ciphertexts(n in 1usize..200, m in 1usize..150, density in 1u64..9, lanes in 1usize..3, seed: u64) {
        let dense = |size| Layout::Dense { size, period: POSITIONS, copies: 1 };
        run(&random(n, m, density, seed), &dense(n), &dense(m), Fold::None, lanes, true);
    }

    #[test]
    fn with_partial_sums(
        n in 1usize..33, m in 1usize..17, skewed: bool, repeated: bool, seed: u64, lanes in 1usize..3, count in 0u32..3,
    ) {
        let copies = if repeated { POSITIONS / period(n) } else { 1 };
        let input = Layout::Dense { size: n, period: period(n), copies };
        let r = period(m);
        let map = random(n, m, 6, seed);
        if skewed {
            let step = (period(n) + 3).max(r + 3);
            let count = 1 << count.min((POSITIONS / step).max(1).ilog2());
            run(&map, &input, &Layout::Dense { size: m, period: r, copies: 1 }, Fold::Skewed { step, count }, lanes, true);
        } else {
            // All partial sums of one period of the input; the result repeats where the input does.
            let count = (period(n) / r).max(1);
            let copies = if repeated { POSITIONS / r } else { 1 };
            let fold = Fold::Cyclic { period: r, count };
            let fold = if repeated && r > period(n) { Fold::Cyclic { period: r, count: 1 } } else { fold };
            run(&map, &input, &Layout::Dense { size: m, period: r, copies }, fold, lanes, true);
        }
    }

    #[test]
    fn between_multiplexed_images(
        c in 1usize..4, f in 1usize..9, gap in 1usize..3, stride in 1usize..3, seed: u64, copies in 1usize..3,
    ) {
        // A 3 x 3 image of gap `gap` in rows of 6 positions, to one with the gap of the strides.
        let image = |channels: usize, size: usize, gap: usize, copies: usize| {
            let planes = channels.div_ceil(gap * gap).next_power_of_two();
            let block = 32;
            (planes * block * copies <= POSITIONS).then_some(Layout::Image {
                channels, height: size, width: size, gap, pitch: 6, block, copies,
            })
        };
        let size = 4 / gap;
        let input = image(c, size, gap, copies);
        let output = image(f, size / stride, gap * stride, 1);
        if let (Some(input), Some(output)) = (input, output) && size / stride > 0 {
            prop_assume!(input.check(POSITIONS).is_ok() && output.check(POSITIONS).is_ok());
            run(&random(input.size(), output.size(), 3, seed), &input, &output, Fold::None, 1, true);
        }
    }
}
