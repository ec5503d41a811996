//! Own weights times the other's ciphertexts, part by part.

use std::ops::Range;
use std::sync::Arc;

use hedgerow_crypto::exact::{EncryptedBlock, PredicateBlock, Product, PublicKey, Scratch};
use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::join::Side;
use hedgerow_forest::table::CLASSES;
use rayon::prelude::*;

use super::{Exchange, Own, other};
use crate::ids::PartyId;
use crate::join::answer::{masks, read_blocks, tree_seed};
use crate::join::error::JoinError;

/// The other's ciphertexts: ready for products, as all parts are multiplied with them; and the digest of what came.
pub struct Blocks {
    /// `[blocks, vectors]`
    blocks: Vec<PredicateBlock>,
    key: PublicKey,
    digest: Digest,
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blocks({}, {:?})", self.blocks.len(), self.digest)
    }
}

impl Blocks {
    /// Reads the messages of a side: its key, then its ciphertexts.
    ///
    /// # Errors
    /// Bytes that are not what this side sends for the query.
    pub fn read(exchange: &Exchange, side: Side, messages: &[Vec<u8>]) -> Result<Self, JoinError> {
        let params = &exchange.params;
        let parts: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let digest = hash("hedgerow/protocol/join/gradients/1", &parts);
        let (key, messages) = messages.split_first().ok_or(JoinError::Unreadable {
            what: "a public key",
            length: 0,
        })?;
        let size = params.block_bytes();
        let bytes: Vec<&[u8]> = messages.iter().flat_map(|message| message.chunks(size)).collect();
        super::fits(
            "encrypted blocks of gradients",
            exchange.encrypted(side),
            bytes.len(),
        )?;
        let key = params.read_public_key(key)?;
        let blocks = read_blocks(&key, bytes, |bytes| params.read_block(bytes))?;
        let expand = |block: &EncryptedBlock| {
            let mut expanded = PredicateBlock::new(params);
            expanded.add_assign(block)?;
            Ok(expanded)
        };
        Ok(Self {
            blocks: blocks.par_iter().map(expand).collect::<Result<_, JoinError>>()?,
            key,
            digest,
        })
    }

    /// Digest of the public key and of all blocks.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// What is needed to answer.
#[derive(Clone, Debug)]
pub struct Answerer {
    /// The query.
    pub exchange: Arc<Exchange>,
    /// This party's side.
    pub side: Side,
    /// What this party knows.
    pub own: Arc<Own>,
    /// The other.
    pub party: PartyId,
    /// The secret of the round for answers.
    pub secret: Seed,
}

impl Answerer {
    /// The answers to one of the own parts, several to a message.
    ///
    /// # Errors
    /// Bounds of the encryption that do not hold.
    pub fn answers(&self, part: usize, blocks: &Blocks) -> Result<Vec<Vec<u8>>, JoinError> {
        let (exchange, params) = (&self.exchange, &self.exchange.params);
        let Some(of) = exchange.plan.joined(self.side).nth(part) else {
            return Ok(Vec::new());
        };
        let branches = exchange.plan.branches();
        // By leaf and branch, positions ascending.
        let mut rows: Vec<Vec<Vec<u32>>> = vec![vec![Vec::new(); branches]; of.leaves];
        for branch in 0..branches {
            let Some(leaves) = self.own.leaves(branch, part) else {
                return Ok(Vec::new());
            };
            for (row, leaf) in (0u32..).zip(leaves) {
                let of_leaf = rows.get_mut(usize::from(*leaf));
                if let Some(rows) = of_leaf.and_then(|of| of.get_mut(branch)) {
                    rows.push(row);
                }
            }
        }
        let seed = tree_seed(&self.secret, &self.party, part, &blocks.digest);
        let answers: Vec<[Vec<u8>; CLASSES]> = rows
            .par_iter()
            .enumerate()
            .map_init(
                || (Scratch::new(params), vec![0i32; params.weights_len()]),
                |(scratch, weights), (leaf, rows)| {
                    let only = of.branches_of(leaf, branches);
                    let products = self.products((rows, only), blocks, (scratch, weights))?;
                    let mut answers = [Vec::new(), Vec::new()];
                    for (class, (product, answer)) in products.iter().zip(&mut answers).enumerate() {
                        let number = leaf * CLASSES + class;
                        let masks = masks(&seed, number, 1, params.plaintext());
                        let mut rng = seed.derive("answer", &(number as u64).to_le_bytes()).rng();
                        *answer = product.answer(&blocks.key, &masks, &mut rng)?.to_bytes();
                    }
                    Ok(answers)
                },
            )
            .collect::<Result<_, JoinError>>()?;
        let answers: Vec<Vec<u8>> = answers.into_iter().flatten().collect();
        let per_message = exchange.answers_per_message();
        Ok(answers.chunks(per_message).map(<[Vec<u8>]>::concat).collect())
    }

