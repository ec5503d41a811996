//! One pass over one source.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use hedgerow_forest::schema::Schema;
use tokio::task::JoinSet;

use super::{KeyIndex, LinkedSpec, NOBODY, Named, RowStore};
use crate::data::block::{BlockBuilder, Chosen, Tally};
use crate::data::column::texts;
use crate::data::engine::Engine;
use crate::data::entities::position;
use crate::data::error::DataError;
use crate::data::key::key_digests;
use crate::data::scan::Scan;
use crate::data::split::Split;
use crate::data::warning::DataWarning;

/// What all passes and threads share.
pub(super) struct Shared {
    spec: LinkedSpec,
    schema: Schema,
    /// Columns to select: own features, label, and those of the links.
    names: Vec<String>,
    label: Option<usize>,
    links: Vec<LinkPositions>,
    id: Option<usize>,
    keys: Mutex<KeyIndex>,
}

/// Positions of a link's columns among the selected ones.
struct LinkPositions {
    party: Option<usize>,
    key: Vec<usize>,
}

impl Shared {
    pub(super) fn new(spec: &LinkedSpec, keys: KeyIndex) -> Self {
        let schema = Schema {
            features: spec
                .features
                .iter()
                .map(|(_, column, _)| column.clone())
                .collect(),
            label: spec.label.clone(),
        };
        let mut names: Vec<String> = schema.features.iter().map(|column| column.name.clone()).collect();
        let label = spec.labelled.then(|| {
            names.push(schema.label.name.clone());
            names.len() - 1
        });
        let links = spec
            .links
            .iter()
            .map(|link| LinkPositions {
                party: match &link.party {
                    Named::Column(column) => Some(position(&mut names, column)),
                    Named::Always(_) => None,
                },
                key: link
                    .key
                    .iter()
                    .map(|column| position(&mut names, column))
                    .collect(),
            })
            .collect();
        let id = spec.id.as_ref().map(|column| position(&mut names, column));
        Self {
            spec: spec.clone(),
            schema,
            names,
            label,
            links,
            id,
            keys: Mutex::new(keys),
        }
    }

    pub(super) fn into_keys(self) -> KeyIndex {
        self.keys.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the rows of a batch refer to through link `link`.
    fn refer(&self, link: usize, columns: &[ArrayRef]) -> Result<Vec<u32>, DataError> {
        let (Some(meant), Some(positions)) = (self.spec.links.get(link), self.links.get(link)) else {
            return Ok(Vec::new());
        };
        let key: Vec<&ArrayRef> = positions.key.iter().filter_map(|i| columns.get(*i)).collect();
        let digests = key_digests(&key)?;
        let mut parties = vec![None; digests.len()];
        match (&meant.party, positions.party.and_then(|i| columns.get(i))) {
            (Named::Always(party), _) => parties.fill(Some(*party)),
            (Named::Column(_), Some(array)) => {
                let mut next = parties.iter_mut();
                texts(array, |_, text| {
                    if let (Some(party), text) = (next.next(), text.map(str::trim_ascii)) {
                        *party = text.and_then(|text| self.spec.serves.get(text)).copied();
                    }
                })?;
            }
            (Named::Column(_), None) => {}
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |(party, digest)| match (party, digest) {
            (Some(party), Some(digest)) => keys.number(party, digest),
            _ => Ok(NOBODY),
        };
        parties.into_iter().zip(digests).map(number).collect()
    }
}

/// One pass.
pub(super) struct Reading<'r> {
    pub(super) engine: &'r Engine,
    pub(super) scan: Scan,
    pub(super) shared: &'r Arc<Shared>,
    /// Rows held out for tests, by their number.
    pub(super) split: Split,
    /// Whether the ids of rows that are not held out are kept.
    pub(super) ids: bool,
    /// Rows in source order: by one partition.
    pub(super) in_order: bool,
}

impl Reading<'_> {
    /// The rows, those held out, and what was odd.
    pub(super) async fn run(self) -> Result<(RowStore, RowStore, Vec<DataWarning>), DataError> {
        let parts = match self.parts(self.in_order).await {
            // Once more in order, so that the first such row is named.
            Err(DataError::MissingLabel { row: None, .. }) => self.parts(true).await?,
            other => other?,
        };
        let mut parts = parts.into_iter();
        let mut all = parts
            .next()
            .unwrap_or_else(|| Part::new(&self.scan, self.shared, (self.split, self.ids)));
        for mut part in parts {
            all.kept.append(&mut part.kept);
            all.held_out.append(&mut part.held_out);
            all.tally.rows += part.tally.rows;
            all.tally.positives += part.tally.positives;
            for (all, more) in all.tally.unknown.iter_mut().zip(part.tally.unknown) {
                *all += more;
            }
        }
        let warnings = DataWarning::of_scan(self.scan.file(), &self.shared.schema, &all.tally)?;
        Ok((all.kept, all.held_out, warnings))
    }

