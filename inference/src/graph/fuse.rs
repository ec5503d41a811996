//! Activations that exporters write as several operators: `x Phi(x)` as `Div, Erf, Add, Mul, Mul`, its approximation by
//! `tanh`, `x sigmoid(x)`.
//!
//! What a node computes, as a function of one number of an earlier node of the same shape, is compared with the functions
//! that have a name: so the order of the operators and where constants stand do not matter.

use std::rc::Rc;

use super::{Activation, Affine, Graph, Node, NodeId, Operator};

type Function = Rc<dyn Fn(f64) -> f64>;

/// What is written as several operators.
const WRITTEN_OUT: [Activation; 3] = [Activation::Gelu, Activation::GeluTanh, Activation::Silu];
/// Functions are compared on this interval.
const REACH: f64 = 8.0;
/// Constants of exporters are 32-bit floats.
const CLOSE: f64 = 1e-5;
/// Earlier nodes that a node is seen as a function of.
const SOURCES: usize = 12;

impl Graph {
    /// Makes one activation of those that are written as several operators; what nothing uses then is dropped by
    /// [`Graph::simplify`].
    pub(super) fn fused(mut self) -> Self {
        let mut forms: Vec<Vec<(NodeId, Function)>> = Vec::with_capacity(self.nodes.len());
        for i in 0..self.nodes.len() {
            let mut found = functions(&self.nodes[i], &forms);
            let whole = |source: NodeId| self.nodes[source].shape == self.nodes[i].shape;
            let named = found.iter().find_map(|(source, f)| {
                let known = WRITTEN_OUT.into_iter().find(|known| same(f, *known));
                known.filter(|_| whole(*source)).map(|known| (*source, known))
            });
            if let Some((source, activation)) = named {
                let node = &mut self.nodes[i];
                (node.operator, node.inputs) = (Operator::Activation(activation), vec![source]);
                found = functions(&self.nodes[i], &forms);
            }
            found.insert(0, (i, Rc::new(|x| x)));
            found.truncate(SOURCES);
            forms.push(found);
        }
        self
    }
}

/// A node as functions of single numbers of earlier nodes.
fn functions(node: &Node, forms: &[Vec<(NodeId, Function)>]) -> Vec<(NodeId, Function)> {
    let operand = |n: usize| node.inputs.get(n).and_then(|&input| forms.get(input));
    let then = |outer: Function| -> Vec<(NodeId, Function)> {
        let inner = operand(0).into_iter().flatten();
        inner
            .map(|(source, f)| {
                let (f, outer) = (Rc::clone(f), Rc::clone(&outer));
                (*source, Rc::new(move |x| outer(f(x))) as Function)
            })
            .collect()
    };
    let both = |combine: fn(f64, f64) -> f64| -> Vec<(NodeId, Function)> {
        let mut found = Vec::new();
        for (source, f) in operand(0).into_iter().flatten() {
            let other = operand(1)
                .into_iter()
                .flatten()
                .find(|(other, _)| other == source);
            if let Some((_, g)) = other {
                let (f, g) = (Rc::clone(f), Rc::clone(g));
                found.push((*source, Rc::new(move |x| combine(f(x), g(x))) as Function));
            }
        }
        found
    };
    match &node.operator {
        Operator::Input => Vec::new(),
        Operator::Affine(map) => match uniform(map) {
            Some((factor, shift)) => then(Rc::new(move |x| factor * x + shift)),
            None => Vec::new(),
        },
        Operator::Polynomial(polynomial) => {
            let polynomial = polynomial.clone();
            then(Rc::new(move |x| polynomial.at(x)))
        }
        Operator::Activation(activation) => {
            let activation = *activation;
            then(Rc::new(move |x| activation.at(x)))
        }
        Operator::Add => both(|a, b| a + b),
        Operator::Sub => both(|a, b| a - b),
        Operator::Mul => both(|a, b| a * b),
    }
}

/// Factor and shift of a map that does the same to every element.
fn uniform(map: &Affine) -> Option<(f64, f64)> {
    if map.inputs() != map.outputs() || map.entries() != map.outputs() {
        return None;
    }
    let shift = *map.bias().first()?;
    let mut factor = None;
    for (r, bias) in map.bias().iter().enumerate() {
        let (column, value) = map.row(r).next()?;
        if column as usize != r || *bias != shift || *factor.get_or_insert(value) != value {
            return None;
        }
    }
    Some((factor?, shift))
}

