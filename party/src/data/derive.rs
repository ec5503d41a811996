//! A schema from data, pooled over sources: for simulations. Bounds and categories taken from data leak; a
//! deployment declares its schema.

use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, AsArray};
use futures::StreamExt;
use hedgerow_forest::schema::{Column, ColumnKind, Label, Schema};

use super::column::{Family, family, numbers, texts};
use super::engine::Engine;
use super::error::{DataError, shorten};
use super::number;
use super::scan::{Scan, Typing};
use super::source::SourceSpec;

/// Most categories of a text column: the bins of a feature, missing included, fit a byte.
const CATEGORIES: usize = 250;

/// What is asked of the data.
#[derive(Debug, Clone, Copy)]
pub struct SchemaRequest<'a> {
    /// The label column.
    pub label: &'a str,
    /// Its positive value. An empty one asks for the columns alone, as of a table of entities, and the schema is not
    /// checked: the label may be any column.
    pub positive: &'a str,
    /// The features, in this order; `None`: all columns of the first source but the label, in its order.
    pub features: Option<&'a [String]>,
}

/// Types, categories and bounds over all sources together. Numbers, dates and times become numeric between the
/// smallest and the largest value; text and booleans categorical, sorted.
///
/// # Errors
/// [`DataError`]: a column missing from a source; more than 250 categories; a column of mostly numbers with a value
/// that is none (named with its row); a column without values; everything that reading may say.
pub async fn derive_schema(
    engine: &Engine,
    sources: &[SourceSpec],
    request: SchemaRequest<'_>,
) -> Result<Schema, DataError> {
    let mut scans = Vec::with_capacity(sources.len());
    for source in sources {
        scans.push(Scan::open(engine, source, Typing::Raw).await?);
    }
    let first = scans.first().ok_or_else(|| DataError::Invalid {
        what: "schema".to_owned(),
        reason: "there is no source to derive it from".to_owned(),
    })?;
    let names: Vec<String> = match request.features {
        Some(features) => features.to_vec(),
        None => {
            let columns = first.schema().fields().iter().map(|field| field.name().clone());
            columns.filter(|name| name != request.label).collect()
        }
    };
    let mut columns = vec![Seen::default(); names.len()];
    for scan in &scans {
        scan.column(request.label)?;
        for name in &names {
            let kind = scan.column(name)?;
            if matches!(family(kind), Family::Other) {
                return Err(DataError::WrongType {
                    file: scan.file().to_owned(),
                    column: name.clone(),
                    expected: "a number, text or boolean (or drop it with `features = [...]`)".to_owned(),
                    found: kind.to_string(),
                });
            }
        }
        columns = look(engine, scan.clone(), names.clone(), columns).await?;
    }
    let features = names
        .into_iter()
        .zip(columns)
        .map(|(name, seen)| seen.column(name))
        .collect::<Result<_, _>>()?;
    let schema = Schema {
        features,
        label: Label {
            name: request.label.to_owned(),
            positive: request.positive.to_owned(),
        },
    };
    if !request.positive.is_empty() {
        schema.validate().map_err(|e| DataError::Invalid {
            what: "schema".to_owned(),
            reason: e.to_string(),
        })?;
    }
    Ok(schema)
}

/// The columns of a source, as its features give them.
///
/// # Errors
/// [`DataError`] for a source that cannot be opened, or features that do not fit it.
pub async fn column_names(engine: &Engine, source: &SourceSpec) -> Result<Vec<String>, DataError> {
    let scan = Scan::open(engine, source, Typing::Raw).await?;
    let fields = scan.schema().fields().iter();
    Ok(fields.map(|field| field.name().clone()).collect())
}

/// What the values of one column have been so far, over all sources.
#[derive(Debug, Clone, Default)]
struct Seen {
    numbers: u64,
    others: u64,
    /// Has it codes, which are no numbers though they look like some?
    codes: bool,
    bounds: Option<(f64, f64)>,
    /// At most one more than [`CATEGORIES`].
    texts: BTreeSet<String>,
    /// File, row from 1, and value of the first text that is no number.
    first_other: Option<(String, u64, String)>,
}

impl Seen {
    fn number(&mut self, number: f64) {
        self.numbers += 1;
        if number.is_finite() {
            let (low, high) = self.bounds.unwrap_or((number, number));
            self.bounds = Some((low.min(number), high.max(number)));
        }
    }

    fn text(&mut self, text: &str) {
        if self.texts.len() <= CATEGORIES && !self.texts.contains(text) {
            self.texts.insert(text.to_owned());
        }
    }

    fn column(self, name: String) -> Result<Column, DataError> {
        if self.others == 0 && !self.codes {
            let Some((min, max)) = self.bounds else {
                return Err(DataError::NoValues { column: name });
            };
            return Ok(Column {
                name,
                kind: ColumnKind::Numeric { min, max },
                link: None,
            });
        }
        if let Some((file, row, found)) = self
            .first_other
            .filter(|_| !self.codes && number::mostly(self.numbers, self.others))
        {
            return Err(DataError::MostlyNumeric {
                file,
                row,
                column: name,
                found,
            });
        }
        if self.texts.len() > CATEGORIES {
            return Err(DataError::TooManyCategories {
                column: name,
                limit: CATEGORIES,
            });
        }
        Ok(Column {
            name,
            kind: ColumnKind::Categorical {
                categories: self.texts.into_iter().collect(),
            },
            link: None,
        })
    }
}

async fn look(
    engine: &Engine,
    scan: Scan,
    names: Vec<String>,
    mut columns: Vec<Seen>,
) -> Result<Vec<Seen>, DataError> {
    let inner = engine.clone();
    engine
        .run(async move {
            let fail = |error| inner.error(error);
            let frame = scan.numbered(&names, 1).await?;
            let mut stream = frame.execute_stream().await.map_err(fail)?;
            let mut rows = 0u64;
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(fail)?;
                for (array, seen) in batch.columns().iter().zip(&mut columns) {
                    look_at(&scan, array, rows, seen)?;
                }
                rows += batch.num_rows() as u64;
            }
            if rows == 0 {
                return Err(DataError::Empty {
                    file: scan.file().to_owned(),
                    reason: "it holds no row".to_owned(),
                });
            }
            Ok(columns)
        })
        .await
}

fn look_at(scan: &Scan, array: &dyn Array, first_row: u64, seen: &mut Seen) -> Result<(), DataError> {
    match family(array.data_type()) {
        Family::Number | Family::Quantity => {
            numbers(array)?
                .iter()
                .flatten()
                .filter(|number| !number.is_nan())
                .for_each(|number| seen.number(number));
        }
        Family::Text if scan.is_raw_text() => {
            for (row, text) in array.as_string::<i32>().iter().enumerate() {
                let Some(text) = text else { continue };
                seen.codes |= number::is_code(text);
                match number::parse(text) {
                    Some(number) => seen.number(number),
                    None => {
                        seen.others += 1;
                        seen.first_other.get_or_insert_with(|| {
                            (scan.file().to_owned(), first_row + row as u64 + 1, shorten(text))
                        });
                    }
                }
                seen.text(text);
            }
        }
        Family::Null => {}
        _ => texts(array, |_, text| {
            if let Some(text) = text {
                seen.others += 1;
                seen.text(text);
            }
        })?,
    }
    Ok(())
}
