//! What an ensemble is made of: plain data, not yet checked.

use serde::{Deserialize, Serialize};

use super::steps::Step;

/// An ensemble before [`super::Ensemble::new`] has checked it. Nodes of all trees lie in one list and name each other
/// by their position in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Columns of the input, in the order that [`Branch::feature`] counts.
    pub features: Vec<Feature>,
    /// Type that inputs are rounded to first.
    pub input: Float,
    /// Type of comparisons and sums: that of thresholds and weights.
    pub arithmetic: Float,
    /// Type that the scores of the trees are rounded to, before [`Self::steps`].
    pub output: Float,
    /// What is predicted.
    pub task: Task,
    /// How the leaves of the trees become one score per target.
    pub aggregate: Aggregate,
    /// Added to the scores of the targets: none or one value per target; a classifier of two classes may have one or
    /// two ([`Task::Classification`]).
    pub base: Vec<f64>,
    /// From sums to scores.
    pub transform: Transform,
    /// What follows the trees.
    pub steps: Vec<Step>,
    /// How a row gets its class.
    pub decision: Decision,
    /// First node of each tree.
    pub roots: Vec<u32>,
    /// Nodes of all trees. The children of a node belong to its own tree, and no path comes back to where it was.
    pub nodes: Vec<Node>,
    /// Sets of values, for [`Mode::Member`].
    pub sets: Vec<Vec<f64>>,
    /// Weights of the leaves, those of one leaf together.
    pub weights: Vec<Weight>,
}

impl Parts {
    /// A value of the input as the comparisons see it.
    pub(super) fn rounded(&self, value: f64) -> f64 {
        self.arithmetic.round(self.input.round(value))
    }

    /// Has every leaf one weight?
    pub(crate) fn leaves_are_single(&self) -> bool {
        let single = |node: &Node| !matches!(node, Node::Leaf { len, .. } if *len != 1);
        self.nodes.iter().all(single)
    }
}

/// A column of the input.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Its name; empty if the source does not tell.
    pub name: String,
    /// Texts whose position (0, 1, ...) is the number that the trees test; a text that is not listed is missing (NaN).
    /// `None` for a column of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
}

/// A floating-point type of the source library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Float {
    /// 32 bits: inputs are rounded to it before they are compared.
    F32,
    /// 64 bits.
    F64,
}

impl Float {
    /// `value` as this type holds it.
    pub fn round(self, value: f64) -> f64 {
        match self {
            Self::F32 => f64::from(value as f32),
            Self::F64 => value,
        }
    }

    /// Does this type hold `value` exactly?
    pub fn holds(self, value: f64) -> bool {
        self.round(value) == value
    }
}

/// What is predicted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One number per target.
    Regression {
        /// Number of targets.
        targets: u32,
    },
    /// One of several classes, with the conventions of `ai.onnx.ml.TreeEnsembleClassifier`: with two classes, weights
    /// may be given for one of them only, and the score of the other follows from it.
    Classification {
        /// Names of the classes.
        labels: Labels,
    },
}

impl Task {
    /// Scores that the trees add to.
    pub fn targets(&self) -> usize {
        match self {
            Self::Regression { targets } => *targets as usize,
            Self::Classification { labels } => labels.len(),
        }
    }
}

/// Names of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Labels {
    /// Numbers.
    Numbers(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Labels {
    /// Number of classes.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    /// Are there no classes?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of class `index`, as text.
    pub fn text(&self, index: usize) -> Option<String> {
        match self {
            Self::Numbers(labels) => labels.get(index).map(i64::to_string),
            Self::Texts(labels) => labels.get(index).cloned(),
        }
    }
}

/// How leaves become scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Weights are added.
    Sum,
    /// Weights are added and divided by the number of trees.
    Average,
}

/// From sums to scores, as ONNX Runtime computes it: in 32 bits whatever the sums are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Sums are scores.
    None,
    /// `1 / (1 + exp(-x))` of each; a regression of one target ignores it, as ONNX Runtime does.
    Logistic,
    /// `exp(x) / sum of exp`; likewise.
    Softmax,
    /// Softmax over the scores that are not within 1e-7 of zero; likewise.
    SoftmaxZero,
}

/// How a row gets its class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It gets none (regression).
    None,
    /// As `TreeEnsembleClassifier` decides, before [`Parts::steps`].
    Classifier,
    /// The class of the highest final score, the first among equals.
    Highest,
    /// Class 1 if the first final score is at least this, else class 0.
    AtLeast(#[serde(with = "crate::exact")] f64),
}

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// A test.
    Branch(Branch),
    /// An end: `len` weights from `first` on in [`Parts::weights`].
    Leaf {
        /// Position of the first weight.
        first: u32,
        /// Number of weights, at most one per target.
        len: u32,
    },
}

/// A test of one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Branch {
    /// Column of the input.
    pub feature: u32,
    /// The comparison.
    pub mode: Mode,
    /// What the value is compared with; position in [`Parts::sets`] for [`Mode::Member`].
    pub value: f64,
    /// Do missing values (NaN) take the yes branch? (Else they go where the comparison sends them, and that is no but
    /// for [`Mode::NotEqual`].)
    pub missing_yes: bool,
    /// The node that follows if the test holds.
    pub yes: u32,
    /// The node that follows if it does not.
    pub no: u32,
}

/// A comparison of `x` with the value of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// `x <= value`
    #[serde(rename = "<=")]
    LessOrEqual,
    /// `x < value`
    #[serde(rename = "<")]
    Less,
    /// `x >= value`
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// `x > value`
    #[serde(rename = ">")]
    Greater,
    /// `x == value`
    #[serde(rename = "==")]
    Equal,
    /// `x != value`
    #[serde(rename = "!=")]
    NotEqual,
    /// `x` is one of a set.
    #[serde(rename = "in")]
    Member,
}

/// What a leaf adds to one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// The target or class.
    pub target: u32,
    /// What is added.
    pub value: f64,
}
