//! What a client is told of a plan, as it travels, and everything that it checks of it.

use hedgerow_crypto::ckks::{EvalKeys, KeyId, Params};
use prost::Message as _;

use super::super::{ServiceError, Sizes};
use crate::linear::{Grid, Layout, Order};
use crate::plan::{MAX_ROUNDS, Plan, Ring};
use crate::scheme::{KeySet, key_plan};

/// Most elements of an input or an output.
const MAX_ELEMENTS: usize = 1 << 24;
/// Largest number in a layout: what a ciphertext can hold is far below.
const MAX_SIDE: u64 = 1 << 20;

/// Most slots of an input or an output: 1 GiB of numbers.
const MAX_SLOTS: usize = 1 << 27;

/// What the client needs of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) ring: Ring,
    pub(super) lanes: usize,
    pub(super) rounds: usize,
    pub(super) order: Order,
    pub(super) input: Layout,
    pub(super) output: Layout,
    pub(super) output_level: usize,
    pub(super) keys: KeySet,
    /// Whether inputs come two in a ciphertext, as real and imaginary parts.
    pub(super) paired: bool,
}

/// The form as it travels.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FormBytes {
    /// log2 N, bits of the scale, bits of the first prime, levels, digits, lanes, level of the output, 1 where positions change
    /// fastest, rounds.
    #[prost(uint64, repeated, tag = "1")]
    ring: Vec<u64>,
    /// Three numbers of a dense layout, seven of an image, ten of an interleaved one, fourteen of windows.
    #[prost(uint64, repeated, tag = "2")]
    input: Vec<u64>,
    #[prost(uint64, repeated, tag = "3")]
    output: Vec<u64>,
    #[prost(uint64, optional, tag = "4")]
    relinearization: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    conjugation: Option<u64>,
    #[prost(uint64, repeated, tag = "6")]
    rotations: Vec<u64>,
    #[prost(uint64, repeated, tag = "7")]
    levels: Vec<u64>,
    #[prost(bool, tag = "8")]
    paired: bool,
}

/// The numbers of a layout.
fn sides(layout: &Layout) -> Vec<u64> {
    layout.sides().iter().map(|side| *side as u64).collect()
}

fn layout(sides: &[u64]) -> Option<Layout> {
    let sides: Vec<usize> = sides
        .iter()
        .map(|side| usize::try_from(*side).unwrap_or(usize::MAX))
        .collect();
    Layout::from_sides(&sides)
}

impl FormBytes {
    pub(super) fn of(form: &Form) -> Self {
        let ring = &form.ring;
        let bits = [ring.log_degree, ring.scale_bits, ring.first_bits].map(u64::from);
        let order = usize::from(form.order == Order::BatchFirst);
        let lanes = form.lanes;
        let counts = [
            ring.levels,
            ring.dnum,
            lanes,
            form.output_level,
            order,
            form.rounds,
        ]
        .map(|n| n as u64);
        Self {
            ring: bits.into_iter().chain(counts).collect(),
            input: sides(&form.input),
            output: sides(&form.output),
            relinearization: form.keys.relinearization.map(|level| level as u64),
            conjugation: form.keys.conjugation.map(|level| level as u64),
            rotations: form.keys.rotations.keys().map(|step| *step as u64).collect(),
            levels: form.keys.rotations.values().map(|level| *level as u64).collect(),
            paired: form.paired,
        }
    }

    pub(super) fn form(&self) -> Option<Form> {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let bits = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let [
            log_degree,
            scale_bits,
            first_bits,
            levels,
            dnum,
            lanes,
            output_level,
            order,
            rounds,
        ] = self.ring[..]
        else {
            return None;
        };
        if self.rotations.len() != self.levels.len() {
            return None;
        }
        let rotations = self.rotations.iter().zip(&self.levels);
        Some(Form {
            ring: Ring {
                log_degree: bits(log_degree),
                scale_bits: bits(scale_bits),
                first_bits: bits(first_bits),
                levels: size(levels),
                dnum: size(dnum),
            },
            lanes: size(lanes),
            rounds: size(rounds),
            order: match order {
                0 => Order::BatchLast,
                1 => Order::BatchFirst,
                _ => return None,
            },
            input: layout(&self.input)?,
            output: layout(&self.output)?,
            output_level: size(output_level),
            keys: KeySet {
                relinearization: self.relinearization.map(size),
                conjugation: self.conjugation.map(size),
                rotations: rotations
                    .map(|(step, level)| (size(*step), size(*level)))
                    .collect(),
            },
            paired: self.paired,
        })
    }
}

