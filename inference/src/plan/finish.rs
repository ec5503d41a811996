//! The end of a search: exact operations, keys and bytes of the plan that was found.

use super::cost::key_bytes;
use super::{Asked, NodeShape, Plan, PlanError, Prediction, Ring, Step, VERSION, structure};
use crate::graph::Graph;
use crate::linear::{Grid, Order};
use crate::scheme::{Op, Tally};

/// The product that a mask costs.
pub(super) fn product(grid: Grid, encrypted: bool) -> Op {
    match grid.order {
        _ if encrypted => Op::Tensor,
        Order::BatchFirst => Op::MulPeriodic,
        _ => Op::MulPlain,
    }
}

/// Bytes of a mask at a level.
pub(super) fn mask_bytes(ring: &Ring, grid: Grid, encrypted: bool, level: usize) -> u64 {
    match grid.order {
        _ if encrypted => 2 * ring.limb_bytes(level + 1),
        Order::BatchFirst => 8 * (level as u64 + 1) * (2 * grid.positions).max(16) as u64,
        _ => ring.limb_bytes(level + 1),
    }
}

/// Runs the plan over levels and scales only: exact operations and keys, and what they cost.
pub(super) fn finish(
    graph: &Graph,
    model: &str,
    steps: Vec<Step>,
    ring: &Ring,
    (grid, rounds): (Grid, usize),
    paired: bool,
    asked: &Asked,
) -> Result<Plan, PlanError> {
    let (costs, encrypted) = (&asked.costs, asked.encrypted_model);
    let mut plan = Plan {
        version: VERSION,
        name: graph.name().to_owned(),
        model: model.to_owned(),
        ring: *ring,
        lanes: grid.lanes,
        rounds,
        order: grid.order,
        paired,
        steps,
        structure: None,
        tally: Tally::default(),
        predicted: Prediction::default(),
        candidates: 0,
        compared: Vec::new(),
    };
    let shapes = structure(graph, &plan);
    if encrypted {
        // A digest of the weights would let the server test guesses of them.
        plan.model = String::new();
        plan.structure = Some(shapes.clone());
    }
    plan.tally = plan.simulate(&shapes)?;
    let output_level = plan.steps.last().map_or(0, |s| s.level);
    let key_bytes = key_bytes(ring, &plan.tally.keys);
    let model_bytes = shapes.iter().enumerate().map(|(i, shape)| match shape {
        NodeShape::Linear { map, bias } => {
            let added = if *bias { map.outputs.len() as u64 } else { 0 };
            let halves = if encrypted { 2 } else { 1 };
            map.terms() as u64 * mask_bytes(ring, grid, encrypted, plan.operand_level(i))
                + added * halves * ring.limb_bytes(plan.steps[i].level + 1)
        }
        _ => 0,
    });
    let model_bytes = model_bytes.sum();
    plan.predicted = Prediction {
        seconds: costs.total(&plan.tally, ring, key_bytes + model_bytes),
        receive_seconds: plan.input_ciphertexts() as f64 * costs.seconds(Op::Receive, ring, ring.levels, 0.0),
        input_bytes: plan.input_ciphertexts() as u64 * ring.fresh_bytes(ring.levels),
        output_bytes: plan.output_ciphertexts() as u64 * ring.ciphertext_bytes(output_level),
        key_bytes,
        model_bytes,
    };
    Ok(plan)
}
