//! Gradients over a link whose trees test one side each: what each party knows, and what the two multiply.
//!
//! With margins of two parts ([`crate::query::sides`]) a row adds `sum over knots j of hat_j(e) w_j(row)` to a cell: `hat_j`
//! are its entity's hats, known to the attribute party, `w_j` the derivatives at the row's margin plus the knot, known to
//! the row party. Who knows which rows a cell counts decides who multiplies:
//!
//! - a leaf of a tree over the rows' columns: the row party has `sum of w_j` by entity over the rows of the leaf, and
//!   multiplies encrypted hats by it;
//! - a leaf of a tree over an entity's columns: the attribute party has the hats of the leaf's entities, and multiplies
//!   encrypted sums of `w_j` of all rows of an entity by them.
//!
//! With a gate all this is by branch: `hat_j` are those of the entity in the row's branch, so an entity has hats for every
//! branch, and `w_j` counts in the branch of its row.
//!
//! So a party encrypts the same few vectors for all trees of a query. While there is one knot, rows know their gradients
//! themselves: cells by their own columns are local. Rows that name nobody are local too.

#![expect(
    clippy::indexing_slicing,
    reason = "hot loops over tables of their own making; inputs are checked at the entrance"
)]

use std::ops::Range;

use rayon::prelude::*;

use super::JoinError;
use super::error::expect;
use super::links::{Links, Owner};
use super::rows::{LinkedBlock, Ordered};
use crate::binning::{Binned, Binner};
use crate::query::{Axes, GATE_BRANCHES, Gradients, HAT_BITS, Hat, Knots, Measure, TableQuery};
use crate::route::Router;
use crate::route::gradients::{Derivatives, Margins};
use crate::route::lanes::ROWS;
use crate::route::reach::row_at;
use crate::schema::Schema;
use crate::schema::link::{BIN_OF_KNOWN, BIN_OF_UNKNOWN};
use crate::table::CLASSES;
use crate::tree::{BinSet, Split, Tree};

mod local;

/// Rows that a thread takes at a time, in chunks.
const CHUNKS: usize = 32;

/// Whose columns a tree of a query tests, or a histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The rows'.
    Row,
    /// The entity's.
    Attribute,
}

/// One list of cells: of a tree's leaves, or of a feature's slots in a query of histograms of all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Who knows which rows a cell counts.
    pub side: Side,
    /// Its first cell in the query's table.
    pub first: usize,
    /// Leaves or slots; each has two cells, one after the other.
    pub leaves: usize,
    /// Is the first test that of the gate? Then the first half of the leaves is of its left branch, the other of its right.
    pub gated: bool,
}

impl Part {
    /// The branches, among so many, whose rows can be in a leaf. Public: it follows from the query alone.
    pub fn branches_of(&self, leaf: usize, branches: usize) -> Range<usize> {
        if self.gated && branches == GATE_BRANCHES {
            let branch = usize::from(leaf >= self.leaves / 2);
            return branch..branch + 1;
        }
        0..branches
    }
}

/// The plan of a query of gradients over one link: a function of query and schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GradientPlan {
    gradients: Gradients,
    /// The trees that grow; none in a query of histograms.
    trees: Vec<Tree>,
    knots: Knots,
    /// The column of the rows that the gate tests, and the bins of its right branch.
    gate: Option<(u16, BinSet)>,
    /// For every feature of the schema its column at its owner; `known` comes after an entity's attributes.
    columns: Vec<(Side, u16)>,
    /// Columns of the rows, and of an entity without `known`.
    row_columns: usize,
    attributes: usize,
    /// The bins of the missing entity, `known` included.
    missing: Vec<u8>,
    parts: Vec<Part>,
    cells: usize,
}

/// What a row party knows of the rows that name entities of one party, by entity. Secret: not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct GradientRows {
    /// For every row the entity that it names, counted from the party's first; ascending.
    pub references: Vec<u32>,
    /// For every row its branch; all 0 without a gate.
    pub branches: Vec<u8>,
    /// `[2, knots, rows]`: first derivatives at every knot, then second ones, in units of `2^-(bits - HAT_BITS)`.
    pub weights: Vec<i32>,
    /// `[parts of the rows' side, rows]`: where every row is counted. Empty while there is one knot.
    pub leaves: Vec<Vec<u16>>,
}

