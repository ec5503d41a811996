//! The server's side: a forest compiled for a mode, what a client is told of it, and answers.

use std::fmt;

use hedgerow_crypto::exact::{Evaluator, Form, FormLiteral, FormParams};
use hedgerow_forest::ensemble::{Aggregate, Ensemble, Feature, Node};
use hedgerow_forest::export::json;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::binning::{Binned, Binning};
use super::client::Prediction;
use super::error::TreesError;
use super::head::{head, prediction};
use super::leaves::{Leaf, Values, leaves, modulo, scaled};
use super::mode::Mode;
use super::plan::{Options, Plan};

/// Bytes of the digest that names a version of a model in a mode.
pub const DIGEST_BYTES: usize = 32;

/// Requests of one row have at most so many ciphertexts, and answers at most so many.
const MAX_INPUTS: usize = 64;
const MAX_ANSWERS: usize = 16;

/// What a client is told: all that it needs for requests and answers. Untrusted when it comes from outside:
/// [`ForestClient::new`](super::client::ForestClient::new) checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The mode.
    pub mode: Mode,
    /// How rows become bins.
    pub binning: Binning,
    /// Columns: names, empty where the source does not tell, and texts of categories.
    pub columns: Vec<Feature>,
    /// Parameters of the encryption.
    pub form: FormLiteral,
    /// Trees.
    pub trees: usize,
    /// Targets that are opened.
    pub targets: Vec<u32>,
    /// What opened numbers are multiples of. It travels as its bits: decimal digits may read back as a neighbour, and the
    /// digest would be another.
    #[serde(with = "bits")]
    pub unit: f64,
    /// What follows the trees: an ensemble of one leaf, as JSON.
    pub head: String,
    /// The forest over bins with all leaf values 0, as JSON, where its structure is public.
    pub structure: Option<String>,
}

mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(number.to_bits())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

impl Offer {
    /// Names this version of the model in this mode.
    pub fn digest(&self) -> [u8; DIGEST_BYTES] {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::new()
            .chain_update(b"hedgerow/trees/offer/1")
            .chain_update(text)
            .finalize()
            .into()
    }
}

/// A forest compiled for a mode. Prints its plan, and nothing of what may be hidden.
#[derive(Clone)]
pub struct EncryptedForest {
    plan: Plan,
    offer: Offer,
    digest: [u8; DIGEST_BYTES],
    params: FormParams,
    binned: Binned,
    values: Values,
    leaves: Vec<Leaf>,
    costs: Vec<(Vec<(u32, bool)>, u64)>,
    forms: Vec<Form>,
}

/// A client's keys, checked.
#[derive(Clone, Debug)]
pub struct ForestKeys(Evaluator);

impl EncryptedForest {
    /// Compiles a forest for a mode. [`Self::plan`] then says what it takes.
    ///
    /// # Errors
    /// A forest that does not fit the mode, with the reason and a mode that it fits; edges that do not fit the forest.
    pub fn compile(model: &Ensemble, mode: Mode, options: &Options) -> Result<Self, TreesError> {
        let compiled = Self::try_compile(model, mode, options);
        let Err(TreesError::DoesNotFit { reason, .. }) = compiled else {
            return compiled;
        };
        let fits = Mode::ALL
            .into_iter()
            .find(|other| *other != mode && Self::try_compile(model, *other, options).is_ok());
        Err(TreesError::DoesNotFit { mode, reason, fits })
    }

