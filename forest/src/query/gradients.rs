//! Sums of gradients: what a boosted tree grows on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::sides::{HAT_BITS, Knots};
use super::{Axes, MAX_LEAF_VALUE, QueryError, hash_trees};
use crate::model::MAX_BASE;
use crate::params::MAX_TREES;
use crate::tree::{Split, Tree};

/// Fewest bits of a gradient.
pub const MIN_GRADIENT_BITS: u8 = 2;
/// Most bits of a gradient.
pub const MAX_GRADIENT_BITS: u8 = 20;

/// First and second derivatives of the logistic loss of every row, under an ensemble of finished trees, in fixed point:
/// what is added up in the leaves of a query's trees.
///
/// With `p` the row's probability by the ensemble and `y` its label (1 positive, 0 negative) these are `g = p - y` and
/// `h = p (1 - p)` (Friedman, Greedy function approximation, 2001; Chen, Guestrin, XGBoost, KDD 2016), in units of
/// `2^-bits`, `g` clipped to [`Gradients::clip`]. `p` and `h` are rounded up or down with thresholds that follow from
/// the bits of the margin, so that over many different margins rounding errors cancel.
///
/// The query carries the ensemble: the same query has the same answer whoever asks when, with or without memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gradients {
    pub(crate) trees: Arc<[Tree]>,
    pub(crate) leaf_values: Arc<[u32]>,
    pub(crate) base: i32,
    pub(crate) bits: u8,
    pub(crate) clip: u32,
    pub(crate) axes: Option<Axes>,
    /// For every finished tree whether it tests an entity's columns, where margins are of two parts.
    pub(crate) sides: Option<Arc<[bool]>>,
    /// The test of the rows' columns that trees over an entity's columns may repeat, where margins are of two parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<Arc<Split>>,
}

impl Gradients {
    /// Gradients under `trees` (none, or all of one depth) with their log-odds `leaf_values` (`[trees, leaves]`, as
    /// [`crate::model::Forest::leaf_values`]) and `base` margin. With `axes` the leaves are divided by the slots of
    /// features; without, all rows of a leaf are added up.
    ///
    /// # Errors
    /// What does not hold together.
    pub fn new(
        (trees, leaf_values, base): (Arc<[Tree]>, Arc<[u32]>, i32),
        bits: u8,
        clip: u32,
        axes: Option<Axes>,
    ) -> Result<Self, QueryError> {
        let gradients = Self {
            trees,
            leaf_values,
            base,
            bits,
            clip,
            axes,
            sides: None,
            gate: None,
        };
        gradients.validate()?;
        Ok(gradients)
    }

    /// The same with margins of two parts ([`super::sides`]): `sides` says of every finished tree whether it tests columns
    /// of an entity, and no others, or columns of the rows, and no others. Gradients are interpolated between knots of the
    /// entity's part; units and clip are what they were, so there must be [`HAT_BITS`] more than otherwise.
    ///
    /// # Errors
    /// Not one side for each finished tree; fewer bits, or a clip that is no multiple of `2^HAT_BITS`.
    pub fn with_sides(mut self, sides: Arc<[bool]>) -> Result<Self, QueryError> {
        self.sides = Some(sides);
        self.validate()?;
        Ok(self)
    }

    /// The same with a gate: one test of a column of the rows that trees over an entity's columns may repeat at any node.
    /// In either branch margins are of two parts, so a row's branch chooses between two numbers of its entity.
    ///
    /// # Errors
    /// Margins of one part; a gate that nothing passes.
    pub fn with_gate(mut self, gate: Split) -> Result<Self, QueryError> {
        self.gate = Some(Arc::new(gate));
        self.validate()?;
        Ok(self)
    }

    fn validate(&self) -> Result<(), QueryError> {
        let range = |what, seen: i64, least: i64, most: i64| {
            if (least..=most).contains(&seen) {
                Ok(())
            } else {
                Err(QueryError::Gradients {
                    what,
                    seen,
                    least,
                    most,
                })
            }
        };
        let bits = (MIN_GRADIENT_BITS.into(), MAX_GRADIENT_BITS.into());
        range("bits", self.bits.into(), bits.0, bits.1)?;
        range("clip", self.clip.into(), 1, 1 << self.bits)?;
        range("base", self.base.into(), (-MAX_BASE).into(), MAX_BASE.into())?;
        range("trees", self.trees.len() as i64, 0, MAX_TREES.into())?;
        let depth = self.trees.first().map_or(0, Tree::depth);
        if let Some((tree, seen)) = (0..)
            .zip(self.trees.iter())
            .find(|(_, tree)| tree.depth() != depth)
        {
            return Err(QueryError::Depth {
                tree,
                seen: seen.depth(),
                expected: depth,
            });
        }
        let expected = self.trees.len() << depth;
        if self.leaf_values.len() != expected {
            return Err(QueryError::LeafValues {
                expected,
                seen: self.leaf_values.len(),
            });
        }
        if let Some(sides) = &self.sides {
            let trees = self.trees.len() as i64;
            range("sides", sides.len() as i64, trees, trees)?;
            let bits = MIN_GRADIENT_BITS + HAT_BITS;
            range(
                "bits of two parts",
                self.bits.into(),
                bits.into(),
                MAX_GRADIENT_BITS.into(),
            )?;
            range(
                "rest of a clip of two parts",
                i64::from(self.clip) % (1 << HAT_BITS),
                0,
                0,
            )?;
        }
        if let Some(gate) = &self.gate {
            let fits = self.sides.is_some() && !gate.is_dummy();
            range("gates of margins of two parts", i64::from(fits), 1, 1)?;
        }
        match (0..)
            .zip(&*self.leaf_values)
            .find(|(_, seen)| **seen > MAX_LEAF_VALUE)
        {
            Some((position, seen)) => Err(QueryError::LeafValue {
                position,
                seen: *seen,
            }),
            None => Ok(()),
        }
    }

