//! Splits that are not asked for: those that the histograms of all rows suggest.
//!
//! As if features were independent of each other within a class, the histogram of a node is that of all rows, cut to
//! the bins that its path leaves, times the share of the class that comes there. That is wrong where features depend
//! on each other, and still a good guide: histograms of deep nodes cost budget for every tree, feature and level, and
//! drown in noise; those of all rows cost it once. What the leaves hold is then counted, not inferred.

use super::draw::Draw;
use super::slots::Slots;
use super::split::Judge;
use crate::table::CLASSES;
use crate::tree::{BinSet, Split};

/// Part of the standard deviation of a slot's noise that is taken off its rows.
const FLOOR: f64 = 0.5;
/// Part of the noise that inferred histograms are judged with: much of it is the same in all nodes.
const JUDGED: f64 = 0.5;

/// What all rows have of one feature.
#[derive(Debug, Clone)]
pub(super) struct Marginal {
    /// Rows of each bin, by class; that of missing values is the last.
    rows: Vec<[f64; CLASSES]>,
    slots: Slots,
    ordered: bool,
    deviation: f64,
}

/// How splits are inferred.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// The best by some features drawn for each node.
    Best(Judge),
    /// Drawn: a feature, and a threshold uniform over the ranks of the node's rows, either class half of them.
    Drawn,
}

/// What a threshold is drawn uniformly over.
#[derive(Debug, Clone, Copy)]
enum Ranks {
    /// The rows expected at the node, either class half of them.
    Rows,
    /// The bins that are left.
    Bins,
}

/// Features drawn for each node among so many: half of their square root, at least 2.
fn candidates(pool: usize) -> usize {
    (pool.isqrt().div_ceil(2)).max(2)
}

impl Marginal {
    /// From a histogram `[values and missing, classes]` and what the noise in its cells is.
    pub(super) fn new(histogram: &[i64], slots: Slots, ordered: bool, deviation: f64) -> Self {
        let bins = histogram.len() / CLASSES;
        let slot_of = |bin: usize| if bin + 1 == bins { None } else { slots.of.get(bin) };
        let mut rows: Vec<[f64; CLASSES]> = Vec::with_capacity(bins);
        for bin in 0..bins {
            let alike = (0..bins).filter(|other| slot_of(*other) == slot_of(bin));
            let cell = |bin: usize, class: usize| histogram.get(CLASSES * bin + class).copied().unwrap_or(0);
            let of = |class: usize| {
                let (sum, positive, count) =
                    alike
                        .clone()
                        .fold((0i128, 0.0, 0u32), |(sum, positive, count), bin| {
                            let cell = cell(bin, class);
                            (sum + i128::from(cell), positive + cell.max(0) as f64, count + 1)
                        });
                // As many as the slot has by its sum, whose noise is not cut at zero bin by bin.
                let rows = f64::max(0.0, sum as f64 - FLOOR * deviation * f64::from(count).sqrt());
                if positive > 0.0 {
                    cell(bin, class).max(0) as f64 * rows / positive
                } else {
                    0.0
                }
            };
            rows.push([of(0), of(1)]);
        }
        Self {
            rows,
            slots,
            ordered,
            deviation,
        }
    }

    fn missing(&self) -> u8 {
        self.rows.len().saturating_sub(1) as u8
    }

    /// Standard deviation of the noise in a cell.
    pub(super) const fn deviation(&self) -> f64 {
        self.deviation
    }

    /// All bins.
    pub(super) fn all(&self) -> BinSet {
        BinSet::range(0, self.missing())
    }

    fn of(&self, bin: u8) -> [f64; CLASSES] {
        self.rows.get(usize::from(bin)).copied().unwrap_or_default()
    }

    /// Rows of either class in these bins.
    pub(super) fn sum(&self, bins: &BinSet) -> [f64; CLASSES] {
        bins.iter()
            .map(|bin| self.of(bin))
            .fold([0.0; CLASSES], |sum, of| [sum[0] + of[0], sum[1] + of[1]])
    }

    fn slot(&self, bin: u8) -> u8 {
        self.slots.of.get(usize::from(bin)).copied().unwrap_or_default()
    }
}

/// What may be at a node: per feature the bins that its path leaves, and the rows of either class expected.
#[derive(Clone)]
struct Node {
    left: Vec<BinSet>,
    rows: [f64; CLASSES],
}

/// One tree whose levels from `first` on are inferred.
pub(super) struct Inference<'a> {
    pub(super) marginals: &'a [Marginal],
    /// Per level the features that may be split.
    pub(super) pools: &'a [Vec<u16>],
    pub(super) rule: Rule,
    pub(super) draw: Draw,
    pub(super) first: usize,
    pub(super) depth: usize,
    /// Rows that a node must be expected to hold so that it is split by chance if nothing else splits it, on levels that
    /// were asked for too; `None`: no node is.
    pub(super) chance_from: Option<f64>,
}

