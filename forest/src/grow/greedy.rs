//! Greedy trees, level by level, every node taking the best split of histograms of its rows; and trees that are drawn
//! over quantiles, which start alike.
//!
//! 1. *Edges*: histograms of all rows by every feature, one slot to a bin. They give the splits of all roots, and for
//!    every feature the slots that later histograms count by.
//! 2. *Splits(level)*: histograms of the nodes of a level, by some features for each tree and level, which a public
//!    seed draws: what makes trees differ.
//! 3. Levels beyond [`ForestParams::levels`] are inferred from the histograms of all rows, and cost nothing
//!    ([`infer`]). With quantile growth all levels are drawn from them. Under noise, nodes that neither could split are
//!    split by chance: what noise hides is often there, and a leaf too many costs little.
//! 4. *Leaves*, and *Threshold* unless rows are joined, as in random growth.
//!
//! Some of the greedy trees are random ones after all ([`chance`]): the fewer rows of the rarer class there are, the
//! more, up to half of them.

use std::sync::Arc;

use super::leaf_values::shrunk_leaf_values;
use super::plan::{PARTS, PlannedQuery, leaves_and_threshold};
use super::structure::random_trees;
use super::threshold::ScoreHistogram;
use super::{Grow, GrowError, Noise, Step, expect, walks};
use crate::binning::Binner;
use crate::model::{Forest, Output};
use crate::params::{ForestParams, Growth, THOUSANDTHS};
use crate::query::{Axes, BINS, QueryKind, TableQuery};
use crate::schema::Schema;
use crate::table::{CLASSES, Table};
use crate::tree::{BinSet, Split, Tree};

mod chance;
mod draw;
mod infer;
mod layout;
mod slots;
mod split;

use draw::{Draw, Drawn};
use infer::{Inference, Marginal, Rule};
use layout::Layout;
use split::Judge;

/// Part of the budget for the structure, in thousandths, without another wish: of histograms of all rows alone, and of
/// those of several levels.
const SPLIT_SHARES: (u16, u16) = (400, 700);
/// Most slots with values of a numeric column under noise: neighbours tell the same, and fewer of them tell it clearer.
/// Categories do not, and may have as many as the parameters say.
const NOISY_SLOTS: usize = 16;
/// Rows that a node should hold per row of standard deviation of a leaf's noise, to be split by chance.
///
/// Measured at epsilon 0.1 and 1: 5 and 10 are alike, 0 loses 0.006 of AUROC on Adult at 0.1.
const ROWS_PER_NOISE: f64 = 10.0;
/// The part of the structure's budget that the histograms of all rows take, if there are others: a quarter.
const EDGES: u32 = 4;

/// The queries of greedy and quantile growth.
pub(super) fn plan(schema: &Schema, params: &ForestParams) -> Vec<PlannedQuery> {
    let layout = Layout::new(schema, params);
    let levels = layout.wanted().len().max(1);
    let share = match params.split_share {
        0 if levels == 1 => SPLIT_SHARES.0,
        0 => SPLIT_SHARES.1,
        share => share,
    };
    let share = (u32::from(share) * PARTS / u32::from(THOUSANDTHS)).max(1);
    let edges = if levels == 1 {
        share
    } else {
        (share / EDGES).max(1)
    };
    let query = |kind, cells, changed, parts| PlannedQuery {
        kind,
        cells,
        l2_squared: changed,
        l1: changed,
        most: 1,
        parts,
    };
    let mut plan = vec![query(
        QueryKind::Edges,
        layout.edge_cells(),
        schema.len() as u64,
        edges,
    )];
    for (level, wanted) in layout.wanted().iter().enumerate().skip(1) {
        let parts = ((share - edges) / (levels as u32 - 1)).max(1);
        let changed = u64::from(params.trees) * *wanted as u64;
        let cells = layout.cells(params.trees, level);
        plan.push(query(QueryKind::Splits(level as u8), cells, changed, parts));
    }
    plan.extend(leaves_and_threshold(schema, params, PARTS - share.min(PARTS - 1)));
    plan
}

