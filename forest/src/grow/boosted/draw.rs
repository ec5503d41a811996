//! What a public seed decides: features of grown trees, and the structure of drawn ones.
//!
//! Randomness is the ChaCha20 key stream (64-bit counter, 64-bit nonce) under the key `SHA-256("hedgerow-forest boosted
//! trees v1" || seed)` with the tree's position as nonce, read as little-endian `u32` words. A number below `n` is
//! `word % n` for the first word below the largest multiple of `n` that fits 32 bits; a bit is the lowest bit of a word.
//! If columns are read through a link, a tree first draws a side by the chances of its features, and tests only columns
//! of the rows, or only columns of the link: margins of two parts ([`crate::query::sides`]).
//!
//! With a gate ([`crate::query::Gradients::with_gate`]) a tree over a link's columns tests it first, and draws the rest below.
//!
//! A drawn tree draws, node by node in preorder: a feature, by the chances of those that can still be cut; one of the
//! cuts that are left of it, by theirs; a bit, whether missing values go right. Cuts on one side of the one taken are
//! left to that side's subtree.

use std::ops::Range;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::guide::{FeatureGuide, Guide};
use crate::binning::Binner;
use crate::grow::GrowError;
use crate::tree::{Split, Tree};

/// The public seed, and the columns that it draws among.
#[derive(Debug)]
pub(super) struct Draw {
    binner: Binner,
    key: [u8; 32],
}

struct Structure<'a> {
    rng: ChaCha20Rng,
    guide: &'a Guide,
    /// Positions among each feature's cuts that are left at the current node.
    left: Vec<Range<usize>>,
}

impl Draw {
    pub(super) fn new(binner: &Binner, seed: &[u8; 32]) -> Self {
        let mut key = Sha256::new();
        key.update(b"hedgerow-forest boosted trees v1");
        key.update(seed);
        Self {
            binner: binner.clone(),
            key: key.finalize().into(),
        }
    }

    pub(super) const fn binner(&self) -> &Binner {
        &self.binner
    }

    fn start(&self, tree: usize) -> ChaCha20Rng {
        let mut rng = ChaCha20Rng::from_seed(self.key);
        rng.set_stream(tree as u64);
        rng
    }

    pub(super) fn is_linked(&self, feature: usize) -> bool {
        self.binner.feature(feature).link().is_some()
    }

    /// Features of a grown tree, ascending: `wanted` of all, uniform among all such sets (Knuth, volume 2, 3.4.2,
    /// algorithm S).
    pub(super) fn features(&self, tree: usize, wanted: usize) -> Vec<u16> {
        let mut rng = self.start(tree);
        let mut chosen = Vec::with_capacity(wanted);
        for feature in 0..self.binner.len() {
            let left = (self.binner.len() - feature) as u32;
            if (below(&mut rng, left) as usize) < wanted - chosen.len() {
                chosen.push(feature as u16);
            }
        }
        chosen
    }

    /// The gate of a growth: the cut of a column of the rows that has the largest chance. None where no such column has cuts.
    pub(super) fn gate(&self, guide: &Guide) -> Option<Split> {
        let of = guide.features().iter().enumerate();
        let rows = of.filter(|(feature, of)| !self.is_linked(*feature) && !of.cuts.is_empty());
        let (feature, of) = rows.min_by_key(|(_, of)| std::cmp::Reverse(of.chance))?;
        let (cut, _) = (0..)
            .zip(&of.cuts)
            .min_by_key(|(_, (_, chance))| std::cmp::Reverse(*chance))?;
        let right = of.right(cut);
        (!right.is_empty()).then_some(Split {
            feature: feature as u16,
            right,
        })
    }

