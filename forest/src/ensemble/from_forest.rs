//! A model of our own as an ensemble: bins become thresholds, so that rows are scored without binning them.

use super::check::MAX_NODES;
use super::error::EnsembleError;
use super::parts::{Aggregate, Branch, Decision, Feature, Float, Mode, Node, Parts, Task, Transform, Weight};
use super::{Constant, Ensemble, Op, Step};
use crate::binning::{Binner, FeatureBinner};
use crate::logistic::MARGIN_ONE;
use crate::model::{Forest, LOG_ODDS_ZERO, Output};
use crate::query::SCALE;
use crate::schema::ColumnKind;
use crate::tree::{Split, Tree};

impl Ensemble {
    /// The same forest over raw values. A threshold is the smallest 64-bit number of its bin, so every row reaches the
    /// leaves that its bins reach, and leaf values are multiples of a power of two whose sums are exact. Scores of
    /// probabilities are bit for bit those of [`crate::predict::Predictor`] on the binned row; scores of log-odds are
    /// within `2^-29` of them, because their logistic is computed in floating point here.
    ///
    /// Numeric columns take numbers (NaN is missing), categorical columns the position of the category in the schema
    /// (any other number is missing, as an undeclared category is).
    ///
    /// # Errors
    /// A schema that does not hold together, or trees whose sets of bins need more nodes than an ensemble may have.
    pub fn from_forest(forest: &Forest) -> Result<Self, EnsembleError> {
        let binner = forest
            .binner()
            .map_err(|error| EnsembleError::value("model", "a valid schema", error))?;
        let (aggregate, steps) = match forest.output {
            Output::Probability => (Aggregate::Average, Vec::new()),
            Output::LogOdds { base } => (Aggregate::Sum, logistic(base)),
        };
        let mut builder = Builder::new(&binner, forest.output);
        let leaves = 1usize << forest.depth();
        let values = forest.leaf_values.chunks(leaves);
        for (tree, values) in forest.trees.iter().zip(values) {
            builder.tree(tree, values)?;
        }
        let features = forest.schema.features.iter().map(|column| Feature {
            name: column.name.clone(),
            categories: match &column.kind {
                ColumnKind::Numeric { .. } => None,
                ColumnKind::Categorical { categories } => Some(categories.clone()),
            },
        });
        Self::new(Parts {
            features: features.collect(),
            input: Float::F64,
            arithmetic: Float::F64,
            output: Float::F64,
            task: Task::Regression { targets: 1 },
            aggregate,
            base: Vec::new(),
            transform: Transform::None,
            steps,
            decision: Decision::AtLeast(forest.threshold),
            roots: builder.roots,
            nodes: builder.nodes,
            sets: builder.sets,
            weights: builder.weights,
        })
    }
}

/// From the sum of log-odds to the score: `1 / (1 + exp(-(sum + base)))`, by operators that ONNX Runtime computes in 64
/// bits (its `Sigmoid` does not).
fn logistic(base: i32) -> Vec<Step> {
    let base = f64::from(base) / MARGIN_ONE as f64;
    let operations = [
        Op::Add(Constant(vec![base])),
        Op::Negate,
        Op::Exp,
        Op::Add(Constant(vec![1.0])),
        Op::Reciprocal,
    ];
    (0..).zip(operations).map(|(of, op)| Step { of, op }).collect()
}

/// Smallest number in each bin of a numeric feature but the first; ascending.
pub(crate) fn thresholds(binner: &FeatureBinner) -> Vec<f64> {
    (1..binner.missing()).map(|bin| smallest(binner, bin)).collect()
}

/// The smallest number that falls into `bin` or a later one: numbers in order are their bits in order, once those of
/// negative numbers are turned around.
fn smallest(binner: &FeatureBinner, bin: u8) -> f64 {
    let number = |key: u64| f64::from_bits(if key >> 63 == 1 { key ^ 1 << 63 } else { !key });
    let key = |x: f64| {
        if x.is_sign_negative() {
            !x.to_bits()
        } else {
            x.to_bits() | 1 << 63
        }
    };
    let (mut below, mut from) = (key(f64::NEG_INFINITY), key(f64::INFINITY));
    while from - below > 1 {
        let middle = below + (from - below) / 2;
        if binner.number(number(middle)) >= bin {
            from = middle;
        } else {
            below = middle;
        }
    }
    // 0 and -0 are one number to a comparison.
    if number(from) == 0.0 { 0.0 } else { number(from) }
}

struct Builder<'a> {
    binner: &'a Binner,
    output: Output,
    thresholds: Vec<Vec<f64>>,
    roots: Vec<u32>,
    nodes: Vec<Node>,
    sets: Vec<Vec<f64>>,
    weights: Vec<Weight>,
}

/// A stretch of values of one feature that go the same way: from `from` up to the next.
#[derive(Clone, Copy)]
struct Stretch {
    from: f64,
    right: bool,
}

