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

/// How a forest grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Growth {
    /// Random decision trees (Fan, Wang, Yu, Ma: Is random model better? On its accuracy and efficiency, ICDM 2003):
    /// the structure is drawn without looking at data, only leaf counts are asked for.
    #[default]
    Random,
}

/// Hyper-parameters of a forest. [`ForestParams::validate`] is called wherever they are used.
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
    /// Defaults for training without noise, and with noise on the tables.
    ///
    /// The noise of a tree grows with the number of trees, as its share of the privacy budget falls, and averages
    /// out over them: what is left of it in a score does not depend on their number, while the chance in their
    /// structure does. So noise is no reason for few trees; 100 are within 0.01 of the AUROC of 400 at a fraction of
    /// the traffic. It is a reason for shallower ones: the rows of a leaf must stand out from its noise.
    pub const fn default_for(noise: bool) -> Self {
        let depth = if noise { 8 } else { 10 };
        Self {
            trees: 100,
            depth,
            bins: 64,
            growth: Growth::Random,
        }
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
        )
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
        ];
        for (params, words) in cases {
            assert_eq!(params.validate().unwrap_err().to_string(), words);
        }
    }
}
