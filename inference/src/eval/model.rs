//! A model prepared for a plan, and its evaluation.

use thiserror::Error;

use crate::graph::{Affine, Graph, Operator, Polynomial};
use crate::linear::{Fold, Grid, Layout, Matrix, Order, dense, place, rotations, split};
use crate::plan::{Plan, StepKind};
use crate::scheme::{PreparedMap, Scheme, SchemeError, Tally};

/// Why a plan cannot run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// The scheme refused.
    #[error("node `{node}`: {source}")]
    Scheme {
        /// Name of the node.
        node: String,
        /// What the scheme said.
        source: SchemeError,
    },
    /// The plan is for another model.
    #[error("the plan is for model {expected}, this is model {actual}")]
    Model {
        /// Fingerprint in the plan.
        expected: String,
        /// Fingerprint of the model.
        actual: String,
    },
    /// The scheme has other slots or fewer levels than the plan.
    #[error(
        "the plan wants {expected_slots} slots and {expected_levels} levels, the scheme has {slots} and {levels}"
    )]
    Ring {
        /// Slots in the plan.
        expected_slots: usize,
        /// Levels in the plan.
        expected_levels: usize,
        /// Slots of the scheme.
        slots: usize,
        /// Levels of the scheme.
        levels: usize,
    },
    /// A number of ciphertexts other than the plan's.
    #[error("the plan takes {expected} input ciphertexts, got {actual}")]
    Inputs {
        /// Ciphertexts in the plan.
        expected: usize,
        /// Ciphertexts given.
        actual: usize,
    },
    /// More samples than lanes, or samples of another length.
    #[error("{what}: expected {expected}, got {actual}")]
    Samples {
        /// What is wrong.
        what: &'static str,
        /// What it should be.
        expected: usize,
        /// What it is.
        actual: usize,
    },
}

