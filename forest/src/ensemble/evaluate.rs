//! Scores of rows, bit for bit as ONNX Runtime computes them.
//!
//! What is reproduced (`onnxruntime/core/providers/cpu/ml/tree_ensemble_{common,aggregator}.h` and `ml_common.h`):
//! inputs, thresholds and sums are of one type; a missing value takes the yes branch where the node says so, and else
//! goes where a comparison with NaN sends it; weights are added tree by tree in the order of the file, starting from
//! 0; base values are added last; logistic and softmax are computed in 32 bits. ONNX Runtime itself adds in this order
//! for up to 50 rows at a time or with `intra_op_num_threads = 1`; with more rows and threads it adds the trees of
//! each thread first, and its scores then differ from its own by rounding.

use super::parts::{Aggregate, Branch, Decision, Float, Mode, Node, Parts, Task};
use super::steps::{self, Real};
use super::transform::{Score, write_scores};

/// Scores of rows, and their classes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluation {
    /// `[rows, scores]`, in the type of the last step.
    pub scores: Vec<f64>,
    /// One class per row; empty for regression.
    pub classes: Vec<u32>,
}

/// The leaf of a row (values already rounded to the arithmetic) in the tree that begins at `root`: the position of its
/// node.
#[expect(clippy::indexing_slicing, reason = "children, features and sets are checked")]
pub(super) fn leaf(parts: &Parts, root: u32, row: &[f64]) -> u32 {
    let mut node = root;
    while let Node::Branch(branch) = &parts.nodes[node as usize] {
        let x = row[branch.feature as usize];
        let yes = holds(parts, branch, x) || (branch.missing_yes && x.is_nan());
        node = if yes { branch.yes } else { branch.no };
    }
    node
}

/// Does the comparison of a node hold, leaving aside what it says about missing values?
#[expect(clippy::indexing_slicing, reason = "sets are checked")]
pub(super) fn holds(parts: &Parts, branch: &Branch, x: f64) -> bool {
    match branch.mode {
        Mode::LessOrEqual => x <= branch.value,
        Mode::Less => x < branch.value,
        Mode::GreaterOrEqual => x >= branch.value,
        Mode::Greater => x > branch.value,
        Mode::Equal => x == branch.value,
        Mode::NotEqual => x != branch.value,
        Mode::Member => parts.sets[branch.value as usize].contains(&x),
    }
}

/// What the file says about the weights of a classifier as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weights {
    /// Two classes, weights for one of them only.
    pub binary: bool,
    /// No weight is negative.
    pub positive: bool,
}

impl Weights {
    pub fn of(parts: &Parts) -> Self {
        let first = parts.weights.first().map_or(0, |weight| weight.target);
        Self {
            binary: parts.task.targets() == 2 && parts.weights.iter().all(|weight| weight.target == first),
            positive: parts.weights.iter().all(|weight| weight.value >= 0.0),
        }
    }
}

/// Scores rows of raw values, `[rows, features]`.
pub(super) fn block(parts: &Parts, weights: Weights, rows: &[f64]) -> Evaluation {
    let rounded: Vec<f64> = rows.iter().map(|x| parts.rounded(*x)).collect();
    match parts.arithmetic {
        Float::F32 => scores::<f32>(parts, weights, &rounded),
        Float::F64 => scores::<f64>(parts, weights, &rounded),
    }
}

fn scores<T: Real>(parts: &Parts, weights: Weights, rows: &[f64]) -> Evaluation {
    let mut out = Evaluation::default();
    for sums in sums::<T>(parts, rows).chunks(parts.task.targets()) {
        let (scores, class) = finish(parts, weights, sums.to_vec());
        let scores = steps::run(&parts.steps, scores, parts.output);
        let first = scores.first().copied().unwrap_or(0.0);
        match parts.decision {
            Decision::None => {}
            Decision::Classifier => out.classes.push(class),
            Decision::Highest => out.classes.push(highest(&scores)),
            Decision::AtLeast(threshold) => out.classes.push(u32::from(first >= threshold)),
        }
        out.scores.extend(scores);
    }
    out
}

