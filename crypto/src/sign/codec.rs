//! Bytes: numbers modulo `2^64` cut to their highest bytes, rounded.

/// Appends the highest `bytes` bytes of each number, rounded, little-endian.
pub(super) fn pack(words: &[u64], bytes: usize, to: &mut Vec<u8>) {
    let dropped = 64 - 8 * bytes as u32;
    let half = 1_u64.checked_shl(dropped.wrapping_sub(1)).unwrap_or(0);
    to.reserve(words.len() * bytes);
    for word in words {
        let kept = word.wrapping_add(half) >> dropped;
        to.extend(kept.to_le_bytes().iter().take(bytes));
    }
}

/// The numbers of [`pack`].
pub(super) fn unpack(packed: &[u8], bytes: usize) -> Vec<u64> {
    let dropped = 64 - 8 * bytes as u32;
    let number = |packed: &[u8]| {
        let mut room = [0; 8];
        room.iter_mut().zip(packed).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(room) << dropped
    };
    packed.chunks_exact(bytes).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cut_by_rounding() {
        for bytes in [3, 6, 8] {
            let dropped = 64 - 8 * bytes as u32;
            let words = [
                0,
                1,
                u64::MAX,
                1 << 63,
                (1 << 63) + (1 << 39),
                0x0123_4567_89ab_cdef,
            ];
            let mut packed = Vec::new();
            pack(&words, bytes, &mut packed);
            assert_eq!(packed.len(), words.len() * bytes);
            for (word, read) in words.iter().zip(unpack(&packed, bytes)) {
                let off = word.wrapping_sub(read) as i64;
                assert!(off.unsigned_abs() <= 1_u64.checked_shl(dropped.wrapping_sub(1)).unwrap_or(0));
            }
        }
    }
}
