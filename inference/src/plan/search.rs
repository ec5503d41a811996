//! The search: every ring that the depth allows, and a beam of partial plans over the layouts of each layer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::finish::{finish, mask_bytes, product};
use super::{Asked, MAX_ROUNDS, Objective, Plan, PlanError, Ring, Step, StepKind, candidates, fingerprint};
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
    /// Steps of rotations and levels; step 0, which needs none, stands for the conjugation.
    keys: BTreeSet<(usize, usize)>,
    /// Whether inputs come two in a ciphertext.
    paired: bool,
}

/// Finds the best plan for `graph` (call [`Graph::simplify`] first: fewer, larger maps).
///
/// # Errors
/// Activations that were not calibrated, too much depth, constraints that no plan satisfies.
pub fn plan(graph: &Graph, asked: &Asked) -> Result<Plan, PlanError> {
    let original = graph;
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
    let mut found: Vec<(f64, Partial, &Ring, Batch)> = Vec::new();
    let mut spots = HashMap::new();
    let smallest = rings.iter().map(|r| r.log_degree).min().unwrap_or(12);
    for ring in rings.iter().filter(|r| r.log_degree <= smallest + 1) {
        let pairs = [false, true]
            .into_iter()
            .filter(|&paired| !paired || pairs_fit(graph));
        for (batch, paired) in batches(ring, asked)
            .into_iter()
            .flat_map(|batch| pairs.clone().map(move |paired| (batch, paired)))
        {
            let most = Most {
                memory: asked.max_memory.unwrap_or(u64::MAX),
                score: match asked.max_memory {
                    None => found.iter().map(|f| f.0).fold(f64::INFINITY, f64::min),
                    Some(_) => f64::INFINITY,
                },
            };
            let found_one = beam(
                graph, &levels, top, ring, batch, paired, asked, most, &mut seen, &mut spots,
            );
            if let Some(partial) = found_one {
                found.push((partial.score(ring, batch, asked.objective), partial, ring, batch));
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, partial, ring, batch) in found {
        let paired = partial.paired;
        let mut plan = finish(graph, &model, partial.steps, ring, batch, paired, asked)?;
        if asked
            .max_memory
            .is_none_or(|most| plan.predicted.memory() <= most)
        {
            plan.candidates += seen;
            return Ok(plan);
        }
    }
    // What the memory would have to be, if there is a plan at all.
    let objective = Objective::Memory;
    let unbound = Asked {
        objective,
        max_memory: None,
        ..asked.clone()
    };
    let least = match asked.max_memory {
        Some(_) => Some(plan(original, &unbound)?.predicted.memory()),
        None => None,
    };
    Err(PlanError::Constraints {
        candidates: seen,
        batch: asked.batch,
        max_memory: asked.max_memory,
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
    fn score(&self, ring: &Ring, (grid, rounds): Batch, objective: Objective) -> f64 {
        let Grid { positions, lanes, .. } = grid;
        match objective {
            Objective::Latency => self.seconds * rounds as f64,
            Objective::Throughput => self.seconds / lanes as f64,
            Objective::Memory => self.memory(ring) as f64,
            Objective::Client => {
                let tiles = |step: Option<&Step>| step.map_or(0, |s| s.layout.tiles(positions)) as u64;
                let sent = tiles(self.steps.first()).div_ceil(1 + u64::from(self.paired))
                    * ring.fresh_bytes(ring.levels);
                let each = (sent + tiles(self.steps.last()) * ring.ciphertext_bytes(0)) as f64 + self.seconds;
                each * rounds as f64
            }
        }
    }

    /// No more than the score of any plan that begins with it.
    fn bound(&self, ring: &Ring, batch: Batch, objective: Objective) -> f64 {
        match objective {
            Objective::Client => {
                let tiles = self
                    .steps
                    .first()
                    .map_or(0, |s| s.layout.tiles(batch.0.positions));
                let sent = (tiles as u64).div_ceil(1 + u64::from(self.paired));
                (sent * ring.fresh_bytes(ring.levels)) as f64 * batch.1 as f64
            }
            other => self.score(ring, batch, other),
        }
    }
}

/// How a batch is packed: positions and samples of a ciphertext, and how many such rounds.
type Batch = (Grid, usize);

/// What a plan in the making may have at most, to be looked at further.
#[derive(Clone, Copy)]
struct Most {
    memory: u64,
    score: f64,
}

/// Ways to pack a batch: as many samples in a ciphertext as it has, and fewer in several rounds, in both orders. For
/// throughput also more.
fn batches(ring: &Ring, asked: &Asked) -> Vec<Batch> {
    let batch = asked.batch.max(1);
    let whole = batch.next_power_of_two().min(ring.slots() / 2);
    let most = match asked.objective {
        Objective::Throughput => ring.slots() / 2,
        _ => whole,
    };
    let lanes = (0..=most.ilog2()).rev().map(|k| 1 << k);
    let mut all = Vec::new();
    for lanes in lanes {
        let rounds = batch.div_ceil(lanes);
        if rounds > MAX_ROUNDS {
            continue;
        }
        let last = Grid::new(ring.slots() / lanes, lanes);
        all.push((last, rounds));
        // Its gain are masks of a few words. Encrypted masks are whole ciphertexts in any order, and rotations that do not
        // go around need as many of them or more.
        if lanes >= Grid::LEAST_LANES && !asked.encrypted_model {
            let order = Order::BatchFirst;
            all.push((Grid { order, ..last }, rounds));
        }
    }
    all
}

/// Whether inputs may come two in a ciphertext: only linear layers take them.
fn pairs_fit(graph: &Graph) -> bool {
    let users = graph.nodes().iter().filter(|node| node.inputs.contains(&0));
    let mut linear = users.map(|node| matches!(node.operator, Operator::Affine(_)));
    linear.all(|linear| linear)
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
type Spots = HashMap<(usize, Layout, Layout, Fold, Grid, bool), Matrix>;

#[expect(clippy::too_many_arguments, reason = "one search, one place")]
fn beam(
    graph: &Graph,
    levels: &[usize],
    top: usize,
    ring: &Ring,
    batch: Batch,
    paired: bool,
    asked: &Asked,
    most: Most,
    seen: &mut u64,
    spots: &mut Spots,
) -> Option<Partial> {
    let (grid, _) = batch;
    let positions = grid.positions;
    // How many samples there are does not matter to where elements are.
    let spot = Grid { lanes: 1, ..grid };
    let mut beam: Vec<Partial> = Vec::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        let mut next: Vec<Partial> = Vec::new();
        let level = levels[i];
        match &node.operator {
            Operator::Input => {
                for layout in candidates::inputs(&node.shape, positions) {
                    if paired && layout.tiles(positions) == 1 {
                        continue;
                    }
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
                        paired,
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
                        let pairs = paired && source == 0;
                        let key = (i, input.clone(), layout.clone(), fold, spot, pairs);
                        let matrix = spots.entry(key).or_insert_with(|| {
                            let matrix = rotations(map, input, &layout, fold, grid);
                            if pairs { matrix.paired() } else { matrix }
                        });
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
                        if pairs {
                            new.seconds += matrix.outputs as f64 * seconds(Op::Conjugate, from);
                            new.keys.insert((0, from));
                        }
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
        next.retain(|p| p.memory(ring) <= most.memory && p.bound(ring, batch, asked.objective) <= most.score);
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
