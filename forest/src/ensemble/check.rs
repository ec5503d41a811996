//! Everything about an ensemble that must hold before a row walks through it.

use super::error::EnsembleError;
use super::parts::{Branch, Decision, Float, Mode, Node, Parts, Task};
use super::steps;

/// Most trees.
pub const MAX_TREES: usize = 1 << 14;
/// Most nodes of all trees together: 1,024 trees of depth 11, or 500 of depth 12.
pub const MAX_NODES: usize = 1 << 22;
/// Most tests on one path.
pub const MAX_DEPTH: usize = 1024;
/// Most columns of the input.
pub const MAX_FEATURES: usize = 1 << 16;
/// Most targets or classes.
pub const MAX_TARGETS: usize = 1024;
/// Most weights of all leaves, and most values of all sets, together.
pub const MAX_WEIGHTS: usize = 1 << 24;

/// What the check has found out on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// Most tests on a path, for each tree.
    pub depths: Vec<usize>,
    /// Leaves that can be reached, for each tree.
    pub leaves: Vec<usize>,
    /// Scores of a row after all steps.
    pub scores: usize,
}

pub(super) fn check(parts: &Parts) -> Result<Shape, EnsembleError> {
    counts(parts)?;
    header(parts)?;
    let (depths, leaves) = Walk::new(parts).trees()?;
    let width = match &parts.task {
        Task::Regression { targets } => *targets as usize,
        Task::Classification { labels } => labels.len(),
    };
    let (scores, _) = steps::check(&parts.steps, (width, parts.output))?;
    Ok(Shape {
        depths,
        leaves,
        scores,
    })
}

fn counts(parts: &Parts) -> Result<(), EnsembleError> {
    let values: usize = parts.sets.iter().map(Vec::len).sum();
    for (what, least, most, seen) in [
        ("features", 1, MAX_FEATURES, parts.features.len()),
        ("trees", 1, MAX_TREES, parts.roots.len()),
        ("nodes", 1, MAX_NODES, parts.nodes.len()),
        ("targets", 1, MAX_TARGETS, parts.task.targets()),
        ("weights", 1, MAX_WEIGHTS, parts.weights.len()),
        ("values of sets", 0, MAX_WEIGHTS, values),
    ] {
        if seen < least || seen > most {
            let expected = format!("{least} to {most}");
            return Err(EnsembleError::Count { what, expected, seen });
        }
    }
    Ok(())
}

fn header(parts: &Parts) -> Result<(), EnsembleError> {
    let targets = parts.task.targets();
    let base = parts.base.len();
    match &parts.task {
        Task::Classification { .. } if targets < 2 => {
            return Err(EnsembleError::value("classes", "at least 2", targets));
        }
        Task::Classification { .. } if targets == 2 && base > 2 => {
            return Err(EnsembleError::value(
                "base values of two classes",
                "0, 1 or 2",
                base,
            ));
        }
        Task::Classification { .. } if targets == 2 => {}
        _ if base != 0 && base != targets => {
            return Err(EnsembleError::value(
                "base values",
                format!("0 or {targets}"),
                base,
            ));
        }
        _ => {}
    }
    let numbers = |field: &str, values: &[f64]| {
        let wrong = values
            .iter()
            .find(|x| !x.is_finite() || !parts.arithmetic.holds(**x));
        wrong.map_or(Ok(()), |wrong| {
            let expected = format!("finite numbers that {:?} holds", parts.arithmetic);
            Err(EnsembleError::value(field, expected, wrong))
        })
    };
    numbers("base values", &parts.base)?;
    if parts.output == Float::F64 && parts.arithmetic == Float::F32 {
        return Err(EnsembleError::value(
            "output type",
            "F32, as the arithmetic",
            "F64",
        ));
    }
    for (index, set) in parts.sets.iter().enumerate() {
        numbers(&format!("sets[{index}]"), set)?;
        if set.is_empty() {
            return Err(EnsembleError::value(
                format!("sets[{index}]"),
                "at least one value",
                "none",
            ));
        }
    }
    let classes = matches!(parts.task, Task::Classification { .. });
    let fits = match parts.decision {
        Decision::None | Decision::Highest => true,
        Decision::Classifier => classes,
        Decision::AtLeast(threshold) => !threshold.is_nan(),
    };
    if !fits {
        let seen = format!("{:?}", parts.decision);
        return Err(EnsembleError::value("decision", "one that fits the task", seen));
    }
    Ok(())
}

/// Depth-first search through all trees, with its own stack.
struct Walk<'a> {
    parts: &'a Parts,
    /// For each node: not seen, on the current path, or finished.
    state: Vec<State>,
    /// For each finished node: most tests below it, itself included.
    height: Vec<u16>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    OnPath,
    Done(u32),
}

impl<'a> Walk<'a> {
    fn new(parts: &'a Parts) -> Self {
        Self {
            parts,
            state: vec![State::New; parts.nodes.len()],
            height: vec![0; parts.nodes.len()],
        }
    }