impl Inference<'_> {
    /// Completes a tree whose first levels are `splits`, nodes in preorder.
    pub(super) fn complete(mut self, splits: &mut Vec<Split>) {
        splits.resize((1 << self.depth) - 1, Split::DUMMY);
        let left: Vec<BinSet> = self.marginals.iter().map(Marginal::all).collect();
        let first = self.marginals.first();
        let rows = first.map_or([0.0; CLASSES], |marginal| marginal.sum(&marginal.all()));
        self.node(0, 0, Node { left, rows }, splits);
    }

    fn node(&mut self, position: usize, level: usize, node: Node, splits: &mut [Split]) {
        if level >= self.depth {
            return;
        }
        let is_open = splits.get(position).is_some_and(Split::is_dummy);
        let may_infer = level >= self.first || is_open && self.chance_from.is_some();
        if may_infer
            && let Some(split) = self.infer(level, &node).or_else(|| self.by_chance(level, &node))
            && let Some(slot) = splits.get_mut(position)
        {
            *slot = split;
        }
        let split = splits.get(position).copied().unwrap_or(Split::DUMMY);
        let [left, right] = self.children(node, &split);
        self.node(2 * position + 1, level + 1, left, splits);
        // Nothing is right of a node that splits nothing.
        if !split.is_dummy() {
            self.node(2 * position + 2, level + 1, right, splits);
        }
    }

    fn children(&self, node: Node, split: &Split) -> [Node; 2] {
        let feature = usize::from(split.feature);
        let (Some(marginal), Some(bins)) = (self.marginals.get(feature), node.left.get(feature)) else {
            return [node.clone(), node];
        };
        if split.is_dummy() {
            return [node.clone(), node];
        }
        let all = marginal.sum(bins);
        [false, true].map(|is_right| {
            let own: BinSet = bins
                .iter()
                .filter(|bin| split.right.contains(*bin) == is_right)
                .collect();
            let part = marginal.sum(&own);
            let mut child = node.clone();
            for ((rows, part), all) in child.rows.iter_mut().zip(part).zip(all) {
                *rows *= if all > 0.0 { part / all } else { 0.0 };
            }
            if let Some(bins) = child.left.get_mut(feature) {
                *bins = own;
            }
            child
        })
    }

    fn infer(&mut self, level: usize, node: &Node) -> Option<Split> {
        let pool = self.pools.get(level)?;
        match self.rule {
            Rule::Best(judge) => {
                let features = self.draw.sample(pool, candidates(pool.len()));
                let found = features
                    .into_iter()
                    .filter_map(|feature| self.best(&judge, node, feature));
                // The first of equals.
                let best = found.reduce(|best, other| if other.0 > best.0 { other } else { best });
                best.map(|(_, split)| split)
            }
            Rule::Drawn => self.drawn(pool, node, Ranks::Rows),
        }
    }

    /// A split as random growth draws it, of a node large enough for one.
    fn by_chance(&mut self, level: usize, node: &Node) -> Option<Split> {
        let [negative, positive] = node.rows;
        if negative + positive < self.chance_from? {
            return None;
        }
        let pool = self.pools.get(level)?;
        self.drawn(pool, node, Ranks::Bins)
    }

    /// The best split of a node by one feature, with its gain.
    fn best(&self, judge: &Judge, node: &Node, feature: u16) -> Option<(f64, Split)> {
        let marginal = self.marginals.get(usize::from(feature))?;
        let bins = node.left.get(usize::from(feature))?;
        let (all, missing) = (marginal.sum(bins), marginal.missing());
        let factor = |class: usize| match (node.rows.get(class), all.get(class)) {
            (Some(rows), Some(all)) if *all > 0.0 => rows / all,
            _ => 0.0,
        };
        let factors = [factor(0), factor(1)];
        let values = || bins.iter().filter(|bin| *bin != missing);
        // Slots that any bin is left of, in their order.
        let mut slots: Vec<u8> = values().map(|bin| marginal.slot(bin)).collect();
        slots.sort_unstable();
        slots.dedup();
        let place = |bin: u8| {
            if bin == missing {
                slots.len()
            } else {
                slots.partition_point(|slot| *slot < marginal.slot(bin))
            }
        };
        let mut rows = vec![0.0; CLASSES * (slots.len() + 1)];
        for bin in bins.iter() {
            let cell = rows.chunks_exact_mut(CLASSES).nth(place(bin)).unwrap_or_default();
            for ((cell, rows), factor) in cell.iter_mut().zip(marginal.of(bin)).zip(factors) {
                *cell += rows * factor;
            }
        }
        let rows: Vec<i64> = rows.into_iter().map(|rows: f64| rows.round() as i64).collect();
        let judge = Judge {
            deviation: JUDGED * marginal.deviation * f64::max(factors[0], factors[1]).min(1.0),
            ..*judge
        };
        let found = judge.best(&rows, slots.len(), marginal.ordered)?;
        let right = bins
            .iter()
            .filter(|bin| found.right.iter().any(|slot| usize::from(*slot) == place(*bin)));
        let right = right.collect();
        Some((found.gain, Split { feature, right }))
    }

    /// A split of a feature that is uniform among those that have two values left, with its threshold uniform over
    /// these ranks.
    fn drawn(&mut self, pool: &[u16], node: &Node, ranks: Ranks) -> Option<Split> {
        let values = |feature: u16| -> Option<(Vec<u8>, &Marginal)> {
            let marginal = self.marginals.get(usize::from(feature))?;
            let bins = node.left.get(usize::from(feature))?;
            let values: Vec<u8> = bins.iter().filter(|bin| *bin != marginal.missing()).collect();
            (values.len() > 1).then_some((values, marginal))
        };
        let can: Vec<u16> = pool
            .iter()
            .copied()
            .filter(|feature| values(*feature).is_some())
            .collect();
        let choice = self.draw.below(can.len() as u32) as usize;
        let feature = *can.get(choice)?;
        let (values, marginal) = values(feature)?;
        let (missing, ordered) = (marginal.missing(), marginal.ordered);
        let mut right: BinSet = if ordered {
            let all = marginal.sum(&values.iter().copied().collect());
            // Where there is nothing of a class, all its ranks are alike.
            let even = 1.0 / values.len() as f64;
            let weight = |bin: &u8| -> f64 {
                let share = |(rows, all): (f64, f64)| match ranks {
                    Ranks::Rows if all > 0.0 => rows / all,
                    _ => even,
                };
                marginal.of(*bin).into_iter().zip(all).map(share).sum()
            };
            let mut rank = 2.0 * self.draw.share();
            let below = values.iter().take_while(|bin| {
                rank -= weight(bin);
                rank >= 0.0
            });
            let from = below.count().clamp(1, values.len() - 1);
            values.iter().skip(from).copied().collect()
        } else {
            loop {
                let some: BinSet = values
                    .iter()
                    .copied()
                    .filter(|_| self.draw.below(2) == 1)
                    .collect();
                if !some.is_empty() && some.len() < values.len() {
                    break some;
                }
            }
        };
        if self.draw.below(2) == 1 {
            right.insert(missing);
        }
        Some(Split { feature, right })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Criterion;

    /// Two features of four values; the first tells the class by its upper half, the second nothing.
    fn marginals() -> Vec<Marginal> {
        let slots = || super::super::slots::slots(&[0; 10], 4, true, (8, 8), 0.0);
        let telling = [400, 100, 400, 100, 100, 400, 100, 400, 0, 0];
        let even = [250, 250, 250, 250, 250, 250, 250, 250, 0, 0];
        [telling, even]
            .map(|histogram| Marginal::new(&histogram, slots(), true, 0.0))
            .into()
    }

    fn complete(rule: Rule, depth: usize, chance_from: Option<f64>) -> Vec<Split> {
        let marginals = marginals();
        let inference = Inference {
            marginals: &marginals,
            pools: &vec![vec![0, 1]; depth],
            rule,
            draw: Draw::of_inferred(&[5; 32], 0),
            first: 0,
            depth,
            chance_from,
        };
        let mut splits = Vec::new();
        inference.complete(&mut splits);
        splits
    }

    #[test]
    fn what_tells_is_split_once_and_what_does_not_never() {
        let judge = Judge {
            criterion: Criterion::Gini,
            deviation: 0.0,
        };
        let splits = complete(Rule::Best(judge), 3, None);
        let first = Split {
            feature: 0,
            right: [2, 3].into_iter().collect(),
        };
        assert_eq!((splits[0].feature, splits[0].right.len()), (0, 2));
        assert!(splits[0].right == first.right || splits[0].right == BinSet::range(0, 1));
        assert!(splits[1..].iter().all(Split::is_dummy), "{splits:?}");
    }

    #[test]
    fn large_nodes_that_nothing_splits_are_split_by_chance() {
        let judge = Judge {
            criterion: Criterion::Gini,
            deviation: 0.0,
        };
        // 2000 rows: both children of the root hold 1000, theirs 500 or so.
        let splits = complete(Rule::Best(judge), 4, Some(900.0));
        assert!(splits[..3].iter().all(|split| !split.is_dummy()));
        assert!(splits[7..].iter().all(Split::is_dummy));
        let none = complete(Rule::Best(judge), 4, Some(1e6));
        assert!(none[1..].iter().all(Split::is_dummy));
    }

    #[test]
    fn drawn_splits_are_proper() {
        let splits = complete(Rule::Drawn, 4, None);
        // What a root leaves of one feature, its children can still split by the other.
        assert!(splits[..3].iter().all(|split| !split.is_dummy()));
        for split in splits.into_iter().filter(|split| !split.is_dummy()) {
            let values = split.right.iter().filter(|bin| *bin < 4).count();
            assert!((1..4).contains(&values));
        }
    }
}
