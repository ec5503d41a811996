//! What converters put behind the trees: a short program over the scores of one row.

use serde::{Deserialize, Serialize};

use super::error::EnsembleError;
use super::parts::Float;

/// Most steps behind the trees.
pub const MAX_STEPS: usize = 64;
/// Most scores that a step may hold.
pub const MAX_WIDTH: usize = 4096;

/// One operation. Register 0 holds the scores of the trees, register `i + 1` the result of step `i`; the result of the
/// last step is the score of the row. It is computed in the type of its register.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The register that is read.
    pub of: u32,
    /// What is done with it.
    pub op: Op,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// `x + c`
    Add(Constant),
    /// `x - c`
    Subtract(Constant),
    /// `c - x`
    SubtractFrom(Constant),
    /// `x * c`
    Multiply(Constant),
    /// `x / c`
    Divide(Constant),
    /// `-x`
    Negate,
    /// `1 / x`
    Reciprocal,
    /// `e^x`
    Exp,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// Some of the scores, in this order.
    Select(Vec<u32>),
    /// The scores of this register, and those of another behind them.
    Concat(u32),
    /// Scores divided by a norm of the row; a row of norm 0 stays as it is.
    Normalize(Norm),
    /// Rounded to another type.
    Cast(Float),
}

/// One constant for all scores, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Constant(#[serde(with = "exact_list")] pub Vec<f64>);

/// A norm of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Sum of magnitudes.
    L1,
    /// Root of the sum of squares.
    L2,
    /// The greatest score.
    Max,
}

/// Shape of a register: how many scores, of which type.
pub(crate) type Shape = (usize, Float);

/// Checks the steps behind trees of `width` scores, and gives the shape of the result.
pub(crate) fn check(steps: &[Step], trees: Shape) -> Result<Shape, EnsembleError> {
    if steps.len() > MAX_STEPS {
        return Err(EnsembleError::Count {
            what: "steps",
            expected: format!("at most {MAX_STEPS}"),
            seen: steps.len(),
        });
    }
    let mut shapes = vec![trees];
    for (index, step) in steps.iter().enumerate() {
        let register = |number: u32| {
            shapes.get(number as usize).copied().ok_or_else(|| {
                let field = format!("steps[{index}]: register");
                EnsembleError::value(field, format!("0 to {index}"), number)
            })
        };
        let (width, float) = register(step.of)?;
        let shape = match &step.op {
            Op::Add(c) | Op::Subtract(c) | Op::SubtractFrom(c) | Op::Multiply(c) | Op::Divide(c) => {
                if c.0.len() != 1 && c.0.len() != width {
                    let field = format!("steps[{index}]: constants");
                    return Err(EnsembleError::value(field, format!("1 or {width}"), c.0.len()));
                }
                if let Some(wrong) = c.0.iter().find(|c| !c.is_finite() || !float.holds(**c)) {
                    let field = format!("steps[{index}]: constant");
                    return Err(EnsembleError::value(
                        field,
                        "a finite number of the scores' type",
                        wrong,
                    ));
                }
                (width, float)
            }
            Op::Negate | Op::Reciprocal | Op::Exp | Op::Sigmoid | Op::Normalize(_) => (width, float),
            Op::Select(columns) => {
                if let Some(wrong) = columns.iter().find(|column| **column as usize >= width) {
                    let field = format!("steps[{index}]: column");
                    return Err(EnsembleError::value(field, format!("below {width}"), wrong));
                }
                (columns.len(), float)
            }
            Op::Concat(other) => {
                let (more, type_of_other) = register(*other)?;
                if float != type_of_other {
                    let field = format!("steps[{index}]: type of the second register");
                    return Err(EnsembleError::value(
                        field,
                        format!("{float:?}"),
                        format!("{type_of_other:?}"),
                    ));
                }
                (width + more, float)
            }
            Op::Cast(to) => (width, *to),
        };
        if shape.0 == 0 || shape.0 > MAX_WIDTH {
            let field = format!("steps[{index}]: number of scores");
            return Err(EnsembleError::value(field, format!("1 to {MAX_WIDTH}"), shape.0));
        }
        shapes.push(shape);
    }
    Ok(shapes.last().copied().unwrap_or(trees))
}

