//! Rows as numbers, for models with thresholds of their own: nothing is binned.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use futures::StreamExt;
use hedgerow_forest::ensemble::Feature;
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};
use tokio::sync::mpsc;

use super::column::{numbers, texts};
use super::dataset::open_scan;
use super::derive::column_names;
use super::engine::Engine;
use super::error::DataError;
use super::scan::Scan;
use super::source::SourceSpec;

/// A source whose columns are the features of an ensemble.
pub struct ValueRows {
    engine: Engine,
    scan: Scan,
    columns: Vec<String>,
    features: Arc<[Feature]>,
}

impl ValueRows {
    /// Opens a source. Features with names are columns of these names; if none has a name, the source must have as
    /// many columns as there are features, and they are taken in order.
    ///
    /// # Errors
    /// [`DataError`] for a file that is not there, a column that is missing or of the wrong type, wrong SQL, or
    /// another number of columns.
    pub async fn open(engine: &Engine, source: &SourceSpec, features: &[Feature]) -> Result<Self, DataError> {
        let columns: Vec<String> = if features.iter().all(|feature| feature.name.is_empty()) {
            let columns = column_names(engine, source).await?;
            if columns.len() != features.len() {
                return Err(DataError::Invalid {
                    what: source.display(),
                    reason: format!(
                        "the model has {} features without names, so as many columns are expected, in its order; found \
                         {} (choose them in SQL: \"SELECT a, b FROM 'file.csv'\")",
                        features.len(),
                        columns.len()
                    ),
                });
            }
            columns
        } else {
            features.iter().map(|feature| feature.name.clone()).collect()
        };
        let declared = columns.iter().zip(features).map(|(name, feature)| Column {
            name: name.clone(),
            kind: match &feature.categories {
                // No value is binned, so the bounds do not matter.
                None => ColumnKind::Numeric { min: 0.0, max: 0.0 },
                Some(categories) => ColumnKind::Categorical {
                    categories: categories.clone(),
                },
            },
            link: None,
        });
        let schema = Schema {
            features: declared.collect(),
            label: Label {
                name: String::new(),
                positive: String::new(),
            },
        };
        Ok(Self {
            engine: engine.clone(),
            scan: open_scan(engine, source, &schema, false, &[]).await?,
            columns,
            features: features.into(),
        })
    }

    /// Streams blocks of rows in source order, `[rows, features]` row by row: categories as their position, missing
    /// values and texts that are no category as NaN. Gives how many texts of each column are no category.
    ///
    /// # Errors
    /// [`DataError`] for a value that is not what its column promises.
    pub async fn for_each_block(&self, mut each: impl FnMut(&[f64])) -> Result<Vec<u64>, DataError> {
        let (sender, mut receiver) = mpsc::channel(4);
        let (scan, engine, columns) = (self.scan.clone(), self.engine.clone(), self.columns.clone());
        let codes: Vec<Option<HashMap<String, f64>>> = self.features.iter().map(codes).collect();
        let mut unknown = vec![0; codes.len()];
        let task = self.engine.spawn(async move {
            let frame = scan.numbered(&columns, 1).await?;
            let fail = |error| engine.error(error);
            let mut stream = frame.execute_stream().await.map_err(fail)?;
            while let Some(batch) = stream.next().await {
                let made = block(batch.map_err(fail)?.columns(), &codes)?;
                if sender.send(made).await.is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        while let Some((values, more)) = receiver.recv().await {
            each(&values);
            for (count, more) in unknown.iter_mut().zip(more) {
                *count += more;
            }
        }
        task.join().await?;
        Ok(unknown)
    }
}

fn codes(feature: &Feature) -> Option<HashMap<String, f64>> {
    let categories = feature.categories.as_ref()?.iter().cloned();
    Some(
        categories
            .zip(0u32..)
            .map(|(text, code)| (text, f64::from(code)))
            .collect(),
    )
}

/// One batch row by row, and how many texts of each column are no category.
fn block(
    columns: &[ArrayRef],
    codes: &[Option<HashMap<String, f64>>],
) -> Result<(Vec<f64>, Vec<u64>), DataError> {
    let rows = columns.first().map_or(0, |array| array.len());
    let width = codes.len();
    let mut values = vec![f64::NAN; rows * width];
    let mut unknown = vec![0; width];
    for (feature, ((array, codes), unknown)) in columns.iter().zip(codes).zip(&mut unknown).enumerate() {
        let mut set = |row: usize, value: f64| {
            if let Some(cell) = values.get_mut(row * width + feature) {
                *cell = value;
            }
        };
        match codes {
            None => {
                for (row, value) in numbers(array)?.iter().enumerate() {
                    set(row, value.unwrap_or(f64::NAN));
                }
            }
            Some(codes) => texts(array, |row, text| {
                let Some(text) = text else { return };
                match codes.get(text) {
                    Some(code) => set(row, *code),
                    None => *unknown += 1,
                }
            })?,
        }
    }
    Ok((values, unknown))
}
