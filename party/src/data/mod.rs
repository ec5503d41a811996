//! The party's data engine: from files to contingency tables and blocks of binned rows.
//!
//! A source is a CSV file, a Parquet file, a folder of Parquet files, or SQL over such files. It is streamed in
//! batches through an embedded DataFusion, never loaded whole; the counters of a table are the only state that
//! grows with the question, and nothing grows with the data.
//!
//! | module | what it holds |
//! |---|---|
//! | [`source`] | what a `source = "..."` line of a configuration means |
//! | [`engine`] | threads, memory limit, and the DataFusion sessions |
//! | [`dataset`] | a party's rows under a schema: count, stream blocks, number of rows |
//! | [`linked`] | a row party's rows when they name entities of attribute parties |
//! | [`values`] | rows as numbers, for imported models |
//! | [`entities`] | an attribute party's table |
//! | [`key`] | the one rule by which keys become comparable |
//! | [`leaf_counts`] | the aggregate function that answers a table query; ships to a cluster as bytes |
//! | [`split`] | which rows are test rows |
//! | [`mod@derive`] | a schema from data, for simulations |
//! | [`mod@write`] | record batches to Parquet or CSV |
//! | [`error`], [`warning`] | what can be wrong, in words for the operator |
//!
//! Values and row numbers appear in [`DataError`]: it is for the party's own operator. What leaves the
//! organisation is [`DataError::public_reason`].

mod block;
mod column;
mod csv;
pub mod dataset;
pub mod derive;
pub mod engine;
pub mod entities;
pub mod error;
pub mod key;
mod label;
pub mod leaf_counts;
pub mod linked;
mod number;
mod numbered;
mod parquet;
mod scan;
pub mod source;
pub mod split;
mod sql;
pub mod values;
pub mod warning;
pub mod write;

pub use datafusion::arrow;
pub use dataset::{DataSet, DataSpec, RowCounts, Rows};
pub use derive::{SchemaRequest, column_names, derive_schema};
pub use engine::{CsvRules, Engine, EngineOptions};
pub use entities::{Attribute, Entities};
pub use error::DataError;
pub use key::KeyDigest;
pub use linked::unlabelled::NewRows;
pub use linked::{LinkColumns, LinkedRows, LinkedSpec, Named, RowStore};
pub use source::{Features, SourceSpec};
pub use split::Split;
pub use values::ValueRows;
pub use warning::DataWarning;

#[cfg(test)]
mod tests;
