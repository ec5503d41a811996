//! What convolutions would cost by other algorithms than the one that plans run, which is the Toeplitz matrix over multiplexed
//! channels by its diagonals (Orion, ASPLOS 2025, section 4). Looked at in all their packings, counted, and said in the plan;
//! not run by it.

use serde::{Deserialize, Serialize};

use super::{CostTable, NodeShape, Plan, StepKind};
use crate::graph::{Graph, Operator};
use crate::scheme::{MapShape, Op};

/// One convolution by another algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// Name of the node.
    pub node: String,
    /// Seconds of this node as the plan runs it.
    pub planned: f64,
    /// The other algorithm.
    pub algorithm: Other,
    /// Seconds by its best packing.
    pub seconds: f64,
    /// Ciphertexts that it takes as its operand.
    pub ciphertexts: u64,
}

/// An algorithm that plans do not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Other {
    /// Rows and columns interleaved over tiles (HElayers, PETS 2023, section 5; [`TileTensor::convolve`](crate::tile::TileTensor)).
    Interleaved,
    /// Windows as columns of a matrix that the client makes: of the first layer only.
    ImageToColumn,
}

/// Sizes of a convolution: what an affine map between two images is taken to be.
struct Sizes {
    channels: usize,
    filters: usize,
    /// Input along both dimensions.
    image: [usize; 2],
    /// Output along both.
    result: [usize; 2],
    stride: [usize; 2],
    /// Elements along each dimension that a result sees.
    kernel: usize,
}

/// Costs of one level and the next.
struct Prices<'a> {
    plan: &'a Plan,
    costs: &'a CostTable,
    level: usize,
    cold: f64,
}

impl Prices<'_> {
    fn at(&self, op: Op, level: usize) -> f64 {
        self.plan.rounds as f64 * self.costs.seconds(op, &self.plan.ring, level, self.cold)
    }

    /// Products, rotations before and after them, and rescales.
    fn sum(&self, products: usize, before: usize, after: usize, rescales: usize) -> f64 {
        let product = match self.plan.structure.is_some() {
            true => Op::Tensor,
            false => Op::MulPlain,
        };
        products as f64 * self.at(product, self.level)
            + before as f64 * self.at(Op::Rotate, self.level)
            + after as f64 * self.at(Op::Rotate, self.level.saturating_sub(1))
            + rescales as f64 * self.at(Op::Rescale, self.level)
    }

    fn planned(&self, map: &MapShape) -> f64 {
        let babies = map.babies();
        let turns: usize = babies.iter().flatten().filter(|&&baby| baby != 0).count();
        let hoists = babies
            .iter()
            .filter(|set| set.iter().any(|&baby| baby != 0))
            .count();
        let giants = map.outputs.iter().flat_map(|giants| giants.keys());
        let giants = giants.filter(|&&giant| giant != 0).count();
        let outputs = map.outputs.len();
        self.sum(map.terms(), giants, map.folds.len() * outputs, outputs)
            + hoists as f64 * self.at(Op::Hoist, self.level)
            + turns as f64 * self.at(Op::HoistedRotate, self.level)
    }
}

fn powers(most: usize) -> impl Iterator<Item = usize> {
    (0..=most.next_power_of_two().ilog2()).map(|k| 1 << k)
}

/// The best of all packings by each other algorithm for every convolution of a plan, and how many packings that were.
pub(super) fn alternatives(
    graph: &Graph,
    plan: &Plan,
    shapes: &[NodeShape],
    costs: &CostTable,
) -> (Vec<Alternative>, u64) {
    let (mut found, mut seen) = (Vec::new(), 0);
    for (i, (node, shape)) in graph.nodes().iter().zip(shapes).enumerate() {
        let (Operator::Affine(affine), NodeShape::Linear { map, .. }, Some(&source)) =
            (&node.operator, shape, node.inputs.first())
        else {
            continue;
        };
        let (&[channels, height, width], &[filters, rows, columns]) =
            (graph.nodes()[source].shape.as_slice(), node.shape.as_slice())
        else {
            continue;
        };
        if rows * columns <= 1 || height < rows || width < columns {
            continue;
        }
        let entries = (0..affine.outputs())
            .map(|r| affine.row(r).count())
            .max()
            .unwrap_or(0);
        let sizes = Sizes {
            channels,
            filters,
            image: [height, width],
            result: [rows, columns],
            stride: [height / rows, width / columns],
            kernel: ((entries as f64 / channels as f64).sqrt().ceil() as usize).max(1),
        };
        let prices = Prices {
            plan,
            costs,
            level: plan.operand_level(i),
            cold: costs.coldness(plan.predicted.memory()),
        };
        let first = matches!(plan.steps[source].kind, StepKind::Input);
        let planned = prices.planned(map);
        let mut note = |algorithm, best: Option<(f64, u64)>| {
            if let Some((seconds, ciphertexts)) = best {
                found.push(Alternative {
                    node: node.name.clone(),
                    planned,
                    algorithm,
                    seconds,
                    ciphertexts,
                });
            }
        };
        note(Other::Interleaved, interleaved(&sizes, &prices, first, &mut seen));
        if first {
            note(Other::ImageToColumn, image_to_column(&sizes, &prices, &mut seen));
        }
    }
    (found, seen)
}

