//! From the nodes of a graph, in their order, to one ensemble.

use std::collections::HashMap;

use super::attributes::{Attributes, name, operator};
use super::operators;
use super::trees::{self, Trees};
use crate::ensemble::{Decision, Ensemble, Feature, Float, Op, Parts, Step};
use crate::import::ImportError;
use crate::onnx::{self, ML_DOMAIN, data_type};

/// What a name in the graph stands for.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Columns of the input.
    Columns(Columns),
    /// One column of texts, not yet encoded.
    Texts(String),
    /// A constant: numbers (`None` for other types) and their shape.
    Constant(onnx::Tensor),
    /// Scores: a register of [`Step`].
    Scores(u32),
    /// Classes of the rows.
    Classes(Classes),
}

/// Columns of the input, as the trees will count them.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub features: Vec<Feature>,
    /// The number of columns is not known: the trees tell.
    pub open: bool,
    pub input: Float,
    pub float: Float,
}

impl Columns {
    /// Are all columns positions of categories, which every type holds exactly?
    fn is_exact(&self) -> bool {
        self.features.iter().all(|feature| feature.categories.is_some())
    }

    /// Can other columns stand beside these?
    pub fn joins(&self, more: &Self) -> bool {
        let same = self.input == more.input || self.is_exact() || more.is_exact();
        !self.open && !more.open && self.float == more.float && same
    }

    /// These columns and others behind them.
    pub fn join(mut self, more: Self) -> Self {
        if self.is_exact() {
            self.input = more.input;
        }
        self.features.extend(more.features);
        self
    }
}

/// How the classes come about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Classes {
    /// By the tree operator.
    Trees,
    /// The highest score of a register.
    Highest(u32),
    /// A register of at least this.
    AtLeast(u32, f64),
}

/// The graph so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub values: HashMap<String, Value>,
    pub steps: Vec<Step>,
    trees: Option<(Trees, Columns, Float)>,
}

impl State {
    /// A step behind the trees; the register of its result.
    pub fn push(&mut self, of: u32, op: Op) -> Value {
        self.steps.push(Step { of, op });
        Value::Scores(self.steps.len() as u32)
    }

    /// The value of an input of a node.
    pub fn input(&self, at: &Attributes<'_>, index: usize) -> Result<Value, ImportError> {
        let input = at.node.input.get(index).map_or("", String::as_str);
        let value = self.values.get(input).cloned();
        value.ok_or_else(|| {
            at.error(
                format!("input {index}"),
                "a value computed before",
                format!("{input:?}"),
            )
        })
    }

    /// Scores per row of the trees.
    pub fn classes(&self) -> Option<&crate::ensemble::Task> {
        self.trees.as_ref().map(|(trees, _, _)| &trees.task)
    }
}

fn graph_error(field: impl Into<String>, expected: impl ToString, seen: impl ToString) -> ImportError {
    ImportError::Graph {
        field: field.into(),
        expected: expected.to_string(),
        seen: seen.to_string(),
    }
}

/// Reads the graph. `features`: names and categories from the metadata, if they are ours.
pub(super) fn read(graph: &onnx::Graph, features: Option<Vec<Feature>>) -> Result<Ensemble, ImportError> {
    let mut state = State::default();
    for tensor in &graph.initializer {
        state
            .values
            .insert(tensor.name.clone(), Value::Constant(tensor.clone()));
    }
    for input in &graph.input {
        if !state.values.contains_key(&input.name) {
            state.values.insert(input.name.clone(), graph_input(input)?);
        }
    }
    for node in &graph.node {
        let at = Attributes::new(node);
        let is_tree = node.op_type.starts_with("TreeEnsemble") && node.domain == ML_DOMAIN;
        let results = if is_tree {
            tree_operator(&at, &mut state)?
        } else {
            vec![operators::apply(&at, &mut state)?]
        };
        for (output, value) in node.output.iter().zip(results) {
            state.values.insert(output.clone(), value);
        }
    }
    finish(graph, state, features)
}

fn graph_input(input: &onnx::ValueInfo) -> Result<Value, ImportError> {
    let field = || format!("input {:?}", input.name);
    let Some((kind, width)) = input.tensor() else {
        return Err(graph_error(field(), "a tensor", "another type"));
    };
    let float = match kind {
        data_type::FLOAT | data_type::INT64 | data_type::INT32 => Float::F32,
        data_type::DOUBLE => Float::F64,
        data_type::STRING if width.unwrap_or(1) == 1 => return Ok(Value::Texts(input.name.clone())),
        seen => {
            let expected = "float, double, int64, int32, or one column of strings";
            return Err(graph_error(field(), expected, format!("element type {seen}")));
        }
    };
    // Trees compare whole numbers with 32-bit thresholds after a conversion.
    let names = match width {
        Some(1) => vec![input.name.clone()],
        Some(width) => vec![String::new(); width],
        None => Vec::new(),
    };
    let features = names.into_iter().map(|name| Feature {
        name,
        categories: None,
    });
    Ok(Value::Columns(Columns {
        features: features.collect(),
        open: width.is_none(),
        input: float,
        float,
    }))
}

