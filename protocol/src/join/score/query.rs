//! A batch of scores at the row party.

use std::ops::Range;

use hedgerow_crypto::exact::{EncryptedBlock, PublicKey, SlotBlock, SlotParams, SlotProduct, SlotScratch};
use hedgerow_crypto::mask::prg::Prg;
use hedgerow_crypto::seed::Seed;
use rayon::prelude::*;

use super::super::JoinError;
use super::super::answer::read_blocks;
use super::super::plan::JoinPlan;
use super::super::upload::Source;
use super::plan::ScorePlan;
use super::{ScoreHeader, ScoreRows, per_message, select};
use crate::ids::PartyId;

/// Answers that are computed together: 384 KiB each.
const OUTPUTS_PER_WORK: usize = 64;

/// One row in one answer.
#[derive(Clone, Copy)]
struct Place {
    slot: u32,
    block: u32,
    /// Position among the rows of the link.
    row: u32,
}

/// One link's part of a batch at one attribute party.
struct LinkQuery {
    link: usize,
    /// Rows of the batch.
    rows: Vec<u32>,
    /// `[sources, rows]`
    weights: Vec<u32>,
    /// For each answer its rows.
    layers: Vec<Vec<Place>>,
}

/// A batch at one attribute party. Secret: not printed.
pub struct ScoreQuery {
    links: Vec<LinkQuery>,
    seed: Seed,
}

impl std::fmt::Debug for ScoreQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScoreQuery({} answers)", self.outputs())
    }
}

impl ScoreQuery {
    /// The part of a batch at one party, whose entities stand at these positions.
    ///
    /// # Errors
    /// Rows of another schema, or entities that were not aligned.
    pub fn new(
        scores: &ScorePlan,
        plan: &JoinPlan,
        rows: &ScoreRows,
        party: &PartyId,
        positions: &[u32],
        slots: usize,
        seed: Seed,
    ) -> Result<Self, JoinError> {
        let range = rows
            .ranges
            .iter()
            .find(|(of, _)| of == party)
            .map(|(_, range)| range.clone());
        let range = range.unwrap_or(0..0);
        let mut links = Vec::new();
        for (link, entities) in rows.entities.iter().enumerate() {
            if !plan.goes_to(link, party) || scores.sources.get(link).is_none_or(Vec::is_empty) {
                continue;
            }
            let own: Vec<usize> = (0..entities.len())
                .filter(|row| entities.get(*row).is_some_and(|entity| range.contains(entity)))
                .collect();
            let weights = scores.of_link(link, &select(&rows.rows, &own))?;
            let mut layers: Vec<Vec<Place>> = Vec::new();
            let mut depth = vec![0usize; slots];
            for (place, row) in own.iter().enumerate() {
                let entity = entities.get(*row).copied().unwrap_or_default();
                let position = positions
                    .get((entity - range.start) as usize)
                    .ok_or(JoinError::Shape {
                        what: "entity of a row, below",
                        expected: positions.len() as u64,
                        actual: u64::from(entity - range.start),
                    })?;
                let slot = *position as usize % slots;
                let Some(layer) = depth.get_mut(slot) else {
                    continue;
                };
                if *layer == layers.len() {
                    layers.push(Vec::new());
                }
                if let Some(layer) = layers.get_mut(*layer) {
                    layer.push(Place {
                        slot: slot as u32,
                        block: (*position as usize / slots) as u32,
                        row: place as u32,
                    });
                }
                *layer += 1;
            }
            links.push(LinkQuery {
                link,
                rows: own.iter().map(|row| *row as u32).collect(),
                weights,
                layers,
            });
        }
        Ok(Self { links, seed })
    }

    /// Answers of the batch.
    pub fn outputs(&self) -> usize {
        self.links.iter().map(|link| link.layers.len()).sum()
    }

    /// What is said of it first.
    pub fn header(&self) -> ScoreHeader {
        ScoreHeader {
            rows: self.links.iter().map(|link| link.rows.len() as u64).sum(),
            outputs: self.outputs() as u64,
        }
    }

    fn output(&self, output: usize) -> Option<(&LinkQuery, &[Place])> {
        let mut left = output;
        for link in &self.links {
            match link.layers.get(left) {
                Some(layer) => return Some((link, layer)),
                None => left -= link.layers.len(),
            }
        }
        None
    }

    fn masks(&self, params: &SlotParams, output: usize) -> Vec<u64> {
        let mut masks = vec![0; params.slots()];
        let seed = self.seed.derive("score mask", &(output as u64).to_le_bytes());
        Prg::new(&seed).add_into(&mut masks, params.modulus());
        masks
    }

    /// The portions in which answers are computed.
    pub fn portion(&self, first: usize) -> Range<usize> {
        first..(first + OUTPUTS_PER_WORK).min(self.outputs())
    }

