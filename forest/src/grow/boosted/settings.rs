//! Hyper-parameters of boosting with their defaults, and the plan that follows from them.

use std::sync::Arc;

use super::split::Sum;
use super::{GrowError, Growth, kind};
use crate::binning::Binner;
use crate::grow::plan::PlannedQuery;
use crate::params::{ForestParams, MAX_CELLS, ParamsError, SplitChoice, THOUSANDTHS};
use crate::query::{Axes, BINS, Gradients, TableQuery, norm};
use crate::schema::{ColumnKind, Schema};
use crate::table::CLASSES;
use crate::tree::Tree;

/// Bits of a gradient.
const BITS: u8 = 12;
/// Bits of a gradient over a link, where the plaintext of an encryption bounds the sum over all rows.
const LINK_BITS: u8 = 11;
/// Trees of a batch with drawn structure.
const BATCH: usize = 20;
/// What a batch adds of its mean step, with drawn and with grown structure, in thousandths.
const RATE: (u16, u16) = (1000, 200);
/// L2 penalty, in thousandths of a Hessian.
const LAMBDA: u32 = 1000;
/// Largest absolute step of a leaf.
const MOST_STEP: f64 = 2.0;
/// At most one in so many trees is made of the root's table alone.
const TREES_PER_FIRST: usize = 4;
/// Budget of one table of a batch, when the root's is the number of all others: the root has a third of the whole. It
/// guides all structure.
const PARTS: u32 = 2;

/// What boosting is told, in the numbers that it computes with.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) split: SplitChoice,
    trees: usize,
    batch: usize,
    pub(super) depth: u8,
    pub(super) bins: u16,
    pub(super) bits: u8,
    /// Are columns read through a link?
    pub(super) linked: bool,
    /// Largest absolute gradient of a batch, in units of `2^-bits`.
    pub(super) clip: u32,
    pub(super) learning_rate: f64,
    pub(super) lambda: f64,
    pub(super) min_gain: f64,
    pub(super) features: usize,
    pub(super) features_per_tree: usize,
    /// Slots of the root's histograms, and of the levels'.
    root_slots: u16,
    pub(super) slots: u16,
}

/// Hyper-parameters that hold on most data, by public facts alone: is there noise on the tables, and are columns read
/// through links?
///
/// Without noise grown trees; with noise many shallow drawn ones: what noise is left in a score does not depend on
/// their number, while the chance in their structure does. Over a link more and shallower ones; without noise drawn ones, too,
/// but deep and fine.
/// The table of other numbers tried is in docs/boosting.md.
pub const fn defaults(noise: bool, links: bool) -> ForestParams {
    let drawn = noise || links;
    let mut params = match (noise, links) {
        (true, false) => ForestParams::new(600, 4, 64, Growth::Boosted),
        (true, true) => ForestParams::new(900, 3, 64, Growth::Boosted),
        (false, true) => ForestParams {
            batch: 10,
            learning_rate: 500,
            ..ForestParams::new(1000, 6, 254, Growth::Boosted)
        },
        (false, false) => ForestParams::new(100, 5, 254, Growth::Boosted),
    };
    params.split = if drawn {
        SplitChoice::Random
    } else {
        SplitChoice::Greedy
    };
    params
}

impl Settings {
    pub(super) fn new(schema: &Schema, params: &ForestParams) -> Result<Self, GrowError> {
        let features = schema.len();
        let links = schema.links().len();
        if links > 1 || (links == 1 && params.split != SplitChoice::Random) {
            return Err(GrowError::BoostedLinks {
                links,
                split: params.split,
            });
        }
        let bits = if links == 0 { BITS } else { LINK_BITS };
        let bins_of = |kind: &ColumnKind| match kind {
            ColumnKind::Numeric { min, max } if min == max => 2,
            ColumnKind::Numeric { .. } => params.bins + 1,
            ColumnKind::Categorical { categories } => categories.len().min(255) as u16 + 1,
        };
        let root_slots = schema
            .features
            .iter()
            .map(|column| bins_of(&column.kind))
            .max()
            .unwrap_or(2);
        let or = |seen: u16, default: usize| if seen == 0 { default } else { usize::from(seen) };
        let drawn = params.split == SplitChoice::Random;
        let batch = or(params.batch, if drawn { BATCH } else { 1 }).min(params.trees as usize);
        let rate = or(
            params.learning_rate,
            usize::from(if drawn { RATE.0 } else { RATE.1 }),
        );
        let thousand = f64::from(THOUSANDTHS);
        let settings = Self {
            split: params.split,
            trees: params.trees as usize,
            batch,
            depth: params.depth,
            bins: params.bins,
            bits,
            linked: links > 0,
            // Under noise three quarters are a little better than all: few rows are further off, and all pay for them.
            clip: if drawn { 3 << (bits - 2) } else { 1 << bits },
            learning_rate: rate as f64 / thousand,
            lambda: f64::from(if params.lambda == 0 { LAMBDA } else { params.lambda }) / thousand,
            min_gain: f64::from(params.min_gain) / thousand,
            features,
            features_per_tree: or(params.features_per_tree, features).min(features),
            root_slots,
            slots: if params.slots == 0 {
                root_slots
            } else {
                params.slots.min(root_slots)
            },
        };
        let most = settings
            .plan()
            .iter()
            .map(|query| query.cells as u64)
            .max()
            .unwrap_or(0);
        if most > MAX_CELLS {
            return Err(GrowError::Params(ParamsError {
                field: "cells of the largest table of gradients",
                seen: most,
                least: 1,
                most: MAX_CELLS,
            }));
        }
        Ok(settings)
    }