fn tree_operator(at: &Attributes<'_>, state: &mut State) -> Result<Vec<Value>, ImportError> {
    if let Some((_, _, _)) = &state.trees {
        return Err(ImportError::Operator {
            node: name(at.node),
            operator: operator(at.node),
            advice: "one tree operator per file is read; export without splitting the trees (LightGBM: split=None)",
        });
    }
    let columns = match state.input(at, 0)? {
        Value::Columns(columns) => columns,
        Value::Texts(text) => {
            return Err(at.error(
                "input 0",
                "numbers",
                format!("the texts of {text:?} without a LabelEncoder"),
            ));
        }
        _ => return Err(at.error("input 0", "columns of the graph's input", "a computed value")),
    };
    let (trees, output, results) = match at.node.op_type.as_str() {
        "TreeEnsembleClassifier" => {
            let trees = trees::version_1_to_4(at)?;
            (
                trees,
                Float::F32,
                vec![Value::Classes(Classes::Trees), Value::Scores(0)],
            )
        }
        "TreeEnsembleRegressor" => (trees::version_1_to_4(at)?, Float::F32, vec![Value::Scores(0)]),
        "TreeEnsemble" => (trees::version_5(at)?, columns.float, vec![Value::Scores(0)]),
        _ => {
            return Err(ImportError::Operator {
                node: name(at.node),
                operator: operator(at.node),
                advice: "no such tree operator is known",
            });
        }
    };
    state.trees = Some((trees, columns, output));
    Ok(results)
}

fn finish(graph: &onnx::Graph, state: State, named: Option<Vec<Feature>>) -> Result<Ensemble, ImportError> {
    let advice = "a TreeEnsembleClassifier, TreeEnsembleRegressor or TreeEnsemble";
    let (mut trees, columns, output) = state
        .trees
        .ok_or_else(|| graph_error("nodes", advice, format!("{} nodes without one", graph.node.len())))?;
    let (mut score, mut classes): (Option<u32>, Option<Classes>) = (None, None);
    for out in &graph.output {
        let field = format!("output {:?}", out.name);
        match state.values.get(&out.name) {
            Some(Value::Scores(register)) if score.is_none_or(|other| other == *register) => {
                score = Some(*register);
            }
            Some(Value::Scores(_)) => return Err(graph_error(field, "one output of scores", "a second")),
            Some(Value::Classes(found)) => classes = Some(*found),
            Some(_) => return Err(graph_error(field, "scores or classes", "an input or a constant")),
            None => {
                return Err(graph_error(
                    field,
                    "the output of a node",
                    "a name that no node computes",
                ));
            }
        }
    }
    let score = score.ok_or_else(|| {
        let expected = "an output of scores (scikit-learn: probabilities; do not drop that output)";
        graph_error("outputs", expected, format!("{} without one", graph.output.len()))
    })?;
    let decision = match classes {
        None => Decision::None,
        Some(Classes::Trees) => trees.decision,
        Some(Classes::Highest(register)) if register == score => Decision::Highest,
        Some(Classes::AtLeast(register, threshold)) if register == score => Decision::AtLeast(threshold),
        Some(_) => {
            let seen = "classes from other values than the scores";
            return Err(graph_error(
                "outputs",
                "classes from the scores that are an output",
                seen,
            ));
        }
    };
    let mut features = columns.features;
    if columns.open {
        features = vec![Feature::default(); trees.features()];
    }
    if let Some(named) = named.filter(|named| named.len() == features.len()) {
        features = named;
    }
    let ensemble = Ensemble::new(Parts {
        features,
        input: columns.input,
        arithmetic: columns.float,
        output,
        task: trees.task.clone(),
        aggregate: trees.aggregate,
        base: trees.base.clone(),
        transform: trees.transform,
        steps: needed(state.steps, score),
        decision,
        roots: trees.roots.clone(),
        nodes: std::mem::take(&mut trees.nodes),
        sets: std::mem::take(&mut trees.sets),
        weights: std::mem::take(&mut trees.weights),
    });
    ensemble.map_err(|error| ImportError::Ensemble(trees.named(error)))
}

/// The steps that register `result` depends on, so that it is the last.
fn needed(steps: Vec<Step>, result: u32) -> Vec<Step> {
    let mut used = vec![false; steps.len() + 1];
    let mut mark = |register: u32| {
        if let Some(used) = used.get_mut(register as usize) {
            *used = true;
        }
    };
    mark(result);
    let mut kept = Vec::new();
    let numbered: Vec<(u32, &Step)> = (1u32..).zip(&steps).collect();
    for (register, step) in numbered.into_iter().rev() {
        if !used.get(register as usize).copied().unwrap_or(false) {
            continue;
        }
        for of in [
            Some(step.of),
            if let Op::Concat(other) = step.op {
                Some(other)
            } else {
                None
            },
        ] {
            if let Some(used) = of.and_then(|of| used.get_mut(of as usize)) {
                *used = true;
            }
        }
        kept.push((register, step.clone()));
    }
    kept.reverse();
    let new: HashMap<u32, u32> = kept.iter().map(|(old, _)| *old).zip(1..).collect();
    let renumber = |register: u32| new.get(&register).copied().unwrap_or(0);
    kept.into_iter()
        .map(|(_, step)| Step {
            of: renumber(step.of),
            op: match step.op {
                Op::Concat(other) => Op::Concat(renumber(other)),
                op => op,
            },
        })
        .collect()
}