    /// A drawn tree, and whether it tests columns of a link: then, if it can, below the gate.
    pub(super) fn tree(
        &self,
        guide: &Guide,
        gate: Option<Split>,
        (tree, depth): (usize, u8),
    ) -> Result<(Tree, bool), GrowError> {
        let mut rng = self.start(tree);
        let linked = (0..self.binner.len()).any(|feature| self.is_linked(feature)) && {
            let chances = |linked: bool| -> u32 {
                let of = guide.features().iter().enumerate();
                let can =
                    of.filter(|(feature, of)| self.is_linked(*feature) == linked && !of.cuts.is_empty());
                can.map(|(_, of)| of.chance).sum()
            };
            let (rows, link) = (chances(false), chances(true));
            rows + link > 0 && below(&mut rng, rows + link) >= rows
        };
        let left = guide.features().iter().enumerate().map(|(feature, of)| {
            let cuts = if self.is_linked(feature) == linked {
                of.cuts.len()
            } else {
                0
            };
            0..cuts
        });
        let mut structure = Structure {
            rng,
            guide,
            left: left.collect(),
        };
        let mut splits = vec![Split::DUMMY; (1 << depth) - 1];
        let gate = gate.filter(|_| linked && depth > 1);
        if let (Some(gate), Some(first)) = (gate, splits.first_mut()) {
            *first = gate;
            structure.node(1, &mut splits);
            structure.node(2, &mut splits);
        } else {
            structure.node(0, &mut splits);
        }
        Ok((super::tree(depth, splits)?, linked))
    }
}

impl Structure<'_> {
    fn node(&mut self, position: usize, splits: &mut [Split]) {
        if position >= splits.len() {
            return;
        }
        let Some((feature, cut)) = self.cut() else { return };
        let Some(of) = self.guide.features().get(feature) else {
            return;
        };
        let mut right = of.right(cut);
        if self.rng.next_u32() & 1 == 1 {
            right.insert(of.missing);
        }
        if let Some(slot) = splits.get_mut(position) {
            *slot = Split {
                feature: feature as u16,
                right,
            };
        }
        let whole = self.left.get(feature).cloned().unwrap_or_default();
        self.set(feature, whole.start..cut);
        self.node(2 * position + 1, splits);
        self.set(feature, cut + 1..whole.end);
        self.node(2 * position + 2, splits);
        self.set(feature, whole);
    }

    fn set(&mut self, feature: usize, cuts: Range<usize>) {
        if let Some(left) = self.left.get_mut(feature) {
            *left = cuts;
        }
    }

    /// A feature, and a position among its cuts; `None` if nothing can be cut.
    fn cut(&mut self) -> Option<(usize, usize)> {
        let features = self.guide.features().iter().zip(&self.left);
        let chances = features.map(|(of, left)| if left.is_empty() { 0 } else { of.chance });
        let feature = self.choose(&chances.collect::<Vec<_>>())?;
        let left = self.left.get(feature)?.clone();
        let cuts = self.guide.features().get(feature)?.cuts.get(left.clone())?;
        let chances: Vec<u32> = cuts.iter().map(|(_, chance)| *chance).collect();
        Some((feature, left.start + self.choose(&chances)?))
    }

    /// A position by the chances; `None` if all are 0.
    fn choose(&mut self, chances: &[u32]) -> Option<usize> {
        let all = chances.iter().sum::<u32>();
        let mut drawn = below(&mut self.rng, Some(all).filter(|all| *all > 0)?);
        chances.iter().position(|chance| {
            let here = drawn < *chance;
            drawn = drawn.wrapping_sub(*chance);
            here
        })
    }
}

impl FeatureGuide {
    /// The value bins that go right of a cut, given by its position.
    fn right(&self, cut: usize) -> crate::tree::BinSet {
        let first = self
            .cuts
            .get(cut)
            .map_or(self.order.len(), |(position, _)| *position);
        self.order
            .get(first..)
            .unwrap_or_default()
            .iter()
            .copied()
            .collect()
    }
}

/// Uniform below `n`, which is not 0.
fn below(rng: &mut ChaCha20Rng, n: u32) -> u32 {
    let multiples = (1 << 32) / u64::from(n) * u64::from(n);
    loop {
        let word = rng.next_u32();
        if u64::from(word) < multiples {
            return word % n;
        }
    }
}
