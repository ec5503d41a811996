//! Networks as polynomial operators: affine maps, polynomials, sums and products.
//!
//! [`Graph::from_onnx`] reads a model. Every linear layer becomes an [`Affine`] map; [`Graph::simplify`] joins those
//! that follow each other. Activations that are no polynomials are replaced by [`Graph::calibrate`], from sample
//! inputs. [`Graph::evaluate`] computes in f64: it is the oracle of every encrypted run.

mod activation;
mod affine;
mod build;
mod error;
mod fuse;
mod layers;
mod onnx;
mod outline;
mod polynomial;
#[cfg(test)]
mod tests;
pub mod zoo;

use std::sync::Arc;

pub use activation::{Activation, Calibration, MAX_DEGREE};
pub use affine::Affine;
pub use error::GraphError;
pub use outline::{Outline, Part, PartKind};
pub use polynomial::Polynomial;

/// Number of a node in its graph.
pub type NodeId = usize;

/// What a node computes from its inputs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Operator {
    /// The model's input.
    Input,
    /// An affine map.
    Affine(Arc<Affine>),
    /// A polynomial of every element.
    Polynomial(Polynomial),
    /// An activation that calibration has to replace.
    Activation(Activation),
    /// Sum of the two inputs, element by element.
    Add,
    /// First input less the second.
    Sub,
    /// Product of the two inputs, element by element.
    Mul,
}

/// One operator, its operands, and the shape of its result.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name in the model.
    pub name: String,
    /// The operator.
    pub operator: Operator,
    /// Operands, all of them earlier nodes.
    pub inputs: Vec<NodeId>,
    /// Shape of the result for one sample, without the batch.
    pub shape: Vec<usize>,
}

impl Node {
    /// Elements of the result.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A network: nodes in an order in which they can be computed; the last is the output.
#[derive(Debug, Clone)]
pub struct Graph {
    name: String,
    nodes: Vec<Node>,
}

impl Graph {
    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The nodes; node 0 is the input, the last is the output.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Elements of one input.
    pub fn inputs(&self) -> usize {
        self.nodes.first().map_or(0, Node::size)
    }

    /// Elements of one output.
    pub fn outputs(&self) -> usize {
        self.nodes.last().map_or(0, Node::size)
    }

    /// Evaluates one sample in f64.
    ///
    /// # Errors
    /// An input of another length, an activation not yet replaced, a value outside a fitted polynomial's interval.
    pub fn evaluate(&self, input: &[f64]) -> Result<Vec<f64>, GraphError> {
        Ok(self.trace(input)?.pop().unwrap_or_default())
    }

    /// The values of all nodes for one sample; `loose` activations are taken as they are.
    fn trace(&self, input: &[f64]) -> Result<Vec<Vec<f64>>, GraphError> {
        self.trace_with(input, |node, activation, _| {
            Err(GraphError::NotCalibrated {
                node: node.name.clone(),
                activation: activation.name(),
            })
        })
    }

    fn trace_with(
        &self,
        input: &[f64],
        loose: impl Fn(&Node, Activation, &[f64]) -> Result<Vec<f64>, GraphError>,
    ) -> Result<Vec<Vec<f64>>, GraphError> {
        if input.len() != self.inputs() {
            return Err(GraphError::Sizes {
                expected: self.inputs(),
                actual: input.len(),
            });
        }
        let mut values: Vec<Vec<f64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let operand = |i: usize| values[node.inputs[i]].as_slice();
            let zip = |f: fn(f64, f64) -> f64| {
                operand(0)
                    .iter()
                    .zip(operand(1))
                    .map(|(&a, &b)| f(a, b))
                    .collect()
            };
            let value = match &node.operator {
                Operator::Input => input.to_vec(),
                Operator::Affine(map) => map.apply(operand(0)),
                Operator::Polynomial(polynomial) => {
                    polynomial.check(&node.name, operand(0))?;
                    operand(0).iter().map(|&x| polynomial.at(x)).collect()
                }
                Operator::Activation(activation) => loose(node, *activation, operand(0))?,
                Operator::Add => zip(|a, b| a + b),
                Operator::Sub => zip(|a, b| a - b),
                Operator::Mul => zip(|a, b| a * b),
            };
            values.push(value);
        }
        Ok(values)
    }

    /// The same network with an affine map at its end, the identity where there was none. What a server sends is the result
    /// of a map: it writes zeros beside the result, where a polynomial of whatever lies there would tell about the weights.
    #[must_use]
    pub fn answering(&self) -> Self {
        let mut graph = self.clone();
        if let Some(last) = graph.nodes.last()
            && !matches!(last.operator, Operator::Affine(_))
            && let Ok(identity) = Affine::select(last.size(), (0..last.size() as u32).map(Some))
        {
            let node = Node {
                name: "answer".to_owned(),
                operator: Operator::Affine(Arc::new(identity)),
                inputs: vec![graph.nodes.len() - 1],
                shape: last.shape.clone(),
            };
            graph.nodes.push(node);
        }
        graph
    }

    /// A graph of these nodes.
    #[cfg(test)]
    pub(crate) fn of(name: &str, nodes: Vec<Node>) -> Self {
        let name = name.to_owned();
        Self { name, nodes }
    }

    /// Its first nodes, but for the last `fewer`.
    #[cfg(test)]
    pub(crate) fn first(&self, fewer: usize) -> Self {
        let mut graph = self.clone();
        graph.nodes.truncate(graph.nodes.len() - fewer);
        graph
    }

    /// Joins affine maps that follow each other, and drops what nothing uses.
    ///
    /// # Errors
    /// Maps whose sizes do not fit (a defect of the graph).
    pub fn simplify(&self) -> Result<Self, GraphError> {
        let mut nodes = self.nodes.clone();
        let mut uses = vec![0usize; nodes.len()];
        for node in &nodes {
            for &input in &node.inputs {
                uses[input] += 1;
            }
        }
        for i in 0..nodes.len() {
            let Operator::Affine(outer) = &nodes[i].operator else {
                continue;
            };
            let before = nodes[i].inputs[0];
            let Operator::Affine(inner) = &nodes[before].operator else {
                continue;
            };
            // A map that others use too is not joined when that would repeat a large product.
            if uses[before] > 1 && inner.entries() > inner.outputs() {
                continue;
            }
            let joined = outer.after(inner)?;
            let name = format!("{} + {}", nodes[before].name, nodes[i].name);
            uses[before] -= 1;
            let source = nodes[before].inputs[0];
            uses[source] += 1;
            let node = &mut nodes[i];
            (node.operator, node.inputs, node.name) =
                (Operator::Affine(Arc::new(joined)), vec![source], name);
        }
        // What is used, from the output backwards.
        let mut used = vec![false; nodes.len()];
        for i in (0..nodes.len()).rev() {
            if i + 1 == nodes.len() || i == 0 {
                used[i] = true;
            }
            if used[i] {
                for &input in &nodes[i].inputs {
                    used[input] = true;
                }
            }
        }
        let mut number = vec![0; nodes.len()];
        let mut kept = Vec::new();
        for (i, mut node) in nodes.into_iter().enumerate() {
            if used[i] {
                number[i] = kept.len();
                node.inputs.iter_mut().for_each(|input| *input = number[*input]);
                kept.push(node);
            }
        }
        Ok(Self {
            name: self.name.clone(),
            nodes: kept,
        })
    }
}
