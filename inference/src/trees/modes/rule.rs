//! When the class of a row is the second one, as a comparison of one whole number with a threshold.
//!
//! The rule is the model's own, ties and rounding included: the threshold is found by evaluating what follows the trees on
//! sums, by bisection. What is no comparison of one sum, or of the difference of two, is refused.

use hedgerow_forest::ensemble::{Decision, Ensemble, Labels, Task, Transform};

use super::super::error::TreesError;
use super::super::head::{head, prediction};
use super::super::prepared::Prepared;

/// Class 1 if the sum of weighted sums reaches the threshold.
#[derive(Clone)]
pub(super) struct Rule {
    weights: Vec<i64>,
    threshold: i64,
}

/// Sums around the threshold, and away from it, for which the rule is tried out.
const TRIED: i64 = 64;

impl Rule {
    /// By how much the largest weighted value of a leaf exceeds the largest value: the difference of two values of either
    /// sign is up to twice as large.
    pub(super) fn spread(model: &Ensemble) -> u64 {
        let weights = &model.parts().weights;
        let two = weights.iter().any(|weight| weight.target != weights[0].target);
        1 + u64::from(two && weights.iter().any(|weight| weight.value < 0.0))
    }

    /// The rule of a forest whose weighted sums do not exceed `reach`. The error says why there is none.
    pub(super) fn new(forest: &Prepared, reach: u64) -> Result<Self, String> {
        let ensemble = &forest.binned.ensemble;
        let targets = &forest.values.targets;
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let head = head(ensemble, targets).map_err(|error| text(&error))?;
        let classes = match &head.parts().task {
            Task::Classification { labels } => labels.len(),
            Task::Regression { .. } => 0,
        };
        match (forest.threshold, classes) {
            (None, 0) => return Err("a regression has no classes: it needs a threshold".to_owned()),
            (None | Some(_), 3..) => {
                return Err(format!(
                    "{classes} classes: the highest of several scores is more than one comparison"
                ));
            }
            _ => {}
        }
        let is_second = |sums: Vec<i64>| -> Result<bool, String> {
            let prediction = prediction(&head, forest.unit, sums).map_err(|error| text(&error))?;
            Ok(match forest.threshold {
                Some(threshold) => prediction.scores.last().is_some_and(|score| *score > threshold),
                None => prediction.class == Some(1),
            })
        };
        let tried: &[&[i64]] = match targets.len() {
            1 => &[&[1]],
            2 => &[&[-1, 1], &[0, 1], &[1, 0]],
            _ => &[],
        };
        for weights in tried {
            // Sums with a weighted sum of `number`, others added that the rule should not depend on.
            let of = |number: i64, other: i64| -> Vec<i64> {
                match weights {
                    [-1, 1] => vec![other + (-number).max(0), other + number.max(0)],
                    [0, _] => vec![other, number],
                    [_, 0] => vec![number, other],
                    _ => vec![number],
                }
            };
            let reach = i64::try_from(reach).map_err(|error| text(&error))?;
            for sign in [1, -1] {
                let holds = |number: i64, other: i64| is_second(of(sign * number, other));
                let Some(threshold) = bisected(reach, &holds)? else {
                    continue;
                };
                let near = (threshold - TRIED..threshold + TRIED).filter(|near| near.abs() <= reach);
                let far = (-TRIED..=TRIED).map(|part| part * (reach / TRIED));
                let others = match targets.len() {
                    1 => vec![0],
                    _ => vec![0, 1, reach / 3, reach / 2],
                };
                let mut agrees = true;
                for number in near.chain(far) {
                    for other in &others {
                        agrees &= holds(number, *other)? == (number >= threshold);
                    }
                }
                if agrees {
                    return Ok(Self {
                        weights: weights.iter().map(|weight| sign * weight).collect(),
                        threshold,
                    });
                }
            }
        }
        Err(
            "its decision is no comparison of one sum, or of the difference of two, with a threshold"
                .to_owned(),
        )
    }

    /// The number that is compared.
    pub(super) fn value(&self, sums: &[i64]) -> i64 {
        self.weights
            .iter()
            .zip(sums)
            .map(|(weight, sum)| weight * sum)
            .sum()
    }

    /// What it is compared with.
    pub(super) const fn threshold(&self) -> i64 {
        self.threshold
    }

    /// What follows one vote: the class of the vote, and of the model only the names of its classes.
    ///
    /// # Errors
    /// None for a checked ensemble.
    pub(super) fn head(&self, ensemble: &Ensemble) -> Result<Ensemble, TreesError> {
        let mut parts = head(ensemble, &[0])?.parts().clone();
        let labels = match parts.task {
            Task::Classification { labels } => labels,
            Task::Regression { .. } => Labels::Texts(["not above", "above"].map(str::to_owned).to_vec()),
        };
        parts.task = Task::Classification { labels };
        parts.transform = Transform::None;
        parts.decision = Decision::Classifier;
        parts.base = Vec::new();
        parts.steps = Vec::new();
        for weight in &mut parts.weights {
            weight.value = 0.0;
        }
        Ok(head(&Ensemble::new(parts)?, &[0, 1])?)
    }
}

/// The smallest number in `-reach ..= reach + 1` from which on the rule holds, if it does at the end or nowhere.
fn bisected(reach: i64, holds: &impl Fn(i64, i64) -> Result<bool, String>) -> Result<Option<i64>, String> {
    let (mut fails, mut first) = (-reach - 1, reach + 1);
    if holds(-reach, 0)? && !holds(reach, 0)? {
        return Ok(None);
    }
    while first - fails > 1 {
        let middle = fails + (first - fails) / 2;
        if holds(middle, 0)? {
            first = middle;
        } else {
            fails = middle;
        }
    }
    Ok(Some(first))
}
