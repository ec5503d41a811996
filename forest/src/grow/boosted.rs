//! Gradient-boosted trees: batch after batch of trees on tables of gradients under the trees before.
//!
//! 1. *Root*: histograms of the gradients of all rows at margin 0, by every feature. They say how many rows of which
//!    class are in every bin, hence the base margin, and guide the structure (`guide`).
//! 2. Then batches. All trees of a batch grow on the gradients of the same ensemble, and each adds `learning_rate /
//!    trees of the batch` of its Newton step `-G / (H + lambda)` (Friedman 2001; Chen, Guestrin 2016), so that one
//!    table serves many trees.
//!
//! `split = greedy`: level by level, every node takes the split of largest gain `G_L^2 / (H_L + lambda) + G_R^2 / (H_R +
//! lambda) - G^2 / (H + lambda)` among the slots of its features; leaf values come from the last level's histograms.
//!
//! `split = random`: the structure is drawn, and the only table of a batch are the sums of its leaves. Under noise that
//! is much better (Maddock, Cormode, Wang, Maple, Jha, Federated boosted decision trees with differential privacy, CCS
//! 2022; S-BDT, 2024): a row changes one pair of cells of a tree instead of one for each feature and level. Features and
//! thresholds are not drawn uniformly, but by what the root table says of each alone, with a floor for what shows only
//! together with others (`draw`).
//!
//! The root's table makes the first trees of drawn growth, too, one for each feature (`first`).
//!
//! Over a link (columns at two parties) trees are drawn, too, and each tests columns of one side only: margins are of two
//! parts then, and gradients are interpolated between them ([`crate::query::sides`]). Where counts are exact, trees over the
//! link's columns test one column of the rows first, the same in all of them: a gate. Under noise that won nothing.
//!
//! Under noise lambda grows by the noise's standard deviation in the leaf, so that a leaf with less evidence than noise
//! takes a small step; all this is post-processing of released cells. All arithmetic is in integers and in correctly
//! rounded operations (no function of a mathematical library), so that all parties end with the same bytes.

use std::sync::Arc;

use super::plan::PlannedQuery;
use super::{Grow, GrowError, Noise, Step, expect};
use crate::binning::Binner;
use crate::model::{Forest, LOG_ODDS_ZERO, Output};
use crate::params::{ForestParams, Growth, SplitChoice};
use crate::query::{Gradients, QueryKind, TableQuery};
use crate::schema::Schema;
use crate::table::Table;
use crate::tree::{Split, Tree};

mod cuts;
mod draw;
mod first;
mod guide;
mod level;
mod settings;
mod split;

use draw::Draw;
use guide::Guide;
use level::Levels;
use settings::Settings;
pub use settings::defaults;
use split::Sum;

/// The queries of boosted growth.
pub(super) fn plan(schema: &Schema, params: &ForestParams) -> Result<Vec<PlannedQuery>, GrowError> {
    Settings::new(schema, params).map(|settings| settings.plan())
}

/// Growth of gradient-boosted trees.
#[derive(Debug)]
pub struct BoostedGrowth {
    schema: Schema,
    settings: Settings,
    noise: Noise,
    draw: Draw,
    trees: Vec<Tree>,
    leaf_values: Vec<u32>,
    /// Over a link: for every tree whether it tests columns of the link.
    sides: Vec<bool>,
    gate: Option<Split>,
    base: i32,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Start,
    Root(TableQuery),
    /// With the sides of the trees that are asked for.
    Leaves(TableQuery, Arc<Guide>, Vec<bool>),
    Levels(TableQuery, Arc<Guide>, Levels),
    Finished,
}

impl BoostedGrowth {
    pub(super) fn new(
        schema: &Schema,
        binner: &Binner,
        params: &ForestParams,
        seed: [u8; 32],
        noise: Noise,
    ) -> Result<Self, GrowError> {
        Ok(Self {
            schema: schema.clone(),
            settings: Settings::new(schema, params)?,
            noise,
            draw: Draw::new(binner, &seed),
            trees: Vec::new(),
            leaf_values: Vec::new(),
            sides: Vec::new(),
            gate: None,
            base: 0,
            stage: Stage::Start,
        })
    }

    /// Standard deviation of a cell of a query, in rows.
    fn deviation(&self, query: &TableQuery) -> f64 {
        self.noise.of(query.kind()) / self.settings.one()
    }

    fn take_root(&mut self, query: &TableQuery, table: &Table) -> Result<Arc<Guide>, GrowError> {
        let deviation = self.deviation(query);
        let guide = Guide::new(&self.settings, self.draw.binner(), table, deviation);
        self.base = guide.base();
        if self.settings.linked && deviation == 0.0 {
            self.gate = self.draw.gate(&guide);
        }
        let first = first::trees(&self.settings, &guide)?;
        let sides = first.features.iter();
        self.sides
            .extend(sides.map(|feature| self.draw.is_linked(*feature)));
        self.extend(first.trees, first.steps, 1.0);
        Ok(Arc::new(guide))
    }

