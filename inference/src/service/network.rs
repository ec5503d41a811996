//! Networks behind the seam: CKKS on both sides. The plan stays at the server; a client is told the ring, where inputs
//! and outputs are among the slots, and which keys to make.

pub mod encrypted;
mod form;

use std::sync::Arc;

use hedgerow_crypto::ckks::{Ciphertext, EvalKeys, KeyId, Params, SeededCiphertext};
use hedgerow_crypto::seed::Seed;
use prost::Message as _;
use rand_core::CryptoRng;

use super::{Asking, Hosted, Meaning, Offer, Rows, Scores, ServiceError, Sizes};
use crate::eval::{EvalError, Prepared, Program, pack, pairs, unpack};
use crate::graph::Graph;
use crate::plan::Plan;
use crate::scheme::{Ckks, CkksClient, Rooms, Scheme, SchemeError, key_plan};

use form::{Form, FormBytes};

/// What an offer of a network says it is.
pub const KIND: &str = "network";
/// Largest keys that a client makes, bytes.
const MAX_KEYS: u64 = 8 << 30;

const LEAKAGE: &str = "The server learns which client asks, when, and how many requests; the client learns the outputs, \
the network's input and output sizes and the set of rotations that its plan uses, and by many queries much about the network \
(limit them).";

fn evaluation(error: SchemeError) -> ServiceError {
    ServiceError::Evaluation(error.to_string())
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
    prepared: Prepared<Ckks>,
    rooms: Arc<Rooms>,
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
            form,
            params,
            prepared,
            rooms: Arc::default(),
        })
    }
}

/// Evaluation keys of the size that the form says, decoded and checked.
fn read_keys(form: &Form, params: &Params, bytes: &[u8]) -> Result<Arc<EvalKeys>, ServiceError> {
    const WHAT: &str = "evaluation keys";
    let sizes = form.sizes(params);
    let _whole = parts(WHAT, bytes, sizes.keys, 1)?;
    let memory = usize::try_from(sizes.keys_memory).unwrap_or(usize::MAX);
    let keys = EvalKeys::from_bytes(params, bytes, memory).map_err(ServiceError::malformed(WHAT))?;
    keys.check(params, &key_plan(&form.keys))
        .map_err(ServiceError::malformed(WHAT))?;
    Ok(Arc::new(keys))
}

/// A fresh ciphertext under a key, with both halves.
fn read_fresh(
    what: &'static str,
    params: &Params,
    key: KeyId,
    bytes: &[u8],
) -> Result<Ciphertext, ServiceError> {
    let fresh = SeededCiphertext::from_bytes(params, bytes).map_err(ServiceError::malformed(what))?;
    let input = fresh.expand(params).map_err(ServiceError::malformed(what))?;
    if input.key() == key {
        return Ok(input);
    }
    Err(ServiceError::Foreign {
        what: "ciphertext under the key",
        actual: input.key().to_string(),
        expected: key.to_string(),
    })
}

/// The answer to a request, round by round: one round's ciphertexts are in memory at a time.
fn answer(
    program: &Program<Ckks>,
    (form, params, rooms): (&Form, &Params, &Arc<Rooms>),
    keys: &Arc<EvalKeys>,
    request: &[u8],
    passed: &mut dyn FnMut(&str),
) -> Result<Vec<u8>, ServiceError> {
    const WHAT: &str = "request";
    let scheme = Ckks::new(params, Arc::clone(keys)).map_err(evaluation)?;
    let scheme = scheme.sharing(Arc::clone(rooms));
    let each = params.seeded_bytes(form.ring.levels);
    let mut fresh = parts(WHAT, request, form.sizes(params).request, each)?;
    let count = fresh.len() / form.rounds.max(1);
    let mut answer = Vec::new();
    for _ in 0..form.rounds {
        let inputs = fresh.by_ref().take(count);
        let inputs: Vec<_> = inputs
            .map(|part| read_fresh(WHAT, params, keys.id(), part))
            .collect::<Result<_, _>>()?;
        passed("read the request");
        let outputs = program
            .run_round(&scheme, &inputs, |_, trace| passed(&trace.node))
            .map_err(|error| ServiceError::Evaluation(error.to_string()))?;
        for mut output in outputs {
            scheme.align(&mut output, form.output_level).map_err(evaluation)?;
            answer.extend(output.to_bytes());
        }
    }
    Ok(answer)
}

impl Hosted for HostedNetwork {
    type Keys = Arc<EvalKeys>;

    fn offer(&self) -> Offer {
        Offer {
            kind: KIND.to_owned(),
            model: self.name.clone(),
            mode: "ckks".to_owned(),
            leakage: LEAKAGE.to_owned(),
            rows: self.form.batch() as u64,
            sizes: self.sizes,
            form: FormBytes::of(&self.form).encode_to_vec(),
        }
    }

    fn keys(&self, bytes: &[u8]) -> Result<Arc<EvalKeys>, ServiceError> {
        read_keys(&self.form, &self.params, bytes)
    }

    fn answer(
        &self,
        keys: &Arc<EvalKeys>,
        request: &[u8],
        _: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError> {
        let own = (&self.form, &self.params, &self.rooms);
        answer(self.prepared.program(), own, keys, request, passed)
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
        Self::with(offer, seed, form, params, sizes)
    }

    /// A client of a form that was checked, where an offer says these sizes.
    fn with(
        offer: &Offer,
        seed: &Seed,
        form: Form,
        params: Params,
        expected: Sizes,
    ) -> Result<Self, ServiceError> {
        ServiceError::at_most("evaluation keys", expected.keys, MAX_KEYS)?;
        if expected != offer.sizes || offer.rows != form.batch() as u64 {
            return Err(ServiceError::Malformed {
                what: "offer",
                detail: format!("sizes {:?}, expected {expected:?}", offer.sizes),
            });
        }
        let digest = offer.digest();
        let client = CkksClient::new(&params, &seed.derive("network secret key", digest.as_bytes()));
        Ok(Self {
            client,
            seed: seed.derive("network evaluation keys", digest.as_bytes()),
            sizes: form.sizes(&params),
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
        if rows.is_empty() || rows.len() > self.form.batch() {
            return Err(wrong(
                "rows of a request",
                rows.len(),
                format!("1 to {}", self.form.batch()),
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
        let (input, grid) = (&self.form.input, self.form.grid());
        let tiles = pack(input, &samples, grid, self.form.rounds);
        for slots in pairs(tiles, input.tiles(grid.positions), self.form.paired) {
            let fresh = self
                .client
                .encrypt_complex(self.form.ring.levels, &slots, rng)
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
        let rows = unpack(&self.form.output, &slots, self.asked, self.form.grid());
        Ok(Scores {
            width: self.form.output.size(),
            values: rows.into_iter().flatten().collect(),
            meaning: Meaning::Logits,
            classes: Vec::new(),
        })
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
