//! What is odd about the data but not an error.

use std::fmt;

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
