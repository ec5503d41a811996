//! Where the elements of a vector are among the slots of its ciphertexts.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Grid, Interleaved, Windows};

/// One place: a ciphertext and a position in it. With `lanes` samples in a ciphertext, position `p` is the slots
/// `p lanes..(p + 1) lanes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Number of the ciphertext.
    pub tile: u32,
    /// Position in it.
    pub position: u32,
}

/// Where the elements of a vector are. In tile tensor notation, with `B` lanes and `t` positions, `Dense` is
/// `[*/copies, n/period, batch/B]` in one tile, or `[n/t, batch/B]` in several.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Layout {
    /// Element `i` at position `i`, again every `period` positions, `copies` times; where `period` is the number of
    /// positions and elements are more, they go on in further ciphertexts.
    Dense {
        /// Elements.
        size: usize,
        /// Positions from one copy to the next.
        period: usize,
        /// Copies.
        copies: usize,
    },
    /// An image `[channels, height, width]`, multiplexed: `gap^2` channels share a plane of `block` positions, element
    /// `(c, y, x)` at row `y gap + (c mod gap^2) div gap` and column `x gap + c mod gap` of plane `c div gap^2`.
    Image {
        /// Channels.
        channels: usize,
        /// Rows of the image.
        height: usize,
        /// Columns of the image.
        width: usize,
        /// Distance of neighbours along both dimensions.
        gap: usize,
        /// Positions of a row of the plane.
        pitch: usize,
        /// Positions of a plane.
        block: usize,
        /// How often the whole is repeated in the ciphertext.
        copies: usize,
    },
    /// An image whose rows and columns are interleaved over tiles.
    Interleaved(Interleaved),
    /// An input as the windows of the convolution that follows: im2col.
    Windows(Windows),
}

/// A layout that the ciphertexts cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("layout {layout} does not fit ciphertexts of {positions} positions: {reason}")]
pub struct LayoutError {
    /// The layout.
    pub layout: Box<Layout>,
    /// Positions of a ciphertext.
    pub positions: usize,
    /// Why.
    pub reason: &'static str,
}

/// Largest number in a layout of an image: products of three of them do not overflow.
const LARGEST: usize = 1 << 20;

impl Layout {
    /// Elements.
    pub fn size(&self) -> usize {
        match self {
            Self::Dense { size, .. } => *size,
            Self::Image {
                channels,
                height,
                width,
                ..
            } => channels * height * width,
            Self::Interleaved(image) => image.size(),
            Self::Windows(windows) => windows.size(),
        }
    }

    /// Positions from one copy to the next.
    pub fn period(&self) -> usize {
        match self {
            Self::Dense { period, .. } => *period,
            Self::Image {
                channels, gap, block, ..
            } => (channels.div_ceil(gap * gap) * block).next_power_of_two(),
            Self::Interleaved(image) => image.period(),
            Self::Windows(windows) => windows.period(),
        }
    }

    /// Copies of every element.
    pub fn copies(&self) -> usize {
        let (Self::Dense { copies, .. }
        | Self::Image { copies, .. }
        | Self::Interleaved(Interleaved { copies, .. })
        | Self::Windows(Windows { copies, .. })) = self;
        *copies
    }

    /// Ciphertexts of `positions` positions that it takes.
    pub fn tiles(&self, positions: usize) -> usize {
        match self {
            Self::Dense { size, period, .. } if *period == positions => size.div_ceil(positions),
            Self::Dense { .. } => 1,
            Self::Image {
                channels, gap, block, ..
            } => (channels.div_ceil(gap * gap) * block).div_ceil(positions),
            Self::Interleaved(image) => image.tiles(),
            Self::Windows(windows) => windows.tiles(),
        }
    }

    /// Refuses what ciphertexts of `positions` positions cannot hold.
    ///
    /// # Errors
    /// More copies, rows or planes than there is room for.
    pub fn check(&self, positions: usize) -> Result<(), LayoutError> {
        let large = |side: usize| side > LARGEST;
        let reason = match *self {
            Self::Image { .. } | Self::Interleaved(_) | Self::Windows(_)
                if self.sides().into_iter().any(large) =>
            {
                Some("sizes are at most 2^20")
            }
            Self::Interleaved(ref image) => image.wrong(positions),
            Self::Windows(ref windows) => windows.wrong(positions),
            Self::Dense { size, period, copies } => {
                if size == 0 || copies == 0 || period == 0 {
                    Some("sizes are at least 1")
                } else if period * copies > positions {
                    Some("too many copies")
                } else if size > period && (period != positions || copies != 1) {
                    Some("copies overlap")
                } else {
                    None
                }
            }
            Self::Image {
                channels,
                height,
                width,
                gap,
                pitch,
                block,
                copies,
            } => {
                if [channels, height, width, gap, pitch, block, copies].contains(&0) {
                    Some("sizes are at least 1")
                } else if width * gap > pitch || height * gap * pitch > block {
                    Some("rows or planes overlap")
                } else if block > positions || !positions.is_multiple_of(block) {
                    Some("planes do not fit a ciphertext")
                } else if copies > 1 && self.period() * copies > positions {
                    Some("too many copies")
                } else {
                    None
                }
            }
        };
        match reason {
            Some(reason) => Err(LayoutError {
                layout: Box::new(self.clone()),
                positions,
                reason,
            }),
            None => Ok(()),
        }
    }

