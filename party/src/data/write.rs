//! Record batches to Parquet or CSV: for generators, the built-in data, and tests.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::error::DataError;

/// Rows of a Parquet row group: what a scan holds in memory per thread.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// A file being written batch by batch; `.csv` makes CSV with a header, `.parquet` makes Parquet (zstd).
pub struct BatchWriter {
    path: String,
    inner: Format,
}

enum Format {
    Csv(Box<csv::Writer<BufWriter<File>>>),
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
}

impl BatchWriter {
    /// Creates or replaces the file.
    ///
    /// # Errors
    /// [`DataError::Unwritable`] if it cannot be created, [`DataError::Source`] for another extension.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self, DataError> {
        let name = path.display().to_string();
        let extension = path
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        if !matches!(extension.as_str(), "csv" | "parquet") {
            return Err(DataError::Source {
                source_text: name,
                reason: "a file to write ends in .csv or .parquet".to_owned(),
            });
        }
        let file = BufWriter::new(File::create(path).map_err(|e| failed(&name, e))?);
        let inner = if extension == "csv" {
            Format::Csv(Box::new(csv::WriterBuilder::new().with_header(true).build(file)))
        } else {
            let level = ZstdLevel::try_new(1).map_err(|e| failed(&name, e))?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(level))
                .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                .build();
            let writer =
                ArrowWriter::try_new(file, schema, Some(properties)).map_err(|e| failed(&name, e))?;
            Format::Parquet(Box::new(writer))
        };
        Ok(Self { path: name, inner })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// [`DataError::Unwritable`] with the system's words (a full disk, another schema).
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), DataError> {
        match &mut self.inner {
            Format::Csv(writer) => writer.write(batch).map_err(|e| failed(&self.path, e)),
            Format::Parquet(writer) => writer.write(batch).map_err(|e| failed(&self.path, e)),
        }
    }

    /// Writes what is left (Parquet: the footer) and closes the file.
    ///
    /// # Errors
    /// [`DataError::Unwritable`] with the system's words.
    pub fn finish(self) -> Result<(), DataError> {
        let Self { path, inner } = self;
        let buffer = match inner {
            Format::Csv(writer) => writer.into_inner(),
            Format::Parquet(writer) => writer.into_inner().map_err(|e| failed(&path, e))?,
        };
        let file = buffer.into_inner().map_err(|e| failed(&path, e.error()))?;
        file.sync_all().map_err(|e| failed(&path, e))
    }
}

/// Writes batches of one schema into one file; see [`BatchWriter`].
///
/// # Errors
/// As [`BatchWriter`]; [`DataError::Empty`] for no batch.
pub fn write_batches(path: &Path, batches: &[RecordBatch]) -> Result<(), DataError> {
    let first = batches.first().ok_or_else(|| DataError::Empty {
        file: path.display().to_string(),
        reason: "no batch to write".to_owned(),
    })?;
    let mut writer = BatchWriter::create(path, first.schema())?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()
}

fn failed(path: &str, error: impl std::fmt::Display) -> DataError {
    DataError::Unwritable {
        file: path.to_owned(),
        reason: error.to_string(),
    }
}
