//! A party's rows under a schema: count them, stream them, say how many there are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::logical_expr::AggregateUDF;
use hedgerow_forest::binning::Binner;
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::schema::{ColumnKind, Schema};
use hedgerow_forest::table::Table;

use super::block::{Chosen, Tally};
use super::column::{Family, family};
use super::engine::Engine;
use super::error::DataError;
use super::leaf_counts::{Counted, LeafCounts};
use super::scan::{Scan, Typing, column, row_number};
use super::source::SourceSpec;
use super::split::Split;
use super::warning::DataWarning;

mod stream;

/// Where a party's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSpec {
    /// Training rows, or all rows.
    pub source: SourceSpec,
    /// Test rows of their own; then all of `source` is for training and no row is held out by hash.
    pub test_source: Option<SourceSpec>,
}

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Training rows.
    Train,
    /// Test rows: those of `test_source`, or those held out by the split.
    Test,
    /// Both.
    All,
}

/// How many rows there are. Private: a count before noise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Training rows.
    pub train: u64,
    /// Of these, positive.
    pub train_positives: u64,
    /// Test rows.
    pub test: u64,
    /// Of these, positive.
    pub test_positives: u64,
}

/// A party's rows under a schema. Opening checks files, columns and types; values are read by every scan anew, so
/// memory does not depend on the number of rows.
pub struct DataSet {
    engine: Engine,
    schema: Arc<Schema>,
    columns: Vec<String>,
    labelled: bool,
    train: Scan,
    test: Option<Scan>,
    split: Split,
    warnings: Mutex<Warnings>,
}

#[derive(Default)]
struct Warnings {
    seen: BTreeSet<(String, String)>,
    pending: Vec<DataWarning>,
}

impl DataSet {
    /// Opens a party's sources. The split counts only where there is no `test_source`.
    ///
    /// # Errors
    /// [`DataError`] for a file that is not there, a column that is missing or of the wrong type, wrong SQL, or a
    /// schema that does not hold together.
    pub async fn open(
        engine: &Engine,
        spec: &DataSpec,
        schema: &Schema,
        split: Split,
    ) -> Result<Self, DataError> {
        Self::open_with(engine, spec, schema, split, true).await
    }

    /// Opens rows to predict: without labels, in source order, all of them in [`Rows::Train`] and [`Rows::All`].
    ///
    /// # Errors
    /// As [`DataSet::open`].
    pub async fn open_unlabelled(
        engine: &Engine,
        source: &SourceSpec,
        schema: &Schema,
    ) -> Result<Self, DataError> {
        let spec = DataSpec {
            source: source.clone(),
            test_source: None,
        };
        Self::open_with(engine, &spec, schema, Split::none(), false).await
    }

    async fn open_with(
        engine: &Engine,
        spec: &DataSpec,
        schema: &Schema,
        split: Split,
        labelled: bool,
    ) -> Result<Self, DataError> {
        schema.validate().map_err(|e| DataError::Invalid {
            what: "schema".to_owned(),
            reason: e.to_string(),
        })?;
        let train = open_scan(engine, &spec.source, schema, labelled, &[]).await?;
        let test = match &spec.test_source {
            Some(source) => Some(open_scan(engine, source, schema, labelled, &[]).await?),
            None => None,
        };
        let mut columns: Vec<String> = schema
            .features
            .iter()
            .map(|feature| feature.name.clone())
            .collect();
        if labelled {
            columns.push(schema.label.name.clone());
        }
        Ok(Self {
            engine: engine.clone(),
            schema: Arc::new(schema.clone()),
            columns,
            labelled,
            split: if test.is_some() { Split::none() } else { split },
            train,
            test,
            warnings: Mutex::default(),
        })
    }

    /// The schema it was opened with.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Answers a table query by [`LeafCounts`] on all of the engine's threads.
    ///
    /// # Errors
    /// [`DataError`]: an empty source, a wrong value, a row without label, or too little memory.
    pub async fn count(&self, query: &TableQuery, binner: &Binner, rows: Rows) -> Result<Table, DataError> {
        let mut cells = vec![0u64; query.cells()];
        for (scan, chosen) in self.scans(rows) {
            let counted = match self.count_scan(scan, chosen, query, binner, false).await {
                // Once more, slowly and in order, so that the first such row is named.
                Err(DataError::MissingLabel { .. }) => {
                    self.count_scan(scan, chosen, query, binner, true).await?
                }
                other => other?,
            };
            self.note(scan, &counted.tally)?;
            for (cell, more) in cells.iter_mut().zip(&counted.cells) {
                *cell += more;
            }
        }
        Table::from_counts(query.shape(), &cells).map_err(|e| DataError::Invalid {
            what: "leaf_counts".to_owned(),
            reason: e.to_string(),
        })
    }

