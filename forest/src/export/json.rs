//! An ensemble as plain JSON, written and read.
//!
//! ```json
//! {
//!   "format": "hedgerow-ensemble", "version": 1,
//!   "features": [{"name": "age"}, {"name": "sex", "categories": ["Female", "Male"]}],
//!   "input": "f64", "arithmetic": "f64", "output": "f64",
//!   "task": {"regression": {"targets": 1}},
//!   "aggregate": "average", "base": [], "transform": "none", "steps": [],
//!   "decision": {"at_least": 0.34375},
//!   "trees": [[
//!     {"feature": 0, "test": ">=", "value": 44.5, "missing": "no", "yes": 2, "no": 1},
//!     {"weights": [[0, 0.25]]},
//!     {"feature": 1, "test": "in", "set": [0.0, 3.0], "missing": "no", "yes": 3, "no": 4},
//!     {"weights": [[0, 0.5]]},
//!     {"weights": [[0, 0.75]]}
//!   ]]
//! }
//! ```
//! A tree is the list of its nodes, the first is its root; `yes` and `no` are positions in that list. A node holds if
//! `x test value`; a missing value (NaN) takes `yes` if `missing` is `"yes"`, and else goes where the comparison with
//! NaN leads (`no`, but for `!=`). `weights` are pairs of target and value. A category is tested by its position in
//! `categories`; a text that is not listed is missing. Scores are `transform(aggregate(weights) + base)`, then `steps`;
//! the fields are those of [`crate::ensemble::Parts`]. Numbers of more than 15 digits, and infinities, are written as
//! text, so that every reader can keep them exactly.

use serde::{Deserialize, Serialize};

use crate::ensemble::{
    Aggregate, Branch, Decision, Ensemble, EnsembleError, Feature, Float, Mode, Node, Parts, Step, Task,
    Transform, Weight, exact_list,
};

/// First words of the file.
pub const FORMAT: &str = "hedgerow-ensemble";
/// Version that is written and read.
pub const VERSION: u32 = 1;

