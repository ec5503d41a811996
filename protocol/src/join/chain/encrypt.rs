//! The first party's parts: what its paths demand, encrypted; and answers, opened.

use std::sync::Arc;

use hedgerow_crypto::exact::{ChainKey, ChainParams};
use hedgerow_crypto::seed::Seed;
use rayon::prelude::*;

use super::super::encrypt::Attributes;
use super::super::error::JoinError;
use super::super::plan::JoinPlan;
use super::Unit;

/// One encrypted block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The tree.
    pub tree: usize,
    /// The predicate whose first half is meant.
    pub predicate: usize,
    /// The block.
    pub block: usize,
}

/// What is sent to one party after the key, in order: source by source within block by block within tree by tree.
pub fn items<'a>(units: impl Iterator<Item = &'a Unit>, blocks: usize) -> Vec<Item> {
    units
        .flat_map(|unit| {
            (0..blocks).flat_map(move |block| {
                unit.sources.iter().map(move |predicate| Item {
                    tree: unit.tree,
                    predicate: *predicate,
                    block,
                })
            })
        })
        .collect()
}

/// What is needed to encrypt for one receiver.
#[derive(Clone, Debug)]
pub struct Encryptor {
    /// The plan of the query.
    pub plan: Arc<JoinPlan>,
    /// Parameters.
    pub params: ChainParams,
    /// The own entities in the common order.
    pub attributes: Arc<Attributes>,
    /// The key of this party.
    pub key: Arc<ChainKey>,
    /// The seed of all encryptions of the round.
    pub seed: Seed,
}

impl Encryptor {
    /// One message for each item.
    ///
    /// # Errors
    /// [`JoinError::Exact`]; not for items of this plan.
    pub fn messages(&self, items: &[Item]) -> Result<Vec<Vec<u8>>, JoinError> {
        let slots = self.params.slots();
        items
            .par_iter()
            .map(|item| {
                let predicates = self.plan.cells().predicates();
                let bits = match predicates.get(item.predicate) {
                    Some(predicate) => {
                        let positions = item.block * slots..(item.block + 1) * slots;
                        self.attributes.accepted(predicate, positions)
                    }
                    None => Vec::new(),
                };
                let numbers = [item.tree, item.predicate, item.block];
                let mut context: Vec<u8> = numbers
                    .iter()
                    .flat_map(|part| (*part as u64).to_le_bytes())
                    .collect();
                context.extend(self.plan.query());
                Ok(self.key.encrypt_slots(&bits, &context, &self.seed)?.to_bytes())
            })
            .collect()
    }
}

/// The shares modulo `p` of the answers in these messages.
///
/// # Errors
/// Bytes that are no answers under this key.
pub fn open(key: &ChainKey, params: &ChainParams, messages: &[Vec<u8>]) -> Result<Vec<u64>, JoinError> {
    messages
        .iter()
        .flat_map(|message| message.chunks(params.answer_bytes().max(1)))
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|bytes| Ok(key.open(&params.read_answer(bytes)?)?))
        .collect()
}
