//! A party's rows under a schema: count them, stream them, say how many there are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::logical_expr::AggregateUDF;
use futures::StreamExt;
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::schema::{ColumnKind, Schema};
use hedgerow_forest::table::Table;
use tokio::sync::mpsc;

use super::block::{BlockBuilder, Chosen, Tally};
use super::column::{Family, family};
use super::engine::Engine;
use super::error::DataError;
use super::leaf_counts::{Counted, LeafCounts};
use super::scan::{Scan, Typing, column, row_number};
use super::source::SourceSpec;
use super::split::Split;
use super::warning::DataWarning;

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
        let train = open_scan(engine, &spec.source, schema, labelled).await?;
        let test = match &spec.test_source {
            Some(source) => Some(open_scan(engine, source, schema, labelled).await?),
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
        let cells = cells
            .into_iter()
            .map(|cell| i64::try_from(cell).unwrap_or(i64::MAX))
            .collect();
        Table::new(query.shape(), cells).map_err(|e| DataError::Invalid {
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

    /// Streams binned blocks in source order: `each(block, labels)`, one label of 0 or 1 per row (none if opened
    /// without labels). Blocks are made on the engine's threads, a few ahead, and handed over on the caller's.
    ///
    /// # Errors
    /// As [`DataSet::count`].
    pub async fn for_each_block(
        &self,
        binner: &Binner,
        rows: Rows,
        mut each: impl FnMut(&Binned, &[u8]),
    ) -> Result<(), DataError> {
        let binner = Arc::new(binner.clone());
        for (scan, chosen) in self.scans(rows) {
            let (sender, mut receiver) = mpsc::channel(4);
            let mut builder = BlockBuilder::new(scan.file(), &self.schema, Arc::clone(&binner), chosen);
            let (features, labelled) = (self.schema.features.len(), self.labelled);
            let task = self.batches(
                scan,
                self.columns.clone(),
                move |columns| {
                    let (features, rest) = columns.split_at_checked(features).unwrap_or((columns, &[]));
                    let (label, rest) = if labelled {
                        (rest.first(), rest.get(1))
                    } else {
                        (None, rest.first())
                    };
                    let (block, labels) = builder.build(features, label, rest)?;
                    Ok(((block, labels.to_vec()), builder.tally.clone()))
                },
                sender,
            )?;
            let mut tally = Tally::default();
            while let Some(((block, labels), so_far)) = receiver.recv().await {
                if block.rows() > 0 {
                    each(&block, &labels);
                }
                tally = so_far;
            }
            task.join().await?;
            self.note(scan, &tally)?;
        }
        Ok(())
    }

    /// How many rows there are: one scan of the label column.
    ///
    /// # Errors
    /// As [`DataSet::count`].
    pub async fn rows(&self) -> Result<RowCounts, DataError> {
        let mut counts = RowCounts::default();
        let mut add = |test: bool, rows: u64, positives: u64| {
            if test {
                counts.test += rows;
                counts.test_positives += positives;
            } else {
                counts.train += rows;
                counts.train_positives += positives;
            }
        };
        let sides = [(Some(&self.train), false), (self.test.as_ref(), true)];
        for (scan, all_test) in sides
            .into_iter()
            .filter_map(|(scan, test)| scan.map(|scan| (scan, test)))
        {
            // Without labels any column counts the rows.
            let counted = self.columns.last().cloned().into_iter().collect();
            let (file, schema, labelled) = (scan.file().to_owned(), Arc::clone(&self.schema), self.labelled);
            let split = self.split;
            let label = super::label::LabelReader::new(&schema.label.positive);
            let (sender, mut receiver) = mpsc::channel(4);
            let task = self.batches(
                scan,
                counted,
                move |columns| {
                    let mut labels = Vec::new();
                    let numbers = columns
                        .get(1)
                        .and_then(|c| c.as_primitive_opt::<datafusion::arrow::datatypes::UInt64Type>());
                    let numbers = numbers.map_or(&[][..], |numbers| numbers.values());
                    match columns.first() {
                        Some(array) if labelled => {
                            if let Err(index) = label.read(array, &mut labels)? {
                                let row = numbers.get(index).map(|row| row + 1);
                                let column = schema.label.name.clone();
                                return Err(DataError::MissingLabel {
                                    file: file.clone(),
                                    column,
                                    row,
                                });
                            }
                        }
                        _ => labels.resize(numbers.len(), 0),
                    }
                    let mut sides = [(0u64, 0u64); 2];
                    let [train, test] = &mut sides;
                    for (label, row) in labels.iter().zip(numbers) {
                        let (rows, positives) = if split.is_test(*row) {
                            &mut *test
                        } else {
                            &mut *train
                        };
                        *rows += 1;
                        *positives += u64::from(*label);
                    }
                    Ok(sides)
                },
                sender,
            )?;
            let mut total = Tally::default();
            while let Some([train, test]) = receiver.recv().await {
                add(all_test, train.0, train.1);
                add(true, test.0, test.1);
                total.rows += train.0 + test.0;
                total.positives += train.1 + test.1;
            }
            task.join().await?;
            self.note(scan, &total)?;
        }
        Ok(counts)
    }

    /// Reads every value of every column once, as a check before a run.
    ///
    /// # Errors
    /// The first thing that a run would stumble over.
    pub async fn check(&self) -> Result<RowCounts, DataError> {
        let binner = Binner::new(&self.schema, 2).map_err(|e| DataError::Invalid {
            what: "schema".to_owned(),
            reason: e.to_string(),
        })?;
        self.for_each_block(&binner, Rows::All, |_, _| ()).await?;
        self.rows().await
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

    /// Starts a numbered scan whose batches go through `work` on the engine's threads and into `sender`.
    fn batches<T: Send + 'static>(
        &self,
        scan: &Scan,
        columns: Vec<String>,
        mut work: impl FnMut(&[ArrayRef]) -> Result<T, DataError> + Send + 'static,
        sender: mpsc::Sender<T>,
    ) -> Result<super::engine::Task<()>, DataError> {
        let (scan, engine) = (scan.clone(), self.engine.clone());
        self.engine.spawn(async move {
            let frame = scan.numbered(&columns, 1).await?;
            let mut stream = frame
                .execute_stream()
                .await
                .map_err(|error| engine.error(error))?;
            while let Some(batch) = stream.next().await {
                let made = work(batch.map_err(|error| engine.error(error))?.columns())?;
                if sender.send(made).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Remembers what a whole scan showed.
    fn note(&self, scan: &Scan, tally: &Tally) -> Result<(), DataError> {
        let file = scan.file().to_owned();
        if tally.rows == 0 {
            return Err(DataError::Empty {
                file,
                reason: "it holds no row".to_owned(),
            });
        }
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let label = &self.schema.label;
        if self.labelled && tally.positives == 0 && warnings.seen.insert((file.clone(), label.name.clone())) {
            warnings.pending.push(DataWarning::NoPositiveLabel {
                file: file.clone(),
                column: label.name.clone(),
                positive: label.positive.clone(),
            });
        }
        for (feature, rows) in self
            .schema
            .features
            .iter()
            .zip(&tally.unknown)
            .filter(|(_, rows)| **rows > 0)
        {
            if warnings.seen.insert((file.clone(), feature.name.clone())) {
                warnings.pending.push(DataWarning::UnknownCategories {
                    file: file.clone(),
                    column: feature.name.clone(),
                    rows: *rows,
                });
            }
        }
        Ok(())
    }
}

/// Opens a source and checks that its columns can serve.
async fn open_scan(
    engine: &Engine,
    source: &SourceSpec,
    schema: &Schema,
    labelled: bool,
) -> Result<Scan, DataError> {
    let scan = Scan::open(engine, source, Typing::Declared(schema)).await?;
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