    /// Its numbers, in the order of their names.
    pub(crate) fn sides(&self) -> Vec<usize> {
        match *self {
            Self::Interleaved(ref image) => image.sides(),
            Self::Windows(ref windows) => windows.sides(),
            Self::Dense { size, period, copies } => vec![size, period, copies],
            Self::Image {
                channels,
                height,
                width,
                gap,
                pitch,
                block,
                copies,
            } => vec![channels, height, width, gap, pitch, block, copies],
        }
    }

    /// The layout of these numbers, which are [`Layout::sides`].
    pub(crate) fn from_sides(sides: &[usize]) -> Option<Self> {
        if let Ok(image) = Interleaved::try_from(sides) {
            return Some(Self::Interleaved(image));
        }
        if let Ok(windows) = Windows::try_from(sides) {
            return Some(Self::Windows(windows));
        }
        match *sides {
            [size, period, copies] => Some(Self::Dense { size, period, copies }),
            [channels, height, width, gap, pitch, block, copies] => Some(Self::Image {
                channels,
                height,
                width,
                gap,
                pitch,
                block,
                copies,
            }),
            _ => None,
        }
    }

    /// The place of the first copy of element `i`; nothing for one that no window sees, of [`Layout::Windows`].
    pub fn place(&self, i: usize, positions: usize) -> Option<Place> {
        let at = match self {
            Self::Dense { .. } => i,
            Self::Image {
                height,
                width,
                gap,
                pitch,
                block,
                ..
            } => {
                let (c, y, x) = (i / (height * width), i / width % height, i % width);
                let (plane, rest) = (c / (gap * gap), c % (gap * gap));
                plane * block + (y * gap + rest / gap) * pitch + x * gap + rest % gap
            }
            Self::Interleaved(image) => return Some(image.place(i)),
            Self::Windows(windows) => return windows.place(i),
        };
        Some(Place {
            tile: (at / positions) as u32,
            position: (at % positions) as u32,
        })
    }

    /// The place of element `i` for row `row` of a map: under the window of that row, where there are windows.
    pub(super) fn place_for(&self, i: usize, row: usize) -> Option<Place> {
        match self {
            Self::Windows(windows) => windows.seen(i, row % windows.count()),
            _ => None,
        }
    }

    /// Cuts one vector for each lane into the slots of ciphertexts; missing samples are zero.
    pub fn pack(&self, samples: &[Vec<f64>], grid: Grid) -> Vec<Vec<f64>> {
        let Grid { positions, lanes, .. } = grid;
        let mut tiles = vec![vec![0.0; positions * lanes]; self.tiles(positions)];
        let mut put = |i: usize, place: Place| {
            for copy in 0..self.copies() {
                let position = place.position as usize + copy * self.period();
                for (lane, sample) in samples.iter().take(lanes).enumerate() {
                    if let (Some(&value), Some(slot)) = (
                        sample.get(i),
                        tiles[place.tile as usize].get_mut(grid.slot(position, lane)),
                    ) {
                        *slot = value;
                    }
                }
            }
        };
        match self {
            Self::Windows(windows) => windows.entries().for_each(|(i, place)| put(i, place)),
            _ => (0..self.size())
                .filter_map(|i| Some((i, self.place(i, positions)?)))
                .for_each(|(i, place)| put(i, place)),
        }
        tiles
    }

    /// The vectors of the first `samples` lanes again.
    pub fn unpack(&self, tiles: &[Vec<f64>], samples: usize, grid: Grid) -> Vec<Vec<f64>> {
        let Grid { positions, lanes, .. } = grid;
        let value = |i: usize, lane: usize| {
            let place = self.place(i, positions);
            let slot = place.and_then(|place| {
                let tile = tiles.get(place.tile as usize)?;
                tile.get(grid.slot(place.position as usize, lane))
            });
            slot.copied().unwrap_or(0.0)
        };
        (0..samples.min(lanes))
            .map(|lane| (0..self.size()).map(|i| value(i, lane)).collect())
            .collect()
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interleaved(image) => image.fmt(f),
            Self::Windows(windows) => windows.fmt(f),
            Self::Dense {
                size,
                period,
                copies: 1,
            } => write!(f, "[{size}/{period}]"),
            Self::Dense { size, period, copies } => write!(f, "[*/{copies}, {size}/{period}]"),
            Self::Image {
                channels,
                height,
                width,
                gap,
                pitch,
                block,
                copies,
            } => write!(
                f,
                "[*/{copies}, {channels}x{height}x{width} gap {gap} in planes of {}x{pitch}/{block}]",
                block / pitch
            ),
        }
    }
}