/// One node, ready to run.
enum Ready<S: Scheme> {
    Input,
    Linear {
        source: usize,
        map: PreparedMap<S::Prepared>,
        bias: Vec<S::Plaintext>,
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
enum Binary {
    Add,
    Sub,
    Mul,
}

/// A model in the clear, encoded for one plan and one scheme: what a server holds.
pub struct Prepared<S: Scheme> {
    plan: Plan,
    nodes: Vec<(String, Ready<S>)>,
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

impl<S: Scheme> Prepared<S> {
    /// Encodes the weights of `graph` (the one that was planned) as the plan says.
    ///
    /// # Errors
    /// A plan for another model, a scheme of other slots, or what the scheme refuses.
    pub fn new(scheme: &S, graph: &Graph, plan: &Plan) -> Result<Self, EvalError> {
        Self::build(scheme, graph, plan, place)
    }

    /// The same without weights, for schemes that do not look at them.
    pub(crate) fn shape(scheme: &S, graph: &Graph, plan: &Plan) -> Result<Self, EvalError> {
        Self::build(scheme, graph, plan, rotations)
    }

    fn build(
        scheme: &S,
        graph: &Graph,
        plan: &Plan,
        place: impl Fn(&Affine, &Layout, &Layout, Fold, Grid) -> Matrix,
    ) -> Result<Self, EvalError> {
        let actual = crate::plan::fingerprint(graph);
        if actual != plan.model {
            return Err(EvalError::Model {
                expected: plan.model.clone(),
                actual,
            });
        }
        if scheme.slots() != plan.ring.slots() || scheme.top() < plan.ring.levels {
            return Err(EvalError::Ring {
                expected_slots: plan.ring.slots(),
                expected_levels: plan.ring.levels,
                slots: scheme.slots(),
                levels: scheme.top(),
            });
        }
        let grid = plan.grid();
        let mut nodes = Vec::with_capacity(plan.steps.len());
        for (node, step) in graph.nodes().iter().zip(&plan.steps) {
            let refused = |source| EvalError::Scheme {
                node: node.name.clone(),
                source,
            };
            let ready = match (&node.operator, &step.kind) {
                (Operator::Affine(map), StepKind::Linear { source, fold, steps }) => {
                    let from = &plan.steps[*source];
                    let matrix = place(map, &from.layout, &step.layout, *fold, grid);
                    let masks = split(&matrix, *fold, *steps, grid);
                    let prepared = masks.try_map(|mask| match grid.order {
                        Order::BatchLast => scheme.prepare(from.level, || dense(&mask, grid)),
                        Order::BatchFirst => {
                            scheme.prepare_periodic(from.level, grid.positions, || dense(&mask, grid))
                        }
                    });
                    let mut bias = Vec::new();
                    if map.bias().iter().any(|&b| b != 0.0) {
                        let samples = vec![map.bias().to_vec(); grid.lanes];
                        for tile in step.layout.pack(&samples, grid) {
                            bias.push(scheme.encode(step.level, || tile).map_err(refused)?);
                        }
                    }
                    Ready::Linear {
                        source: *source,
                        map: prepared.map_err(refused)?,
                        bias,
                    }
                }
                (Operator::Polynomial(polynomial), StepKind::Polynomial { source }) => Ready::Polynomial {
                    source: *source,
                    polynomial: polynomial.clone(),
                },
                (operator, StepKind::Binary { left, right }) => {
                    let kind = match operator {
                        Operator::Add => Binary::Add,
                        Operator::Sub => Binary::Sub,
                        _ => Binary::Mul,
                    };
                    let level = plan.steps[*left].level.min(plan.steps[*right].level);
                    Ready::Binary {
                        left: *left,
                        right: *right,
                        kind,
                        level,
                    }
                }
                _ => Ready::Input,
            };
            nodes.push((node.name.clone(), ready));
        }
        Ok(Self {
            plan: plan.clone(),
            nodes,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The level of every prepared mask.
    pub fn masks(&self) -> impl Iterator<Item = usize> + '_ {
        self.nodes.iter().flat_map(|(_, ready)| match ready {
            Ready::Linear { source, map, .. } => vec![self.plan.steps[*source].level; map.terms()],
            _ => Vec::new(),
        })
    }

    /// Evaluates on encrypted inputs, as packed by [`encode`]; the result is opened with [`decode`].
    ///
    /// # Errors
    /// A wrong number of ciphertexts, or what the scheme refuses, with the node.
    pub fn run(&self, scheme: &S, inputs: &[S::Ciphertext]) -> Result<Vec<S::Ciphertext>, EvalError> {
        self.run_traced(scheme, inputs, |_, _| {})
    }

    /// [`Prepared::run`], calling `seen` after every node with what it did.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn run_traced(
        &self,
        scheme: &S,
        inputs: &[S::Ciphertext],
        mut seen: impl FnMut(usize, Trace),
    ) -> Result<Vec<S::Ciphertext>, EvalError> {
        let expected = self.plan.input_ciphertexts();
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
                Ready::Input => Ok(inputs.to_vec()),
                Ready::Linear { source, map, bias } => linear(scheme, &values[*source], map, bias),
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
            let value = value.map_err(|source| EvalError::Scheme {
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
                    values[old] = Vec::new();
                }
            }
        }
        Ok(values.pop().unwrap_or_default())
    }
}

fn linear<S: Scheme>(
    scheme: &S,
    inputs: &[S::Ciphertext],
    map: &PreparedMap<S::Prepared>,
    bias: &[S::Plaintext],
) -> Result<Vec<S::Ciphertext>, SchemeError> {
    let mut outputs = scheme.linear_transform(inputs, map)?;
    for (output, bias) in outputs.iter_mut().zip(bias) {
        scheme.add_plain(output, bias)?;
    }
    Ok(outputs)
}

fn binary<S: Scheme>(
    scheme: &S,
    a: &S::Ciphertext,
    b: &S::Ciphertext,
    kind: Binary,
    level: usize,
) -> Result<S::Ciphertext, SchemeError> {
    let (mut a, mut b) = (a.clone(), b.clone());
    scheme.align(&mut a, level)?;
    scheme.align(&mut b, level)?;
    match kind {
        Binary::Add => scheme.add(&mut a, &b)?,
        Binary::Sub => scheme.sub(&mut a, &b)?,
        Binary::Mul => return scheme.mul(&a, &b, crate::scheme::Rescale::Now),
    }
    Ok(a)
}

/// The slots of the input ciphertexts for a batch of samples.
///
/// # Errors
/// No samples, more than the plan's lanes, or samples of another length.
pub fn encode(plan: &Plan, samples: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, EvalError> {
    let layout = &plan.steps[0].layout;
    if samples.is_empty() || samples.len() > plan.lanes {
        return Err(EvalError::Samples {
            what: "samples",
            expected: plan.lanes,
            actual: samples.len(),
        });
    }
    if let Some(odd) = samples.iter().find(|s| s.len() != layout.size()) {
        return Err(EvalError::Samples {
            what: "values of a sample",
            expected: layout.size(),
            actual: odd.len(),
        });
    }
    Ok(layout.pack(samples, plan.grid()))
}

/// The results of the first `samples` samples, from the slots of the output ciphertexts.
pub fn decode(plan: &Plan, slots: &[Vec<f64>], samples: usize) -> Vec<Vec<f64>> {
    let Some(last) = plan.steps.last() else {
        return Vec::new();
    };
    last.layout.unpack(slots, samples, plan.grid())
}