    async fn count_scan(
        &self,
        scan: &Scan,
        chosen: Chosen,
        query: &TableQuery,
        binner: &Binner,
        in_order: bool,
    ) -> Result<Counted, DataError> {
        if !self.labelled {
            return Err(DataError::Invalid {
                what: "leaf_counts".to_owned(),
                reason: "the rows were opened without labels".to_owned(),
            });
        }
        let numbered = in_order || chosen.is_by_row();
        let function = Arc::new(LeafCounts::new(
            scan.file(),
            &self.schema,
            binner.bins(),
            query,
            chosen,
            numbered,
        )?);
        let mut arguments: Vec<_> = self.columns.iter().map(|name| column(name)).collect();
        if numbered {
            arguments.push(row_number());
        }
        let call = AggregateUDF::new_from_shared_impl(Arc::clone(&function) as _)
            .call(arguments)
            .alias("counts");
        let (scan, columns, engine) = (scan.clone(), self.columns.clone(), self.engine.clone());
        let batches = self
            .engine
            .run(async move {
                let frame = if numbered {
                    let threads = if in_order { 1 } else { engine.options().threads };
                    scan.numbered(&columns, threads).await?
                } else {
                    scan.parallel(&columns).await?
                };
                let fail = |error| engine.error(error);
                frame
                    .aggregate(vec![], vec![call])
                    .map_err(fail)?
                    .collect()
                    .await
                    .map_err(fail)
            })
            .await?;
        let result = batches
            .iter()
            .find(|batch| batch.num_rows() == 1)
            .map(RecordBatch::columns);
        match result
            .and_then(|columns| columns.first())
            .and_then(|array| array.as_binary_opt::<i64>())
        {
            Some(array) if array.is_valid(0) => function.decode(array.value(0)),
            _ => Err(DataError::Engine {
                reason: "leaf_counts returned no row".to_owned(),
            }),
        }
    }

    /// What was odd in the scans so far; each warning comes once.
    pub fn take_warnings(&self) -> Vec<DataWarning> {
        std::mem::take(
            &mut self
                .warnings
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pending,
        )
    }

    /// The scans that together hold these rows.
    fn scans(&self, rows: Rows) -> Vec<(&Scan, Chosen)> {
        let mut scans = Vec::new();
        match (rows, &self.test) {
            (Rows::Train, _) => scans.push((&self.train, Chosen::train(self.split))),
            (Rows::Test, Some(test)) => scans.push((test, Chosen::All)),
            (Rows::Test, None) if self.split.is_none() => {}
            (Rows::Test, None) => scans.push((&self.train, Chosen::test(self.split))),
            (Rows::All, test) => {
                scans.push((&self.train, Chosen::All));
                scans.extend(test.iter().map(|test| (test, Chosen::All)));
            }
        }
        scans
    }

    /// Remembers what a whole scan showed.
    fn note(&self, scan: &Scan, tally: &Tally) -> Result<(), DataError> {
        let mut found = DataWarning::of_scan(scan.file(), &self.schema, tally)?;
        if !self.labelled {
            found.retain(|warning| !matches!(warning, DataWarning::NoPositiveLabel { .. }));
        }
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in found {
            let (file, column) = warning.place();
            if warnings.seen.insert((file.to_owned(), column.to_owned())) {
                warnings.pending.push(warning);
            }
        }
        Ok(())
    }
}

/// Opens a source and checks that its columns can serve; those of `keys` as parts of a key.
pub(super) async fn open_scan(
    engine: &Engine,
    source: &SourceSpec,
    schema: &Schema,
    labelled: bool,
    keys: &[String],
) -> Result<Scan, DataError> {
    let scan = Scan::open(engine, source, Typing::Declared(schema, keys)).await?;
    for column in keys {
        let kind = scan.column(column)?;
        if !matches!(
            family(kind),
            Family::Text | Family::Number | Family::Boolean | Family::Null
        ) {
            let expected =
                "text, whole numbers or booleans (it is part of a key; in SQL: CAST(x AS VARCHAR))";
            return Err(wrong_type(&scan, column, expected, kind));
        }
    }
    for feature in &schema.features {
        let kind = scan.column(&feature.name)?;
        let (fits, expected) = match (&feature.kind, family(kind)) {
            (_, Family::Null) => (true, ""),
            (ColumnKind::Numeric { .. }, Family::Number | Family::Quantity | Family::Boolean) => (true, ""),
            (ColumnKind::Numeric { .. }, _) => (
                false,
                "a number (the schema says numeric; in SQL: CAST(x AS DOUBLE))",
            ),
            (ColumnKind::Categorical { .. }, Family::Text | Family::Boolean | Family::Number) => (true, ""),
            (ColumnKind::Categorical { .. }, _) => (
                false,
                "text, whole numbers or booleans (the schema says categorical)",
            ),
        };
        if !fits {
            return Err(wrong_type(&scan, &feature.name, expected, kind));
        }
    }
    if labelled {
        let kind = scan.column(&schema.label.name)?;
        if family(kind) == Family::Other {
            return Err(wrong_type(
                &scan,
                &schema.label.name,
                "text, a number or a boolean (it is the label)",
                kind,
            ));
        }
    }
    Ok(scan)
}

fn wrong_type(
    scan: &Scan,
    column: &str,
    expected: &str,
    found: &datafusion::arrow::datatypes::DataType,
) -> DataError {
    DataError::WrongType {
        file: scan.file().to_owned(),
        column: column.to_owned(),
        expected: expected.to_owned(),
        found: found.to_string(),
    }
}
