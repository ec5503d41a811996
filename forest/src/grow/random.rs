//! Random decision trees: leaf counts, then a score histogram, then the model; over links the leaf counts alone.

use std::sync::Arc;

use super::leaf_values::leaf_values;
use super::structure::random_trees;
use super::threshold::ScoreHistogram;
use super::{Grow, GrowError, Noise, Step, expect, walks};
use crate::binning::Binner;
use crate::model::{Forest, Output};
use crate::params::ForestParams;
use crate::query::{QueryKind, TableQuery};
use crate::schema::Schema;
use crate::table::Table;
use crate::tree::Tree;

/// Growth of random decision trees (Fan et al., ICDM 2003): the structure comes from a public seed
/// ([`super::structure`]), so two tables are all that is asked of the data, and one if columns are read through links
/// ([`super::plan()`]).
#[derive(Debug)]
pub struct RandomGrowth {
    schema: Schema,
    bins: u16,
    noise: Noise,
    trees: Arc<[Tree]>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Start,
    Leaves(TableQuery),
    Threshold(ScoreHistogram, Arc<[u32]>),
    Finished,
}

impl RandomGrowth {
    /// Draws the trees; nothing is asked yet.
    ///
    /// # Errors
    /// Parameters, schema, binner or noise that do not hold together.
    pub(super) fn new(
        schema: &Schema,
        binner: &Binner,
        params: ForestParams,
        seed: [u8; 32],
        noise: Noise,
    ) -> Result<Self, GrowError> {
        let trees = random_trees(binner, &params, &seed)?.into();
        Ok(Self {
            schema: schema.clone(),
            bins: params.bins,
            noise,
            trees,
            stage: Stage::Start,
        })
    }
}

impl Grow for RandomGrowth {
    fn next(&mut self, answer: Option<Table>) -> Result<Step, GrowError> {
        match &self.stage {
            Stage::Start => {
                if let Some(answer) = answer {
                    return Err(GrowError::UnexpectedAnswer { seen: answer.shape() });
                }
                let query = TableQuery::leaf_counts(Arc::clone(&self.trees))?;
                self.stage = Stage::Leaves(query.clone());
                Ok(Step::Ask(query))
            }
            Stage::Leaves(query) => {
                let answer = expect(answer, query)?;
                let deviation = self.noise.of(QueryKind::Leaves);
                let values: Arc<[u32]> = leaf_values(answer.cells(), deviation).into();
                if self.schema.has_links() {
                    let columns = self.schema.len();
                    let threshold =
                        walks::threshold(&self.trees, answer.cells(), &values, columns, deviation == 0.0);
                    return Ok(self.finish(values, threshold));
                }
                let trees = Arc::clone(&self.trees);
                let deviation = self.noise.of(QueryKind::Threshold);
                let scores = ScoreHistogram::new(trees, &values, answer.cells(), deviation)?;
                let query = scores.query.clone();
                self.stage = Stage::Threshold(scores, values);
                Ok(Step::Ask(query))
            }
            Stage::Threshold(scores, values) => {
                let answer = expect(answer, &scores.query)?;
                let threshold = scores.threshold(answer.cells(), self.noise.of(QueryKind::Threshold));
                let values = Arc::clone(values);
                Ok(self.finish(values, threshold))
            }
            Stage::Finished => Err(GrowError::Finished),
        }
    }
}

impl RandomGrowth {
    fn finish(&mut self, leaf_values: Arc<[u32]>, threshold: f64) -> Step {
        self.stage = Stage::Finished;
        Step::Done(Forest {
            schema: self.schema.clone(),
            bins: self.bins,
            trees: Arc::clone(&self.trees),
            leaf_values,
            output: Output::Probability,
            threshold,
            statement: None,
        })
    }
}

#[cfg(test)]
mod tests;
