//! An ensemble as an ONNX file.
//!
//! | ensemble | operator | scores in ONNX Runtime |
//! |---|---|---|
//! | one score, 64 bits (models of our own) | `TreeEnsemble` (`ai.onnx.ml` 5) in double | bit for bit those of [`crate::predict::Predictor`] |
//! | the same, with [`Options::ml_3`] | `TreeEnsembleRegressor` with tensors of double | rounded once to 32 bits: at most `2^-24` relative |
//! | several scores, or 32 bits | `TreeEnsembleRegressor` (3) | bit for bit those of [`Ensemble::evaluate`] |
//! | classes | `TreeEnsembleClassifier` (3) | the same |
//!
//! Steps behind the trees become one operator each; those with `Exp` and `Sigmoid` may differ in the last place, because
//! ONNX Runtime has its own approximations. The file also holds the class of each row (`label`) where the ensemble
//! decides, and names and categories of the columns as metadata.
//!
//! Input: one tensor `features` of `[rows, columns]`, with categories as their position and NaN for missing values; or
//! with [`Options::columns`] one input of `[rows, 1]` per column under its own name, texts for categories (a text that
//! is not declared is missing). Whole numbers that are no category are missing too; other numbers are not categories
//! and must not be given (ONNX Runtime 1.31 truncates them where a set has 31 values or more).

use prost::Message;

use crate::ensemble::{Decision, Ensemble, Feature, Float, Labels, Norm, Op, Task, Transform};
use crate::onnx::{self, FEATURES_KEY, Graph, ML_DOMAIN, Model, Tensor, ValueInfo, data_type};

mod build;
mod trees;

use build::{dimension, node, tensor_i64, value_info};

/// How the file is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// One input per column, under its name, instead of one matrix.
    pub columns: bool,
    /// No operator newer than `ai.onnx.ml` 3, for older runtimes: scores of our own models are then rounded to 32 bits.
    pub ml_3: bool,
    /// More metadata: pairs of key and value.
    pub metadata: Vec<(String, String)>,
}

/// An ensemble that has no such form.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Something that the chosen operator cannot express.
    #[error("ONNX export: {what}: this needs {needs}")]
    Unsupported {
        /// What the ensemble has.
        what: &'static str,
        /// What it would need.
        needs: &'static str,
    },
    /// Two columns of one name, or one without a name.
    #[error(
        "ONNX export: column {index}: expected a name of its own, found {seen:?}; export a matrix instead"
    )]
    Name {
        /// The column.
        index: usize,
        /// Its name.
        seen: String,
    },
}

/// The ONNX file of an ensemble; the same ensemble gives the same bytes.
///
/// # Errors
/// [`ExportError`] names what the format cannot hold.
pub fn encode(ensemble: &Ensemble, options: &Options) -> Result<Vec<u8>, ExportError> {
    let parts = ensemble.parts();
    let regression = matches!(parts.task, Task::Regression { .. });
    let single = regression && parts.leaves_are_single();
    let plain = parts.base.is_empty() && matches!(parts.transform, Transform::None | Transform::SoftmaxZero);
    let wants_5 = parts.output == Float::F64 || !parts.sets.is_empty();
    let version_5 = wants_5 && !options.ml_3;
    if version_5 && !(single && plain) {
        return Err(ExportError::Unsupported {
            what: "sets of values or 64-bit scores together with classes, several weights per leaf, base values or a \
                   transform",
            needs: "an operator that ai.onnx.ml does not have",
        });
    }
    if !version_5 && !parts.sets.is_empty() {
        return Err(ExportError::Unsupported {
            what: "sets of values (tests of categories)",
            needs: "ai.onnx.ml 5",
        });
    }
    let mut graph = Graph {
        name: "hedgerow".to_owned(),
        ..Graph::default()
    };
    let features = inputs(ensemble, options, &mut graph)?;
    let trees = if version_5 {
        trees::version_5(ensemble, features)
    } else {
        trees::version_3(ensemble, features)
    };
    graph.node.push(trees);
    outputs(ensemble, version_5, &mut graph);
    let listed: Vec<Feature> = (0..parts.features.len())
        .map(|index| Feature {
            name: ensemble.feature_name(index),
            categories: parts
                .features
                .get(index)
                .and_then(|feature| feature.categories.clone()),
        })
        .collect();
    let mut metadata_props: Vec<onnx::Entry> = Vec::new();
    // Names and texts always have a JSON form.
    if let Ok(value) = serde_json::to_string(&listed) {
        let key = FEATURES_KEY.to_owned();
        metadata_props.push(onnx::Entry { key, value });
    }
    let more = options.metadata.iter().cloned();
    metadata_props.extend(more.map(|(key, value)| onnx::Entry { key, value }));
    let model = Model {
        ir_version: if version_5 { 10 } else { 8 },
        producer_name: "hedgerow".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![
            onnx::OperatorSet {
                domain: String::new(),
                version: 17,
            },
            onnx::OperatorSet {
                domain: ML_DOMAIN.to_owned(),
                version: if version_5 { 5 } else { 3 },
            },
        ],
        metadata_props,
    };
    Ok(model.encode_to_vec())
}