    /// Fits the axes to the trees that are grown.
    pub(super) fn check(&mut self, trees: usize, leaves: usize) -> Result<(), QueryError> {
        self.validate()?;
        self.axes
            .iter_mut()
            .try_for_each(|axes| axes.check(trees, leaves))
    }

    /// Finished trees.
    pub const fn trees(&self) -> &Arc<[Tree]> {
        &self.trees
    }

    /// Gradients are in units of `2^-bits`.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Largest absolute first derivative, in units of `2^-bits`.
    pub const fn clip(&self) -> u32 {
        self.clip
    }

    /// Largest second derivative, one quarter, in units of `2^-bits`.
    pub const fn most_hessian(&self) -> u32 {
        1 << (self.bits - 2)
    }

    /// What the leaves are divided by, if they are.
    pub const fn axes(&self) -> Option<&Axes> {
        self.axes.as_ref()
    }

    /// For every finished tree whether it tests an entity's columns, where margins are of two parts.
    pub const fn sides(&self) -> Option<&Arc<[bool]>> {
        self.sides.as_ref()
    }

    /// The test of the rows' columns that trees over an entity's columns may repeat.
    pub fn gate(&self) -> Option<&Split> {
        self.gate.as_deref()
    }

    /// The knots between which gradients are interpolated, where margins are of two parts.
    pub fn knots(&self) -> Option<Knots> {
        let leaves = 1usize << self.trees.first().map_or(0, Tree::depth);
        let sides = self.sides.as_ref()?.iter();
        let trees = self.leaf_values.chunks_exact(leaves).zip(sides);
        Some(Knots::new(
            trees
                .filter(|(_, attribute)| **attribute)
                .map(|(values, _)| values),
        ))
    }

    /// The finished trees of one side with their leaf values; all of them where margins are of one part.
    pub(crate) fn of_side(&self, attribute: bool) -> (Vec<Tree>, Vec<u32>) {
        let leaves = 1usize << self.trees.first().map_or(0, Tree::depth);
        let is_of = |tree: usize| match &self.sides {
            Some(sides) => sides.get(tree).copied().unwrap_or(false) == attribute,
            None => !attribute,
        };
        let of = self
            .trees
            .iter()
            .zip(self.leaf_values.chunks_exact(leaves))
            .enumerate();
        let (trees, values): (Vec<Tree>, Vec<&[u32]>) = of
            .filter(|(tree, _)| is_of(*tree))
            .map(|(_, (tree, values))| (tree.clone(), values))
            .unzip();
        (trees, values.concat())
    }

    /// Pairs of cells of one tree that a row is added to.
    fn copies(&self) -> u64 {
        self.axes.as_ref().map_or(1, |axes| u64::from(axes.per_tree()))
    }

    /// Squared L2 norm of what one row adds for `trees` trees, at most: `trees * features * (clip^2 + (2^bits / 4)^2)`.
    pub(super) fn l2_squared(&self, trees: u64) -> u64 {
        let pair = norm(self.clip, self.bits).0;
        trees * self.copies() * pair
    }

    /// L1 norm of the same: `trees * features * (clip + 2^bits / 4)`.
    pub(super) fn l1(&self, trees: u64) -> u64 {
        trees * self.copies() * norm(self.clip, self.bits).1
    }

    pub(super) fn update(&self, hash: &mut Sha256) {
        hash_trees(&self.trees, hash);
        self.leaf_values
            .iter()
            .for_each(|value| hash.update(value.to_le_bytes()));
        hash.update(self.base.to_le_bytes());
        hash.update([self.bits]);
        hash.update(self.clip.to_le_bytes());
        let flags = [self.axes.is_some(), self.sides.is_some(), self.gate.is_some()];
        let flags = flags.iter().zip(0..).map(|(flag, bit)| u8::from(*flag) << bit);
        hash.update([flags.sum::<u8>()]);
        for attribute in self.sides.iter().flat_map(|sides| sides.iter()) {
            hash.update([u8::from(*attribute)]);
        }
        if let Some(gate) = &self.gate {
            hash.update(gate.feature.to_le_bytes());
            let words = gate.right.words();
            words.iter().for_each(|word| hash.update(word.to_le_bytes()));
        }
        self.axes.iter().for_each(|axes| axes.update(hash));
    }
}

/// Squared L2 norm and L1 norm of one pair of a first and a second derivative, at most.
pub(crate) fn norm(clip: u32, bits: u8) -> (u64, u64) {
    let (g, h) = (u64::from(clip), 1u64 << bits.saturating_sub(2));
    (g * g + h * h, g + h)
}
