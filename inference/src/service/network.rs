//! Networks behind the seam: CKKS on both sides. The plan stays at the server; a client is told the ring, where inputs
//! and outputs are among the slots, and which keys to make.

use std::sync::Arc;

use hedgerow_crypto::ckks::{Ciphertext, EvalKeys, KeyId, KeyPlan, Params, SeededCiphertext};
use hedgerow_crypto::seed::Seed;
use prost::Message as _;
use rand_core::CryptoRng;

use super::{Asking, Hosted, Meaning, Offer, Rows, Scores, ServiceError, Sizes};
use crate::eval::{EvalError, Prepared};
use crate::graph::Graph;
use crate::linear::{Grid, Layout, Order};
use crate::plan::{Plan, Ring};
use crate::scheme::{Ckks, CkksClient, KeySet, Scheme, SchemeError, key_plan};

/// What an offer of a network says it is.
pub const KIND: &str = "network";
/// Largest keys that a client makes, bytes.
const MAX_KEYS: u64 = 8 << 30;
/// Most elements of an input or an output.
const MAX_ELEMENTS: usize = 1 << 24;
/// Largest number in a layout: what a ciphertext can hold is far below.
const MAX_SIDE: u64 = 1 << 20;

const LEAKAGE: &str = "The server learns which client asks, when, and how many requests; the client learns the outputs, \
the network's input and output sizes and the set of rotations that its plan uses, and by many queries much about the network \
(limit them).";

/// What the client needs of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    ring: Ring,
    lanes: usize,
    order: Order,
    input: Layout,
    output: Layout,
    output_level: usize,
    keys: KeySet,
}

/// The form as it travels.
#[derive(Clone, PartialEq, prost::Message)]
struct FormBytes {
    /// log2 N, bits of the scale, bits of the first prime, levels, digits, lanes, level of the output, 1 where positions change
    /// fastest.
    #[prost(uint64, repeated, tag = "1")]
    ring: Vec<u64>,
    /// Three numbers of a dense layout, or seven of an image.
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
}

/// The numbers of a layout.
fn sides(layout: &Layout) -> Vec<u64> {
    let sides: &[usize] = match layout {
        Layout::Dense { size, period, copies } => &[*size, *period, *copies],
        Layout::Image {
            channels,
            height,
            width,
            gap,
            pitch,
            block,
            copies,
        } => &[*channels, *height, *width, *gap, *pitch, *block, *copies],
    };
    sides.iter().map(|side| *side as u64).collect()
}

fn layout(sides: &[u64]) -> Option<Layout> {
    let sides: Vec<usize> = sides
        .iter()
        .map(|side| usize::try_from(*side).unwrap_or(usize::MAX))
        .collect();
    match sides[..] {
        [size, period, copies] => Some(Layout::Dense { size, period, copies }),
        [channels, height, width, gap, pitch, block, copies] => Some(Layout::Image {
            channels,
            height,
            width,
            gap,
            pitch,
            block,
            copies,
        }),
        _ => None,
    }
}

impl FormBytes {
    fn of(form: &Form) -> Self {
        let ring = &form.ring;
        let bits = [ring.log_degree, ring.scale_bits, ring.first_bits].map(u64::from);
        let order = usize::from(form.order == Order::BatchFirst);
        let counts = [ring.levels, ring.dnum, form.lanes, form.output_level, order].map(|n| n as u64);
        Self {
            ring: bits.into_iter().chain(counts).collect(),
            input: sides(&form.input),
            output: sides(&form.output),
            relinearization: form.keys.relinearization.map(|level| level as u64),
            conjugation: form.keys.conjugation.map(|level| level as u64),
            rotations: form.keys.rotations.keys().map(|step| *step as u64).collect(),
            levels: form.keys.rotations.values().map(|level| *level as u64).collect(),
        }
    }

    fn form(&self) -> Option<Form> {
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
        })
    }
}

fn evaluation(error: SchemeError) -> ServiceError {
    ServiceError::Evaluation(error.to_string())
}

impl Form {
    fn of(plan: &Plan) -> Option<Self> {
        let (first, last) = (plan.steps.first()?, plan.steps.last()?);
        Some(Self {
            ring: plan.ring,
            lanes: plan.lanes,
            order: plan.order,
            input: first.layout.clone(),
            output: last.layout.clone(),
            output_level: last.level,
            keys: plan.keys().clone(),
        })
    }

