//! The row party's part: weights times encrypted bits, masked, flooded; and what its rows count as where an
//! attribute party is missing.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::{EncryptedBlock, ExactError, PredicateBlock, Product, PublicKey, Scratch};
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::join::AttributePredicate;
use hedgerow_forest::query::TableQuery;
use rand_core::Rng;
use rayon::prelude::*;

use super::data::JoinData;
use super::error::JoinError;
use super::plan::JoinPlan;
use super::stream::items_per_message;
use super::upload::{Unit, Upload};
use crate::ids::PartyId;

/// Answers that are computed together, at least and at most: each holds a product of 128 KiB until it is complete.
const FEW_GROUPS: usize = 384;
const MOST_GROUPS: usize = 768;

/// The blocks of one unit, as they came, and the digest of their bytes.
pub struct UnitBlocks {
    blocks: Vec<EncryptedBlock>,
    key: PublicKey,
    digest: Digest,
}

impl std::fmt::Debug for UnitBlocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnitBlocks({}, {:?})", self.blocks.len(), self.digest)
    }
}

impl UnitBlocks {
    /// Reads the messages of a unit.
    ///
    /// # Errors
    /// Bytes that are not the blocks of this unit under this key.
    pub fn read(upload: &Upload, unit: usize, key: &[u8], messages: &[Vec<u8>]) -> Result<Self, JoinError> {
        let params = &upload.params;
        let size = params.block_bytes();
        let mut parts: Vec<&[u8]> = vec![key];
        parts.extend(messages.iter().map(Vec::as_slice));
        let digest = hash("hedgerow/protocol/join/unit/1", &parts);
        let bytes: Vec<&[u8]> = messages.iter().flat_map(|message| message.chunks(size)).collect();
        let expected = upload.units.get(unit).map_or(0, |unit| upload.items(unit));
        if bytes.len() != expected {
            return Err(JoinError::Shape {
                what: "encrypted blocks of a unit",
                expected: expected as u64,
                actual: bytes.len() as u64,
            });
        }
        let key = params.read_public_key(key)?;
        let blocks = read_blocks(&key, bytes, |bytes| params.read_block(bytes))?;
        Ok(Self { blocks, key, digest })
    }