    fn try_compile(model: &Ensemble, mode: Mode, options: &Options) -> Result<Self, TreesError> {
        let unfit = |reason: String| TreesError::DoesNotFit {
            mode,
            reason,
            fits: None,
        };
        let leaf_bits = options.leaf_bits.clamp(2, 24);
        let mut binned = Binned::new(model, &options.edges)?;
        if mode == Mode::PublicStructure {
            // The client sees the nodes in the order of the text.
            binned.ensemble = parsed(&text(&binned.ensemble)?)?;
        }
        let leaves = leaves(&binned)
            .ok_or_else(|| unfit(format!("more than {} leaves", super::leaves::MAX_LEAVES)))?;
        let values = Values::new(&binned, leaf_bits);
        let (trees, targets) = (model.trees(), values.targets.len());
        let depth = leaves.iter().map(|leaf| leaf.conditions.len()).max().unwrap_or(0);
        let offsets: Vec<usize> = binned
            .binning
            .bits()
            .scan(0, |end, bits| {
                *end += bits;
                Some(*end - bits)
            })
            .collect();
        let costs: Vec<_> = leaves
            .iter()
            .map(|leaf| leaf.cost_form(&binned.binning, &offsets))
            .collect();
        // Sums of all trees fit, with either sign.
        let min_plaintext = (trees as u64) << leaf_bits | 1;
        let (leaf_bound, literals, bits) = match mode {
            Mode::PublicStructure => {
                let nodes = leaf_nodes(&binned.ensemble).len();
                let literals: Vec<FormLiteral> = [(4096, 2), (8192, 3)]
                    .map(|(degree, primes)| FormLiteral {
                        degree,
                        primes,
                        window: nodes.next_power_of_two().min(degree),
                        inputs: nodes.div_ceil(degree),
                        forms: targets,
                        max_entries: nodes as u64,
                        max_weight: 1 << (leaf_bits - 1),
                        min_plaintext,
                        packed: false,
                    })
                    .into();
                (nodes, literals, nodes)
            }
            Mode::PrivateModel => {
                let all = binned.binning.total_bits().max(1);
                let bound = options
                    .leaf_bound
                    .unwrap_or_else(|| bound(trees, leaves.len(), model.depths()));
                if bound < leaves.len() {
                    return Err(unfit(format!("{} leaves, padded to {bound}", leaves.len())));
                }
                let entries = costs.iter().map(|cost| cost.0.len()).max().unwrap_or(0);
                let literals = [(8192, 3), (16_384, 4)]
                    .map(|(degree, primes): (usize, usize)| FormLiteral {
                        degree,
                        primes,
                        window: all.next_power_of_two().min(degree),
                        inputs: all.div_ceil(degree),
                        forms: bound * (1 + targets),
                        max_entries: entries.max(1).next_power_of_two() as u64,
                        max_weight: min_plaintext,
                        min_plaintext,
                        packed: true,
                    })
                    .into();
                (bound, literals, all)
            }
        };
        if literals.iter().all(|literal| literal.inputs > MAX_INPUTS) {
            let limit = literals.last().map_or(0, |literal| literal.degree) * MAX_INPUTS;
            return Err(unfit(format!("{bits} bits of a row, at most {limit}")));
        }
        let params = Plan::first_that_fits(literals).map_err(|error| unfit(error.to_string()))?;
        if params.answers() > MAX_ANSWERS {
            return Err(unfit(format!(
                "{} answers of {} numbers each, at most {MAX_ANSWERS}",
                params.answers(),
                params.literal().degree
            )));
        }
        let aggregate = match model.parts().aggregate {
            Aggregate::Sum => 1.0,
            Aggregate::Average => trees as f64,
        };
        let structure = match mode {
            Mode::PublicStructure => Some(text(&without_values(&binned.ensemble)?)?),
            Mode::PrivateModel => None,
        };
        let offer = Offer {
            mode,
            binning: binned.binning.clone(),
            columns: model.features().to_vec(),
            form: params.literal(),
            trees,
            targets: values.targets.clone(),
            unit: values.unit / aggregate,
            head: text(&head(model, &values.targets)?)?,
            structure,
        };
        let plan = Plan {
            mode,
            leakage: mode.leakage().to_owned(),
            trees,
            leaves: leaves.len(),
            leaf_bound,
            depth,
            bits,
            targets,
            leaf_bits,
            exact_bins: binned.is_exact,
            form: params.literal(),
            ciphertexts: params.literal().inputs,
            answers: params.answers(),
            request_bytes: DIGEST_BYTES + params.request_bytes(),
            answer_bytes: DIGEST_BYTES + params.answer_bytes(),
            public_key_bytes: params.public_key_bytes(),
            evaluation_key_bytes: params.galois_key_bytes(),
            products: params.products(),
            key_switches: params.key_switches(),
            flooding_bits: params.noise().flooding_bits(),
            seconds: Plan::predict(&params),
        };
        let mut forest = Self {
            digest: offer.digest(),
            plan,
            offer,
            params,
            binned,
            values,
            leaves,
            costs,
            forms: Vec::new(),
        };
        if mode == Mode::PublicStructure {
            forest.forms = forest.tables();
        }
        Ok(forest)
    }