/// Tiles `[c/t1, y~/t2, x~/t3, f/t4]`, the operand duplicated over the filters.
fn interleaved(sizes: &Sizes, prices: &Prices<'_>, first: bool, seen: &mut u64) -> Option<(f64, u64)> {
    let positions = prices.plan.positions();
    // Tiles along a dimension, and (all, not turned) sources of its shifts.
    let along = |axis: usize, tile: usize| {
        let (stride, size) = (sizes.stride[axis], sizes.image[axis]);
        let tiles = size.div_ceil(tile).next_multiple_of(stride);
        let mut sources = std::collections::BTreeSet::new();
        for offset in 0..sizes.kernel {
            for external in 0..tiles / stride {
                let from = external * stride + offset;
                sources.insert((from % tiles, from / tiles));
            }
        }
        let still = sources.iter().filter(|(_, turns)| *turns == 0).count();
        (tiles, tiles / stride, sources.len(), still)
    };
    let mut best: Option<(f64, u64)> = None;
    for t1 in powers(sizes.channels) {
        for t2 in powers(sizes.image[0]) {
            for t3 in powers(sizes.image[1]) {
                for t4 in powers(sizes.filters) {
                    if t1 * t2 * t3 * t4 > positions {
                        continue;
                    }
                    *seen += 1;
                    let (channels, filters) = (sizes.channels.div_ceil(t1), sizes.filters.div_ceil(t4));
                    let (tall, kept_tall, all_tall, still_tall) = along(0, t2);
                    let (wide, kept_wide, all_wide, still_wide) = along(1, t3);
                    let kept = kept_tall * kept_wide;
                    let turned = channels * (all_tall * all_wide - still_tall * still_wide);
                    let inputs = channels * tall * wide;
                    let products = sizes.kernel * sizes.kernel * kept * channels * filters;
                    let after = t1.ilog2() as usize * kept * filters;
                    let mut seconds = prices.sum(products, turned, after, kept * channels * filters);
                    if !first && t4 > 1 {
                        // What a layer leaves is cleared and duplicated over the next one's filters.
                        seconds += prices.sum(inputs, 0, inputs * t4.ilog2() as usize, inputs);
                    }
                    if best.is_none_or(|(least, _)| seconds < least) {
                        best = Some((seconds, inputs as u64));
                    }
                }
            }
        }
    }
    best
}

/// Tiles `[tap/t1, window/t2, f/t3]`, the operand duplicated over the filters by the client.
fn image_to_column(sizes: &Sizes, prices: &Prices<'_>, seen: &mut u64) -> Option<(f64, u64)> {
    let positions = prices.plan.positions();
    let taps = sizes.channels * sizes.kernel * sizes.kernel;
    let windows = sizes.result[0] * sizes.result[1];
    let mut best: Option<(f64, u64)> = None;
    for t1 in powers(taps) {
        for t2 in powers(windows) {
            for t3 in powers(sizes.filters) {
                if t1 * t2 * t3 > positions {
                    continue;
                }
                *seen += 1;
                let inputs = taps.div_ceil(t1) * windows.div_ceil(t2);
                let outputs = windows.div_ceil(t2) * sizes.filters.div_ceil(t3);
                let products = inputs * sizes.filters.div_ceil(t3);
                let seconds = prices.sum(products, 0, t1.ilog2() as usize * outputs, outputs);
                if best.is_none_or(|(least, _)| seconds < least) {
                    best = Some((seconds, inputs as u64));
                }
            }
        }
    }
    best
}
