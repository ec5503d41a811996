//! Everything that can be wrong with a party's data, with the culprit named.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use thiserror::Error;

/// Why the data could not be used. `file` fields hold the path (or `the query`) as the operator wrote it.
///
/// The messages may hold one value and its place: they are for the party's own terminal and log file. Use
/// [`DataError::public_reason`] for everything that leaves the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file or folder is not there or cannot be opened.
    #[error("{file}: cannot be read: {reason}")]
    Unreadable {
        /// Path as configured.
        file: String,
        /// The system's or the decoder's words.
        reason: String,
    },
    /// A file cannot be written.
    #[error("{file}: cannot be written: {reason}")]
    Unwritable {
        /// Path as given.
        file: String,
        /// The system's or the encoder's words.
        reason: String,
    },
    /// The `source` line itself makes no sense.
    #[error("source `{source_text}`: {reason}")]
    Source {
        /// The configured text.
        source_text: String,
        /// What is wrong and what to write instead.
        reason: String,
    },
    /// A folder without Parquet files, or a file without a single row.
    #[error("{file}: {reason}")]
    Empty {
        /// Path as configured.
        file: String,
        /// What was looked for.
        reason: String,
    },
    /// A column that the schema or the configuration names is not there.
    #[error("{file}: column `{column}` is missing{}; the columns are: {available}", did_you_mean(.suggestion.as_deref()))]
    MissingColumn {
        /// Path as configured.
        file: String,
        /// The column asked for.
        column: String,
        /// The columns that are there, comma-separated.
        available: String,
        /// A column whose name is nearly the same.
        suggestion: Option<String>,
    },
    /// Two columns with one name.
    #[error("{file}: two columns are called `{column}`; rename one of them")]
    DuplicateColumn {
        /// Path as configured.
        file: String,
        /// The name.
        column: String,
    },
    /// A column whose type cannot serve (Parquet and SQL).
    #[error("{file}: column `{column}` has type {found}, expected {expected}")]
    WrongType {
        /// Path as configured.
        file: String,
        /// The column.
        column: String,
        /// What the schema asks for.
        expected: String,
        /// The type in the file.
        found: String,
    },
    /// A value that cannot be read as the column's type (CSV).
    #[error("{file}: row {row} (line {line}), column `{column}`: expected {expected}, found `{found}`")]
    WrongValue {
        /// Path as configured.
        file: String,
        /// Data row, from 1, the header not counted.
        row: u64,
        /// Line in the file, from 1.
        line: u64,
        /// The column.
        column: String,
        /// What the schema asks for.
        expected: String,
        /// The text in the file, cut after 60 characters.
        found: String,
    },
    /// A record with too few or too many fields, or with bytes that are not UTF-8.
    #[error("{file}: row {row} (line {line}): {reason}")]
    Record {
        /// Path as configured.
        file: String,
        /// Data row, from 1, the header not counted.
        row: u64,
        /// Line in the file, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A row without a label.
    #[error("{file}: {}label column `{column}` is missing a value; remove such rows, for example with SQL: SELECT ... WHERE {column} IS NOT NULL", place(*.row))]
    MissingLabel {
        /// Path as configured.
        file: String,
        /// The label column.
        column: String,
        /// Row from 1 in source order; `None` when found by an unordered scan.
        row: Option<u64>,
    },
    /// Two rows of an entity table with one key.
    #[error(
        "{file}: rows {first} and {second} have the same key ({columns}); every entity needs a key of its own, and a \
         table of entities one row for each (in SQL: GROUP BY)"
    )]
    DuplicateKey {
        /// Path as configured.
        file: String,
        /// The key's columns, comma-separated.
        columns: String,
        /// Row from 1 in source order.
        first: u64,
        /// A later row.
        second: u64,
    },
    /// A row of an entity table whose key is missing altogether.
    #[error("{file}: row {row} has no value in any column of the key ({columns}); remove such rows")]
    MissingKey {
        /// Path as configured.
        file: String,
        /// The key's columns, comma-separated.
        columns: String,
        /// Row from 1 in source order.
        row: u64,
    },
    /// The SQL is wrong.
    #[error("SQL source: {reason}")]
    Sql {
        /// The planner's words.
        reason: String,
    },
    /// While a schema was derived: a column of numbers with a few values that are none.
    #[error(
        "{file}: row {row}, column `{column}`: expected a number like nearly all of the column, found `{found}`; \
         correct it, or declare the column in [schema]"
    )]
    MostlyNumeric {
        /// Path as configured.
        file: String,
        /// Data row, from 1, the header not counted.
        row: u64,
        /// The column.
        column: String,
        /// The first such text, cut after 60 characters.
        found: String,
    },
    /// A text column with more values than a feature may have.
    #[error(
        "column `{column}` has more than {limit} different values, too many for a categorical feature; declare its \
         categories in [schema], or drop the column with `features = [...]`"
    )]
    TooManyCategories {
        /// The column.
        column: String,
        /// The largest number of categories.
        limit: usize,
    },
    /// A column without a single value, of which no schema can be derived.
    #[error("column `{column}` has no value in any row; drop it with `features = [...]`")]
    NoValues {
        /// The column.
        column: String,
    },
    /// The run takes the party for something else than its own configuration does.
    #[error(
        "role = \"{found}\" in the configuration of this party, but the run expects \"{expected}\" of it"
    )]
    Role {
        /// What the run says.
        expected: &'static str,
        /// What the party says.
        found: &'static str,
    },
    /// The schema or the query does not fit the engine.
    #[error("{what}: {reason}")]
    Invalid {
        /// The culprit.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An operator of the query needs more memory than the limit allows.
    #[error(
        "the memory limit of {limit_mib} MiB is too small for this source: put the smaller table on the left of each \
         JOIN, or raise resources.memory_mib; the engine says: {reason}"
    )]
    Memory {
        /// The configured limit.
        limit_mib: u64,
        /// The engine's words.
        reason: String,
    },
    /// Everything else the engine says.
    #[error("data engine: {reason}")]
    Engine {
        /// The engine's words.
        reason: String,
    },
}

