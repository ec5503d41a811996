//! Scans in source order: blocks of binned rows, and the number of rows.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::UInt64Type;
use futures::StreamExt;
use hedgerow_forest::binning::{Binned, Binner, FeatureBinner};
use tokio::sync::mpsc;

use super::{DataSet, RowCounts, Rows};
use crate::data::block::{BlockBuilder, Tally};
use crate::data::engine::Task;
use crate::data::error::DataError;
use crate::data::label::LabelReader;
use crate::data::scan::Scan;

impl DataSet {
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
        let binners: Arc<[FeatureBinner]> = binner.features().into();
        for (scan, chosen) in self.scans(rows) {
            let (sender, mut receiver) = mpsc::channel(4);
            let mut builder = BlockBuilder::new(scan.file(), &self.schema, Arc::clone(&binners), chosen);
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
            let label = LabelReader::new(&schema.label.positive);
            let (sender, mut receiver) = mpsc::channel(4);
            let task = self.batches(
                scan,
                counted,
                move |columns| {
                    let mut labels = Vec::new();
                    let numbers = columns.get(1).and_then(|c| c.as_primitive_opt::<UInt64Type>());
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

    /// Starts a numbered scan whose batches go through `work` on the engine's threads and into `sender`.
    fn batches<T: Send + 'static>(
        &self,
        scan: &Scan,
        columns: Vec<String>,
        mut work: impl FnMut(&[ArrayRef]) -> Result<T, DataError> + Send + 'static,
        sender: mpsc::Sender<T>,
    ) -> Result<Task<()>, DataError> {
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
}
