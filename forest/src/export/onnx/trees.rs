//! The tree operators, written.

use std::collections::HashMap;

use super::build::{self, NodeBuilder, node};
use crate::ensemble::{Aggregate, Ensemble, Float, Labels, Mode, Node, Parts, Task, Transform};
use crate::onnx::{self, ML_DOMAIN};

const RESULT: &str = "hedgerow_trees";

fn i(value: u32) -> i64 {
    i64::from(value)
}

/// Numbers as a list of 32-bit attributes, or as a tensor of 64 bits.
fn numbers(builder: NodeBuilder, parts: &Parts, name: &str, values: Vec<f64>) -> NodeBuilder {
    match parts.arithmetic {
        _ if values.is_empty() => builder,
        Float::F32 => builder.floats(name, values.iter().map(|value| *value as f32)),
        Float::F64 => builder.tensor(&format!("{name}_as_tensor"), build::tensor(Float::F64, values)),
    }
}

/// `TreeEnsembleClassifier` or `TreeEnsembleRegressor`.
pub(super) fn version_3(ensemble: &Ensemble, features: String) -> onnx::Node {
    let parts = ensemble.parts();
    let (mut trees, mut ids, mut features_of, mut modes) = (vec![], vec![], vec![], vec![]);
    let (mut values, mut yes, mut no, mut missing) = (vec![], vec![], vec![], vec![]);
    let (mut leaf_trees, mut leaf_ids, mut targets, mut weights) = (vec![], vec![], vec![], vec![]);
    for tree in 0..ensemble.trees() {
        for (id, (node, children)) in ensemble.nodes_of(tree).into_iter().enumerate() {
            trees.push(tree as i64);
            ids.push(id as i64);
            let [child_yes, child_no] = children.map(i);
            yes.push(child_yes);
            no.push(child_no);
            let (feature, mode, value, to_yes) = match node {
                Node::Branch(branch) => (
                    branch.feature,
                    mode_text(branch.mode),
                    branch.value,
                    branch.missing_yes,
                ),
                Node::Leaf { first, len } => {
                    for weight in parts.weights.iter().skip(first as usize).take(len as usize) {
                        leaf_trees.push(tree as i64);
                        leaf_ids.push(id as i64);
                        targets.push(i(weight.target));
                        weights.push(weight.value);
                    }
                    (0, "LEAF", 0.0, false)
                }
            };
            features_of.push(i(feature));
            modes.push(mode);
            values.push(value);
            missing.push(i64::from(to_yes));
        }
    }
    let classifier = matches!(parts.task, Task::Classification { .. });
    let (operator, prefix) = if classifier {
        ("TreeEnsembleClassifier", "class")
    } else {
        ("TreeEnsembleRegressor", "target")
    };
    let outputs: &[&str] = if classifier { &["label", RESULT] } else { &[RESULT] };
    let mut builder = node(ML_DOMAIN, operator, &[&features], outputs)
        .ints("nodes_treeids", trees)
        .ints("nodes_nodeids", ids)
        .ints("nodes_featureids", features_of)
        .texts("nodes_modes", modes)
        .ints("nodes_truenodeids", yes)
        .ints("nodes_falsenodeids", no)
        .ints("nodes_missing_value_tracks_true", missing)
        .ints(&format!("{prefix}_treeids"), leaf_trees)
        .ints(&format!("{prefix}_nodeids"), leaf_ids)
        .ints(&format!("{prefix}_ids"), targets)
        .text("post_transform", transform_text(parts.transform));
    builder = numbers(builder, parts, "nodes_values", values);
    builder = numbers(builder, parts, &format!("{prefix}_weights"), weights);
    builder = numbers(builder, parts, "base_values", parts.base.clone());
    builder = match &parts.task {
        Task::Regression { targets } => {
            let aggregate = match parts.aggregate {
                Aggregate::Sum => "SUM",
                Aggregate::Average => "AVERAGE",
            };
            builder
                .int("n_targets", i(*targets))
                .text("aggregate_function", aggregate)
        }
        Task::Classification {
            labels: Labels::Numbers(numbers),
        } => builder.ints("classlabels_int64s", numbers.iter().copied()),
        Task::Classification {
            labels: Labels::Texts(texts),
        } => builder.texts("classlabels_strings", texts),
    };
    builder.done()
}

const fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::LessOrEqual => "BRANCH_LEQ",
        Mode::Less => "BRANCH_LT",
        Mode::GreaterOrEqual => "BRANCH_GTE",
        Mode::Greater => "BRANCH_GT",
        // Sets are refused before.
        Mode::Equal | Mode::Member => "BRANCH_EQ",
        Mode::NotEqual => "BRANCH_NEQ",
    }
}