impl DataError {
    /// What may be told to others: the kind of the problem and the column, never a value, a row, a path or a query.
    pub fn public_reason(&self) -> String {
        match self {
            Self::MissingColumn { column, .. } => format!("column `{column}` is missing"),
            Self::DuplicateColumn { column, .. } => format!("two columns are called `{column}`"),
            Self::WrongType { column, expected, .. } => {
                format!("column `{column}` has the wrong type, expected {expected}")
            }
            Self::WrongValue { column, expected, .. } => {
                format!("a value of column `{column}` is not {expected}")
            }
            Self::MissingLabel { column, .. } => format!("label column `{column}` misses values"),
            Self::Role { .. } => self.to_string(),
            Self::DuplicateKey { .. } => "two entities have the same key".to_owned(),
            Self::MissingKey { .. } => "an entity has no key".to_owned(),
            Self::Empty { .. } => "the data source is empty".to_owned(),
            _ => "the data source cannot be read".to_owned(),
        }
    }

    pub(crate) fn unreadable(file: &str, reason: impl std::fmt::Display) -> Self {
        Self::Unreadable {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The [`DataError`] that one of our streams or functions raised, or the engine's own complaint.
    pub(crate) fn from_engine(error: DataFusionError, limit_mib: u64) -> Self {
        let mut current: &DataFusionError = error.find_root();
        loop {
            match current {
                DataFusionError::External(inner) => {
                    if let Some(own) = inner.downcast_ref::<DataError>() {
                        return own.clone();
                    }
                    match inner.downcast_ref::<DataFusionError>() {
                        Some(next) => current = next,
                        None => {
                            return Self::Engine {
                                reason: inner.to_string(),
                            };
                        }
                    }
                }
                DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
                    ArrowError::ExternalError(inner) => {
                        if let Some(own) = inner.downcast_ref::<DataError>() {
                            return own.clone();
                        }
                        match inner.downcast_ref::<DataFusionError>() {
                            Some(next) => current = next,
                            None => {
                                return Self::Engine {
                                    reason: inner.to_string(),
                                };
                            }
                        }
                    }
                    other => {
                        return Self::Engine {
                            reason: other.to_string(),
                        };
                    }
                },
                DataFusionError::ResourcesExhausted(reason) => {
                    return Self::Memory {
                        limit_mib,
                        reason: reason.clone(),
                    };
                }
                DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => {
                    return Self::Sql {
                        reason: current.strip_backtrace(),
                    };
                }
                other => {
                    return Self::Engine {
                        reason: other.strip_backtrace(),
                    };
                }
            }
        }
    }
}

impl From<DataError> for DataFusionError {
    fn from(error: DataError) -> Self {
        Self::External(Box::new(error))
    }
}

/// The first 60 characters of a value: enough to recognise it, not enough to flood a terminal.
pub(crate) fn shorten(value: &str) -> String {
    const LIMIT: usize = 60;
    let mut text: String = value.chars().take(LIMIT).collect();
    if text.len() < value.len() {
        text.push_str("...");
    }
    text
}

fn place(row: Option<u64>) -> String {
    row.map_or_else(String::new, |row| format!("row {row}: "))
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}
