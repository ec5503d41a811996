//! Values to bins between public bounds, and blocks of binned rows.
//!
//! Numeric columns have `bins` bins of equal width between `min` and `max`; categorical columns have one bin per
//! category in the schema's order. The bin after the last value bin holds missing values (NaN, null, an undeclared
//! category).

use std::collections::HashMap;

use crate::params::{MAX_BINS, MIN_BINS};
use crate::schema::{ColumnKind, Schema, SchemaError};

/// Value bins between public bounds for every feature of a schema.
#[derive(Debug, Clone)]
pub struct Binner {
    features: Vec<FeatureBinner>,
    bins: u16,
    links: usize,
}

/// The bins of one feature.
#[derive(Debug, Clone)]
pub struct FeatureBinner {
    values: Values,
    missing: u8,
    link: Option<usize>,
}

#[derive(Debug, Clone)]
enum Values {
    Numeric { min: f64, max: f64, per_unit: f64 },
    Categorical { codes: HashMap<String, u8> },
}

/// Why there are no bins.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BinningError {
    /// The schema does not hold together.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Too few or too many bins.
    #[error("bins: expected {MIN_BINS} to {MAX_BINS}, found {seen}")]
    Bins {
        /// The number asked for.
        seen: u16,
    },
}

impl Binner {
    /// Bins for `schema`: `bins` value bins for every numeric column, [`MIN_BINS`] to [`MAX_BINS`].
    ///
    /// # Errors
    /// An invalid schema or number of bins.
    pub fn new(schema: &Schema, bins: u16) -> Result<Self, BinningError> {
        schema.validate()?;
        if !(MIN_BINS..=MAX_BINS).contains(&bins) {
            return Err(BinningError::Bins { seen: bins });
        }
        let links = schema.links();
        let features = schema.features.iter().map(|column| {
            let own = column.link.as_deref();
            FeatureBinner {
                link: links.iter().position(|link| Some(*link) == own),
                ..FeatureBinner::new(&column.kind, bins)
            }
        });
        Ok(Self {
            features: features.collect(),
            bins,
            links: links.len(),
        })
    }

    /// The binner of feature `index`, in the schema's order.
    ///
    /// # Panics
    /// If the schema has no such feature.
    #[expect(clippy::indexing_slicing, reason = "the index counts the caller's own schema")]
    pub fn feature(&self, index: usize) -> &FeatureBinner {
        &self.features[index]
    }

    /// All features, in the schema's order.
    pub fn features(&self) -> &[FeatureBinner] {
        &self.features
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Are there no features? (Never: a valid schema has one.)
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Value bins asked for per numeric column.
    pub const fn bins(&self) -> u16 {
        self.bins
    }

    /// Number of links of the schema.
    pub const fn links(&self) -> usize {
        self.links
    }

    /// All bins of feature `index`, the one for missing values included.
    pub fn bins_of(&self, index: usize) -> usize {
        usize::from(self.feature(index).missing) + 1
    }

    /// The bin of missing values of feature `index`; equals its number of value bins.
    pub fn bin_of_missing(&self, index: usize) -> u8 {
        self.feature(index).missing
    }
}

impl FeatureBinner {
    fn new(kind: &ColumnKind, bins: u16) -> Self {
        match kind {
            // A constant column has one value bin: nothing could tell further bins apart.
            ColumnKind::Numeric { min, max } if min == max => Self {
                values: Values::Numeric {
                    min: *min,
                    max: *max,
                    per_unit: 0.0,
                },
                missing: 1,
                link: None,
            },
            ColumnKind::Numeric { min, max } => Self {
                values: Values::Numeric {
                    min: *min,
                    max: *max,
                    per_unit: f64::from(bins) / (max - min),
                },
                missing: bins as u8,
                link: None,
            },
            ColumnKind::Categorical { categories } => {
                let codes = categories
                    .iter()
                    .zip(0u8..)
                    .map(|(text, code)| (text.clone(), code))
                    .collect();
                Self {
                    values: Values::Categorical { codes },
                    missing: categories.len() as u8,
                    link: None,
                }
            }
        }
    }

    /// The bin of a number: NaN is missing, values outside the bounds are clamped. Monotone in `value`. A
    /// categorical column has no numbers: all are missing.
    #[inline]
    pub fn number(&self, value: f64) -> u8 {
        match self.values {
            Values::Numeric { min, per_unit, .. } if !value.is_nan() => {
                // A float-to-integer cast saturates, and takes the NaN of `0 * inf` to bin 0.
                let bin = ((value - min) * per_unit) as u8;
                bin.min(self.missing - 1)
            }
            _ => self.missing,
        }
    }

    /// The bin of a category; an undeclared one is missing. A numeric column has no categories: all are missing.
    pub fn category(&self, text: &str) -> u8 {
        match &self.values {
            Values::Categorical { codes } => codes.get(text).copied().unwrap_or(self.missing),
            Values::Numeric { .. } => self.missing,
        }
    }

    /// Are the bins those of numbers, in order?
    pub const fn is_numeric(&self) -> bool {
        matches!(self.values, Values::Numeric { .. })
    }

    /// The bin of missing values.
    pub const fn missing(&self) -> u8 {
        self.missing
    }

    /// Position in [`Schema::links`] of the link that the feature is read through; `None` for one of the rows.
    pub const fn link(&self) -> Option<usize> {
        self.link
    }

    /// Bins that hold values: all but the one for missing ones.
    pub fn value_bins(&self) -> usize {
        usize::from(self.missing)
    }

    /// Lower edge of a numeric bin in the column's unit (the upper bound for the bin after the last); `None` for a
    /// categorical column.
    pub fn lower_edge(&self, bin: u8) -> Option<f64> {
        match self.values {
            Values::Numeric { min, max, .. } => {
                let share = f64::from(bin.min(self.missing)) / f64::from(self.missing);
                Some(min + share * (max - min))
            }
            Values::Categorical { .. } => None,
        }
    }
}

/// A block of binned rows, feature-major: `[features, rows]` of `u8` bins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binned {
    rows: usize,
    features: usize,
    data: Vec<u8>,
}

impl Binned {
    /// A block of `rows` x `features` cells, all in bin 0.
    pub fn new(rows: usize, features: usize) -> Self {
        Self {
            rows,
            features,
            data: vec![0; rows * features],
        }
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of features.
    pub const fn features(&self) -> usize {
        self.features
    }

    /// The bins of one feature, one per row.
    ///
    /// # Panics
    /// If there is no such feature.
    #[expect(clippy::indexing_slicing, reason = "the index counts the caller's own schema")]
    pub fn column(&self, feature: usize) -> &[u8] {
        assert!(
            feature < self.features,
            "feature {feature} of a block of {}",
            self.features
        );
        &self.data[feature * self.rows..][..self.rows]
    }

    /// The bins of one feature, to be written.
    ///
    /// # Panics
    /// If there is no such feature.
    #[expect(clippy::indexing_slicing, reason = "the index counts the caller's own schema")]
    pub fn column_mut(&mut self, feature: usize) -> &mut [u8] {
        assert!(
            feature < self.features,
            "feature {feature} of a block of {}",
            self.features
        );
        &mut self.data[feature * self.rows..][..self.rows]
    }
}

impl AsRef<Self> for Binned {
    fn as_ref(&self) -> &Self {
        self
    }
}

#[cfg(test)]
mod tests;
