//! A batch of trees that grow level by level.

use super::guide::Guide;
use super::settings::Settings;
use super::split::{Found, Judge, Sum};
use super::{GrowError, tree};
use crate::table::Table;
use crate::tree::{Split, Tree};

/// The trees of a batch as far as they are grown.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    /// `[trees, features per tree]`
    features: Vec<Vec<u16>>,
    trees: Vec<Growing>,
    depth: u8,
}

#[derive(Debug, Clone, Default)]
struct Growing {
    splits: Vec<Split>,
    /// Per leaf its sums and their noise's standard deviation; `None` where no row can be.
    leaves: Vec<Option<(Sum, f64)>>,
}

impl Levels {
    pub(super) fn new(features: Vec<Vec<u16>>) -> Self {
        let root = Growing {
            splits: Vec::new(),
            leaves: vec![Some((Sum::default(), 0.0))],
        };
        Self {
            trees: vec![root; features.len()],
            features,
            depth: 0,
        }
    }

    /// Levels grown.
    pub(super) const fn depth(&self) -> u8 {
        self.depth
    }

    pub(super) fn features(&self) -> &[Vec<u16>] {
        &self.features
    }

    /// Was any node of the last level split? True before the first.
    pub(super) fn can_grow(&self) -> bool {
        let last = (1usize << self.depth) / 2;
        self.depth == 0
            || self
                .trees
                .iter()
                .any(|tree| tree.splits.iter().rev().take(last).any(|split| !split.is_dummy()))
    }

    /// The trees so far.
    pub(super) fn trees(&self) -> Result<Vec<Tree>, GrowError> {
        self.trees
            .iter()
            .map(|of| tree(self.depth, of.splits.clone()))
            .collect()
    }

    /// Splits all roots by the root table.
    pub(super) fn take_guide(&mut self, settings: &Settings, guide: &Guide) {
        let histogram = |_: usize, _: usize, feature: usize| {
            let sums = guide
                .features()
                .get(feature)
                .map(|of| of.sums.as_slice())
                .unwrap_or_default();
            sums.to_vec()
        };
        self.grow(settings, guide, guide.deviation(), histogram);
    }

    /// Splits all leaves by their histograms.
    pub(super) fn take(&mut self, settings: &Settings, guide: &Guide, table: &Table, deviation: f64) {
        let per_feature = 2 * usize::from(settings.slots);
        let per_leaf = self.features.first().map_or(0, Vec::len) * per_feature;
        let leaves = 1usize << self.depth;
        let features = self.features.clone();
        let histogram = |tree: usize, leaf: usize, feature: usize| {
            let position = features
                .get(tree)
                .and_then(|of| of.iter().position(|f| usize::from(*f) == feature));
            let first = (tree * leaves + leaf) * per_leaf + position.unwrap_or(0) * per_feature;
            let slots = guide.features().get(feature).map_or(0, |of| of.sums.len());
            let cells = table.cells().get(first..first + 2 * slots).unwrap_or_default();
            cells
                .chunks_exact(2)
                .map(|cell| Sum::of(cell, settings.one()))
                .collect()
        };
        self.grow(settings, guide, deviation, histogram);
    }

    fn grow(
        &mut self,
        settings: &Settings,
        guide: &Guide,
        deviation: f64,
        histogram: impl Fn(usize, usize, usize) -> Vec<Sum>,
    ) {
        let judge = Judge {
            lambda: settings.lambda + deviation,
            variance: deviation * deviation,
            min_gain: settings.min_gain,
        };
        for (position, (tree, features)) in self.trees.iter_mut().zip(&self.features).enumerate() {
            let mut next = Vec::with_capacity(2 * tree.leaves.len());
            for (leaf, here) in std::mem::take(&mut tree.leaves).into_iter().enumerate() {
                let Some(_) = here else {
                    tree.splits.push(Split::DUMMY);
                    next.extend([None, None]);
                    continue;
                };
                let mut best: Option<(u16, Found)> = None;
                let mut total: Option<(Sum, f64)> = None;
                for feature in features {
                    let sums = histogram(position, leaf, usize::from(*feature));
                    let Some((missing, values)) = sums.split_last() else {
                        continue;
                    };
                    let all = values.iter().fold(*missing, |sum, slot| sum.plus(*slot));
                    let noise = deviation * (sums.len() as f64).sqrt();
                    // All features' histograms have the same total but for noise: the one with least is taken.
                    if total.is_none_or(|(_, least)| noise < least) {
                        total = Some((all, noise));
                    }
                    let in_order = guide
                        .features()
                        .get(usize::from(*feature))
                        .is_some_and(|of| of.numeric);
                    if let Some(found) = judge.best(values, *missing, in_order)
                        && best.as_ref().is_none_or(|(_, best)| found.gain > best.gain)
                    {
                        best = Some((*feature, found));
                    }
                }
                match best {
                    None => {
                        tree.splits.push(Split::DUMMY);
                        next.extend([total, None]);
                    }
                    Some((feature, found)) => {
                        let right = guide.bins(feature.into(), &found.right, found.missing_right);
                        tree.splits.push(Split { feature, right });
                        let noise = |slots: usize| deviation * (slots as f64).sqrt();
                        let (left, right) = found.slots;
                        next.extend([
                            Some((found.left_sum, noise(left))),
                            Some((found.right_sum, noise(right))),
                        ]);
                    }
                }
            }
            tree.leaves = next;
        }
        self.depth += 1;
    }

    /// The finished trees, all of the full depth, and the steps of their leaves.
    pub(super) fn finish(mut self, settings: &Settings) -> Result<(Vec<Tree>, Vec<f64>), GrowError> {
        while self.depth < settings.depth {
            for tree in &mut self.trees {
                tree.splits.extend(tree.leaves.iter().map(|_| Split::DUMMY));
                tree.leaves = tree.leaves.iter().flat_map(|leaf| [*leaf, None]).collect();
            }
            self.depth += 1;
        }
        let step = |leaf: &Option<(Sum, f64)>| leaf.map_or(0.0, |(sum, noise)| settings.step(sum, noise));
        let steps = self
            .trees
            .iter()
            .flat_map(|tree| &tree.leaves)
            .map(step)
            .collect();
        Ok((self.trees()?, steps))
    }
}
