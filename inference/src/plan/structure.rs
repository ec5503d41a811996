//! What a plan computes, without weights.

use serde::{Deserialize, Serialize};

use super::{Plan, StepKind};
use crate::eval::{EvalError, Program, Weights};
use crate::graph::{Affine, Graph, Operator, Polynomial};
use crate::linear::{Fold, Grid, Layout, Mask, Matrix, Order, lacking, place, rotations, split};
use crate::scheme::{ClearCiphertext, MapShape, PreparedMap, Scheme, SchemeError, Sim, Tally};

/// What a node computes, without weights: all that a server is told that is not to know the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NodeShape {
    /// The input.
    Input,
    /// An affine map: which diagonals there are, and whether something is added.
    Linear {
        /// Rotations, and which masks there are.
        map: MapShape,
        /// Whether something is added.
        bias: bool,
    },
    /// A polynomial of every element, with its coefficients.
    Polynomial(Polynomial),
    /// Sum of two nodes.
    Add,
    /// Difference of two nodes.
    Sub,
    /// Product of two nodes.
    Mul,
}

impl NodeShape {
    /// Whether both compute the same, but for the last digits of coefficients, which texts may round.
    pub(crate) fn like(&self, other: &Self) -> bool {
        let near = |a: &[f64], b: &[f64]| {
            let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
            a.len() == b.len() && a.iter().zip(b).all(close)
        };
        match (self, other) {
            (Self::Polynomial(Polynomial::Powers(a)), Self::Polynomial(Polynomial::Powers(b))) => near(a, b),
            (
                Self::Polynomial(Polynomial::Chebyshev {
                    low,
                    high,
                    coefficients,
                }),
                Self::Polynomial(Polynomial::Chebyshev {
                    low: other_low,
                    high: other_high,
                    coefficients: others,
                }),
            ) => near(coefficients, others) && near(&[*low, *high], &[*other_low, *other_high]),
            _ => self == other,
        }
    }
}

type Placer = fn(&Affine, &Layout, &Layout, Fold, Grid) -> Matrix;

/// The diagonals of an affine node, placed and split as the plan says, and the level of its operand.
fn placed(graph: &Graph, plan: &Plan, i: usize, place: Placer) -> Option<(usize, PreparedMap<Mask>)> {
    let (node, step) = (graph.nodes().get(i)?, plan.steps.get(i)?);
    let (Operator::Affine(map), &StepKind::Linear { source, fold, steps }) = (&node.operator, &step.kind)
    else {
        return None;
    };
    let (from, grid) = (plan.steps.get(source)?, plan.grid());
    let matrix = place(map, &from.layout, &step.layout, fold, grid);
    Some((from.level, split(&matrix, fold, steps, grid)))
}

/// The diagonals of an affine node with their entries.
pub(crate) fn masks(graph: &Graph, plan: &Plan, i: usize) -> Option<(usize, PreparedMap<Mask>)> {
    placed(graph, plan, i, place)
}

/// Refuses a plan of whose input a node wants what the client does not pack.
pub(crate) fn complete(graph: &Graph, plan: &Plan) -> Result<(), EvalError> {
    for (i, (node, step)) in graph.nodes().iter().zip(&plan.steps).enumerate() {
        if let (Operator::Affine(map), &StepKind::Linear { source, .. }) = (&node.operator, &step.kind)
            && let Some(from) = plan.steps.get(source)
            && let Some(element) = lacking(map, &from.layout, plan.positions())
        {
            let reason = format!("no window of the input has its element {element}");
            return Err(plan.wrong(i, &reason));
        }
    }
    Ok(())
}

