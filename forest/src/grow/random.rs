//! Random decision trees: leaf counts, then a score histogram, then the model; over links the leaf counts alone.

use std::sync::Arc;

use super::leaf_values::leaf_values;
use super::structure::random_trees;
use super::threshold::{best_threshold, threshold_of_leaves};
use super::{Grow, GrowError, NoiseScale, Step};
use crate::binning::Binner;
use crate::model::Forest;
use crate::params::ForestParams;
use crate::query::{QueryKind, TableQuery};
use crate::schema::Schema;
use crate::table::Table;
use crate::tree::Tree;

/// Bins of the score histogram that the threshold is read from.
pub const SCORE_BINS: u16 = 256;

/// The queries of one growth, in their order. Over links there is no score histogram, because no party knows the score
/// of a joined row; the threshold then comes from the released leaf table.
pub fn asks(schema: &Schema) -> &'static [QueryKind] {
    if schema.has_links() {
        &[QueryKind::Leaves]
    } else {
        &[QueryKind::Leaves, QueryKind::Threshold]
    }
}

/// Growth of random decision trees (Fan et al., ICDM 2003): the structure comes from a public seed
/// ([`super::structure`]), so two tables are all that is asked of the data, and one if columns are read through links
/// ([`asks`]).
#[derive(Debug)]
pub struct RandomGrowth {
    schema: Schema,
    bins: u16,
    noise: Option<NoiseScale>,
    trees: Arc<[Tree]>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Start,
    Leaves(TableQuery),
    Threshold(TableQuery, Arc<[u32]>),
    Finished,
}

impl RandomGrowth {
    /// Draws the trees; nothing is asked yet.
    ///
    /// # Errors
    /// Parameters, schema, binner or noise that do not hold together.
    pub fn new(
        schema: &Schema,
        binner: &Binner,
        params: ForestParams,
        seed: [u8; 32],
        noise: Option<NoiseScale>,
    ) -> Result<Self, GrowError> {
        schema.validate().map_err(crate::binning::BinningError::from)?;
        if binner.len() != schema.len() {
            return Err(GrowError::Features {
                expected: schema.len(),
                seen: binner.len(),
            });
        }
        if let Some(NoiseScale {
            leaf_cell,
            histogram_cell,
        }) = noise
        {
            for (cell, seen) in [("leaf cell", leaf_cell), ("histogram cell", histogram_cell)] {
                if !seen.is_finite() || seen < 0.0 {
                    return Err(GrowError::Noise { cell, seen });
                }
            }
        }
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
                let values: Arc<[u32]> = leaf_values(answer.cells(), self.noise).into();
                if !asks(&self.schema).contains(&QueryKind::Threshold) {
                    let threshold = threshold_of_leaves(answer.cells(), &values, self.noise);
                    return Ok(self.finish(values, threshold));
                }
                let query =
                    TableQuery::score_histogram(Arc::clone(&self.trees), Arc::clone(&values), SCORE_BINS)?;
                self.stage = Stage::Threshold(query.clone(), values);
                Ok(Step::Ask(query))
            }
            Stage::Threshold(query, values) => {
                let answer = expect(answer, query)?;
                let threshold = best_threshold(answer.cells(), self.noise);
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
            threshold,
            statement: None,
        })
    }
}

fn expect(answer: Option<Table>, query: &TableQuery) -> Result<Table, GrowError> {
    let expected = query.shape();
    match answer {
        None => Err(GrowError::MissingAnswer { expected }),
        Some(answer) if answer.shape() != expected => Err(GrowError::Shape {
            expected,
            seen: answer.shape(),
        }),
        Some(answer) => Ok(answer),
    }
}

#[cfg(test)]
mod tests;
