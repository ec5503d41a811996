//! Images over several tiles by residue.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Place;

/// An image `[channels, height, width]` whose rows and columns are interleaved over tiles (HElayers, PETS 2023, section 5):
/// pixel `(y, x)` lies in the tile of residues `(y mod rows, x mod columns)` at `(y div rows, x div columns)`. A window that moves
/// by one finds its neighbours in other tiles; only where it leaves the last residue does a tile rotate. Inside its tile, the
/// smaller image is one with multiplexed channels, as in [`Layout::Image`](super::Layout). In tile tensor notation
/// `[*/copies, channels/planes, height~rows/t2, width~columns/pitch]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interleaved {
    /// Channels.
    pub channels: usize,
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// Tiles along the rows.
    pub rows: usize,
    /// Tiles along the columns.
    pub columns: usize,
    /// Distance of neighbours in a tile along both dimensions; `gap^2` channels share a plane.
    pub gap: usize,
    /// Positions of a row of a plane.
    pub pitch: usize,
    /// Positions from one plane to the next.
    pub block: usize,
    /// Planes of a tile.
    pub planes: usize,
    /// How often its planes are repeated in a tile.
    pub copies: usize,
}

impl Interleaved {
    pub(super) fn size(&self) -> usize {
        self.channels * self.height * self.width
    }

    pub(super) fn period(&self) -> usize {
        (self.planes * self.block).next_power_of_two()
    }

    /// Tiles of each residue.
    fn groups(&self) -> usize {
        self.channels.div_ceil(self.gap * self.gap).div_ceil(self.planes)
    }

    pub(super) fn tiles(&self) -> usize {
        self.rows * self.columns * self.groups()
    }

    pub(super) fn wrong(&self, positions: usize) -> Option<&'static str> {
        if self.sides().contains(&0) {
            Some("sizes are at least 1")
        } else if self.rows > self.height || self.columns > self.width {
            Some("more residues than rows or columns")
        } else if self.width.div_ceil(self.columns) * self.gap > self.pitch
            || self.height.div_ceil(self.rows) * self.gap * self.pitch > self.block
        {
            Some("rows or planes overlap")
        } else if self.planes * self.block > positions {
            Some("planes do not fit a ciphertext")
        } else if self.copies > 1 && self.period() * self.copies > positions {
            Some("too many copies")
        } else {
            None
        }
    }

    pub(super) fn sides(&self) -> Vec<usize> {
        vec![
            self.channels,
            self.height,
            self.width,
            self.rows,
            self.columns,
            self.gap,
            self.pitch,
            self.block,
            self.planes,
            self.copies,
        ]
    }

    pub(super) fn place(&self, i: usize) -> Place {
        let (c, y, x) = (
            i / (self.height * self.width),
            i / self.width % self.height,
            i % self.width,
        );
        let (plane, rest) = (c / (self.gap * self.gap), c % (self.gap * self.gap));
        let residue = y % self.rows * self.columns + x % self.columns;
        let row = y / self.rows * self.gap + rest / self.gap;
        let column = x / self.columns * self.gap + rest % self.gap;
        Place {
            tile: (residue * self.groups() + plane / self.planes) as u32,
            position: (plane % self.planes * self.block + row * self.pitch + column) as u32,
        }
    }
}

/// The sizes of a layout from a list of them.
impl TryFrom<&[usize]> for Interleaved {
    type Error = ();

    fn try_from(sides: &[usize]) -> Result<Self, ()> {
        let &[
            channels,
            height,
            width,
            rows,
            columns,
            gap,
            pitch,
            block,
            planes,
            copies,
        ] = sides
        else {
            return Err(());
        };
        Ok(Self {
            channels,
            height,
            width,
            rows,
            columns,
            gap,
            pitch,
            block,
            planes,
            copies,
        })
    }
}

impl fmt::Display for Interleaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channels,
            height,
            width,
            rows,
            columns,
            gap,
            pitch,
            block,
            planes,
            copies,
        } = self;
        let (tall, shared) = (block / pitch.max(&1), planes * gap * gap);
        write!(
            f,
            "[*/{copies}, {channels}/{shared}, {height}~{rows}/{tall}, {width}~{columns}/{pitch}]"
        )?;
        if *gap > 1 {
            write!(f, " gap {gap}")?;
        }
        Ok(())
    }
}