    /// The next batch's first query, or the model.
    fn next_batch(&mut self, guide: Arc<Guide>) -> Result<Step, GrowError> {
        let batch = self.settings.batch(self.trees.len());
        if batch == 0 {
            return Ok(self.finish());
        }
        let positions = self.trees.len()..self.trees.len() + batch;
        match self.settings.split {
            SplitChoice::Random => {
                let trees =
                    positions.map(|tree| self.draw.tree(&guide, self.gate, (tree, self.settings.depth)));
                let drawn = trees.collect::<Result<Vec<_>, _>>()?;
                let (trees, sides): (Vec<Tree>, Vec<bool>) = drawn.into_iter().unzip();
                let query = TableQuery::gradients(trees.into(), self.gradients(None)?)?;
                self.stage = Stage::Leaves(query.clone(), guide, sides);
                Ok(Step::Ask(query))
            }
            SplitChoice::Greedy => {
                let features =
                    positions.map(|tree| self.draw.features(tree, self.settings.features_per_tree));
                let mut levels = Levels::new(features.collect());
                if self.trees.is_empty() {
                    // The root table is that of the first level already.
                    levels.take_guide(&self.settings, &guide);
                }
                self.next_level(guide, levels)
            }
        }
    }

    fn gradients(&self, axes: Option<crate::query::Axes>) -> Result<Gradients, GrowError> {
        let ensemble = (
            self.trees.as_slice().into(),
            self.leaf_values.as_slice().into(),
            self.base,
        );
        let gradients = Gradients::new(ensemble, self.settings.bits, self.settings.clip, axes)?;
        if self.settings.linked {
            let gradients = gradients.with_sides(self.sides.as_slice().into())?;
            return match self.gate {
                Some(gate) => Ok(gradients.with_gate(gate)?),
                None => Ok(gradients),
            };
        }
        Ok(gradients)
    }

    fn next_level(&mut self, guide: Arc<Guide>, levels: Levels) -> Result<Step, GrowError> {
        let depth = levels.depth();
        if depth < self.settings.depth && levels.can_grow() {
            let axes = guide.axes(levels.features())?;
            let query = TableQuery::gradients(levels.trees()?.into(), self.gradients(Some(axes))?)?;
            self.stage = Stage::Levels(query.clone(), guide, levels);
            return Ok(Step::Ask(query));
        }
        // No node can be split: what follows would be the same again, unless other features are drawn.
        let all = self.settings.features_per_tree >= self.schema.len();
        let last = depth == 1 && !levels.can_grow() && all;
        let (trees, values) = levels.finish(&self.settings)?;
        self.add(trees, values);
        if last {
            Ok(self.finish())
        } else {
            self.next_batch(guide)
        }
    }

    /// Adds finished trees with their Newton steps, `[trees, leaves]`.
    fn add(&mut self, trees: Vec<Tree>, steps: Vec<f64>) {
        let share = self.settings.learning_rate / trees.len().max(1) as f64;
        self.extend(trees, steps, share);
    }

    fn extend(&mut self, trees: Vec<Tree>, steps: Vec<f64>, share: f64) {
        let value = |step: f64| {
            let units = (step * share * 65_536.0).round() as i64;
            (units + i64::from(LOG_ODDS_ZERO)) as u32
        };
        self.leaf_values.extend(steps.into_iter().map(value));
        self.trees.extend(trees);
    }

    fn finish(&mut self) -> Step {
        self.stage = Stage::Finished;
        Step::Done(Forest {
            schema: self.schema.clone(),
            bins: self.settings.bins,
            trees: self.trees.as_slice().into(),
            leaf_values: self.leaf_values.as_slice().into(),
            output: Output::LogOdds { base: self.base },
            threshold: 0.5,
            statement: None,
        })
    }

    fn take_leaves(&mut self, query: &TableQuery, table: &Table) {
        let deviation = self.deviation(query);
        let steps = table.cells().chunks_exact(2).map(|cell| {
            let sum = Sum::of(cell, self.settings.one());
            self.settings.step(sum, deviation)
        });
        let steps = steps.collect();
        self.add(query.trees().to_vec(), steps);
    }
}

impl Grow for BoostedGrowth {
    fn next(&mut self, answer: Option<Table>) -> Result<Step, GrowError> {
        match &self.stage {
            Stage::Start => {
                if let Some(answer) = answer {
                    return Err(GrowError::UnexpectedAnswer { seen: answer.shape() });
                }
                let query = self.settings.root(self.draw.binner())?;
                self.stage = Stage::Root(query.clone());
                Ok(Step::Ask(query))
            }
            Stage::Root(query) => {
                let table = expect(answer, query)?;
                let query = query.clone();
                let guide = self.take_root(&query, &table)?;
                self.next_batch(guide)
            }
            Stage::Leaves(query, guide, sides) => {
                let table = expect(answer, query)?;
                let (query, guide, sides) = (query.clone(), Arc::clone(guide), sides.clone());
                self.take_leaves(&query, &table);
                self.sides.extend(sides);
                self.next_batch(guide)
            }
            Stage::Levels(query, guide, levels) => {
                let table = expect(answer, query)?;
                let (guide, mut levels) = (Arc::clone(guide), levels.clone());
                levels.take(&self.settings, &guide, &table, self.deviation(query));
                self.next_level(guide, levels)
            }
            Stage::Finished => Err(GrowError::Finished),
        }
    }
}

/// A tree from its tests in level order.
fn tree(depth: u8, splits: Vec<Split>) -> Result<Tree, GrowError> {
    Tree::new(depth, splits).map_err(|_| {
        GrowError::Params(crate::params::ParamsError {
            field: "depth",
            seen: depth.into(),
            least: 1,
            most: crate::params::MAX_DEPTH.into(),
        })
    })
}

/// The kind of a boosted query.
const fn kind(tree: usize, level: u8) -> QueryKind {
    QueryKind::Gradients {
        tree: tree as u32,
        level,
    }
}

#[cfg(test)]
mod tests;