/// Greedy and quantile growth.
pub(super) struct GreedyGrowth {
    schema: Schema,
    params: ForestParams,
    seed: [u8; 32],
    noise: Noise,
    layout: Layout,
    /// Those that may take the place of the first trees.
    random: Vec<Tree>,
    /// How many trees are random.
    by_chance: usize,
    drawn: Vec<Drawn>,
    features: Vec<Feature>,
    /// `[features, 256]`
    slot_of: Arc<[u8]>,
    marginals: Vec<Marginal>,
    trees: Vec<Partial>,
    level: usize,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
struct Feature {
    ordered: bool,
    /// Bins with values; the next is that of missing ones.
    bins: usize,
    /// Slots with values.
    slots: usize,
}

/// A tree so far.
#[derive(Debug, Clone)]
struct Partial {
    /// Tests in level order.
    splits: Vec<Split>,
    /// Per node of the level that comes next: can a row be there?
    reachable: Vec<bool>,
}

enum Stage {
    Start,
    Histograms(TableQuery),
    Leaves(TableQuery),
    Threshold(ScoreHistogram, Arc<[u32]>),
    Finished,
}

impl GreedyGrowth {
    /// Draws what is drawn; nothing is asked yet. Arguments are checked by [`super::growth`].
    pub(super) fn new(
        schema: &Schema,
        binner: &Binner,
        params: ForestParams,
        seed: &[u8; 32],
        noise: Noise,
    ) -> Result<Self, GrowError> {
        let layout = Layout::new(schema, &params);
        let features = binner.features().iter().map(|feature| Feature {
            ordered: feature.is_numeric(),
            bins: feature.value_bins(),
            slots: feature.value_bins(),
        });
        let root = Partial {
            splits: Vec::new(),
            reachable: vec![true],
        };
        let random = match params.growth {
            Growth::Greedy => random_trees(binner, &params, seed)?,
            _ => Vec::new(),
        };
        Ok(Self {
            schema: schema.clone(),
            params,
            random,
            by_chance: 0,
            seed: *seed,
            noise,
            drawn: draw::trees(&layout, params.trees, seed),
            features: features.collect(),
            slot_of: Vec::new().into(),
            marginals: Vec::new(),
            layout,
            trees: vec![root; params.trees as usize],
            level: 0,
            stage: Stage::Start,
        })
    }

    fn edges(&self) -> Result<TableQuery, GrowError> {
        let slots = self.layout.edge_slots();
        let slot_of = self.features.iter().flat_map(|feature| {
            let last = (slots - 1) as u8;
            (0u8..=255).map(move |bin| {
                if usize::from(bin) < feature.bins {
                    bin
                } else {
                    last
                }
            })
        });
        let all: Vec<u16> = (0..self.features.len()).map(|feature| feature as u16).collect();
        let axes = Axes::new(all.into(), slots, slot_of.collect())?;
        Ok(TableQuery::histograms(vec![Tree::LEAF].into(), axes)?)
    }

    /// Slots, marginals, and the splits of the roots if they are greedy.
    fn take_edges(&mut self, table: &Table) {
        let deviation = self.noise.of(QueryKind::Edges);
        let judge = self.judge(QueryKind::Edges);
        let slots = usize::from(self.layout.edge_slots());
        let mut found = Vec::with_capacity(self.features.len());
        let mut slot_of = Vec::with_capacity(self.features.len() * BINS);
        for (feature, cells) in self
            .features
            .iter_mut()
            .zip(table.cells().chunks_exact(slots * CLASSES))
        {
            let (values, rest) = cells.split_at((feature.bins * CLASSES).min(cells.len()));
            let missing = rest.len().saturating_sub(CLASSES);
            let own: Vec<i64> = values.iter().chain(rest.iter().skip(missing)).copied().collect();
            found.push(judge.best(&own, feature.bins, feature.ordered));
            let last = (self.layout.slots() - 1) as u8;
            let most = match deviation > 0.0 && feature.ordered {
                true => usize::from(last).min(NOISY_SLOTS),
                false => last.into(),
            };
            let slots = slots::slots(values, feature.bins, feature.ordered, (most, last), deviation);
            feature.slots = slots.values;
            slot_of.extend_from_slice(&slots.of);
            self.marginals
                .push(Marginal::new(&own, slots, feature.ordered, deviation));
        }
        self.slot_of = slot_of.into();
        if self.layout.wanted().is_empty() {
            return;
        }
        self.by_chance = chance::random_trees(&self.marginals, self.trees.len());
        for (tree, drawn) in self.trees.iter_mut().zip(&self.drawn) {
            let features = drawn.levels.first().into_iter().flatten();
            let found =
                features.filter_map(|feature| Some((*feature, found.get(usize::from(*feature))?.as_ref()?)));
            // In these histograms the slot of a bin is the bin.
            let split = best(found).map(|(feature, found)| Split {
                feature,
                right: found.right.iter().copied().collect(),
            });
            tree.grow(vec![split]);
        }
        // Random trees ask for next to nothing meanwhile: histograms of one node.
        for tree in self.trees.iter_mut().take(self.by_chance) {
            tree.splits = vec![Split::DUMMY];
            tree.reachable = vec![true, false];
        }
        self.level = 1;
    }