    /// Digest of the public key and of all blocks.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Encrypted blocks, all under one key.
///
/// # Errors
/// Bytes that are no such block.
pub(in crate::join) fn read_blocks(
    key: &PublicKey,
    blocks: Vec<&[u8]>,
    read: impl Fn(&[u8]) -> Result<EncryptedBlock, ExactError> + Sync,
) -> Result<Vec<EncryptedBlock>, JoinError> {
    let read = |bytes: &[u8]| {
        let block = read(bytes)?;
        key.id().check(block.key()).map_err(ExactError::from)?;
        Ok(block)
    };
    blocks.into_par_iter().map(read).collect()
}

/// Where the randomness of the answers of one tree comes from: bound to the ciphertexts that are answered, so that
/// other ciphertexts never meet the same masks.
#[must_use]
pub fn tree_seed(secret: &Seed, party: &PartyId, tree: usize, digest: &Digest) -> Seed {
    let mut context = (tree as u64).to_le_bytes().to_vec();
    context.extend_from_slice(digest.as_bytes());
    context.extend_from_slice(party.as_str().as_bytes());
    secret.derive("join answers", &context)
}

/// The masks of one answer, uniform below `p`, a power of two.
#[must_use]
pub fn masks(seed: &Seed, group: usize, segments: usize, plaintext: u64) -> Vec<u64> {
    let mut rng = seed.derive("mask", &(group as u64).to_le_bytes()).rng();
    (0..segments).map(|_| rng.next_u64() & (plaintext - 1)).collect()
}

/// The groups of a unit, in the order of its answers, each with its tree.
pub fn groups_of(plan: &JoinPlan, unit: &Unit) -> Vec<(usize, usize)> {
    unit.trees
        .iter()
        .flat_map(|tree| (0..plan.groups(*tree).len()).map(move |group| (*tree, group)))
        .collect()
}

/// The portions in which the answers of a unit are computed, as ranges of its groups. They end with a tree where that
/// leaves them large enough, because the weights of a tree are counted once for each portion.
pub fn portions(groups: &[(usize, usize)]) -> Vec<Range<usize>> {
    let mut portions = Vec::new();
    let mut start = 0;
    while start < groups.len() {
        let end = groups.len().min(start + MOST_GROUPS);
        let starts_a_tree = |place: &usize| {
            let tree = |place: usize| groups.get(place).map(|(tree, _)| *tree);
            tree(*place) != tree(place - 1)
        };
        let end = if end == groups.len() {
            end
        } else {
            (start + FEW_GROUPS..=end)
                .rev()
                .find(starts_a_tree)
                .unwrap_or(end)
        };
        portions.push(start..end);
        start = end;
    }
    portions
}

/// What is needed to answer one attribute party.
#[derive(Clone, Debug)]
pub struct Answerer {
    /// The query.
    pub query: TableQuery,
    /// Its plan.
    pub plan: Arc<JoinPlan>,
    /// What came from the party.
    pub upload: Arc<Upload>,
    /// The party.
    pub party: PartyId,
    /// For each reference to the party its position in the union.
    pub positions: Arc<Vec<u32>>,
    /// The secret of the round for answers.
    pub secret: Seed,
}

/// One answer in the making.
struct Cell {
    position: u32,
    segment: u32,
    count: u32,
}

struct Sum {
    tree: usize,
    group: usize,
    product: Product,
    weights: Vec<Cell>,
    cursor: usize,
}

/// Sums that share a predicate.
struct Shared {
    summands: Vec<usize>,
    sums: Vec<Sum>,
}

impl Answerer {
    /// The answers of a portion of a unit, several to a message.
    ///
    /// # Errors
    /// Data that cannot be read or do not fit, or bounds of the encryption that do not hold.
    pub fn answers(
        &self,
        data: &dyn JoinData,
        unit: usize,
        portion: Range<usize>,
        blocks: &UnitBlocks,
    ) -> Result<Vec<Vec<u8>>, JoinError> {
        let Some(of) = self.upload.units.get(unit) else {
            return Ok(Vec::new());
        };
        let mut shared = self.sums(data, of, portion)?;
        let params = &self.upload.params;
        let width = of.sources.len().max(1);
        for (block, sources) in blocks.blocks.chunks(width).enumerate() {
            let sources: Vec<PredicateBlock> = sources
                .par_iter()
                .map(|source| {
                    let mut block = PredicateBlock::new(params);
                    block.add_assign(source)?;
                    Ok(block)
                })
                .collect::<Result<_, JoinError>>()?;
            shared.par_iter_mut().try_for_each_init(
                || (Scratch::new(params), vec![0u32; params.weights_len()]),
                |(scratch, weights), shared| -> Result<(), JoinError> {
                    shared.accumulate(&sources, block, params.block_len(), weights, scratch, params)
                },
            )?;
        }
        let answers: Vec<Vec<u8>> = shared
            .par_iter()
            .flat_map_iter(|shared| &shared.sums)
            .map(|sum| {
                let seed = tree_seed(&self.secret, &self.party, sum.tree, &blocks.digest);
                let masks = masks(&seed, sum.group, params.segments(), params.plaintext());
                let mut rng = seed.derive("answer", &(sum.group as u64).to_le_bytes()).rng();
                Ok(sum.product.answer(&blocks.key, &masks, &mut rng)?.to_bytes())
            })
            .collect::<Result<_, JoinError>>()?;
        Ok(answers
            .chunks(answers_per_message(&self.upload))
            .map(<[Vec<u8>]>::concat)
            .collect())
    }

    /// Empty sums for a portion of the groups, with their weights sorted by position.
    fn sums(
        &self,
        data: &dyn JoinData,
        unit: &Unit,
        portion: Range<usize>,
    ) -> Result<Vec<Shared>, JoinError> {
        let groups = groups_of(&self.plan, unit);
        let groups = groups.get(portion).unwrap_or_default();
        let mut shared: Vec<Shared> = Vec::new();
        let mut last = None;
        let mut trees: Vec<usize> = Vec::new();
        // For each cell the sum and the segment that it is in.
        let mut places = vec![None; self.plan.cells().cells()];
        for &(tree, group) in groups {
            let Some(of) = self.plan.groups(tree).get(group) else {
                continue;
            };
            if last != Some((tree, of.predicate)) {
                last = Some((tree, of.predicate));
                shared.push(Shared {
                    summands: unit.summands(&self.plan, of.predicate),
                    sums: Vec::new(),
                });
            }
            let index = shared.len() - 1;
            if let Some(shared) = shared.last_mut() {
                for (segment, cell) in (0u32..).zip(&of.cells) {
                    if let Some(place) = places.get_mut(*cell as usize) {
                        *place = Some((index, shared.sums.len(), segment));
                    }
                }
                shared.sums.push(Sum {
                    tree,
                    group,
                    product: Product::new(&self.upload.params),
                    weights: Vec::new(),
                    cursor: 0,
                });
            }
            if trees.last() != Some(&tree) {
                trees.push(tree);
            }
        }
        for tree in trees {
            for weight in self.weights(data, tree)? {
                let Some(Some((index, sum, segment))) = places.get(weight.cell as usize) else {
                    continue;
                };
                let position = self.position(weight.reference)?;
                if let Some(sum) = shared
                    .get_mut(*index)
                    .and_then(|shared| shared.sums.get_mut(*sum))
                {
                    sum.weights.push(Cell {
                        position,
                        segment: *segment,
                        count: weight.count,
                    });
                }
            }
        }
        shared.par_iter_mut().for_each(|shared| {
            for sum in &mut shared.sums {
                sum.weights
                    .sort_unstable_by_key(|cell| (cell.position, cell.segment));
            }
        });
        Ok(shared)
    }

