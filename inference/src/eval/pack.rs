//! Samples to slots and back.

use super::EvalError;
use crate::linear::{Grid, Layout};
use crate::plan::Plan;
use crate::scheme::Complex;

/// Ciphertexts of `rounds` rounds, one after the other; missing samples are zero.
pub(crate) fn pack(layout: &Layout, samples: &[Vec<f64>], grid: Grid, rounds: usize) -> Vec<Vec<f64>> {
    let round = |k: usize| {
        let first = (k * grid.lanes).min(samples.len());
        layout.pack(&samples[first..], grid)
    };
    (0..rounds).flat_map(round).collect()
}

/// The vectors of the first `samples` samples of all rounds.
pub(crate) fn unpack(layout: &Layout, tiles: &[Vec<f64>], samples: usize, grid: Grid) -> Vec<Vec<f64>> {
    let rounds = tiles.chunks(layout.tiles(grid.positions).max(1)).enumerate();
    let round = |(k, tiles)| layout.unpack(tiles, samples.saturating_sub(k * grid.lanes), grid);
    rounds.flat_map(round).collect()
}

/// The slots of the input ciphertexts for a batch of samples, of any plan.
///
/// # Errors
/// No samples, more than the plan's batch, or samples of another length.
pub fn encode_complex(plan: &Plan, samples: &[Vec<f64>]) -> Result<Vec<Vec<Complex>>, EvalError> {
    let each = plan.steps[0].layout.tiles(plan.positions());
    Ok(pairs(tiles(plan, samples)?, each, plan.paired))
}

/// The slots of the input ciphertexts, where they hold reals.
///
/// # Errors
/// As [`encode_complex`], and a plan whose input comes two in a ciphertext.
pub fn encode(plan: &Plan, samples: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, EvalError> {
    if plan.paired {
        return Err(EvalError::Plan {
            node: plan
                .steps
                .first()
                .map_or_else(String::new, |step| step.name.clone()),
            reason: "its input comes two in a ciphertext; encode_complex".to_owned(),
        });
    }
    tiles(plan, samples)
}

/// Two ciphertexts' slots in one, `(x + iy) / 2`, where they are paired: of the `each` of every round.
pub(crate) fn pairs(tiles: Vec<Vec<f64>>, each: usize, paired: bool) -> Vec<Vec<Complex>> {
    let factor = if paired { 0.5 } else { 1.0 };
    let join = |pair: &[Vec<f64>]| {
        let (re, im) = (pair.first().map_or(&[][..], |re| re), pair.get(1));
        let at = |slot: usize| im.and_then(|im| im.get(slot)).copied().unwrap_or(0.0);
        let slots = re.iter().enumerate();
        slots
            .map(|(slot, re)| Complex::new(factor * re, factor * at(slot)))
            .collect()
    };
    let rounds = tiles.chunks(each.max(1));
    rounds
        .flat_map(|round| round.chunks(1 + usize::from(paired)).map(join))
        .collect()
}

fn tiles(plan: &Plan, samples: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, EvalError> {
    let layout = &plan.steps[0].layout;
    if samples.is_empty() || samples.len() > plan.batch() {
        return Err(EvalError::Samples {
            what: "samples",
            expected: plan.batch(),
            actual: samples.len(),
        });
    }
    if let Some(odd) = samples.iter().find(|s| s.len() != layout.size()) {
        return Err(EvalError::Samples {
            what: "values of a sample",
            expected: layout.size(),
            actual: odd.len(),
        });
    }
    Ok(pack(layout, samples, plan.grid(), plan.rounds))
}

/// The results of the first `samples` samples, from the slots of the output ciphertexts.
pub fn decode(plan: &Plan, slots: &[Vec<f64>], samples: usize) -> Vec<Vec<f64>> {
    let Some(last) = plan.steps.last() else {
        return Vec::new();
    };
    unpack(&last.layout, slots, samples, plan.grid())
}
