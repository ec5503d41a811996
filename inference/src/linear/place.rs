//! Which rotation brings which element to where it is summed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::numbers::Numbers;
use super::{Grid, Layout, Order};
use crate::graph::Affine;

/// How the partial sums of a row are spread and added up after the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fold {
    /// Each row in one place (and, if the layout says so, again in its copies).
    None,
    /// `count` partial sums, `period` positions apart, added by `log2(count)` rotations. Where the input repeats with
    /// period `period count`, the row ends up repeated with period `period`.
    Cyclic {
        /// Positions between partial sums; at least the rows.
        period: usize,
        /// Partial sums, a power of two.
        count: usize,
    },
    /// `count` partial sums, `step` positions apart, each from another copy of the input: where `step` exceeds the input's
    /// period, copies serve other diagonals; where it is that from one plane of the input to the next, and rows lie `count`
    /// planes apart, each plane needs the same rotations as the first (the sum over a dimension of HElayers). Nothing but
    /// the places of the rows holds a result.
    Skewed {
        /// Positions between partial sums.
        step: usize,
        /// Partial sums, a power of two.
        count: usize,
    },
}

impl Fold {
    /// Offsets of the partial sums.
    fn offsets(self) -> Vec<usize> {
        match self {
            Self::None => vec![0],
            Self::Cyclic { period, count } => (0..count).map(|k| k * period).collect(),
            Self::Skewed { step, count } => (0..count).map(|k| k * step).collect(),
        }
    }

    /// Rotations, in positions, each followed by an addition.
    pub fn rotations(self) -> Vec<usize> {
        let (step, count) = match self {
            Self::None => return Vec::new(),
            Self::Cyclic { period, count } => (period, count),
            Self::Skewed { step, count } => (step, count),
        };
        (0..count.max(1).ilog2()).map(|k| step << k).collect()
    }
}

/// Entries of one generalised diagonal: (position of the result before the rotation back, value).
pub type Mask = Vec<(u32, f64)>;

/// A map as generalised diagonals: for each output and input ciphertext, rotation in positions -> entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matrix {
    /// Input ciphertexts.
    pub inputs: usize,
    /// Output ciphertexts.
    pub outputs: usize,
    /// (output, input) -> rotation to the left, in `0..turns` of the grid -> entries.
    pub blocks: BTreeMap<(u32, u32), BTreeMap<u32, Mask>>,
}

impl Matrix {
    /// The rotations that are left where inputs come two in a ciphertext
    /// ([`PreparedMap::paired`](crate::scheme::PreparedMap::paired)), with empty masks: what a search needs.
    pub fn paired(&self) -> Self {
        let mut blocks: BTreeMap<(u32, u32), BTreeMap<u32, Mask>> = BTreeMap::new();
        for (&(output, input), block) in &self.blocks {
            let pair = blocks.entry((output, input / 2)).or_default();
            pair.extend(block.keys().map(|&rotation| (rotation, Mask::new())));
        }
        Self {
            inputs: self.inputs.div_ceil(2),
            outputs: self.outputs,
            blocks,
        }
    }
}

/// Places the entries of `map` between two layouts: of the copies of an element and the partial sums of a row, it takes
/// those with the smallest rotation, so that few rotations serve all. Of the places under windows, it takes the one under the
/// window of the row.
///
/// Both layouts must fit the grid's positions and the sizes of `map`, and no row may want what [`lacking`] finds.
pub fn place(map: &Affine, input: &Layout, output: &Layout, fold: Fold, grid: Grid) -> Matrix {
    let placing = Placing::new(input, output, fold, grid);
    let rows = || 0..map.outputs();
    let (mut numbers, found) = placing.rotations(map, rows(), placing.replicas.len());
    let mut masks: Vec<Vec<Mask>> = found.iter().map(|used| vec![Vec::new(); used.len()]).collect();
    placing.each(
        map,
        rows(),
        placing.replicas.len(),
        &mut numbers,
        |number, rotation, at, value| {
            if let Ok(rank) = found[number].binary_search(&rotation) {
                masks[number][rank].push((at, value));
            }
        },
    );
    let blocks = found.into_iter().zip(masks);
    placing.matrix(
        &numbers,
        blocks.map(|(used, masks)| used.into_iter().zip(masks).collect()),
    )
}

/// The rotations of [`place`], with empty masks: what a search needs.
pub fn rotations(map: &Affine, input: &Layout, output: &Layout, fold: Fold, grid: Grid) -> Matrix {
    sampled(map, 0..map.outputs(), input, output, fold, grid)
}

/// The [`rotations`] of some rows of the map: where the others are the same elsewhere, all.
pub fn sampled(
    map: &Affine,
    rows: impl IntoIterator<Item = usize>,
    input: &Layout,
    output: &Layout,
    fold: Fold,
    grid: Grid,
) -> Matrix {
    let placing = Placing::new(input, output, fold, grid);
    // Where the input looks the same from every replica, the first says all.
    let same = placing
        .replicas
        .iter()
        .all(|replica| replica % placing.modulus == 0);
    let replicas = if same { 1 } else { placing.replicas.len() };
    let (numbers, found) = placing.rotations(map, rows, replicas);
    let bare = |used: Vec<u32>| used.into_iter().map(|rotation| (rotation, Vec::new())).collect();
    placing.matrix(&numbers, found.into_iter().map(bare))
}