    /// What the mode takes.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What a client is told.
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// A client's keys from their bytes: the public key, and evaluation keys where the mode needs them.
    ///
    /// # Errors
    /// Another length, keys of other parameters, or of two clients.
    pub fn read_keys(&self, bytes: &[u8]) -> Result<ForestKeys, TreesError> {
        let (public, galois) = bytes
            .split_at_checked(self.plan.public_key_bytes)
            .filter(|(_, rest)| rest.len() == self.plan.evaluation_key_bytes)
            .ok_or(TreesError::Length {
                what: "keys",
                actual: bytes.len(),
                expected: self.plan.public_key_bytes + self.plan.evaluation_key_bytes,
            })?;
        let public = self.params.read_public_key(public)?;
        let galois = self.params.read_galois_keys(galois)?;
        Ok(ForestKeys(Evaluator::new(&self.params, public, galois)?))
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// A request for another version of the model, of another length or key.
    pub fn answer(
        &self,
        keys: &ForestKeys,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        let body = body("request", request, self.plan.request_bytes, &self.digest)?;
        let blocks = self.params.read_request(body)?;
        let answers = match self.offer.mode {
            Mode::PublicStructure => keys.0.answer(&blocks, &self.forms, rng)?,
            Mode::PrivateModel => keys.0.answer(&blocks, &self.masked(rng), rng)?,
        };
        let mut bytes = Vec::with_capacity(self.plan.answer_bytes);
        bytes.extend(self.digest);
        answers.iter().for_each(|answer| bytes.extend(answer.to_bytes()));
        Ok(bytes)
    }

    /// The sums of leaf values of a row in the clear, `[targets]`, by the walk of the binned ensemble: the oracle of
    /// every mode.
    ///
    /// # Errors
    /// A row of another width.
    pub fn clear(&self, row: &[f64]) -> Result<Vec<i64>, TreesError> {
        let bins = self.binned.binning.bin(row)?;
        let nodes = self.binned.ensemble.leaves_of(&self.binned.inputs(&bins))?;
        let mut sums = vec![0; self.values.targets.len()];
        for node in nodes {
            for (sum, value) in sums.iter_mut().zip(self.values.of(node)) {
                *sum += value;
            }
        }
        Ok(sums)
    }

    /// What a client opens for a row, computed in the clear by the walk of the binned ensemble.
    ///
    /// # Errors
    /// A row of another width.
    pub fn predict(&self, row: &[f64]) -> Result<Prediction, TreesError> {
        let head = parsed(&self.offer.head)?;
        Ok(prediction(&head, self.offer.unit, self.clear(row)?)?)
    }

    /// One form for each target: the values of all leaves.
    fn tables(&self) -> Vec<Form> {
        let p = self.params.plaintext();
        let nodes = leaf_nodes(&self.binned.ensemble);
        let table = |target: usize| Form {
            entries: nodes
                .iter()
                .enumerate()
                .filter_map(|(place, node)| {
                    let value = self.values.of(*node).get(target)?;
                    Some((place as u32, modulo(*value, p)))
                })
                .collect(),
            constant: 0,
        };
        (0..self.values.targets.len()).map(table).collect()
    }

    /// For each place of a leaf `r cost`, and for each target `r' cost + leaf + share`: shares of a tree sum to zero over
    /// the trees, so that one leaf of each tree gives their sum and nothing of any; wrong leaves are uniform. Places are
    /// drawn anew each time, and those of no leaf have cost 1. (Tai, Ma, Zhao, Chow, *Privacy-preserving decision trees
    /// evaluation via linear functions*, ESORICS 2017, section 4; shares over trees as Wu, Feng, Naehrig, Lauter,
    /// *Privately evaluating decision trees and random forests*, PETS 2016, section 5.)
    fn masked(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Form> {
        let p = self.params.plaintext();
        let targets = self.values.targets.len();
        let mut shares = vec![vec![0; targets]; self.plan.trees];
        if let Some((last, others)) = shares.split_last_mut() {
            for share in others.iter_mut().flatten() {
                *share = below(p, rng);
            }
            for (target, last) in last.iter_mut().enumerate() {
                let sum = others.iter().filter_map(|shares| shares.get(target));
                *last = sum.fold(0, |rest, share| (rest + p - share) % p);
            }
        }
        let mut places: Vec<usize> = (0..self.plan.leaf_bound).collect();
        for end in (1..places.len()).rev() {
            places.swap(end, below(end as u64 + 1, rng) as usize);
        }
        let nothing = (Vec::new(), 1);
        let mut forms = Vec::with_capacity(self.plan.leaf_bound * (1 + targets));
        for place in places {
            let leaf = self.leaves.get(place);
            let cost = self.costs.get(place).unwrap_or(&nothing);
            forms.push(scaled(cost, 1 + below(p - 1, rng), 0, p));
            for target in 0..targets {
                let more = leaf.map_or(0, |leaf| {
                    let value = self.values.of(leaf.node).get(target).copied().unwrap_or(0);
                    let share = shares.get(leaf.tree).and_then(|shares| shares.get(target));
                    (modulo(value, p) + share.copied().unwrap_or(0)) % p
                });
                forms.push(scaled(cost, below(p, rng), more, p));
            }
        }
        forms
    }
}

impl fmt::Debug for EncryptedForest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedForest")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// A number uniform in `0..bound`, by rejection.
fn below(bound: u64, rng: &mut (impl CryptoRng + ?Sized)) -> u64 {
    let mask = u64::MAX >> (bound.max(2) - 1).leading_zeros();
    loop {
        let candidate = rng.next_u64() & mask;
        if candidate < bound {
            return candidate;
        }
    }
}

/// The number of leaves that is told.
fn bound(trees: usize, leaves: usize, depths: &[usize]) -> usize {
    let depth = depths.iter().max().copied().unwrap_or(0);
    let complete = trees.saturating_mul(1 << depth.min(6));
    if depth <= 6 && complete >= leaves {
        complete
    } else {
        leaves.next_power_of_two()
    }
}

/// The leaf nodes of all trees, in the order of the nodes: their places in a request of public structure.
pub(super) fn leaf_nodes(ensemble: &Ensemble) -> Vec<u32> {
    let nodes = ensemble.parts().nodes.iter().enumerate();
    nodes
        .filter_map(|(at, node)| matches!(node, Node::Leaf { .. }).then_some(at as u32))
        .collect()
}

/// The ensemble with all leaf values 0, and one weight for each leaf.
fn without_values(ensemble: &Ensemble) -> Result<Ensemble, TreesError> {
    let mut parts = ensemble.parts().clone();
    parts.weights.truncate(1);
    for weight in &mut parts.weights {
        weight.value = 0.0;
    }
    for node in &mut parts.nodes {
        if let Node::Leaf { first, len } = node {
            (*first, *len) = (0, 1);
        }
    }
    parts.base.clear();
    parts.steps.clear();
    Ok(Ensemble::new(parts)?)
}

fn parsed(text: &str) -> Result<Ensemble, TreesError> {
    json::decode(text).map_err(|error| TreesError::Offer {
        what: "an ensemble",
        expected: "one that JSON holds".into(),
        actual: error.to_string(),
    })
}

fn text(ensemble: &Ensemble) -> Result<String, TreesError> {
    json::encode(ensemble).map_err(|error| TreesError::Offer {
        what: "an ensemble",
        expected: "one that JSON holds".into(),
        actual: error.to_string(),
    })
}

/// What follows the digest of a message of a known length.
pub(super) fn body<'a>(
    what: &'static str,
    bytes: &'a [u8],
    expected: usize,
    digest: &[u8; DIGEST_BYTES],
) -> Result<&'a [u8], TreesError> {
    let parts = bytes
        .split_first_chunk::<DIGEST_BYTES>()
        .filter(|_| bytes.len() == expected);
    let (version, body) = parts.ok_or(TreesError::Length {
        what,
        actual: bytes.len(),
        expected,
    })?;
    if version != digest {
        let short = |digest: &[u8]| digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Err(TreesError::Version {
            actual: short(version),
            expected: short(digest),
        });
    }
    Ok(body)
}
