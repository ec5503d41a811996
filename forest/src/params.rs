//! Hyper-parameters of a forest.

use serde::{Deserialize, Serialize};

/// Fewest value bins of a numeric column.
pub const MIN_BINS: u16 = 2;
/// Most value bins of a numeric column: bins are `u8`, and one is kept for missing values.
pub const MAX_BINS: u16 = 254;
/// Most trees of a forest.
pub const MAX_TREES: u32 = 4096;
/// Deepest tree.
pub const MAX_DEPTH: u8 = 12;
/// Most leaves of a whole forest: bounds the tables that every party holds (two 8-byte counters to a leaf).
pub const MAX_LEAVES: u64 = 1 << 22;
/// Most cells of one table of histograms.
pub const MAX_CELLS: u64 = 1 << 23;
/// Fewest slots of a histogram: two for values, one for missing values.
pub const MIN_SLOTS: u16 = 3;
/// Most slots of a histogram: one for each `u8`.
pub const MAX_SLOTS: u16 = 256;
/// The whole, where a parameter is a share in thousandths.
pub const THOUSANDTHS: u16 = 1000;

/// How a forest grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Growth {
    /// Random decision trees (Fan, Wang, Yu, Ma: Is random model better? On its accuracy and efficiency, ICDM 2003):
    /// the structure is drawn without looking at data, only leaf counts are asked for.
    #[default]
    Random,
    /// Random decision trees whose thresholds are drawn uniformly over the ranks of the rows, not over the range of
    /// the column: quantiles come from one table of histograms of all features.
    Quantile,
    /// Trees grown level by level, every node taking the best split of (noisy) histograms of its rows.
    Greedy,
    /// Gradient boosting: one tree after the other on histograms of gradients.
    Boosted,
}

impl Growth {
    /// The word in a configuration file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Quantile => "quantile",
            Self::Greedy => "greedy",
            Self::Boosted => "boosted",
        }
    }
}

/// Where the tests of boosted trees come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SplitChoice {
    /// The best splits of histograms of gradients, level by level.
    #[default]
    Greedy,
    /// Drawn, guided by one table of histograms of all rows: the choice under noise.
    Random,
}

/// What a split should make purer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Criterion {
    /// Gini impurity (Breiman, Friedman, Olshen, Stone: Classification and Regression Trees, 1984).
    #[default]
    Gini,
    /// Shannon entropy (Quinlan, Induction of decision trees, 1986).
    Entropy,
}

/// Hyper-parameters of a forest. [`ForestParams::validate`] is called wherever they are used.
///
/// Integers only, so that their canonical bytes are exact. Where 0 is said to be the default, the growth chooses by
/// public facts alone: number of features, trees, noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestParams {
    /// Trees, 1 to [`MAX_TREES`].
    pub trees: u32,
    /// Levels of tests in every tree, 1 to [`MAX_DEPTH`]; a tree has `2^depth` leaves.
    pub depth: u8,
    /// Value bins of a numeric column, [`MIN_BINS`] to [`MAX_BINS`].
    pub bins: u16,
    /// How the trees grow.
    #[serde(default)]
    pub growth: Growth,
    /// What a split should make purer: greedy growth.
    #[serde(default)]
    pub criterion: Criterion,
    /// Features that every tree has histograms of at each level, and may split there; 0 is the default. Not for
    /// random and quantile growth.
    #[serde(default)]
    pub features_per_tree: u16,
    /// Most slots of a histogram below the root, the slot of missing values included, [`MIN_SLOTS`] to
    /// [`MAX_SLOTS`]; 0 is the default. A slot is a group of bins.
    #[serde(default)]
    pub slots: u16,
    /// Levels of greedy trees, the root's among them, that have histograms of their own; the splits below are those
    /// that the histograms of all rows suggest, as if features were independent within a class. 0: all levels.
    #[serde(default)]
    pub levels: u8,
    /// Part of the budget that the structure of the trees may use, in thousandths, below 1000; 0 is the default.
    #[serde(default)]
    pub split_share: u16,
    /// What a boosted tree adds of its step, in thousandths, at most 1000; 0 is the default.
    #[serde(default)]
    pub learning_rate: u16,
    /// L2 penalty on a boosted leaf, in thousandths of a row's Hessian; 0 is the default.
    #[serde(default)]
    pub lambda: u32,
    /// Least gain of a boosted split, in thousandths; 0 takes any.
    #[serde(default)]
    pub min_gain: u32,
    /// Where the tests of boosted trees come from.
    #[serde(default)]
    pub split: SplitChoice,
    /// Links whose columns a tree may test, 1 or 2; 0 is the default, 1. 2 only for random growth.
    #[serde(default)]
    pub links_per_tree: u8,
    /// Boosted trees that grow on the same gradients, and share their tables; 0 is the default.
    #[serde(default)]
    pub batch: u16,
}

/// A hyper-parameter out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("forest.{field}: expected {least} to {most}, found {seen}")]
#[non_exhaustive]
pub struct ParamsError {
    /// The parameter.
    pub field: &'static str,
    /// Its value.
    pub seen: u64,
    /// Smallest allowed value.
    pub least: u64,
    /// Largest allowed value.
    pub most: u64,
}

