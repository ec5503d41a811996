//! Samples to slots and back.

use super::EvalError;
use crate::plan::Plan;

/// The slots of the input ciphertexts for a batch of samples.
///
/// # Errors
/// No samples, more than the plan's lanes, or samples of another length.
pub fn encode(plan: &Plan, samples: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, EvalError> {
    let layout = &plan.steps[0].layout;
    if samples.is_empty() || samples.len() > plan.lanes {
        return Err(EvalError::Samples {
            what: "samples",
            expected: plan.lanes,
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
    Ok(layout.pack(samples, plan.grid()))
}

/// The results of the first `samples` samples, from the slots of the output ciphertexts.
pub fn decode(plan: &Plan, slots: &[Vec<f64>], samples: usize) -> Vec<Vec<f64>> {
    let Some(last) = plan.steps.last() else {
        return Vec::new();
    };
    last.layout.unpack(slots, samples, plan.grid())
}
