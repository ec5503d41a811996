//! Tree ensembles of any source library: regression, two classes, several classes.
//!
//! What it is: the general form of a forest, with thresholds in the units of the columns (32 or 64 bits), and the exact
//! evaluation of it. [`crate::import`] makes one from an ONNX file of scikit-learn, XGBoost or LightGBM,
//! [`Ensemble::from_forest`] makes one from a model of our own, and [`crate::export`] writes one as ONNX or JSON. What it is
//! not: something to train; [`crate::model::Forest`] is that.
//!
//! Everything is checked when an [`Ensemble`] is made, so that no file can make it loop, index out of range or take
//! more than the stated limits ([`MAX_TREES`], [`MAX_NODES`], [`MAX_DEPTH`], [`MAX_FEATURES`], [`MAX_TARGETS`],
//! [`MAX_WEIGHTS`]).

use std::collections::HashMap;

use rayon::prelude::*;

pub mod bins;
mod check;
mod error;
mod evaluate;
mod from_forest;
mod inspect;
mod parts;
pub(crate) mod steps;
mod transform;

pub use bins::{Bins, FeatureBins};
pub use check::{MAX_DEPTH, MAX_FEATURES, MAX_NODES, MAX_TARGETS, MAX_TREES, MAX_WEIGHTS};
pub use error::{EnsembleError, RowsError};
pub use evaluate::Evaluation;
pub use parts::{
    Aggregate, Branch, Decision, Feature, Float, Labels, Mode, Node, Parts, Task, Transform, Weight,
};
pub use steps::{Constant, MAX_STEPS, Norm, Op, Step};
pub(crate) use steps::{Shape, exact_list};

/// Rows that are scored by one thread at a time.
const BLOCK: usize = 256;

/// A checked ensemble; immutable and `Sync`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    parts: Parts,
    shape: check::Shape,
    weights: evaluate::Weights,
}

impl Ensemble {
    /// Checks the parts.
    ///
    /// # Errors
    /// An [`EnsembleError`] that names the tree and the node at fault, what was seen and what is expected.
    pub fn new(parts: Parts) -> Result<Self, EnsembleError> {
        let shape = check::check(&parts)?;
        let weights = evaluate::Weights::of(&parts);
        Ok(Self {
            parts,
            shape,
            weights,
        })
    }

    /// What it is made of.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Columns of the input, in order.
    pub fn features(&self) -> &[Feature] {
        &self.parts.features
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.parts.roots.len()
    }

    /// Most tests on a path of each tree.
    pub fn depths(&self) -> &[usize] {
        &self.shape.depths
    }

    /// Leaves of each tree that a path leads to.
    pub fn leaves(&self) -> &[usize] {
        &self.shape.leaves
    }

    /// Scores of a row.
    pub const fn scores_per_row(&self) -> usize {
        self.shape.scores
    }

    /// Type of the scores of a row.
    pub fn score_type(&self) -> Float {
        self.registers()
            .last()
            .map_or(self.parts.output, |(_, float)| *float)
    }

    /// Number and type of the scores of a row, after all steps and after each of them (the trees' first).
    pub(crate) fn registers(&self) -> Vec<Shape> {
        let trees = (self.parts.task.targets(), self.parts.output);
        let upto = |count| {
            self.parts
                .steps
                .get(..count)
                .map(|steps| steps::check(steps, trees))
        };
        (0..=self.parts.steps.len())
            .filter_map(|count| upto(count)?.ok())
            .collect()
    }

    /// The nodes of a tree that can be reached, its root first, each with the positions of its children (yes, no) in
    /// this list; 0 and 0 for a leaf.
    pub(crate) fn nodes_of(&self, tree: usize) -> Vec<(Node, [u32; 2])> {
        let mut positions = HashMap::new();
        let mut list: Vec<(Node, [u32; 2])> = Vec::new();
        let mut open: Vec<(u32, Option<(usize, usize)>)> = Vec::new();
        open.extend(self.parts.roots.get(tree).map(|root| (*root, None)));
        while let Some((node, parent)) = open.pop() {
            let new = list.len() as u32;
            let position = *positions.entry(node).or_insert(new);
            if let Some((parent, side)) = parent
                && let Some(link) = list.get_mut(parent).and_then(|(_, links)| links.get_mut(side))
            {
                *link = position;
            }
            if position == new
                && let Some(found) = self.parts.nodes.get(node as usize)
            {
                list.push((*found, [0, 0]));
                if let Node::Branch(branch) = found {
                    open.push((branch.no, Some((new as usize, 1))));
                    open.push((branch.yes, Some((new as usize, 0))));
                }
            }
        }
        list
    }

    /// Scores and classes of rows.
    ///
    /// `rows` is `[rows, features]`, row by row: numbers as they are (rounded here to the type of the ensemble),
    /// categories as their position in [`Feature::categories`], missing values as NaN.
    ///
    /// # Errors
    /// [`RowsError`] if the values are not whole rows.
    pub fn evaluate(&self, rows: &[f64]) -> Result<Evaluation, RowsError> {
        let features = self.parts.features.len();
        if !rows.len().is_multiple_of(features) {
            let (expected, seen) = (features, rows.len());
            return Err(RowsError { expected, seen });
        }
        let blocks: Vec<Evaluation> = rows
            .par_chunks(features * BLOCK)
            .map(|block| evaluate::block(&self.parts, self.weights, block))
            .collect();
        let mut all = Evaluation::default();
        for block in blocks {
            all.scores.extend(block.scores);
            all.classes.extend(block.classes);
        }
        Ok(all)
    }

    /// The leaf of one row in each tree, as positions in [`Parts::nodes`]. `row` as in [`Self::evaluate`].
    ///
    /// # Errors
    /// [`RowsError`] if it is not one row.
    pub fn leaves_of(&self, row: &[f64]) -> Result<Vec<u32>, RowsError> {
        let (expected, seen) = (self.parts.features.len(), row.len());
        if expected != seen {
            return Err(RowsError { expected, seen });
        }
        let row: Vec<f64> = row.iter().map(|x| self.parts.rounded(*x)).collect();
        let leaf = |root: &u32| evaluate::leaf(&self.parts, *root, &row);
        Ok(self.parts.roots.iter().map(leaf).collect())
    }
}

#[cfg(test)]
mod tests;
