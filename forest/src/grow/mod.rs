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
//! let params = ForestParams::new(10, 2, 8, Growth::Random);
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
use crate::query::{QueryError, QueryKind, TableQuery};
use crate::schema::Schema;
use crate::table::{Table, TableShape};

pub mod boosted;
pub mod plan;
pub mod random;
pub mod structure;

pub mod choose;
mod greedy;
mod leaf_values;
mod threshold;
mod walks;

pub use choose::choose;
pub use plan::{PlannedQuery, plan};

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
pub enum Step {
    /// The answer to this query.
    Ask(TableQuery),
    /// Nothing more: this is the model, without a privacy statement.
    Done(Forest),
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
    #[error("growth: noise of {query} must be a finite number of rows, not below 0, found {seen}")]
    Noise {
        /// Of which query.
        query: QueryKind,
        /// Its value.
        seen: f64,
    },
    /// Not one noise scale for each planned query.
    #[error("growth: expected a noise scale for each of {expected} planned queries, found {seen}")]
    NoiseScales {
        /// Planned queries.
        expected: usize,
        /// Scales given.
        seen: usize,
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
    /// Boosted trees over links of which margins cannot be divided between two parties.
    #[error(
        "growth: boosted trees over links are drawn, and over one link only: expected split \"random\" and one link, \
         found split {split:?} and {links}"
    )]
    BoostedLinks {
        /// Links of the schema.
        links: usize,
        /// Where splits come from.
        split: crate::params::SplitChoice,
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
/// `seed` is public. `noise` is `None` if answers are exact; otherwise the standard deviation of the noise in a cell,
/// in what the cell counts, for each query of [`plan()`]. It is public: it follows from the privacy parameters.
///
/// # Errors
/// Parameters, schema, binner or noise that do not hold together.
pub fn growth(
    schema: &Schema,
    binner: &Binner,
    params: ForestParams,
    seed: [u8; 32],
    noise: Option<&[f64]>,
) -> Result<Box<dyn Grow + Send>, GrowError> {
    let noise = Noise::new(&plan(schema, &params)?, noise)?;
    schema.validate().map_err(BinningError::from)?;
    if binner.len() != schema.len() {
        return Err(GrowError::Features {
            expected: schema.len(),
            seen: binner.len(),
        });
    }
    if binner.bins() != params.bins {
        return Err(GrowError::Bins {
            expected: params.bins,
            seen: binner.bins(),
        });
    }
    match params.growth {
        Growth::Random => Ok(Box::new(random::RandomGrowth::new(
            schema, binner, params, seed, noise,
        )?)),
        Growth::Boosted => Ok(Box::new(boosted::BoostedGrowth::new(
            schema, binner, &params, seed, noise,
        )?)),
        Growth::Greedy | Growth::Quantile => Ok(Box::new(greedy::GreedyGrowth::new(
            schema, binner, params, &seed, noise,
        )?)),
    }
}

/// Noise of the planned queries; none has 0 if answers are exact.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noise(Vec<(QueryKind, f64)>);

impl Noise {
    fn new(plan: &[PlannedQuery], noise: Option<&[f64]>) -> Result<Self, GrowError> {
        let Some(noise) = noise else {
            return Ok(Self::default());
        };
        if noise.len() != plan.len() {
            return Err(GrowError::NoiseScales {
                expected: plan.len(),
                seen: noise.len(),
            });
        }
        let of: Vec<_> = plan
            .iter()
            .map(|query| query.kind)
            .zip(noise.iter().copied())
            .collect();
        match of.iter().find(|(_, seen)| !seen.is_finite() || *seen < 0.0) {
            Some((query, seen)) => Err(GrowError::Noise {
                query: *query,
                seen: *seen,
            }),
            None => Ok(Self(of)),
        }
    }

    /// Standard deviation of a cell of the query of this kind.
    pub(crate) fn of(&self, kind: QueryKind) -> f64 {
        let of = self.0.iter().find(|(query, _)| *query == kind);
        of.map_or(0.0, |(_, deviation)| *deviation)
    }
}

/// The answer to `query`, or what is wrong with it.
pub(crate) fn expect(answer: Option<Table>, query: &TableQuery) -> Result<Table, GrowError> {
    let expected = query.shape();
    match answer {
        None => Err(GrowError::MissingAnswer { expected }),
        Some(answer) if answer.shape() != expected => Err(GrowError::Shape {
            expected,
            seen: answer.shape(),
        }),
        Some(answer) => Ok(answer),
    }
}
