//! What the row party sends back: masked cells, flooded, over one prime.

use super::error::ExactError;
use super::scheme::Scheme;
use crate::ring::{Coeff, Poly};
use crate::rlwe::KeyId;
use crate::rlwe::codec::{self, CodecError, HEADER_BYTES, Header, Kind};

/// An answer: all of the second half, and the opened coefficients of the first.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) header: Header,
    pub(super) key: KeyId,
    pub(super) opened: Vec<u64>,
    pub(super) second: Poly<Coeff>,
}

impl Answer {
    /// The key that opens it.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// Header, second half, opened coefficients, each packed to the bits of the prime.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.header.write(self.key, &mut bytes);
        for (limb, words) in self.second.limbs() {
            codec::pack(limb, words, &mut bytes);
            codec::pack(limb, &self.opened, &mut bytes);
        }
        bytes
    }

    pub(super) fn bytes(scheme: &Scheme) -> usize {
        let [second, opened] = parts(scheme);
        HEADER_BYTES + second + opened
    }

    pub(super) fn read(scheme: &Scheme, bytes: &[u8]) -> Result<Self, ExactError> {
        let [second_bytes, opened_bytes] = parts(scheme);
        let header = scheme.header(Kind::Answer);
        let (key, rest) = header.read(bytes, second_bytes + opened_bytes)?;
        let (first, last) = rest.split_at_checked(second_bytes).ok_or(CodecError::Length {
            actual: rest.len(),
            expected: second_bytes + opened_bytes,
        })?;
        let mut second = Poly::zero(scheme.ring.basis().first());
        let mut opened = vec![0; scheme.cells];
        for (limb, words) in second.limbs_mut() {
            codec::unpack_into(limb, first, words)?;
            codec::unpack_into(limb, last, &mut opened)?;
        }
        Ok(Self {
            header,
            key,
            opened,
            second,
        })
    }
}

/// Bytes of the second half and of the opened coefficients.
fn parts(scheme: &Scheme) -> [usize; 2] {
    let bytes = |words| match scheme.ring.basis().limbs().first() {
        Some(limb) => codec::packed_bytes(limb, words),
        None => 0,
    };
    [scheme.ring.degree(), scheme.cells].map(bytes)
}