impl std::fmt::Debug for GradientRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GradientRows")
            .field("rows", &self.references.len())
            .finish_non_exhaustive()
    }
}

/// What an attribute party knows of entities. Secret: not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct GradientEntities {
    /// `[branches, entities]`: its hats.
    pub hats: Vec<Vec<Hat>>,
    /// `[branches, parts of the attributes' side, entities]`: where its rows are counted.
    pub leaves: Vec<Vec<Vec<u16>>>,
}

impl std::fmt::Debug for GradientEntities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GradientEntities")
            .field("entities", &self.hats.first().map_or(0, Vec::len))
            .finish_non_exhaustive()
    }
}

impl GradientPlan {
    /// The plan of a query of gradients with margins of two parts.
    ///
    /// # Errors
    /// Another query; several links; a tree over columns of both sides beyond the gate, or one whose side is not what the
    /// query says; a gate that tests no column of the rows; histograms other than those of all rows at the base margin.
    pub fn new(query: &TableQuery, schema: &Schema, binner: &Binner) -> Result<Self, JoinError> {
        let Measure::Gradients(gradients) = query.measure() else {
            return Err(JoinError::Measure { seen: query.kind() });
        };
        let (Some(knots), Some(sides)) = (gradients.knots(), gradients.sides()) else {
            return Err(JoinError::OneMargin);
        };
        let links = Links::new(schema, binner)?;
        let ([link], [domain]) = (links.links(), links.domains()) else {
            return Err(JoinError::Links {
                seen: links.links().len(),
            });
        };
        let attributes = link.attributes.len();
        let columns = (0..links.features()).map(|feature| match links.owner(feature as u16) {
            Some(Owner::Link(_, Some(attribute))) => (Side::Attribute, attribute as u16),
            Some(Owner::Link(_, None)) => (Side::Attribute, attributes as u16),
            Some(Owner::Row(column)) => (Side::Row, column),
            None => (Side::Row, 0),
        });
        let mut plan = Self {
            gradients: gradients.clone(),
            trees: Vec::new(),
            knots,
            gate: None,
            columns: columns.collect(),
            row_columns: links.row_columns(),
            attributes,
            missing: domain.missing().chain([BIN_OF_UNKNOWN]).collect(),
            parts: Vec::new(),
            cells: query.cells(),
        };
        if let Some(gate) = gradients.gate() {
            let column = plan.columns.get(usize::from(gate.feature));
            let column = column.filter(|(side, _)| *side == Side::Row);
            let (_, column) = column.ok_or(JoinError::Range {
                what: "the rows' column of a gate",
                seen: gate.feature.into(),
                count: plan.row_columns,
            })?;
            plan.gate = Some((*column, gate.right));
        }
        for (tree, (of, attribute)) in gradients.trees().iter().zip(sides.iter()).enumerate() {
            let expected = if *attribute { Side::Attribute } else { Side::Row };
            if plan.side(tree, of)?.is_some_and(|seen| seen != expected) {
                return Err(JoinError::TwoSides { tree });
            }
        }
        match gradients.axes() {
            None => {
                for (tree, of) in query.trees().iter().enumerate() {
                    let leaves = query.leaves();
                    plan.parts.push(Part {
                        side: plan.side(tree, of)?.unwrap_or(Side::Row),
                        first: tree * leaves * CLASSES,
                        leaves,
                        gated: of.splits().first().is_some_and(|split| plan.is_gate(split)),
                    });
                }
                plan.trees = query.trees().to_vec();
            }
            Some(axes) => plan.histograms(query, axes)?,
        }
        Ok(plan)
    }

    fn histograms(&mut self, query: &TableQuery, axes: &Axes) -> Result<(), JoinError> {
        if !self.gradients.trees().is_empty() || query.trees().len() > 1 || query.leaves() > 1 {
            return Err(JoinError::Histograms { seen: query.kind() });
        }
        let slots = usize::from(axes.slots());
        for (number, feature) in axes.features().iter().enumerate() {
            let Some((side, _)) = self.columns.get(usize::from(*feature)) else {
                return Err(JoinError::Range {
                    what: "feature",
                    seen: (*feature).into(),
                    count: self.columns.len(),
                });
            };
            self.parts.push(Part {
                side: *side,
                first: number * slots * CLASSES,
                leaves: slots,
                gated: false,
            });
        }
        Ok(())
    }