/// An element that a row of `map` wants and that `input` does not have.
pub fn lacking(map: &Affine, input: &Layout, positions: usize) -> Option<usize> {
    if !matches!(input, Layout::Windows(_)) {
        return None;
    }
    let mut columns = (0..map.outputs()).flat_map(|r| map.row(r).map(|(c, _)| c as usize));
    columns.find(|&c| input.place(c, positions).is_none())
}

/// Two layouts, and the smallest rotation for every distance between an element and a row.
struct Placing<'a> {
    input: &'a Layout,
    output: &'a Layout,
    positions: usize,
    turns: usize,
    /// Rotations that differ by it do the same.
    modulus: usize,
    /// Offsets of the written copies of the result.
    replicas: Vec<usize>,
    /// Distance of the first copies, modulo `modulus` -> (rotation, offset of the partial sum).
    nearest: Vec<(u32, u32)>,
}

impl<'a> Placing<'a> {
    fn new(input: &'a Layout, output: &'a Layout, fold: Fold, grid: Grid) -> Self {
        let (positions, turns) = (grid.positions, grid.turns());
        // A fully repeated input looks the same from every period, where rotations go around.
        let full = input.copies() * input.period() == positions && grid.order == Order::BatchLast;
        let (modulus, copies) = if full {
            (input.period(), 1)
        } else {
            (turns, input.copies())
        };
        let every = |count: usize, step: usize| (0..count).map(move |k| k * step);
        let replicas = match fold {
            Fold::None => every(output.copies(), output.period()).collect(),
            Fold::Cyclic { period, count } if output.copies() > 1 => {
                every(positions / (period * count), period * count).collect()
            }
            Fold::Skewed { .. } => every(output.copies(), output.period()).collect(),
            Fold::Cyclic { .. } => vec![0],
        };
        let mut nearest = vec![(u32::MAX, 0); modulus];
        for offset in fold.offsets() {
            for copy in every(copies, input.period()) {
                for (distance, best) in nearest.iter_mut().enumerate() {
                    let rotation = (distance + copy + turns - offset % turns) % modulus;
                    *best = (*best).min((rotation as u32, offset as u32));
                }
            }
        }
        Self {
            input,
            output,
            positions,
            turns,
            modulus,
            replicas,
            nearest,
        }
    }

    /// Calls `entry` with the number of the block, the rotation, the position of the sum and the value of every entry.
    fn each(
        &self,
        map: &Affine,
        rows: impl IntoIterator<Item = usize>,
        replicas: usize,
        numbers: &mut Numbers,
        mut entry: impl FnMut(usize, u32, u32, f64),
    ) {
        let positions = self.positions;
        let columns: Vec<_> = (0..map.inputs())
            .map(|c| self.input.place(c, positions))
            .collect();
        for r in rows {
            let Some(row) = self.output.place(r, positions) else {
                continue;
            };
            for replica in &self.replicas[..replicas] {
                let at = (row.position as usize + replica) % positions;
                let (mut tile, mut number) = (None, 0);
                for (c, value) in map.row(r) {
                    let seen = self.input.place_for(c as usize, r);
                    let Some(column) = seen.or_else(|| columns.get(c as usize).copied().flatten()) else {
                        continue;
                    };
                    if tile != Some(column.tile) {
                        tile = Some(column.tile);
                        number = numbers.of(row.tile, column.tile);
                    }
                    let distance = (column.position as usize + self.turns - at) % self.modulus;
                    let (rotation, offset) = self.nearest[distance];
                    entry(
                        number,
                        rotation,
                        ((at + offset as usize) % positions) as u32,
                        value,
                    );
                }
            }
        }
    }

    /// The rotations of every block, in order.
    fn rotations(
        &self,
        map: &Affine,
        rows: impl IntoIterator<Item = usize>,
        replicas: usize,
    ) -> (Numbers, Vec<Vec<u32>>) {
        let positions = self.positions;
        let mut numbers = Numbers::new(self.output.tiles(positions), self.input.tiles(positions));
        let words = self.modulus.div_ceil(64);
        let mut seen: Vec<u64> = Vec::new();
        self.each(map, rows, replicas, &mut numbers, |number, rotation, _, _| {
            let place = number * words + rotation as usize / 64;
            if place >= seen.len() {
                seen.resize((number + 1) * words, 0);
            }
            seen[place] |= 1 << (rotation % 64);
        });
        let found = seen.chunks_exact(words).map(|words| {
            let bits = words.iter().enumerate().flat_map(|(i, &word)| {
                let some = (0..64).filter(move |bit| word >> bit & 1 == 1);
                some.map(move |bit| (64 * i + bit) as u32)
            });
            bits.collect()
        });
        let found = found.collect();
        (numbers, found)
    }

    fn matrix(&self, numbers: &Numbers, blocks: impl Iterator<Item = BTreeMap<u32, Mask>>) -> Matrix {
        Matrix {
            inputs: self.input.tiles(self.positions),
            outputs: self.output.tiles(self.positions),
            blocks: numbers.keys().iter().copied().zip(blocks).collect(),
        }
    }
}
