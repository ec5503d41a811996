//! An attribute party's table: one row for each entity, read once, kept as key digests and bins.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use futures::StreamExt;
use hedgerow_forest::binning::FeatureBinner;
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};

use super::column::ColumnCoder;
use super::dataset::open_scan;
use super::engine::Engine;
use super::error::DataError;
use super::key::{KeyDigest, key_digests};
use super::scan::Scan;
use super::source::SourceSpec;
use super::warning::DataWarning;

/// One attribute to be read: a logical feature of the schema, the party's own column behind it, and its bins.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Position in the schema.
    pub feature: u16,
    /// The party's column, with the kind and bounds that the schema gives the feature.
    pub column: Column,
    /// Bins of the feature.
    pub binner: FeatureBinner,
}

/// The entities of an attribute party, in the order of their digests, which does not depend on the order of rows.
///
/// Memory: 32 bytes and one for each different attribute, per entity; while reading 44 bytes and two.
pub struct Entities {
    keys: Vec<KeyDigest>,
    columns: Vec<Vec<u8>>,
    /// Feature of the schema to position in `columns`: two links that read one attribute share its column.
    features: HashMap<u16, usize>,
    warnings: Vec<DataWarning>,
}

impl Entities {
    /// Reads the source once, in order, streamed: `key` columns and `attributes`.
    ///
    /// # Errors
    /// [`DataError`] of the source; a column that is missing or of the wrong type; two rows of one key, a row without
    /// key; no row at all.
    pub async fn read(
        engine: &Engine,
        source: &SourceSpec,
        key: &[String],
        attributes: &[Attribute],
    ) -> Result<Self, DataError> {
        if key.is_empty() {
            return Err(DataError::Invalid {
                what: "[data] key".to_owned(),
                reason: "lists no column; name those that tell the entities apart".to_owned(),
            });
        }
        let mut different: Vec<&Attribute> = Vec::new();
        let mut features = HashMap::new();
        for attribute in attributes {
            let column = different
                .iter()
                .position(|other| other.column == attribute.column)
                .unwrap_or_else(|| {
                    different.push(attribute);
                    different.len() - 1
                });
            features.insert(attribute.feature, column);
        }
        // Two links may see one column with different bounds, so the names may repeat.
        let schema = Schema {
            features: different
                .iter()
                .map(|attribute| attribute.column.clone())
                .collect(),
            label: Label {
                name: String::new(),
                positive: String::new(),
            },
        };
        let scan = open_scan(engine, source, &schema, false, key).await?;
        let reader = Reader::new(key.len(), &different);
        let mut names: Vec<String> = key.to_vec();
        let positions = schema
            .features
            .iter()
            .map(|column| position(&mut names, &column.name))
            .collect();
        let read = reader.read(engine, scan.clone(), names, positions).await?;
        let unknown = schema.features.iter().zip(&read.unknown);
        let warnings = unknown
            .filter(|(_, rows)| **rows > 0)
            .map(|(column, rows)| DataWarning::UnknownCategories {
                file: scan.file().to_owned(),
                column: column.name.clone(),
                rows: *rows,
            })
            .collect();
        let (keys, columns) = read.sorted(scan.file(), key)?;
        Ok(Self {
            keys,
            columns,
            features,
            warnings,
        })
    }

    /// Key digests, distinct and ascending.
    pub fn keys(&self) -> &[KeyDigest] {
        &self.keys
    }

    /// The bins of a feature, one for each entity in the order of [`Entities::keys`]; `None` for a feature that was
    /// not read.
    pub fn attribute(&self, feature: u16) -> Option<&[u8]> {
        let column = self.features.get(&feature)?;
        self.columns.get(*column).map(Vec::as_slice)
    }

    /// What was odd.
    pub fn warnings(&self) -> &[DataWarning] {
        &self.warnings
    }
}

