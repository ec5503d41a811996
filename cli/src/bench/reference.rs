//! smartcore's random forest on the rows of `bench train`: what a known library needs for one tree.

use std::hint::black_box;
use std::time::Instant;

use hedgerow_forest::binning::Binner;
use hedgerow_party::data::{DataSet, Rows};
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::report::{Asked, BenchReport};
use crate::error::{CliError, Result};

/// Trees that are trained: smartcore searches every split, so a forest of a hundred would take most of an hour.
const TREES: u16 = 1;

/// Trains on all rows at once and prints seconds per tree beside `own`, the central training's seconds per tree.
///
/// smartcore gets the bins instead of the raw numbers, which loses nothing that the own forest sees and saves it
/// most of its sorting.
///
/// # Errors
/// Data that cannot be read, or a training that smartcore refuses.
pub async fn run(
    report: &mut BenchReport,
    parties: &[(String, DataSet)],
    binner: &Binner,
    depth: u8,
    own: f64,
) -> Result<()> {
    let mut columns: Vec<Vec<f32>> = vec![Vec::new(); binner.features().len()];
    let mut classes: Vec<u32> = Vec::new();
    for (_, data) in parties {
        data.for_each_block(binner, Rows::Train, |block, labels| {
            for (feature, column) in columns.iter_mut().enumerate() {
                column.extend(block.column(feature).iter().map(|bin| f32::from(*bin)));
            }
            classes.extend(labels.iter().map(|label| u32::from(*label)));
        })
        .await
        .map_err(CliError::library("read the rows"))?;
    }
    let (rows, features) = (classes.len(), columns.len());
    let matrix = DenseMatrix::new(rows, features, columns.concat(), true)
        .map_err(CliError::library("hand the rows to smartcore"))?;
    drop(columns);
    let parameters = RandomForestClassifierParameters::default()
        .with_n_trees(TREES)
        .with_max_depth(depth.into())
        .with_seed(1);
    let started = Instant::now();
    let forest = RandomForestClassifier::fit(&matrix, &classes, parameters)
        .map_err(CliError::library("train smartcore's forest"))?;
    let seconds = started.elapsed().as_secs_f64() / f64::from(TREES);
    black_box(&forest);
    report.row(
        &format!("smartcore's random forest, depth {depth}, one core, per tree"),
        Asked::Nothing,
        seconds,
        "s",
        format!("central training above: {own:.3} s a tree"),
    );
    Ok(())
}
