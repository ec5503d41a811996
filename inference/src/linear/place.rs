//! Which rotation brings which element to where it is summed.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

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
    /// `count` partial sums, `step` positions apart, where `step` exceeds the input's period: each copy of the input
    /// serves other diagonals. The row ends up in its first place only.
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

/// Places the entries of `map` between two layouts: of the copies of an element and the partial sums of a row, it takes
/// those with the smallest rotation, so that few rotations serve all.
///
/// Both layouts must fit the grid's positions and the sizes of `map`.
pub fn place(map: &Affine, input: &Layout, output: &Layout, fold: Fold, grid: Grid) -> Matrix {
    let placing = Placing::new(input, output, fold, grid);
    placing.run(map, placing.replicas.len(), |mask, at, value| {
        mask.push((at, value))
    })
}

/// The rotations of [`place`], with empty masks: what a search needs.
pub fn rotations(map: &Affine, input: &Layout, output: &Layout, fold: Fold, grid: Grid) -> Matrix {
    let placing = Placing::new(input, output, fold, grid);
    // Where the input looks the same from every replica, the first says all.
    let same = placing
        .replicas
        .iter()
        .all(|replica| replica % placing.modulus == 0);
    let replicas = if same { 1 } else { placing.replicas.len() };
    placing.run(map, replicas, |_, _, _| {})
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
        let full = input.copies() * input.period() == positions
            && input.tiles(positions) == 1
            && grid.order == Order::BatchLast;
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
            _ => vec![0],
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

    fn run(&self, map: &Affine, replicas: usize, mut entry: impl FnMut(&mut Mask, u32, f64)) -> Matrix {
        let positions = self.positions;
        let columns: Vec<_> = (0..map.inputs())
            .map(|c| self.input.place(c, positions))
            .collect();
        let mut numbers: HashMap<(u32, u32), usize> = HashMap::new();
        let mut blocks: Vec<Vec<Option<Mask>>> = Vec::new();
        for r in 0..map.outputs() {
            let row = self.output.place(r, positions);
            for replica in &self.replicas[..replicas] {
                let at = (row.position as usize + replica) % positions;
                let (mut tile, mut number) = (None, 0);
                for (c, value) in map.row(r) {
                    let column = columns[c as usize];
                    if tile != Some(column.tile) {
                        tile = Some(column.tile);
                        number = *numbers.entry((row.tile, column.tile)).or_insert_with(|| {
                            blocks.push(vec![None; self.modulus]);
                            blocks.len() - 1
                        });
                    }
                    let distance = (column.position as usize + self.turns - at) % self.modulus;
                    let (rotation, offset) = self.nearest[distance];
                    let mask = blocks[number][rotation as usize].get_or_insert_default();
                    entry(mask, ((at + offset as usize) % positions) as u32, value);
                }
            }
        }
        let mut matrix = Matrix {
            inputs: self.input.tiles(positions),
            outputs: self.output.tiles(positions),
            blocks: BTreeMap::new(),
        };
        for (key, number) in numbers {
            let block = std::mem::take(&mut blocks[number]);
            let used = block
                .into_iter()
                .enumerate()
                .filter_map(|(i, mask)| Some((i as u32, mask?)));
            matrix.blocks.insert(key, used.collect());
        }
        matrix
    }
}
