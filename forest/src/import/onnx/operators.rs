//! The operators around the trees.

use super::attributes::{Attributes, name, operator};
use super::graph::{Classes, Columns, State, Value};
use crate::ensemble::{Constant, Feature, Float, Labels, Norm, Op, Task};
use crate::import::ImportError;
use crate::onnx::{self, ML_DOMAIN, data_type};

/// The value of the first output of a node.
pub(super) fn apply(at: &Attributes<'_>, state: &mut State) -> Result<Value, ImportError> {
    let domain = at.node.domain.as_str();
    match (domain, at.node.op_type.as_str()) {
        ("" | "ai.onnx", "Identity") | (ML_DOMAIN, "ZipMap") => state.input(at, 0),
        ("" | "ai.onnx", "Constant") => constant(at),
        ("" | "ai.onnx", "Cast") => cast(at, state),
        ("" | "ai.onnx", "Concat") => concat(at, state),
        ("" | "ai.onnx", "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze") => shape_only(at, state),
        ("" | "ai.onnx", "ArgMax") => match state.input(at, 0)? {
            Value::Scores(register) => Ok(Value::Classes(Classes::Highest(register))),
            _ => Err(at.error("input 0", "scores", "another value")),
        },
        ("" | "ai.onnx", "GreaterOrEqual") => {
            let of = scores(at, state, 0)?;
            let threshold = numbers(at, state, 1)?;
            match threshold.as_slice() {
                [threshold] => Ok(Value::Classes(Classes::AtLeast(of, *threshold))),
                _ => Err(at.error("input 1", "one number", threshold.len())),
            }
        }
        ("" | "ai.onnx", "Add" | "Sub" | "Mul" | "Div") => arithmetic(at, state),
        ("" | "ai.onnx", "Neg") => one(at, state, Op::Negate),
        ("" | "ai.onnx", "Reciprocal") => one(at, state, Op::Reciprocal),
        ("" | "ai.onnx", "Exp") => one(at, state, Op::Exp),
        ("" | "ai.onnx", "Sigmoid") => one(at, state, Op::Sigmoid),
        (ML_DOMAIN, "Normalizer") => {
            let norm = match at.text("norm", "MAX")?.as_str() {
                "L1" => Norm::L1,
                "L2" => Norm::L2,
                "MAX" => Norm::Max,
                seen => return Err(at.error("norm", "L1, L2 or MAX", seen)),
            };
            one(at, state, Op::Normalize(norm))
        }
        (ML_DOMAIN, "ArrayFeatureExtractor") => extract(at, state),
        (ML_DOMAIN, "LabelEncoder") => encode(at, state),
        _ => Err(ImportError::Operator {
            node: name(at.node),
            operator: operator(at.node),
            advice: advice(&at.node.op_type),
        }),
    }
}

fn advice(op_type: &str) -> &'static str {
    match op_type {
        "Scaler" | "Imputer" | "OneHotEncoder" | "CategoryMapper" | "Binarizer" | "FeatureVectorizer"
        | "OrdinalEncoder" | "DictVectorizer" => "prepare the columns before, and export the forest alone",
        "LinearClassifier" | "LinearRegressor" | "SVMClassifier" | "SVMRegressor" | "Gemm" | "MatMul"
        | "Conv" => "this is no tree ensemble; only forests and boosted trees are imported",
        _ => "export the forest alone, with raw scores or probabilities as its output",
    }
}

fn scores(at: &Attributes<'_>, state: &State, index: usize) -> Result<u32, ImportError> {
    match state.input(at, index)? {
        Value::Scores(register) => Ok(register),
        Value::Columns(_) | Value::Texts(_) => Err(ImportError::Operator {
            node: name(at.node),
            operator: operator(at.node),
            advice: "it changes the columns; prepare them before, and export the forest alone",
        }),
        _ => Err(at.error(format!("input {index}"), "scores", "another value")),
    }
}

fn numbers(at: &Attributes<'_>, state: &State, index: usize) -> Result<Vec<f64>, ImportError> {
    let field = || format!("input {index}");
    match state.input(at, index)? {
        Value::Constant(tensor) => {
            let values = tensor.numbers();
            values.ok_or_else(|| at.error(field(), "numbers", format!("data type {}", tensor.data_type)))
        }
        _ => Err(at.error(field(), "a constant", "a computed value")),
    }
}

fn one(at: &Attributes<'_>, state: &mut State, op: Op) -> Result<Value, ImportError> {
    let of = scores(at, state, 0)?;
    Ok(state.push(of, op))
}

fn constant(at: &Attributes<'_>) -> Result<Value, ImportError> {
    let tensor = at.get("value").and_then(|value| value.t.clone());
    tensor
        .map(Value::Constant)
        .ok_or_else(|| at.error("value", "a tensor", "none"))
}

fn cast(at: &Attributes<'_>, state: &mut State) -> Result<Value, ImportError> {
    let to = at.int("to").and_then(|to| i32::try_from(to).ok()).unwrap_or(0);
    let float = match to {
        data_type::FLOAT => Some(Float::F32),
        data_type::DOUBLE => Some(Float::F64),
        _ => None,
    };
    match (state.input(at, 0)?, float) {
        (Value::Classes(classes), _) => Ok(Value::Classes(classes)),
        (Value::Scores(of), Some(float)) => Ok(state.push(of, Op::Cast(float))),
        (Value::Columns(columns), Some(float)) => Ok(Value::Columns(Columns {
            // Rounded to the narrowest type on the way.
            input: if columns.float == Float::F32 {
                Float::F32
            } else {
                columns.input
            },
            float,
            ..columns
        })),
        (Value::Constant(tensor), _) => Ok(Value::Constant(tensor)),
        (_, _) => Err(at.error("to", "float or double", to)),
    }
}

