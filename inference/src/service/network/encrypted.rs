//! Networks whose weights are encrypted too: the client owns the model, and sends it encrypted with its evaluation keys, once.
//! The server has the plan, which the owner of the model made; it checks it before it offers it, and a client checks it again.

use std::sync::Arc;

use hedgerow_crypto::ckks::{EvalKeys, Params};
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::seed::Seed;
use prost::Message as _;
use rand_core::CryptoRng;

use super::form::{Form, FormBytes};
use super::{AskingNetwork, answer, evaluation, read_fresh, read_keys};
use crate::eval::{EncryptedModel, EvalError, weight_levels, weights};
use crate::graph::Graph;
use crate::plan::{Plan, fingerprint};
use crate::scheme::{Ckks, Rooms, SchemeError};
use crate::service::{Asking, Hosted, Offer, Rows, Scores, ServiceError, Sizes};

/// What an offer of an encrypted network says it is.
pub const KIND: &str = "encrypted network";

const LEAKAGE: &str = "The client owns the model. The server learns which client asks, when, and how many requests; the sizes of \
the network's layers, which of their diagonals are zero, and the coefficients of its activations; neither weights nor rows nor \
answers.";

const MODEL: &str = "encrypted model";

/// Sizes of everything that travels: the keys are followed by the model.
fn sizes(form: &Form, params: &Params, levels: &[usize]) -> Sizes {
    let own = form.sizes(params);
    let sent: u64 = levels
        .iter()
        .map(|level| params.seeded_bytes(*level) as u64)
        .sum();
    let held: u64 = levels
        .iter()
        .map(|level| 2 * form.ring.limb_bytes(level + 1))
        .sum();
    Sizes {
        keys: own.keys.saturating_add(sent),
        keys_memory: own.keys_memory.saturating_add(held),
        ..own
    }
}

/// A plan, and room: the weights come with each client's keys.
pub struct HostedEncryptedNetwork {
    name: String,
    plan: Plan,
    form: Form,
    params: Params,
    sizes: Sizes,
    levels: Vec<usize>,
    text: Vec<u8>,
    rooms: Arc<Rooms>,
}

/// What a client sent once: its keys, and its model under them.
pub struct OwnModel {
    keys: Arc<EvalKeys>,
    model: EncryptedModel<Ckks>,
}

impl HostedEncryptedNetwork {
    /// Checks the plan of an encrypted model.
    ///
    /// # Errors
    /// A plan for a model in the clear, or one that does not fit together.
    pub fn new(name: &str, plan: &Plan) -> Result<Self, EvalError> {
        let failed = |source| EvalError::Scheme {
            node: name.to_owned(),
            source,
        };
        let levels = weight_levels(plan)?;
        plan.check()?;
        let params = plan
            .ring
            .params()
            .map_err(|error| failed(SchemeError::Backend(error.to_string())))?;
        let form = Form::of(plan).ok_or_else(|| failed(SchemeError::Empty { operation: "plan" }))?;
        let text =
            serde_json::to_vec(plan).map_err(|error| failed(SchemeError::Backend(error.to_string())))?;
        Ok(Self {
            name: name.to_owned(),
            plan: plan.clone(),
            sizes: sizes(&form, &params, &levels),
            form,
            params,
            levels,
            text,
            rooms: Arc::default(),
        })
    }
}

impl Hosted for HostedEncryptedNetwork {
    type Keys = OwnModel;

    fn offer(&self) -> Offer {
        Offer {
            kind: KIND.to_owned(),
            model: self.name.clone(),
            mode: "ckks, encrypted model".to_owned(),
            leakage: LEAKAGE.to_owned(),
            rows: self.form.batch() as u64,
            sizes: self.sizes,
            form: self.text.clone(),
        }
    }

