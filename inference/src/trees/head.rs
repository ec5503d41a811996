//! From sums of leaf values to scores and classes: what follows the trees, computed by the client as the source library
//! computes it, by an ensemble of one leaf whose weights are the sums.

use hedgerow_forest::ensemble::{
    Aggregate, Branch, Ensemble, EnsembleError, Feature, Mode, Node, Task, Weight,
};

use super::client::Prediction;
use super::error::refused;

/// The ensemble of one leaf. It tells the task, base values and what follows the trees, and of the leaves only whether
/// any weight is negative and which targets they have.
///
/// # Errors
/// None for a checked ensemble.
pub fn head(model: &Ensemble, targets: &[u32]) -> Result<Ensemble, EnsembleError> {
    let mut parts = model.parts().clone();
    let negative = parts.weights.iter().any(|weight| weight.value < 0.0);
    parts.features = vec![Feature::default()];
    parts.aggregate = Aggregate::Sum;
    parts.sets = Vec::new();
    parts.roots = vec![0];
    let targets_len = targets.len() as u32;
    parts.nodes = vec![
        Node::Branch(Branch {
            feature: 0,
            mode: Mode::Less,
            value: 1.0,
            missing_yes: true,
            yes: 1,
            no: 2,
        }),
        Node::Leaf {
            first: 0,
            len: targets_len,
        },
        Node::Leaf {
            first: targets_len,
            len: 1,
        },
    ];
    let weight = |target: &u32| Weight {
        target: *target,
        value: 0.0,
    };
    parts.weights = targets.iter().map(weight).collect();
    // What no row reaches, but the conventions for two classes look at.
    parts.weights.push(Weight {
        target: targets.first().copied().unwrap_or(0),
        value: if negative { -1.0 } else { 0.0 },
    });
    Ensemble::new(parts)
}

/// What sums of whole leaf values over the trees, multiples of `unit`, come to.
///
/// # Errors
/// Sums that the head's type does not hold.
pub fn prediction(head: &Ensemble, unit: f64, sums: Vec<i64>) -> Result<Prediction, EnsembleError> {
    let mut parts = head.parts().clone();
    for (weight, sum) in parts.weights.iter_mut().zip(&sums) {
        weight.value = parts.arithmetic.round(*sum as f64 * unit);
    }
    let evaluation = Ensemble::new(parts)?
        .evaluate(&[0.0])
        .map_err(|error| refused("head", "one feature", error))?;
    let class = evaluation.classes.first().copied();
    let name = |class: u32| match &head.parts().task {
        Task::Classification { labels } => labels.text(class as usize),
        Task::Regression { .. } => None,
    };
    Ok(Prediction {
        sums,
        scores: evaluation.scores,
        class,
        label: class.map(|class| name(class).unwrap_or_else(|| class.to_string())),
    })
}
