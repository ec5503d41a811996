//! Scores of binned rows.

use std::sync::Arc;

use crate::binning::Binned;
use crate::model::{Forest, Output};
use crate::query::{QueryError, TableQuery};
use crate::route::Router;

/// A forest compiled for scoring; immutable and `Sync`.
#[derive(Debug)]
pub struct Predictor {
    router: Router,
    trees: usize,
    output: Output,
    threshold: f64,
}

impl Predictor {
    /// Compiles a forest.
    ///
    /// # Errors
    /// Trees and leaf values that do not fit each other.
    pub fn new(forest: &Forest) -> Result<Self, QueryError> {
        // A router scores with the leaf values of a histogram query; the number of bins does not matter.
        let query =
            TableQuery::score_histogram(Arc::clone(&forest.trees), Arc::clone(&forest.leaf_values), 1)?;
        Ok(Self {
            router: Router::new(&query),
            trees: forest.trees.len(),
            output: forest.output,
            threshold: forest.threshold,
        })
    }

    /// The score of every row, 0 to 1 ([`Output::score`] of the sum of its leaves' values). Columns that the forest reads through links are
    /// columns of the block like all others, joined by whoever may see both sides.
    ///
    /// # Panics
    /// If the block lacks a feature that the forest tests.
    pub fn scores(&self, block: &Binned) -> Vec<f64> {
        self.router
            .scores(block)
            .into_iter()
            .map(|sum| self.output.score(sum.into(), self.trees))
            .collect()
    }

    /// Is a row of this score classified as positive?
    pub fn is_positive(&self, score: f64) -> bool {
        score >= self.threshold
    }
}

impl Forest {
    /// The score of every row of a block, 0 to 1. For many blocks compile a [`Predictor`] once.
    ///
    /// # Panics
    /// If the block lacks a feature that the forest tests, or trees and leaf values were changed so that they no
    /// longer fit each other.
    #[expect(
        clippy::expect_used,
        reason = "growth and the model file hold only forests that fit"
    )]
    pub fn scores(&self, block: &Binned) -> Vec<f64> {
        Predictor::new(self)
            .expect("leaf values fit the trees")
            .scores(block)
    }
}
