//! Private scores: the row party's weights times encrypted profiles, slot by slot.
//!
//! The score of a row is a sum of leaf values, and for each link linear in what the row's entity is: a sum over
//! *sources* (profiles, or predicates where these are fewer) of the row's weight under it. Entity `i` of the union
//! stands in slot `i % N` of block `i / N`; the `k`-th answer carries in slot `j` the `k`-th row whose entity
//! stands there. The attribute party opens masked sums and gives them back.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::{
    EncryptedBlock, PublicKey, SlotBlock, SlotKey, SlotParams, SlotProduct, SlotScratch,
};
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::mask::prg::Prg;
use hedgerow_crypto::seed::Seed;
use hedgerow_dp::Mechanism;
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::join::{AttributePredicate, NOBODY, PartialScores, PredicateScores};
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::{SCALE, TableQuery};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::JoinError;
use super::encrypt::{Attributes, source_bits};
use super::plan::{JoinPlan, MAX_PROFILES};
use super::stream::CHUNK;
use super::upload::Source;
use crate::config::RunConfig;
use crate::ids::PartyId;
use crate::score_noise;

/// Bytes of weights of one link that are held at a time.
const MAX_WEIGHTS: usize = 256 << 20;
/// Answers that are computed together: 384 KiB each.
const OUTPUTS_PER_WORK: usize = 64;

/// Rows whose scores are wanted.
#[derive(Clone, Debug)]
pub struct ScoreRows {
    /// The rows' own columns, in the schema's order.
    pub rows: Binned,
    /// For each link of the schema the entity of every row, [`NOBODY`] for none.
    pub entities: Vec<Vec<u32>>,
    /// The entities of each attribute party; the first of a range is the first of
    /// [`super::JoinData::references`].
    pub ranges: Vec<(PartyId, Range<u32>)>,
}

/// What is asked in a batch; the first message of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreHeader {
    /// Scores that the batch asks for, at this party through any link.
    pub rows: u64,
    /// Answers that follow.
    pub outputs: u64,
}

/// A forest as both sides take it apart.
#[derive(Debug)]
pub struct ScorePlan {
    parts: Parts,
    /// For each link its sources, in the order of their weights.
    sources: Vec<Vec<Source>>,
    trees: usize,
    noise: Option<Mechanism>,
}

#[derive(Debug)]
enum Parts {
    Profiles(PartialScores),
    Predicates(PredicateScores),
}

impl ScorePlan {
    /// The plan of a forest: by profiles or by predicates, whichever are fewer.
    ///
    /// # Errors
    /// A forest that is not of this run, or noise that cannot be had.
    pub fn new(config: &RunConfig, plan: &JoinPlan, forest: &Forest) -> Result<Self, JoinError> {
        let query =
            TableQuery::score_histogram(Arc::clone(&forest.trees), Arc::clone(&forest.leaf_values), 1)
                .map_err(hedgerow_forest::join::JoinError::from)?;
        let binner = Binner::new(&config.schema, config.forest.bins)?;
        let by_predicate = PredicateScores::new(&query, &config.schema, &binner)?;
        let links = plan.cells().links();
        let predicates: Vec<Vec<Source>> = (0..links.links().len())
            .map(|link| {
                by_predicate
                    .predicates(link)
                    .iter()
                    .map(|p| Source::Predicate(*p))
                    .collect()
            })
            .collect();
        let by_profile = PartialScores::new(&query, &config.schema, &binner, MAX_PROFILES).ok();
        let (parts, sources) = match by_profile {
            Some(by_profile) => {
                let of_link = |(number, link): (usize, &hedgerow_forest::join::LinkColumns)| {
                    let domain = link.domain;
                    let profiles = 0..by_profile.profiles(number);
                    profiles
                        .map(|profile| Source::Profile { domain, profile })
                        .collect()
                };
                let profiles: Vec<Vec<Source>> = links.links().iter().enumerate().map(of_link).collect();
                if distinct(&profiles).len() <= distinct(&predicates).len() {
                    (Parts::Profiles(by_profile), profiles)
                } else {
                    (Parts::Predicates(by_predicate), predicates)
                }
            }
            None => (Parts::Predicates(by_predicate), predicates),
        };
        let noise =
            score_noise::mechanism(config, forest).map_err(|error| JoinError::Data(error.to_string()))?;
        Ok(Self {
            parts,
            sources,
            trees: forest.trees.len(),
            noise,
        })
    }

    /// Everything that an attribute party encrypts for scores.
    pub fn sources(&self, plan: &JoinPlan, party: &PartyId) -> Vec<Source> {
        let links = self.sources.iter().enumerate();
        let own: Vec<Vec<Source>> = links
            .filter(|(link, _)| plan.goes_to(*link, party))
            .map(|(_, sources)| sources.clone())
            .collect();
        distinct(&own)
    }

    /// Parameters for one pair of parties: exact totals, and room for noise.
    ///
    /// # Errors
    /// Bounds under which nothing can be encrypted.
    pub fn params(&self, union: u64) -> Result<SlotParams, JoinError> {
        let total = (self.trees as u64).saturating_mul(u64::from(SCALE));
        let least = match &self.noise {
            Some(mechanism) => 2 * (total + score_noise::tail(mechanism)),
            None => total,
        };
        let most = self.sources.iter().map(Vec::len).max().unwrap_or(1);
        let blocks = usize::try_from(union).unwrap_or(usize::MAX).div_ceil(8192).max(1);
        let products = u32::try_from(blocks.saturating_mul(most.max(1))).unwrap_or(u32::MAX);
        Ok(SlotParams::new(least, products)?)
    }

