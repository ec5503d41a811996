//! The search: every ring that the depth allows, and a beam of partial plans over the layouts of each layer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::finish::{finish, mask_bytes, product};
use super::{Asked, Objective, Plan, PlanError, Ring, Step, StepKind, candidates, fingerprint};
use crate::eval::depth;
use crate::graph::{Graph, GraphError, Operator};
use crate::linear::{Fold, Grid, Layout, Matrix, Order, Steps, rotations};
use crate::scheme::Op;

/// Width of the beam.
const BEAM: usize = 4;

/// A plan in the making.
#[derive(Clone)]
struct Partial {
    steps: Vec<Step>,
    seconds: f64,
    masks: u64,
    keys: BTreeSet<(usize, usize)>,
}

/// Finds the best plan for `graph` (call [`Graph::simplify`] first: fewer, larger maps).
///
/// # Errors
/// Activations that were not calibrated, too much depth, constraints that no plan satisfies.
pub fn plan(graph: &Graph, asked: &Asked) -> Result<Plan, PlanError> {
    let model = fingerprint(graph);
    // Whoever asks an encrypted model owns it: the answer may hold whatever it does.
    let closed = match asked.encrypted_model {
        true => graph.clone(),
        false => graph.answering(),
    };
    let graph = &closed;
    let levels = levels(graph)?;
    let top = levels.iter().copied().max().unwrap_or(0);
    let rings = Ring::choices(top, asked.scale_bits, asked.least_scale_bits);
    if rings.is_empty() {
        return Err(PlanError::Depth {
            levels: top,
            scale_bits: asked.least_scale_bits,
        });
    }
    let mut seen = 0;
    let mut found: Vec<(f64, Partial, &Ring, Grid)> = Vec::new();
    let mut spots = HashMap::new();
    let smallest = rings.iter().map(|r| r.log_degree).min().unwrap_or(12);
    for ring in rings.iter().filter(|r| r.log_degree <= smallest + 1) {
        for grid in grids(ring, asked) {
            if let Some(partial) = beam(graph, &levels, top, ring, grid, asked, &mut seen, &mut spots) {
                found.push((partial.score(ring, grid, asked.objective), partial, ring, grid));
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut least = u64::MAX;
    for (_, partial, ring, grid) in found {
        least = least.min(partial.memory(ring));
        if asked.max_memory.is_some_and(|most| partial.memory(ring) > most) {
            continue;
        }
        let mut plan = finish(graph, &model, partial.steps, ring, grid, asked)?;
        if asked
            .max_memory
            .is_none_or(|most| plan.predicted.memory() <= most)
        {
            plan.candidates += seen;
            return Ok(plan);
        }
    }
    let (batch, max_memory) = (asked.batch, asked.max_memory);
    Err(PlanError::Constraints {
        candidates: seen,
        batch,
        max_memory,
        least,
    })
}

impl Partial {
    /// Bytes of keys and masks.
    fn memory(&self, ring: &Ring) -> u64 {
        let keys: BTreeMap<usize, usize> = self.keys.iter().copied().collect();
        self.masks + keys.values().map(|&level| ring.key_bytes(level)).sum::<u64>()
    }

    /// What the objective makes smallest.
    fn score(&self, ring: &Ring, grid: Grid, objective: Objective) -> f64 {
        let Grid { positions, lanes, .. } = grid;
        match objective {
            Objective::Latency => self.seconds,
            Objective::Throughput => self.seconds / lanes as f64,
            Objective::Memory => self.memory(ring) as f64,
            Objective::Client => {
                let tiles = |step: Option<&Step>| step.map_or(0, |s| s.layout.tiles(positions)) as u64;
                let sent = tiles(self.steps.first()) * ring.fresh_bytes(ring.levels);
                (sent + tiles(self.steps.last()) * ring.ciphertext_bytes(0)) as f64 + self.seconds
            }
        }
    }
}

/// Numbers of samples in a ciphertext to try, in both orders.
pub(super) fn grids(ring: &Ring, asked: &Asked) -> Vec<Grid> {
    let least = asked.batch.max(1).next_power_of_two();
    let mut lanes: Vec<usize> = (0..ring.log_degree)
        .map(|k| 1 << k)
        .filter(|&n| n >= least && n <= ring.slots())
        .collect();
    if asked.objective != Objective::Throughput {
        lanes.truncate(1);
    }
    let mut grids = Vec::new();
    for lanes in lanes {
        let last = Grid::new(ring.slots() / lanes, lanes);
        grids.push(last);
        // What repeats in the clear does not once it is encrypted.
        if lanes >= Grid::LEAST_LANES && !asked.encrypted_model {
            let order = Order::BatchFirst;
            grids.push(Grid { order, ..last });
        }
    }
    grids
}

/// The level of every node's result, if the input has the level of the deepest path.
fn levels(graph: &Graph) -> Result<Vec<usize>, PlanError> {
    let mut below: Vec<usize> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let deepest = node.inputs.iter().map(|&i| below[i]).max().unwrap_or(0);
        let own = match &node.operator {
            Operator::Affine(_) | Operator::Mul => 1,
            Operator::Polynomial(polynomial) => depth(polynomial),
            Operator::Activation(activation) => {
                let (node, activation) = (node.name.clone(), activation.name());
                return Err(GraphError::NotCalibrated { node, activation }.into());
            }
            _ => 0,
        };
        below.push(deepest + own);
    }
    let total = below.iter().copied().max().unwrap_or(0);
    Ok(below.into_iter().map(|depth| total - depth).collect())
}

/// What a placement needs, without its masks: kept, as rings and levels share it.
type Spots = HashMap<(usize, Layout, Layout, Fold, Grid), Matrix>;

#[expect(clippy::too_many_arguments, reason = "one search, one place")]
fn beam(
    graph: &Graph,
    levels: &[usize],
    top: usize,
    ring: &Ring,
    grid: Grid,
    asked: &Asked,
    seen: &mut u64,
    spots: &mut Spots,
) -> Option<Partial> {
    let positions = grid.positions;
    let mut beam: Vec<Partial> = Vec::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        let mut next: Vec<Partial> = Vec::new();
        let level = levels[i];
        match &node.operator {
            Operator::Input => {
                for layout in candidates::inputs(&node.shape, positions) {
                    *seen += 1;
                    let step = Step {
                        name: node.name.clone(),
                        kind: StepKind::Input,
                        layout,
                        level: top,
                    };
                    next.push(Partial {
                        steps: vec![step],
                        seconds: 0.0,
                        masks: 0,
                        keys: BTreeSet::new(),
                    });
                }
            }
            Operator::Affine(map) => {
                let source = node.inputs[0];
                let from = levels[source];
                let cost = asked.costs.steps(ring, from, COLD);
                let product = product(grid, asked.encrypted_model);
                let last = i + 1 == graph.nodes().len();
                for partial in &beam {
                    let input = &partial.steps[source].layout;
                    for (layout, fold) in candidates::outputs(&node.shape, input, grid) {
                        *seen += 1;
                        if last && !asked.encrypted_model && !candidates::clean(&layout, fold) {
                            continue;
                        }
                        let key = (i, input.clone(), layout.clone(), fold, grid);
                        let matrix = spots
                            .entry(key)
                            .or_insert_with(|| rotations(map, input, &layout, fold, grid));
                        let pitch = match *input {
                            Layout::Image { pitch, .. } => pitch,
                            _ => 1,
                        };
                        let steps = Steps::cheapest(matrix, grid, pitch, cost);
                        let use_ = steps.used(matrix, grid);
                        let mut new = partial.clone();
                        let seconds = |op, level| asked.costs.seconds(op, ring, level, COLD);
                        let folds = fold.rotations();
                        new.seconds += use_.hoists as f64 * cost.hoist
                            + use_.babies.len() as f64 * cost.hoisted
                            + use_.giants.len() as f64 * cost.rotate
                            + use_.terms as f64 * seconds(product, from)
                            + (folds.len() * matrix.outputs) as f64 * seconds(Op::Rotate, level)
                            + if asked.encrypted_model {
                                use_.sums as f64 * seconds(Op::Relinearize, from)
                            } else {
                                0.0
                            }
                            + matrix.outputs as f64 * seconds(Op::Rescale, from);
                        new.masks += use_.terms as u64 * mask_bytes(ring, grid, asked.encrypted_model, from);
                        let turns = use_
                            .babies
                            .iter()
                            .chain(&use_.giants)
                            .map(|&(_, step)| step.rem_euclid(grid.turns() as i64) as usize);
                        new.keys.extend(turns.map(|step| (step, from)));
                        new.keys.extend(folds.iter().map(|&step| (step, level)));
                        let kind = StepKind::Linear { source, fold, steps };
                        new.steps.push(Step {
                            name: node.name.clone(),
                            kind,
                            layout,
                            level,
                        });
                        next.push(new);
                    }
                }
            }
            Operator::Polynomial(_) | Operator::Activation(_) => {
                let source = node.inputs[0];
                for mut partial in beam.drain(..) {
                    let layout = partial.steps[source].layout.clone();
                    let tiles = layout.tiles(positions) as f64;
                    partial.seconds += tiles * asked.costs.seconds(Op::Mul, ring, levels[source], COLD);
                    let kind = StepKind::Polynomial { source };
                    partial.steps.push(Step {
                        name: node.name.clone(),
                        kind,
                        layout,
                        level,
                    });
                    next.push(partial);
                }
            }
            Operator::Add | Operator::Sub | Operator::Mul => {
                let (left, right) = (node.inputs[0], node.inputs[1]);
                for mut partial in beam.drain(..) {
                    let layout = partial.steps[left].layout.clone();
                    if layout != partial.steps[right].layout {
                        continue;
                    }
                    let kind = StepKind::Binary { left, right };
                    partial.steps.push(Step {
                        name: node.name.clone(),
                        kind,
                        layout,
                        level,
                    });
                    next.push(partial);
                }
            }
        }
        beam = keep(next, ring, asked);
        if beam.is_empty() {
            return None;
        }
    }
    beam.into_iter().next()
}

/// The best few, of which no two have the same layouts.
fn keep(mut partials: Vec<Partial>, ring: &Ring, asked: &Asked) -> Vec<Partial> {
    let score = |p: &Partial| match asked.objective {
        Objective::Memory => p.memory(ring) as f64,
        _ => p.seconds,
    };
    partials.sort_by(|a, b| score(a).total_cmp(&score(b)));
    let mut kept: BTreeMap<String, ()> = BTreeMap::new();
    partials.retain(|p| {
        let last = p
            .steps
            .last()
            .map(|s| format!("{:?}", s.layout))
            .unwrap_or_default();
        kept.insert(last, ()).is_none()
    });
    partials.truncate(BEAM);
    partials
}

/// While plans are compared, keys and plaintexts are taken to come from memory: what they are together is known at the
/// end.
const COLD: f64 = 1.0;
