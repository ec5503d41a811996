//! The search: every ring that the depth allows, and a beam of partial plans over the layouts of each layer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::batches::{Batch, batches, pairs_fit};
use super::compared::{Looked, Work, algorithm};
use super::finish::{finish, mask_bytes, product};
use super::geometry::Geometry;
use super::images::{self, Prices};
use super::partial::{LINK, Partial};
use super::{Asked, Objective, Packing, Plan, PlanError, Ring, Step, StepKind, candidates, fingerprint};
use crate::eval::depth;
use crate::graph::{Graph, GraphError, Node, Operator};
use crate::linear::{Fold, Grid, Interleaved, Layout, Matrix, Steps, Windows, rotations, sampled};
use crate::scheme::Op;

/// Width of the beam.
const BEAM: usize = 4;

/// Products of candidates after which no further packing is looked at, if there is a plan: with thousands of samples in a
/// ciphertext a layer has hundreds of thousands, and a search of all packings took 37 s for LeNet-5, to find what it had found first.
const MOST_PRICED: u64 = 3_000_000;

/// What the search knows of a graph.
struct Known {
    /// The windows of every node that has some.
    geometry: Vec<Option<Geometry>>,
    /// The windows that see the input, where one node alone does.
    first: Option<Geometry>,
    /// For a node whose result meets that of an earlier one slot by slot, the earlier one: both lie alike.
    partner: Vec<Option<usize>>,
    seen: u64,
    /// Products of all candidates: what the search itself costs.
    priced: u64,
    spots: Spots,
    looked: HashMap<(Ring, Grid), Looked>,
}

impl Known {
    fn of(graph: &Graph) -> Self {
        let nodes = graph.nodes();
        let windows = |node: &Node| match &node.operator {
            Operator::Affine(map) => {
                let operand = nodes.get(*node.inputs.first()?)?;
                Geometry::of(map, &operand.shape, &node.shape)
            }
            _ => None,
        };
        let geometry: Vec<_> = nodes.iter().map(windows).collect();
        let mut users = (0..nodes.len()).filter(|&i| nodes[i].inputs.contains(&0));
        let first = match (users.next(), users.next()) {
            (Some(only), None) => geometry.get(only).cloned().flatten(),
            _ => None,
        };
        // The node that decides where the elements of each result are.
        let mut root: Vec<usize> = Vec::with_capacity(nodes.len());
        let mut partner = vec![None; nodes.len()];
        for (i, node) in nodes.iter().enumerate() {
            let of = |n: usize| node.inputs.get(n).and_then(|&operand| root.get(operand)).copied();
            let (left, right) = (of(0), of(1));
            root.push(match node.operator {
                Operator::Input | Operator::Affine(_) => i,
                _ => left.unwrap_or(i),
            });
            if let (Operator::Add | Operator::Sub | Operator::Mul, Some(left), Some(right)) =
                (&node.operator, left, right)
                && left != right
            {
                partner[left.max(right)] = Some(left.min(right));
            }
        }
        Self {
            geometry,
            first,
            partner,
            seen: 0,
            priced: 0,
            spots: HashMap::new(),
            looked: HashMap::new(),
        }
    }
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
    let mut known = Known::of(graph);
    let packings: Vec<Packing> = match known.first {
        Some(_) => asked.packings.clone(),
        None => vec![Packing::Plain],
    };
    let mut found: Vec<(f64, Partial, &Ring, Batch)> = Vec::new();
    let smallest = rings.iter().map(|r| r.log_degree).min().unwrap_or(12);
    let ways: Vec<(Packing, bool)> = packings
        .iter()
        .flat_map(|&packing| [(packing, false), (packing, true)])
        .filter(|&(_, paired)| !paired || pairs_fit(graph))
        .collect();
    let rings = rings.iter().filter(|r| r.log_degree <= smallest + 1);
    let mut all: Vec<(usize, &Ring, Batch)> = rings
        .flat_map(|ring| {
            let batches = batches(ring, asked).into_iter().enumerate();
            batches.map(move |(rank, batch)| (rank, ring, batch))
        })
        .collect();
    // The most promising packing of every ring before the next.
    all.sort_by_key(|(rank, ..)| *rank);
    for (_, ring, batch) in all {
        for &way in &ways {
            if known.priced > MOST_PRICED && !found.is_empty() {
                continue;
            }
            let most = Most {
                memory: asked.max_memory.unwrap_or(u64::MAX),
                score: match asked.max_memory {
                    None => found.iter().map(|f| f.0).fold(f64::INFINITY, f64::min),
                    Some(_) => f64::INFINITY,
                },
            };
            let found_one = beam(graph, &levels, (ring, batch), way, asked, most, &mut known);
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
            plan.candidates = known.seen;
            if let Some(looked) = known.looked.get(&(*ring, batch.0)) {
                plan.compared = looked.compared(&plan, &asked.costs, &partial.work);
            }
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
        candidates: known.seen,
        batch: asked.batch,
        max_memory: asked.max_memory,
        least,
    })
}

