//! What the federation is measured against: the same forest grown in this process, which may see all the data
//! because it simulates everybody.

use super::joined::{Joined, Part, View};
use crate::error::{CliError, Result};
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::grow::{Step, growth};
use hedgerow_forest::metrics::{Cuts, accuracy};
use hedgerow_forest::model::Forest;
use hedgerow_forest::params::ForestParams;
use hedgerow_forest::predict::Predictor;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::schema::Schema;
use hedgerow_forest::table::Table;
use hedgerow_party::data::{DataSet, Rows};
use std::collections::BTreeMap;

/// All parties' data, by their positions in the scenario.
pub enum Pool {
    /// Every party has rows with all columns.
    Whole(Vec<(String, DataSet)>),
    /// Rows at some parties, attributes at others.
    Joined(Box<Joined>),
}

/// All parties' data, and the growth that everybody runs.
pub struct Oracle<'a> {
    /// The data.
    pub pool: &'a Pool,
    /// The run's schema.
    pub schema: &'a Schema,
    /// The run's hyper-parameters.
    pub forest: ForestParams,
    /// The run's public seed.
    pub seed: [u8; 32],
    /// Tables of one party each, with the members whose attributes it was counted with: many forests ask the same
    /// first question.
    tables: BTreeMap<(usize, [u8; 32], Vec<usize>), Table>,
    /// Cells of all these.
    kept: usize,
}

/// Most cells that are kept: 256 MiB.
const MOST_KEPT: usize = 1 << 25;

impl<'a> Oracle<'a> {
    /// Nothing counted yet.
    pub fn new(pool: &'a Pool, schema: &'a Schema, forest: ForestParams, seed: [u8; 32]) -> Self {
        Self {
            pool,
            schema,
            forest,
            seed,
            tables: BTreeMap::new(),
            kept: 0,
        }
    }

    /// Grows a forest without noise. `members(step)` are the parties, by position, whose data answer the query of that
    /// step; past the steps that a run recorded it is the last one's.
    ///
    /// # Errors
    /// The data's, and growth's.
    pub async fn train(&mut self, members: impl Fn(usize) -> Vec<usize>) -> Result<Forest> {
        let binner = self.binner()?;
        let mut grower = growth(self.schema, &binner, self.forest, self.seed, None)
            .map_err(CliError::library("grow the forest to compare with"))?;
        let mut answer = None;
        for step in 0.. {
            let next = grower
                .next(answer)
                .map_err(CliError::library("grow the forest to compare with"))?;
            answer = match next {
                Step::Done(forest) => return Ok(forest),
                Step::Ask(query) => Some(self.sum(&query, &binner, &members(step)).await?),
            };
        }
        unreachable!("growth ends")
    }

    /// The table of all members' training rows.
    ///
    /// # Errors
    /// The data's.
    pub async fn sum(&mut self, query: &TableQuery, binner: &Binner, members: &[usize]) -> Result<Table> {
        let mut total = Table::zeros(query.shape());
        for &member in members {
            let with = match self.pool {
                Pool::Whole(_) => Vec::new(),
                Pool::Joined(_) => members.to_vec(),
            };
            let key = (member, query.digest_bytes(), with);
            if let Some(table) = self.tables.get(&key) {
                total.add(table).map_err(CliError::library("add tables"))?;
                continue;
            }
            let Some(table) = self.count(member, query, binner, members).await? else {
                continue;
            };
            total.add(&table).map_err(CliError::library("add tables"))?;
            if self.kept + query.cells() <= MOST_KEPT {
                self.kept += query.cells();
                self.tables.insert(key, table);
            }
        }
        Ok(total)
    }

    async fn count(
        &self,
        member: usize,
        query: &TableQuery,
        binner: &Binner,
        members: &[usize],
    ) -> Result<Option<Table>> {
        match self.pool {
            Pool::Joined(joined) => joined.count(member, query, self.view(), members).map(Some),
            Pool::Whole(parties) => {
                let Some((id, data)) = parties.get(member) else {
                    return Ok(None);
                };
                let table = data
                    .count(query, binner, Rows::Train)
                    .await
                    .map_err(CliError::library(format!("count the rows of party {id:?}")))?;
                Ok(Some(table))
            }
        }
    }

    /// A schema of joined data without links is that of the row parties' own columns.
    fn view(&self) -> View {
        if self.schema.has_links() {
            View::Joined
        } else {
            View::Own
        }
    }

    fn binner(&self) -> Result<Binner> {
        Binner::new(self.schema, self.forest.bins).map_err(CliError::library("schema"))
    }

    /// Scores all parties' test rows by several forests over this oracle's schema in one pass; joined rows with the
    /// attributes of those attribute parties that are among `members`.
    ///
    /// # Errors
    /// The data's, and [`CliError::Library`] for a forest that does not fit the schema.
    pub async fn test(&self, forests: &[&Forest], members: &[usize]) -> Result<Scored> {
        let binner = self.binner()?;
        let predictors = forests
            .iter()
            .map(|forest| Predictor::new(forest))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(CliError::library("predict"))?;
        let mut scored = Scored {
            labels: Vec::new(),
            scores: vec![Vec::new(); forests.len()],
        };
        let mut score = |block: &Binned, labels: &[u8]| {
            scored.labels.extend_from_slice(labels);
            for (scores, predictor) in scored.scores.iter_mut().zip(&predictors) {
                scores.extend(predictor.scores(block));
            }
        };
        match self.pool {
            Pool::Joined(joined) => {
                for position in joined.positions() {
                    joined.each_block(position, Part::Test, self.view(), members, &mut score);
                }
            }
            Pool::Whole(parties) => {
                for (id, data) in parties {
                    data.for_each_block(&binner, Rows::Test, &mut score)
                        .await
                        .map_err(CliError::library(format!("score the test rows of party {id:?}")))?;
                }
            }
        }
        Ok(scored)
    }
}

/// Test rows with their labels and the scores of several forests.
#[derive(Clone, Debug)]
pub struct Scored {
    /// 1 = positive.
    pub labels: Vec<u8>,
    /// One list per forest.
    pub scores: Vec<Vec<f64>>,
}

/// Quality and curves of one forest.
pub struct Quality {
    /// The three figures.
    pub metrics: crate::report::Metrics,
    /// Receiver operating characteristic.
    pub roc: Vec<(f64, f64)>,
    /// Precision over recall.
    pub pr: Vec<(f64, f64)>,
}

/// Points of a drawn curve.
const POINTS: usize = 300;

impl Quality {
    /// Measures one forest's scores.
    ///
    /// # Errors
    /// Test rows of one class only, or none.
    pub fn of(forest: &Forest, scores: &[f64], labels: &[u8]) -> Result<Self> {
        let failed = || CliError::library("measure on the test rows");
        let cuts = Cuts::new(scores, labels).map_err(failed())?;
        let right = accuracy(scores, labels, forest.threshold).map_err(failed())?;
        let roc: Vec<_> = cuts
            .roc_curve()
            .iter()
            .map(|point| (point.false_positive_rate, point.true_positive_rate))
            .collect();
        let pr: Vec<_> = cuts
            .pr_curve()
            .iter()
            .map(|point| (point.recall, point.precision))
            .collect();
        Ok(Self {
            metrics: crate::report::Metrics {
                auprc: cuts.auprc(),
                auroc: cuts.auroc(),
                accuracy: right.unwrap_or(f64::NAN),
            },
            roc: crate::report::thin(&roc, POINTS),
            pr: crate::report::thin(&pr, POINTS),
        })
    }
}
