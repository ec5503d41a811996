//! What each layer would cost by the best packing of every algorithm that the search counted, and which one the plan runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::finish::product;
use super::{Algorithm, CostTable, Plan, Ring, StepKind};
use crate::linear::{Fold, Grid, Layout, Matrix, Order, StepsUsed};
use crate::scheme::Op;

/// One layer by one algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Name of the node.
    pub node: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Nanoseconds of the layer by the cheapest packing of that algorithm, or by the one that the plan runs.
    pub nanoseconds: u64,
    /// Ciphertexts of its operand.
    pub ciphertexts: u64,
    /// Whether the plan runs it. Another may be cheaper for this layer and dearer for those around it.
    pub taken: bool,
    /// Packings of this layer by this algorithm that were counted for the plan's ring and batch.
    pub candidates: u64,
}

/// The algorithm of an affine map between two layouts.
pub(super) fn algorithm(input: &Layout, output: &Layout, fold: Fold, order: Order) -> Algorithm {
    match (input, output) {
        (Layout::Windows(_), _) => Algorithm::ImageToColumn,
        (Layout::Interleaved(_), Layout::Interleaved(_) | Layout::Image { .. })
        | (_, Layout::Interleaved(_)) => Algorithm::Interleaved,
        (Layout::Image { .. }, Layout::Image { .. }) => Algorithm::Toeplitz,
        _ if order == Order::BatchFirst => Algorithm::Periodic,
        _ if fold == Fold::None => Algorithm::Diagonals,
        _ => Algorithm::PartialSums,
    }
}

/// Operations of one layer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work {
    hoists: usize,
    babies: usize,
    giants: usize,
    terms: usize,
    sums: usize,
    folds: usize,
    conjugations: usize,
    /// Ciphertexts of the operand and of the result.
    tiles: (usize, usize),
}

impl Work {
    /// What a placement does; one of `pairs` conjugates its results.
    pub(super) fn new(matrix: &Matrix, used: &StepsUsed, fold: Fold, pairs: bool) -> Self {
        Self {
            hoists: used.hoists,
            babies: used.babies.len(),
            giants: used.giants.len(),
            terms: used.terms,
            sums: used.sums,
            folds: fold.rotations().len() * matrix.outputs,
            conjugations: if pairs { matrix.outputs } else { 0 },
            tiles: (matrix.inputs, matrix.outputs),
        }
    }

    /// Seconds from an operand at level `from`; `cold` is the share of keys and masks that come from memory.
    pub(super) fn seconds(
        &self,
        costs: &CostTable,
        ring: &Ring,
        grid: Grid,
        from: usize,
        (encrypted, cold): (bool, f64),
    ) -> f64 {
        let at = |times: usize, op, level| times as f64 * costs.seconds(op, ring, level, cold);
        let relinearized = if encrypted { self.sums } else { 0 };
        at(self.hoists, Op::Hoist, from)
            + at(self.babies, Op::HoistedRotate, from)
            + at(self.giants, Op::Rotate, from)
            + at(self.terms, product(grid, encrypted), from)
            + at(self.folds, Op::Rotate, from.saturating_sub(1))
            + at(self.conjugations, Op::Conjugate, from)
            + at(relinearized, Op::Relinearize, from)
            + at(self.tiles.1, Op::Rescale, from)
    }
}

/// The best packing of every algorithm for every node, in one ring and packing of the batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Looked {
    best: BTreeMap<(usize, Algorithm), (f64, Work, u64)>,
}

impl Looked {
    /// Notes a packing of a node.
    pub(super) fn note(&mut self, node: usize, algorithm: Algorithm, seconds: f64, work: Work) {
        let best = self
            .best
            .entry((node, algorithm))
            .or_insert((f64::INFINITY, work, 0));
        best.2 += 1;
        if seconds < best.0 {
            (best.0, best.1) = (seconds, work);
        }
    }

    /// What a plan says of it.
    pub(super) fn compared(
        &self,
        plan: &Plan,
        costs: &CostTable,
        planned: &[(usize, Work)],
    ) -> Vec<Compared> {
        let kind = (plan.structure.is_some(), costs.coldness(plan.predicted.memory()));
        let mut all = Vec::new();
        for &(i, work) in planned {
            let (Some(step), Some(own)) = (plan.steps.get(i), plan.algorithm(i)) else {
                continue;
            };
            let from = plan.operand_level(i);
            let mut note = |algorithm, work: &Work, taken, candidates| {
                let seconds = work.seconds(costs, &plan.ring, plan.grid(), from, kind);
                all.push(Compared {
                    node: step.name.clone(),
                    algorithm,
                    nanoseconds: (seconds * 1e9) as u64,
                    ciphertexts: work.tiles.0 as u64,
                    taken,
                    candidates,
                });
            };
            let counted = |algorithm| self.best.get(&(i, algorithm)).map_or(0, |best| best.2);
            note(own, &work, true, counted(own));
            for ((_, algorithm), (_, work, counted)) in self
                .best
                .range((i, Algorithm::Packed)..)
                .take_while(|((node, _), _)| *node == i)
            {
                if *algorithm != own {
                    note(*algorithm, work, false, *counted);
                }
            }
        }
        all
    }
}

impl Plan {
    /// The algorithm of a step, where it is an affine map.
    pub fn algorithm(&self, i: usize) -> Option<Algorithm> {
        let step = self.steps.get(i)?;
        let &StepKind::Linear { source, fold, .. } = &step.kind else {
            return None;
        };
        let operand = self.steps.get(source)?;
        Some(algorithm(&operand.layout, &step.layout, fold, self.order))
    }
}
