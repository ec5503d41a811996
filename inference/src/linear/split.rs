//! Baby steps and giant steps.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Fold, Grid, Mask, Matrix, Order};
use crate::scheme::{PreparedMap, Term};

/// What rotations cost, in any unit.
#[derive(Debug, Clone, Copy)]
pub struct StepCost {
    /// The shared part of hoisted rotations.
    pub hoist: f64,
    /// One hoisted rotation.
    pub hoisted: f64,
    /// One rotation alone.
    pub rotate: f64,
}

/// Rotations and masks of a split, in positions.
#[derive(Debug, Clone, Default)]
pub struct StepsUsed {
    /// Inputs that are hoisted.
    pub hoists: usize,
    /// (input, baby step) other than zero.
    pub babies: Vec<(u32, i64)>,
    /// (output, giant step) other than zero.
    pub giants: Vec<(u32, i64)>,
    /// Masks.
    pub terms: usize,
    /// Inner products: one for each output and giant step.
    pub sums: usize,
}

/// How rotations are split: `rotation = giant + baby` modulo the positions, with `baby` in `-shift..width - shift` and
/// giants that are multiples of `width`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Steps {
    /// Distance of giant steps.
    pub width: usize,
    /// Babies to the left of zero.
    pub shift: usize,
}

impl Steps {
    /// Giant and baby step; the last giants go once around where rotations do.
    fn of(self, rotation: u32, grid: Grid) -> (i64, i64) {
        let (width, shift) = (self.width as i64, self.shift as i64);
        let moved = grid.signed(rotation) + shift;
        let (giant, baby) = (moved.div_euclid(width) * width, moved.rem_euclid(width) - shift);
        match grid.order {
            Order::BatchLast => (giant % grid.positions as i64, baby),
            Order::BatchFirst => (giant, baby),
        }
    }

    /// What this split of `matrix` needs.
    pub fn used(self, matrix: &Matrix, grid: Grid) -> StepsUsed {
        let mut used = StepsUsed {
            terms: matrix.blocks.values().map(BTreeMap::len).sum(),
            ..StepsUsed::default()
        };
        let most = grid.positions.div_ceil(self.width) + 1;
        let giants = 2 * most + 1;
        let mut seen_babies = vec![false; matrix.inputs * self.width];
        let mut seen_giants = vec![false; matrix.outputs * giants];
        let mut hoisted = vec![false; matrix.inputs];
        let mut stays = vec![false; matrix.outputs];
        for (&(output, input), block) in &matrix.blocks {
            for &rotation in block.keys() {
                let (giant, baby) = self.of(rotation, grid);
                let place = input as usize * self.width + (baby + self.shift as i64) as usize;
                if baby != 0 && !std::mem::replace(&mut seen_babies[place], true) {
                    used.babies.push((input, baby));
                    hoisted[input as usize] = true;
                }
                let number = giant.div_euclid(self.width as i64) + most as i64;
                let place = output as usize * giants + number as usize;
                stays[output as usize] |= giant == 0;
                if giant != 0 && !std::mem::replace(&mut seen_giants[place], true) {
                    used.giants.push((output, giant));
                }
            }
        }
        used.sums = used.giants.len() + stays.into_iter().filter(|&stays| stays).count();
        used.hoists = hoisted.into_iter().filter(|&hoisted| hoisted).count();
        used
    }

    /// The cheapest split over all widths: powers of two and multiples of `pitch` (a row of an image), babies to the
    /// right or to both sides.
    pub fn cheapest(matrix: &Matrix, grid: Grid, pitch: usize, cost: StepCost) -> Self {
        let positions = grid.positions;
        let mut widths: BTreeSet<usize> = (0..=positions.ilog2()).map(|k| 1 << k).collect();
        widths.extend(
            [pitch, 2 * pitch, 4 * pitch]
                .into_iter()
                .filter(|w| (1..=positions).contains(w)),
        );
        let mut best = (f64::INFINITY, Self { width: 1, shift: 0 });
        for &width in &widths {
            for shift in if width == 1 { vec![0] } else { vec![0, width / 2] } {
                let steps = Self { width, shift };
                let used = steps.used(matrix, grid);
                let total = used.hoists as f64 * cost.hoist
                    + used.babies.len() as f64 * cost.hoisted
                    + used.giants.len() as f64 * cost.rotate;
                if total < best.0 {
                    best = (total, steps);
                }
            }
        }
        best.1
    }
}

/// The map with its rotations split into baby steps (of the input, hoisted) and giant steps (of the sum); rotations are
/// in slots.
pub fn split(matrix: &Matrix, fold: Fold, steps: Steps, grid: Grid) -> PreparedMap<Mask> {
    let slots = |positions: i64| positions * grid.stride() as i64;
    let mut outputs = vec![BTreeMap::<i64, Vec<Term<Mask>>>::new(); matrix.outputs];
    let mut place = BTreeMap::new();
    for (&(output, input), block) in &matrix.blocks {
        for (&rotation, entries) in block {
            let (giant, baby) = steps.of(rotation, grid);
            let Some(map) = outputs.get_mut(output as usize) else {
                continue;
            };
            let terms = map.entry(slots(giant)).or_default();
            let term = *place.entry((output, giant, input, baby)).or_insert_with(|| {
                terms.push(Term {
                    input: input as usize,
                    baby: slots(baby),
                    mask: Vec::new(),
                });
                terms.len() - 1
            });
            // The giant rotation comes after the product: the mask stands that far to the right.
            let turned = entries.iter().map(|&(at, v)| {
                (
                    (i64::from(at) + giant).rem_euclid(grid.positions as i64) as u32,
                    v,
                )
            });
            terms[term].mask.extend(turned);
        }
    }
    // An output that nothing enters is still a ciphertext, of zeros.
    for map in outputs.iter_mut().filter(|map| map.is_empty()) {
        let nothing = Term {
            input: 0,
            baby: 0,
            mask: Vec::new(),
        };
        map.insert(0, vec![nothing]);
    }
    let folds = fold
        .rotations()
        .into_iter()
        .map(|fold| slots(fold as i64))
        .collect();
    PreparedMap {
        inputs: matrix.inputs,
        outputs,
        folds,
        real: false,
    }
}

/// The slots of a mask; those of one sample with [`Order::BatchFirst`], where all samples have the same.
pub fn dense(mask: &Mask, grid: Grid) -> Vec<f64> {
    let run = match grid.order {
        Order::BatchLast => grid.lanes,
        Order::BatchFirst => 1,
    };
    let mut slots = vec![0.0; grid.positions * run];
    for &(at, value) in mask {
        let start = at as usize * run;
        if let Some(run) = slots.get_mut(start..start + run) {
            run.iter_mut().for_each(|slot| *slot += value);
        }
    }
    slots
}
