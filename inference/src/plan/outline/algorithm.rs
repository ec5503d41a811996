//! What one part costs by each algorithm, from its geometry.

use super::{Algorithm, Masks};
use crate::graph::{Outline, Part, PartKind};
use crate::linear::{Grid, Order};
use crate::plan::{CostTable, Ring};
use crate::scheme::Op;

/// Where the elements of a part are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Planes of as many positions as the input image has (a power of two), neighbours `gap` apart, `shared` channels in each.
    Planes { gap: usize, shared: usize },
    /// One after the other.
    Flat,
}

/// Geometry of a candidate.
pub(super) struct Shape {
    grid: Grid,
    /// Positions of a plane.
    plane: usize,
}

/// Seconds by operation and level.
pub(super) struct Prices {
    table: Vec<[f64; 15]>,
    encrypted: bool,
}

/// What one part does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub algorithm: Algorithm,
    pub layout: Place,
    /// Ciphertexts in and out.
    pub tiles: (u64, u64),
    /// Diagonals of a block, split into babies of the input and giants of the output.
    diagonals: u64,
    pub masks: u64,
    /// Rotations after the sums, for each output.
    folds: u64,
    /// Products of ciphertexts.
    products: u64,
    /// Sums of ciphertexts.
    sums: u64,
    babies: u64,
}

impl Prices {
    pub(super) fn new(costs: &CostTable, ring: &Ring, masks: Masks, encrypted: bool) -> Self {
        let ops = [
            Op::Add,
            Op::AddPlain,
            Op::MulPlain,
            Op::MulPeriodic,
            Op::MulScalar,
            Op::Mul,
            Op::Rescale,
            Op::Rotate,
            Op::Hoist,
            Op::HoistedRotate,
            Op::Conjugate,
            Op::Align,
            Op::Tensor,
            Op::Relinearize,
            Op::Receive,
        ];
        let level = |level: usize| {
            let mut row = ops.map(|op| costs.seconds(op, ring, level, 1.0));
            if masks == Masks::Coefficients {
                // A transform of one polynomial: half of what a rescale does to two.
                row[2] = costs.seconds(Op::MulPlain, ring, level, 0.0) + 0.5 * row[6];
            }
            row
        };
        Self {
            table: (0..=ring.levels).map(level).collect(),
            encrypted,
        }
    }

    pub(super) fn at(&self, op: Op, level: usize) -> f64 {
        let place = match op {
            Op::Add => 0,
            Op::AddPlain => 1,
            Op::MulPlain => 2,
            Op::MulPeriodic => 3,
            Op::MulScalar => 4,
            Op::Mul => 5,
            Op::Rescale => 6,
            Op::Rotate => 7,
            Op::Hoist => 8,
            Op::HoistedRotate => 9,
            Op::Conjugate => 10,
            Op::Align => 11,
            Op::Tensor => 12,
            Op::Relinearize => 13,
            Op::Receive => 14,
        };
        self.table
            .get(level.min(self.table.len().saturating_sub(1)))
            .map_or(0.0, |row| row[place])
    }

    /// One term of an inner product.
    fn term(&self, periodic: bool, level: usize) -> f64 {
        let op = match (self.encrypted, periodic) {
            (true, _) => Op::Tensor,
            (false, true) => Op::MulPeriodic,
            (false, false) => Op::MulPlain,
        };
        self.at(op, level)
    }
}

impl Work {
    fn new(algorithm: Algorithm, layout: Place, tiles: (u64, u64)) -> Self {
        Self {
            algorithm,
            layout,
            tiles,
            diagonals: 0,
            masks: 0,
            folds: 0,
            products: 0,
            sums: 0,
            babies: 1,
        }
    }

    /// A matrix of `diagonals` in each of its blocks, split for these numbers of ciphertexts.
    fn matrix(self, diagonals: u64, masks: u64, folds: u64) -> Self {
        let (inputs, outputs) = self.tiles;
        let rotations = |babies: u64| inputs * (babies - 1) + 2 * outputs * (diagonals.div_ceil(babies) - 1);
        let diagonals = diagonals.max(1);
        let powers = (0..=diagonals.next_power_of_two().ilog2()).map(|k| 1 << k);
        Self {
            diagonals,
            masks,
            folds,
            babies: powers.min_by_key(|&babies| rotations(babies)).unwrap_or(1),
            ..self
        }
    }

    fn giants(&self) -> u64 {
        self.diagonals.max(1).div_ceil(self.babies)
    }

    pub(super) fn rotations(&self) -> u64 {
        let (inputs, outputs) = self.tiles;
        inputs * (self.babies - 1) + outputs * (self.giants() - 1 + self.folds)
    }