    fn local(&self, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        Ok(match &self.parts {
            Parts::Profiles(parts) => parts.local(rows)?,
            Parts::Predicates(parts) => parts.local(rows)?,
        })
    }

    fn of_link(&self, link: usize, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        Ok(match &self.parts {
            Parts::Profiles(parts) => parts.of_link(link, rows)?,
            Parts::Predicates(parts) => parts.of_link(link, rows)?,
        })
    }

    /// Whether a missing entity is of a source.
    fn holds_missing(&self, link: usize, place: usize, plan: &JoinPlan) -> bool {
        let own = self.sources.get(link).map(Vec::as_slice).unwrap_or_default();
        match own.get(place) {
            Some(Source::Profile { .. }) => place + 1 == own.len(),
            Some(Source::Predicate(predicate)) => plan
                .cells()
                .predicates()
                .get(*predicate)
                .is_some_and(AttributePredicate::accepts_missing),
            None => false,
        }
    }

    /// The scores of all rows as far as the row party has them: with every entity missing that is at none of `there`.
    ///
    /// # Errors
    /// Rows of another schema.
    pub fn own_part(
        &self,
        plan: &JoinPlan,
        rows: &ScoreRows,
        there: &[PartyId],
    ) -> Result<Vec<i64>, JoinError> {
        let mut totals: Vec<i64> = self.local(&rows.rows)?.into_iter().map(i64::from).collect();
        for (link, entities) in rows.entities.iter().enumerate() {
            let is_missing = |entity: &u32| {
                *entity == NOBODY
                    || rows
                        .party_of(*entity)
                        .is_none_or(|party| there.binary_search(party).is_err() || !plan.goes_to(link, party))
            };
            let missing: Vec<usize> = (0..entities.len())
                .filter(|row| entities.get(*row).is_some_and(is_missing))
                .collect();
            let weights = self.of_link(link, &select(&rows.rows, &missing))?;
            for (place, weights) in weights.chunks(missing.len().max(1)).enumerate() {
                if !self.holds_missing(link, place, plan) {
                    continue;
                }
                for (row, weight) in missing.iter().zip(weights) {
                    if let Some(total) = totals.get_mut(*row) {
                        *total += i64::from(*weight);
                    }
                }
            }
        }
        Ok(totals)
    }
}

impl ScoreRows {
    fn party_of(&self, entity: u32) -> Option<&PartyId> {
        let of = self.ranges.iter().find(|(_, range)| range.contains(&entity));
        of.map(|(party, _)| party)
    }

    /// The digest of rows and entities: masks are bound to it.
    pub fn digest(&self) -> Digest {
        let columns: Vec<&[u8]> = (0..self.rows.features())
            .map(|feature| self.rows.column(feature))
            .collect();
        let entities: Vec<Vec<u8>> = self
            .entities
            .iter()
            .map(|link| link.iter().flat_map(|entity| entity.to_le_bytes()).collect())
            .collect();
        let parts: Vec<&[u8]> = columns
            .into_iter()
            .chain(entities.iter().map(Vec::as_slice))
            .collect();
        hash("hedgerow/protocol/join/scores/1", &parts)
    }

    /// Most rows that ask about one entity.
    pub fn most_per_entity(&self) -> u32 {
        let mut all: Vec<u32> = self
            .entities
            .iter()
            .flatten()
            .copied()
            .filter(|e| *e != NOBODY)
            .collect();
        all.sort_unstable();
        let runs = all.chunk_by(|a, b| a == b).map(<[u32]>::len);
        u32::try_from(runs.max().unwrap_or(0)).unwrap_or(u32::MAX)
    }
}

/// Rows that are scored in one batch at most, so that the weights of a link fit into memory.
#[must_use]
pub fn max_batch(config: &RunConfig, forest: &Forest) -> usize {
    let plan = TableQuery::leaf_counts(Arc::clone(&forest.trees))
        .ok()
        .and_then(|query| JoinPlan::new(config, &query).ok());
    let sources = plan
        .and_then(|plan| ScorePlan::new(config, &plan, forest).ok())
        .map_or(1, |plan| plan.sources.iter().map(Vec::len).max().unwrap_or(1));
    (MAX_WEIGHTS / 4 / sources.max(1)).max(1)
}

fn distinct(sources: &[Vec<Source>]) -> Vec<Source> {
    let mut all: Vec<Source> = sources.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The rows at these places.
fn select(rows: &Binned, places: &[usize]) -> Binned {
    let mut selected = Binned::new(places.len(), rows.features());
    for feature in 0..rows.features() {
        let column = rows.column(feature);
        for (bin, place) in selected.column_mut(feature).iter_mut().zip(places) {
            *bin = column.get(*place).copied().unwrap_or_default();
        }
    }
    selected
}

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

/// Answers in one message.
pub fn per_message(params: &SlotParams) -> usize {
    (CHUNK / params.answer_bytes().max(1)).max(1)
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
        let blocks = bytes
            .into_par_iter()
            .map(|bytes| {
                let block = params.read_block(bytes)?;
                key.id()
                    .check(block.key())
                    .map_err(hedgerow_crypto::exact::ExactError::from)?;
                Ok(block)
            })
            .collect::<Result<_, JoinError>>()?;
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
        (CHUNK / self.params.block_bytes().max(1)).max(1)
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
                        let context = [batch.to_le_bytes(), (number as u64).to_le_bytes()].concat();
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
