//! The same computation without protocol: one row at a time, one node at a time.

use hedgerow_forest::binning::Binned;
use hedgerow_forest::model::Forest;
use hedgerow_forest::query::{Measure, SCALE, TableQuery};
use hedgerow_forest::route::Router;
use hedgerow_forest::table::{CLASSES, Table};
use hedgerow_protocol::config::RunConfig;
use hedgerow_protocol::growth::Progression;

/// A binned row that stands for `copies` equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Bin of each feature.
    pub bins: Vec<u8>,
    /// Class, 0 or 1.
    pub label: u8,
    /// How often it is in the table. With powers of four for the parties, a total shows in base four whose
    /// row was counted, and how often.
    pub copies: i64,
}

/// The answer over these rows.
///
/// # Panics
/// If the query and the rows do not fit.
#[must_use]
pub fn count(query: &TableQuery, rows: &[Row]) -> Table {
    let mut table = Table::zeros(query.shape());
    let trees = query.trees();
    for row in rows {
        let leaves = trees
            .iter()
            .map(|tree| tree.leaf(|feature| row.bins[usize::from(feature)]));
        match query.measure() {
            Measure::LeafCounts => {
                for (tree, leaf) in leaves.enumerate() {
                    let cell = (tree * query.leaves() + leaf) * CLASSES + usize::from(row.label);
                    table.cells_mut()[cell] += row.copies;
                }
            }
            Measure::ScoreHistogram { leaf_values, bins } => {
                let score: u64 = leaves
                    .enumerate()
                    .map(|(tree, leaf)| u64::from(leaf_values[tree * query.leaves() + leaf]))
                    .sum();
                let bin = score * u64::from(*bins) / (u64::from(SCALE) * trees.len() as u64);
                table.cells_mut()[bin as usize * CLASSES + usize::from(row.label)] += row.copies;
            }
            Measure::Histograms(axes) => {
                let slots = usize::from(axes.slots());
                for (tree, leaf) in leaves.enumerate() {
                    let first = (tree * query.leaves() + leaf) * usize::from(axes.per_tree());
                    for (number, feature) in axes.of_tree(tree).iter().enumerate() {
                        let bin = row.bins[usize::from(*feature)];
                        let slot = usize::from(axes.slots_of(*feature)[usize::from(bin)]);
                        let cell = ((first + number) * slots + slot) * CLASSES + usize::from(row.label);
                        table.cells_mut()[cell] += row.copies;
                    }
                }
            }
            // The kernel's own arithmetic, one row at a time: its tests have it against another.
            Measure::Gradients(_) => {
                let mut block = Binned::new(1, row.bins.len());
                for (feature, bin) in row.bins.iter().enumerate() {
                    block.column_mut(feature)[0] = *bin;
                }
                let mut one = vec![0; query.cells()];
                Router::new(query).count(&block, &[row.label], &mut one);
                for (cell, one) in table.cells_mut().iter_mut().zip(one) {
                    *cell += one as i64 * row.copies;
                }
            }
            other => panic!("no plain count of {other:?}"),
        }
    }
    table
}

/// A run in the clear: step `i` is counted over `rows(i)`. Gives every step's totals and the model.
///
/// # Panics
/// If the forest does not grow on these rows.
#[must_use]
pub fn replay(config: &RunConfig, rows: impl Fn(usize) -> Vec<Row>) -> (Vec<Table>, Forest) {
    let mut progression = Progression::start(config).expect("a checked configuration grows");
    let mut totals = Vec::new();
    while let Some(query) = progression.query() {
        let table = count(query, &rows(totals.len()));
        progression
            .answer(&[], table.cells().to_vec())
            .expect("the forest grows");
        totals.push(table);
    }
    (
        totals,
        progression.forest().expect("nothing is asked any more").clone(),
    )
}