    /// Checks everything that a server may have made up, before it is used.
    fn checked(bytes: &[u8]) -> Result<(Self, Params), ServiceError> {
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
        for layout in [&form.input, &form.output] {
            let small = sides(layout).into_iter().all(|side| side <= MAX_SIDE);
            if !small || layout.size() > MAX_ELEMENTS {
                return Err(wrong(format!("layout {layout} of more than 2^24 elements")));
            }
            layout
                .check(slots / form.lanes)
                .map_err(ServiceError::malformed(WHAT))?;
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
        Ok((form, params))
    }

    fn positions(&self) -> usize {
        self.ring.slots() / self.lanes
    }

    fn grid(&self) -> Grid {
        Grid {
            positions: self.positions(),
            lanes: self.lanes,
            order: self.order,
        }
    }

    fn sizes(&self, params: &Params) -> Sizes {
        let plan = key_plan(&self.keys);
        let header = EvalKeys::none(params, KeyId([0; 8])).to_bytes(params).len();
        let keys = &self.keys;
        let levels = keys
            .rotations
            .values()
            .chain(&keys.relinearization)
            .chain(&keys.conjugation);
        let tiles = |layout: &Layout| layout.tiles(self.positions()) as u64;
        Sizes {
            keys: (header + plan.bytes(params)) as u64,
            keys_memory: levels.map(|level| self.ring.key_bytes(*level)).sum(),
            request: tiles(&self.input) * params.seeded_bytes(self.ring.levels) as u64,
            answer: tiles(&self.output) * params.ciphertext_bytes(self.output_level) as u64,
        }
    }
}

/// Cuts bytes into parts of one size.
fn parts<'a>(
    what: &'static str,
    bytes: &'a [u8],
    total: u64,
    each: usize,
) -> Result<std::slice::ChunksExact<'a, u8>, ServiceError> {
    if bytes.len() as u64 == total {
        return Ok(bytes.chunks_exact(each));
    }
    Err(ServiceError::Size {
        what,
        actual: bytes.len() as u64,
        expected: total,
        exact: true,
    })
}

/// A network in the clear at the server, evaluated on what clients encrypted.
pub struct HostedNetwork {
    name: String,
    form: Form,
    sizes: Sizes,
    params: Params,
    planned: KeyPlan,
    prepared: Prepared<Ckks>,
}

impl HostedNetwork {
    /// Encodes the weights of `graph` as its plan says. `compact` keeps them as coefficients, see [`Ckks::compact`].
    ///
    /// # Errors
    /// A plan for another model, or what the scheme refuses.
    pub fn new(name: &str, graph: &Graph, plan: &Plan, compact: bool) -> Result<Self, EvalError> {
        let failed = |source| EvalError::Scheme {
            node: name.to_owned(),
            source,
        };
        let params = plan
            .ring
            .params()
            .map_err(|error| failed(SchemeError::Backend(error.to_string())))?;
        // Encoding needs no keys: one encoding serves all clients.
        let keys = Arc::new(EvalKeys::none(&params, KeyId([0; 8])));
        let encoder = Ckks::new(&params, keys).map_err(failed)?.compact(compact);
        let prepared = Prepared::new(&encoder, graph, plan)?;
        let form = Form::of(plan).ok_or_else(|| failed(SchemeError::Empty { operation: "plan" }))?;
        Ok(Self {
            name: name.to_owned(),
            sizes: form.sizes(&params),
            planned: key_plan(&form.keys),
            form,
            params,
            prepared,
        })
    }
}

impl Hosted for HostedNetwork {
    type Keys = Arc<EvalKeys>;

    fn offer(&self) -> Offer {
        Offer {
            kind: KIND.to_owned(),
            model: self.name.clone(),
            mode: "ckks".to_owned(),
            leakage: LEAKAGE.to_owned(),
            rows: self.form.lanes as u64,
            sizes: self.sizes,
            form: FormBytes::of(&self.form).encode_to_vec(),
        }
    }

    fn keys(&self, bytes: &[u8]) -> Result<Arc<EvalKeys>, ServiceError> {
        const WHAT: &str = "evaluation keys";
        let _whole = parts(WHAT, bytes, self.sizes.keys, 1)?;
        let memory = usize::try_from(self.sizes.keys_memory).unwrap_or(usize::MAX);
        let keys =
            EvalKeys::from_bytes(&self.params, bytes, memory).map_err(ServiceError::malformed(WHAT))?;
        keys.check(&self.params, &self.planned)
            .map_err(ServiceError::malformed(WHAT))?;
        Ok(Arc::new(keys))
    }

