//! Row numbers: a scan in source order, with a column that counts the rows from 0.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::Result as EngineResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{StreamExt, TryStreamExt};

/// Name of the added column; no configuration can name it, since it would not survive trimming.
pub(crate) const ROW_NUMBER: &str = " row number ";

/// A table that is one plan's output in order, numbered.
///
/// The plan was made for one partition. If it has several even so (a UNION), they follow one after the other, so the
/// numbers are the same in every process and every scan.
pub(crate) fn numbered_table(plan: Arc<dyn ExecutionPlan>) -> EngineResult<StreamingTable> {
    let mut fields: Vec<_> = plan.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ROW_NUMBER, DataType::UInt64, false)));
    let schema = Arc::new(Schema::new(fields));
    let stream = NumberedStream {
        plan,
        schema: Arc::clone(&schema),
    };
    StreamingTable::try_new(schema, vec![Arc::new(stream)])
}

#[derive(Debug)]
struct NumberedStream {
    plan: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
}

impl PartitionStream for NumberedStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (plan, schema) = (Arc::clone(&self.plan), Arc::clone(&self.schema));
        let partitions = plan.output_partitioning().partition_count();
        let batches = futures::stream::iter(0..partitions)
            .map(move |partition| plan.execute(partition, Arc::clone(&context)))
            .try_flatten();
        let mut rows = 0u64;
        let numbered = batches.map(move |batch| {
            let batch = batch?;
            let next = rows + batch.num_rows() as u64;
            let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(rows..next));
            rows = next;
            let columns = batch.columns().iter().cloned().chain([numbers]).collect();
            Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), numbered))
    }
}
