//! One bit per row: masks over [`ROWS`] rows at once, and the way between bytes and masks.
//!
//! Plain `u64` arithmetic on small arrays, which the compiler turns into vector instructions of any width; nothing
//! here depends on the machine.

/// Words of a mask.
pub(crate) const LANES: usize = 8;
/// Rows that one mask covers.
pub(crate) const ROWS: usize = 64 * LANES;

/// One bit for each of [`ROWS`] rows.
///
/// Row `8 * (LANES * j + lane) + b` is bit `8 * b + j` of word `lane`: the order in which [`transpose`] leaves the
/// rows, so that no bit is moved for order's sake.
pub(crate) type Mask = [u64; LANES];

pub(crate) const NONE: Mask = [0; LANES];
pub(super) const ALL: Mask = [u64::MAX; LANES];

/// Per row: `right` where `select` is set, `left` elsewhere.
#[inline(always)]
pub(super) fn mux(select: &Mask, left: &Mask, right: &Mask) -> Mask {
    std::array::from_fn(|lane| left[lane] ^ (select[lane] & (left[lane] ^ right[lane])))
}

#[inline(always)]
pub(super) fn xor(a: &Mask, b: &Mask) -> Mask {
    std::array::from_fn(|lane| a[lane] ^ b[lane])
}

/// Transposes, in every lane and at every byte position, the 8 x 8 bits of eight words (Hacker's Delight, 2nd
/// edition, section 7-3). Its own inverse.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "the same lane of two words")]
fn transpose(words: &mut [Mask; 8]) {
    const STEPS: [(usize, u64); 3] = [
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    for (step, low) in STEPS {
        for first in (0..8).filter(|word| word & step == 0) {
            for lane in 0..LANES {
                let swap = (words[first][lane] >> step ^ words[first + step][lane]) & low;
                words[first + step][lane] ^= swap;
                words[first][lane] ^= swap << step;
            }
        }
    }
}

/// Bytes, one per row, to masks: mask `p` holds bit `p` of every byte.
#[inline(always)]
pub(super) fn planes_of_bytes(bytes: &[u8; ROWS]) -> [Mask; 8] {
    let mut planes = [NONE; 8];
    for (word, chunk) in bytes.chunks_exact(8).enumerate() {
        let chunk: &[u8; 8] = chunk.try_into().unwrap_or(&[0; 8]);
        planes[word / LANES][word % LANES] = u64::from_le_bytes(*chunk);
    }
    transpose(&mut planes);
    planes
}

/// The inverse of [`planes_of_bytes`].
#[inline(always)]
pub(super) fn bytes_of_planes(mut planes: [Mask; 8], bytes: &mut [u8; ROWS]) {
    transpose(&mut planes);
    for (word, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&planes[word / LANES][word % LANES].to_le_bytes());
    }
}

/// Answers "which rows have a byte of at least this?" for any threshold, in three operations each.
///
/// A byte is at least `16 h + l` if its high half is above `h`, or not below `h` with the low half not below `l`.
pub(super) struct Comparisons {
    low: [Mask; 16],
    /// The last, for 16, is empty.
    high: [Mask; 17],
}

impl Comparisons {
    #[inline(always)]
    pub(super) fn new(planes: &[Mask; 8]) -> Self {
        let [low @ .., _, _, _, _] = planes;
        let [_, _, _, _, high @ ..] = planes;
        let mut all_high = [NONE; 17];
        all_high[..16].copy_from_slice(&half_at_least(high));
        Self {
            low: half_at_least(low),
            high: all_high,
        }
    }

    /// The rows whose byte is at least `least`.
    #[inline(always)]
    pub(super) fn at_least(&self, least: u8) -> Mask {
        let (high, low) = (usize::from(least >> 4), usize::from(least & 15));
        std::array::from_fn(|lane| self.high[high + 1][lane] | (self.high[high][lane] & self.low[low][lane]))
    }
}

/// For each of 16 thresholds the rows whose number of four bits is not below it. From the lowest bit up: a number's
/// tail is not below the threshold's tail if its next bit is larger, or equal and the rest was so.
#[inline(always)]
fn half_at_least(planes: &[Mask; 4]) -> [Mask; 16] {
    let mut masks = [ALL; 16];
    for (bit, plane) in planes.iter().enumerate() {
        for tail in 0..1 << bit {
            let rest = masks[tail];
            masks[tail] = std::array::from_fn(|lane| plane[lane] | rest[lane]);
            masks[tail + (1 << bit)] = std::array::from_fn(|lane| plane[lane] & rest[lane]);
        }
    }
    masks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bit(mask: &Mask, row: usize) -> bool {
        let (word, byte) = (row / 8, row % 8);
        mask[word % LANES] >> (8 * byte + word / LANES) & 1 == 1
    }

    proptest! {
        #[test]
        fn planes_hold_bits_and_are_read_back(seed in proptest::collection::vec(any::<u8>(), ROWS)) {
            let bytes: [u8; ROWS] = seed.try_into().unwrap();
            let planes = planes_of_bytes(&bytes);
            for (row, byte) in bytes.iter().enumerate() {
                for (p, plane) in planes.iter().enumerate() {
                    prop_assert_eq!(bit(plane, row), byte >> p & 1 == 1);
                }
            }
            let mut back = [0; ROWS];
            bytes_of_planes(planes, &mut back);
            prop_assert_eq!(back, bytes);
        }

        #[test]
        fn comparison_is_comparison(seed in proptest::collection::vec(any::<u8>(), ROWS), least: u8) {
            let bytes: [u8; ROWS] = seed.try_into().unwrap();
            let mask = Comparisons::new(&planes_of_bytes(&bytes)).at_least(least);
            for (row, byte) in bytes.iter().enumerate() {
                prop_assert_eq!(bit(&mask, row), *byte >= least);
            }
        }

        #[test]
        fn mux_selects(select: Mask, left: Mask, right: Mask) {
            let chosen = mux(&select, &left, &right);
            for row in 0..ROWS {
                let expected = if bit(&select, row) { bit(&right, row) } else { bit(&left, row) };
                prop_assert_eq!(bit(&chosen, row), expected);
            }
        }
    }
}
