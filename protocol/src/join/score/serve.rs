//! The attribute party's side of private scores.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::{SlotKey, SlotParams};
use hedgerow_crypto::hash::hash;
use hedgerow_crypto::seed::Seed;
use rayon::prelude::*;

use super::super::JoinError;
use super::super::encrypt::{Attributes, source_bits};
use super::super::plan::JoinPlan;
use super::super::stream::items_per_message;
use super::super::upload::Source;
use super::plan::ScorePlan;
use crate::score_noise;

/// What an attribute party needs to encrypt for scores, and to open them.
#[derive(Clone, Debug)]
pub struct ScoreServer {
    /// The plan of the query that the trees come from.
    pub plan: Arc<JoinPlan>,
    /// The plan of the forest.
    pub scores: Arc<ScorePlan>,
    /// Parameters for the row party.
    pub params: SlotParams,
    /// Everything that is encrypted.
    pub sources: Arc<Vec<Source>>,
    /// Positions of the union.
    pub union: u64,
    /// The key for the row party.
    pub key: Arc<SlotKey>,
    /// The seed of encryptions and of noise for the row party.
    pub seed: Seed,
}

impl ScoreServer {
    /// Messages of encrypted blocks.
    pub fn messages(&self) -> usize {
        self.items().div_ceil(self.blocks_per_message())
    }

    fn items(&self) -> usize {
        self.params
            .blocks(usize::try_from(self.union).unwrap_or(usize::MAX))
            * self.sources.len()
    }

    fn blocks_per_message(&self) -> usize {
        items_per_message(self.params.block_bytes())
    }

    /// Messages of a range.
    ///
    /// # Errors
    /// [`JoinError::Exact`].
    pub fn encrypt(&self, attributes: &Attributes, range: Range<usize>) -> Result<Vec<Vec<u8>>, JoinError> {
        let (per_message, items) = (self.blocks_per_message(), self.items());
        let slots = self.params.slots();
        let width = self.sources.len().max(1);
        range
            .into_par_iter()
            .map(|message| {
                let mut bytes = Vec::new();
                for item in message * per_message..((message + 1) * per_message).min(items) {
                    let (block, source) = (item / width, item % width);
                    let Some(source) = self.sources.get(source) else {
                        continue;
                    };
                    let positions = block * slots..(block + 1) * slots;
                    let (bits, context) = source_bits(&self.plan, attributes, *source, positions, block);
                    bytes.extend(self.key.encrypt_slots(&bits, &context, &self.seed)?.to_bytes());
                }
                Ok(bytes)
            })
            .collect()
    }

    /// Opens answers, adds noise if the run wants it, and packs them: one message for each.
    ///
    /// # Errors
    /// Bytes that are no answers under this key.
    pub fn open(&self, batch: u64, first: usize, messages: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, JoinError> {
        let modulus = self.params.modulus();
        let mut number = first;
        let mut numbered = Vec::new();
        for message in messages {
            let answers: Vec<&[u8]> = message.chunks(self.params.answer_bytes().max(1)).collect();
            let from = number;
            number += answers.len();
            numbered.push((from, answers));
        }
        numbered
            .into_par_iter()
            .map(|(from, answers)| {
                let mut bytes = Vec::new();
                for (answer, number) in answers.into_iter().zip(from..) {
                    let mut words = self.key.open(&self.params.read_answer(answer)?)?;
                    if let Some(mechanism) = &self.scores.noise {
                        // Bound to what is answered: the same noise is never under two different answers.
                        let answered = hash("hedgerow/protocol/join/score-noise/1", &[answer]);
                        let place = [batch.to_le_bytes(), (number as u64).to_le_bytes()].concat();
                        let context = [place.as_slice(), answered.as_bytes()].concat();
                        let mut rng = self.seed.derive("score noise", &context).rng();
                        score_noise::add(mechanism, &mut words, modulus, &mut rng)
                            .map_err(|error| JoinError::Data(error.to_string()))?;
                    }
                    let packed = modulus.pack(&words);
                    bytes.extend(packed.map_err(|error| JoinError::Data(error.to_string()))?);
                }
                Ok(bytes)
            })
            .collect()
    }
}
