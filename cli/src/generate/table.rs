//! Parquet that is part of the binary.

use crate::error::{CliError, Result};
use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// All rows of a Parquet file held in memory, as one batch.
pub fn read_embedded(name: &str, bytes: Bytes) -> Result<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(CliError::library(name))?;
    let schema = builder.schema().clone();
    let reader = builder.build().map_err(CliError::library(name))?;
    let batches = reader
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(CliError::library(name))?;
    concat_batches(&schema, &batches).map_err(CliError::library(name))
}