    /// Rotation keys.
    pub(super) fn keys(&self) -> u64 {
        self.babies - 1 + self.giants() - 1 + self.folds
    }

    pub(super) fn mask_bytes(
        &self,
        ring: &Ring,
        grid: Grid,
        masks: Masks,
        level: usize,
        encrypted: bool,
    ) -> u64 {
        let each = match (grid.order, masks) {
            _ if encrypted => 2 * ring.limb_bytes(level + 1),
            (Order::BatchFirst, _) => 8 * (level as u64 + 1) * (2 * grid.positions).max(16) as u64,
            (_, Masks::Ready) => ring.limb_bytes(level + 1),
            (_, Masks::Coefficients) => ring.limb_bytes(1),
        };
        self.masks.saturating_mul(each)
    }

    pub(super) fn seconds(&self, prices: &Prices, level: usize) -> f64 {
        let (inputs, outputs) = (self.tiles.0 as f64, self.tiles.1 as f64);
        let below = level.saturating_sub(1);
        let hoists = if self.babies > 1 { inputs } else { 0.0 };
        let relinearized = if prices.encrypted && self.masks > 0 {
            outputs * self.giants() as f64 * prices.at(Op::Relinearize, level)
        } else {
            0.0
        };
        hoists * prices.at(Op::Hoist, level)
            + inputs * (self.babies - 1) as f64 * prices.at(Op::HoistedRotate, level)
            + outputs * (self.giants() - 1) as f64 * prices.at(Op::Rotate, level)
            + outputs * self.folds as f64 * prices.at(Op::Rotate, below)
            + self.masks as f64 * prices.term(self.algorithm == Algorithm::Periodic, level)
            + if self.masks > 0 {
                outputs * prices.at(Op::Rescale, level)
            } else {
                0.0
            }
            + relinearized
            + self.products as f64 * prices.at(Op::Mul, level)
            + self.sums as f64 * prices.at(Op::Add, below)
    }
}

impl Shape {
    pub(super) fn new(outline: &Outline, grid: Grid) -> Self {
        let size = outline
            .parts
            .first()
            .map_or(1, |part| match *part.shape.as_slice() {
                [_, height, width] => height * width,
                _ => part.size(),
            });
        Self {
            grid,
            plane: size.next_power_of_two(),
        }
    }

    /// Ciphertexts of a part.
    pub(super) fn tiles(&self, part: &Part, layout: Place) -> u64 {
        let positions = self.grid.positions;
        let used = match (layout, part.shape.as_slice()) {
            (Place::Planes { shared, .. }, &[channels, ..]) => channels.div_ceil(shared) * self.plane,
            _ => part.size(),
        };
        used.div_ceil(positions).max(1) as u64
    }

    /// The ways to compute a part from where its operands are.
    pub(super) fn options(
        &self,
        outline: &Outline,
        part: &Part,
        places: &[(Place, u64)],
        degree: usize,
    ) -> Vec<Work> {
        let operand = |n: usize| {
            part.inputs
                .get(n)
                .and_then(|&i| Some((outline.parts.get(i)?, *places.get(i)?)))
        };
        let across = self.grid.order == Order::BatchFirst;
        let Some((source, (place, inputs))) = operand(0) else {
            let image = part.shape.len() == 3 && !across;
            let layout = if image {
                Place::Planes { gap: 1, shared: 1 }
            } else {
                Place::Flat
            };
            let tiles = self.tiles(part, layout);
            return vec![Work::new(Algorithm::Packed, layout, (tiles, tiles))];
        };
        let stay = |algorithm| Work::new(algorithm, place, (inputs, inputs));
        match part.kind {
            PartKind::Window {
                kernel,
                stride,
                groups,
            } if across => {
                let seen = (source.shape.first().copied().unwrap_or(1) / groups.max(1)).max(1);
                let positions = self.grid.positions;
                let outputs = self.tiles(part, Place::Flat);
                // A run of positions of the result meets this many runs of the operand, most of them in two ciphertexts.
                let twice = if positions > 1 { 2 } else { 1 };
                let run = kernel[1] + stride[1] * (positions - 1);
                let masks = outputs * (seen * kernel[0] * run * twice) as u64;
                let work = Work::new(Algorithm::Periodic, Place::Flat, (inputs, outputs));
                vec![work.matrix(2 * positions as u64 - 1, masks, 0)]
            }
            PartKind::Window {
                kernel,
                stride,
                groups,
            } => self.windows(source, part, (place, inputs), kernel, stride, groups),
            PartKind::Dense => {
                let positions = self.grid.positions as u64;
                let outputs = self.tiles(part, Place::Flat);
                let rows = (part.size() as u64).next_power_of_two().min(positions);
                if across {
                    let work = Work::new(Algorithm::Periodic, Place::Flat, (inputs, outputs));
                    return vec![work.matrix(2 * positions - 1, inputs * outputs * (2 * positions - 1), 0)];
                }
                let filled = match place {
                    Place::Flat => (source.size() as u64).next_power_of_two().min(positions),
                    Place::Planes { .. } => positions,
                };
                let work = Work::new(Algorithm::Diagonals, Place::Flat, (inputs, outputs));
                let folds = u64::from((filled / rows).max(1).ilog2());
                vec![work.matrix(rows, inputs * outputs * rows, folds)]
            }
            PartKind::Rearrange => {
                let outputs = self.tiles(part, place);
                let work = Work::new(Algorithm::Toeplitz, place, (outputs, outputs));
                vec![work.matrix(2, 2 * outputs, 0)]
            }
            PartKind::Square => vec![Work {
                products: inputs,
                ..stay(Algorithm::SlotBySlot)
            }],
            PartKind::Activation => vec![Work {
                products: inputs * (degree as u64 - 1).min(2 * u64::from(degree.ilog2()) + 2),
                ..stay(Algorithm::SlotBySlot)
            }],
            PartKind::Product => vec![Work {
                products: inputs,
                ..stay(Algorithm::SlotBySlot)
            }],
            PartKind::Sum if part.inputs.len() > 1 => vec![Work {
                sums: inputs,
                ..stay(Algorithm::SlotBySlot)
            }],
            PartKind::Sum => vec![Work::new(Algorithm::Stay, place, (inputs, inputs))],
            PartKind::Input => Vec::new(),
        }
    }