/// What every node of `graph` computes.
pub(crate) fn structure(graph: &Graph, plan: &Plan) -> Vec<NodeShape> {
    let shape = |i: usize| {
        Some(match &graph.nodes().get(i)?.operator {
            Operator::Input => NodeShape::Input,
            Operator::Affine(affine) => NodeShape::Linear {
                map: {
                    let map = placed(graph, plan, i, rotations)?.1;
                    if plan.takes_pairs(i) {
                        map.paired().shape()
                    } else {
                        map.shape()
                    }
                },
                bias: affine.bias().iter().any(|&b| b != 0.0),
            },
            Operator::Polynomial(polynomial) => NodeShape::Polynomial(polynomial.clone()),
            Operator::Add => NodeShape::Add,
            Operator::Sub => NodeShape::Sub,
            Operator::Mul => NodeShape::Mul,
            Operator::Activation(_) => return None,
        })
    };
    (0..plan.steps.len()).map_while(shape).collect()
}

/// Fresh inputs of a simulation.
fn simulated(sim: &Sim, plan: &Plan) -> Result<Vec<ClearCiphertext<()>>, EvalError> {
    let fresh = (0..plan.input_ciphertexts()).map(|_| sim.encrypt(plan.ring.levels, Vec::new));
    fresh
        .collect::<Result<_, _>>()
        .map_err(|source| refused("input", source))
}

fn refused(node: &str, source: SchemeError) -> EvalError {
    EvalError::Scheme {
        node: node.to_owned(),
        source,
    }
}

impl Plan {
    /// Runs nodes of these shapes over levels and scales only: exact operations and keys. Levels that are not the plan's
    /// are errors.
    pub(super) fn simulate(&self, shapes: &[NodeShape]) -> Result<Tally, EvalError> {
        let sim = Sim::new(self.ring.slots(), self.ring.levels);
        let (grid, encrypted) = (self.grid(), self.structure.is_some());
        // Every round is like the first.
        let once = Self {
            rounds: 1,
            ..self.clone()
        };
        let program = Program::new(&sim, &once, shapes, |i, shape| {
            let (from, step) = (self.operand_level(i), &self.steps[i]);
            let NodeShape::Linear { map, bias } = shape else {
                return Err(self.wrong(i, "no affine map"));
            };
            let added = if *bias { map.outputs.len() } else { 0 };
            let map = map.clone();
            let refused = |source| refused(&step.name, source);
            Ok(if encrypted {
                let fresh = |level| sim.encrypt(level, Vec::new).map_err(refused);
                Weights::Encrypted {
                    map: map.try_map(|()| fresh(from))?,
                    bias: (0..added).map(|_| fresh(step.level)).collect::<Result<_, _>>()?,
                }
            } else {
                let prepare = |()| match grid.order {
                    Order::BatchLast => sim.prepare(from, Vec::new),
                    Order::BatchFirst => sim.prepare_periodic(from, grid.positions, Vec::new),
                };
                let bias = (0..added).map(|_| sim.encode(step.level, Vec::new));
                Weights::Clear {
                    map: map.try_map(prepare).map_err(refused)?,
                    bias: bias.collect::<Result<_, _>>().map_err(refused)?,
                }
            })
        })?;
        let mut level = Ok(());
        let outputs = program.run_traced(&sim, &simulated(&sim, &once)?, |i, trace| {
            if trace.level != self.steps[i].level && level.is_ok() {
                level = Err(self.wrong(
                    i,
                    &format!("level {}, planned {}", trace.level, self.steps[i].level),
                ));
            }
        })?;
        level?;
        if outputs.len() != once.output_ciphertexts() {
            return Err(self.wrong(
                self.steps.len() - 1,
                "another number of ciphertexts than its layout",
            ));
        }
        Ok(sim.tally().times(self.rounds as u64))
    }

