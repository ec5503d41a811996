//! What the row party adds up alone: what is local, and what counts while its entities' party is missing.

use std::ops::Range;

use rayon::prelude::*;

use super::{CHUNKS, GradientPlan, GradientRows, index, is_positive};
use crate::binning::Binned;
use crate::join::JoinError;
use crate::join::gradients::Side;
use crate::join::rows::LinkedBlock;
use crate::query::Hat;
use crate::route::lanes::ROWS;
use crate::table::CLASSES;

impl GradientPlan {
    /// What the row party knows alone, `[cells]`: local cells over all rows, and in joined ones the rows that name an
    /// entity out of all `entities`. On all threads of the current rayon pool.
    ///
    /// # Errors
    /// Blocks of another schema.
    pub fn local(&self, blocks: &[LinkedBlock], entities: &Range<u32>) -> Result<Vec<i64>, JoinError> {
        let nobody = self.entities(&Binned::new(0, self.attributes))?;
        let hats: Vec<Hat> = nobody.hats.iter().map(|hats| hats[0]).collect();
        let (at, derivatives) = self.derivatives()?;
        let knots: Vec<i64> = self.knots.margins().collect();
        let mut cells = vec![0i64; self.cells];
        for block in blocks {
            block.fits(self.row_columns, 1)?;
            let ordered = block.ordered(Some(0));
            let among = ordered.among(entities);
            let named = ordered.starts()[among.start]..ordered.starts()[among.end];
            let margins = at.of_rows(ordered.rows(), 0..ordered.rows().rows());
            let leaves = self.leaves(ordered.rows(), None)?;
            let pieces: Vec<usize> = (0..block.rows()).step_by(CHUNKS * ROWS).collect();
            let sums = pieces.into_par_iter().map(|start| {
                let mut cells = vec![0i64; self.cells];
                for place in start..block.rows().min(start + CHUNKS * ROWS) {
                    let joined = named.contains(&place);
                    if joined && knots.len() > 1 {
                        continue;
                    }
                    let of = |knot: usize| {
                        let margin = margins[index(place)] + knots[knot];
                        derivatives.of_margin(margin, is_positive(ordered, place))
                    };
                    let branch = self.branch(ordered.rows(), place);
                    let (g, h) = hats[branch].interpolate(of);
                    let (mut own, mut others) = (leaves.iter(), nobody.leaves[branch].iter());
                    for part in &self.parts {
                        let leaf = match part.side {
                            Side::Row => own.next().map(|leaves| leaves[index(place)]),
                            Side::Attribute => others.next().map(|leaves| leaves[0]).filter(|_| !joined),
                        };
                        let Some(leaf) = leaf else { continue };
                        let cell = part.first + CLASSES * usize::from(leaf);
                        cells[cell] += g;
                        cells[cell + 1] += h;
                    }
                }
                cells
            });
            let add = |mut sum: Vec<i64>, more: Vec<i64>| {
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                sum
            };
            let more = sums.reduce(|| vec![0; self.cells], add);
            cells.iter_mut().zip(more).for_each(|(cell, more)| *cell += more);
        }
        Ok(cells)
    }
}

impl GradientRows {
    /// What these rows add to the cells while their entities' party is missing: as if they named nobody.
    pub fn missing(&self, plan: &GradientPlan) -> Result<Vec<i64>, JoinError> {
        let nobody = plan.entities(&Binned::new(0, plan.attributes))?;
        let (rows, knots) = (self.references.len(), plan.knots.count());
        let mut cells = vec![0i64; plan.cells];
        let weight = |class: usize, knot: usize, row: usize| {
            i64::from(self.weights[(class * knots + knot) * rows + row])
        };
        for row in 0..rows {
            let branch = usize::from(self.branches[row]);
            let hat = nobody.hats[branch][0];
            let (g, h) = hat.interpolate(|knot| (weight(0, knot, row), weight(1, knot, row)));
            let own = plan
                .joined(Side::Row)
                .zip(&self.leaves)
                .map(|(part, leaves)| (part, leaves[row]));
            let others = plan.joined(Side::Attribute).zip(&nobody.leaves[branch]);
            for (part, leaf) in own.chain(others.map(|(part, leaves)| (part, leaves[0]))) {
                let cell = part.first + CLASSES * usize::from(leaf);
                cells[cell] += g;
                cells[cell + 1] += h;
            }
        }
        Ok(cells)
    }
}
