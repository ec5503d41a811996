//! CSV files: read as text by Arrow's decoder, turned into values here, so that a wrong value is reported with its
//! row, line, column, and what was expected.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::csv::{Reader, ReaderBuilder, reader::Format};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::engine::CsvRules;
use super::error::{DataError, shorten};
use super::number;

/// Rows looked at to tell numbers from text when no schema says so.
const INFERENCE_ROWS: usize = 10_000;

/// What the text of a column becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextType {
    Text,
    Integer,
    Number,
}

impl TextType {
    fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Number => DataType::Float64,
        }
    }
}

/// A CSV file with a header.
#[derive(Debug, Clone)]
pub(crate) struct CsvFile {
    /// As configured, for messages.
    pub(crate) name: String,
    path: PathBuf,
    delimiter: u8,
    header: Vec<String>,
    missing: Arc<[String]>,
}

impl CsvFile {
    /// Reads the header.
    pub(crate) fn open(name: &str, path: &Path, rules: &CsvRules) -> Result<Self, DataError> {
        let unreadable = |error: &dyn std::fmt::Display| DataError::unreadable(name, error);
        let file = File::open(path).map_err(|e| unreadable(&e))?;
        let mut first_line = String::new();
        BufReader::new(file.take(1 << 20))
            .read_line(&mut first_line)
            .map_err(|e| unreadable(&e))?;
        let delimiter = rules.delimiter.unwrap_or_else(|| likely_delimiter(&first_line));
        let file = BufReader::new(File::open(path).map_err(|e| unreadable(&e))?);
        let (schema, _) = Format::default()
            .with_header(true)
            .with_delimiter(delimiter)
            .infer_schema(file, Some(0))
            .map_err(|e| unreadable(&e))?;
        let header: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| unquote(field.name().trim_start_matches('\u{feff}').trim()).to_owned())
            .collect();
        for (i, column) in header.iter().enumerate() {
            if header.iter().skip(i + 1).any(|other| other == column) {
                return Err(DataError::DuplicateColumn {
                    file: name.to_owned(),
                    column: column.clone(),
                });
            }
        }
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            delimiter,
            header,
            missing: rules.missing.as_slice().into(),
        })
    }

    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// Types from the first rows; a column that is numeric but for few values is a numeric column with mistakes.
    /// `is_text` names the columns that are text whatever they look like.
    pub(crate) fn infer(&self, is_text: impl Fn(&str) -> bool) -> Result<Vec<TextType>, DataError> {
        let mut counts = vec![(0u64, 0u64, 0u64); self.header.len()];
        let all: Vec<usize> = (0..self.header.len()).collect();
        let mut rows = 0;
        for batch in self.reader(&all, 1024)? {
            let batch = batch.map_err(|e| self.record_error(&e, rows))?;
            for (column, (integers, numbers, others)) in batch.columns().iter().zip(&mut counts) {
                for text in column
                    .as_string::<i32>()
                    .iter()
                    .filter_map(|text| self.value(text))
                {
                    if text.parse::<i64>().is_ok() {
                        *integers += 1;
                    } else if number::parse(text).is_some() {
                        *numbers += 1;
                    } else {
                        *others += 1;
                    }
                }
            }
            rows += batch.num_rows();
            if rows >= INFERENCE_ROWS {
                break;
            }
        }
        let types = self
            .header
            .iter()
            .zip(counts)
            .map(|(name, (integers, numbers, others))| {
                if is_text(name) || integers + numbers == 0 {
                    TextType::Text
                } else if others > 0 && !number::mostly(integers + numbers, others) {
                    TextType::Text
                } else if numbers > 0 {
                    TextType::Number
                } else {
                    TextType::Integer
                }
            });
        Ok(types.collect())
    }

    /// A table of these columns (all of the header when `None`), each with its type.
    pub(crate) fn table(self, types: Vec<TextType>) -> CsvTable {
        let fields: Vec<Field> = self
            .header
            .iter()
            .zip(&types)
            .map(|(name, kind)| Field::new(name, kind.arrow(), true))
            .collect();
        CsvTable {
            file: Arc::new(self),
            types,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    fn reader(&self, columns: &[usize], batch_rows: usize) -> Result<Reader<File>, DataError> {
        let file = File::open(&self.path).map_err(|e| DataError::unreadable(&self.name, e))?;
        let fields: Vec<Field> = self
            .header
            .iter()
            .map(|name| Field::new(name, DataType::Utf8, true))
            .collect();
        ReaderBuilder::new(Arc::new(Schema::new(fields)))
            .with_header(true)
            .with_delimiter(self.delimiter)
            .with_batch_size(batch_rows)
            .with_projection(columns.to_vec())
            .build(file)
            .map_err(|e| DataError::unreadable(&self.name, e))
    }

    /// The trimmed value, or `None` if it reads as missing.
    fn value<'t>(&self, text: Option<&'t str>) -> Option<&'t str> {
        let text = unquote(text?.trim());
        (!self
            .missing
            .iter()
            .any(|marker| marker.eq_ignore_ascii_case(text)))
        .then_some(text)
    }

    fn convert(
        &self,
        kind: TextType,
        name: &str,
        texts: &StringArray,
        first_row: u64,
    ) -> Result<ArrayRef, DataError> {
        let wrong = |index: usize, found: &str, expected: &str| {
            let row = first_row + index as u64 + 1;
            DataError::WrongValue {
                file: self.name.clone(),
                row,
                line: self.line_of(row),
                column: name.to_owned(),
                expected: expected.to_owned(),
                found: shorten(found),
            }
        };
        let values = texts.iter().map(|text| self.value(text)).enumerate();
        Ok(match kind {
            TextType::Text => Arc::new(values.map(|(_, text)| text).collect::<StringArray>()),
            TextType::Number => Arc::new(
                values
                    .map(|(i, text)| {
                        text.map(|t| number::parse(t).ok_or_else(|| wrong(i, t, "a number")))
                            .transpose()
                    })
                    .collect::<Result<Float64Array, _>>()?,
            ),
            TextType::Integer => Arc::new(
                values
                    .map(|(i, text)| {
                        text.map(|t| t.parse::<i64>().map_err(|_| wrong(i, t, "a whole number")))
                            .transpose()
                    })
                    .collect::<Result<Int64Array, _>>()?,
            ),
        })
    }

    /// A record that the decoder refuses; it counts records from the header on.
    fn record_error(&self, error: &ArrowError, rows_before: usize) -> DataError {
        let message = match error {
            ArrowError::CsvError(message) => message.as_str(),
            ArrowError::IoError(message, _) => return DataError::unreadable(&self.name, message),
            other => return DataError::unreadable(&self.name, other),
        };
        // "incorrect number of fields for line 3, expected 2 got 3" and "... invalid UTF-8 data for line 3 and field 1"
        let number_after = |word: &str| {
            let (_, rest) = message.split_once(word)?;
            rest.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
                .parse::<u64>()
                .ok()
        };
        let Some(record) = number_after("for line ") else {
            return DataError::unreadable(&self.name, message);
        };
        let row = record.saturating_sub(1).max(rows_before as u64);
        let reason = match (
            number_after("expected "),
            number_after("got more than "),
            number_after("got "),
        ) {
            (Some(expected), Some(_), _) => {
                format!("expected {expected} fields as in the header, found more")
            }
            (Some(expected), _, Some(found)) => {
                format!("expected {expected} fields as in the header, found {found}")
            }
            _ => format!(
                "not UTF-8 text{}",
                number_after("field ").map_or_else(String::new, |f| format!(" in field {f}"))
            ),
        };
        DataError::Record {
            file: self.name.clone(),
            row,
            line: self.line_of(row),
            reason,
        }
    }

    /// The line on which data row `row` (from 1) starts: quoted values may span lines, blank lines are no rows.
    /// Reads the file again; only for messages.
    fn line_of(&self, row: u64) -> u64 {
        let Ok(file) = File::open(&self.path) else {
            return row + 1;
        };
        let (mut record, mut line, mut start) = (0u64, 1u64, None);
        let (mut quoted, mut field_start) = (false, true);
        for byte in BufReader::new(file).bytes() {
            let Ok(byte) = byte else { break };
            if start.is_none() && !matches!(byte, b'\n' | b'\r') {
                if record == row {
                    return line;
                }
                start = Some(line);
            }
            match byte {
                // A doubled quote closes and opens again: the state is right at every line end.
                b'"' if quoted || field_start => {
                    quoted = !quoted;
                    field_start = quoted || field_start;
                }
                b'\n' => {
                    line += 1;
                    if !quoted {
                        record += u64::from(start.take().is_some());
                        field_start = true;
                    }
                }
                other if !quoted => field_start = other == self.delimiter,
                _ => {}
            }
        }
        row + 1
    }
}

/// A CSV file as a table of the engine: one partition, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct CsvTable {
    file: Arc<CsvFile>,
    types: Vec<TextType>,
    schema: SchemaRef,
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
            let options =
                datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(texts.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(|e| {
                DataError::Engine {
                    reason: e.to_string(),
                }
            })
        }))
    }
}

/// Quotes that the decoder left because blanks stand before them.
fn unquote(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}

fn likely_delimiter(header: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0u32), (b';', 0), (b'\t', 0)];
    for byte in header.bytes() {
        if byte == b'"' {
            quoted = !quoted;
        }
        for (delimiter, count) in &mut counts {
            *count += u32::from(!quoted && byte == *delimiter);
        }
    }
    // The first of equals: a single column reads with a comma.
    counts
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(delimiter, _)| *delimiter)
}
