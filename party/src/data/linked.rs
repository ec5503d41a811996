//! A row party's rows when attribute parties answer for the entities that they name: own columns as bins, labels, and
//! for each link a reference to an entity.
//!
//! A source is read once, streamed, on all of the engine's threads; what is kept of a row is one byte for each own
//! column, one for the label and four for each link (3.0M rows of 10 columns and two links are 57 MB), and 32 bytes for
//! each distinct key. Whatever is asked later, round after round, is answered from there.

use std::collections::HashMap;
use std::sync::Arc;

use hedgerow_forest::binning::{Binner, FeatureBinner};
use hedgerow_forest::schema::{Column, Label, Schema};

use super::dataset::{DataSpec, open_scan};
use super::engine::Engine;
use super::entities::position;
use super::error::DataError;
use super::key::KeyDigest;
use super::scan::Scan;
use super::source::SourceSpec;
use super::split::Split;
use super::warning::DataWarning;

mod keys;
mod read;
pub mod unlabelled;

use keys::{KeyIndex, SortedKeys};
use read::{Reading, Shared};

/// A reference to nobody: the row names no attribute party of the run, or no key.
pub use hedgerow_forest::join::NOBODY;

/// How the rows name entities through one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkColumns {
    /// Where the attribute party stands.
    pub party: Named,
    /// The columns of the key, in the order of the attribute party's own.
    pub key: Vec<String>,
}

/// Which attribute party answers for the entities of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The one that serves the value of this column.
    Column(String),
    /// Always the same, by its position among the run's attribute parties.
    Always(u16),
}

/// What is to be read.
#[derive(Debug, Clone)]
pub struct LinkedSpec {
    /// The party's own features, each with its position in the schema and its bins.
    pub features: Vec<(u16, Column, FeatureBinner)>,
    /// The label.
    pub label: Label,
    /// The links, in the order of the configuration.
    pub links: Vec<LinkColumns>,
    /// Number of attribute parties.
    pub parties: usize,
    /// What each value of a party column means: the attribute party that serves it, by position.
    pub serves: HashMap<String, u16>,
    /// Most training rows that one entity may have over all links; a row that names an entity which has them already
    /// is left out. The first rows in source order stay.
    pub rows_per_entity: Option<u32>,
    /// Whether rows have a label; those of others get 0.
    pub labelled: bool,
    /// A column whose text is kept for each test row, to tell rows apart.
    pub id: Option<String>,
}

impl LinkedSpec {
    /// A row party's own columns, without any link: what can be read before a run says what the links are.
    pub fn own_columns(schema: &Schema, binner: &Binner) -> Self {
        let features = schema
            .features
            .iter()
            .zip(binner.features())
            .zip(0u16..)
            .filter(|((column, _), _)| column.link.is_none())
            .map(|((column, bins), feature)| (feature, column.clone(), bins.clone()));
        Self {
            features: features.collect(),
            label: schema.label.clone(),
            links: Vec::new(),
            parties: 0,
            serves: HashMap::new(),
            rows_per_entity: None,
            labelled: true,
            id: None,
        }
    }
}

/// Rows in memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RowStore {
    /// `[own features, rows]`.
    pub columns: Vec<Vec<u8>>,
    /// 0 or 1 for each row.
    pub labels: Vec<u8>,
    /// `[links, rows]`: the number of a key that the rows name, or [`NOBODY`].
    pub references: Vec<Vec<u32>>,
    /// What tells the rows apart, if a column does and these are test rows.
    pub ids: Vec<Box<str>>,
}