    /// Answers of a portion, several to a message.
    ///
    /// # Errors
    /// Blocks of other parameters or sources.
    pub fn answers(
        &self,
        scores: &ScorePlan,
        blocks: &ScoreBlocks,
        portion: Range<usize>,
    ) -> Result<Vec<Vec<u8>>, JoinError> {
        let params = &blocks.params;
        let mut products: Vec<(usize, SlotProduct)> =
            portion.map(|output| (output, SlotProduct::new(params))).collect();
        let width = blocks.sources.len().max(1);
        for (block, encrypted) in blocks.blocks.chunks(width).enumerate() {
            let expanded: Vec<SlotBlock> = encrypted
                .par_iter()
                .map(|encrypted| Ok(SlotBlock::new(params, encrypted)?))
                .collect::<Result<_, JoinError>>()?;
            products.par_iter_mut().try_for_each_init(
                || (SlotScratch::new(params), vec![0u64; params.slots()]),
                |(scratch, weights), (output, product)| -> Result<(), JoinError> {
                    let Some((link, layer)) = self.output(*output) else {
                        return Ok(());
                    };
                    // A block without rows adds nothing; what is sent does not show it.
                    let mut here: Vec<Place> = layer.to_vec();
                    here.retain(|place| place.block as usize == block);
                    if here.is_empty() {
                        return Ok(());
                    }
                    let of_link = scores
                        .sources
                        .get(link.link)
                        .map(Vec::as_slice)
                        .unwrap_or_default();
                    for (source, all) in of_link.iter().zip(link.weights.chunks(link.rows.len().max(1))) {
                        let place = blocks.sources.binary_search(source).ok();
                        let Some(encrypted) = place.and_then(|place| expanded.get(place)) else {
                            continue;
                        };
                        weights.fill(0);
                        for place in &here {
                            if let (Some(weight), Some(value)) =
                                (weights.get_mut(place.slot as usize), all.get(place.row as usize))
                            {
                                *weight = u64::from(*value);
                            }
                        }
                        product.accumulate(weights, encrypted, scratch)?;
                    }
                    Ok(())
                },
            )?;
        }
        let answers: Vec<Vec<u8>> = products
            .par_iter()
            .map(|(output, product)| {
                let seed = self.seed.derive("score answer", &(*output as u64).to_le_bytes());
                let masks = self.masks(params, *output);
                Ok(product.answer(&blocks.key, &masks, &mut seed.rng())?.to_bytes())
            })
            .collect::<Result<_, JoinError>>()?;
        Ok(answers
            .chunks(per_message(params))
            .map(<[Vec<u8>]>::concat)
            .collect())
    }

    /// The parts of the rows' scores in opened answers, from answer `first` on.
    ///
    /// # Errors
    /// Bytes that are no opened answers.
    pub fn close(
        &self,
        params: &SlotParams,
        first: usize,
        messages: &[Vec<u8>],
    ) -> Result<(Vec<(u32, i64)>, usize), JoinError> {
        let modulus = params.modulus();
        let size = params.slots().saturating_mul(modulus.word_bytes());
        let opened: Vec<&[u8]> = messages
            .iter()
            .flat_map(|message| message.chunks(size.max(1)))
            .collect();
        let outputs = opened.len();
        let parts: Vec<Vec<(u32, i64)>> = opened
            .into_par_iter()
            .enumerate()
            .map(|(number, bytes)| {
                let output = first + number;
                let unreadable = JoinError::Unreadable {
                    what: "an opened answer",
                    length: bytes.len(),
                };
                let mut words = modulus.unpack(bytes, params.slots()).map_err(|_| unreadable)?;
                modulus.sub(&mut words, &self.masks(params, output));
                let Some((link, layer)) = self.output(output) else {
                    return Ok(Vec::new());
                };
                let part = |place: &Place| {
                    let row = link.rows.get(place.row as usize)?;
                    let word = words.get(place.slot as usize)?;
                    Some((*row, *word))
                };
                Ok(layer
                    .iter()
                    .filter_map(part)
                    .map(|(row, word)| (row, centred(params, word)))
                    .collect())
            })
            .collect::<Result<_, JoinError>>()?;
        Ok((parts.concat(), outputs))
    }
}

/// Totals below half of `p` are themselves; what noise has taken below zero is not. Exact totals are below `p`, and
/// then twice of them may not be: they are never taken for negative.
fn centred(params: &SlotParams, word: u64) -> i64 {
    let limit = params.literal().min_plaintext;
    if word < limit {
        word as i64
    } else {
        word as i64 - params.plaintext() as i64
    }
}

/// Encrypted sources of one attribute party.
pub struct ScoreBlocks {
    params: SlotParams,
    sources: Vec<Source>,
    key: PublicKey,
    blocks: Vec<EncryptedBlock>,
}

impl std::fmt::Debug for ScoreBlocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScoreBlocks({})", self.blocks.len())
    }
}

impl ScoreBlocks {
    /// Reads a whole stream: the public key, then blocks.
    ///
    /// # Errors
    /// Bytes that are not these.
    pub fn read(
        params: SlotParams,
        sources: Vec<Source>,
        union: u64,
        messages: &[Vec<u8>],
    ) -> Result<Self, JoinError> {
        let (key, messages) = messages.split_first().ok_or(JoinError::Unreadable {
            what: "a public key",
            length: 0,
        })?;
        let key = params.read_public_key(key)?;
        let bytes: Vec<&[u8]> = messages
            .iter()
            .flat_map(|message| message.chunks(params.block_bytes().max(1)))
            .collect();
        let expected = params.blocks(usize::try_from(union).unwrap_or(usize::MAX)) * sources.len();
        if bytes.len() != expected {
            return Err(JoinError::Shape {
                what: "encrypted blocks for scores",
                expected: expected as u64,
                actual: bytes.len() as u64,
            });
        }
        let blocks = read_blocks(&key, bytes, |bytes| params.read_block(bytes))?;
        Ok(Self {
            params,
            sources,
            key,
            blocks,
        })
    }

    /// Their parameters.
    pub fn params(&self) -> &SlotParams {
        &self.params
    }
}