impl<'a> Builder<'a> {
    fn new(binner: &'a Binner, output: Output) -> Self {
        let numeric = |feature: &FeatureBinner| {
            if feature.is_numeric() {
                thresholds(feature)
            } else {
                Vec::new()
            }
        };
        Self {
            binner,
            output,
            thresholds: binner.features().iter().map(numeric).collect(),
            roots: Vec::new(),
            nodes: Vec::new(),
            sets: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn tree(&mut self, tree: &Tree, values: &[u32]) -> Result<(), EnsembleError> {
        let root = self.below(tree, values, 0)?;
        self.roots.push(root);
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<u32, EnsembleError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(EnsembleError::Count {
                what: "nodes (a test that is no single range of values becomes several)",
                expected: format!("at most {MAX_NODES}"),
                seen: self.nodes.len() + 1,
            });
        }
        self.nodes.push(node);
        Ok((self.nodes.len() - 1) as u32)
    }

    /// What follows at `node` (level order) of a tree; its position. A node comes before its children.
    fn below(&mut self, tree: &Tree, values: &[u32], node: usize) -> Result<u32, EnsembleError> {
        let Some(split) = tree.splits().get(node).copied() else {
            let leaf = node - tree.splits().len();
            let stored = f64::from(values.get(leaf).copied().unwrap_or(0));
            let value = match self.output {
                Output::Probability => stored / f64::from(SCALE),
                Output::LogOdds { .. } => (stored - f64::from(LOG_ODDS_ZERO)) / MARGIN_ONE as f64,
            };
            let first = self.weights.len() as u32;
            self.weights.push(Weight { target: 0, value });
            return self.push(Node::Leaf { first, len: 1 });
        };
        let child = |right: bool| 2 * node + 1 + usize::from(right);
        let binner = self.binner.feature(usize::from(split.feature));
        let missing_right = split.right.contains(binner.missing());
        if split.is_dummy() {
            return self.below(tree, values, child(false));
        }
        if !binner.is_numeric() {
            return self.category(tree, values, node, &split);
        }
        let stretches = self.stretches(&split);
        if let [one] = stretches.as_slice() {
            if one.right == missing_right {
                return self.below(tree, values, child(one.right));
            }
            // All numbers one way, missing values the other.
            let test = (Mode::LessOrEqual, f64::INFINITY, false);
            let [yes, no] = [child(one.right), child(missing_right)];
            return self.branch(
                split.feature,
                test,
                |this| this.below(tree, values, yes),
                |this| this.below(tree, values, no),
            );
        }
        self.numeric(tree, values, node, split.feature, &stretches, Some(missing_right))
    }

    fn branch(
        &mut self,
        feature: u16,
        (mode, value, missing_yes): (Mode, f64, bool),
        yes: impl FnOnce(&mut Self) -> Result<u32, EnsembleError>,
        no: impl FnOnce(&mut Self) -> Result<u32, EnsembleError>,
    ) -> Result<u32, EnsembleError> {
        let mut branch = Branch {
            feature: u32::from(feature),
            mode,
            value,
            missing_yes,
            yes: 0,
            no: 0,
        };
        let position = self.push(Node::Branch(branch))?;
        branch.yes = yes(self)?;
        branch.no = no(self)?;
        if let Some(node) = self.nodes.get_mut(position as usize) {
            *node = Node::Branch(branch);
        }
        Ok(position)
    }

    fn stretches(&self, split: &Split) -> Vec<Stretch> {
        let edges = self.thresholds.get(usize::from(split.feature));
        let lower = std::iter::once(f64::NEG_INFINITY).chain(edges.into_iter().flatten().copied());
        let mut stretches: Vec<Stretch> = Vec::new();
        for (bin, from) in (0u8..).zip(lower) {
            let right = split.right.contains(bin);
            if stretches.last().is_none_or(|last| last.right != right) {
                stretches.push(Stretch { from, right });
            }
        }
        stretches
    }

    /// Tests that find the stretch of a value by halves; `missing` is the side of missing values if they come here.
    fn numeric(
        &mut self,
        tree: &Tree,
        values: &[u32],
        node: usize,
        feature: u16,
        stretches: &[Stretch],
        missing: Option<bool>,
    ) -> Result<u32, EnsembleError> {
        let (lower, upper) = stretches.split_at(stretches.len() / 2);
        let (Some(first), false) = (upper.first(), lower.is_empty()) else {
            let right = stretches.first().is_some_and(|stretch| stretch.right);
            return self.below(tree, values, 2 * node + 1 + usize::from(right));
        };
        let missing_yes = missing.is_some_and(|side| upper.iter().any(|stretch| stretch.right == side));
        let test = (Mode::GreaterOrEqual, first.from, missing_yes);
        self.branch(
            feature,
            test,
            |this| {
                this.numeric(
                    tree,
                    values,
                    node,
                    feature,
                    upper,
                    missing.filter(|_| missing_yes),
                )
            },
            |this| {
                this.numeric(
                    tree,
                    values,
                    node,
                    feature,
                    lower,
                    missing.filter(|_| !missing_yes),
                )
            },
        )
    }

    fn category(
        &mut self,
        tree: &Tree,
        values: &[u32],
        node: usize,
        split: &Split,
    ) -> Result<u32, EnsembleError> {
        let missing = self.binner.bin_of_missing(usize::from(split.feature));
        let missing_right = split.right.contains(missing);
        // The side that missing values do not take is listed, so that any number that is no category is missing.
        let listed: Vec<f64> = (0..missing)
            .filter(|code| split.right.contains(*code) != missing_right)
            .map(f64::from)
            .collect();
        let [yes, no] = [!missing_right, missing_right].map(|right| 2 * node + 1 + usize::from(right));
        let test = match listed.as_slice() {
            [] => return self.below(tree, values, no),
            [one] => (Mode::Equal, *one, false),
            _ => {
                let set = self
                    .sets
                    .iter()
                    .position(|set| *set == listed)
                    .unwrap_or(self.sets.len());
                if set == self.sets.len() {
                    self.sets.push(listed);
                }
                (Mode::Member, set as f64, false)
            }
        };
        self.branch(
            split.feature,
            test,
            |this| this.below(tree, values, yes),
            |this| this.below(tree, values, no),
        )
    }
}
