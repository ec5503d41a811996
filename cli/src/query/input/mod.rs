//! Rows to ask about: `.npy` arrays of numbers and CSV files.

mod npy;
mod table;

use std::path::Path;

use hedgerow_forest::ensemble::Feature;
use hedgerow_inference::service::Rows;

use crate::error::{CliError, Result};
use table::Table;

/// Largest input, bytes.
const MOST: u64 = 4 << 30;

/// What was read, before it is known which columns the model has.
pub enum Input {
    /// An array: numbers, and categories as their positions.
    Array(Rows),
    /// A table: categories as their texts.
    Table(Table),
}

impl Input {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is neither, with the place of what is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path)
            .map_err(CliError::file(path, "reading"))?
            .len();
        let wrong = |error: String| CliError::Config(format!("{}: {error}", path.display()));
        if size > MOST {
            return Err(wrong(format!("{size} bytes, at most {MOST}")));
        }
        let bytes = std::fs::read(path).map_err(CliError::file(path, "reading"))?;
        if bytes.starts_with(npy::MAGIC) {
            return npy::read(&bytes).map(Self::Array).map_err(wrong);
        }
        Table::read(path, &bytes).map(Self::Table)
    }

    /// The rows of a model with these columns (none: of a model that knows only their number), and what the user should
    /// know of how they were read.
    ///
    /// # Errors
    /// A column that is not there, a text where a number belongs, with file and line.
    pub fn rows(self, columns: &[Feature]) -> Result<(Rows, Vec<String>)> {
        match self {
            Self::Array(rows) => Ok((rows, Vec::new())),
            Self::Table(table) => table.rows(columns),
        }
    }
}