fn concat(at: &Attributes<'_>, state: &mut State) -> Result<Value, ImportError> {
    if !matches!(at.int("axis"), Some(1 | -1)) {
        return Err(at.error("axis", "1", format!("{:?}", at.int("axis"))));
    }
    let values = (0..at.node.input.len()).map(|index| state.input(at, index));
    let values: Vec<Value> = values.collect::<Result<_, _>>()?;
    let mut joined: Option<Value> = None;
    for (index, value) in values.into_iter().enumerate() {
        joined = Some(match (joined, value) {
            (None, value @ (Value::Columns(_) | Value::Scores(_))) => value,
            (Some(Value::Columns(columns)), Value::Columns(more)) if columns.joins(&more) => {
                Value::Columns(columns.join(more))
            }
            (Some(Value::Scores(of)), Value::Scores(other)) => state.push(of, Op::Concat(other)),
            _ => {
                let expected = "columns of known number and one type, or scores";
                return Err(at.error(format!("input {index}"), expected, "another value"));
            }
        });
    }
    joined.ok_or_else(|| at.error("inputs", "at least one", 0))
}

/// Operators that change the shape of classes, or of one score, and no value.
fn shape_only(at: &Attributes<'_>, state: &State) -> Result<Value, ImportError> {
    match state.input(at, 0)? {
        Value::Classes(classes) => Ok(Value::Classes(classes)),
        Value::Scores(0) if state.classes().is_some_and(|task| task.targets() == 1) => Ok(Value::Scores(0)),
        _ => Err(at.error(
            "input 0",
            "classes, or the one score of the trees",
            "another value",
        )),
    }
}

fn arithmetic(at: &Attributes<'_>, state: &mut State) -> Result<Value, ImportError> {
    let reversed = matches!(state.input(at, 0)?, Value::Constant(_));
    let of = scores(at, state, usize::from(reversed))?;
    let constants = numbers(at, state, usize::from(!reversed))?;
    let neutral = |value: f64| constants.iter().all(|constant| *constant == value);
    let op = match (at.node.op_type.as_str(), reversed) {
        ("Mul", _) if neutral(1.0) => return Ok(Value::Scores(of)),
        ("Add", _) => Op::Add(Constant(constants)),
        ("Mul", _) => Op::Multiply(Constant(constants)),
        ("Sub", false) => Op::Subtract(Constant(constants)),
        ("Sub", true) => Op::SubtractFrom(Constant(constants)),
        ("Div", false) => Op::Divide(Constant(constants)),
        _ => return Err(at.error("input 0", "scores", "a constant divided by scores")),
    };
    Ok(state.push(of, op))
}

fn extract(at: &Attributes<'_>, state: &mut State) -> Result<Value, ImportError> {
    match (state.input(at, 0)?, state.input(at, 1)?) {
        (Value::Scores(of), Value::Constant(_)) => {
            let columns = numbers(at, state, 1)?.into_iter().map(|column| {
                let whole = column.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(&column);
                whole
                    .then_some(column as u32)
                    .ok_or_else(|| at.error("input 1", "positions of scores", column))
            });
            let columns = columns.collect::<Result<_, _>>()?;
            Ok(state.push(of, Op::Select(columns)))
        }
        // The names of the classes, by their position.
        (Value::Constant(names), Value::Classes(classes)) => {
            let same = match state.classes() {
                Some(Task::Classification { labels }) => names_are(&names, labels),
                _ => false,
            };
            if same {
                Ok(Value::Classes(classes))
            } else {
                Err(at.error(
                    "input 0",
                    "the classes of the tree operator, in its order",
                    "others",
                ))
            }
        }
        _ => Err(at.error("inputs", "scores and positions", "other values")),
    }
}

fn names_are(names: &onnx::Tensor, labels: &Labels) -> bool {
    match labels {
        Labels::Numbers(labels) => {
            let expected: Vec<f64> = labels.iter().map(|label| *label as f64).collect();
            names.numbers().is_some_and(|names| names == expected)
        }
        Labels::Texts(labels) => {
            let expected = labels.iter().map(|label| label.as_bytes());
            names.string_data.iter().map(Vec::as_slice).eq(expected)
        }
    }
}

/// Categories to their positions.
fn encode(at: &Attributes<'_>, state: &State) -> Result<Value, ImportError> {
    let Value::Texts(input) = state.input(at, 0)? else {
        return Err(at.error(
            "input 0",
            "one column of texts of the graph's input",
            "another value",
        ));
    };
    let keys = at.texts("keys_strings")?;
    let values = at
        .get("values_floats")
        .map_or(&[] as &[f32], |values| &values.floats);
    let positions = (0u16..).take(keys.len()).map(f32::from);
    if keys.is_empty() || !values.iter().copied().eq(positions) {
        return Err(at.error(
            "values_floats",
            "0, 1, ... for keys_strings",
            format!("{values:?}"),
        ));
    }
    let default = at
        .get("default_float")
        .and_then(|default| default.f)
        .unwrap_or(-0.0);
    if !default.is_nan() {
        return Err(at.error("default_float", "NaN (missing)", default));
    }
    let feature = Feature {
        name: input,
        categories: Some(keys),
    };
    Ok(Value::Columns(Columns {
        features: vec![feature],
        open: false,
        input: Float::F32,
        float: Float::F32,
    }))
}
