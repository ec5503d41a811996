//! Images as the windows that a convolution looks at: im2col.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Place;

/// An image `[channels, height, width]` packed by whoever has it in the clear as the windows of one convolution: row `tap` of the
/// matrix holds, for every window, the element under that tap (a channel, and a row and a column of the kernel). An element is
/// there once for each window that sees it, so that no rotation brings it there. In tile tensor notation
/// `[*/copies, taps/t1, windows/block]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Windows {
    /// Channels.
    pub channels: usize,
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows and columns of the first window before the image.
    pub pads: [usize; 2],
    /// Windows along both dimensions.
    pub windows: [usize; 2],
    /// Positions from one tap to the next.
    pub block: usize,
    /// Taps of a tile.
    pub taps: usize,
    /// How often its taps are repeated in a tile.
    pub copies: usize,
}

/// Most entries of the matrix.
const MOST: usize = 1 << 26;

impl Windows {
    pub(super) fn size(&self) -> usize {
        self.channels * self.height * self.width
    }

    pub(super) fn period(&self) -> usize {
        (self.taps * self.block).next_power_of_two()
    }

    /// Windows of an image.
    pub fn count(&self) -> usize {
        self.windows[0] * self.windows[1]
    }

    /// Rows of the matrix.
    pub fn all_taps(&self) -> usize {
        self.channels * self.kernel[0] * self.kernel[1]
    }

    pub(super) fn tiles(&self) -> usize {
        self.all_taps().div_ceil(self.taps)
    }

    pub(super) fn wrong(&self, positions: usize) -> Option<&'static str> {
        let sides = self.sides();
        // Pads may be nothing; all others may not.
        if sides[..7].contains(&0) || sides[9..].contains(&0) {
            return Some("sizes are at least 1");
        }
        let product = |sides: &[usize]| sides.iter().try_fold(1usize, |all, &side| all.checked_mul(side));
        let entries = product(&[
            self.channels,
            self.kernel[0],
            self.kernel[1],
            self.windows[0],
            self.windows[1],
        ]);
        if entries.is_none_or(|entries| entries > MOST) {
            Some("more than 2^26 entries of windows")
        } else if self.count() > self.block {
            Some("windows overlap")
        } else if product(&[self.taps, self.block]).is_none_or(|used| used > positions) {
            Some("taps do not fit a ciphertext")
        } else if self.copies > 1 && self.period() * self.copies > positions {
            Some("too many copies")
        } else {
            None
        }
    }

    pub(super) fn sides(&self) -> Vec<usize> {
        let mut sides = vec![self.channels, self.height, self.width];
        sides.extend(self.kernel.iter().chain(&self.stride));
        sides.extend(self.pads);
        sides.extend(self.windows);
        sides.extend([self.block, self.taps, self.copies]);
        sides
    }

    fn at(&self, tap: usize, window: usize) -> Place {
        Place {
            tile: (tap / self.taps) as u32,
            position: (tap % self.taps * self.block + window) as u32,
        }
    }

    /// Where element `i` is under a window, if that sees it.
    pub(super) fn seen(&self, i: usize, window: usize) -> Option<Place> {
        let (c, y, x) = (
            i / (self.height * self.width),
            i / self.width % self.height,
            i % self.width,
        );
        let along = |axis: usize, at: usize, window: usize| {
            let tap = (at + self.pads[axis]).checked_sub(window * self.stride[axis])?;
            (tap < self.kernel[axis]).then_some(tap)
        };
        let row = along(0, y, window / self.windows[1])?;
        let column = along(1, x, window % self.windows[1])?;
        Some(self.at((c * self.kernel[0] + row) * self.kernel[1] + column, window))
    }

    /// Where element `i` is under the first window that sees it; nowhere where none does.
    pub(super) fn place(&self, i: usize) -> Option<Place> {
        let first = |axis: usize, at: usize| {
            let reach = (at + self.pads[axis] + 1).saturating_sub(self.kernel[axis]);
            let window = reach.div_ceil(self.stride[axis]);
            (window < self.windows[axis]).then_some(window)
        };
        let row = first(0, i / self.width % self.height)?;
        let column = first(1, i % self.width)?;
        self.seen(i, row * self.windows[1] + column)
    }

    /// All places with the element that is there.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, Place)> + '_ {
        let kernel = self.kernel[0] * self.kernel[1];
        (0..self.all_taps()).flat_map(move |tap| {
            (0..self.count()).filter_map(move |window| {
                let along = |axis: usize, window: usize, tap: usize, size: usize| {
                    let at = (window * self.stride[axis] + tap).checked_sub(self.pads[axis])?;
                    (at < size).then_some(at)
                };
                let (c, inside) = (tap / kernel, tap % kernel);
                let y = along(0, window / self.windows[1], inside / self.kernel[1], self.height)?;
                let x = along(1, window % self.windows[1], inside % self.kernel[1], self.width)?;
                Some(((c * self.height + y) * self.width + x, self.at(tap, window)))
            })
        })
    }
}

/// The sizes of a layout from a list of them.
impl TryFrom<&[usize]> for Windows {
    type Error = ();

    fn try_from(sides: &[usize]) -> Result<Self, ()> {
        let &[
            channels,
            height,
            width,
            tall,
            wide,
            down,
            right,
            top,
            left,
            rows,
            columns,
            block,
            taps,
            copies,
        ] = sides
        else {
            return Err(());
        };
        Ok(Self {
            channels,
            height,
            width,
            kernel: [tall, wide],
            stride: [down, right],
            pads: [top, left],
            windows: [rows, columns],
            block,
            taps,
            copies,
        })
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channels,
            height,
            width,
            kernel: [tall, wide],
            block,
            taps,
            copies,
            ..
        } = self;
        write!(
            f,
            "[*/{copies}, {}/{taps}, {}/{block}] of {channels}x{height}x{width} by windows of {tall}x{wide}",
            self.all_taps(),
            self.count(),
        )
    }
}
