//! A plan with its weights, run over a scheme.

use super::EvalError;
use crate::graph::Polynomial;
use crate::plan::{NodeShape, Plan, StepKind};
use crate::scheme::{PreparedMap, Rescale, Scheme, SchemeError, Tally};

/// The weights of an affine map: diagonals, and what is added for each ciphertext of the result (nothing where all is 0).
pub(crate) enum Weights<S: Scheme> {
    Clear {
        map: PreparedMap<S::Prepared>,
        bias: Vec<S::Plaintext>,
    },
    Encrypted {
        map: PreparedMap<S::Ciphertext>,
        bias: Vec<S::Ciphertext>,
    },
}

/// One node, ready to run.
pub(crate) enum Ready<S: Scheme> {
    Input,
    Linear {
        source: usize,
        weights: Weights<S>,
    },
    Polynomial {
        source: usize,
        polynomial: Polynomial,
    },
    Binary {
        left: usize,
        right: usize,
        kind: Binary,
        level: usize,
    },
}

#[derive(Clone, Copy)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
}

/// What a run did at one node.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Name of the node.
    pub node: String,
    /// Operations of this node.
    pub tally: Tally,
    /// Level of its result.
    pub level: usize,
}

/// All nodes, ready to run.
pub(crate) struct Program<S: Scheme> {
    pub plan: Plan,
    pub nodes: Vec<(String, Ready<S>)>,
}

impl<S: Scheme> Program<S> {
    /// The nodes of `shapes` with the weights that `weights` gives for the number of a node and its shape.
    pub fn new(
        scheme: &S,
        plan: &Plan,
        shapes: &[NodeShape],
        mut weights: impl FnMut(usize, &NodeShape) -> Result<Weights<S>, EvalError>,
    ) -> Result<Self, EvalError> {
        if scheme.slots() != plan.ring.slots() || scheme.top() < plan.ring.levels {
            return Err(EvalError::Ring {
                expected_slots: plan.ring.slots(),
                expected_levels: plan.ring.levels,
                slots: scheme.slots(),
                levels: scheme.top(),
            });
        }
        let mut nodes = Vec::with_capacity(plan.steps.len());
        for (i, (step, shape)) in plan.steps.iter().zip(shapes).enumerate() {
            let level = |n: usize| plan.steps.get(n).map_or(0, |step| step.level);
            let ready = match (shape, &step.kind) {
                (NodeShape::Input, StepKind::Input) => Ready::Input,
                (NodeShape::Linear { .. }, &StepKind::Linear { source, .. }) => Ready::Linear {
                    source,
                    weights: weights(i, shape)?,
                },
                _ if plan.paired && uses_input(&step.kind) => {
                    return Err(EvalError::Plan {
                        node: step.name.clone(),
                        reason: "inputs that come two in a ciphertext are for linear layers only".to_owned(),
                    });
                }
                (NodeShape::Polynomial(polynomial), &StepKind::Polynomial { source }) => Ready::Polynomial {
                    source,
                    polynomial: polynomial.clone(),
                },
                (NodeShape::Add | NodeShape::Sub | NodeShape::Mul, &StepKind::Binary { left, right }) => {
                    let kind = match shape {
                        NodeShape::Add => Binary::Add,
                        NodeShape::Sub => Binary::Sub,
                        _ => Binary::Mul,
                    };
                    let level = level(left).min(level(right));
                    Ready::Binary {
                        left,
                        right,
                        kind,
                        level,
                    }
                }
                _ => {
                    return Err(EvalError::Plan {
                        node: step.name.clone(),
                        reason: "the plan computes another kind of node".to_owned(),
                    });
                }
            };
            nodes.push((step.name.clone(), ready));
        }
        Ok(Self {
            plan: plan.clone(),
            nodes,
        })
    }

    /// All rounds, one after the other.
    pub fn run_traced(
        &self,
        scheme: &S,
        inputs: &[S::Ciphertext],
        mut seen: impl FnMut(usize, Trace),
    ) -> Result<Vec<S::Ciphertext>, EvalError> {
        let (expected, actual) = (self.plan.input_ciphertexts(), inputs.len());
        if actual != expected {
            return Err(EvalError::Inputs { expected, actual });
        }
        let mut outputs = Vec::with_capacity(self.plan.output_ciphertexts());
        for inputs in inputs.chunks((expected / self.plan.rounds.max(1)).max(1)) {
            outputs.extend(self.run_round(scheme, inputs, &mut seen)?);
        }
        Ok(outputs)
    }

