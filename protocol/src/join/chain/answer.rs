//! The row party's part: weights times what was passed on, summed, masked, flooded, cell by cell.

use std::sync::Arc;

use hedgerow_crypto::exact::{ChainBlock, ChainParams, ChainProduct, ChainScratch, ExactError};
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::query::TableQuery;
use rand_core::Rng;
use rayon::prelude::*;

use super::super::answer::tree_seed;
use super::super::data::JoinData;
use super::super::error::JoinError;
use super::super::plan::JoinPlan;
use super::super::stream::items_per_message;
use super::Unit;
use super::order::Orders;
use crate::ids::PartyId;

/// What is needed to answer one first party.
#[derive(Clone, Debug)]
pub struct Answerer {
    /// The query.
    pub query: TableQuery,
    /// Its plan.
    pub plan: Arc<JoinPlan>,
    /// Parameters.
    pub params: ChainParams,
    /// The first party.
    pub first: PartyId,
    /// The common order.
    pub orders: Arc<Orders>,
    /// The first party's public key, as it came.
    pub key: Arc<Vec<u8>>,
    /// The secret of the round for answers.
    pub secret: Seed,
}

/// The sums of one tree in the making: 384 KiB a cell. Secret: not printed.
pub struct Sums {
    sums: Vec<Sum>,
    /// Of all ciphertexts so far.
    digest: Digest,
    block: usize,
}

struct Sum {
    product: usize,
    cell: u32,
    /// Slot and rows, ascending.
    weights: Vec<(u32, u32)>,
    cursor: usize,
    sum: ChainProduct,
}

impl std::fmt::Debug for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sums({}, block {})", self.sums.len(), self.block)
    }
}

/// What came of one block of a tree.
#[derive(Debug)]
pub enum Step {
    /// More blocks are to come.
    Next(Box<Sums>),
    /// The answers, in messages, and the digest of all that they come from.
    Answers(Digest, Vec<Vec<u8>>),
}

impl Answerer {
    /// Takes one block of a tree: the messages of all of its products, or sources.
    ///
    /// # Errors
    /// Messages that are no such ciphertexts, data that cannot be read or do not fit.
    pub fn step(
        &self,
        data: &dyn JoinData,
        unit: &Unit,
        sums: Option<Box<Sums>>,
        messages: &[Vec<u8>],
    ) -> Result<Step, JoinError> {
        let mut sums = match sums {
            Some(sums) => sums,
            None => Box::new(self.begin(data, unit)?),
        };
        let params = &self.params;
        let blocks: Vec<ChainBlock> = messages
            .par_iter()
            .map(|bytes| match unit.second {
                Some(_) => Ok(ChainBlock::new(params, params.read_passed(bytes)?)?),
                None => Ok(ChainBlock::direct(params, &params.read_block(bytes)?)?),
            })
            .collect::<Result<_, JoinError>>()?;
        let mut parts: Vec<&[u8]> = vec![sums.digest.as_bytes()];
        parts.extend(messages.iter().map(Vec::as_slice));
        sums.digest = hash("hedgerow/protocol/join/chained/1", &parts);
        let slots = params.slots();
        let end = (sums.block + 1) * slots;
        let first = sums.block * slots;
        sums.sums.par_iter_mut().try_for_each_init(
            || (ChainScratch::new(params), vec![0u64; slots]),
            |(scratch, weights), sum| -> Result<(), JoinError> {
                weights.fill(0);
                while let Some((slot, rows)) = sum.weights.get(sum.cursor)
                    && (*slot as usize) < end
                {
                    if let Some(weight) = weights.get_mut((*slot as usize).saturating_sub(first)) {
                        *weight += u64::from(*rows);
                    }
                    sum.cursor += 1;
                }
                let place = match unit.second {
                    Some(_) => sum.product,
                    None => unit
                        .products
                        .get(sum.product)
                        .map_or(usize::MAX, |product| product.source),
                };
                let block = blocks.get(place).ok_or(JoinError::Shape {
                    what: "ciphertexts of a tree",
                    expected: unit.width() as u64,
                    actual: blocks.len() as u64,
                })?;
                Ok(sum.sum.accumulate(weights, block, scratch)?)
            },
        )?;
        sums.block += 1;
        if sums.block < params.blocks(self.orders.slots()) {
            return Ok(Step::Next(sums));
        }
        let seed = tree_seed(&self.secret, &self.first, unit.tree, &sums.digest);
        let key = params.read_public_key(&self.key)?;
        let answers: Vec<Vec<u8>> = sums
            .sums
            .par_iter()
            .map(|sum| {
                let mask = mask(&seed, sum.cell, params.plaintext());
                let mut rng = seed.derive("answer", &sum.cell.to_le_bytes()).rng();
                Ok(sum.sum.answer(&key, mask, &mut rng)?.to_bytes())
            })
            .collect::<Result<_, ExactError>>()?;
        let messages = answers.chunks(items_per_message(params.answer_bytes()));
        Ok(Step::Answers(
            sums.digest,
            messages.map(<[Vec<u8>]>::concat).collect(),
        ))
    }

