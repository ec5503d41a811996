//! Where in a CSV file something is wrong.

use std::fs::File;
use std::io::{BufReader, Read};

use datafusion::arrow::error::ArrowError;

use super::CsvFile;
use crate::data::error::DataError;

impl CsvFile {
    /// A record that the decoder refuses; it counts records from the header on.
    pub(super) fn record_error(&self, error: &ArrowError, rows_before: usize) -> DataError {
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
    pub(super) fn line_of(&self, row: u64) -> u64 {
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
