//! `private-model`: path sums, masked anew for each query.
//!
//! For each place of a leaf `r cost`, and for each target `r' cost + leaf + share`: shares of a tree sum to zero over the
//! trees, so that one leaf of each tree gives their sum and nothing of any; wrong leaves are uniform. Places are drawn anew
//! each time, and those of no leaf have cost 1. (Tai, Ma, Zhao, Chow, *Privacy-preserving decision trees evaluation via
//! linear functions*, ESORICS 2017, section 4; shares over trees as Wu, Feng, Naehrig, Lauter, *Privately evaluating
//! decision trees and random forests*, PETS 2016, section 5.)

use hedgerow_crypto::exact::{Evaluator, Form, FormLiteral};
use hedgerow_crypto::seed::Seed;
use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::super::error::TreesError;
use super::super::leaves::{centred, modulo, scaled};
use super::super::mode::Mode;
use super::super::offer::{Offer, Parameters, refuse};
use super::super::prepared::{Prepared, unfit};
use super::forms::{Forms, FormsClient};
use super::{Asked, Compiled, Engine, below};

/// The server's side.
#[derive(Clone)]
pub(in crate::trees) struct PrivateModel {
    pub(super) forms: Forms,
    costs: Vec<(Vec<(u32, bool)>, u64)>,
    places: usize,
}

impl PrivateModel {
    pub(super) fn compile(forest: &Prepared) -> Result<Compiled, TreesError> {
        let mode = Mode::PrivateModel;
        let binning = &forest.binned.binning;
        let offsets = binning.offsets();
        let costs: Vec<_> = forest
            .leaves
            .iter()
            .map(|leaf| leaf.cost_form(binning, &offsets))
            .collect();
        let all = binning.total_bits().max(1);
        let leaves = forest.leaves.len();
        let places = forest.leaf_bound.unwrap_or_else(|| bound(forest));
        if places < leaves {
            return Err(unfit(mode, format!("{leaves} leaves, padded to {places}")));
        }
        let entries = costs.iter().map(|cost| cost.0.len()).max().unwrap_or(0);
        let literals = [(8192, 3), (16_384, 4)].map(|(degree, primes): (usize, usize)| FormLiteral {
            degree,
            primes,
            window: all.next_power_of_two().min(degree),
            inputs: all.div_ceil(degree),
            forms: places * (1 + forest.targets()),
            max_entries: entries.max(1).next_power_of_two() as u64,
            max_weight: forest.min_plaintext(),
            min_plaintext: forest.min_plaintext(),
            packed: true,
        });
        let forms = Forms::first_that_fits(mode, all, &literals)?;
        Ok(Compiled {
            plan: forms.plan(forest, mode, places, all),
            engine: Engine::PrivateModel(Self { forms, costs, places }),
            structure: None,
            told: None,
        })
    }

    pub(super) fn answer(
        &self,
        forest: &Prepared,
        keys: &Evaluator,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, TreesError> {
        self.forms.answer(keys, request, &self.masked(forest, rng), rng)
    }

    /// The forms of one query.
    fn masked(&self, forest: &Prepared, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Form> {
        let p = self.forms.params.plaintext();
        let targets = forest.targets();
        let mut shares = vec![vec![0; targets]; forest.trees()];
        if let Some((last, others)) = shares.split_last_mut() {
            for share in others.iter_mut().flatten() {
                *share = below(p, rng);
            }
            for (target, last) in last.iter_mut().enumerate() {
                let sum = others.iter().filter_map(|shares| shares.get(target));
                *last = sum.fold(0, |rest, share| (rest + p - share) % p);
            }
        }
        let mut places: Vec<usize> = (0..self.places).collect();
        for end in (1..places.len()).rev() {
            places.swap(end, below(end as u64 + 1, rng) as usize);
        }
        let nothing = (Vec::new(), 1);
        let mut forms = Vec::with_capacity(self.places * (1 + targets));
        for place in places {
            let leaf = forest.leaves.get(place);
            let cost = self.costs.get(place).unwrap_or(&nothing);
            forms.push(scaled(cost, 1 + below(p - 1, rng), 0, p));
            for target in 0..targets {
                let more = leaf.map_or(0, |leaf| {
                    let value = forest.values.of(leaf.node).get(target).copied().unwrap_or(0);
                    let share = shares.get(leaf.tree).and_then(|shares| shares.get(target));
                    (modulo(value, p) + share.copied().unwrap_or(0)) % p
                });
                forms.push(scaled(cost, below(p, rng), more, p));
            }
        }
        forms
    }
}

/// The number of leaves that is told.
fn bound(forest: &Prepared) -> usize {
    let (depth, leaves) = (forest.levels, forest.leaves.len());
    let complete = forest.trees().saturating_mul(1 << depth.min(6));
    if depth <= 6 && complete >= leaves {
        complete
    } else {
        leaves.next_power_of_two()
    }
}

/// The client's side.
#[derive(Debug)]
pub(in crate::trees) struct PrivateModelClient {
    pub(super) forms: FormsClient,
}

impl PrivateModelClient {
    pub(super) fn new(offer: &Offer, seed: &Seed) -> Result<Self, TreesError> {
        if offer.structure.is_some() {
            return Err(refuse("structure", "none, as it is private", "one"));
        }
        let Parameters::Forms(form) = offer.parameters else {
            return Err(refuse("parameters", "linear forms", offer.mode));
        };
        let each = 1 + offer.targets.len();
        let forms = form.forms / each * each;
        Ok(Self {
            forms: FormsClient::new(form, offer.binning.total_bits(), forms, seed)?,
        })
    }

    pub(super) fn request(
        &self,
        offer: &Offer,
        bins: &[u16],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<u8>, Asked), TreesError> {
        let mut bits = offer.binning.thermometer(bins);
        let request = self.forms.request(&bits, rng);
        bits.zeroize();
        request
    }

    pub(super) fn open(&self, offer: &Offer, answer: &[u8]) -> Result<Vec<Vec<i64>>, TreesError> {
        let p = self.forms.params.plaintext();
        let opened = self.forms.open(answer)?;
        let mut sums = vec![0; offer.targets.len()];
        let mut reached = 0;
        for place in opened.chunks_exact(1 + sums.len()) {
            let Some((0, values)) = place.split_first() else {
                continue;
            };
            reached += 1;
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = (*sum + value) % p;
            }
        }
        if reached != offer.trees {
            return Err(TreesError::Leaves {
                actual: reached,
                expected: offer.trees,
            });
        }
        Ok(vec![sums.into_iter().map(|sum| centred(sum, p)).collect()])
    }
}
