//! How samples share ciphertexts.

use super::{Asked, MAX_ROUNDS, Objective, Ring};
use crate::graph::{Graph, Operator};
use crate::linear::{Grid, Order};

/// How a batch is packed: positions and samples of a ciphertext, and how many such rounds.
pub(super) type Batch = (Grid, usize);

/// Ways to pack a batch: as many samples in a ciphertext as it has, and fewer in several rounds, in both orders. For
/// throughput also more. The most promising first.
pub(super) fn batches(ring: &Ring, asked: &Asked) -> Vec<Batch> {
    let batch = asked.batch.max(1);
    let whole = batch.next_power_of_two().min(ring.slots() / 2);
    let most = match asked.objective {
        Objective::Throughput => ring.slots() / 2,
        _ => whole,
    };
    let lanes = (0..=most.ilog2()).rev().map(|k| 1 << k);
    let mut all = Vec::new();
    for lanes in lanes {
        let rounds = batch.div_ceil(lanes);
        if rounds > MAX_ROUNDS {
            continue;
        }
        let last = Grid::new(ring.slots() / lanes, lanes);
        // Its gain are masks of a few words. Encrypted masks are whole ciphertexts in any order, and rotations that do not
        // go around need as many of them or more.
        if lanes >= Grid::LEAST_LANES && !asked.encrypted_model {
            let order = Order::BatchFirst;
            all.push((Grid { order, ..last }, rounds));
        }
        all.push((last, rounds));
    }
    all
}

/// Whether inputs may come two in a ciphertext: only linear layers take them.
pub(super) fn pairs_fit(graph: &Graph) -> bool {
    let users = graph.nodes().iter().filter(|node| node.inputs.contains(&0));
    let mut linear = users.map(|node| matches!(node.operator, Operator::Affine(_)));
    linear.all(|linear| linear)
}

/// Numbers of samples in a ciphertext to try, in both orders.
pub(super) fn grids(ring: &Ring, asked: &Asked) -> Vec<Grid> {
    let least = asked.batch.max(1).next_power_of_two();
    let mut lanes: Vec<usize> = (0..ring.log_degree)
        .map(|k| 1 << k)
        .filter(|&n| n >= least && n <= ring.slots())
        .collect();
    if asked.objective != Objective::Throughput {
        lanes.truncate(1);
    }
    let mut grids = Vec::new();
    for lanes in lanes {
        let last = Grid::new(ring.slots() / lanes, lanes);
        grids.push(last);
        if lanes >= Grid::LEAST_LANES && !asked.encrypted_model {
            let order = Order::BatchFirst;
            grids.push(Grid { order, ..last });
        }
    }
    grids
}