    /// The splits of one level; is there any?
    fn take_splits(&mut self, table: &Table) -> bool {
        let judge = self.judge(QueryKind::Splits(self.level as u8));
        let wanted = self.layout.wanted().get(self.level).copied().unwrap_or_default();
        let per_feature = usize::from(self.layout.slots()) * CLASSES;
        let mut leaves = table.cells().chunks_exact((wanted * per_feature).max(1));
        let mut any = false;
        for (position, (tree, drawn)) in self.trees.iter_mut().zip(&self.drawn).enumerate() {
            let features = drawn.levels.get(self.level).map_or(&[][..], Vec::as_slice);
            let split = |(reachable, cells): (&bool, &[i64])| {
                let histograms = features
                    .iter()
                    .zip(cells.chunks_exact(per_feature))
                    .filter(|_| *reachable);
                let found: Vec<(u16, split::Found)> = histograms
                    .filter_map(|(feature, histogram)| {
                        let of = self.features.get(usize::from(*feature))?;
                        Some((*feature, judge.best(histogram, of.slots, of.ordered)?))
                    })
                    .collect();
                let (feature, found) = best(found.iter().map(|(feature, found)| (*feature, found)))?;
                let of = self.features.get(usize::from(feature))?;
                let slots = self
                    .slot_of
                    .iter()
                    .skip(usize::from(feature) * BINS)
                    .take(of.bins + 1);
                let right = (0u8..=255)
                    .zip(slots)
                    .filter(|(_, slot)| found.right.contains(slot));
                Some(Split {
                    feature,
                    right: right.map(|(bin, _)| bin).collect::<BinSet>(),
                })
            };
            let nodes = tree.reachable.iter().zip(leaves.by_ref());
            let mut splits: Vec<Option<Split>> = nodes.map(split).collect();
            if position < self.by_chance {
                splits.fill(None);
            }
            any |= splits.iter().any(Option::is_some);
            tree.grow(splits);
        }
        self.level += 1;
        any
    }

    fn judge(&self, kind: QueryKind) -> Judge {
        Judge {
            criterion: self.params.criterion,
            deviation: self.noise.of(kind),
        }
    }

    /// Adds the levels that are not asked for, and under noise the splits that were not found.
    fn infer(&mut self) {
        let noise = self.noise.of(QueryKind::Leaves);
        let asked = self.layout.wanted().len();
        // Levels that were not asked for because nothing above them was split any more, by exact counts, stay so.
        let first = if asked < usize::from(self.params.depth) || noise > 0.0 {
            self.level
        } else {
            self.params.depth.into()
        };
        let depth = usize::from(self.params.depth);
        for (position, (tree, drawn)) in self.trees.iter_mut().zip(&self.drawn).enumerate() {
            let pools: Vec<Vec<u16>> = (0..depth)
                .map(|level| self.layout.all(level, drawn.link))
                .collect();
            let judge = Judge {
                criterion: self.params.criterion,
                deviation: 0.0,
            };
            let rule = match self.params.growth {
                Growth::Quantile => Rule::Drawn,
                _ => Rule::Best(judge),
            };
            let inference = Inference {
                marginals: &self.marginals,
                pools: &pools,
                rule,
                draw: Draw::of_inferred(&self.seed, position),
                first,
                depth,
                chance_from: (noise > 0.0).then_some(ROWS_PER_NOISE * noise),
            };
            inference.complete(&mut tree.splits);
        }
        self.level = depth;
    }

