//! Plans of networks that are too large to write down their maps, from shapes alone and without running them.
//!
//! What [`plan`](fn@super::plan) counts exactly is estimated here: diagonals, rotations and masks of each layer from its
//! geometry. Where the depth exceeds what a ring has, the plan holds refresh points. Nothing here can be run before
//! refreshing is built; what a plan lacks to run is in [`OutlinePlan::missing`].

mod algorithm;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::algorithm::{Prices, Shape, Work};
use super::{Asked, Objective, PlanError, Prediction, Ring};
use crate::graph::{Outline, PartKind};
use crate::linear::{Grid, Order};
use crate::scheme::Op;

/// How a layer is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// Packed by the client.
    Packed,
    /// A convolution as one sparse Toeplitz matrix over multiplexed channels (Orion; Ebel et al., ASPLOS 2025, section 4).
    Toeplitz,
    /// A pooling by rotations and sums, which leaves its results apart.
    RotateSum,
    /// A convolution between images interleaved over tiles (HElayers, PETS 2023, section 5).
    Interleaved,
    /// A convolution whose windows the client packed: im2col.
    ImageToColumn,
    /// A matrix by its generalised diagonals, baby steps and giant steps.
    Diagonals,
    /// A matrix by its generalised diagonals, with partial sums that rotate-and-sum adds up.
    PartialSums,
    /// A matrix of numbers that repeat over the slots: the batch across the slots.
    Periodic,
    /// Slot by slot.
    SlotBySlot,
    /// Nothing: elements stay where they are.
    Stay,
}

/// How masks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Masks {
    /// Transformed.
    Ready,
    /// As coefficients, transformed at each use: as many times smaller as they have primes.
    Coefficients,
}

/// Ciphertexts that are refreshed before a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// The part whose result is refreshed.
    pub source: String,
    /// Its ciphertexts.
    pub ciphertexts: u64,
}

/// One part of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlineStep {
    /// Name of the part.
    pub name: String,
    /// How it is computed.
    pub algorithm: Algorithm,
    /// What is refreshed before.
    pub refresh: Vec<Refresh>,
    /// Level of the result.
    pub level: usize,
    /// Ciphertexts of the result.
    pub ciphertexts: u64,
    /// Masks.
    pub masks: u64,
    /// Rotations, hoisted or not.
    pub rotations: u64,
    /// Seconds, one thread.
    pub seconds: f64,
}

/// A plan from shapes alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutlinePlan {
    /// Name of the model.
    pub name: String,
    /// Degree, primes and digits.
    pub ring: Ring,
    /// Samples in a ciphertext.
    pub lanes: usize,
    /// Which of sample and position changes from slot to slot.
    pub order: Order,
    /// How masks are kept.
    pub masks: Masks,
    /// Level of a fresh and of a refreshed ciphertext.
    pub usable: usize,
    /// The parts.
    pub steps: Vec<OutlineStep>,
    /// What it should cost, refreshing not included.
    pub predicted: Prediction,
    /// Ciphertexts that are refreshed.
    pub refreshed: u64,
    /// Seconds of refreshing, as assumed: so many rotations and products at the top level.
    pub refresh_seconds: f64,
    /// How many candidates the search looked at.
    pub candidates: u64,
    /// What has to be there before this can run.
    pub missing: Vec<String>,
}

/// What refreshing one ciphertext is taken to cost, as it is not built: levels that it uses itself, rotations and products
/// at the top level (the order of magnitude of Bossuat et al., Eurocrypt 2021, table 5).
pub const REFRESH: (usize, u64, u64) = (15, 120, 30);

/// Beyond so many levels the scale has at least so many bits: errors add up, and LeNet-5's 26 bits over 9 levels leave 5.7.
const DEEP: (usize, u32) = (16, 35);

/// The best plan for the shapes of a network.
///
/// # Errors
/// Constraints that no candidate satisfies; no ring for even a single layer between two refreshes.
pub fn outline(outline: &Outline, asked: &Asked) -> Result<OutlinePlan, PlanError> {
    let own = |kind: PartKind| match kind {
        PartKind::Input | PartKind::Sum => 0,
        PartKind::Activation => asked.degree.max(2).next_power_of_two().ilog2() as usize + 1,
        _ => 1,
    };
    let mut below: Vec<usize> = Vec::new();
    for part in &outline.parts {
        let deepest = part.inputs.iter().map(|&i| below[i]).max().unwrap_or(0);
        below.push(deepest + own(part.kind));
    }
    let depth = below.iter().copied().max().unwrap_or(0);
    let step = outline.parts.iter().map(|part| own(part.kind)).max().unwrap_or(1);
    let mut rings: Vec<(Ring, usize)> = Vec::new();
    let least_bits = if depth > DEEP.0 {
        asked.least_scale_bits.max(DEEP.1)
    } else {
        asked.least_scale_bits
    };
    let whole = Ring::choices(depth, asked.scale_bits, least_bits);
    rings.extend(whole.into_iter().map(|ring| (ring, depth)));
    if rings.is_empty() {
        for usable in step..=40 {
            let all = Ring::choices(
                usable + REFRESH.0,
                asked.scale_bits,
                asked.least_scale_bits.max(35),
            );
            rings.extend(all.into_iter().map(|ring| (ring, usable)));
        }
    }
    if rings.is_empty() {
        let (levels, scale_bits) = (step + REFRESH.0, asked.least_scale_bits);
        return Err(PlanError::Depth { levels, scale_bits });
    }
    let mut search = Search {
        outline,
        asked,
        seen: 0,
        least: u64::MAX,
        best: None,
    };
    for (ring, usable) in &rings {
        let mut all = super::batches::grids(ring, asked);
        if asked.objective != Objective::Throughput {
            // A plane of an image per ciphertext or less: few samples beside each other.
            all.truncate(2);
        }
        for grid in all {
            for masks in [Masks::Ready, Masks::Coefficients] {
                search.candidate(ring, *usable, grid, masks, &own);
            }
        }
    }
    let (candidates, least) = (search.seen, search.least);
    let Some((_, mut plan)) = search.best else {
        return Err(PlanError::Constraints {
            candidates,
            batch: asked.batch,
            max_memory: asked.max_memory,
            least: (least < u64::MAX).then_some(least),
        });
    };
    plan.candidates = candidates;
    if plan.refreshed > 0 {
        plan.missing.push("refreshing ciphertexts is not built".into());
    }
    if !outline.complete {
        plan.missing
            .push("the file declares weights and does not hold them".into());
    }
    if outline.parts.iter().any(|part| part.kind == PartKind::Activation) {
        plan.missing.push(format!(
            "activations are to be replaced by polynomials of degree {}",
            asked.degree.max(2)
        ));
    }
    Ok(plan)
}

