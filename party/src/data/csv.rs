//! CSV files: read as text by Arrow's decoder, turned into values here, so that a wrong value is reported with its
//! row, line, column, and what was expected.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use datafusion::arrow::csv::{Reader, ReaderBuilder, reader::Format};
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::engine::CsvRules;
use super::error::{DataError, shorten};
use super::number;

mod place;
mod table;

pub(crate) use table::CsvTable;

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

    /// Types from the first rows; a column that is numeric but for few values is a numeric column with mistakes, and
    /// one with codes (`007`, digits beyond 64 bits) is text.
    /// `declared` knows columns that are text whatever they look like, or numbers though no value is there.
    pub(crate) fn infer(
        &self,
        declared: impl Fn(&str) -> Option<TextType>,
    ) -> Result<Vec<TextType>, DataError> {
        let mut counts = vec![(0u64, 0u64, 0u64); self.header.len()];
        let mut codes = vec![false; self.header.len()];
        let all: Vec<usize> = (0..self.header.len()).collect();
        let mut rows = 0;
        for batch in self.reader(&all, 1024)? {
            let batch = batch.map_err(|e| self.record_error(&e, rows))?;
            let seen = counts.iter_mut().zip(&mut codes);
            for (column, ((integers, numbers, others), code)) in batch.columns().iter().zip(seen) {
                for text in column
                    .as_string::<i32>()
                    .iter()
                    .filter_map(|text| self.value(text))
                {
                    *code |= number::is_code(text);
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
        let types = self.header.iter().zip(counts.into_iter().zip(codes)).map(
            |(name, ((integers, numbers, others), code))| {
                let declared = declared(name);
                if declared == Some(TextType::Text) || (code && declared.is_none()) {
                    TextType::Text
                } else if integers + numbers + others == 0 {
                    declared.unwrap_or(TextType::Text)
                } else if others > 0 && !number::mostly(integers + numbers, others) {
                    TextType::Text
                } else if numbers > 0 {
                    TextType::Number
                } else {
                    TextType::Integer
                }
            },
        );
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
        let values = texts.iter().map(|text| self.value(text));
        Ok(match kind {
            TextType::Text => Arc::new(values.collect::<StringArray>()),
            TextType::Number => Arc::new(
                values
                    .enumerate()
                    .map(|(i, text)| {
                        text.map(|t| number::parse(t).ok_or_else(|| wrong(i, t, "a number")))
                            .transpose()
                    })
                    .collect::<Result<Float64Array, _>>()?,
            ),
            TextType::Integer => Arc::new(
                values
                    .enumerate()
                    .map(|(i, text)| {
                        text.map(|t| t.parse::<i64>().map_err(|_| wrong(i, t, "a whole number")))
                            .transpose()
                    })
                    .collect::<Result<Int64Array, _>>()?,
            ),
        })
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
