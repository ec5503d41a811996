//! A model that is encrypted too: by its owner, who is the one that asks. The server has the plan, and ciphertexts.
//!
//! Diagonals and what is added are ciphertexts, so that products are relinearized, once for each sum. The coefficients of
//! polynomials stay public, and so does which diagonals there are.

use std::collections::BTreeMap;

use super::EvalError;
use super::model::pair_mask;
use super::program::{Program, Trace, Weights};
use crate::graph::{Graph, Operator};
use crate::linear::dense;
use crate::plan::{NodeShape, Plan, complete, masks, structure};
use crate::scheme::{Complex, PreparedMap, Scheme};

/// One ciphertext of an encrypted model before its encryption: its level, and its slots (`encrypt_complex`).
pub type Weight = (usize, Vec<Complex>);

/// What the owner of `graph` encrypts for an encrypted plan, in the order in which [`EncryptedModel::new`] takes it.
///
/// # Errors
/// A plan for a model in the clear, or whose structure is not that of `graph`.
pub fn weights<'a>(graph: &'a Graph, plan: &'a Plan) -> Result<impl Iterator<Item = Weight> + 'a, EvalError> {
    let shapes = shapes(plan)?;
    if graph.nodes().len() != plan.steps.len() {
        return Err(EvalError::Plan {
            node: graph.name().to_owned(),
            reason: format!("{} nodes, the plan has {}", graph.nodes().len(), plan.steps.len()),
        });
    }
    for (node, step) in graph.nodes().iter().zip(&plan.steps) {
        if node.size() != step.layout.size() {
            return Err(EvalError::Plan {
                node: node.name.clone(),
                reason: format!("{} elements, the plan has {}", node.size(), step.layout.size()),
            });
        }
    }
    complete(graph, plan)?;
    for ((node, own), shape) in graph.nodes().iter().zip(structure(graph, plan)).zip(shapes) {
        if !own.like(shape) {
            return Err(EvalError::Plan {
                node: node.name.clone(),
                reason: "the plan is for a network of another structure".to_owned(),
            });
        }
    }
    let grid = plan.grid();
    Ok((0..plan.steps.len()).flat_map(move |i| {
        let mut all: Vec<Weight> = Vec::new();
        if let Some((level, masks)) = masks(graph, plan, i) {
            if plan.takes_pairs(i) {
                all.extend(terms(masks.paired()).map(|pair| (level, pair_mask(&pair, grid))));
            } else {
                all.extend(terms(masks).map(|mask| (level, reals(dense(&mask, grid)))));
            }
        }
        if let (Operator::Affine(map), step) = (&graph.nodes()[i].operator, &plan.steps[i])
            && map.bias().iter().any(|&b| b != 0.0)
        {
            let samples = vec![map.bias().to_vec(); grid.lanes];
            let tiles = step.layout.pack(&samples, grid);
            all.extend(tiles.into_iter().map(|tile| (step.level, reals(tile))));
        }
        all
    }))
}

/// The masks of a map, in the order of [`PreparedMap::try_map`].
fn terms<P>(map: PreparedMap<P>) -> impl Iterator<Item = P> {
    let giants = map.outputs.into_iter().flat_map(BTreeMap::into_values);
    giants.flatten().map(|term| term.mask)
}

fn reals(slots: Vec<f64>) -> Vec<Complex> {
    slots.into_iter().map(|slot| Complex::new(slot, 0.0)).collect()
}

/// The levels of all ciphertexts of the model, in their order.
///
/// # Errors
/// A plan for a model in the clear.
pub fn weight_levels(plan: &Plan) -> Result<Vec<usize>, EvalError> {
    let mut levels = Vec::new();
    for (i, shape) in shapes(plan)?.iter().enumerate() {
        let NodeShape::Linear { map, bias } = shape else {
            continue;
        };
        levels.extend(std::iter::repeat_n(plan.operand_level(i), map.terms()));
        if *bias {
            levels.extend(std::iter::repeat_n(plan.steps[i].level, map.outputs.len()));
        }
    }
    Ok(levels)
}

fn shapes(plan: &Plan) -> Result<&[NodeShape], EvalError> {
    plan.structure.as_deref().ok_or(EvalError::Kind {
        planned: "a model in the clear",
        asked: "an encrypted one",
    })
}

/// A model whose weights are ciphertexts: what a server holds that is not to know the model.
pub struct EncryptedModel<S: Scheme>(Program<S>);

impl<S: Scheme> EncryptedModel<S> {
    /// From the ciphertexts that the owner of the model made of [`weights`]. A plan that comes from somebody else is checked
    /// by [`Plan::check`] before.
    ///
    /// # Errors
    /// A plan for a model in the clear; other ciphertexts than [`weight_levels`] says; a scheme of other slots.
    pub fn new(
        scheme: &S,
        plan: &Plan,
        ciphertexts: impl IntoIterator<Item = S::Ciphertext>,
    ) -> Result<Self, EvalError> {
        let mut left = ciphertexts.into_iter();
        let program = Program::new(scheme, plan, shapes(plan)?, |i, shape| {
            let NodeShape::Linear { map, bias } = shape else {
                return Err(wrong(plan, i, "no affine map".to_owned()));
            };
            let mut next = |level: usize| match left.next() {
                Some(ct) if scheme.level(&ct) == level => Ok(ct),
                Some(ct) => Err(wrong(
                    plan,
                    i,
                    format!("a weight at level {}, expected {level}", scheme.level(&ct)),
                )),
                None => Err(wrong(plan, i, "weights are missing".to_owned())),
            };
            let from = plan.operand_level(i);
            let encrypted = map.clone().try_map(|()| next(from))?;
            let added = if *bias { map.outputs.len() } else { 0 };
            let bias = (0..added).map(|_| next(plan.steps[i].level));
            Ok(Weights::Encrypted {
                map: encrypted,
                bias: bias.collect::<Result<_, _>>()?,
            })
        })?;
        match left.next() {
            None => Ok(Self(program)),
            Some(_) => Err(wrong(plan, 0, "more weights than the plan has".to_owned())),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Evaluates on encrypted inputs, as [`Prepared::run`](super::Prepared::run).
    ///
    /// # Errors
    /// As there.
    pub fn run(&self, scheme: &S, inputs: &[S::Ciphertext]) -> Result<Vec<S::Ciphertext>, EvalError> {
        self.run_traced(scheme, inputs, |_, _| {})
    }

    /// [`EncryptedModel::run`], calling `seen` after every node with what it did.
    ///
    /// # Errors
    /// As there.
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

fn wrong(plan: &Plan, i: usize, reason: String) -> EvalError {
    EvalError::Plan {
        node: plan
            .steps
            .get(i)
            .map_or_else(String::new, |step| step.name.clone()),
        reason,
    }
}
