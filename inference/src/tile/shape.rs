//! The notation of tile tensors: `[784/64, */128]` (Aharoni et al., PETS 2023, section 3).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One dimension: `size/tile` with its marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dim {
    /// Original size, 1 where the dimension is duplicated.
    pub size: usize,
    /// Slots of a tile along this dimension.
    pub tile: usize,
    /// `*`: the one value is repeated so often in the tile (`*4/8`: 4 of 8; `*/8`: 8).
    pub copies: Option<usize>,
    /// `?`: unused slots along this dimension hold unknown values, not zeros.
    pub unknown: bool,
    /// `~`: element `c` is in tile `c mod e` at slot `c div e`, instead of tile `c div t` at slot `c mod t`.
    pub interleaved: bool,
    /// `~e`: more tiles than `ceil(size / tile)`, which interleaving needs to keep its step.
    pub external: Option<usize>,
    /// `(c)`: two neighbouring tiles along this dimension are the real and the imaginary parts of one ciphertext.
    pub complex: bool,
}

impl Dim {
    /// `size/tile`.
    pub fn new(size: usize, tile: usize) -> Self {
        Self {
            size,
            tile,
            copies: None,
            unknown: false,
            interleaved: false,
            external: None,
            complex: false,
        }
    }

    /// `*/tile`.
    pub fn duplicated(tile: usize) -> Self {
        Self {
            copies: Some(tile),
            ..Self::new(1, tile)
        }
    }

    /// `size~/tile`.
    pub fn interleaved(size: usize, tile: usize) -> Self {
        Self {
            interleaved: true,
            ..Self::new(size, tile)
        }
    }

    /// The same with `?`.
    #[must_use]
    pub fn with_unknown(self, unknown: bool) -> Self {
        Self { unknown, ..self }
    }

    /// The same with `(c)`.
    #[must_use]
    pub fn with_complex(self, complex: bool) -> Self {
        Self { complex, ..self }
    }

    /// Tiles of real numbers along this dimension.
    pub fn tiles(&self) -> usize {
        self.external.unwrap_or(self.size.div_ceil(self.tile))
    }

    /// Ciphertexts along this dimension: as many as tiles, or half as many where two share one.
    pub fn external_size(&self) -> usize {
        self.tiles().div_ceil(1 + usize::from(self.complex))
    }

    /// Whether one value fills the whole tile, so that it broadcasts against any size.
    pub fn is_broadcast(&self) -> bool {
        self.size == 1 && self.copies.unwrap_or(1) == self.tile && !self.complex
    }

    /// Whether some slots along this dimension hold no element.
    pub fn has_unused(&self) -> bool {
        self.size * self.copies.unwrap_or(1) < self.tiles() * self.tile
    }

    /// Tile and slot of element `index` (of the first copy).
    pub fn place(&self, index: usize) -> (usize, usize) {
        if self.interleaved {
            (index % self.tiles(), index / self.tiles())
        } else {
            (index / self.tile, index % self.tile)
        }
    }

    /// The element at a tile and slot, or nothing where the slot is unused.
    pub fn element(&self, external: usize, slot: usize) -> Option<usize> {
        if let Some(copies) = self.copies {
            return (slot < copies).then_some(0);
        }
        if external >= self.tiles() {
            return None;
        }
        let index = if self.interleaved {
            slot * self.tiles() + external
        } else {
            external * self.tile + slot
        };
        (index < self.size).then_some(index)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.complex {
            f.write_str("(c)")?;
        }
        match self.copies {
            Some(copies) if copies == self.tile => f.write_str("*")?,
            Some(copies) => write!(f, "*{copies}")?,
            None => write!(f, "{}", self.size)?,
        }
        if self.unknown {
            f.write_str("?")?;
        }
        if self.interleaved {
            f.write_str("~")?;
            if let Some(external) = self.external {
                write!(f, "{external}")?;
            }
        }
        if self.tile != 1 {
            write!(f, "/{}", self.tile)?;
        }
        Ok(())
    }
}

/// How a tensor is cut into tiles, one ciphertext each. Slots of a tile are row-major: the last dimension is fastest.
///
/// ```
/// use hedgerow_inference::tile::TileShape;
/// // The paper's 5 x 6 matrix in tiles of 2 x 4: 3 x 2 tiles of 8 slots.
/// let shape: TileShape = "[5/2, 6/4]".parse()?;
/// assert_eq!((shape.external(), shape.slots()), (vec![3, 2], 8));
/// // A vector duplicated along the first dimension multiplies its rows; 1?/4: one value, the rest unknown.
/// let vector: TileShape = "[*/2, 6/4]".parse()?;
/// assert_eq!(vector.tiles(), 2);
/// assert_eq!("[5/2, 1?/4]".parse::<TileShape>()?.to_string(), "[5/2, 1?/4]");
/// # Ok::<(), hedgerow_inference::tile::ShapeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TileShape {
    dims: Vec<Dim>,
    diagonal: bool,
}

