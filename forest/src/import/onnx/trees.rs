//! The tree operators: `TreeEnsembleClassifier` and `TreeEnsembleRegressor` (`ai.onnx.ml` 1 to 4) and `TreeEnsemble`
//! (5).

use std::collections::HashMap;

use super::attributes::Attributes;
use crate::ensemble::{
    Aggregate, Branch, Decision, EnsembleError, Labels, Mode, Node, Task, Transform, Weight,
};
use crate::import::ImportError;

/// What a tree operator says.
#[derive(Debug)]
pub(super) struct Trees {
    pub task: Task,
    pub aggregate: Aggregate,
    pub base: Vec<f64>,
    pub transform: Transform,
    pub decision: Decision,
    pub roots: Vec<u32>,
    pub nodes: Vec<Node>,
    pub sets: Vec<Vec<f64>>,
    pub weights: Vec<Weight>,
    /// Tree and node ids of the file, for errors.
    ids: Vec<(usize, usize)>,
}

impl Trees {
    /// Columns that the tests read, at least.
    pub fn features(&self) -> usize {
        let feature = |node: &Node| match node {
            Node::Branch(branch) => Some(branch.feature as usize + 1),
            Node::Leaf { .. } => None,
        };
        self.nodes.iter().filter_map(feature).max().unwrap_or(1)
    }

    /// The error with the ids of the file instead of positions.
    pub fn named(&self, error: EnsembleError) -> EnsembleError {
        let id = |tree: usize, node: usize| {
            let root = self.roots.get(tree).map_or(0, |root| *root as usize);
            self.ids.get(root + node).copied().unwrap_or((tree, node))
        };
        match error {
            EnsembleError::Node {
                tree,
                node,
                field,
                expected,
                seen,
            } => {
                let (tree, node) = id(tree, node);
                EnsembleError::Node {
                    tree,
                    node,
                    field,
                    expected,
                    seen,
                }
            }
            EnsembleError::Cycle { tree, node } => {
                let (tree, node) = id(tree, node);
                EnsembleError::Cycle { tree, node }
            }
            other => other,
        }
    }
}

fn transform(at: &Attributes<'_>, seen: &str) -> Result<Transform, ImportError> {
    match seen {
        "NONE" => Ok(Transform::None),
        "LOGISTIC" => Ok(Transform::Logistic),
        "SOFTMAX" => Ok(Transform::Softmax),
        "SOFTMAX_ZERO" => Ok(Transform::SoftmaxZero),
        _ => {
            let expected = "NONE, LOGISTIC, SOFTMAX or SOFTMAX_ZERO (PROBIT is not supported: ONNX Runtime \
                            approximates it; export the raw score)";
            Err(at.error("post_transform", expected, seen))
        }
    }
}

fn id(at: &Attributes<'_>, field: &str, value: i64) -> Result<usize, ImportError> {
    u32::try_from(value)
        .map(|id| id as usize)
        .map_err(|_| at.error(field, "a number of 32 bits, not negative", value))
}

