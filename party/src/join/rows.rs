//! A row party's answers.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::join::{GradientPlan, GradientRows, JoinCounter, JoinPlan, LinkedBlock, NOBODY};
use hedgerow_forest::query::{Measure, TableQuery};
use hedgerow_forest::schema::Schema;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::{Join, RunConfig};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::join::Weight;
use hedgerow_protocol::join::score::ScoreRows;

use super::scored::{References, pick};
use super::spec;
use crate::answers::binner;
use crate::data::{DataError, DataSpec, DataWarning, Engine, LinkedRows, RowStore, Split};

/// Bytes of dense weights that are counted at a time.
const WEIGHTS: usize = 64 << 20;

/// Training rows in the order of counting, test rows as they came, and the keys of both.
pub(crate) struct RowSide {
    schema: Schema,
    binner: Binner,
    join: Join,
    /// Without training rows.
    rows: LinkedRows,
    references: References,
    train: [LinkedBlock; 1],
    /// The query counted last: rounds ask one query, tree by tree and party by party.
    counter: Mutex<Option<(TableQuery, Arc<JoinCounter>)>>,
}

impl RowSide {
    pub(super) async fn read(
        engine: &Engine,
        data: &DataSpec,
        config: &RunConfig,
        (split, id): (Split, Option<&str>),
    ) -> Result<(Self, Vec<DataWarning>), DataError> {
        let spec = spec::linked(config, id)?;
        let mut rows = LinkedRows::read(engine, data, &spec, split).await?;
        let warnings = rows.take_warnings();
        let train = [block(rows.take_train())?];
        let join = spec::join_of(config)?.clone();
        let keys = (0..join.attribute_parties.len()).map(|party| rows.keys(party).to_vec());
        let side = Self {
            references: References::new(&join, keys.collect()),
            schema: config.schema.clone(),
            binner: binner(config)?,
            join,
            rows,
            train,
            counter: Mutex::default(),
        };
        Ok((side, warnings))
    }

    /// Test rows, in source order.
    pub(crate) fn test(&self) -> &RowStore {
        self.rows.test()
    }

    /// Positions of the test rows that may be scored if no entity may be asked about more often than so, through any
    /// link: the first ones.
    pub(crate) fn scorable(&self, per_entity: u32) -> Vec<u32> {
        let test = self.rows.test();
        let mut asked: HashMap<u32, u32> = HashMap::new();
        let mut may = |row: &u32| {
            let references = test.references.iter().filter_map(|link| link.get(*row as usize));
            let named: Vec<u32> = references.copied().filter(|entity| *entity != NOBODY).collect();
            named
                .iter()
                .for_each(|entity| *asked.entry(*entity).or_default() += 1);
            let fits = named
                .iter()
                .all(|entity| asked.get(entity).is_none_or(|asked| *asked <= per_entity));
            if !fits {
                for entity in &named {
                    asked.entry(*entity).and_modify(|asked| *asked -= 1);
                }
            }
            fits
        };
        (0..test.rows() as u32).filter(|row| may(row)).collect()
    }

    /// The labels of these test rows.
    pub(crate) fn labels(&self, rows: &[u32]) -> Vec<u8> {
        pick(&self.rows.test().labels, rows)
    }

    /// The keys that rows name, and their numbers.
    pub(crate) fn keys(&self) -> &References {
        &self.references
    }

    /// These test rows as the protocol scores them.
    pub(crate) fn score_rows(&self, rows: &[u32]) -> ScoreRows {
        self.references.score_rows(self.rows.test(), rows)
    }

    pub(super) fn references(&self, party: &PartyId) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.rows.keys(self.position(party)?).to_vec())
    }

    pub(super) fn base_counts(&self, query: &TableQuery) -> Result<Table, String> {
        if matches!(query.measure(), Measure::Gradients(_)) {
            // Over one link to one party: whoever is named is one of its entities.
            let entities = match self.join.attribute_parties.as_slice() {
                [_] => self.rows.references(0),
                parties => {
                    return Err(format!(
                        "gradients over {} attribute parties, expected 1",
                        parties.len()
                    ));
                }
            };
            let cells = self.gradients(query)?.local(&self.train, &entities);
            return Table::from_cells(query.shape(), cells.map_err(said)?).map_err(said);
        }
        let cells = self.counter(query)?.local(&self.train).map_err(said)?;
        Table::from_counts(query.shape(), &cells).map_err(said)
    }

    pub(super) fn gradient_rows(&self, query: &TableQuery, party: &PartyId) -> Result<GradientRows, String> {
        let entities = self.rows.references(self.position(party)?);
        let [train] = &self.train;
        self.gradients(query)?.rows(train, entities).map_err(said)
    }

    fn gradients(&self, query: &TableQuery) -> Result<GradientPlan, String> {
        GradientPlan::new(query, &self.schema, &self.binner).map_err(said)
    }

    pub(super) fn weights(
        &self,
        query: &TableQuery,
        party: &PartyId,
        trees: Range<usize>,
    ) -> Result<Vec<Weight>, String> {
        let counter = self.counter(query)?;
        let entities = self.rows.references(self.position(party)?);
        let mut found = Vec::new();
        if counter.is_of_histograms() {
            let several = trees.len() > 1;
            for tree in trees {
                let weights = counter.histogram_weights(&self.train, tree, entities.clone());
                found.extend(
                    weights
                        .map_err(said)?
                        .into_iter()
                        .map(|(cell, reference, count)| Weight {
                            cell: cell as u32,
                            reference,
                            count,
                        }),
                );
            }
            if several {
                found.sort_unstable();
            }
            return Ok(found);
        }
        for part in counter.parts(trees.clone(), entities.clone(), WEIGHTS) {
            let first = part.start - entities.start;
            let weights = counter.weights(&self.train, trees.clone(), part).map_err(said)?;
            found.extend(weights.nonzero().map(|(cell, entity, count)| Weight {
                cell: cell as u32,
                reference: first + entity,
                count,
            }));
        }
        // By parts of the entities so far.
        found.sort_unstable();
        Ok(found)
    }

    fn position(&self, party: &PartyId) -> Result<usize, String> {
        spec::position(&self.join, party)
            .map(usize::from)
            .map_err(|error| error.public_reason())
    }

    fn counter(&self, query: &TableQuery) -> Result<Arc<JoinCounter>, String> {
        let mut last = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, counter)) = &*last
            && of == query
        {
            return Ok(Arc::clone(counter));
        }
        let plan = JoinPlan::new(query, &self.schema, &self.binner).map_err(said)?;
        let counter = Arc::new(JoinCounter::new(query, &plan).map_err(said)?);
        *last = Some((query.clone(), Arc::clone(&counter)));
        Ok(counter)
    }
}

/// Sizes and positions, no data: texts that others may hear.
fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Rows as the counting kernel takes them.
fn block(rows: RowStore) -> Result<LinkedBlock, DataError> {
    let mut binned = Binned::new(rows.rows(), rows.columns.len());
    for (feature, column) in rows.columns.into_iter().enumerate() {
        binned.column_mut(feature).copy_from_slice(&column);
    }
    LinkedBlock::new(binned, &rows.labels, &rows.references).map_err(|error| DataError::Invalid {
        what: "rows".to_owned(),
        reason: error.to_string(),
    })
}