    fn answer(
        &self,
        keys: &Arc<EvalKeys>,
        request: &[u8],
        _: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError> {
        const WHAT: &str = "request";
        let levels = self.form.ring.levels;
        let mut inputs = Vec::new();
        for part in parts(
            WHAT,
            request,
            self.sizes.request,
            self.params.seeded_bytes(levels),
        )? {
            let fresh =
                SeededCiphertext::from_bytes(&self.params, part).map_err(ServiceError::malformed(WHAT))?;
            let input = fresh
                .expand(&self.params)
                .map_err(ServiceError::malformed(WHAT))?;
            if input.key() != keys.id() {
                return Err(ServiceError::Foreign {
                    what: "ciphertext under the key",
                    actual: input.key().to_string(),
                    expected: keys.id().to_string(),
                });
            }
            inputs.push(input);
        }
        passed("read the request");
        let scheme = Ckks::new(&self.params, Arc::clone(keys)).map_err(evaluation)?;
        let outputs = self
            .prepared
            .run_traced(&scheme, &inputs, |_, trace| passed(&trace.node))
            .map_err(|error| ServiceError::Evaluation(error.to_string()))?;
        let mut answer = Vec::new();
        for mut output in outputs {
            scheme
                .align(&mut output, self.form.output_level)
                .map_err(evaluation)?;
            answer.extend(output.to_bytes());
        }
        Ok(answer)
    }
}

/// The client of a network that somebody offers.
pub struct AskingNetwork {
    form: Form,
    sizes: Sizes,
    params: Params,
    client: CkksClient,
    seed: Seed,
    asked: usize,
}

impl AskingNetwork {
    /// A client with keys from `seed`, and of this offer alone.
    ///
    /// # Errors
    /// An offer of another kind, parameters below 128 bits, layouts that fit no ciphertext, sizes that are not those of
    /// the form, keys of more than 8 GiB.
    pub fn new(offer: &Offer, seed: &Seed) -> Result<Self, ServiceError> {
        if offer.kind != KIND {
            return Err(ServiceError::Foreign {
                what: "offer",
                actual: format!("kind {:?}", offer.kind),
                expected: format!("kind {KIND:?}"),
            });
        }
        let (form, params) = Form::checked(&offer.form)?;
        let sizes = form.sizes(&params);
        ServiceError::at_most("evaluation keys", sizes.keys, MAX_KEYS)?;
        if sizes != offer.sizes || offer.rows != form.lanes as u64 {
            return Err(ServiceError::Malformed {
                what: "offer",
                detail: format!("sizes {:?}, expected {sizes:?}", offer.sizes),
            });
        }
        let digest = offer.digest();
        let client = CkksClient::new(&params, &seed.derive("network secret key", digest.as_bytes()));
        Ok(Self {
            client,
            seed: seed.derive("network evaluation keys", digest.as_bytes()),
            sizes,
            form,
            params,
            asked: 0,
        })
    }
}

impl Asking for AskingNetwork {
    fn keys(&self) -> Result<Vec<u8>, ServiceError> {
        let keys = self
            .client
            .keys(&self.form.keys, &mut self.seed.rng())
            .map_err(evaluation)?;
        Ok(keys.to_bytes(&self.params))
    }

    fn request(&mut self, rows: &Rows, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, ServiceError> {
        let wrong = |what, actual: usize, expected: String| ServiceError::Rows {
            what,
            actual: actual.to_string(),
            expected,
        };
        if rows.width() != self.form.input.size() {
            let expected = self.form.input.size().to_string();
            return Err(wrong("values of a row", rows.width(), expected));
        }
        if rows.is_empty() || rows.len() > self.form.lanes {
            return Err(wrong(
                "rows of a request",
                rows.len(),
                format!("1 to {}", self.form.lanes),
            ));
        }
        let samples: Vec<Vec<f64>> = rows.iter().map(<[f64]>::to_vec).collect();
        if let Some(row) = samples
            .iter()
            .position(|row| row.iter().any(|value| !value.is_finite()))
        {
            return Err(wrong(
                "row with a missing or infinite value",
                row + 1,
                "finite numbers: a network has no missing values".to_owned(),
            ));
        }
        let mut request = Vec::new();
        for slots in self.form.input.pack(&samples, self.form.grid()) {
            let fresh = self
                .client
                .encrypt(self.form.ring.levels, &slots, rng)
                .map_err(evaluation)?;
            request.extend(fresh.to_bytes());
        }
        self.asked = rows.len();
        Ok(request)
    }

    fn open(&self, answer: &[u8]) -> Result<Scores, ServiceError> {
        const WHAT: &str = "answer";
        let each = self.params.ciphertext_bytes(self.form.output_level);
        let mut slots = Vec::new();
        for part in parts(WHAT, answer, self.sizes.answer, each)? {
            let output = Ciphertext::from_bytes(&self.params, part).map_err(ServiceError::malformed(WHAT))?;
            slots.push(self.client.decrypt(&output).map_err(evaluation)?);
        }
        let rows = self.form.output.unpack(&slots, self.asked, self.form.grid());
        Ok(Scores {
            width: self.form.output.size(),
            values: rows.into_iter().flatten().collect(),
            meaning: Meaning::Logits,
        })
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