/// Reads `TreeEnsembleClassifier` or `TreeEnsembleRegressor`.
pub(super) fn version_1_to_4(at: &Attributes<'_>) -> Result<Trees, ImportError> {
    let classifier = at.node.op_type == "TreeEnsembleClassifier";
    let [
        target_ids,
        target_nodes,
        target_trees,
        target_weights,
        target_tensor,
    ] = if classifier {
        [
            "class_ids",
            "class_nodeids",
            "class_treeids",
            "class_weights",
            "class_weights_as_tensor",
        ]
    } else {
        [
            "target_ids",
            "target_nodeids",
            "target_treeids",
            "target_weights",
            "target_weights_as_tensor",
        ]
    };
    let (tree_ids, node_ids) = (at.ints("nodes_treeids"), at.ints("nodes_nodeids"));
    let (yes, no) = (at.ints("nodes_truenodeids"), at.ints("nodes_falsenodeids"));
    let (features, modes) = (at.ints("nodes_featureids"), at.texts("nodes_modes")?);
    let values = at.numbers("nodes_values", "nodes_values_as_tensor")?;
    let missing = at.ints("nodes_missing_value_tracks_true");
    let count = tree_ids.len();
    for (field, seen, optional) in [
        ("nodes_nodeids", node_ids.len(), false),
        ("nodes_truenodeids", yes.len(), false),
        ("nodes_falsenodeids", no.len(), false),
        ("nodes_featureids", features.len(), false),
        ("nodes_modes", modes.len(), false),
        ("nodes_values", values.len(), false),
        ("nodes_missing_value_tracks_true", missing.len(), true),
    ] {
        at.length(field, seen, count, optional)?;
    }

    let mut positions = HashMap::with_capacity(count);
    let (mut ids, mut roots, mut previous) = (Vec::with_capacity(count), Vec::new(), None);
    let mut begun = std::collections::HashSet::new();
    for (position, (tree, node)) in tree_ids.iter().zip(node_ids).enumerate() {
        let key = (id(at, "nodes_treeids", *tree)?, id(at, "nodes_nodeids", *node)?);
        if positions.insert(key, position as u32).is_some() {
            let seen = format!("node {node} of tree {tree} twice");
            return Err(at.error("nodes_nodeids", "every node once", seen));
        }
        if previous != Some(key.0) {
            if !begun.insert(key.0) {
                let seen = format!("tree {tree} in two places");
                return Err(at.error("nodes_treeids", "the nodes of a tree together", seen));
            }
            roots.push(position as u32);
            previous = Some(key.0);
        }
        ids.push(key);
    }
    let leaves = Leaves::read(
        at,
        [target_trees, target_nodes, target_ids],
        at.numbers(target_weights, target_tensor)?,
        &positions,
    )?;

    let mut nodes = Vec::with_capacity(count);
    let mut weights = Vec::new();
    for (position, ((tree, node), mode)) in ids.iter().zip(&modes).enumerate() {
        let at_node = |field: &str| format!("{field} of node {node} in tree {tree}");
        let Some(mode) = branch_mode(at, mode, &at_node)? else {
            let own = leaves.of(position as u32);
            if own.is_empty() {
                let field = at_node(target_nodes);
                return Err(at.error(field, "at least one weight for a leaf", "none"));
            }
            let first = weights.len() as u32;
            weights.extend(own.iter().map(|(_, weight)| *weight));
            nodes.push(Node::Leaf {
                first,
                len: own.len() as u32,
            });
            continue;
        };
        let pick = |list: &[i64]| list.get(position).copied().unwrap_or(0);
        let child = |field: &str, child: i64| {
            let key = (*tree, usize::try_from(child).unwrap_or(usize::MAX));
            positions
                .get(&key)
                .copied()
                .ok_or_else(|| at.error(at_node(field), "a node of this tree", child))
        };
        nodes.push(Node::Branch(Branch {
            feature: id(at, &at_node("nodes_featureids"), pick(features))? as u32,
            mode,
            value: values.get(position).copied().unwrap_or(f64::NAN),
            missing_yes: pick(missing) == 1,
            yes: child("nodes_truenodeids", pick(yes))?,
            no: child("nodes_falsenodeids", pick(no))?,
        }));
    }

    let aggregate = match at.text("aggregate_function", "SUM")?.as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        seen => {
            let expected =
                "SUM or AVERAGE (MIN and MAX are no sums and cannot be evaluated under encryption)";
            return Err(at.error("aggregate_function", expected, seen));
        }
    };
    let task = if classifier { classes(at)? } else { targets(at)? };
    Ok(Trees {
        decision: if classifier {
            Decision::Classifier
        } else {
            Decision::None
        },
        task,
        // A classifier has no such attribute; ONNX Runtime ignores one that is there.
        aggregate: if classifier { Aggregate::Sum } else { aggregate },
        base: at.numbers("base_values", "base_values_as_tensor")?,
        transform: transform(at, &at.text("post_transform", "NONE")?)?,
        roots,
        nodes,
        sets: Vec::new(),
        weights,
        ids,
    })
}

