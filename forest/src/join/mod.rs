//! Tables over rows whose columns are at several parties, in plain arithmetic: what each side computes, and how the
//! parts add up. No cryptography, no parties' names, no messages.
//!
//! A row party has rows with some columns, a label, and for every link a reference to an entity. An attribute party
//! has entities with the other columns. A leaf of a tree is a conjunction of tests on the row and of tests on one
//! entity ([`AttributePredicate`]), so a cell of the leaf table is
//!
//! ```text
//! T[cell] = local[cell] + sum over entities e of  u[cell][e] * q[predicate of cell][e]
//! ```
//!
//! with `u` the rows of the cell's class that pass the leaf's row tests and name `e` (row party, [`JoinCounter`]), and
//! `q` the entities that pass the predicate (attribute party, [`AttributePredicate::accepts`]). Rows that name nobody
//! are counted locally where the predicate accepts the missing.
//!
//! A tree may test columns of two links that lead to the same entities, in a vertical partition over three parties or
//! more: `q` is then the product of one predicate for each ([`JoinPlan::second_of`]).
//!
//! - [`links`]: links, their columns, and the [`ProfileDomain`] of what their entities can look like;
//! - [`predicate`]: what a leaf demands of an entity;
//! - [`plan`]: which cells are local, which are joined, and which of these share a predicate;
//! - [`rows`], [`counter`], [`weights`], `histograms`: the row party's side;
//! - [`scores`], [`predicate_scores`]: the row party's side of a private prediction;
//! - [`gradients`]: boosted trees, each over the columns of one side;
//! - [`pooled()`]: the joined table in one place, which all of it must equal.
//!
//! ```
//! use hedgerow_forest::binning::{Binned, Binner};
//! use hedgerow_forest::join::{Entities, JoinCounter, JoinPlan, LinkedBlock, NOBODY, pooled};
//! use hedgerow_forest::query::TableQuery;
//! use hedgerow_forest::route::Router;
//! use hedgerow_forest::schema::{Column, Label, Schema};
//! use hedgerow_forest::tree::{BinSet, Split, Tree};
//!
//! let schema = Schema {
//!     features: vec![
//!         Column::numeric("amount", 0.0, 4.0),
//!         Column::known("to"),
//!         Column::categorical("flag", ["good", "bad"]).read_through("to"),
//!     ],
//!     label: Label { name: "fraud".into(), positive: "1".into() },
//! };
//! let binner = Binner::new(&schema, 4)?;
//! let split = |feature, bin| Split { feature, right: BinSet::range(bin, bin) };
//! let tree = Tree::new(2, vec![split(0, 3), split(2, 1), split(2, 2)])?;
//! let query = TableQuery::leaf_counts(vec![tree].into())?;
//! let plan = JoinPlan::new(&query, &schema, &binner)?;
//!
//! // The row party: three rows that name entity 0, entity 1 and nobody.
//! let mut rows = Binned::new(3, 1);
//! rows.column_mut(0).copy_from_slice(&[3, 1, 3]);
//! let (labels, references) = ([1, 0, 0], [0, 1, NOBODY]);
//! let block = LinkedBlock::new(rows.clone(), &labels, &[references])?;
//! let counter = JoinCounter::new(&query, &plan)?;
//! let blocks = [block];
//! let mut table = counter.local(&blocks)?;
//! let weights = counter.weights(&blocks, 0..1, 0..2)?;
//!
//! // The attribute party: two entities, one good, one bad; and what encryption computes between the two.
//! let mut flags = Binned::new(2, 1);
//! flags.column_mut(0).copy_from_slice(&[0, 1]);
//! for (cell, u) in weights.iter() {
//!     let predicate = plan.predicate_of(cell).unwrap();
//!     let q = (0..2).map(|entity| predicate.accepts(Some(&[flags.column(0)[entity]])));
//!     table[cell] += u.iter().zip(q).filter(|(_, q)| *q).map(|(u, _)| u64::from(*u)).sum::<u64>();
//! }
//!
//! let joined = pooled(plan.links(), &rows, &[Entities { references: &references, attributes: &flags }])?;
//! let mut expected = vec![0; query.cells()];
//! Router::new(&query).count(&joined, &labels, &mut expected);
//! assert_eq!(table, expected);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod counter;
mod error;
pub mod gradients;
mod histograms;
pub mod links;
pub mod plan;
pub mod pooled;
pub mod predicate;
pub mod predicate_scores;
pub mod rows;
pub mod scores;
pub mod weights;

pub use counter::JoinCounter;
pub use error::JoinError;
pub use gradients::{GradientEntities, GradientPlan, GradientRows, Part, Side};
pub use links::{LinkColumns, Links, ProfileDomain};
pub use plan::{Group, JoinPlan, LeafRole};
pub use pooled::{Entities, pooled};
pub use predicate::AttributePredicate;
pub use predicate_scores::PredicateScores;
pub use rows::{LinkedBlock, NOBODY};
pub use scores::PartialScores;
pub use weights::Weights;

#[cfg(test)]
mod tests;