    /// Gradient 1, in the units of a cell.
    pub(super) fn one(&self) -> f64 {
        f64::from(1u32 << self.bits)
    }

    /// Trees that are made of the root's table, one for each of so many features, before the first batch: where the
    /// structure is drawn, and there are many more trees than these.
    pub(super) fn first_trees(&self) -> usize {
        match self.split {
            SplitChoice::Random => self.features.min(self.trees / TREES_PER_FIRST),
            SplitChoice::Greedy => 0,
        }
    }

    /// Trees of the batch that begins with this tree; 0 after the last. Of drawn trees the first batch is the short one: what
    /// few trees say under noise later ones mend.
    pub(super) fn batch(&self, tree: usize) -> usize {
        let left = self.trees.saturating_sub(tree);
        match (self.split, left % self.batch.max(1)) {
            (SplitChoice::Greedy, _) | (SplitChoice::Random, 0) => self.batch.min(left),
            (SplitChoice::Random, short) => short,
        }
    }

    pub(super) fn plan(&self) -> Vec<PlannedQuery> {
        let query = |tree: usize, level: u8, cells: usize, copies: usize, clip: u32| {
            let (l2_squared, l1) = norm(clip, self.bits);
            PlannedQuery {
                kind: kind(tree, level),
                cells: CLASSES * cells,
                l2_squared: copies as u64 * l2_squared,
                l1: copies as u64 * l1,
                most: clip.into(),
                parts: PARTS,
            }
        };
        let root_cells = self.features * usize::from(self.root_slots);
        let mut plan = vec![query(0, 0, root_cells, self.features, self.root_clip())];
        let mut next = self.first_trees();
        while self.batch(next) > 0 {
            let (tree, batch) = (next, self.batch(next));
            next += batch;
            if self.split == SplitChoice::Random {
                plan.push(query(tree, self.depth, batch << self.depth, batch, self.clip));
                continue;
            }
            let first = u8::from(tree == 0);
            plan.extend((first..self.depth).map(|level| {
                let copies = batch * self.features_per_tree;
                query(
                    tree,
                    level,
                    (copies * usize::from(self.slots)) << level,
                    copies,
                    self.clip,
                )
            }));
        }
        let others = plan.len() as u32 - 1;
        if let Some(root) = plan.first_mut() {
            root.parts = others.max(1);
        }
        plan
    }

    /// At margin 0 every gradient is one half.
    const fn root_clip(&self) -> u32 {
        1 << (self.bits - 1)
    }

    /// The first query.
    pub(super) fn root(&self, binner: &Binner) -> Result<TableQuery, GrowError> {
        let all: Arc<[u16]> = (0..binner.len() as u16).collect();
        let last = self.root_slots.saturating_sub(1).min(255) as u8;
        let slot_of = (0..binner.len()).flat_map(|_| (0..BINS).map(|bin| (bin as u8).min(last)));
        let axes = Axes::new(all, self.root_slots, slot_of.collect())?;
        let nothing = (Vec::new().into(), Vec::new().into(), 0);
        let mut gradients = Gradients::new(nothing, self.bits, self.root_clip(), Some(axes))?;
        if self.linked {
            gradients = gradients.with_sides(Arc::from([]))?;
        }
        Ok(TableQuery::gradients(vec![Tree::LEAF].into(), gradients)?)
    }

    /// Slots of a feature's histogram in the root's table.
    pub(super) fn root_slots(&self) -> usize {
        self.root_slots.into()
    }

    /// The Newton step of a leaf, whose sums have noise of this standard deviation.
    pub(super) fn step(&self, sum: Sum, deviation: f64) -> f64 {
        let step = -sum.g / (sum.h.max(0.0) + self.lambda + deviation);
        step.clamp(-MOST_STEP, MOST_STEP)
    }
}