    fn keys(&self, bytes: &[u8]) -> Result<OwnModel, ServiceError> {
        if bytes.len() as u64 != self.sizes.keys {
            return Err(ServiceError::Size {
                what: "evaluation keys and encrypted model",
                actual: bytes.len() as u64,
                expected: self.sizes.keys,
                exact: true,
            });
        }
        let length = usize::try_from(self.form.sizes(&self.params).keys).unwrap_or(usize::MAX);
        let (keys, mut rest) = bytes.split_at(length.min(bytes.len()));
        let keys = read_keys(&self.form, &self.params, keys)?;
        let mut model = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let each = self.params.seeded_bytes(*level);
            let (part, after) = rest.split_at(each.min(rest.len()));
            model.push(read_fresh(MODEL, &self.params, keys.id(), part)?);
            rest = after;
        }
        let scheme = Ckks::new(&self.params, Arc::clone(&keys)).map_err(evaluation)?;
        let model =
            EncryptedModel::new(&scheme, &self.plan, model).map_err(ServiceError::malformed(MODEL))?;
        Ok(OwnModel { keys, model })
    }

    fn answer(
        &self,
        own: &OwnModel,
        request: &[u8],
        _: &mut dyn CryptoRng,
        passed: &mut dyn FnMut(&str),
    ) -> Result<Vec<u8>, ServiceError> {
        let server = (&self.form, &self.params, &self.rooms);
        answer(own.model.program(), server, &own.keys, request, passed)
    }
}

/// The owner of a network, who has it evaluated by somebody that is not to know it.
pub struct AskingEncryptedNetwork {
    inner: AskingNetwork,
    plan: Plan,
    graph: Graph,
    name: Digest,
    seed: Seed,
}

impl AskingEncryptedNetwork {
    /// A client of this offer with its own model, and keys from `seed`.
    ///
    /// # Errors
    /// An offer of another kind, or whose plan is not for a network like this one or does not fit together; parameters below
    /// 128 bits; sizes that are not the plan's.
    pub fn new(offer: &Offer, seed: &Seed, graph: Graph) -> Result<Self, ServiceError> {
        const WHAT: &str = "plan of an encrypted network";
        if offer.kind != KIND {
            return Err(ServiceError::Foreign {
                what: "offer",
                actual: format!("kind {:?}", offer.kind),
                expected: format!("kind {KIND:?}"),
            });
        }
        let plan: Plan = serde_json::from_slice(&offer.form).map_err(ServiceError::malformed(WHAT))?;
        plan.check().map_err(ServiceError::malformed(WHAT))?;
        let levels = weight_levels(&plan).map_err(ServiceError::malformed(WHAT))?;
        // Nothing of the weights is placed before the structure is known to be the model's own.
        drop(weights(&graph, &plan).map_err(|error| ServiceError::Malformed {
            what: WHAT,
            detail: format!(
                "{error}; it is not for the network {}: the server needs what `plan net --encrypted-model` says for that",
                graph.name()
            ),
        })?);
        let form = Form::of(&plan).ok_or(ServiceError::Malformed {
            what: WHAT,
            detail: "no steps".to_owned(),
        })?;
        let (form, params) = Form::checked(&FormBytes::of(&form).encode_to_vec())?;
        let expected = sizes(&form, &params, &levels);
        let inner = AskingNetwork::with(offer, seed, form, params, expected)?;
        let digest = offer.digest();
        let name = hash(
            "hedgerow encrypted network 1",
            &[digest.as_bytes(), fingerprint(&graph).as_bytes()],
        );
        Ok(Self {
            inner,
            plan,
            graph,
            // Another model, other randomness: the same twice would show the difference of two models.
            seed: seed.derive("encrypted network", name.as_bytes()),
            name,
        })
    }
}

impl Asking for AskingEncryptedNetwork {
    fn name(&self, _: Digest) -> Digest {
        self.name
    }

    fn keys(&self) -> Result<Vec<u8>, ServiceError> {
        let mut bytes = self.inner.keys()?;
        let mut rng = self.seed.rng();
        for (level, slots) in weights(&self.graph, &self.plan).map_err(ServiceError::malformed(MODEL))? {
            let fresh = self
                .inner
                .client
                .encrypt_complex(level, &slots, &mut rng)
                .map_err(evaluation)?;
            bytes.extend(fresh.to_bytes());
        }
        Ok(bytes)
    }