    /// What comes after a level: `any` if it was split at all.
    fn next_level(&mut self, any: bool) -> Result<Step, GrowError> {
        let asked = self.layout.wanted().len();
        let has_more = any && self.level < asked;
        let is_noisy = self.noise.of(QueryKind::Leaves) > 0.0;
        if !has_more && (asked < usize::from(self.params.depth) || is_noisy || self.by_chance > 0) {
            self.infer();
        }
        let by_chance = if has_more { 0 } else { self.by_chance };
        let random = self.random.iter().take(by_chance).cloned().map(Ok);
        let level = self.level as u8;
        let grown = self.trees.iter().skip(by_chance);
        let trees = random.chain(grown.map(|tree| Tree::new(level, tree.splits.clone())));
        // As many tests as a complete tree has, by construction.
        let trees: Arc<[Tree]> = trees
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| GrowError::Finished)?
            .into();
        if !has_more {
            let query = TableQuery::leaf_counts(trees)?;
            self.stage = Stage::Leaves(query.clone());
            return Ok(Step::Ask(query));
        }
        let features = self
            .drawn
            .iter()
            .filter_map(|drawn| drawn.levels.get(self.level))
            .flatten()
            .copied();
        let axes = Axes::new(features.collect(), self.layout.slots(), Arc::clone(&self.slot_of))?;
        let query = TableQuery::histograms(trees, axes)?;
        self.stage = Stage::Histograms(query.clone());
        Ok(Step::Ask(query))
    }

    fn finish(&mut self, trees: Arc<[Tree]>, leaf_values: Arc<[u32]>, threshold: f64) -> Step {
        self.stage = Stage::Finished;
        Step::Done(Forest {
            schema: self.schema.clone(),
            bins: self.params.bins,
            trees,
            leaf_values,
            output: Output::Probability,
            threshold,
            statement: None,
        })
    }
}

impl Partial {
    /// Adds a level, one split or none for each node.
    fn grow(&mut self, splits: Vec<Option<Split>>) {
        let reachable = std::mem::take(&mut self.reachable);
        for (reachable, split) in reachable.into_iter().zip(splits) {
            self.reachable.extend([reachable, reachable && split.is_some()]);
            self.splits.push(split.unwrap_or(Split::DUMMY));
        }
    }
}

/// The one of most gain; the first of equals.
fn best<'a>(found: impl Iterator<Item = (u16, &'a split::Found)>) -> Option<(u16, &'a split::Found)> {
    found.reduce(|best, other| if other.1.gain > best.1.gain { other } else { best })
}

impl Grow for GreedyGrowth {
    fn next(&mut self, answer: Option<Table>) -> Result<Step, GrowError> {
        match &self.stage {
            Stage::Start => {
                if let Some(answer) = answer {
                    return Err(GrowError::UnexpectedAnswer { seen: answer.shape() });
                }
                let query = self.edges()?;
                self.stage = Stage::Histograms(query.clone());
                Ok(Step::Ask(query))
            }
            Stage::Histograms(query) => {
                let answer = expect(answer, query)?;
                let any = if query.kind() == QueryKind::Edges {
                    self.take_edges(&answer);
                    true
                } else {
                    self.take_splits(&answer)
                };
                self.next_level(any)
            }
            Stage::Leaves(query) => {
                let answer = expect(answer, query)?;
                let trees = Arc::clone(query.trees());
                let deviation = self.noise.of(QueryKind::Leaves);
                let values: Arc<[u32]> = shrunk_leaf_values(answer.cells(), &trees, deviation).into();
                if self.schema.has_links() {
                    let columns = self.schema.len();
                    let threshold =
                        walks::threshold(&trees, answer.cells(), &values, columns, deviation == 0.0);
                    return Ok(self.finish(trees, values, threshold));
                }
                let deviation = self.noise.of(QueryKind::Threshold);
                let scores = ScoreHistogram::new(trees, &values, answer.cells(), deviation)?;
                let query = scores.query.clone();
                self.stage = Stage::Threshold(scores, values);
                Ok(Step::Ask(query))
            }
            Stage::Threshold(scores, values) => {
                let answer = expect(answer, &scores.query)?;
                let threshold = scores.threshold(answer.cells(), self.noise.of(QueryKind::Threshold));
                let (trees, values) = (Arc::clone(scores.query.trees()), Arc::clone(values));
                Ok(self.finish(trees, values, threshold))
            }
            Stage::Finished => Err(GrowError::Finished),
        }
    }
}

#[cfg(test)]
mod tests;
