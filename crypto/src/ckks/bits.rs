//! Words packed to the bits of their prime, as everywhere.

use super::error::CkksError;
use crate::ring::basis::Limb;
use crate::rlwe::codec;

pub(super) fn packed_bytes(limb: &Limb) -> usize {
    codec::packed_bytes(limb, limb.degree())
}

pub(super) fn pack(limb: &Limb, words: &[u64], bytes: &mut Vec<u8>) {
    codec::pack(limb, words, bytes);
}

pub(super) fn unpack(limb: &Limb, bytes: &[u8], words: &mut [u64]) -> Result<(), CkksError> {
    Ok(codec::unpack_into(limb, bytes, words)?)
}