    async fn parts(&self, in_order: bool) -> Result<Vec<Part>, DataError> {
        let (scan, shared, engine, kept) = (
            self.scan.clone(),
            Arc::clone(self.shared),
            self.engine.clone(),
            (self.split, self.ids),
        );
        self.engine
            .run(async move {
                let fail = |error| engine.error(error);
                let frame = if in_order {
                    scan.numbered(&shared.names, 1).await?
                } else {
                    scan.parallel(&shared.names).await?
                };
                let mut tasks = JoinSet::new();
                for stream in frame.execute_stream_partitioned().await.map_err(fail)? {
                    let part = Part::new(&scan, &shared, kept);
                    tasks.spawn(part.read(stream, Arc::clone(&shared), engine.clone()));
                }
                let mut parts = Vec::new();
                while let Some(part) = tasks.join_next().await {
                    parts.push(part.map_err(|error| DataError::Engine {
                        reason: error.to_string(),
                    })??);
                }
                Ok(parts)
            })
            .await
    }
}

/// What one partition gave.
struct Part {
    builder: BlockBuilder,
    split: Split,
    ids: bool,
    kept: RowStore,
    held_out: RowStore,
    tally: Tally,
}

impl Part {
    fn new(scan: &Scan, shared: &Shared, (split, ids): (Split, bool)) -> Self {
        let binners: Vec<_> = shared
            .spec
            .features
            .iter()
            .map(|(_, _, binner)| binner.clone())
            .collect();
        let empty = || RowStore::new(shared.spec.features.len(), shared.spec.links.len());
        Self {
            builder: BlockBuilder::new(scan.file(), &shared.schema, binners, Chosen::All),
            split,
            ids,
            kept: empty(),
            held_out: empty(),
            tally: Tally::default(),
        }
    }

    async fn read(
        mut self,
        mut stream: SendableRecordBatchStream,
        shared: Arc<Shared>,
        engine: Engine,
    ) -> Result<Self, DataError> {
        while let Some(batch) = stream.next().await {
            self.add(&batch.map_err(|error| engine.error(error))?, &shared)?;
        }
        self.tally = std::mem::take(&mut self.builder.tally);
        Ok(self)
    }

    fn add(&mut self, batch: &RecordBatch, shared: &Shared) -> Result<(), DataError> {
        let columns = batch.columns();
        let own = shared.schema.features.len();
        let features = columns.get(..own).unwrap_or(columns);
        let numbers = columns.get(shared.names.len());
        let label = shared.label.and_then(|i| columns.get(i));
        let (block, labels) = self.builder.build(features, label, numbers)?;
        let unlabelled = vec![0; if label.is_none() { batch.num_rows() } else { 0 }];
        let labels = if label.is_none() { &unlabelled } else { labels };
        let mut ids: Vec<Box<str>> = Vec::new();
        if let Some(array) = shared.id.and_then(|i| columns.get(i)) {
            texts(array, |_, text| ids.push(text.unwrap_or_default().into()))?;
        }
        let references = (0..shared.links.len()).map(|link| shared.refer(link, columns));
        let references: Vec<Vec<u32>> = references.collect::<Result<_, _>>()?;
        let held_out: Option<Vec<bool>> =
            match numbers.and_then(|array| array.as_primitive_opt::<UInt64Type>()) {
                Some(numbers) if !self.split.is_none() => Some(
                    numbers
                        .values()
                        .iter()
                        .map(|row| self.split.is_test(*row))
                        .collect(),
                ),
                _ => None,
            };
        for (store, tests) in [(&mut self.kept, false), (&mut self.held_out, true)] {
            let wanted = |row: usize| match &held_out {
                None => !tests,
                Some(held_out) => held_out.get(row) == Some(&tests),
            };
            for (feature, column) in store.columns.iter_mut().enumerate() {
                extend(column, block.column(feature), wanted);
            }
            extend(&mut store.labels, labels, wanted);
            if tests || self.ids {
                extend(&mut store.ids, &ids, wanted);
            }
            for (all, more) in store.references.iter_mut().zip(&references) {
                extend(all, more, wanted);
            }
        }
        Ok(())
    }
}

fn extend<T: Clone>(all: &mut Vec<T>, more: &[T], wanted: impl Fn(usize) -> bool) {
    let chosen = more.iter().enumerate().filter(|(row, _)| wanted(*row));
    all.extend(chosen.map(|(_, value)| value.clone()));
}