    fn begin(&self, data: &dyn JoinData, unit: &Unit) -> Result<Sums, JoinError> {
        let mut sums: Vec<Sum> = Vec::new();
        let mut places = vec![None; self.plan.cells().cells()];
        for (number, product) in unit.products.iter().enumerate() {
            for cell in &product.cells {
                if let Some(place) = places.get_mut(*cell as usize) {
                    *place = Some(sums.len());
                }
                sums.push(Sum {
                    product: number,
                    cell: *cell,
                    weights: Vec::new(),
                    cursor: 0,
                    sum: ChainProduct::new(&self.params),
                });
            }
        }
        let slots = self.orders.references(&self.first);
        let weights = data
            .weights(&self.query, &self.first, unit.tree..unit.tree + 1)
            .map_err(JoinError::Data)?;
        for weight in weights {
            let slot = slots
                .get(weight.reference as usize)
                .copied()
                .ok_or(JoinError::Shape {
                    what: "reference of a weight, below",
                    expected: slots.len() as u64,
                    actual: u64::from(weight.reference),
                })?;
            let place = places.get(weight.cell as usize).copied().flatten();
            if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
                sum.weights.push((slot, weight.count));
            }
        }
        sums.par_iter_mut().for_each(|sum| sum.weights.sort_unstable());
        Ok(Sums {
            sums,
            digest: hash("hedgerow/protocol/join/chained/1", &[&self.key]),
            block: 0,
        })
    }
}

/// The mask of one answer, uniform below `p`, by rejection.
fn mask(seed: &Seed, cell: u32, plaintext: u64) -> u64 {
    let mut rng = seed.derive("mask", &cell.to_le_bytes()).rng();
    let bits = plaintext.next_power_of_two() - 1;
    loop {
        let drawn = rng.next_u64() & bits;
        if drawn < plaintext {
            return drawn;
        }
    }
}

/// The row party's shares modulo `p` of everything that it has answered to one first party: minus the masks.
#[must_use]
pub fn own_shares(
    units: &[Unit],
    plaintext: u64,
    first: &PartyId,
    secret: &Seed,
    digests: &[Digest],
) -> Vec<(u32, u64)> {
    let mut shares = Vec::new();
    for (unit, digest) in units.iter().zip(digests) {
        let seed = tree_seed(secret, first, unit.tree, digest);
        shares.extend(
            unit.cells()
                .map(|cell| (cell, (plaintext - mask(&seed, cell, plaintext)) % plaintext)),
        );
    }
    shares
}

/// For every cell of some trees the rows that count in it while a party of its tree is missing: those that name
/// somebody, where both predicates accept the missing.
///
/// # Errors
/// Data that cannot be read.
pub fn missing(
    data: &dyn JoinData,
    query: &TableQuery,
    plan: &JoinPlan,
    trees: &[usize],
) -> Result<Vec<i64>, JoinError> {
    let cells = plan.cells();
    let mut sums = vec![0i64; cells.cells()];
    for tree in trees {
        let Some(first) = super::first_of(plan, *tree) else {
            continue;
        };
        let weights = data
            .weights(query, &first, *tree..*tree + 1)
            .map_err(JoinError::Data)?;
        for weight in weights {
            let cell = weight.cell as usize;
            if let (true, Some(sum)) = (cells.cell_accepts_missing(cell), sums.get_mut(cell)) {
                *sum += i64::from(weight.count);
            }
        }
    }
    Ok(sums)
}