impl Form {
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let (first, last) = (plan.steps.first()?, plan.steps.last()?);
        Some(Self {
            ring: plan.ring,
            lanes: plan.lanes,
            rounds: plan.rounds,
            order: plan.order,
            input: first.layout.clone(),
            output: last.layout.clone(),
            output_level: last.level,
            keys: plan.keys().clone(),
            paired: plan.paired,
        })
    }

    /// Checks everything that a server may have made up, before it is used.
    pub(super) fn checked(bytes: &[u8]) -> Result<(Self, Params), ServiceError> {
        const WHAT: &str = "form of a network";
        let wrong = |detail: String| ServiceError::Malformed { what: WHAT, detail };
        let form = FormBytes::decode(bytes)
            .map_err(ServiceError::malformed(WHAT))?
            .form()
            .ok_or_else(|| wrong("a layout that there is not, or lists of two lengths".to_owned()))?;
        if form.ring.levels > 64
            || form.ring.dnum == 0
            || form.ring.dnum > 65
            || form.output_level > form.ring.levels
        {
            return Err(wrong(format!(
                "{} levels, {} digits, output at level {}",
                form.ring.levels, form.ring.dnum, form.output_level
            )));
        }
        // 128 bits, or no parameters.
        let params = form.ring.params().map_err(ServiceError::malformed(WHAT))?;
        let slots = params.slots();
        if form.lanes == 0 || !slots.is_multiple_of(form.lanes) {
            return Err(wrong(format!("{} lanes for {slots} slots", form.lanes)));
        }
        if !(1..=MAX_ROUNDS).contains(&form.rounds) {
            return Err(wrong(format!("{} rounds, at most {MAX_ROUNDS}", form.rounds)));
        }
        for layout in [&form.input, &form.output] {
            let small = sides(layout).into_iter().all(|side| side <= MAX_SIDE);
            if !small || layout.size() > MAX_ELEMENTS {
                return Err(wrong(format!("layout {layout} of more than 2^24 elements")));
            }
            layout
                .check(slots / form.lanes)
                .map_err(ServiceError::malformed(WHAT))?;
            if layout.tiles(slots / form.lanes).saturating_mul(slots) > MAX_SLOTS {
                return Err(wrong(format!("layout {layout} of more than 2^27 slots")));
            }
        }
        if matches!(form.output, Layout::Windows(_)) {
            return Err(wrong("an output as windows".to_owned()));
        }
        let keys = &form.keys;
        let levels = keys
            .rotations
            .values()
            .chain(&keys.relinearization)
            .chain(&keys.conjugation);
        if levels.max().is_some_and(|level| *level > form.ring.levels)
            || keys.rotations.keys().any(|step| *step == 0 || *step >= slots)
        {
            return Err(wrong(
                "keys of other levels or rotations than the ring has".to_owned(),
            ));
        }
        if form.paired && (form.input.tiles(slots / form.lanes) < 2 || keys.conjugation.is_none()) {
            return Err(wrong(
                "inputs two in a ciphertext, but one ciphertext of them, or no key to take them apart"
                    .to_owned(),
            ));
        }
        Ok((form, params))
    }

    /// Rows of a request.
    pub(super) fn batch(&self) -> usize {
        self.lanes * self.rounds
    }

    pub(super) fn positions(&self) -> usize {
        self.ring.slots() / self.lanes
    }

    pub(super) fn grid(&self) -> Grid {
        Grid {
            positions: self.positions(),
            lanes: self.lanes,
            order: self.order,
        }
    }

    pub(super) fn sizes(&self, params: &Params) -> Sizes {
        let plan = key_plan(&self.keys);
        let header = EvalKeys::none(params, KeyId([0; 8])).to_bytes(params).len();
        let keys = &self.keys;
        let levels = keys
            .rotations
            .values()
            .chain(&keys.relinearization)
            .chain(&keys.conjugation);
        let tiles = |layout: &Layout| (self.rounds * layout.tiles(self.positions())) as u64;
        let each = self.input.tiles(self.positions());
        let sent = self.rounds * each.div_ceil(1 + usize::from(self.paired));
        Sizes {
            keys: (header + plan.bytes(params)) as u64,
            keys_memory: levels.map(|level| self.ring.key_bytes(*level)).sum(),
            request: sent as u64 * params.seeded_bytes(self.ring.levels) as u64,
            answer: tiles(&self.output) * params.ciphertext_bytes(self.output_level) as u64,
        }
    }
}
