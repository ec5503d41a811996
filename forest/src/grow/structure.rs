//! The structure of random decision trees: a function of schema, bins and a public seed, never of data.
//!
//! After Fan, Wang, Yu, Ma (ICDM 2003), over bins. Every node has a *box*: for each feature the value bins that rows
//! may still have there. A feature can be split while its box has two value bins or more. The draw at a node:
//!
//! 1. a feature, uniform among those that can be split (none: the node and all below it send everything left);
//! 2. numeric: a threshold uniform among the bins of the box but its first; this bin and those above go right;
//!    categorical: one bit per category of the box in ascending order, drawn again as a whole while all are equal;
//!    categories with bit 1 go right;
//! 3. one bit: whether missing values go right.
//!
//! If columns are read through links, a tree first draws one link, uniform among all of the schema's, and tests only
//! columns of the rows and of this link: a leaf is then a conjunction over a row and *one* entity, which keeps the
//! encrypted tables linear. The ensemble covers all links. With `links_per_tree = 2` it draws a second one, uniform among
//! the others, where there are any: a leaf is then a conjunction over a row and the entities of two links.
//!
//! Randomness is the ChaCha20 key stream (64-bit counter, 64-bit nonce) under the key
//! `SHA-256("hedgerow-forest random trees v1" || seed)` with the tree's position as nonce, read as little-endian
//! `u32` words, one tree node after the other in preorder (node, left subtree, right subtree). A number below `n` is
//! `word % n` for the first word below the largest multiple of `n` that fits 32 bits; a bit is the lowest bit of a
//! word; a row of bits takes the words' bits from the lowest up, 32 to a word, every row starting a new word. So a
//! tree does not depend on how many others there are.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::GrowError;
use crate::binning::Binner;
use crate::params::ForestParams;
use crate::tree::{BinSet, Split, Tree};

/// The trees of a random forest.
///
/// # Errors
/// Parameters out of range, or a binner of another number of bins.
pub fn random_trees(binner: &Binner, params: &ForestParams, seed: &[u8; 32]) -> Result<Vec<Tree>, GrowError> {
    params.validate()?;
    if binner.bins() != params.bins {
        return Err(GrowError::Bins {
            expected: params.bins,
            seen: binner.bins(),
        });
    }
    let mut key = Sha256::new();
    key.update(b"hedgerow-forest random trees v1");
    key.update(seed);
    let key: [u8; 32] = key.finalize().into();
    (0..u64::from(params.trees))
        .map(|position| Draw::new(binner, key, position, params.links_per_tree).tree(params.depth))
        .collect()
}

/// What is left of one feature at a node.
#[derive(Clone, Copy)]
enum Remaining {
    /// Value bins from the first to below the second.
    Numeric(u8, u8),
    Categorical(BinSet),
}

impl Remaining {
    fn can_split(&self) -> bool {
        match self {
            Self::Numeric(from, below) => below - from >= 2,
            Self::Categorical(categories) => categories.len() >= 2,
        }
    }
}

struct Draw {
    rng: ChaCha20Rng,
    /// The box of the current node, and per feature the bin of missing values.
    features: Vec<(Remaining, u8)>,
    /// The features that can be split, 64 to a word.
    candidates: Vec<u64>,
}

impl Draw {
    fn new(binner: &Binner, key: [u8; 32], position: u64, links_per_tree: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed(key);
        rng.set_stream(position);
        let mut draw = Self {
            rng,
            features: Vec::new(),
            candidates: Vec::new(),
        };
        let links = u32::try_from(binner.links()).ok().filter(|links| *links > 0);
        let link = links.map(|links| draw.below(links) as usize);
        let second = links
            .zip(link)
            .filter(|(links, _)| links_per_tree > 1 && *links > 1);
        let second = second.map(|(links, first)| {
            let other = draw.below(links - 1) as usize;
            other + usize::from(other >= first)
        });
        let whole = |feature: &crate::binning::FeatureBinner| {
            let missing = feature.missing();
            let remaining = if feature.link().is_some() && feature.link() != link && feature.link() != second
            {
                // A column of another link: nothing to split, here and below.
                Remaining::Categorical(BinSet::EMPTY)
            } else if feature.is_numeric() {
                Remaining::Numeric(0, missing)
            } else {
                Remaining::Categorical((0..missing).collect())
            };
            (remaining, missing)
        };
        draw.features = binner.features().iter().map(whole).collect();
        draw.candidates = vec![0; draw.features.len().div_ceil(64)];
        for feature in 0..draw.features.len() {
            draw.mark(feature);
        }
        draw
    }