const fn transform_text(transform: Transform) -> &'static str {
    match transform {
        Transform::None => "NONE",
        Transform::Logistic => "LOGISTIC",
        Transform::Softmax => "SOFTMAX",
        Transform::SoftmaxZero => "SOFTMAX_ZERO",
    }
}

/// `TreeEnsemble`: nodes and leaves are two lists, each node says in which its children are.
pub(super) fn version_5(ensemble: &Ensemble, features: String) -> onnx::Node {
    let parts = ensemble.parts();
    let (mut roots, mut features_of, mut modes, mut splits) = (vec![], vec![], vec![], vec![]);
    let (mut yes, mut no, mut yes_leaf, mut no_leaf) = (vec![], vec![], vec![], vec![]);
    let (mut missing, mut members) = (vec![], vec![]);
    let (mut targets, mut weights) = (vec![], vec![]);
    for tree in 0..ensemble.trees() {
        let nodes = ensemble.nodes_of(tree);
        // Position in the file's list of tests or of leaves, by position in the tree.
        let mut places: HashMap<u32, (bool, i64)> = HashMap::new();
        let mut tests = features_of.len() as i64;
        roots.push(tests);
        for (position, (node, _)) in (0u32..).zip(&nodes) {
            match node {
                Node::Branch(_) => {
                    places.insert(position, (false, tests));
                    tests += 1;
                }
                Node::Leaf { first, .. } => {
                    places.insert(position, (true, targets.len() as i64));
                    let weight = parts.weights.get(*first as usize);
                    targets.push(weight.map_or(0, |weight| i(weight.target)));
                    weights.push(weight.map_or(0.0, |weight| weight.value));
                }
            }
        }
        for (node, children) in &nodes {
            let (feature, mode, value, to_yes) = match node {
                Node::Branch(branch) => (branch.feature, branch.mode, branch.value, branch.missing_yes),
                // A tree that is one leaf: a test with this leaf on both sides.
                Node::Leaf { .. } if nodes.len() == 1 => (0, Mode::LessOrEqual, 0.0, false),
                Node::Leaf { .. } => continue,
            };
            let place = |child: u32| places.get(&child).copied().unwrap_or((true, 0));
            let [(leaf_of_yes, child_yes), (leaf_of_no, child_no)] = children.map(place);
            yes.push(child_yes);
            no.push(child_no);
            yes_leaf.push(i64::from(leaf_of_yes));
            no_leaf.push(i64::from(leaf_of_no));
            features_of.push(i(feature));
            missing.push(i64::from(to_yes));
            let (number, split) = match mode {
                Mode::LessOrEqual => (0, value),
                Mode::Less => (1, value),
                Mode::GreaterOrEqual => (2, value),
                Mode::Greater => (3, value),
                Mode::Equal => (4, value),
                Mode::NotEqual => (5, value),
                Mode::Member => {
                    members.extend(parts.sets.get(value as usize).into_iter().flatten().copied());
                    members.push(f64::NAN);
                    (6, 0.0)
                }
            };
            modes.push(number);
            splits.push(split);
        }
    }
    let aggregate = match parts.aggregate {
        Aggregate::Average => 0,
        Aggregate::Sum => 1,
    };
    let transform = if parts.transform == Transform::SoftmaxZero {
        3
    } else {
        0
    };
    let tensor = |values: Vec<f64>| build::tensor(parts.arithmetic, values);
    let mut builder = node(ML_DOMAIN, "TreeEnsemble", &[&features], &[RESULT])
        .ints("tree_roots", roots)
        .ints("nodes_featureids", features_of)
        .tensor("nodes_modes", build::tensor_u8(modes))
        .tensor("nodes_splits", tensor(splits))
        .ints("nodes_truenodeids", yes)
        .ints("nodes_trueleafs", yes_leaf)
        .ints("nodes_falsenodeids", no)
        .ints("nodes_falseleafs", no_leaf)
        .ints("nodes_missing_value_tracks_true", missing)
        .ints("leaf_targetids", targets)
        .tensor("leaf_weights", tensor(weights))
        .int("n_targets", parts.task.targets() as i64)
        .int("aggregate_function", aggregate)
        .int("post_transform", transform);
    if !members.is_empty() {
        builder = builder.tensor("membership_values", tensor(members));
    }
    builder.done()
}
