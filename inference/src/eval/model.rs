//! A model in the clear, prepared for a plan.

use super::EvalError;
use super::program::{Program, Trace, Weights};
use crate::graph::{Graph, Operator};
use crate::linear::{Grid, Mask, Order, dense};
use crate::plan::{Plan, complete, masks, structure};
use crate::scheme::{Complex, Scheme};

/// The mask `a - ib` of a pair of ciphertexts: its product with `(x + iy) / 2` has the real part `(ax + by) / 2`.
pub(super) fn pair_mask((real, imaginary): &(Option<Mask>, Option<Mask>), grid: Grid) -> Vec<Complex> {
    let nothing = Mask::new();
    let [a, b] = [real, imaginary].map(|mask| dense(mask.as_ref().unwrap_or(&nothing), grid));
    a.into_iter().zip(b).map(|(a, b)| Complex::new(a, -b)).collect()
}

/// A model in the clear, encoded for one plan and one scheme: what a server holds.
pub struct Prepared<S: Scheme>(Program<S>);

impl<S: Scheme> Prepared<S> {
    /// Encodes the weights of `graph` (the one that was planned) as the plan says.
    ///
    /// # Errors
    /// A plan for another model or for an encrypted one, a scheme of other slots, or what the scheme refuses.
    pub fn new(scheme: &S, graph: &Graph, plan: &Plan) -> Result<Self, EvalError> {
        if plan.structure.is_some() {
            return Err(EvalError::Kind {
                planned: "an encrypted model",
                asked: "one in the clear",
            });
        }
        let actual = crate::plan::fingerprint(graph);
        if actual != plan.model {
            return Err(EvalError::Model {
                expected: plan.model.clone(),
                actual,
            });
        }
        let graph = &graph.answering();
        complete(graph, plan)?;
        let grid = plan.grid();
        let shapes = structure(graph, plan);
        let program = Program::new(scheme, plan, &shapes, |i, _| {
            let (node, step) = (&graph.nodes()[i], &plan.steps[i]);
            let refused = |source| EvalError::Scheme {
                node: node.name.clone(),
                source,
            };
            let Some((level, masks)) = masks(graph, plan, i) else {
                return Err(EvalError::Plan {
                    node: node.name.clone(),
                    reason: "no affine map".to_owned(),
                });
            };
            let period = grid.positions;
            let map = if plan.takes_pairs(i) {
                masks.paired().try_map(|pair| match grid.order {
                    Order::BatchLast => scheme.prepare_complex(level, || pair_mask(&pair, grid)),
                    Order::BatchFirst => {
                        scheme.prepare_periodic_complex(level, period, || pair_mask(&pair, grid))
                    }
                })
            } else {
                masks.try_map(|mask| match grid.order {
                    Order::BatchLast => scheme.prepare(level, || dense(&mask, grid)),
                    Order::BatchFirst => scheme.prepare_periodic(level, period, || dense(&mask, grid)),
                })
            };
            let map = map.map_err(refused)?;
            let mut bias = Vec::new();
            if let Operator::Affine(affine) = &node.operator
                && affine.bias().iter().any(|&b| b != 0.0)
            {
                let samples = vec![affine.bias().to_vec(); grid.lanes];
                for tile in step.layout.pack(&samples, grid) {
                    bias.push(scheme.encode(step.level, || tile).map_err(refused)?);
                }
            }
            Ok(Weights::Clear { map, bias })
        })?;
        Ok(Self(program))
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Evaluates on encrypted inputs, as packed by [`encode_complex`](super::encode_complex); the result is opened with
    /// [`decode`](super::decode).
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
        seen: impl FnMut(usize, Trace),
    ) -> Result<Vec<S::Ciphertext>, EvalError> {
        self.0.run_traced(scheme, inputs, seen)
    }

    /// What is run, where rounds are run one by one.
    pub(crate) fn program(&self) -> &Program<S> {
        &self.0
    }
}