    fn is_gate(&self, split: &Split) -> bool {
        self.gradients.gate() == Some(split)
    }

    /// The one side that a tree tests beyond the gate; `None` if it tests nothing.
    fn side(&self, tree: usize, of: &Tree) -> Result<Option<Side>, JoinError> {
        let mut found = None;
        let tests = of.splits().iter();
        for split in tests.filter(|split| !split.is_dummy() && !self.is_gate(split)) {
            let Some((side, _)) = self.columns.get(usize::from(split.feature)) else {
                return Err(JoinError::Feature {
                    tree,
                    seen: split.feature,
                    expected: self.columns.len(),
                });
            };
            if *found.get_or_insert(*side) != *side {
                return Err(JoinError::TwoSides { tree });
            }
        }
        Ok(found)
    }

    /// Knots between which gradients are interpolated.
    pub const fn knots(&self) -> &Knots {
        &self.knots
    }

    /// Branches of the gate; one without a gate.
    pub const fn branches(&self) -> usize {
        if self.gate.is_some() { GATE_BRANCHES } else { 1 }
    }

    /// All cells, in lists.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The parts of one side that are counted between the parties, in order; the others of [`Side::Row`] are local.
    pub fn joined(&self, side: Side) -> impl Iterator<Item = &Part> {
        let is_local = side == Side::Row && self.knots.count() == 1;
        self.parts
            .iter()
            .filter(move |part| part.side == side && !is_local)
    }

    /// Cells of the query.
    pub const fn cells(&self) -> usize {
        self.cells
    }

    /// Largest absolute derivative of a row at a knot, in the units of [`GradientRows::weights`].
    pub fn most_weight(&self) -> u32 {
        (self.gradients.clip().max(self.gradients.most_hessian())) >> HAT_BITS
    }

    /// Trees over the columns of one side, as their owner numbers them. With a branch those of the attribute party, in which
    /// rows of that branch go right or left at the gate.
    fn own(&self, trees: &[Tree], branch: Option<usize>) -> Result<Vec<Tree>, JoinError> {
        let own = |split: &Split| match (self.columns.get(usize::from(split.feature)), branch) {
            (Some(_), Some(branch)) if self.is_gate(split) && branch > 0 => Split {
                feature: 0,
                right: BinSet::range(0, u8::MAX),
            },
            (Some(_), Some(_)) if self.is_gate(split) => Split::DUMMY,
            (Some((_, column)), _) if !split.is_dummy() => Split {
                feature: *column,
                ..*split
            },
            _ => Split::DUMMY,
        };
        let tree = |tree: &Tree| {
            let splits = tree.splits().iter().map(own).collect();
            Tree::new(tree.depth(), splits).map_err(|_| JoinError::Shape {
                what: "tests of a tree",
                expected: tree.splits().len(),
                seen: 0,
            })
        };
        trees.iter().map(tree).collect()
    }

    /// The leaves, `[parts, rows]`, of the parts of one side over its own columns; of the attribute party's in one branch.
    fn leaves(&self, block: &Binned, branch: Option<usize>) -> Result<Vec<Vec<u16>>, JoinError> {
        let side = if branch.is_some() {
            Side::Attribute
        } else {
            Side::Row
        };
        let rows = block.rows();
        if let Some(axes) = self.gradients.axes() {
            let of = axes
                .features()
                .iter()
                .zip(&self.parts)
                .filter(|(_, part)| part.side == side);
            let leaves = of.map(|(feature, _)| {
                let (slots, column) = (axes.slots_of(*feature), self.columns[usize::from(*feature)].1);
                let bins = block.column(column.into()).iter();
                bins.map(|bin| slots[usize::from(*bin)].into()).collect()
            });
            return Ok(leaves.collect());
        }
        let of = self
            .trees
            .iter()
            .zip(&self.parts)
            .filter(|(_, part)| part.side == side);
        let trees = self.own(&of.map(|(tree, _)| tree.clone()).collect::<Vec<_>>(), branch)?;
        if trees.is_empty() || rows == 0 {
            return Ok(vec![Vec::new(); trees.len()]);
        }
        let leaves = Router::new(&TableQuery::leaf_counts(trees.into())?).leaves(block);
        Ok(leaves.chunks_exact(rows).map(<[u16]>::to_vec).collect())
    }

