//! From one packing to another: any permutation of slots as generalised diagonals, one level.

use std::collections::BTreeMap;

use super::{TileError, TileShape, TileTensor};
use crate::linear::{Fold, Grid, Mask, Matrix, StepCost, Steps, dense, split};
use crate::scheme::Scheme;

impl<C: Clone> TileTensor<C> {
    /// The same tensor packed as `shape`: every element is brought to all its places by rotations and masks, split into
    /// baby and giant steps. Unknown slots of the operand do not matter; those of the result are zero. One level.
    ///
    /// # Errors
    /// A shape for a tensor of other sizes or with tiles of other slots, no level left.
    pub fn reshape<S: Scheme<Ciphertext = C>>(
        &self,
        scheme: &S,
        shape: &TileShape,
    ) -> Result<Self, TileError> {
        if shape.sizes() != self.shape().sizes() {
            let (actual, expected) = (self.shape().sizes(), shape.sizes());
            return Err(TileError::Sizes {
                actual,
                expected,
                shape: shape.clone(),
            });
        }
        if let Some(packed) = [self.shape(), shape]
            .into_iter()
            .find(|s| s.complex_dim().is_some())
        {
            return Err(TileError::Complex {
                operation: "reshape",
                shape: packed.clone(),
                reason: "elements would change between the parts; split_complex before, join_complex after",
            });
        }
        let slots = scheme.slots();
        if let Some(wrong) = [shape, self.shape()].into_iter().find(|s| s.slots() != slots) {
            return Err(TileError::Slots {
                shape: wrong.clone(),
                expected: wrong.slots(),
                actual: slots,
            });
        }
        let mut sources: BTreeMap<Vec<usize>, Vec<(usize, usize)>> = BTreeMap::new();
        for (place, index) in places(self.shape()) {
            sources.entry(index).or_default().push(place);
        }
        let mut blocks: BTreeMap<(u32, u32), BTreeMap<u32, Mask>> = BTreeMap::new();
        for ((tile, slot), index) in places(shape) {
            // Of the copies of an element, the one that needs the smallest rotation.
            let copies = sources.get(&index).into_iter().flatten();
            let nearest = copies
                .map(|&(from, at)| ((at + slots - slot) % slots, from))
                .min();
            if let Some((rotation, from)) = nearest {
                let block = blocks.entry((tile as u32, from as u32)).or_default();
                block.entry(rotation as u32).or_default().push((slot as u32, 1.0));
            }
        }
        let matrix = Matrix {
            inputs: self.tiles().len(),
            outputs: shape.tiles(),
            blocks,
        };
        let grid = Grid::new(slots, 1);
        let cost = StepCost {
            hoist: 1.0,
            hoisted: 1.0,
            rotate: 2.0,
        };
        let masks = split(&matrix, Fold::None, Steps::cheapest(&matrix, grid, 1, cost), grid);
        let level = self
            .tiles()
            .iter()
            .map(|tile| scheme.level(tile))
            .min()
            .unwrap_or(0);
        let map = masks.try_map(|mask| scheme.prepare(level, || dense(&mask, grid)))?;
        let known = shape.dims().iter().map(|dim| dim.with_unknown(false)).collect();
        let known = if shape.is_diagonal() {
            TileShape::diagonal(known)?
        } else {
            TileShape::new(known)?
        };
        Self::from_tiles(known, scheme.linear_transform(self.tiles(), &map)?)
    }
}

/// Every used slot with its element.
fn places(shape: &TileShape) -> impl Iterator<Item = ((usize, usize), Vec<usize>)> + '_ {
    let slots = (0..shape.tiles()).flat_map(|tile| (0..shape.slots()).map(move |slot| (tile, slot)));
    slots.filter_map(|(tile, slot)| Some(((tile, slot), shape.element(tile, slot)?)))
}
