//! Words packed to the bits of their prime, from the lowest up, ending with a byte.

use super::error::CkksError;
use crate::ring::basis::Limb;
use crate::rlwe::CodecError;

pub(super) fn packed_bytes(limb: &Limb) -> usize {
    (limb.degree() * limb.modulo().bits() as usize).div_ceil(8)
}

pub(super) fn pack(limb: &Limb, words: &[u64], bytes: &mut Vec<u8>) {
    let bits = limb.modulo().bits();
    let (mut held, mut count) = (0_u128, 0);
    for word in words {
        held |= u128::from(*word) << count;
        count += bits;
        if count >= 64 {
            bytes.extend((held as u64).to_le_bytes());
            held >>= 64;
            count -= 64;
        }
    }
    bytes.extend_from_slice(&held.to_le_bytes()[..count.div_ceil(8) as usize]);
}

pub(super) fn unpack(limb: &Limb, bytes: &[u8], words: &mut [u64]) -> Result<(), CkksError> {
    let (bits, modulus) = (limb.modulo().bits(), limb.modulo().modulus());
    let mask = u64::MAX >> (64 - bits);
    let mut chunks = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let (mut held, mut count) = (0_u128, 0);
    let mut largest = 0;
    for word in &mut *words {
        if count < bits {
            held |= u128::from(chunks.next().unwrap_or_default()) << count;
            count += 64;
        }
        *word = held as u64 & mask;
        largest = largest.max(*word);
        held >>= bits;
        count -= bits;
    }
    if largest >= modulus {
        let index = words.iter().position(|word| *word >= modulus).unwrap_or_default();
        return Err(CodecError::NotReduced { index, modulus }.into());
    }
    if held != 0 {
        return Err(CodecError::Padding.into());
    }
    Ok(())
}
