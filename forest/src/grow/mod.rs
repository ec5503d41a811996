//! From released answers to the next query, and at the end to the model.
//!
//! Growth is a deterministic function of its public parameters and of the answers so far. Every party and the
//! coordinator run it side by side, so a query never travels, and all end with the same model byte for byte: only
//! integers and the correctly rounded operations of IEEE 754 are used, no function of a mathematical library.
//!
//! ```
//! # use hedgerow_forest::{grow, params::{ForestParams, Growth}, schema::{Column, Label, Schema}};
//! # use hedgerow_forest::{binning::{Binned, Binner}, route::Router, table::Table};
//! let schema = Schema {
//!     features: vec![Column::numeric("x", 0.0, 8.0)],
//!     label: Label { name: "y".into(), positive: "1".into() },
//! };
//! let params = ForestParams { trees: 10, depth: 2, bins: 8, growth: Growth::Random };
//! let binner = Binner::new(&schema, params.bins)?;
//! let mut block = Binned::new(4, 1);
//! block.column_mut(0).copy_from_slice(&[0, 1, 6, 7]);
//!
//! let mut growth = grow::growth(&schema, &binner, params, [7; 32], None)?;
//! let mut answer = None;
//! let forest = loop {
//!     match growth.next(answer)? {
//!         grow::Step::Ask(query) => {
//!             let mut counts = vec![0; query.cells()];
//!             Router::new(&query).count(&block, &[0, 0, 1, 1], &mut counts);
//!             answer = Some(Table::from_counts(query.shape(), &counts)?);
//!         }
//!         grow::Step::Done(forest) => break forest,
//!     }
//! };
//! let scores = forest.scores(&block);
//! assert!(scores[0] < forest.threshold && scores[3] >= forest.threshold);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::binning::{Binner, BinningError};
use crate::model::Forest;
use crate::params::{ForestParams, Growth, ParamsError};
use crate::query::{QueryError, TableQuery};
use crate::schema::Schema;
use crate::table::{Table, TableShape};

pub mod random;
pub mod structure;

mod leaf_values;
mod threshold;

/// A learning algorithm, seen from the engine that answers its queries.
pub trait Grow {
    /// Takes the answer to the last query (`None` at the start) and says what comes next.
    ///
    /// # Errors
    /// A [`GrowError`] if the answer is missing, unasked for, or of another shape than the query's; the growth stays
    /// where it was.
    fn next(&mut self, answer: Option<Table>) -> Result<Step, GrowError>;
}

/// What a growing forest wants.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one is made per run; a box would only be in the way"
)]
pub enum Step {
    /// The answer to this query.
    Ask(TableQuery),
    /// Nothing more: this is the model, without a privacy statement.
    Done(Forest),
}

/// Standard deviation of the noise in a released cell, in rows. Public: it follows from the privacy parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseScale {
    /// Of a cell of leaf counts.
    pub leaf_cell: f64,
    /// Of a cell of the score histogram.
    pub histogram_cell: f64,
}

/// Why growth cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GrowError {
    /// Hyper-parameters out of range.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The schema or its bins.
    #[error(transparent)]
    Binning(#[from] BinningError),
    /// The binner has other bins than the parameters say.
    #[error("growth: the binner has {seen} bins, forest.bins is {expected}")]
    Bins {
        /// Bins of the parameters.
        expected: u16,
        /// Bins of the binner.
        seen: u16,
    },
    /// The binner was made for another schema.
    #[error("growth: the binner has {seen} features, the schema has {expected}")]
    Features {
        /// Features of the schema.
        expected: usize,
        /// Features of the binner.
        seen: usize,
    },
    /// A noise scale that is no standard deviation.
    #[error("growth: noise of a {cell} must be a finite number of rows, not below 0, found {seen}")]
    Noise {
        /// Which cell.
        cell: &'static str,
        /// Its value.
        seen: f64,
    },
    /// The query was asked, and no answer came.
    #[error("growth: expected an answer of shape {expected:?}, found none")]
    MissingAnswer {
        /// Shape of the query.
        expected: TableShape,
    },
    /// An answer came before any query, or after the last.
    #[error("growth: an answer of shape {seen:?} that nobody asked for")]
    UnexpectedAnswer {
        /// Its shape.
        seen: TableShape,
    },
    /// An answer to another query.
    #[error("growth: expected an answer of shape {expected:?}, found {seen:?}")]
    Shape {
        /// Shape of the query.
        expected: TableShape,
        /// Shape of the answer.
        seen: TableShape,
    },
    /// The model is finished.
    #[error("growth: the forest is already finished")]
    Finished,
    /// A query that does not hold together.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// The growth that `params` names: one constructor for parties, coordinator, and pooled training.
///
/// `seed` is public. `noise` is `None` if answers are exact.
///
/// # Errors
/// Parameters, schema, binner or noise that do not hold together.
pub fn growth(
    schema: &Schema,
    binner: &Binner,
    params: ForestParams,
    seed: [u8; 32],
    noise: Option<NoiseScale>,
) -> Result<Box<dyn Grow + Send>, GrowError> {
    match params.growth {
        Growth::Random => Ok(Box::new(random::RandomGrowth::new(
            schema, binner, params, seed, noise,
        )?)),
    }
}