    fn weights(&self, data: &dyn JoinData, tree: usize) -> Result<Vec<super::Weight>, JoinError> {
        data.weights(&self.query, &self.party, tree..tree + 1)
            .map_err(JoinError::Data)
    }

    fn position(&self, reference: u32) -> Result<u32, JoinError> {
        self.positions
            .get(reference as usize)
            .copied()
            .ok_or(JoinError::Shape {
                what: "reference of a weight, below",
                expected: self.positions.len() as u64,
                actual: u64::from(reference),
            })
    }
}

/// For every cell of the query the rows that count in it while a party is missing.
///
/// # Errors
/// Data that cannot be read.
pub fn missing(
    data: &dyn JoinData,
    query: &TableQuery,
    plan: &JoinPlan,
    party: &PartyId,
) -> Result<Vec<i64>, JoinError> {
    let cells = plan.cells();
    if let Some(gradients) = plan.gradients() {
        let rows = data.gradient_rows(query, party).map_err(JoinError::Data)?;
        return Ok(rows.missing(gradients)?);
    }
    let mut sums = vec![0i64; cells.cells()];
    for tree in plan.trees_of(party) {
        let weights = data
            .weights(query, party, tree..tree + 1)
            .map_err(JoinError::Data)?;
        for weight in weights {
            let cell = weight.cell as usize;
            let passes = cells
                .predicate_of(cell)
                .is_some_and(AttributePredicate::accepts_missing);
            if let (true, Some(sum)) = (passes, sums.get_mut(cell)) {
                *sum += i64::from(weight.count);
            }
        }
    }
    Ok(sums)
}

impl Shared {
    fn accumulate(
        &mut self,
        sources: &[PredicateBlock],
        block: usize,
        block_len: usize,
        weights: &mut [u32],
        scratch: &mut Scratch,
        params: &hedgerow_crypto::exact::CountParams,
    ) -> Result<(), JoinError> {
        let mut predicate = PredicateBlock::new(params);
        for summand in self.summands.iter().filter_map(|summand| sources.get(*summand)) {
            predicate.add_predicate(summand)?;
        }
        let first = block * block_len;
        for sum in &mut self.sums {
            weights.fill(0);
            while let Some(cell) = sum.weights.get(sum.cursor)
                && (cell.position as usize) < first + block_len
            {
                let place = cell.segment as usize * block_len + (cell.position as usize - first);
                if let Some(weight) = weights.get_mut(place) {
                    *weight = weight.saturating_add(cell.count);
                }
                sum.cursor += 1;
            }
            sum.product.accumulate(weights, &predicate, scratch)?;
        }
        Ok(())
    }
}

/// Answers in one message: as many as fit one chunk.
pub fn answers_per_message(upload: &Upload) -> usize {
    items_per_message(upload.params.answer_bytes())
}

/// The row party's shares modulo `p` of everything that it has answered to one party: minus the masks. `digests`
/// tells for each unit which ciphertexts were answered.
#[must_use]
pub fn own_shares(
    plan: &JoinPlan,
    upload: &Upload,
    party: &PartyId,
    secret: &Seed,
    digests: &[Digest],
) -> Vec<(u32, u64)> {
    let (segments, plaintext) = (upload.params.segments(), upload.params.plaintext());
    let mut shares = Vec::new();
    for (unit, digest) in upload.units.iter().zip(digests) {
        for tree in &unit.trees {
            let seed = tree_seed(secret, party, *tree, digest);
            for (number, group) in plan.groups(*tree).iter().enumerate() {
                let masks = masks(&seed, number, segments, plaintext);
                shares.extend(
                    group
                        .cells
                        .iter()
                        .zip(masks)
                        .map(|(cell, mask)| (*cell, (plaintext - mask) & (plaintext - 1))),
                );
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_hold_every_group_once_and_end_with_trees_where_they_can() {
        let trees = [10, 500, 3000, 5, 5, 400];
        let groups: Vec<(usize, usize)> = trees
            .iter()
            .enumerate()
            .flat_map(|(tree, groups)| (0..*groups).map(move |group| (tree, group)))
            .collect();
        let portions = portions(&groups);
        let together: Vec<usize> = portions.iter().cloned().flatten().collect();
        assert_eq!(together, (0..groups.len()).collect::<Vec<_>>());
        assert!(portions.iter().all(|portion| portion.len() <= MOST_GROUPS));
        assert_eq!(portions[0], 0..510, "two whole trees");
        assert!(super::portions(&[]).is_empty());
    }
}
