//! From ONNX nodes to operators.

mod shapes;
mod windows;

pub(super) use windows::geometry;

use std::collections::HashMap;
use std::sync::Arc;

use super::layers::{self, Layer};
use super::onnx::{self, Attributes};
use super::{Activation, Graph, GraphError, Node, NodeId, Operator, Polynomial};
use crate::tile::Tensor;

/// What a name stands for.
#[derive(Clone)]
enum Value {
    Node(NodeId),
    Constant(Tensor),
}

struct Builder {
    nodes: Vec<Node>,
    values: HashMap<String, Value>,
}

impl Graph {
    /// Reads an ONNX model with one input, whose first dimension is the batch.
    ///
    /// # Errors
    /// Bytes that are no model, operators that encrypted evaluation does not have (with advice), attributes and
    /// shapes that do not fit.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self, GraphError> {
        let model = onnx::parse(bytes)?;
        let graph = model.graph.ok_or(GraphError::Missing("graph"))?;
        let mut builder = Builder {
            nodes: Vec::new(),
            values: HashMap::new(),
        };
        for tensor in &graph.initializer {
            builder.values.insert(
                tensor.name.clone(),
                Value::Constant(onnx::constant(&tensor.name, tensor)?),
            );
        }
        let input = graph.input.iter().find(|i| !builder.values.contains_key(&i.name));
        let input = input.ok_or(GraphError::Missing("input"))?;
        let shape = shape_of(input).ok_or(GraphError::Missing(
            "input shape (all but the batch must be numbers)",
        ))?;
        builder.push(&input.name, Operator::Input, vec![], shape, &input.name);
        for proto in &graph.node {
            builder.node(&Attributes::new(proto))?;
        }
        let output = graph.output.first().ok_or(GraphError::Missing("output"))?;
        match builder.values.get(&output.name) {
            Some(&Value::Node(id)) if id + 1 == builder.nodes.len() => {}
            Some(&Value::Node(id)) => builder.nodes.truncate(id + 1),
            _ => return Err(GraphError::Missing("output that depends on the input")),
        }
        let read = Self {
            name: graph.name,
            nodes: builder.nodes,
        };
        Ok(read.fused())
    }
}

/// The shape of one sample.
pub(super) fn shape_of(input: &tract_onnx::pb::ValueInfoProto) -> Option<Vec<usize>> {
    use tract_onnx::pb::{tensor_shape_proto::dimension, type_proto};
    let type_proto::Value::TensorType(tensor) = input.r#type.as_ref()?.value.as_ref()?;
    let sizes = tensor
        .shape
        .as_ref()?
        .dim
        .iter()
        .skip(1)
        .map(|dim| match dim.value {
            Some(dimension::Value::DimValue(n)) if n > 0 => usize::try_from(n).ok(),
            _ => None,
        });
    sizes.collect()
}

impl Builder {
    fn push(&mut self, name: &str, operator: Operator, inputs: Vec<NodeId>, shape: Vec<usize>, output: &str) {
        self.nodes.push(Node {
            name: name.to_owned(),
            operator,
            inputs,
            shape,
        });
        self.values
            .insert(output.to_owned(), Value::Node(self.nodes.len() - 1));
    }