/// The position of `name`, added if it is not there (a key column may be an attribute too).
pub(super) fn position(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|other| other == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

/// What has been read so far, in source order.
struct Reader {
    key: usize,
    keys: Vec<KeyDigest>,
    coders: Vec<(ColumnCoder, FeatureBinner)>,
    columns: Vec<Vec<u8>>,
    unknown: Vec<u64>,
    /// The first row without key, from 1.
    keyless: Option<u64>,
}

impl Reader {
    fn new(key: usize, attributes: &[&Attribute]) -> Self {
        let coders = attributes.iter().map(|attribute| {
            let categorical = matches!(attribute.column.kind, ColumnKind::Categorical { .. });
            (ColumnCoder::new(categorical), attribute.binner.clone())
        });
        Self {
            key,
            keys: Vec::new(),
            coders: coders.collect(),
            columns: vec![Vec::new(); attributes.len()],
            unknown: vec![0; attributes.len()],
            keyless: None,
        }
    }

    async fn read(
        mut self,
        engine: &Engine,
        scan: Scan,
        names: Vec<String>,
        positions: Vec<usize>,
    ) -> Result<Self, DataError> {
        let inner = engine.clone();
        engine
            .run(async move {
                let fail = |error| inner.error(error);
                let frame = scan.numbered(&names, 1).await?;
                let mut stream = frame.execute_stream().await.map_err(fail)?;
                while let Some(batch) = stream.next().await {
                    self.add(batch.map_err(fail)?.columns(), &positions)?;
                }
                Ok(self)
            })
            .await
    }

    fn add(&mut self, arrays: &[ArrayRef], positions: &[usize]) -> Result<(), DataError> {
        let key: Vec<&ArrayRef> = arrays.iter().take(self.key).collect();
        for digest in key_digests(&key)? {
            self.keys.push(digest.unwrap_or_default());
            if digest.is_none() && self.keyless.is_none() {
                self.keyless = Some(self.keys.len() as u64);
            }
        }
        let targets = self.columns.iter_mut().zip(&mut self.unknown);
        for (((coder, binner), position), (column, unknown)) in
            self.coders.iter_mut().zip(positions).zip(targets)
        {
            let Some(array) = arrays.get(*position) else {
                continue;
            };
            let before = column.len();
            column.resize(before + array.len(), 0);
            let fresh = column.get_mut(before..).unwrap_or_default();
            *unknown += coder.code(binner, array, fresh)?;
        }
        Ok(())
    }

    /// Keys and columns in the order of the keys.
    fn sorted(self, file: &str, key: &[String]) -> Result<(Vec<KeyDigest>, Vec<Vec<u8>>), DataError> {
        let columns = key.join(", ");
        if let Some(row) = self.keyless {
            return Err(DataError::MissingKey {
                file: file.to_owned(),
                columns,
                row,
            });
        }
        if self.keys.is_empty() {
            return Err(DataError::Empty {
                file: file.to_owned(),
                reason: "it holds no row".to_owned(),
            });
        }
        let mut order: Vec<(KeyDigest, u32)> = self.keys.into_iter().zip(0..).collect();
        order.sort_unstable();
        let twins = order.windows(2).filter_map(|pair| match pair {
            [(a, first), (b, second)] if a == b => Some((*first, *second)),
            _ => None,
        });
        if let Some((first, second)) = twins.min() {
            return Err(DataError::DuplicateKey {
                file: file.to_owned(),
                columns,
                first: u64::from(first) + 1,
                second: u64::from(second) + 1,
            });
        }
        let sorted = |column: Vec<u8>| {
            let pick = |(_, row): &(KeyDigest, u32)| column.get(*row as usize).copied().unwrap_or_default();
            order.iter().map(pick).collect()
        };
        let columns = self.columns.into_iter().map(sorted).collect();
        Ok((order.into_iter().map(|(digest, _)| digest).collect(), columns))
    }
}

/// The attributes that a party's table must hold: the features of `schema` for which `reads` names the party's column.
pub fn attributes<'s>(
    schema: &'s Schema,
    binners: &[FeatureBinner],
    reads: impl Fn(&'s Column) -> Option<&'s str>,
) -> Arc<[Attribute]> {
    schema
        .features
        .iter()
        .zip(binners)
        .zip(0u16..)
        .filter_map(|((column, binner), feature)| {
            Some(Attribute {
                feature,
                column: Column {
                    name: reads(column)?.to_owned(),
                    link: None,
                    ..column.clone()
                },
                binner: binner.clone(),
            })
        })
        .collect()
}
