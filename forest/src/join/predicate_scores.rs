//! The row party's side of a private prediction where profiles are too many: scores by predicate.

use super::JoinError;
use super::counter::row_part;
use super::error::expect;
use super::plan::{JoinPlan, LeafRole};
use crate::binning::{Binned, Binner};
use crate::query::{Measure, TableQuery};
use crate::route::lanes::ROWS;
use crate::route::reach::{Reach, ReachScratch, bits, row_at};
use crate::schema::Schema;

/// A forest taken apart by what its leaves demand of an entity.
///
/// The score of a joined row is exactly `local[row]` and, for every link and every one of its predicates that the
/// row's entity passes, `of_link(link)[predicate][row]`.
#[derive(Debug)]
pub struct PredicateScores {
    plan: JoinPlan,
    reach: Reach,
    /// `[trees, leaves]`
    leaf_values: Vec<u32>,
    /// Per link the predicates of its trees, ascending.
    predicates: Vec<Vec<usize>>,
}

impl PredicateScores {
    /// Takes a forest apart. `query` holds its trees and leaf values ([`TableQuery::score_histogram`], any bins).
    ///
    /// # Errors
    /// A query without leaf values, a tree that tests columns of two links, or what [`JoinPlan::new`] refuses.
    pub fn new(query: &TableQuery, schema: &Schema, binner: &Binner) -> Result<Self, JoinError> {
        let Measure::ScoreHistogram { leaf_values, .. } = query.measure() else {
            return Err(JoinError::NoLeafValues { seen: query.kind() });
        };
        let leaves = TableQuery::leaf_counts(query.trees().clone())?;
        let plan = JoinPlan::new(&leaves, schema, binner)?;
        let (mut trees, mut open) = (Vec::new(), Vec::new());
        for (position, tree) in query.trees().iter().enumerate() {
            // A score is linear in the bits of one entity.
            plan.links().link_of_tree(position, tree)?;
            let (own, others) = row_part(plan.links(), tree)?;
            trees.push(own);
            open.extend(others);
        }
        let of_link = |link| {
            let trees = (0..plan.trees()).filter(|tree| plan.link_of_tree(*tree) == Some(link));
            plan.groups(trees)
                .into_iter()
                .map(|group| group.predicate)
                .collect()
        };
        Ok(Self {
            predicates: (0..plan.links().links().len()).map(of_link).collect(),
            reach: Reach::new(&trees, open),
            leaf_values: leaf_values.to_vec(),
            plan,
        })
    }

    /// The plan of the forest's leaves.
    pub const fn plan(&self) -> &JoinPlan {
        &self.plan
    }

    /// The predicates of a link's trees, as indices of [`JoinPlan::predicates`], ascending.
    pub fn predicates(&self, link: usize) -> &[usize] {
        self.predicates.get(link).map_or(&[], Vec::as_slice)
    }

    /// For every row the sum of the values of the leaves that it reaches whatever its entities are.
    ///
    /// # Errors
    /// A block of another schema.
    pub fn local(&self, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        let mut sums = vec![0; rows.rows()];
        self.for_each_leaf(rows, |_, role, row, value| {
            if let (LeafRole::Local, Some(sum)) = (role, sums.get_mut(row)) {
                *sum += value;
            }
        })?;
        Ok(sums)
    }

    /// For every predicate of the link ([`PredicateScores::predicates`]) and row the sum of the values of the leaves
    /// of the link's trees that the row reaches if its entity passes: `[predicates, rows]`.
    ///
    /// # Errors
    /// A block of another schema.
    pub fn of_link(&self, link: usize, rows: &Binned) -> Result<Vec<u32>, JoinError> {
        let (own, count) = (self.predicates(link), rows.rows());
        let mut place = vec![None; self.plan.predicates().len()];
        for (position, predicate) in own.iter().enumerate() {
            if let Some(place) = place.get_mut(*predicate) {
                *place = Some(position);
            }
        }
        let mut sums = vec![0; own.len() * count];
        self.for_each_leaf(rows, |tree, role, row, value| {
            if let (LeafRole::Joined(predicate), true) = (role, self.plan.link_of_tree(tree) == Some(link))
                && let Some(Some(position)) = place.get(predicate)
                && let Some(sum) = sums.get_mut(position * count + row)
            {
                *sum += value;
            }
        })?;
        Ok(sums)
    }

    /// Calls `visit` with tree, role and value of every leaf that every row may reach.
    fn for_each_leaf(
        &self,
        rows: &Binned,
        mut visit: impl FnMut(usize, LeafRole, usize, u32),
    ) -> Result<(), JoinError> {
        expect(
            "columns of the rows",
            self.plan.links().row_columns(),
            rows.features(),
        )?;
        let mut scratch = ReachScratch::new();
        let leaves = self.plan.leaves();
        for start in (0..rows.rows()).step_by(ROWS) {
            let part = start..rows.rows().min(start + ROWS);
            // The rows of a part that is not full are the first, which are no run of positions: all are let in, and
            // those that there are not are left out below.
            let (present, count) = (bits(0..ROWS), part.len());
            self.reach
                .for_each_tree(&mut scratch, rows, part, &present, |tree, masks| {
                    let first = tree * leaves;
                    let roles = self.plan.roles().iter().zip(&self.leaf_values).skip(first);
                    for (mask, (role, value)) in masks.iter().zip(roles) {
                        for (word, ones) in mask.iter().enumerate() {
                            let mut rest = *ones;
                            while rest != 0 {
                                let row = row_at(64 * word + rest.trailing_zeros() as usize);
                                if row < count {
                                    visit(tree, *role, start + row, *value);
                                }
                                rest &= rest - 1;
                            }
                        }
                    }
                });
        }
        Ok(())
    }
}
