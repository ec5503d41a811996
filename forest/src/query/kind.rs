//! Kinds of queries.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which step of growth a query belongs to: what the privacy budget is divided among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QueryKind {
    /// Leaf counts.
    Leaves,
    /// The histogram that the decision threshold comes from.
    Threshold,
    /// Histograms of all rows, by feature: quantiles, and splits of roots.
    Edges,
    /// Histograms of the nodes of this level: the splits of trees with so many levels so far, 1 or more.
    Splits(u8),
    /// Sums of gradients of the nodes of one level of one boosted tree.
    Gradients {
        /// Position of the tree.
        tree: u32,
        /// Its levels so far.
        level: u8,
    },
}

impl fmt::Display for QueryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaves => f.write_str("leaf counts"),
            Self::Threshold => f.write_str("score histogram"),
            Self::Edges => f.write_str("histograms of all rows"),
            Self::Splits(level) => write!(f, "histograms of level {level}"),
            Self::Gradients { tree, level } => write!(f, "gradients of tree {tree}, level {level}"),
        }
    }
}
