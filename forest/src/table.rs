//! Answers: tables of signed cells in the layout of their query.

use serde::{Deserialize, Serialize};

/// Classes of a cell: negative, positive.
pub const CLASSES: usize = 2;

/// Dimensions of a table. The last axis is always the class: negative, then positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TableShape {
    /// `[trees, leaves, classes]`
    LeafCounts {
        /// Trees.
        trees: u32,
        /// Leaves of one tree.
        leaves: u32,
    },
    /// `[bins, classes]`
    ScoreHistogram {
        /// Bins of the score, over 0 to 1.
        bins: u16,
    },
    /// `[trees, leaves, features, slots, classes]`
    Histograms {
        /// Trees.
        trees: u32,
        /// Leaves of one tree.
        leaves: u32,
        /// Features that each tree has histograms of.
        features: u16,
        /// Slots of a histogram.
        slots: u16,
    },
    /// `[trees, leaves, features, slots, 2]`: sums of first and second derivatives, signed; 1 feature of 1 slot where
    /// all rows of a leaf are added up.
    Gradients {
        /// Trees.
        trees: u32,
        /// Leaves of one tree.
        leaves: u32,
        /// Features that each tree has histograms of.
        features: u16,
        /// Slots of a histogram.
        slots: u16,
    },
}

impl TableShape {
    /// May cells be below 0 before noise? Counters then hold them in two's complement, and are added so.
    pub const fn is_signed(&self) -> bool {
        matches!(self, Self::Gradients { .. })
    }

    /// Number of cells.
    pub const fn cells(&self) -> usize {
        match self {
            Self::LeafCounts { trees, leaves } => *trees as usize * *leaves as usize * CLASSES,
            Self::ScoreHistogram { bins } => *bins as usize * CLASSES,
            Self::Histograms {
                trees,
                leaves,
                features,
                slots,
            }
            | Self::Gradients {
                trees,
                leaves,
                features,
                slots,
            } => *trees as usize * *leaves as usize * *features as usize * *slots as usize * CLASSES,
        }
    }
}

/// A table: counts before noise, or noised totals. Cells are signed, because noise is.
#[derive(Clone, PartialEq, Eq)]
pub struct Table {
    shape: TableShape,
    cells: Vec<i64>,
}

/// A table that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Not as many cells as the shape has.
    #[error("a table of shape {shape:?} has {expected} cells, found {seen}")]
    Cells {
        /// The shape.
        shape: TableShape,
        /// Its number of cells.
        expected: usize,
        /// The number found.
        seen: usize,
    },
    /// Two tables of different shapes.
    #[error("expected a table of shape {expected:?}, found {seen:?}")]
    Shape {
        /// The shape expected.
        expected: TableShape,
        /// The shape found.
        seen: TableShape,
    },
    /// A cell beyond 63 bits.
    #[error("cell {cell} overflows")]
    Overflow {
        /// Position of the cell.
        cell: usize,
    },
}

impl Table {
    /// A table of zeros.
    pub fn zeros(shape: TableShape) -> Self {
        Self {
            shape,
            cells: vec![0; shape.cells()],
        }
    }

    /// A table from its cells, in the shape's order.
    ///
    /// # Errors
    /// [`TableError::Cells`].
    pub fn from_cells(shape: TableShape, cells: Vec<i64>) -> Result<Self, TableError> {
        if cells.len() == shape.cells() {
            Ok(Self { shape, cells })
        } else {
            Err(TableError::Cells {
                shape,
                expected: shape.cells(),
                seen: cells.len(),
            })
        }
    }

    /// A table from the counters of [`crate::route::Router::count`].
    ///
    /// # Errors
    /// [`TableError::Cells`], or [`TableError::Overflow`] for a count beyond 63 bits. Counters of a signed shape
    /// ([`TableShape::is_signed`]) are taken as two's complement.
    pub fn from_counts(shape: TableShape, counts: &[u64]) -> Result<Self, TableError> {
        let cells = counts
            .iter()
            .enumerate()
            .map(|(cell, count)| match i64::try_from(*count) {
                Ok(count) => Ok(count),
                Err(_) if shape.is_signed() => Ok(*count as i64),
                Err(_) => Err(TableError::Overflow { cell }),
            })
            .collect::<Result<_, _>>()?;
        Self::from_cells(shape, cells)
    }

    /// Dimensions.
    pub const fn shape(&self) -> TableShape {
        self.shape
    }

    /// Cells in the shape's order.
    pub fn cells(&self) -> &[i64] {
        &self.cells
    }

    /// Cells, to be changed.
    pub fn cells_mut(&mut self) -> &mut [i64] {
        &mut self.cells
    }

    /// The cells alone.
    pub fn into_cells(self) -> Vec<i64> {
        self.cells
    }

    /// Adds another table of the same shape, cell by cell.
    ///
    /// # Errors
    /// [`TableError::Shape`]; [`TableError::Overflow`], and then nothing is added.
    pub fn add(&mut self, other: &Self) -> Result<(), TableError> {
        if self.shape != other.shape {
            return Err(TableError::Shape {
                expected: self.shape,
                seen: other.shape,
            });
        }
        let sums = self
            .cells
            .iter()
            .zip(&other.cells)
            .enumerate()
            .map(|(cell, (a, b))| a.checked_add(*b).ok_or(TableError::Overflow { cell }))
            .collect::<Result<_, _>>()?;
        self.cells = sums;
        Ok(())
    }
}

// Counts before noise must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: TableShape = TableShape::LeafCounts { trees: 1, leaves: 2 };

    #[test]
    fn addition_is_checked() {
        let mut sum = Table::from_cells(SHAPE, vec![1, -2, 3, i64::MAX]).unwrap();
        sum.add(&Table::from_cells(SHAPE, vec![10, 20, -30, 0]).unwrap())
            .unwrap();
        assert_eq!(sum.cells(), [11, 18, -27, i64::MAX]);
        let before = sum.clone();
        let one = Table::from_counts(SHAPE, &[1, 1, 1, 1]).unwrap();
        assert_eq!(sum.add(&one), Err(TableError::Overflow { cell: 3 }));
        assert_eq!(sum, before);
        let other = Table::zeros(TableShape::ScoreHistogram { bins: 2 });
        assert_eq!(
            sum.add(&other),
            Err(TableError::Shape {
                expected: SHAPE,
                seen: other.shape()
            })
        );
    }

    #[test]
    fn cells_must_fit_the_shape() {
        assert_eq!(
            Table::from_cells(SHAPE, vec![0; 3]),
            Err(TableError::Cells {
                shape: SHAPE,
                expected: 4,
                seen: 3
            })
        );
        assert_eq!(
            Table::from_counts(SHAPE, &[0, 0, u64::MAX, 0]),
            Err(TableError::Overflow { cell: 2 })
        );
    }

    #[test]
    fn debug_shows_no_cell() {
        let table = Table::from_cells(SHAPE, vec![987_654; 4]).unwrap();
        assert!(!format!("{table:?}").contains("987"));
    }
}