/// Why a shape is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// Not in the notation.
    #[error(
        "tile shape `{text}`: dimension {dim} is `{part}`; expected `(c)` or nothing, then size, `*` or `*copies`, then `?` and `~`, then `/tile`"
    )]
    Syntax {
        /// The whole text.
        text: String,
        /// Number of the dimension, from 0.
        dim: usize,
        /// Its text.
        part: String,
    },
    /// Marks or sizes that contradict each other.
    #[error("tile shape {shape}: {reason}")]
    Contradiction {
        /// The shape.
        shape: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl TileShape {
    /// A shape of these dimensions.
    ///
    /// # Errors
    /// Sizes of zero, more copies than slots, duplicated and interleaved at once, too few tiles.
    pub fn new(dims: Vec<Dim>) -> Result<Self, ShapeError> {
        Self {
            dims,
            diagonal: false,
        }
        .checked()
    }

    /// The same dimensions, diagonalised over the first two.
    ///
    /// # Errors
    /// Fewer than two dimensions, the first not divisible by both tiles, duplicated or interleaved.
    pub fn diagonal(dims: Vec<Dim>) -> Result<Self, ShapeError> {
        Self { dims, diagonal: true }.checked()
    }

    fn checked(self) -> Result<Self, ShapeError> {
        let reason = if self.dims.is_empty() {
            Some("no dimension")
        } else if self.dims.iter().any(|d| d.size == 0 || d.tile == 0) {
            Some("sizes and tiles are at least 1")
        } else if self
            .dims
            .iter()
            .any(|d| d.copies.is_some_and(|c| c == 0 || c > d.tile || d.size != 1))
        {
            Some("a duplicated dimension has size 1 and at most as many copies as slots")
        } else if self.dims.iter().any(|d| d.interleaved && d.copies.is_some()) {
            Some("a dimension is duplicated or interleaved, not both")
        } else if self.dims.iter().any(|d| d.external.is_some() && !d.interleaved) {
            Some("only an interleaved dimension can have more tiles than it fills")
        } else if self
            .dims
            .iter()
            .any(|d| d.external.is_some_and(|e| e * d.tile < d.size))
        {
            Some("too few tiles for the size")
        } else if self.dims.iter().any(|d| d.complex && d.copies.is_some()) {
            Some("a dimension is duplicated or complex-packed, not both")
        } else if self.dims.iter().filter(|d| d.complex).count() > 1 {
            Some("a number has two parts: one dimension is complex-packed, not several")
        } else if self.diagonal && self.complex_dim().is_some() {
            Some("a diagonalised shape is not complex-packed")
        } else if self.diagonal {
            match self.dims.as_slice() {
                [first, second, ..] if first.size % (first.tile * second.tile) != 0 => {
                    Some("the first dimension of a diagonalised shape is divisible by both tiles")
                }
                [first, second, ..] if first.copies.or(second.copies).is_some() => {
                    Some("the first two dimensions of a diagonalised shape are not duplicated")
                }
                [first, second, ..] if first.interleaved || second.interleaved => {
                    Some("the first two dimensions of a diagonalised shape are not interleaved")
                }
                [_, _, ..] => None,
                _ => Some("a diagonalised shape has at least two dimensions"),
            }
        } else {
            None
        };
        match reason {
            Some(reason) => Err(ShapeError::Contradiction {
                shape: self.to_string(),
                reason,
            }),
            None => Ok(self),
        }
    }

    /// The dimensions.
    pub fn dims(&self) -> &[Dim] {
        &self.dims
    }

    /// Whether the first two dimensions are diagonalised.
    pub fn is_diagonal(&self) -> bool {
        self.diagonal
    }

    /// The complex-packed dimension.
    pub fn complex_dim(&self) -> Option<usize> {
        self.dims.iter().position(|d| d.complex)
    }

    /// The shape of the parts, once they are apart: without `(c)`.
    #[must_use]
    pub fn parts(&self) -> Self {
        let mut parts = self.clone();
        parts.dims.iter_mut().for_each(|d| d.complex = false);
        parts
    }

    /// Which tiles of [`TileShape::parts`] are in ciphertext `tile`: its real part, and its imaginary part if it has one.
    pub fn tiles_of(&self, tile: usize) -> (usize, Option<usize>) {
        let Some(dim) = self.complex_dim() else {
            return (tile, None);
        };
        let inner: usize = self.dims.iter().skip(dim + 1).map(Dim::external_size).product();
        let (d, rest, at) = (&self.dims[dim], tile % inner, tile / inner);
        let (before, pair) = (at / d.external_size(), at % d.external_size());
        let flat = |part: usize| (before * d.tiles() + 2 * pair + part) * inner + rest;
        (flat(0), (2 * pair + 1 < d.tiles()).then(|| flat(1)))
    }

    /// Slots of a tile.
    pub fn slots(&self) -> usize {
        self.dims.iter().map(|d| d.tile).product()
    }

    /// Ciphertexts along each dimension.
    pub fn external(&self) -> Vec<usize> {
        self.dims.iter().map(Dim::external_size).collect()
    }

    /// Ciphertexts in all.
    pub fn tiles(&self) -> usize {
        self.dims.iter().map(Dim::external_size).product()
    }

    /// Sizes of the packed tensor.
    pub fn sizes(&self) -> Vec<usize> {
        self.dims.iter().map(|d| d.size).collect()
    }

    /// Slots from one element to the next along dimension `dim` inside a tile.
    pub fn stride(&self, dim: usize) -> usize {
        self.dims.iter().skip(dim + 1).map(|d| d.tile).product()
    }

    /// Whether every dimension before `dim` has tile 1, so that a rotation along `dim` is cyclic.
    pub fn is_first(&self, dim: usize) -> bool {
        self.dims.iter().take(dim).all(|d| d.tile == 1)
    }

    /// The same shape with another dimension `dim`.
    pub(super) fn with_dim(&self, dim: usize, new: Dim) -> Self {
        let mut shape = self.clone();
        if let Some(slot) = shape.dims.get_mut(dim) {
            *slot = new;
        }
        shape
    }

    /// The element (index along each dimension) in slot `slot` of tile `tile`, or nothing where it is unused. In a
    /// complex-packed shape that of the real part: see [`TileShape::tiles_of`].
    pub fn element(&self, tile: usize, slot: usize) -> Option<Vec<usize>> {
        if self.complex_dim().is_some() {
            return self.parts().element(self.tiles_of(tile).0, slot);
        }
        let (mut tile, mut slot) = (tile, slot);
        let mut pairs = Vec::with_capacity(self.dims.len());
        for dim in self.dims.iter().rev() {
            pairs.push((tile % dim.external_size(), slot % dim.tile));
            tile /= dim.external_size();
            slot /= dim.tile;
        }
        pairs.reverse();
        let mut index: Vec<usize> = Vec::with_capacity(pairs.len());
        for (i, (dim, &(a, b))) in self.dims.iter().zip(&pairs).enumerate() {
            if self.diagonal && i == 0 {
                let (t1, t2) = (self.dims[0].tile, self.dims[1].tile);
                let ((a0, b0), (_, b1)) = (pairs[0], pairs[1]);
                let (block, j) = (a0 / t2, a0 % t2);
                index.push(block * t1 * t2 + (j + b0 * t2 + b1) % (t1 * t2));
            } else {
                index.push(dim.element(a, b)?);
            }
        }
        Some(index)
    }
}

impl fmt::Display for TileShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.diagonal { "[(d)" } else { "[" })?;
        for (i, dim) in self.dims.iter().enumerate() {
            write!(f, "{}{dim}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}

/// Reads `text` as one dimension.
fn dim(text: &str) -> Option<Dim> {
    let (front, tile) = match text.split_once('/') {
        Some((front, tile)) => (front.trim(), tile.trim().parse().ok()?),
        None => (text, 1),
    };
    let (complex, front) = match front.strip_prefix("(c)") {
        Some(front) => (true, front.trim_start()),
        None => (false, front),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut dim = Dim::new(1, tile).with_complex(complex);
    let mut rest = if let Some(rest) = front.strip_prefix('*') {
        let (copies, rest) = rest.split_at(digits(rest));
        dim.copies = Some(if copies.is_empty() {
            tile
        } else {
            copies.parse().ok()?
        });
        rest
    } else {
        let (size, rest) = front.split_at(digits(front));
        dim.size = size.parse().ok()?;
        rest
    };
    if let Some(after) = rest.strip_prefix('?') {
        (dim.unknown, rest) = (true, after);
    }
    if let Some(after) = rest.strip_prefix('~') {
        dim.interleaved = true;
        let (external, after) = after.split_at(digits(after));
        dim.external = if external.is_empty() {
            None
        } else {
            Some(external.parse().ok()?)
        };
        rest = after;
    }
    if let Some(after) = rest.strip_prefix('?') {
        (dim.unknown, rest) = (true, after);
    }
    rest.is_empty().then_some(dim)
}

impl FromStr for TileShape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let syntax = |dim: usize, part: &str| ShapeError::Syntax {
            text: text.to_owned(),
            dim,
            part: part.to_owned(),
        };
        let inner = text
            .trim()
            .strip_prefix('[')
            .and_then(|t| t.strip_suffix(']'))
            .ok_or_else(|| syntax(0, text))?;
        let (diagonal, inner) = match inner.trim().strip_prefix("(d)") {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        let dims = inner
            .split(',')
            .enumerate()
            .map(|(i, part)| dim(part.trim()).ok_or_else(|| syntax(i, part.trim())));
        Self {
            dims: dims.collect::<Result<_, _>>()?,
            diagonal,
        }
        .checked()
    }
}

impl Serialize for TileShape {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TileShape {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
