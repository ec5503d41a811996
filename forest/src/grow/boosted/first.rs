//! The first trees: one for each feature, of the root's table alone.
//!
//! The root's table is paid for with a third of the budget, and says of every feature alone what its bins are worth: more
//! than a batch says. A tree for each feature, cut where the table sees most gain, takes a share of Newton's step from the
//! base margin. Features that say the same are counted twice, and only the batches see that: so the share is one of the
//! number of features, times [`BOLDNESS`]. No table is asked for this; it is post-processing of one that was.

use super::guide::{FeatureGuide, Guide};
use super::settings::Settings;
use super::split::{Judge, Sum};
use super::{GrowError, tree};
use crate::tree::{Split, Tree};

/// So many features together take a whole step, if there are more.
const BOLDNESS: f64 = 3.0;
/// A leaf's step is shrunk by so many times the variance of its noise, as a share of what was measured squared (James,
/// Stein, 1961).
const SHRINK: f64 = 2.0;
/// Slots' variances that a cut has to gain besides its own, as for slots of levels.
const DOUBT: f64 = 2.0;

/// First trees.
pub(super) struct First {
    pub(super) trees: Vec<Tree>,
    /// `[trees, leaves]`
    pub(super) steps: Vec<f64>,
    /// The one feature that each tests.
    pub(super) features: Vec<usize>,
}

/// A tree for each of the features with most gain, by their position.
pub(super) fn trees(settings: &Settings, guide: &Guide) -> Result<First, GrowError> {
    let mut features: Vec<usize> = (0..guide.features().len()).collect();
    let chance = |feature: &usize| guide.features().get(*feature).map_or(0, |of| of.chance);
    features.sort_by_key(|feature| std::cmp::Reverse(chance(feature)));
    features.truncate(settings.first_trees());
    features.sort_unstable();
    let share = (BOLDNESS / guide.features().len().max(1) as f64).min(1.0);
    let (mut trees, mut steps) = (Vec::new(), Vec::new());
    for feature in &features {
        let Some(of) = guide.features().get(*feature) else {
            continue;
        };
        let (splits, leaves) = one(settings, guide, (*feature, of));
        trees.push(tree(settings.depth, splits)?);
        steps.extend(leaves.into_iter().map(|step| share * step));
    }
    Ok(First {
        trees,
        steps,
        features,
    })
}

/// Some slots of a feature at a node, and whether missing values are there.
struct Here {
    node: usize,
    slots: Vec<usize>,
    missing: bool,
}

fn one(settings: &Settings, guide: &Guide, (feature, of): (usize, &FeatureGuide)) -> (Vec<Split>, Vec<f64>) {
    let deviation = guide.deviation();
    let judge = Judge {
        lambda: settings.lambda + deviation,
        variance: DOUBT * deviation * deviation,
        min_gain: settings.min_gain,
    };
    let mut splits = vec![Split::DUMMY; (1 << settings.depth) - 1];
    let mut steps = vec![0.0; 1 << settings.depth];
    let Some((of_missing, values)) = of.sums.split_last() else {
        return (splits, steps);
    };
    let mut left = vec![Here {
        node: 0,
        slots: (0..values.len()).collect(),
        missing: true,
    }];
    while let Some(Here { node, slots, missing }) = left.pop() {
        let sums: Vec<Sum> = slots
            .iter()
            .filter_map(|slot| values.get(*slot).copied())
            .collect();
        let apart = if missing { *of_missing } else { Sum::default() };
        let leaves = splits.len();
        let Some(split) = splits.get_mut(node) else {
            let all = sums.iter().fold(apart, |all, sum| all.plus(*sum));
            let variance = deviation * deviation * (sums.len() + usize::from(missing)) as f64;
            let sure = 1.0 - SHRINK * variance / f64::max(all.g * all.g, 1e-9);
            if let Some(step) = steps.get_mut(node - leaves) {
                *step = settings.step(all, variance.sqrt()) * sure.max(0.0);
            }
            continue;
        };
        let Some(found) = judge.best(&sums, apart, of.numeric) else {
            left.push(Here {
                node: 2 * node + 1,
                slots,
                missing,
            });
            continue;
        };
        let right: Vec<usize> = found
            .right
            .iter()
            .filter_map(|position| slots.get(*position).copied())
            .collect();
        *split = Split {
            feature: feature as u16,
            right: guide.bins(feature, &right, found.missing_right),
        };
        left.push(Here {
            node: 2 * node + 1,
            slots: slots.into_iter().filter(|slot| !right.contains(slot)).collect(),
            missing: missing && !found.missing_right,
        });
        left.push(Here {
            node: 2 * node + 2,
            slots: right,
            missing: missing && found.missing_right,
        });
    }
    (splits, steps)
}
