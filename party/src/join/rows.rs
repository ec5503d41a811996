//! A row party's answers.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::join::{JoinCounter, JoinPlan, LinkedBlock};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::schema::Schema;
use hedgerow_forest::table::Table;
use hedgerow_protocol::config::{Join, RunConfig};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::join::Weight;

use super::spec;
use crate::answers::binner;
use crate::data::{DataError, DataSpec, DataWarning, Engine, LinkedRows, RowGroup, RowStore, Split};

/// Training rows in blocks that name the same parties, test rows as they came, and the keys of both.
pub(crate) struct RowSide {
    schema: Schema,
    binner: Binner,
    join: Join,
    rows: LinkedRows,
    groups: Vec<(RowGroup, LinkedBlock)>,
    /// The query counted last: rounds ask one query, tree by tree and party by party.
    counter: Mutex<Option<(TableQuery, Arc<JoinCounter>)>>,
}

impl RowSide {
    pub(super) async fn read(
        engine: &Engine,
        data: &DataSpec,
        config: &RunConfig,
        split: Split,
    ) -> Result<(Self, Vec<DataWarning>), DataError> {
        let spec = spec::linked(config)?;
        let mut rows = LinkedRows::read(engine, data, &spec, split).await?;
        let warnings = rows.take_warnings();
        let groups = rows
            .take_groups()
            .into_iter()
            .map(block)
            .collect::<Result<_, _>>()?;
        let side = Self {
            schema: config.schema.clone(),
            binner: binner(config)?,
            join: spec::join_of(config)?.clone(),
            rows,
            groups,
            counter: Mutex::default(),
        };
        Ok((side, warnings))
    }

    /// Test rows, in source order.
    pub(crate) fn test(&self) -> &RowStore {
        self.rows.test()
    }

    pub(super) fn references(&self, party: &PartyId) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.rows.keys(self.position(party)?).to_vec())
    }

    pub(super) fn base_counts(&self, query: &TableQuery) -> Result<Table, String> {
        let counter = self.counter(query)?;
        let mut cells = vec![0u64; query.cells()];
        for (_, block) in &self.groups {
            let counted = counter.local(std::slice::from_ref(block)).map_err(said)?;
            for (cell, more) in cells.iter_mut().zip(counted) {
                *cell += more;
            }
        }
        Table::from_counts(query.shape(), &cells).map_err(said)
    }

    pub(super) fn weights(
        &self,
        query: &TableQuery,
        party: &PartyId,
        trees: Range<usize>,
    ) -> Result<Vec<Weight>, String> {
        let counter = self.counter(query)?;
        let position = self.position(party)?;
        let entities = self.rows.references(position);
        let mut found = Vec::new();
        for tree in trees {
            let Some(link) = counter.plan().link_of_tree(tree) else {
                continue;
            };
            let mut sums: Vec<u32> = Vec::new();
            let mut cells: Vec<usize> = Vec::new();
            for (_, block) in self
                .groups
                .iter()
                .filter(|(group, _)| group.names(link, position))
            {
                let weights = counter
                    .weights(std::slice::from_ref(block), tree..tree + 1, entities.clone())
                    .map_err(said)?;
                let width = entities.len();
                cells = weights.cells().to_vec();
                sums.resize(cells.len() * width, 0);
                for ((_, more), sums) in weights.iter().zip(sums.chunks_mut(width.max(1))) {
                    for (sum, more) in sums.iter_mut().zip(more) {
                        *sum += more;
                    }
                }
            }
            for (cell, counts) in cells.iter().zip(sums.chunks(entities.len().max(1))) {
                let counted = counts.iter().zip(0u32..).filter(|(count, _)| **count != 0);
                found.extend(counted.map(|(count, reference)| Weight {
                    cell: *cell as u32,
                    reference,
                    count: *count,
                }));
            }
        }
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

/// A group as the counting kernel takes it; the rows move there.
fn block(mut group: RowGroup) -> Result<(RowGroup, LinkedBlock), DataError> {
    let rows = std::mem::take(&mut group.rows);
    let mut binned = Binned::new(rows.rows(), rows.columns.len());
    for (feature, column) in rows.columns.iter().enumerate() {
        binned.column_mut(feature).copy_from_slice(column);
    }
    let block =
        LinkedBlock::new(binned, &rows.labels, &rows.references).map_err(|error| DataError::Invalid {
            what: "rows".to_owned(),
            reason: error.to_string(),
        })?;
    Ok((group, block))
}