    fn tree(mut self, depth: u8) -> Result<Tree, GrowError> {
        let mut splits = vec![Split::DUMMY; (1 << depth) - 1];
        self.node(0, &mut splits);
        // The number of splits is that of a complete tree, and the depth was checked.
        Tree::new(depth, splits).map_err(|_| {
            GrowError::Params(crate::params::ParamsError {
                field: "depth",
                seen: depth.into(),
                least: 1,
                most: crate::params::MAX_DEPTH.into(),
            })
        })
    }

    /// Draws the node at `position` and all below it; the box is as before when it returns.
    fn node(&mut self, position: usize, splits: &mut [Split]) {
        if position >= splits.len() {
            return;
        }
        let Some((feature, split, left, right)) = self.split() else {
            return;
        };
        if let Some(slot) = splits.get_mut(position) {
            *slot = split;
        }
        let before = self.replace(feature, left);
        self.node(2 * position + 1, splits);
        self.replace(feature, right);
        self.node(2 * position + 2, splits);
        self.replace(feature, before);
    }

    fn replace(&mut self, feature: usize, remaining: Remaining) -> Remaining {
        let before = match self.features.get_mut(feature) {
            Some((slot, _)) => std::mem::replace(slot, remaining),
            None => remaining,
        };
        self.mark(feature);
        before
    }

    /// Notes whether the feature can be split.
    fn mark(&mut self, feature: usize) {
        let can_split = self
            .features
            .get(feature)
            .is_some_and(|(box_, _)| box_.can_split());
        if let Some(word) = self.candidates.get_mut(feature / 64) {
            *word = *word & !(1 << (feature % 64)) | u64::from(can_split) << (feature % 64);
        }
    }

    /// The feature at this place among those that can be split.
    fn candidate(&self, mut place: u32) -> Option<usize> {
        for (index, word) in self.candidates.iter().enumerate() {
            let ones = word.count_ones();
            if place < ones {
                let left = (0..place).fold(*word, |left, _| left & (left - 1));
                return Some(index * 64 + left.trailing_zeros() as usize);
            }
            place -= ones;
        }
        None
    }

    /// The test of a node with the boxes of its children on the feature tested.
    fn split(&mut self) -> Option<(usize, Split, Remaining, Remaining)> {
        let candidates = self.candidates.iter().map(|word| word.count_ones()).sum();
        if candidates == 0 {
            return None;
        }
        let place = self.below(candidates);
        let feature = self.candidate(place)?;
        let (remaining, missing) = *self.features.get(feature)?;
        let (mut right, left_box, right_box) = match remaining {
            Remaining::Numeric(from, below) => {
                let threshold = from + 1 + self.below(u32::from(below - from - 1)) as u8;
                let right = BinSet::range(threshold, below - 1);
                (
                    right,
                    Remaining::Numeric(from, threshold),
                    Remaining::Numeric(threshold, below),
                )
            }
            Remaining::Categorical(categories) => {
                let right = self.proper_subset(&categories);
                let left = categories
                    .iter()
                    .filter(|category| !right.contains(*category))
                    .collect();
                (right, Remaining::Categorical(left), Remaining::Categorical(right))
            }
        };
        if self.bit() {
            right.insert(missing);
        }
        Some((
            feature,
            Split {
                feature: feature as u16,
                right,
            },
            left_box,
            right_box,
        ))
    }

    /// A uniform subset that is neither empty nor all; `set` has two members or more.
    fn proper_subset(&mut self, set: &BinSet) -> BinSet {
        loop {
            let mut bits = (0, 0u32);
            let mut subset = BinSet::EMPTY;
            for member in set.iter() {
                if bits.0 == 0 {
                    bits = (32, self.rng.next_u32());
                }
                if bits.1 & 1 == 1 {
                    subset.insert(member);
                }
                bits = (bits.0 - 1, bits.1 >> 1);
            }
            if !subset.is_empty() && subset != *set {
                return subset;
            }
        }
    }

    /// Uniform below `n`, which is not 0.
    fn below(&mut self, n: u32) -> u32 {
        let multiples = (1 << 32) / u64::from(n) * u64::from(n);
        loop {
            let word = self.rng.next_u32();
            if u64::from(word) < multiples {
                return word % n;
            }
        }
    }

    fn bit(&mut self) -> bool {
        self.rng.next_u32() & 1 == 1
    }
}

#[cfg(test)]
mod tests;