fn classes(at: &Attributes<'_>) -> Result<Task, ImportError> {
    let texts = at.texts("classlabels_strings")?;
    let numbers = at.ints("classlabels_int64s");
    let labels = if texts.is_empty() {
        Labels::Numbers(numbers.to_vec())
    } else {
        Labels::Texts(texts)
    };
    Ok(Task::Classification { labels })
}

fn targets(at: &Attributes<'_>) -> Result<Task, ImportError> {
    let seen = at.int("n_targets").unwrap_or(0);
    let targets = u32::try_from(seen).ok().filter(|targets| *targets > 0);
    let targets = targets.ok_or_else(|| at.error("n_targets", "at least 1", seen))?;
    Ok(Task::Regression { targets })
}

/// The comparison of a node; `None` for a leaf.
fn branch_mode(
    at: &Attributes<'_>,
    mode: &str,
    at_node: &dyn Fn(&str) -> String,
) -> Result<Option<Mode>, ImportError> {
    Ok(Some(match mode {
        "LEAF" => return Ok(None),
        "BRANCH_LEQ" => Mode::LessOrEqual,
        "BRANCH_LT" => Mode::Less,
        "BRANCH_GTE" => Mode::GreaterOrEqual,
        "BRANCH_GT" => Mode::Greater,
        "BRANCH_EQ" => Mode::Equal,
        "BRANCH_NEQ" => Mode::NotEqual,
        _ => {
            let expected = "LEAF or BRANCH_ with LEQ, LT, GTE, GT, EQ or NEQ";
            return Err(at.error(at_node("nodes_modes"), expected, mode));
        }
    }))
}

/// Weights of leaves, sorted by leaf and then in the order of the file.
struct Leaves(Vec<(u32, Weight)>);

impl Leaves {
    fn read(
        at: &Attributes<'_>,
        [trees, nodes, targets]: [&str; 3],
        values: Vec<f64>,
        positions: &HashMap<(usize, usize), u32>,
    ) -> Result<Self, ImportError> {
        let (tree_ids, node_ids, target_ids) = (at.ints(trees), at.ints(nodes), at.ints(targets));
        at.length(nodes, node_ids.len(), tree_ids.len(), false)?;
        at.length(targets, target_ids.len(), tree_ids.len(), false)?;
        at.length("weights", values.len(), tree_ids.len(), false)?;
        let mut all = Vec::with_capacity(values.len());
        for (((tree, node), target), value) in tree_ids.iter().zip(node_ids).zip(target_ids).zip(values) {
            let key = (id(at, trees, *tree)?, id(at, nodes, *node)?);
            let position = positions.get(&key).copied().ok_or_else(|| {
                let seen = format!("node {node} of tree {tree}");
                at.error(nodes, "a node that there is", seen)
            })?;
            let target = id(at, targets, *target)? as u32;
            all.push((position, Weight { target, value }));
        }
        all.sort_by_key(|(position, _)| *position);
        Ok(Self(all))
    }

    fn of(&self, position: u32) -> &[(u32, Weight)] {
        let from = self.0.partition_point(|(other, _)| *other < position);
        let to = self.0.partition_point(|(other, _)| *other <= position);
        self.0.get(from..to).unwrap_or(&[])
    }
}