    fn value(&self, at: &Attributes<'_>, i: usize) -> Result<Option<&Value>, GraphError> {
        match at.node.input.get(i).filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value)),
                None => Err(GraphError::Unknown {
                    node: at.name.to_owned(),
                    input: name.clone(),
                }),
            },
        }
    }

    /// Operand `i`, which depends on the model's input.
    fn operand(&self, at: &Attributes<'_>, i: usize) -> Result<NodeId, GraphError> {
        match self.value(at, i)? {
            Some(&Value::Node(id)) => Ok(id),
            Some(Value::Constant(_)) => {
                Err(at.wrong("operand", format!("constant at {i}"), "a computed value"))
            }
            None => Err(at.wrong("operands", i.to_string(), format!("at least {}", i + 1))),
        }
    }

    fn constant(&self, at: &Attributes<'_>, i: usize) -> Result<Option<&Tensor>, GraphError> {
        match self.value(at, i)? {
            None => Ok(None),
            Some(Value::Constant(tensor)) => Ok(Some(tensor)),
            Some(Value::Node(_)) => Err(at.wrong("operand", format!("computed value at {i}"), "a constant")),
        }
    }

    fn required(&self, at: &Attributes<'_>, i: usize) -> Result<&Tensor, GraphError> {
        self.constant(at, i)?
            .ok_or_else(|| at.wrong("operands", i.to_string(), format!("at least {}", i + 1)))
    }

    fn vector(&self, at: &Attributes<'_>, i: usize) -> Result<Vec<f64>, GraphError> {
        Ok(self
            .constant(at, i)?
            .map(|t| t.iter().copied().collect())
            .unwrap_or_default())
    }

    fn integers(&self, at: &Attributes<'_>, name: &str, i: usize) -> Result<Option<Vec<i64>>, GraphError> {
        if let Some(ints) = at.ints(name) {
            return Ok(Some(ints.to_vec()));
        }
        Ok(self
            .constant(at, i)?
            .map(|t| t.iter().map(|&v| v as i64).collect()))
    }

    fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id].shape
    }

    fn image(&self, at: &Attributes<'_>, id: NodeId) -> Result<[usize; 3], GraphError> {
        let shape = self.shape(id);
        shape
            .try_into()
            .map_err(|_| at.wrong("shape", format!("{shape:?}"), "[channels, height, width]"))
    }

    fn affine(&mut self, at: &Attributes<'_>, input: NodeId, layer: Layer) -> Result<(), GraphError> {
        let (map, shape) = layer?;
        let output = at.node.output.first().cloned().unwrap_or_default();
        self.push(
            at.name,
            Operator::Affine(Arc::new(map)),
            vec![input],
            shape,
            &output,
        );
        Ok(())
    }

    fn same(&mut self, at: &Attributes<'_>, operator: Operator, inputs: Vec<NodeId>) {
        let shape = self.shape(inputs[0]).to_vec();
        let output = at.node.output.first().cloned().unwrap_or_default();
        self.push(at.name, operator, inputs, shape, &output);
    }

    /// Axes of a sample from ONNX axes, which count the batch as 0 and may be negative.
    fn axes(&self, at: &Attributes<'_>, id: NodeId, axes: &[i64]) -> Result<Vec<usize>, GraphError> {
        let rank = self.shape(id).len() as i64 + 1;
        let axis = |&axis: &i64| {
            let from_front = if axis < 0 { axis + rank } else { axis };
            if (1..rank).contains(&from_front) {
                Ok(from_front as usize - 1)
            } else {
                Err(at.wrong("axis", axis.to_string(), format!("1..{rank} (0 is the batch)")))
            }
        };
        axes.iter().map(axis).collect()
    }

    fn node(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        match at.node.op_type.as_str() {
            "Constant" => {
                let tensor = at.tensor("value").ok_or_else(|| at.wrong("value", "missing", "a tensor"))?;
                let value = Value::Constant(onnx::constant(at.name, tensor)?);
                self.values.insert(at.node.output.first().cloned().unwrap_or_default(), value);
                Ok(())
            }
            "Conv" => self.conv(at),
            "Gemm" | "MatMul" => self.dense(at),
            "AveragePool" | "GlobalAveragePool" => self.pool(at),
            "BatchNormalization" => self.normalization(at),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(at),
            "Identity" | "Dropout" => {
                let id = self.operand(at, 0)?;
                self.values.insert(at.node.output.first().cloned().unwrap_or_default(), Value::Node(id));
                Ok(())
            }
            "Transpose" => {
                let id = self.operand(at, 0)?;
                let rank = self.shape(id).len() as i64 + 1;
                let order = at.ints("perm").map_or_else(|| (0..rank).rev().collect(), <[i64]>::to_vec);
                let mut sorted = order.clone();
                sorted.sort_unstable();
                if sorted != (0..rank).collect::<Vec<_>>() || order.first() != Some(&0) {
                    return Err(at.wrong("perm", format!("{order:?}"), "a permutation that leaves the batch in front"));
                }
                let order = self.axes(at, id, &order[1..])?;
                let layer = layers::transpose(self.shape(id), &order);
                self.affine(at, id, layer)
            }
            "Pad" => self.pad(at),
            "Concat" => self.concat(at),
            "ReduceMean" | "ReduceSum" => {
                let id = self.operand(at, 0)?;
                let all: Vec<i64> = (1..=self.shape(id).len() as i64).collect();
                let axes = self.integers(at, "axes", 1)?.unwrap_or(all);
                let axes = self.axes(at, id, &axes)?;
                let (mean, keep) = (at.node.op_type == "ReduceMean", at.int("keepdims", 1) != 0);
                let layer = layers::reduce(self.shape(id), &axes, mean, keep);
                self.affine(at, id, layer)
            }
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(at),
            "Neg" => {
                let id = self.operand(at, 0)?;
                let layer = layers::diagonal(self.shape(id), |_| -1.0, |_| 0.0);
                self.affine(at, id, layer)
            }
            "Pow" => {
                let id = self.operand(at, 0)?;
                let exponent = self.required(at, 1)?.iter().copied().collect::<Vec<_>>();
                match exponent.as_slice() {
                    &[e] if (1.0..=64.0).contains(&e) && e.fract() == 0.0 => {
                        let mut powers = vec![0.0; e as usize];
                        powers.push(1.0);
                        self.same(at, Operator::Polynomial(Polynomial::Powers(powers)), vec![id]);
                        Ok(())
                    }
                    other => Err(at.wrong("exponent", format!("{other:?}"), "one integer from 1 to 64")),
                }
            }
            "Relu" => self.activation(at, Activation::Relu),
            "Sigmoid" => self.activation(at, Activation::Sigmoid),
            "Silu" | "Swish" => self.activation(at, Activation::Silu),
            "Gelu" if at.text("approximate") == "tanh" => self.activation(at, Activation::GeluTanh),
            "Gelu" => self.activation(at, Activation::Gelu),
            "Erf" => self.activation(at, Activation::Erf),
            "Tanh" => self.activation(at, Activation::Tanh),
            "MaxPool" => Err(at.unsupported("a maximum is no polynomial: train the network with AveragePool instead")),
            "Softmax" | "LogSoftmax" => {
                Err(at.unsupported("export the network without it: the client takes the softmax of the logits it opens"))
            }
            _ => Err(at.unsupported(
                "supported are Conv, Gemm, MatMul, AveragePool, GlobalAveragePool, BatchNormalization, Flatten, Reshape, \
                 Add, Sub, Mul, Pow, Pad, Concat, Transpose, ReduceMean, ReduceSum and the activations Relu, Sigmoid, \
                 Silu, Gelu, Tanh, Erf; rewrite the model with these",
            )),
        }
    }

    fn activation(&mut self, at: &Attributes<'_>, activation: Activation) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        self.same(at, Operator::Activation(activation), vec![id]);
        Ok(())
    }

    fn dense(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        let gemm = at.node.op_type == "Gemm";
        let mut weights = self.required(at, 1)?.clone();
        if weights.ndim() != 2 || self.shape(id).len() != 1 {
            let actual = format!("{:?} x {:?}", self.shape(id), weights.shape());
            return Err(at.wrong("operands", actual, "a vector (flatten first) and a matrix"));
        }
        if gemm && at.int("transA", 0) != 0 {
            return Err(at.wrong("transA", "1", "0"));
        }
        if !(gemm && at.int("transB", 0) != 0) {
            weights = weights.reversed_axes();
        }
        if weights.shape()[1] != self.shape(id)[0] {
            return Err(at.wrong(
                "inputs of the matrix",
                weights.shape()[1].to_string(),
                self.shape(id)[0].to_string(),
            ));
        }
        let mut bias = if gemm { self.vector(at, 2)? } else { Vec::new() };
        let (alpha, beta) = (at.float("alpha", 1.0), at.float("beta", 1.0));
        if gemm {
            weights.mapv_inplace(|w| w * alpha);
            bias.iter_mut().for_each(|b| *b *= beta);
        }
        if bias.len() == 1 {
            bias = vec![bias[0]; weights.shape()[0]];
        }
        if !bias.is_empty() && bias.len() != weights.shape()[0] {
            return Err(at.wrong("bias", bias.len().to_string(), weights.shape()[0].to_string()));
        }
        self.affine(at, id, layers::dense(&weights, &bias))
    }

    fn normalization(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        let shape = self.shape(id).to_vec();
        let channels = shape.first().copied().unwrap_or(0);
        let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|i| self.vector(at, i));
        let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
        if [&scale, &shift, &mean, &variance]
            .iter()
            .any(|v| v.len() != channels)
        {
            return Err(at.wrong(
                "parameters",
                scale.len().to_string(),
                format!("{channels}, one for each channel"),
            ));
        }
        let plane: usize = shape.iter().skip(1).product();
        let epsilon = at.float("epsilon", 1e-5);
        let factor = |i: usize| scale[i / plane] / (variance[i / plane] + epsilon).sqrt();
        let layer = layers::diagonal(&shape, factor, |i| shift[i / plane] - mean[i / plane] * factor(i));
        self.affine(at, id, layer)
    }

    fn arithmetic(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let op = at.node.op_type.as_str();
        let (left, right) = match (self.value(at, 0)?.cloned(), self.value(at, 1)?.cloned()) {
            (Some(left), Some(right)) => (left, right),
            _ => return Err(at.wrong("operands", at.node.input.len().to_string(), "2")),
        };
        let (id, constant, flipped) = match (left, right) {
            (Value::Node(a), Value::Node(b)) => {
                if self.shape(a) != self.shape(b) {
                    return Err(at.wrong(
                        "shapes",
                        format!("{:?} and {:?}", self.shape(a), self.shape(b)),
                        "equal shapes",
                    ));
                }
                let operator = match op {
                    "Add" => Operator::Add,
                    "Sub" => Operator::Sub,
                    "Mul" if a == b => {
                        self.same(at, Operator::Polynomial(Polynomial::square()), vec![a]);
                        return Ok(());
                    }
                    "Mul" => Operator::Mul,
                    _ => return Err(at.unsupported("a quotient of computed values is no polynomial")),
                };
                self.same(at, operator, vec![a, b]);
                return Ok(());
            }
            (Value::Node(id), Value::Constant(c)) => (id, c, false),
            (Value::Constant(c), Value::Node(id)) => (id, c, true),
            _ => return Err(at.unsupported("fold constants when exporting the model")),
        };
        let shape = self.shape(id).to_vec();
        let mut full = vec![1];
        full.extend(&shape);
        let wide = constant
            .broadcast(full)
            .map(|c| c.iter().copied().collect::<Vec<f64>>());
        let Some(c) = wide else {
            return Err(at.wrong(
                "constant",
                format!("{:?}", constant.shape()),
                format!("what broadcasts to {shape:?}"),
            ));
        };
        let layer = match (op, flipped) {
            ("Add", _) => layers::diagonal(&shape, |_| 1.0, |i| c[i]),
            ("Sub", false) => layers::diagonal(&shape, |_| 1.0, |i| -c[i]),
            ("Sub", true) => layers::diagonal(&shape, |_| -1.0, |i| c[i]),
            ("Mul", _) => layers::diagonal(&shape, |i| c[i], |_| 0.0),
            (_, false) if c.iter().all(|&c| c != 0.0) => layers::diagonal(&shape, |i| 1.0 / c[i], |_| 0.0),
            _ => return Err(at.unsupported("division by computed values or by zero is no polynomial")),
        };
        self.affine(at, id, layer)
    }
}
