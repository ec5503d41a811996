//! What is odd about the data but not an error.

use std::fmt;

use hedgerow_forest::schema::Schema;

use super::block::Tally;
use super::error::DataError;

/// Something the operator should know. Each is reported once per data set; see
/// [`super::DataSet::take_warnings`].
///
/// The text holds no count of rows (a count before noise must not reach a log file); the fields do, for tools that
/// show them to the operator alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataWarning {
    /// No row of the source has the positive label.
    NoPositiveLabel {
        /// The source as configured.
        file: String,
        /// The label column.
        column: String,
        /// The positive value that was looked for.
        positive: String,
    },
    /// Values that the schema does not declare; they count as missing.
    UnknownCategories {
        /// The source as configured.
        file: String,
        /// The feature.
        column: String,
        /// How many rows hold such a value (private: not for logs).
        rows: u64,
    },
}

impl DataWarning {
    /// The source and the column.
    pub(crate) fn place(&self) -> (&str, &str) {
        match self {
            Self::NoPositiveLabel { file, column, .. } | Self::UnknownCategories { file, column, .. } => {
                (file, column)
            }
        }
    }

    /// What a whole labelled scan showed; a source without rows is an error.
    pub(crate) fn of_scan(file: &str, schema: &Schema, tally: &Tally) -> Result<Vec<Self>, DataError> {
        if tally.rows == 0 {
            return Err(DataError::Empty {
                file: file.to_owned(),
                reason: "it holds no row".to_owned(),
            });
        }
        let mut found = Vec::new();
        if tally.positives == 0 {
            found.push(Self::NoPositiveLabel {
                file: file.to_owned(),
                column: schema.label.name.clone(),
                positive: schema.label.positive.clone(),
            });
        }
        let unknown = schema.features.iter().zip(&tally.unknown);
        found.extend(
            unknown
                .filter(|(_, rows)| **rows > 0)
                .map(|(feature, rows)| Self::UnknownCategories {
                    file: file.to_owned(),
                    column: feature.name.clone(),
                    rows: *rows,
                }),
        );
        Ok(found)
    }
}

impl fmt::Display for DataWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPositiveLabel {
                file,
                column,
                positive,
            } => write!(
                f,
                "{file}: no row has `{positive}` in the label column `{column}`; check `positive` (it compares as text)"
            ),
            Self::UnknownCategories { file, column, .. } => {
                write!(
                    f,
                    "{file}: column `{column}` holds values that the schema does not declare; they count as missing"
                )
            }
        }
    }
}