fn same(f: &Function, activation: Activation) -> bool {
    (0..=64).all(|i| {
        let x = REACH * (f64::from(i) / 32.0 - 1.0);
        (f(x) - activation.at(x)).abs() < CLOSE
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Polynomial, layers};

    struct Build(Vec<Node>);

    impl Build {
        fn push(&mut self, operator: Operator, inputs: Vec<NodeId>) -> NodeId {
            let name = format!("n{}", self.0.len());
            self.0.push(Node {
                name,
                operator,
                inputs,
                shape: vec![3],
            });
            self.0.len() - 1
        }
        fn line(&mut self, factor: f64, shift: f64, input: NodeId) -> NodeId {
            let (map, _) = layers::diagonal(&[3], |_| factor, |_| shift).unwrap();
            self.push(Operator::Affine(Arc::new(map)), vec![input])
        }
        fn activation(&mut self, activation: Activation, input: NodeId) -> NodeId {
            self.push(Operator::Activation(activation), vec![input])
        }
        fn fused(self) -> Vec<(&'static str, f64)> {
            let graph = Graph {
                name: "g".into(),
                nodes: self.0,
            };
            let x = [-1.7, 0.3, 2.2];
            let before = graph.evaluate_original(&x).unwrap();
            let graph = graph.fused().simplify().unwrap();
            let after = graph.evaluate_original(&x).unwrap();
            let far = before
                .iter()
                .zip(after)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            graph.activations().map(|(_, name)| (name, far)).collect()
        }
    }

    fn check(build: Build, expected: &'static str) {
        let found = build.fused();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == expected && found[0].1 < 1e-4, "{found:?}");
    }

    #[test]
    fn gelu_in_any_order_is_one_activation() {
        let root = f64::from(std::f32::consts::SQRT_2);
        for order in 0..4 {
            let mut b = Build(Vec::new());
            let x = b.push(Operator::Input, vec![]);
            let scaled = b.line(1.0 / root, 0.0, x);
            let erf = b.activation(Activation::Erf, scaled);
            let one = b.line(1.0, 1.0, erf);
            match order {
                0 => {
                    let product = b.push(Operator::Mul, vec![x, one]);
                    b.line(0.5, 0.0, product);
                }
                1 => {
                    let half = b.line(0.5, 0.0, x);
                    b.push(Operator::Mul, vec![half, one]);
                }
                2 => {
                    let half = b.line(0.5, 0.0, one);
                    b.push(Operator::Mul, vec![half, x]);
                }
                _ => {
                    let half = b.line(0.5, 0.0, one);
                    let product = b.push(Operator::Mul, vec![half, x]);
                    b.line(3.0, -1.0, product);
                }
            }
            check(b, "GELU");
        }
    }

    #[test]
    fn silu_and_the_tanh_of_gelu_are_one_activation() {
        let mut b = Build(Vec::new());
        let x = b.push(Operator::Input, vec![]);
        let sigmoid = b.activation(Activation::Sigmoid, x);
        b.push(Operator::Mul, vec![x, sigmoid]);
        check(b, "SiLU");
        let mut b = Build(Vec::new());
        let x = b.push(Operator::Input, vec![]);
        let cube = b.push(
            Operator::Polynomial(Polynomial::Powers(vec![0.0, 0.0, 0.0, 1.0])),
            vec![x],
        );
        let small = b.line(0.044715, 0.0, cube);
        let sum = b.push(Operator::Add, vec![x, small]);
        let scaled = b.line(std::f64::consts::FRAC_2_PI.sqrt(), 0.0, sum);
        let tanh = b.activation(Activation::Tanh, scaled);
        let one = b.line(1.0, 1.0, tanh);
        let product = b.push(Operator::Mul, vec![one, x]);
        b.line(0.5, 0.0, product);
        check(b, "GELU (tanh)");
        // What only looks alike stays as it is.
        let mut b = Build(Vec::new());
        let x = b.push(Operator::Input, vec![]);
        let sigmoid = b.activation(Activation::Sigmoid, x);
        let shifted = b.line(1.0, 0.01, x);
        b.push(Operator::Mul, vec![shifted, sigmoid]);
        check(b, "Sigmoid");
    }
}