    /// Checks a plan that comes from somebody else, with the structure of an encrypted model: that everything in it fits
    /// together, that it runs in simulation, and that operations and keys are those that it names.
    ///
    /// # Errors
    /// What does not fit, with the node.
    pub fn check(&self) -> Result<(), EvalError> {
        let grid_fits = self.lanes > 0
            && (4..=17).contains(&self.ring.log_degree)
            && self.lanes.is_power_of_two()
            && self.lanes <= self.ring.slots()
            && (1..=MAX_ROUNDS).contains(&self.rounds);
        let levels = self.ring.levels <= MAX_LEVELS && (1..=MAX_LEVELS + 1).contains(&self.ring.dnum);
        if self.steps.is_empty() || !grid_fits || !levels {
            return Err(self.wrong(0, "a ring, or samples of a ciphertext, that no plan has"));
        }
        let shapes = self.structure.as_deref().unwrap_or_default();
        if shapes.len() != self.steps.len() {
            return Err(self.wrong(0, "the structure has another number of nodes"));
        }
        for (i, (step, shape)) in self.steps.iter().zip(shapes).enumerate() {
            let layout = &step.layout;
            if layout.size() > MAX_ELEMENTS || layout.sides().into_iter().any(|side| side > MAX_ELEMENTS) {
                return Err(self.wrong(i, "a layout of more than 2^24 elements"));
            }
            layout
                .check(self.positions())
                .map_err(|error| self.wrong(i, &error.to_string()))?;
            if i > 0 && matches!(step.layout, Layout::Windows(_)) {
                return Err(self.wrong(i, "windows of what is computed under encryption"));
            }
            // A layout of zeros has no tiles to count: not before it is checked.
            if self.paired && i == 0 && layout.tiles(self.positions()) < 2 {
                return Err(self.wrong(i, "one input ciphertext, which cannot come as one of two"));
            }
            let sources = match step.kind {
                StepKind::Input => [None, None],
                StepKind::Linear { source, .. } | StepKind::Polynomial { source } => [Some(source), None],
                StepKind::Binary { left, right } => [Some(left), Some(right)],
            };
            if (i == 0) != (step.kind == StepKind::Input) || sources.into_iter().flatten().any(|s| s >= i) {
                return Err(self.wrong(i, "operands that are not computed before"));
            }
            if step.level > self.ring.levels {
                return Err(self.wrong(i, "a level that the ring does not have"));
            }
            if let NodeShape::Linear { map, .. } = shape {
                let tiles = |at: usize| self.steps[at].layout.tiles(self.positions());
                let terms = map.outputs.iter().flat_map(|giants| giants.values()).flatten();
                let parts = 1 + usize::from(self.takes_pairs(i));
                if map.real != self.takes_pairs(i)
                    || map.inputs != tiles(sources[0].unwrap_or(0)).div_ceil(parts)
                    || map.outputs.len() != tiles(i)
                    || map.terms() > MAX_TERMS
                    || terms.into_iter().any(|term| term.input >= map.inputs)
                {
                    return Err(self.wrong(i, "diagonals that do not fit the layouts"));
                }
            }
            if let NodeShape::Polynomial(polynomial) = shape
                && polynomial.degree() > crate::graph::MAX_DEGREE
            {
                return Err(self.wrong(i, "a polynomial of a higher degree than any plan has"));
            }
        }
        if self.simulate(shapes)? != self.tally {
            return Err(self.wrong(0, "operations or keys are not those of the structure"));
        }
        Ok(())
    }

    /// The level of the operand of a node.
    pub(crate) fn operand_level(&self, i: usize) -> usize {
        let source = match self.steps.get(i).map(|step| &step.kind) {
            Some(&(StepKind::Linear { source, .. } | StepKind::Polynomial { source })) => source,
            _ => 0,
        };
        self.steps.get(source).map_or(0, |step| step.level)
    }

    fn wrong(&self, i: usize, reason: &str) -> EvalError {
        EvalError::Plan {
            node: self
                .steps
                .get(i)
                .map_or_else(String::new, |step| step.name.clone()),
            reason: reason.to_owned(),
        }
    }
}

/// Most rounds of a plan.
pub(crate) const MAX_ROUNDS: usize = 1 << 12;
/// Most levels of a plan that comes from somebody else.
const MAX_LEVELS: usize = 64;
/// Most elements of a node in it.
const MAX_ELEMENTS: usize = 1 << 24;
/// Most diagonals of a node in it.
const MAX_TERMS: usize = 1 << 20;