/// Reads `TreeEnsemble`, where nodes and leaves are two lists.
pub(super) fn version_5(at: &Attributes<'_>) -> Result<Trees, ImportError> {
    let (yes, no) = (at.ints("nodes_truenodeids"), at.ints("nodes_falsenodeids"));
    let (yes_leaf, no_leaf) = (at.ints("nodes_trueleafs"), at.ints("nodes_falseleafs"));
    let (features, missing) = (
        at.ints("nodes_featureids"),
        at.ints("nodes_missing_value_tracks_true"),
    );
    let (values, modes) = (at.tensor("nodes_splits")?, at.tensor("nodes_modes")?);
    let (leaf_targets, leaf_weights) = (at.ints("leaf_targetids"), at.tensor("leaf_weights")?);
    let count = features.len();
    for (field, seen, optional) in [
        ("nodes_truenodeids", yes.len(), false),
        ("nodes_falsenodeids", no.len(), false),
        ("nodes_trueleafs", yes_leaf.len(), false),
        ("nodes_falseleafs", no_leaf.len(), false),
        ("nodes_splits", values.len(), false),
        ("nodes_modes", modes.len(), false),
        ("nodes_missing_value_tracks_true", missing.len(), true),
    ] {
        at.length(field, seen, count, optional)?;
    }
    at.length("leaf_weights", leaf_weights.len(), leaf_targets.len(), false)?;

    let mut weights = Vec::with_capacity(leaf_weights.len());
    for (target, value) in leaf_targets.iter().zip(leaf_weights) {
        let target = id(at, "leaf_targetids", *target)? as u32;
        weights.push(Weight { target, value });
    }
    let mut members = at.tensor("membership_values")?.into_iter();
    let (mut branches, mut leaves, mut sets) = (Vec::with_capacity(count), Vec::new(), Vec::new());
    for position in 0..count {
        let at_node = |field: &str| format!("{field} of node {position}");
        let pick = |list: &[i64]| list.get(position).copied().unwrap_or(0);
        let mut child = |field: &str, child: i64, is_leaf: i64| -> Result<u32, ImportError> {
            let limit = if is_leaf == 0 { count } else { weights.len() };
            let known = usize::try_from(child).ok().filter(|child| *child < limit);
            let known = known.ok_or_else(|| at.error(at_node(field), format!("below {limit}"), child))?;
            if is_leaf == 0 {
                return Ok(known as u32);
            }
            // A leaf that several nodes name becomes one node for each.
            let (first, len) = (known as u32, 1);
            leaves.push(Node::Leaf { first, len });
            Ok((count + leaves.len() - 1) as u32)
        };
        let yes = child("nodes_truenodeids", pick(yes), pick(yes_leaf))?;
        let no = child("nodes_falsenodeids", pick(no), pick(no_leaf))?;
        let mut value = values.get(position).copied().unwrap_or(f64::NAN);
        let mode = match modes.get(position).copied().unwrap_or(f64::NAN) {
            0.0 => Mode::LessOrEqual,
            1.0 => Mode::Less,
            2.0 => Mode::GreaterOrEqual,
            3.0 => Mode::Greater,
            4.0 => Mode::Equal,
            5.0 => Mode::NotEqual,
            6.0 => {
                let set = members.by_ref().take_while(|member| !member.is_nan()).collect();
                sets.push(set);
                value = (sets.len() - 1) as f64;
                Mode::Member
            }
            seen => return Err(at.error(at_node("nodes_modes"), "0 to 6", seen)),
        };
        branches.push(Node::Branch(Branch {
            feature: id(at, &at_node("nodes_featureids"), pick(features))? as u32,
            mode,
            value,
            missing_yes: pick(missing) == 1,
            yes,
            no,
        }));
    }
    let roots = at.ints("tree_roots").iter();
    let roots = roots.map(|root| id(at, "tree_roots", *root).map(|root| root as u32));
    let roots: Vec<u32> = roots.collect::<Result<_, _>>()?;
    let aggregate = match at.int("aggregate_function").unwrap_or(1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        seen => {
            let expected = "0 (AVERAGE) or 1 (SUM)";
            return Err(at.error("aggregate_function", expected, seen));
        }
    };
    let transform = match at.int("post_transform").unwrap_or(0) {
        0 => Transform::None,
        3 => Transform::SoftmaxZero,
        seen => {
            // By the specification 1 is softmax and 2 logistic; ONNX Runtime (1.31) takes them the other way round.
            let expected = "0 (NONE) or 3 (SOFTMAX_ZERO); of 1 and 2 ONNX Runtime and the specification disagree which \
                            is softmax: export the raw score, or ai.onnx.ml 3";
            return Err(at.error("post_transform", expected, seen));
        }
    };
    branches.append(&mut leaves);
    Ok(Trees {
        task: targets(at)?,
        aggregate,
        base: Vec::new(),
        transform,
        decision: Decision::None,
        roots,
        nodes: branches,
        sets,
        weights,
        ids: Vec::new(),
    })
}