    /// Both derivatives of one leaf, of the branches that can be in it.
    fn products(
        &self,
        (rows, branches): (&[Vec<u32>], Range<usize>),
        blocks: &Blocks,
        (scratch, weights): (&mut Scratch, &mut [i32]),
    ) -> Result<[Product; CLASSES], JoinError> {
        let params = &self.exchange.params;
        let mut products = [Product::new(params), Product::new(params)];
        let (knots, length) = (self.exchange.plan.knots().count(), params.block_len());
        // Vectors of a kind.
        let all = self.exchange.plan.branches() * knots;
        let vectors = self.exchange.vectors(other(self.side)).max(1);
        let (own, count) = (&self.own, self.own.positions.len());
        let position = |row: &u32| {
            own.positions
                .get(*row as usize)
                .map_or(0, |position| *position as usize)
        };
        for branch in branches {
            let rows = rows.get(branch).map(Vec::as_slice).unwrap_or_default();
            let mut start = 0;
            for (block, sources) in blocks.blocks.chunks(vectors).enumerate() {
                let left = rows.get(start..).unwrap_or_default();
                let here = left.partition_point(|row| position(row) < (block + 1) * length);
                let (here, first) = (left.get(..here).unwrap_or_default(), block * length);
                start += here.len();
                // Also where no row is: time must not tell.
                for kind in 0..own.kinds {
                    for vector in branch * knots..(branch + 1) * knots {
                        weights.fill(0);
                        let list = own
                            .weights
                            .get((kind * all + vector) * count..)
                            .unwrap_or_default();
                        for row in here {
                            let weight = list.get(*row as usize).copied().unwrap_or_default();
                            if let Some(sum) = weights.get_mut(position(row) - first) {
                                *sum += weight;
                            }
                        }
                        scratch.load(params, weights)?;
                        if own.kinds == CLASSES {
                            // Derivatives times hats, which serve both.
                            accumulate(products.get_mut(kind), sources.get(vector), scratch)?;
                        } else {
                            // Hats times sums of either derivative.
                            for (class, product) in products.iter_mut().enumerate() {
                                accumulate(Some(product), sources.get(class * all + vector), scratch)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(products)
    }
}

fn accumulate(
    product: Option<&mut Product>,
    source: Option<&PredicateBlock>,
    scratch: &Scratch,
) -> Result<(), JoinError> {
    if let (Some(product), Some(source)) = (product, source) {
        product.accumulate_loaded(source, scratch)?;
    }
    Ok(())
}

/// A side's shares modulo `p` of the cells that it has answered: minus the masks.
#[must_use]
pub fn own_shares(
    exchange: &Exchange,
    side: Side,
    party: &PartyId,
    secret: &Seed,
    digest: &Digest,
) -> Vec<(usize, u64)> {
    let plaintext = exchange.params.plaintext();
    let mut shares = Vec::new();
    for (part, of) in exchange.plan.joined(side).enumerate() {
        let seed = tree_seed(secret, party, part, digest);
        for number in 0..CLASSES * of.leaves {
            let mask = masks(&seed, number, 1, plaintext)
                .first()
                .copied()
                .unwrap_or_default();
            shares.push((of.first + number, (plaintext - mask) & (plaintext - 1)));
        }
    }
    shares
}
