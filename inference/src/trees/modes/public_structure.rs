//! `public-structure`: the client walks the trees itself and encrypts one bit for each leaf; the server multiplies by one
//! polynomial that holds all leaf values, and one coefficient of the product is the score.

use hedgerow_crypto::exact::{Evaluator, Form, FormLiteral};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::ensemble::{Ensemble, Node};
use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::super::error::TreesError;
use super::super::leaves::{centred, modulo};
use super::super::mode::Mode;
use super::super::offer::{Offer, Parameters, refuse};
use super::super::prepared::{Prepared, leaf_nodes, parsed, text};
use super::forms::{Forms, FormsClient};
use super::{Asked, Compiled, Engine};

/// The server's side.
#[derive(Clone)]
pub(in crate::trees) struct PublicStructure {
    pub(super) forms: Forms,
    tables: Vec<Form>,
}

impl PublicStructure {
    pub(super) fn compile(forest: &Prepared) -> Result<Compiled, TreesError> {
        let mode = Mode::PublicStructure;
        let nodes = leaf_nodes(&forest.binned.ensemble);
        let literals = [(4096, 2), (8192, 3)].map(|(degree, primes)| FormLiteral {
            degree,
            primes,
            window: nodes.len().next_power_of_two().min(degree),
            inputs: nodes.len().div_ceil(degree),
            forms: forest.targets(),
            max_entries: nodes.len() as u64,
            max_weight: 1 << (forest.leaf_bits - 1),
            min_plaintext: forest.min_plaintext(),
            packed: false,
        });
        let forms = Forms::first_that_fits(mode, nodes.len(), &literals)?;
        let plan = forms.plan(forest, mode, nodes.len(), nodes.len());
        // One form for each target: the values of all leaves.
        let p = forms.params.plaintext();
        let table = |target: usize| Form {
            entries: nodes
                .iter()
                .enumerate()
                .filter_map(|(place, node)| {
                    let value = forest.values.of(*node).get(target)?;
                    Some((place as u32, modulo(*value, p)))
                })
                .collect(),
            constant: 0,
        };
        let tables = (0..forest.targets()).map(table).collect();
        Ok(Compiled {
            engine: Engine::PublicStructure(Self { forms, tables }),
            plan,
            structure: Some(text(&without_values(&forest.binned.ensemble)?)?),
            told: None,
        })
    }

    pub(super) fn answer(
        &self,
        keys: &Evaluator,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        self.forms.answer(keys, request, &self.tables, rng)
    }
}

/// The ensemble with all leaf values 0, and one weight for each leaf.
pub(super) fn without_values(ensemble: &Ensemble) -> Result<Ensemble, TreesError> {
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

/// What a client walks: the forest over bins, whose leaves have no values.
#[derive(Debug)]
pub(super) struct Walk {
    structure: Ensemble,
    nodes: Vec<u32>,
}

impl Walk {
    pub(super) fn new(offer: &Offer) -> Result<Self, TreesError> {
        let text = offer.structure.as_deref();
        let text = text.ok_or_else(|| refuse("structure", format!("that of {}", offer.mode), "none"))?;
        let structure = parsed(text)?;
        let (width, expected) = (structure.features().len(), offer.binning.width());
        if width != expected {
            return Err(refuse("features", expected, width));
        }
        if structure.trees() != offer.trees {
            return Err(refuse("trees", structure.trees(), offer.trees));
        }
        let nodes = leaf_nodes(&structure);
        Ok(Self { structure, nodes })
    }

    pub(super) const fn leaves(&self) -> usize {
        self.nodes.len()
    }

    /// A request with one bit for each leaf.
    pub(super) fn request(
        &self,
        forms: &FormsClient,
        offer: &Offer,
        bins: &[u16],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        let mut bits = vec![false; self.nodes.len()];
        for node in self.structure.leaves_of(&offer.binning.inputs(bins))? {
            if let Some(bit) = self
                .nodes
                .binary_search(&node)
                .ok()
                .and_then(|at| bits.get_mut(at))
            {
                *bit = true;
            }
        }
        let request = forms.request(&bits, rng);
        bits.zeroize();
        request
    }
}

/// The client's side.
#[derive(Debug)]
pub(in crate::trees) struct PublicStructureClient {
    pub(super) forms: FormsClient,
    walk: Walk,
}

impl PublicStructureClient {
    pub(super) fn new(offer: &Offer, seed: &Seed) -> Result<Self, TreesError> {
        let Parameters::Forms(form) = offer.parameters else {
            return Err(refuse("parameters", "linear forms", offer.mode));
        };
        let walk = Walk::new(offer)?;
        Ok(Self {
            forms: FormsClient::new(form, walk.leaves(), offer.targets.len(), seed)?,
            walk,
        })
    }

    pub(super) fn request(
        &self,
        offer: &Offer,
        bins: &[u16],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        self.walk.request(&self.forms, offer, bins, rng)
    }

    pub(super) fn open(&self, answer: &[u8]) -> Result<Vec<Vec<i64>>, TreesError> {
        let p = self.forms.params.plaintext();
        let opened = self.forms.open(answer)?;
        Ok(vec![opened.into_iter().map(|sum| centred(sum, p)).collect()])
    }
}