/// Runs checked steps on the scores of one row.
pub(crate) fn run(steps: &[Step], scores: Vec<f64>, float: Float) -> Vec<f64> {
    let mut registers = vec![(scores, float)];
    for step in steps {
        let Some((scores, float)) = registers.get(step.of as usize) else {
            continue; // Checked: there is one.
        };
        let other = match &step.op {
            Op::Concat(other) => registers
                .get(*other as usize)
                .map(|(scores, _)| scores.as_slice()),
            _ => None,
        };
        let to = if let Op::Cast(to) = &step.op { *to } else { *float };
        let result = match float {
            Float::F32 => apply::<f32>(&step.op, scores, other.unwrap_or(&[])),
            Float::F64 => apply::<f64>(&step.op, scores, other.unwrap_or(&[])),
        };
        let result = result.into_iter().map(|score| to.round(score)).collect();
        registers.push((result, to));
    }
    registers.pop().map(|(scores, _)| scores).unwrap_or_default()
}

fn apply<T: Real>(op: &Op, scores: &[f64], other: &[f64]) -> Vec<f64> {
    let each = |f: &dyn Fn(T) -> T| -> Vec<f64> {
        let one = |x: &f64| f(T::from_f64(*x)).to_f64();
        scores.iter().map(one).collect()
    };
    let with = |c: &Constant, f: &dyn Fn(T, T) -> T| -> Vec<f64> {
        let constants = c.0.iter().cycle();
        let one = |(x, c): (&f64, &f64)| f(T::from_f64(*x), T::from_f64(*c)).to_f64();
        scores.iter().zip(constants).map(one).collect()
    };
    match op {
        Op::Add(c) => with(c, &|x, c| x + c),
        Op::Subtract(c) => with(c, &|x, c| x - c),
        Op::SubtractFrom(c) => with(c, &|x, c| c - x),
        Op::Multiply(c) => with(c, &|x, c| x * c),
        Op::Divide(c) => with(c, &|x, c| x / c),
        Op::Negate => each(&|x| -x),
        Op::Reciprocal => each(&|x| T::ONE / x),
        Op::Exp => each(&T::exp),
        Op::Sigmoid => each(&|x| T::ONE / (T::ONE + (-x).exp())),
        Op::Select(columns) => {
            let one = |column: &u32| scores.get(*column as usize).copied();
            columns.iter().filter_map(one).collect()
        }
        Op::Concat(_) => scores.iter().chain(other).copied().collect(),
        Op::Normalize(norm) => {
            let size = scores
                .iter()
                .map(|x| T::from_f64(*x))
                .fold(T::ZERO, |sum, x| match norm {
                    Norm::L1 => sum + if x < T::ZERO { -x } else { x },
                    Norm::L2 => sum + x * x,
                    Norm::Max => {
                        if x > sum {
                            x
                        } else {
                            sum
                        }
                    }
                });
            let size = if *norm == Norm::L2 { size.sqrt() } else { size };
            if size == T::ZERO {
                scores.to_vec()
            } else {
                each(&|x| x / size)
            }
        }
        Op::Cast(_) => scores.to_vec(),
    }
}

/// Arithmetic of one of the two types, on values that are carried as `f64`.
pub(crate) trait Real:
    Copy
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
{
    const ZERO: Self;
    const ONE: Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    fn exp(self) -> Self;
    fn sqrt(self) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn exp(self) -> Self {
        Self::exp(self)
    }
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn exp(self) -> Self {
        Self::exp(self)
    }
    fn sqrt(self) -> Self {
        Self::sqrt(self)
    }
}

/// Lists of numbers that survive JSON bit by bit.
pub(crate) mod exact_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Exact(#[serde(with = "crate::exact")] f64);

    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| Exact(*value)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Exact>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.0).collect())
    }
}