struct Search<'a> {
    outline: &'a Outline,
    asked: &'a Asked,
    seen: u64,
    least: u64,
    best: Option<(f64, OutlinePlan)>,
}

impl Search<'_> {
    fn candidate(
        &mut self,
        ring: &Ring,
        usable: usize,
        grid: Grid,
        masks: Masks,
        own: &impl Fn(PartKind) -> usize,
    ) {
        let asked = self.asked;
        let prices = Prices::new(&asked.costs, ring, masks, asked.encrypted_model);
        let shape = Shape::new(self.outline, grid);
        let (mut steps, mut levels, mut layouts) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seconds, mut mask_bytes, mut refreshed) = (0.0, 0, 0);
        let mut keys: BTreeMap<u64, usize> = BTreeMap::new();
        for part in &self.outline.parts {
            let need = own(part.kind);
            let mut refresh = Vec::new();
            for &i in &part.inputs {
                if levels[i] < need {
                    let source = &self.outline.parts[i];
                    let (_, ciphertexts): (_, u64) = layouts[i];
                    refreshed += ciphertexts;
                    levels[i] = usable;
                    refresh.push(Refresh {
                        source: source.name.clone(),
                        ciphertexts,
                    });
                }
            }
            let from = part.inputs.iter().map(|&i| levels[i]).min().unwrap_or(usable);
            let options = shape.options(self.outline, part, &layouts, asked.degree.max(2));
            self.seen += options.len() as u64;
            let priced = options
                .into_iter()
                .map(|work: Work| (work.seconds(&prices, from), work));
            let Some((time, work)) = priced.min_by(|a, b| a.0.total_cmp(&b.0)) else {
                return;
            };
            seconds += time;
            mask_bytes += work.mask_bytes(ring, grid, masks, from, asked.encrypted_model);
            // Babies and giants, each a key: those of different layers are mostly the same small steps.
            let level = keys.entry(work.keys()).or_default();
            *level = from.max(*level);
            layouts.push((work.layout, work.tiles.1));
            levels.push(from - need);
            steps.push(OutlineStep {
                name: part.name.clone(),
                algorithm: work.algorithm,
                refresh,
                level: from - need,
                ciphertexts: work.tiles.1,
                masks: work.masks,
                rotations: work.rotations(),
                seconds: time,
            });
        }
        let (_, rotations, products) = REFRESH;
        let refresh_seconds = refreshed as f64
            * (rotations as f64 * prices.at(Op::Rotate, ring.levels)
                + products as f64 * prices.at(Op::Mul, ring.levels));
        let most = keys.iter().next_back().map_or(0, |(count, _)| *count);
        let top = keys.values().copied().max().unwrap_or(0);
        let key_bytes = (most + 1) * ring.key_bytes(top)
            + if refreshed > 0 {
                60 * ring.key_bytes(ring.levels)
            } else {
                0
            };
        let (first, last) = (steps.first(), steps.last());
        let predicted = Prediction {
            seconds,
            receive_seconds: 0.0,
            input_bytes: first.map_or(0, |s| s.ciphertexts) * ring.fresh_bytes(usable),
            output_bytes: last.map_or(0, |s| s.ciphertexts * ring.ciphertext_bytes(s.level)),
            key_bytes,
            model_bytes: mask_bytes,
        };
        self.least = self.least.min(predicted.memory());
        if asked.max_memory.is_some_and(|most| predicted.memory() > most) {
            return;
        }
        let score = match asked.objective {
            Objective::Latency => seconds + refresh_seconds,
            Objective::Throughput => (seconds + refresh_seconds) / grid.lanes as f64,
            Objective::Memory => predicted.memory() as f64,
            Objective::Client => (predicted.input_bytes + predicted.output_bytes) as f64 + 1e-3 * seconds,
        };
        if self.best.as_ref().is_none_or(|(best, _)| score < *best) {
            let plan = OutlinePlan {
                name: self.outline.name.clone(),
                ring: *ring,
                lanes: grid.lanes,
                order: grid.order,
                masks,
                usable,
                steps,
                predicted,
                refreshed,
                refresh_seconds,
                candidates: 0,
                missing: Vec::new(),
            };
            self.best = Some((score, plan));
        }
    }
}
