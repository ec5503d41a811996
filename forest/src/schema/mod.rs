//! Names, types and public bounds of the columns.
//!
//! A schema is public: it is declared before any data is read, and bins, trees and model follow from it. Bounds and
//! categories derived from data leak that data.
//!
//! ```
//! let schema = hedgerow_forest::schema::Schema::from_toml(r#"
//!     [[feature]]
//!     name = "age"
//!     type = "numeric"
//!     min = 17
//!     max = 90
//!
//!     [[feature]]
//!     name = "sex"
//!     type = "categorical"
//!     categories = ["Female", "Male"]
//!
//!     [label]
//!     name = "income"
//!     positive = ">50K"
//! "#)?;
//! assert_eq!(schema.features.len(), 2);
//! # Ok::<(), hedgerow_forest::schema::SchemaError>(())
//! ```
//!
//! In a mixed or vertical partition a row names entities of other parties through *links*, and some columns are
//! attributes of these ([`link`]); all others are *row columns*.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

mod error;
pub mod link;
mod text;

pub use error::SchemaError;

/// Most categories of one column: bins are `u8`, and one is kept for missing values.
pub const MAX_CATEGORIES: usize = 255;
/// Most feature columns.
pub const MAX_FEATURES: usize = 4096;

/// The columns of a task: features in the order that bins, trees and model use, and the label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Feature columns; `[[feature]]` in TOML, `"feature"` in JSON.
    #[serde(rename = "feature")]
    pub features: Vec<Column>,
    /// The column to predict.
    pub label: Label,
}

/// The label column. A row is positive if its label, as text, equals `positive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Column name.
    pub name: String,
    /// Text of the positive class.
    pub positive: String,
}

/// One feature column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Column name; unique within the schema.
    pub name: String,
    /// Type with public bounds.
    pub kind: ColumnKind,
    /// The link that the column is read through, and then its name is `<link>.<attribute>`; `None` for a column of
    /// the rows themselves.
    pub link: Option<String>,
}

/// Type of a feature column, with its public bounds.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// Numbers between public bounds, in the column's own unit; values outside are clamped.
    Numeric {
        /// Lower bound, finite.
        min: f64,
        /// Upper bound, finite, not below `min`.
        max: f64,
    },
    /// Texts out of a public list; any other text counts as missing.
    Categorical {
        /// 1 to [`MAX_CATEGORIES`] distinct texts.
        categories: Vec<String>,
    },
}

impl Schema {
    /// Reads and validates the TOML form.
    ///
    /// # Errors
    /// [`SchemaError::Syntax`] with line and key, or whatever [`Schema::validate`] finds.
    pub fn from_toml(text: &str) -> Result<Self, SchemaError> {
        let schema: Self = toml::from_str(text).map_err(|e| SchemaError::Syntax {
            reason: e.to_string().trim_end().to_owned(),
        })?;
        schema.validate()?;
        Ok(schema)
    }

    /// The TOML form; [`Schema::from_toml`] reads it back exactly.
    ///
    /// # Errors
    /// [`SchemaError::Syntax`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, SchemaError> {
        toml::to_string(self).map_err(|e| SchemaError::Syntax {
            reason: e.to_string(),
        })
    }

    /// Number of feature columns.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Has the schema no feature columns? (A valid one has.)
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Position of the feature called `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|column| column.name == name)
    }

    /// Checks names, bounds, categories and links.
    ///
    /// # Errors
    /// A [`SchemaError`] that names the first column at fault, what was seen and what is expected.
    pub fn validate(&self) -> Result<(), SchemaError> {
        if self.features.is_empty() || self.features.len() > MAX_FEATURES {
            return Err(SchemaError::FeatureCount {
                seen: self.features.len(),
            });
        }
        if self.label.name.is_empty() || self.label.positive.is_empty() {
            let field = if self.label.name.is_empty() {
                "name"
            } else {
                "positive"
            };
            return Err(SchemaError::EmptyLabel { field });
        }
        let mut names = HashSet::new();
        for (index, column) in self.features.iter().enumerate() {
            if column.name.is_empty() {
                return Err(SchemaError::EmptyName { index });
            }
            if column.name == self.label.name {
                return Err(SchemaError::FeatureIsLabel {
                    column: column.name.clone(),
                });
            }
            if !names.insert(column.name.as_str()) {
                return Err(SchemaError::RepeatedColumn {
                    column: column.name.clone(),
                });
            }
            column.validate()?;
        }
        self.validate_links()
    }
}

impl Column {
    /// A numeric column with public bounds.
    pub fn numeric(name: impl Into<String>, min: f64, max: f64) -> Self {
        Self {
            name: name.into(),
            kind: ColumnKind::Numeric { min, max },
            link: None,
        }
    }

    /// A categorical column with a public list of categories.
    pub fn categorical(
        name: impl Into<String>,
        categories: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let categories = categories.into_iter().map(Into::into).collect();
        Self {
            name: name.into(),
            kind: ColumnKind::Categorical { categories },
            link: None,
        }
    }

    fn validate(&self) -> Result<(), SchemaError> {
        let column = || self.name.clone();
        match &self.kind {
            ColumnKind::Numeric { min, max } => {
                for (field, value) in [("min", *min), ("max", *max)] {
                    if !value.is_finite() {
                        return Err(SchemaError::BoundNotFinite {
                            column: column(),
                            field,
                            seen: value,
                        });
                    }
                }
                if min > max || !(max - min).is_finite() {
                    return Err(SchemaError::Bounds {
                        column: column(),
                        min: *min,
                        max: *max,
                    });
                }
            }
            ColumnKind::Categorical { categories } => {
                if categories.is_empty() || categories.len() > MAX_CATEGORIES {
                    return Err(SchemaError::CategoryCount {
                        column: column(),
                        seen: categories.len(),
                    });
                }
                let mut seen = HashSet::new();
                for (index, category) in categories.iter().enumerate() {
                    if category.is_empty() {
                        return Err(SchemaError::EmptyCategory {
                            column: column(),
                            index,
                        });
                    }
                    if !seen.insert(category.as_str()) {
                        return Err(SchemaError::RepeatedCategory {
                            column: column(),
                            category: category.clone(),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