const fn element(float: Float) -> i32 {
    match float {
        Float::F32 => data_type::FLOAT,
        Float::F64 => data_type::DOUBLE,
    }
}

/// Declares the inputs; the name of the matrix that the trees read.
fn inputs(ensemble: &Ensemble, options: &Options, graph: &mut Graph) -> Result<String, ExportError> {
    let parts = ensemble.parts();
    let input = element(parts.input);
    let mut matrix = "features".to_owned();
    if options.columns {
        let mut columns = Vec::new();
        for (index, feature) in parts.features.iter().enumerate() {
            let name = ensemble.feature_name(index);
            let taken = |other: &ValueInfo| other.name == name;
            if graph.input.iter().any(taken) || RESERVED.contains(&name.as_str()) {
                return Err(ExportError::Name { index, seen: name });
            }
            let Some(categories) = &feature.categories else {
                graph.input.push(value_info(&name, input, dimension(1)));
                columns.push(name);
                continue;
            };
            graph
                .input
                .push(value_info(&name, data_type::STRING, dimension(1)));
            let code = format!("hedgerow_code_{index}");
            let encoder = node(ML_DOMAIN, "LabelEncoder", &[&name], &[&code])
                .texts("keys_strings", categories)
                .floats("values_floats", (0..categories.len()).map(|code| code as f32))
                .float("default_float", f32::NAN);
            graph.node.push(encoder.done());
            if parts.input == Float::F32 {
                columns.push(code);
            } else {
                let wide = format!("hedgerow_column_{index}");
                let cast = node("", "Cast", &[&code], &[&wide]).int("to", i64::from(input));
                graph.node.push(cast.done());
                columns.push(wide);
            }
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        graph
            .node
            .push(node("", "Concat", &columns, &[&matrix]).int("axis", 1).done());
    } else {
        graph
            .input
            .push(value_info(&matrix, input, dimension(parts.features.len())));
    }
    if parts.input != parts.arithmetic {
        let cast = node("", "Cast", &[&matrix], &["hedgerow_cast"]);
        let to = i64::from(element(parts.arithmetic));
        graph.node.push(cast.int("to", to).done());
        matrix = "hedgerow_cast".to_owned();
    }
    Ok(matrix)
}

/// Names that the graph uses itself.
const RESERVED: [&str; 4] = ["features", "score", "probabilities", "label"];

/// What follows the trees.
fn outputs(ensemble: &Ensemble, version_5: bool, graph: &mut Graph) {
    let parts = ensemble.parts();
    let shapes = ensemble.registers();
    let narrow = !version_5 && parts.output == Float::F64;
    let classes = matches!(parts.task, Task::Classification { .. });
    let mut registers = vec!["hedgerow_trees".to_owned()];
    let mut types = vec![if narrow { Float::F32 } else { parts.output }];
    for (index, step) in parts.steps.iter().enumerate() {
        let of = registers.get(step.of as usize).cloned().unwrap_or_default();
        let own = types.get(step.of as usize).copied().unwrap_or(Float::F32);
        let result = format!("hedgerow_step_{index}");
        let constant = |graph: &mut Graph, values: &[f64]| {
            let name = format!("hedgerow_constant_{index}");
            graph.initializer.push(Tensor {
                name: name.clone(),
                ..build::tensor(own, values.to_vec())
            });
            name
        };
        let built = match &step.op {
            Op::Add(c) => node("", "Add", &[&of, &constant(graph, &c.0)], &[&result]),
            Op::Subtract(c) => node("", "Sub", &[&of, &constant(graph, &c.0)], &[&result]),
            Op::SubtractFrom(c) => node("", "Sub", &[&constant(graph, &c.0), &of], &[&result]),
            Op::Multiply(c) => node("", "Mul", &[&of, &constant(graph, &c.0)], &[&result]),
            Op::Divide(c) => node("", "Div", &[&of, &constant(graph, &c.0)], &[&result]),
            Op::Negate => node("", "Neg", &[&of], &[&result]),
            Op::Reciprocal => node("", "Reciprocal", &[&of], &[&result]),
            Op::Exp => node("", "Exp", &[&of], &[&result]),
            Op::Sigmoid => node("", "Sigmoid", &[&of], &[&result]),
            Op::Select(columns) => {
                let name = format!("hedgerow_constant_{index}");
                let columns = columns.iter().map(|column| i64::from(*column)).collect();
                graph.initializer.push(Tensor {
                    name: name.clone(),
                    ..tensor_i64(columns)
                });
                node(ML_DOMAIN, "ArrayFeatureExtractor", &[&of, &name], &[&result])
            }
            Op::Concat(other) => {
                let other = registers.get(*other as usize).cloned().unwrap_or_default();
                node("", "Concat", &[&of, &other], &[&result]).int("axis", 1)
            }
            Op::Normalize(norm) => {
                let norm = match norm {
                    Norm::L1 => "L1",
                    Norm::L2 => "L2",
                    Norm::Max => "MAX",
                };
                node(ML_DOMAIN, "Normalizer", &[&of], &[&result]).text("norm", norm)
            }
            Op::Cast(to) => node("", "Cast", &[&of], &[&result]).int("to", i64::from(element(*to))),
        };
        graph.node.push(built.done());
        types.push(if let Op::Cast(to) = step.op { to } else { own });
        registers.push(result);
    }
    let name = if classes { "probabilities" } else { "score" };
    let last = registers.last().cloned().unwrap_or_default();
    graph.node.push(node("", "Identity", &[&last], &[name]).done());
    let (width, float) = (
        shapes.last().map_or(1, |(width, _)| *width),
        types.last().copied().unwrap_or(Float::F32),
    );
    label(ensemble, name, float, graph);
    graph
        .output
        .push(value_info(name, element(float), dimension(width)));
}

fn label(ensemble: &Ensemble, scores: &str, float: Float, graph: &mut Graph) {
    let parts = ensemble.parts();
    match parts.decision {
        Decision::None => {}
        Decision::AtLeast(threshold) => {
            graph.initializer.push(Tensor {
                name: "hedgerow_threshold".to_owned(),
                ..build::tensor(float, vec![threshold])
            });
            let inputs = [scores, "hedgerow_threshold"];
            graph
                .node
                .push(node("", "GreaterOrEqual", &inputs, &["hedgerow_positive"]).done());
            let cast = node("", "Cast", &["hedgerow_positive"], &["label"]);
            graph
                .node
                .push(cast.int("to", i64::from(data_type::INT64)).done());
            graph
                .output
                .push(value_info("label", data_type::INT64, dimension(1)));
        }
        Decision::Classifier | Decision::Highest => {
            let (labels, kind) = match &parts.task {
                Task::Classification {
                    labels: Labels::Texts(texts),
                } => (build::tensor_texts(texts), data_type::STRING),
                Task::Classification {
                    labels: Labels::Numbers(numbers),
                } => (tensor_i64(numbers.clone()), data_type::INT64),
                Task::Regression { targets } => {
                    (tensor_i64((0..i64::from(*targets)).collect()), data_type::INT64)
                }
            };
            graph.output.push(value_info("label", kind, None));
            if parts.decision == Decision::Classifier {
                return; // The tree operator gives it.
            }
            graph.initializer.push(Tensor {
                name: "hedgerow_classes".to_owned(),
                ..labels
            });
            graph.initializer.push(Tensor {
                name: "hedgerow_flat".to_owned(),
                ..tensor_i64(vec![-1])
            });
            let highest = node("", "ArgMax", &[scores], &["hedgerow_highest"]).int("axis", 1);
            graph.node.push(highest.done());
            let inputs = ["hedgerow_classes", "hedgerow_highest"];
            let named = node(ML_DOMAIN, "ArrayFeatureExtractor", &inputs, &["hedgerow_named"]);
            graph.node.push(named.done());
            let flat = node("", "Reshape", &["hedgerow_named", "hedgerow_flat"], &["label"]);
            graph.node.push(flat.done());
        }
    }
}

#[cfg(test)]
mod tests;
