//! From a noised table to the packed vector that leaves the party.

use hedgerow_crypto::mask::modulus::{Modulus, WordsError};
use hedgerow_crypto::mask::pairwise::Sign;
use hedgerow_crypto::mask::prg::{self, Prg};
use hedgerow_dp::{Cells, Noised};
use hedgerow_forest::table::Table;

use crate::wire::vector;

/// A table of counts on its way through `dp`, which alone makes it [`Noised`].
pub(crate) struct Counted(pub(crate) Table);

impl Cells for Counted {
    fn cells_mut(&mut self) -> &mut [i64] {
        self.0.cells_mut()
    }
}

/// A vector that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MaskError {
    /// Count and noise lie beyond half of the modulus. The value is not told.
    #[error("cell {cell} with its noise is beyond half of the modulus {modulus}")]
    Range { cell: usize, modulus: Modulus },
    /// A defect: masks left a word that is no word.
    #[error(transparent)]
    Words(#[from] WordsError),
}

/// Encodes the cells mod M, puts all masks on, packs. Nothing but a noised table can be masked.
pub(crate) fn mask(
    table: Noised<Counted>,
    masks: &[(Sign, Prg)],
    modulus: Modulus,
) -> Result<Vec<u8>, MaskError> {
    let mut words = table
        .into_inner()
        .0
        .into_cells()
        .into_iter()
        .enumerate()
        .map(|(cell, value)| modulus.encode(value).ok_or(MaskError::Range { cell, modulus }))
        .collect::<Result<Vec<u64>, _>>()?;
    prg::apply(masks, &mut words, modulus);
    Ok(vector::pack(&words, modulus)?)
}

/// The same for shares mod M: they are uniform, so noise may take them around.
pub(crate) fn mask_shares(
    table: Noised<Counted>,
    masks: &[(Sign, Prg)],
    modulus: Modulus,
) -> Result<Vec<u8>, MaskError> {
    // M is at most 2^64, far within an i128.
    let whole = modulus.value() as i128;
    let mut words: Vec<u64> = table
        .into_inner()
        .0
        .into_cells()
        .into_iter()
        .map(|value| i128::from(value).rem_euclid(whole) as u64)
        .collect();
    prg::apply(masks, &mut words, modulus);
    Ok(vector::pack(&words, modulus)?)
}

/// The sum of pseudorandom vectors alone, packed: what an aggregator sends.
pub(crate) fn sum(masks: &[(Sign, Prg)], cells: usize, modulus: Modulus) -> Result<Vec<u8>, MaskError> {
    let mut words = vec![0; cells];
    prg::apply(masks, &mut words, modulus);
    Ok(vector::pack(&words, modulus)?)
}