    /// The ciphertexts of one round.
    pub fn run_round(
        &self,
        scheme: &S,
        inputs: &[S::Ciphertext],
        mut seen: impl FnMut(usize, Trace),
    ) -> Result<Vec<S::Ciphertext>, EvalError> {
        let expected = self.plan.input_ciphertexts() / self.plan.rounds.max(1);
        if inputs.len() != expected {
            return Err(EvalError::Inputs {
                expected,
                actual: inputs.len(),
            });
        }
        let mut last_use = vec![0; self.nodes.len()];
        for (i, (_, ready)) in self.nodes.iter().enumerate() {
            match ready {
                Ready::Input => {}
                Ready::Linear { source, .. } | Ready::Polynomial { source, .. } => last_use[*source] = i,
                Ready::Binary { left, right, .. } => (last_use[*left], last_use[*right]) = (i, i),
            }
        }
        let mut values: Vec<Vec<S::Ciphertext>> = Vec::with_capacity(self.nodes.len());
        for (i, (name, ready)) in self.nodes.iter().enumerate() {
            let before = scheme.tally();
            let value = match ready {
                Ready::Input => Ok(inputs.iter().map(|ct| scheme.copy(ct)).collect()),
                Ready::Linear { source, weights } => linear(scheme, &values[*source], weights),
                Ready::Polynomial { source, polynomial } => values[*source]
                    .iter()
                    .map(|x| super::polynomial::evaluate(scheme, x, polynomial))
                    .collect(),
                Ready::Binary {
                    left,
                    right,
                    kind,
                    level,
                } => {
                    let pairs = values[*left].iter().zip(&values[*right]);
                    pairs.map(|(a, b)| binary(scheme, a, b, *kind, *level)).collect()
                }
            };
            let value: Vec<S::Ciphertext> = value.map_err(|source| EvalError::Scheme {
                node: name.clone(),
                source,
            })?;
            let level = value.first().map_or(0, |ct| scheme.level(ct));
            seen(
                i,
                Trace {
                    node: name.clone(),
                    tally: scheme.tally().since(&before),
                    level,
                },
            );
            values.push(value);
            // Ciphertexts that nothing needs any more.
            for (old, &last) in last_use.iter().enumerate().take(i) {
                if last <= i {
                    let unused = std::mem::take(&mut values[old]);
                    unused.into_iter().for_each(|ct| scheme.recycle(ct));
                }
            }
        }
        Ok(values.pop().unwrap_or_default())
    }
}

/// Whether a step computes with the input.
fn uses_input(kind: &StepKind) -> bool {
    match *kind {
        StepKind::Input => false,
        StepKind::Linear { source, .. } | StepKind::Polynomial { source } => source == 0,
        StepKind::Binary { left, right } => left == 0 || right == 0,
    }
}

fn linear<S: Scheme>(
    scheme: &S,
    inputs: &[S::Ciphertext],
    weights: &Weights<S>,
) -> Result<Vec<S::Ciphertext>, SchemeError> {
    match weights {
        Weights::Clear { map, bias } => {
            let mut outputs = scheme.linear_transform(inputs, map)?;
            for (output, bias) in outputs.iter_mut().zip(bias) {
                scheme.add_plain(output, bias)?;
            }
            Ok(outputs)
        }
        Weights::Encrypted { map, bias } => {
            let mut outputs = scheme.encrypted_transform(inputs, map)?;
            for (output, bias) in outputs.iter_mut().zip(bias) {
                scheme.add(output, bias)?;
            }
            Ok(outputs)
        }
    }
}

fn binary<S: Scheme>(
    scheme: &S,
    a: &S::Ciphertext,
    b: &S::Ciphertext,
    kind: Binary,
    level: usize,
) -> Result<S::Ciphertext, SchemeError> {
    let (mut a, mut b) = (scheme.copy(a), scheme.copy(b));
    scheme.align(&mut a, level)?;
    scheme.align(&mut b, level)?;
    match kind {
        Binary::Add => scheme.add(&mut a, &b)?,
        Binary::Sub => scheme.sub(&mut a, &b)?,
        Binary::Mul => {
            let product = scheme.mul(&a, &b, Rescale::Now)?;
            scheme.recycle(std::mem::replace(&mut a, product));
        }
    }
    scheme.recycle(b);
    Ok(a)
}