impl ForestParams {
    /// A forest of this size; every other parameter has its default.
    pub const fn new(trees: u32, depth: u8, bins: u16, growth: Growth) -> Self {
        Self {
            trees,
            depth,
            bins,
            growth,
            criterion: Criterion::Gini,
            features_per_tree: 0,
            slots: 0,
            levels: 0,
            split_share: 0,
            learning_rate: 0,
            lambda: 0,
            min_gain: 0,
            split: SplitChoice::Greedy,
            links_per_tree: 0,
            batch: 0,
        }
    }

    /// Defaults of random growth, for training without noise, and with noise on the tables.
    ///
    /// The noise of a tree grows with the number of trees, as its share of the privacy budget falls, and averages
    /// out over them: what is left of it in a score does not depend on their number, while the chance in their
    /// structure does. So noise is no reason for few trees; 100 are within 0.01 of the AUROC of 400 at a fraction of
    /// the traffic. It is a reason for shallower ones: the rows of a leaf must stand out from its noise.
    pub const fn default_for(noise: bool) -> Self {
        Self::new(100, if noise { 8 } else { 10 }, 64, Growth::Random)
    }

    /// Leaves of one tree.
    pub const fn leaves(&self) -> usize {
        1 << self.depth
    }

    /// Checks every range, and the size of the whole forest.
    ///
    /// # Errors
    /// The first parameter out of range.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let range = |field, seen: u64, least: u64, most: u64| {
            if (least..=most).contains(&seen) {
                Ok(())
            } else {
                Err(ParamsError {
                    field,
                    seen,
                    least,
                    most,
                })
            }
        };
        range("trees", self.trees.into(), 1, MAX_TREES.into())?;
        range("depth", self.depth.into(), 1, MAX_DEPTH.into())?;
        range("bins", self.bins.into(), MIN_BINS.into(), MAX_BINS.into())?;
        range(
            "trees * 2^depth",
            u64::from(self.trees) << self.depth,
            2,
            MAX_LEAVES,
        )?;
        if self.slots != 0 {
            range("slots", self.slots.into(), MIN_SLOTS.into(), MAX_SLOTS.into())?;
        }
        let most_links = if self.growth == Growth::Random { 2 } else { 1 };
        range("links_per_tree", self.links_per_tree.into(), 0, most_links)?;
        range("levels", self.levels.into(), 0, self.depth.into())?;
        let below_all = u64::from(THOUSANDTHS) - 1;
        range("split_share", self.split_share.into(), 0, below_all)?;
        range("learning_rate", self.learning_rate.into(), 0, THOUSANDTHS.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        for noise in [false, true] {
            assert_eq!(ForestParams::default_for(noise).validate(), Ok(()));
        }
    }

    #[test]
    fn what_was_written_before_is_still_read() {
        let old = r#"{"trees":7,"depth":3,"bins":16}"#;
        let read: ForestParams = serde_json::from_str(old).unwrap();
        assert_eq!(read, ForestParams::new(7, 3, 16, Growth::Random));
        for growth in [Growth::Random, Growth::Quantile, Growth::Greedy, Growth::Boosted] {
            assert_eq!(
                serde_json::to_string(&growth).unwrap(),
                format!("\"{}\"", growth.as_str())
            );
        }
    }

    #[test]
    fn errors_name_the_parameter() {
        let good = ForestParams::default_for(false);
        let cases = [
            (
                ForestParams { trees: 0, ..good },
                "forest.trees: expected 1 to 4096, found 0",
            ),
            (
                ForestParams { trees: 4097, ..good },
                "forest.trees: expected 1 to 4096, found 4097",
            ),
            (
                ForestParams { depth: 13, ..good },
                "forest.depth: expected 1 to 12, found 13",
            ),
            (
                ForestParams { bins: 255, ..good },
                "forest.bins: expected 2 to 254, found 255",
            ),
            (
                ForestParams {
                    trees: 4096,
                    depth: 11,
                    ..good
                },
                "forest.trees * 2^depth: expected 2 to 4194304, found 8388608",
            ),
            (
                ForestParams { slots: 2, ..good },
                "forest.slots: expected 3 to 256, found 2",
            ),
            (
                ForestParams {
                    split_share: 1000,
                    ..good
                },
                "forest.split_share: expected 0 to 999, found 1000",
            ),
            (
                ForestParams {
                    learning_rate: 1001,
                    ..good
                },
                "forest.learning_rate: expected 0 to 1000, found 1001",
            ),
            (
                ForestParams {
                    links_per_tree: 3,
                    ..good
                },
                "forest.links_per_tree: expected 0 to 2, found 3",
            ),
            (
                ForestParams {
                    links_per_tree: 2,
                    growth: Growth::Quantile,
                    ..good
                },
                "forest.links_per_tree: expected 0 to 1, found 2",
            ),
        ];
        for (params, words) in cases {
            assert_eq!(params.validate().unwrap_err().to_string(), words);
        }
    }
}