    fn trees(mut self) -> Result<(Vec<usize>, Vec<usize>), EnsembleError> {
        let (mut depths, mut leaves) = (Vec::new(), Vec::new());
        for (tree, root) in self.parts.roots.iter().enumerate() {
            if *root as usize >= self.parts.nodes.len() {
                let expected = format!("a node below {}", self.parts.nodes.len());
                let reason = format!("first node: expected {expected}, found {root}");
                return Err(EnsembleError::Tree { tree, reason });
            }
            leaves.push(self.tree(tree, *root)?);
            depths.push(usize::from(self.height.get(*root as usize).copied().unwrap_or(0)));
        }
        Ok((depths, leaves))
    }

    /// Checks what can be reached from `root`; gives the number of leaves.
    #[expect(
        clippy::indexing_slicing,
        reason = "children are checked before they are followed"
    )]
    fn tree(&mut self, tree: usize, root: u32) -> Result<usize, EnsembleError> {
        let mut leaves = 0;
        let mut path = vec![root];
        while let Some(&node) = path.last() {
            let index = node as usize;
            let local = |node: u32| (node as usize).saturating_sub(root as usize);
            match self.state[index] {
                State::Done(owner) if owner as usize != tree => {
                    let reason = format!("node {} belongs to tree {owner} too", local(node));
                    return Err(EnsembleError::Tree { tree, reason });
                }
                State::Done(_) => {
                    path.pop();
                    continue;
                }
                State::New | State::OnPath => {}
            }
            let branch = match self.parts.nodes[index] {
                Node::Leaf { first, len } => {
                    self.leaf(tree, local(node), first, len)?;
                    leaves += 1;
                    self.state[index] = State::Done(tree as u32);
                    path.pop();
                    continue;
                }
                Node::Branch(branch) => branch,
            };
            if self.state[index] == State::New {
                self.branch(tree, local(node), &branch)?;
                self.state[index] = State::OnPath;
            }
            let next = [branch.yes, branch.no].into_iter().find(
                |child| !matches!(self.state[*child as usize], State::Done(owner) if owner as usize == tree),
            );
            match next {
                Some(child) if self.state[child as usize] == State::OnPath => {
                    let node = local(child);
                    return Err(EnsembleError::Cycle { tree, node });
                }
                Some(child) => path.push(child),
                None => {
                    let below = self.height[branch.yes as usize].max(self.height[branch.no as usize]);
                    if usize::from(below) >= MAX_DEPTH {
                        let reason = format!("depth: expected at most {MAX_DEPTH}, found more");
                        return Err(EnsembleError::Tree { tree, reason });
                    }
                    self.height[index] = below + 1;
                    self.state[index] = State::Done(tree as u32);
                    path.pop();
                }
            }
        }
        Ok(leaves)
    }

    fn branch(&self, tree: usize, node: usize, branch: &Branch) -> Result<(), EnsembleError> {
        let nodes = self.parts.nodes.len();
        let wrong = |field: &'static str, expected: String, seen: String| EnsembleError::Node {
            tree,
            node,
            field,
            expected,
            seen,
        };
        for (field, child) in [("yes", branch.yes), ("no", branch.no)] {
            if child as usize >= nodes {
                return Err(wrong(field, format!("a node below {nodes}"), child.to_string()));
            }
        }
        let features = self.parts.features.len();
        if branch.feature as usize >= features {
            let expected = format!("a feature below {features}");
            return Err(wrong("feature", expected, branch.feature.to_string()));
        }
        if branch.mode == Mode::Member {
            let sets = self.parts.sets.len();
            let known = branch.value.fract() == 0.0 && (0.0..sets as f64).contains(&branch.value);
            if !known {
                return Err(wrong(
                    "set",
                    format!("a set below {sets}"),
                    branch.value.to_string(),
                ));
            }
        } else if branch.value.is_nan() || !self.parts.arithmetic.holds(branch.value) {
            let expected = format!("a number that {:?} holds", self.parts.arithmetic);
            return Err(wrong("value", expected, branch.value.to_string()));
        }
        Ok(())
    }

    fn leaf(&self, tree: usize, node: usize, first: u32, len: u32) -> Result<(), EnsembleError> {
        let wrong = |field: &'static str, expected: String, seen: String| EnsembleError::Node {
            tree,
            node,
            field,
            expected,
            seen,
        };
        let range = first as usize..first as usize + len as usize;
        let weights = self
            .parts
            .weights
            .get(range)
            .filter(|weights| !weights.is_empty());
        let Some(weights) = weights else {
            return Err(wrong(
                "weights",
                "at least one weight".into(),
                format!("{len} from {first} on"),
            ));
        };
        let targets = self.parts.task.targets();
        for (position, weight) in weights.iter().enumerate() {
            if weight.target as usize >= targets {
                let expected = format!("a target below {targets}");
                return Err(wrong("target", expected, weight.target.to_string()));
            }
            if !weight.value.is_finite() || !self.parts.arithmetic.holds(weight.value) {
                let expected = format!("a finite number that {:?} holds", self.parts.arithmetic);
                return Err(wrong("weight", expected, weight.value.to_string()));
            }
            let before = weights.get(..position).unwrap_or(&[]);
            if before.iter().any(|other| other.target == weight.target) {
                return Err(wrong(
                    "target",
                    "one weight per target".into(),
                    format!("two for {}", weight.target),
                ));
            }
        }
        Ok(())
    }
}
