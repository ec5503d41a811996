//! The second party's part: a block of the first, times its own bits, hidden, for the row party.

use std::sync::Arc;

use hedgerow_crypto::exact::ChainParams;
use hedgerow_crypto::hash::hash;
use hedgerow_crypto::seed::Seed;
use rayon::prelude::*;

use super::super::encrypt::Attributes;
use super::super::error::JoinError;
use super::super::plan::JoinPlan;
use super::Unit;

/// What is needed to pass on.
#[derive(Clone, Debug)]
pub struct Passer {
    /// The plan of the query.
    pub plan: Arc<JoinPlan>,
    /// Parameters.
    pub params: ChainParams,
    /// The own entities in the common order.
    pub attributes: Arc<Attributes>,
    /// The first party's public key, as it came.
    pub key: Arc<Vec<u8>>,
    /// The seed of this party's randomness in the round.
    pub seed: Seed,
}

impl Passer {
    /// One block of a tree: from one message for each source to one for each product. The randomness is bound to the
    /// ciphertext that it hides the product of: the same bytes give the same, and no others meet it.
    ///
    /// # Errors
    /// Messages that are not one block for each source under this key.
    pub fn messages(
        &self,
        unit: &Unit,
        block: usize,
        messages: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, JoinError> {
        let key = self.params.read_public_key(&self.key)?;
        let encrypted = messages
            .par_iter()
            .map(|bytes| Ok(self.params.read_block(bytes)?))
            .collect::<Result<Vec<_>, JoinError>>()?;
        let slots = self.params.slots();
        let positions = block * slots..(block + 1) * slots;
        let short = || JoinError::Shape {
            what: "encrypted blocks of a tree",
            expected: unit.sources.len() as u64,
            actual: messages.len() as u64,
        };
        unit.products
            .par_iter()
            .map(|product| {
                let source = encrypted.get(product.source).ok_or_else(short)?;
                let bytes = messages.get(product.source).ok_or_else(short)?;
                let second = self.plan.cells().second_of(product.predicate);
                let bits = second.map(|second| self.attributes.accepted(second, positions.clone()));
                let numbers = [unit.tree, product.predicate, block].map(|part| part as u64);
                let mut context: Vec<u8> = numbers.iter().flat_map(|part| part.to_le_bytes()).collect();
                context.extend(self.plan.query());
                context.extend(hash("hedgerow/protocol/join/chain/1", &[&self.key, bytes]).as_bytes());
                let mut rng = self.seed.derive("chain pass", &context).rng();
                let passed = self
                    .params
                    .pass_on(&key, source, &bits.unwrap_or_default(), &mut rng)?;
                Ok(passed.to_bytes())
            })
            .collect()
    }
}