/// A JSON file that is no ensemble.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, or a field missing, unknown or of the wrong type.
    #[error("ensemble file: {reason}")]
    Syntax {
        /// The parser's words, with line and column.
        reason: String,
    },
    /// Another format or version.
    #[error("ensemble file: {field}: expected {expected}, found {seen}")]
    Head {
        /// `format` or `version`.
        field: &'static str,
        /// What is read.
        expected: String,
        /// What is there.
        seen: String,
    },
    /// Trees that do not hold together.
    #[error("ensemble file: {0}")]
    Ensemble(#[from] EnsembleError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    features: Vec<Feature>,
    input: Float,
    arithmetic: Float,
    output: Float,
    task: Task,
    aggregate: Aggregate,
    #[serde(with = "exact_list")]
    base: Vec<f64>,
    transform: Transform,
    steps: Vec<Step>,
    decision: Decision,
    trees: Vec<Vec<NodeFile>>,
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NodeFile {
    Leaf(LeafFile),
    Test(TestFile),
    In(InFile),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeafFile {
    weights: Vec<(u32, Exact)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestFile {
    feature: u32,
    test: Mode,
    value: Exact,
    missing: Way,
    yes: u32,
    no: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InFile {
    feature: u32,
    test: Mode,
    #[serde(with = "exact_list")]
    set: Vec<f64>,
    missing: Way,
    yes: u32,
    no: u32,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Yes,
    No,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Exact(#[serde(with = "crate::exact")] f64);

/// The ensemble as JSON; the same ensemble gives the same bytes.
///
/// # Errors
/// [`JsonError::Syntax`] if memory does not suffice.
pub fn encode(ensemble: &Ensemble) -> Result<String, JsonError> {
    let parts = ensemble.parts();
    let file = File {
        format: FORMAT.to_owned(),
        version: VERSION,
        features: parts.features.clone(),
        input: parts.input,
        arithmetic: parts.arithmetic,
        output: parts.output,
        task: parts.task.clone(),
        aggregate: parts.aggregate,
        base: parts.base.clone(),
        transform: parts.transform,
        steps: parts.steps.clone(),
        decision: parts.decision,
        trees: (0..parts.roots.len())
            .map(|tree| tree_file(ensemble, tree))
            .collect(),
    };
    serde_json::to_string(&file)
        .map(|text| text + "\n")
        .map_err(syntax)
}

fn tree_file(ensemble: &Ensemble, tree: usize) -> Vec<NodeFile> {
    let parts = ensemble.parts();
    let nodes = ensemble
        .nodes_of(tree)
        .into_iter()
        .map(|(node, [yes, no])| match node {
            Node::Leaf { first, len } => {
                let weights = parts.weights.iter().skip(first as usize).take(len as usize);
                NodeFile::Leaf(LeafFile {
                    weights: weights
                        .map(|weight| (weight.target, Exact(weight.value)))
                        .collect(),
                })
            }
            Node::Branch(branch) => {
                let missing = if branch.missing_yes { Way::Yes } else { Way::No };
                let (feature, test) = (branch.feature, branch.mode);
                if test == Mode::Member {
                    let set = parts.sets.get(branch.value as usize).cloned().unwrap_or_default();
                    return NodeFile::In(InFile {
                        feature,
                        test,
                        set,
                        missing,
                        yes,
                        no,
                    });
                }
                let value = Exact(branch.value);
                NodeFile::Test(TestFile {
                    feature,
                    test,
                    value,
                    missing,
                    yes,
                    no,
                })
            }
        });
    nodes.collect()
}

/// Reads and checks the file.
///
/// # Errors
/// A [`JsonError`] that names the field, or the tree and node, at fault.
pub fn decode(text: &str) -> Result<Ensemble, JsonError> {
    let head: Head = serde_json::from_str(text).map_err(syntax)?;
    if head.format != FORMAT {
        return Err(head_error("format", FORMAT, head.format));
    }
    if head.version != VERSION {
        return Err(head_error("version", VERSION, head.version));
    }
    let file: File = serde_json::from_str(text).map_err(syntax)?;
    let (mut roots, mut nodes, mut sets, mut weights) = (vec![], vec![], vec![], vec![]);
    for (tree, list) in file.trees.into_iter().enumerate() {
        let (root, count) = (nodes.len() as u32, list.len());
        if count == 0 {
            let reason = "expected at least one node, found none".to_owned();
            return Err(EnsembleError::Tree { tree, reason }.into());
        }
        roots.push(root);
        for (node, entry) in list.into_iter().enumerate() {
            let child = |field: &'static str, child: u32| {
                if (child as usize) < count {
                    return Ok(root + child);
                }
                Err(EnsembleError::Node {
                    tree,
                    node,
                    field,
                    expected: format!("a node below {count}"),
                    seen: child.to_string(),
                })
            };
            let branch = match entry {
                NodeFile::Leaf(leaf) => {
                    let (first, len) = (weights.len() as u32, leaf.weights.len() as u32);
                    let all = leaf.weights.into_iter();
                    weights.extend(all.map(|(target, value)| Weight {
                        target,
                        value: value.0,
                    }));
                    nodes.push(Node::Leaf { first, len });
                    continue;
                }
                NodeFile::Test(test) => Branch {
                    feature: test.feature,
                    mode: test.test,
                    value: test.value.0,
                    missing_yes: test.missing == Way::Yes,
                    yes: child("yes", test.yes)?,
                    no: child("no", test.no)?,
                },
                NodeFile::In(test) => {
                    sets.push(test.set);
                    Branch {
                        feature: test.feature,
                        mode: test.test,
                        value: (sets.len() - 1) as f64,
                        missing_yes: test.missing == Way::Yes,
                        yes: child("yes", test.yes)?,
                        no: child("no", test.no)?,
                    }
                }
            };
            nodes.push(Node::Branch(branch));
        }
    }
    Ok(Ensemble::new(Parts {
        features: file.features,
        input: file.input,
        arithmetic: file.arithmetic,
        output: file.output,
        task: file.task,
        aggregate: file.aggregate,
        base: file.base,
        transform: file.transform,
        steps: file.steps,
        decision: file.decision,
        roots,
        nodes,
        sets,
        weights,
    })?)
}

fn syntax(error: serde_json::Error) -> JsonError {
    JsonError::Syntax {
        reason: error.to_string(),
    }
}

fn head_error(field: &'static str, expected: impl ToString, seen: impl ToString) -> JsonError {
    JsonError::Head {
        field,
        expected: expected.to_string(),
        seen: seen.to_string(),
    }
}