impl RowStore {
    fn new(features: usize, links: usize) -> Self {
        Self {
            columns: vec![Vec::new(); features],
            labels: Vec::new(),
            references: vec![Vec::new(); links],
            ids: Vec::new(),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Leaves out what would give an entity more than `most` rows.
    fn clip(&mut self, most: u32) {
        let mut used: HashMap<u32, u32> = HashMap::new();
        let mut named = Vec::new();
        let keep: Vec<bool> = (0..self.rows())
            .map(|row| {
                named.clear();
                let references = self.references.iter().filter_map(|link| link.get(row).copied());
                named.extend(references.filter(|reference| *reference != NOBODY));
                named.sort_unstable();
                named.dedup();
                let fits = named
                    .iter()
                    .all(|entity| used.get(entity).is_none_or(|rows| *rows < most));
                if fits {
                    named
                        .iter()
                        .for_each(|entity| *used.entry(*entity).or_default() += 1);
                }
                fits
            })
            .collect();
        fn retain<T>(list: &mut Vec<T>, keep: &[bool]) {
            let mut keep = keep.iter();
            list.retain(|_| keep.next() == Some(&true));
        }
        self.columns.iter_mut().for_each(|column| retain(column, &keep));
        retain(&mut self.labels, &keep);
        self.references.iter_mut().for_each(|link| retain(link, &keep));
        retain(&mut self.ids, &keep);
    }

    fn append(&mut self, other: &mut Self) {
        for (all, more) in self.columns.iter_mut().zip(&mut other.columns) {
            all.append(more);
        }
        self.labels.append(&mut other.labels);
        for (all, more) in self.references.iter_mut().zip(&mut other.references) {
            all.append(more);
        }
        self.ids.append(&mut other.ids);
    }
}

/// All rows of a party, with the keys that they name.
pub struct LinkedRows {
    train: RowStore,
    test: RowStore,
    keys: Vec<Vec<KeyDigest>>,
    /// The first reference of each attribute party.
    offsets: Vec<u32>,
    warnings: Vec<DataWarning>,
}

impl LinkedRows {
    /// Reads training and test rows, each source once. Training rows come in no order; test rows in that of their
    /// source.
    ///
    /// # Errors
    /// [`DataError`]: as opening and reading a [`super::DataSet`]; a key column that is missing or cannot be a key; more
    /// than 2^32 distinct keys or rows.
    pub async fn read(
        engine: &Engine,
        data: &DataSpec,
        spec: &LinkedSpec,
        split: Split,
    ) -> Result<Self, DataError> {
        let shared = Arc::new(Shared::new(spec, KeyIndex::default()));
        let empty = || RowStore::new(spec.features.len(), spec.links.len());
        let (mut train, mut test) = (empty(), empty());
        let mut warnings = Vec::new();
        let sources = [(Some(&data.source), false), (data.test_source.as_ref(), true)];
        for (source, of_tests) in sources {
            let Some(source) = source else { continue };
            let split = if data.test_source.is_some() {
                Split::none()
            } else {
                split
            };
            let scan = open(engine, source, spec).await?;
            let reading = Reading {
                engine,
                scan,
                shared: &shared,
                split,
                ids: of_tests,
                in_order: of_tests || !split.is_none() || spec.rows_per_entity.is_some(),
            };
            let (mut kept, mut held_out, more) = reading.run().await?;
            if let Some(most) = spec.rows_per_entity.filter(|_| !of_tests) {
                kept.clip(most);
            }
            warnings.extend(more);
            if of_tests { &mut test } else { &mut train }.append(&mut kept);
            test.append(&mut held_out);
        }
        let index = Arc::into_inner(shared).map(Shared::into_keys).unwrap_or_default();
        let SortedKeys {
            keys,
            offsets,
            renumber,
        } = index.sorted(spec.parties);
        for reference in [&mut train, &mut test]
            .into_iter()
            .flat_map(|store| &mut store.references)
            .flatten()
        {
            *reference = renumber.get(*reference as usize).copied().unwrap_or(NOBODY);
        }
        Ok(Self {
            train,
            test,
            keys,
            offsets,
            warnings,
        })
    }

    /// Training rows, in no order.
    pub fn train(&self) -> &RowStore {
        &self.train
    }

    /// Takes the training rows out.
    pub fn take_train(&mut self) -> RowStore {
        std::mem::take(&mut self.train)
    }

    /// Test rows, in source order.
    pub fn test(&self) -> &RowStore {
        &self.test
    }

    /// The distinct keys that training and test rows name at this attribute party, over all links, ascending.
    pub fn keys(&self, party: usize) -> &[KeyDigest] {
        self.keys.get(party).map_or(&[], Vec::as_slice)
    }

    /// The references to this attribute party; its key `i` is number `start + i`.
    pub fn references(&self, party: usize) -> std::ops::Range<u32> {
        let start = self.offsets.get(party).copied().unwrap_or_default();
        start..start + self.keys(party).len() as u32
    }

    /// Takes what was odd.
    pub fn take_warnings(&mut self) -> Vec<DataWarning> {
        std::mem::take(&mut self.warnings)
    }
}

impl std::fmt::Debug for LinkedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedRows").finish_non_exhaustive()
    }
}

/// Opens a source and checks its columns.
pub(super) async fn open(engine: &Engine, source: &SourceSpec, spec: &LinkedSpec) -> Result<Scan, DataError> {
    let schema = Schema {
        features: spec
            .features
            .iter()
            .map(|(_, column, _)| column.clone())
            .collect(),
        label: spec.label.clone(),
    };
    let mut keys = Vec::new();
    for link in &spec.links {
        if let Named::Column(column) = &link.party {
            position(&mut keys, column);
        }
        for column in &link.key {
            position(&mut keys, column);
        }
    }
    if let Some(id) = &spec.id {
        position(&mut keys, id);
    }
    open_scan(engine, source, &schema, spec.labelled, &keys).await
}
