//! Random forests as a sequence of table queries.
//!
//! What it is: schemas and public binning, trees over binned rows, the [`query::TableQuery`] that a growing forest
//! asks, the kernel that routes rows to leaves, the growth itself, the finished model and its metrics. What it is
//! not: aware of parties, of noise mechanisms, of files or networks, or of time; randomness arrives as a seed.
//!
//! The way of a row: [`schema`] names the columns, [`binning`] turns values into `u8` bins between public bounds,
//! [`route`] finds the leaf of every (tree, row) and counts, [`table`] holds the counts, [`grow`] turns a released
//! table into the next query or into the finished [`model::Forest`].
//!
//! | module | what |
//! |---|---|
//! | [`schema`] | names, types and public bounds of the columns |
//! | [`binning`] | values to bins; blocks of binned rows |
//! | [`tree`] | complete binary trees whose tests are sets of bins |
//! | [`query`], [`table`] | what is asked, what is answered, in which layout |
//! | [`route`] | the counting and scoring kernel |
//! | [`params`], [`grow`] | hyper-parameters; from answers to the next query |
//! | [`model`], [`predict`] | the model file, its rendering, scores |
//! | [`join`] | rows whose columns are at several parties: who counts what, in the clear |
//! | [`ensemble`] | tree ensembles of any source library over raw values, evaluated as ONNX Runtime does |
//! | [`import`], [`export`] | ONNX files of other libraries; models as ONNX and JSON
//! | [`logistic`] | log-odds to probabilities, the same on every machine |
//! | [`metrics`] | AUROC, average precision, accuracy, curves |
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

pub mod binning;
pub mod ensemble;
mod exact;
pub mod export;
pub mod grow;
pub mod import;
pub mod join;
pub mod logistic;
pub mod metrics;
pub mod model;
mod onnx;
pub mod params;
pub mod predict;
pub mod query;
pub mod route;
pub mod schema;
pub mod table;
pub mod tree;

pub use params::{ForestParams, Growth};
