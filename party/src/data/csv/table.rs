//! A CSV file as a table of the engine.

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::csv::Reader;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::{CsvFile, TextType};
use crate::data::error::DataError;

/// A CSV file as a table of the engine: one partition, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct CsvTable {
    pub(super) file: Arc<CsvFile>,
    pub(super) types: Vec<TextType>,
    pub(super) schema: SchemaRef,
}

#[async_trait]
impl TableProvider for CsvTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let columns = projection
            .cloned()
            .unwrap_or_else(|| (0..self.types.len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let types = columns
            .iter()
            .filter_map(|i| self.types.get(*i).copied())
            .collect();
        let stream = CsvStream {
            file: Arc::clone(&self.file),
            columns,
            types,
            schema: Arc::clone(&schema),
            batch_rows: state.config().batch_size(),
        };
        let exec = StreamingTableExec::try_new(schema, vec![Arc::new(stream)], None, [], false, limit)?;
        Ok(Arc::new(exec))
    }
}

#[derive(Debug)]
struct CsvStream {
    file: Arc<CsvFile>,
    columns: Vec<usize>,
    types: Vec<TextType>,
    schema: SchemaRef,
    batch_rows: usize,
}

impl PartitionStream for CsvStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let (file, types) = (Arc::clone(&self.file), self.types.clone());
        let batches = match self.file.reader(&self.columns, self.batch_rows) {
            Ok(reader) => Batches {
                file,
                types,
                schema: Arc::clone(&schema),
                reader,
                rows: 0,
            },
            Err(error) => {
                let failed = futures::stream::once(std::future::ready(Err(DataFusionError::from(error))));
                return Box::pin(RecordBatchStreamAdapter::new(schema, failed));
            }
        };
        // File reads block one of the engine's own threads for a page at a time.
        let stream = futures::stream::iter(batches.map(|batch| batch.map_err(DataFusionError::from)));
        Box::pin(RecordBatchStreamAdapter::new(schema, stream))
    }
}

struct Batches {
    file: Arc<CsvFile>,
    types: Vec<TextType>,
    schema: SchemaRef,
    reader: Reader<File>,
    rows: u64,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let texts = match self.reader.next()? {
            Ok(texts) => texts,
            Err(error) => return Some(Err(self.file.record_error(&error, self.rows as usize))),
        };
        let columns = self.schema.fields().iter().zip(&self.types).zip(texts.columns());
        let columns: Result<Vec<ArrayRef>, DataError> = columns
            .map(|((field, kind), texts)| {
                self.file
                    .convert(*kind, field.name(), texts.as_string::<i32>(), self.rows)
            })
            .collect();
        self.rows += texts.num_rows() as u64;
        Some(columns.and_then(|columns| {
            let options = RecordBatchOptions::new().with_row_count(Some(texts.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|e| {
                DataError::Engine {
                    reason: e.to_string(),
                }
            })
        }))
    }
}