    /// Convolution or pooling over planes.
    fn windows(
        &self,
        source: &Part,
        part: &Part,
        (place, inputs): (Place, u64),
        kernel: [usize; 2],
        stride: [usize; 2],
        groups: usize,
    ) -> Vec<Work> {
        let positions = self.grid.positions;
        let Place::Planes { gap, shared } = place else {
            // A vector that is seen as an image again: any matrix.
            let outputs = self.tiles(part, Place::Flat);
            let diagonals = positions as u64;
            let work = Work::new(Algorithm::Diagonals, Place::Flat, (inputs, outputs));
            return vec![work.matrix(diagonals, inputs * outputs * diagonals, 0)];
        };
        let channels = |part: &Part| part.shape.first().copied().unwrap_or(1);
        let wide = gap * stride[0].max(stride[1]);
        let dense = Place::Planes {
            gap: wide,
            shared: (wide * wide).min(channels(part)).max(1),
        };
        let mut found = Vec::new();
        let apart = |shared: usize| (shared as f64).sqrt().ceil() as usize;
        if let Place::Planes { shared: after, .. } = dense {
            let alone = shared == 1 && after == 1;
            // Distances along one dimension between an element and a result that it enters.
            let along = |k: usize| {
                if alone {
                    k
                } else {
                    (k - 1) * gap + apart(shared) + apart(after) - 1
                }
            };
            let spatial = (along(kernel[0]) * along(kernel[1])).min(2 * self.plane);
            let outputs = self.tiles(part, dense);
            let (before, behind) = (channels(source).div_ceil(shared), channels(part).div_ceil(after));
            let (diagonals, blocks) = if self.plane > positions {
                // A plane takes several ciphertexts; windows reach into the next one.
                let pieces = (self.plane / positions) as u64;
                let pairs = if groups > 1 {
                    before.max(behind)
                } else {
                    before * behind
                };
                (spatial.min(positions), pairs as u64 * (2 * pieces - 1))
            } else {
                let planes = |count: usize| count.min(positions / self.plane);
                let shifts = planes(before) + planes(behind) - 1;
                let pairs = if groups > 1 {
                    inputs.max(outputs)
                } else {
                    inputs * outputs
                };
                ((spatial * shifts).min(positions), pairs)
            };
            let work = Work::new(Algorithm::Toeplitz, dense, (inputs, outputs));
            found.push(work.matrix(diagonals as u64, blocks * diagonals as u64, 0));
        }
        if groups == channels(source) && groups == channels(part) {
            // The channels stay in their planes; one mask keeps what is a result.
            let apart = Place::Planes { gap: wide, shared };
            let steps = |k: usize| u64::from(k.next_power_of_two().ilog2()) + u64::from(!k.is_power_of_two());
            let work = Work::new(Algorithm::RotateSum, apart, (inputs, inputs));
            found.push(Work {
                masks: inputs,
                folds: steps(kernel[0]) + steps(kernel[1]),
                ..work.matrix(1, inputs, 0)
            });
        }
        found
    }
}