    /// The attribute party's side. `entities` are `[attributes of the link, entities]` without `known`; the last of the
    /// result, after all of them, is the entity that nobody knows.
    ///
    /// # Errors
    /// Another number of attributes.
    pub fn entities(&self, entities: &Binned) -> Result<GradientEntities, JoinError> {
        expect("attributes of the link", self.attributes, entities.features())?;
        let count = entities.rows();
        let mut all = Binned::new(count + 1, self.attributes + 1);
        for column in 0..=self.attributes {
            let to = all.column_mut(column);
            if column < self.attributes {
                to[..count].copy_from_slice(entities.column(column));
            } else {
                to.fill(BIN_OF_KNOWN);
            }
            to[count] = self.missing[column];
        }
        let (trees, values) = self.gradients.of_side(true);
        let (mut hats, mut leaves) = (Vec::new(), Vec::new());
        for branch in 0..self.branches() {
            let margins = Margins::new(&self.own(&trees, Some(branch))?, values.clone(), 0);
            let of = margins.of_rows(&all, 0..count + 1).into_iter();
            hats.push(of.map(|margin| self.knots.hat(margin)).collect());
            leaves.push(self.leaves(&all, Some(branch))?);
        }
        Ok(GradientEntities { hats, leaves })
    }

    /// The row party's side, of the rows that name an entity of a range; with several blocks block by block.
    ///
    /// # Errors
    /// Blocks of another schema.
    pub fn rows(&self, block: &LinkedBlock, entities: Range<u32>) -> Result<GradientRows, JoinError> {
        block.fits(self.row_columns, 1)?;
        let ordered = block.ordered(Some(0));
        let among = ordered.among(&entities);
        let starts = &ordered.starts()[among.start..=among.end];
        let named = starts[0]..starts[among.len()];
        let rows = named.len();
        let references = among.clone().zip(starts.windows(2)).flat_map(|(position, run)| {
            std::iter::repeat_n(ordered.entity(position) - entities.start, run[1] - run[0])
        });
        let references = references.collect();
        let knots = self.knots.count();
        let mut weights = vec![0i32; 2 * knots * rows];
        let (at, derivatives) = self.derivatives()?;
        let margins = at.of_rows(ordered.rows(), 0..ordered.rows().rows());
        let (first, second) = weights.split_at_mut(knots * rows);
        if rows > 0 {
            let pairs = first.par_chunks_mut(rows).zip(second.par_chunks_mut(rows));
            pairs
                .zip(self.knots.margins().collect::<Vec<_>>())
                .for_each(|((first, second), knot)| {
                    let places = first.iter_mut().zip(second).zip(named.clone());
                    for ((first, second), place) in places {
                        let (g, h) =
                            derivatives.of_margin(margins[index(place)] + knot, is_positive(ordered, place));
                        (*first, *second) = (g as i32, h as i32);
                    }
                });
        }
        let leaves = if knots == 1 {
            Vec::new()
        } else {
            self.leaves(ordered.rows(), None)?
        };
        let leaves = leaves
            .into_par_iter()
            .map(|leaves| named.clone().map(|place| leaves[index(place)]).collect())
            .collect();
        let branches = named.map(|place| self.branch(ordered.rows(), place) as u8);
        Ok(GradientRows {
            references,
            branches: branches.collect(),
            weights,
            leaves,
        })
    }

    fn derivatives(&self) -> Result<(Margins, Derivatives), JoinError> {
        let (trees, values) = self.gradients.of_side(false);
        let margins = Margins::new(&self.own(&trees, None)?, values, self.gradients.base);
        Ok((margins, Derivatives::between_knots(&self.gradients)))
    }

    /// The branch of the row of a place.
    fn branch(&self, rows: &Binned, place: usize) -> usize {
        let right =
            |(column, right): &(u16, BinSet)| right.contains(rows.column(usize::from(*column))[index(place)]);
        usize::from(self.gate.as_ref().is_some_and(right))
    }
}

/// Where the row of a place is kept.
const fn index(place: usize) -> usize {
    place / ROWS * ROWS + row_at(place % ROWS)
}

fn is_positive(rows: &Ordered, place: usize) -> bool {
    let (chunk, position) = (place / ROWS, place % ROWS);
    rows.positive(chunk)[position / 64] >> (position % 64) & 1 == 1
}

#[cfg(test)]
mod tests;