/// What a plan in the making may have at most, to be looked at further.
#[derive(Clone, Copy)]
struct Most {
    memory: u64,
    score: f64,
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

/// Layouts of the input of a packing.
fn inputs(
    node: &Node,
    packing: Packing,
    (ring, grid): (&Ring, Grid),
    asked: &Asked,
    known: &mut Known,
) -> Vec<Layout> {
    let level = ring.levels;
    let seconds = |op, level| asked.costs.seconds(op, ring, level, COLD);
    match (packing, &known.first) {
        (Packing::Plain, _) | (_, None) => {
            let layouts = candidates::inputs(&node.shape, grid.positions);
            known.seen += layouts.len() as u64;
            layouts
        }
        (Packing::Interleaved, Some(first)) => {
            let link = match asked.objective {
                Objective::Latency => LINK * ring.fresh_bytes(level) as f64,
                _ => 0.0,
            };
            let prices = Prices {
                steps: asked.costs.steps(ring, level, COLD),
                term: seconds(product(grid, asked.encrypted_model), level),
                after: seconds(Op::Rotate, level.saturating_sub(1)),
                receive: seconds(Op::Receive, level) + link,
            };
            let all = known.geometry.iter().flatten();
            images::interleaved(first, all, grid.positions, &prices, &mut known.seen)
        }
        (Packing::Windows, Some(first)) => images::windows(first, grid.positions, &mut known.seen),
    }
}

fn beam(
    graph: &Graph,
    levels: &[usize],
    (ring, batch): (&Ring, Batch),
    (packing, paired): (Packing, bool),
    asked: &Asked,
    most: Most,
    known: &mut Known,
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
                let receive = asked.costs.seconds(Op::Receive, ring, ring.levels, COLD);
                for layout in inputs(node, packing, (ring, grid), asked, known) {
                    let tiles = layout.tiles(positions);
                    // Several ciphertexts of an image that is spread over them come in pairs, where that is possible.
                    let spread = packing != Packing::Plain && pairs_fit(graph);
                    if (paired && tiles == 1) || (!paired && tiles > 1 && spread) {
                        continue;
                    }
                    let seconds = tiles.div_ceil(1 + usize::from(paired)) as f64 * receive;
                    let step = Step {
                        name: node.name.clone(),
                        kind: StepKind::Input,
                        layout,
                        level: ring.levels,
                    };
                    next.push(Partial {
                        steps: vec![step],
                        seconds,
                        masks: 0,
                        keys: BTreeSet::new(),
                        paired,
                        work: Vec::new(),
                    });
                }
                // All but those that are too dear already: what an input spares, later layers show.
                next.retain(|partial| partial.bound(ring, batch, asked.objective) <= most.score);
                if next.is_empty() {
                    return None;
                }
                beam = next;
                continue;
            }
            Operator::Affine(map) => {
                let source = node.inputs[0];
                let from = levels[source];
                let cost = asked.costs.steps(ring, from, COLD);
                let last = i + 1 == graph.nodes().len();
                let geometry = known.geometry[i].as_ref();
                let partner = known.partner[i];
                let looked = known.looked.entry((*ring, grid)).or_default();
                for partial in &beam {
                    let input = &partial.steps[source].layout;
                    let mut all = candidates::outputs(&node.shape, input, geometry, grid);
                    if let Some(partner) = partner {
                        candidates::like(&mut all, &partial.steps[partner].layout);
                    }
                    for candidate in all {
                        let (layout, fold) = (candidate.layout, candidate.fold);
                        known.seen += 1;
                        if last && !asked.encrypted_model && !candidates::clean(&layout, fold) {
                            continue;
                        }
                        let pairs = paired && source == 0;
                        let key = (i, input.clone(), layout.clone(), fold, spot, pairs);
                        let matrix = known.spots.entry(key).or_insert_with(|| {
                            let matrix = match (geometry, candidate.residues) {
                                (Some(geometry), Some(residues)) => {
                                    let rows = geometry.sample(residues);
                                    sampled(map, rows, input, &layout, fold, grid)
                                }
                                _ => rotations(map, input, &layout, fold, grid),
                            };
                            if pairs { matrix.paired() } else { matrix }
                        });
                        let pitch = match *input {
                            Layout::Image { pitch, .. }
                            | Layout::Interleaved(Interleaved { pitch, .. })
                            | Layout::Windows(Windows { block: pitch, .. }) => pitch,
                            Layout::Dense { .. } => 1,
                        };
                        let steps = Steps::cheapest(matrix, grid, pitch, cost);
                        let used = steps.used(matrix, grid);
                        known.priced += used.terms as u64;
                        let work = Work::new(matrix, &used, fold, pairs);
                        let kind = (asked.encrypted_model, COLD);
                        let seconds = work.seconds(&asked.costs, ring, grid, from, kind);
                        looked.note(i, algorithm(input, &layout, fold, grid.order), seconds, work);
                        let mut new = partial.clone();
                        new.seconds += seconds;
                        new.work.push((i, work));
                        if pairs {
                            new.keys.insert((0, from));
                        }
                        new.masks += used.terms as u64 * mask_bytes(ring, grid, asked.encrypted_model, from);
                        let turns = used
                            .babies
                            .iter()
                            .chain(&used.giants)
                            .map(|&(_, step)| step.rem_euclid(grid.turns() as i64) as usize);
                        new.keys.extend(turns.map(|step| (step, from)));
                        new.keys
                            .extend(fold.rotations().into_iter().map(|step| (step, level)));
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