/// `[rows, targets]`. All rows walk through one tree before the next, so that the tree stays in the cache; each row
/// still adds its leaves tree by tree.
#[expect(clippy::indexing_slicing, reason = "leaves, weights and targets are checked")]
fn sums<T: Real>(parts: &Parts, rows: &[f64]) -> Vec<Score<T>> {
    let (width, targets) = (parts.features.len(), parts.task.targets());
    let mut sums = vec![Score::<T>::NONE; rows.len() / width * targets];
    for root in &parts.roots {
        for (row, sums) in rows.chunks_exact(width).zip(sums.chunks_exact_mut(targets)) {
            if let Node::Leaf { first, len } = parts.nodes[leaf(parts, *root, row) as usize] {
                for weight in &parts.weights[first as usize..][..len as usize] {
                    let sum = &mut sums[weight.target as usize];
                    sum.value = sum.value + T::from_f64(weight.value);
                    sum.has = true;
                }
            }
        }
    }
    sums
}

fn highest(scores: &[f64]) -> u32 {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, score) in scores.iter().enumerate() {
        if *score > best.1 {
            best = (class, *score);
        }
    }
    best.0 as u32
}

/// Scores after the transform, and the class.
fn finish<T: Real>(parts: &Parts, weights: Weights, mut sums: Vec<Score<T>>) -> (Vec<f64>, u32) {
    if parts.aggregate == Aggregate::Average {
        let trees = T::from_f64(parts.roots.len() as f64);
        sums.iter_mut().for_each(|sum| sum.value = sum.value / trees);
    }
    let (scores, class) = match &parts.task {
        Task::Regression { .. } => (regression(parts, sums), 0),
        Task::Classification { .. } if sums.len() > 2 => several_classes(parts, sums),
        Task::Classification { .. } => two_classes(parts, weights, sums),
    };
    (
        scores
            .into_iter()
            .map(|score| parts.output.round(score))
            .collect(),
        class,
    )
}

fn regression<T: Real>(parts: &Parts, mut sums: Vec<Score<T>>) -> Vec<f64> {
    for (sum, base) in sums.iter_mut().zip(&parts.base) {
        sum.value = sum.value + T::from_f64(*base);
    }
    // A target that no leaf of the row has a weight for: with a base value it is no score to `write_scores`.
    match sums.as_slice() {
        [one] => vec![one.value.to_f64()],
        _ => write_scores(sums, parts.transform, None),
    }
}

fn several_classes<T: Real>(parts: &Parts, mut sums: Vec<Score<T>>) -> (Vec<f64>, u32) {
    for (sum, base) in sums.iter_mut().zip(&parts.base) {
        *sum = Score::some(sum.value + T::from_f64(*base));
    }
    let mut best: Option<(usize, T)> = None;
    for (class, sum) in sums.iter().enumerate().filter(|(_, sum)| sum.has) {
        if best.is_none_or(|(_, value)| sum.value > value) {
            best = Some((class, sum.value));
        }
    }
    let class = best.map_or(0, |(class, _)| class as u32);
    (write_scores(sums, parts.transform, None), class)
}

/// How the score of the other class follows from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// Weights are votes: `1 - score`.
    Complement,
    /// Weights are margins: `-score`.
    Opposite,
}

fn two_classes<T: Real>(parts: &Parts, weights: Weights, mut sums: Vec<Score<T>>) -> (Vec<f64>, u32) {
    let mut second = None;
    if let [zero, one] = sums.as_mut_slice() {
        match parts.base.as_slice() {
            [first, other] => {
                if one.has {
                    // The first base value is not used.
                    one.value = T::from_f64(*other) + zero.value;
                    zero.value = -one.value;
                } else {
                    one.value = one.value + T::from_f64(*other);
                    zero.value = zero.value + T::from_f64(*first);
                }
            }
            [base] => zero.value = zero.value + T::from_f64(*base),
            _ => second = Some(Second::Opposite),
        }
        let alone = parts.base.len() < 2 && !one.has;
        let margin = match (one.has, zero.has) {
            (true, _) => one.value,
            (false, true) => zero.value,
            (false, false) => T::ZERO,
        };
        let half = T::ONE / (T::ONE + T::ONE);
        let positive = if weights.binary && weights.positive {
            second = Some(Second::Complement);
            margin > half
        } else {
            if weights.binary {
                second = Some(Second::Opposite);
            }
            margin > T::ZERO
        };
        if alone {
            sums.pop();
        }
        return (write_scores(sums, parts.transform, second), u32::from(positive));
    }
    (Vec::new(), 0) // Two classes have two sums.
}