    fn request(&mut self, rows: &Rows, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, ServiceError> {
        self.inner.request(rows, rng)
    }

    fn open(&self, answer: &[u8]) -> Result<Scores, ServiceError> {
        self.inner.open(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Asked, plan};

    const MLP: &[u8] = include_bytes!("../../../../examples/data/networks/mlp.onnx");
    const LOLA: &[u8] = include_bytes!("../../../../examples/data/networks/lola.onnx");

    fn read(bytes: &[u8]) -> Graph {
        Graph::from_onnx(bytes).unwrap().simplify().unwrap()
    }

    #[test]
    fn the_owner_of_a_model_has_it_evaluated_unseen() {
        let graph = read(MLP);
        let asked = Asked {
            encrypted_model: true,
            ..Asked::default()
        };
        let found = plan(&graph, &asked).unwrap();
        let hosted = HostedEncryptedNetwork::new("mlp", &found).unwrap();
        let offer = hosted.offer();
        let seed = Seed::from_bytes([1; 32]);
        let mut owner = AskingEncryptedNetwork::new(&offer, &seed, graph.clone()).unwrap();
        let bytes = owner.keys().unwrap();
        assert_eq!(bytes.len() as u64, offer.sizes.keys);
        assert!(
            bytes == owner.keys().unwrap(),
            "the same bytes, or a server could not keep them"
        );
        let own = hosted.keys(&bytes).unwrap();
        let mut rng = Seed::from_bytes([3; 32]).rng();
        let row: Vec<f64> = (0..784).map(|i| f64::from(u8::from(i % 11 == 3))).collect();
        let rows = Rows::new(Vec::new(), 784, row.clone()).unwrap();
        let request = owner.request(&rows, &mut rng).unwrap();
        let answer = hosted.answer(&own, &request, &mut rng, &mut |_| {}).unwrap();
        assert_eq!(answer.len() as u64, offer.sizes.answer);
        let scores = owner.open(&answer).unwrap();
        for (opened, clear) in scores.values.iter().zip(graph.evaluate(&row).unwrap()) {
            assert!((opened - clear).abs() < 0.1, "{opened} {clear}");
        }

        // Cut short, corrupted, another's request, the model under another key than the rest.
        assert!(matches!(hosted.keys(&bytes[1..]), Err(ServiceError::Size { .. })));
        let mut wrong = bytes.clone();
        let last = wrong.len() - 100_000;
        wrong[last..].fill(0xff);
        assert!(hosted.keys(&wrong).is_err());
        let other = Seed::from_bytes([2; 32]);
        let mut stranger = AskingEncryptedNetwork::new(&offer, &other, graph.clone()).unwrap();
        let foreign = stranger.request(&rows, &mut rng).unwrap();
        assert!(hosted.answer(&own, &foreign, &mut rng, &mut |_| {}).is_err());
        let mut mixed = stranger.keys().unwrap();
        let model = mixed.len() - 1_000_000;
        mixed[model..].copy_from_slice(&bytes[model..]);
        assert!(hosted.keys(&mixed).is_err());

        // A batch in rounds, not full.
        let asked = Asked {
            batch: 40,
            max_memory: Some(300 << 20),
            ..asked
        };
        let found = plan(&graph, &asked).unwrap();
        assert!(found.rounds > 1, "{found}");
        let rounds = HostedEncryptedNetwork::new("mlp", &found).unwrap();
        let mut batch = AskingEncryptedNetwork::new(&rounds.offer(), &seed, graph.clone()).unwrap();
        assert!(rounds.offer().rows >= 40);
        let own_batch = rounds.keys(&batch.keys().unwrap()).unwrap();
        let images: Vec<f64> = (0..4 * 784)
            .map(|i| f64::from(u8::from(i % 11 == i / 784)))
            .collect();
        let rows = Rows::new(Vec::new(), 784, images.clone()).unwrap();
        let request = batch.request(&rows, &mut rng).unwrap();
        assert_eq!(request.len() as u64, rounds.offer().sizes.request);
        let answer = rounds
            .answer(&own_batch, &request, &mut rng, &mut |_| {})
            .unwrap();
        assert_eq!(answer.len() as u64, rounds.offer().sizes.answer);
        let scores = batch.open(&answer).unwrap();
        assert_eq!(scores.values.len(), 4 * scores.width);
        for (row, opened) in images.chunks(784).zip(scores.values.chunks(scores.width)) {
            for (opened, clear) in opened.iter().zip(graph.evaluate(row).unwrap()) {
                assert!((opened - clear).abs() < 0.1, "{opened} {clear}");
            }
        }

        // Another model: another name and other bytes; one that the plan is not for.
        let digest = offer.digest();
        assert_ne!(owner.name(digest), digest);
        assert!(AskingEncryptedNetwork::new(&offer, &seed, read(LOLA)).is_err());
        let clear = plan(&graph, &Asked::default()).unwrap();
        assert!(HostedEncryptedNetwork::new("mlp", &clear).is_err());
        let mut lied = offer.clone();
        lied.sizes.keys += 1;
        assert!(AskingEncryptedNetwork::new(&lied, &seed, graph).is_err());
    }
}
