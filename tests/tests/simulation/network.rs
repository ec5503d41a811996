//! Links between parties and coordinator: what a message meets on its way.

use rand_core::Rng;

/// How bad it is outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Of a hundred messages, so many are lost; as with QUIC, the connection goes with them.
    pub lost: u8,
    /// Of a hundred messages, so many arrive twice.
    pub doubled: u8,
    /// Each message is late by up to so many milliseconds, each by its own amount, so they overtake.
    pub jitter: u16,
}

/// One party's link.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Number of the connection; messages of earlier ones still arrive.
    pub epoch: u64,
    /// Both ends know each other.
    pub up: bool,
    /// Nothing gets through before this time.
    pub cut_until: u64,
    /// A dial is under way.
    pub dialling: bool,
}

/// A number below `bound`, which is not zero. Nothing here needs to be unbiased.
pub fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    rng.next_u64() % bound
}

/// Whether something happens that happens so many times in a hundred.
pub fn chance(rng: &mut impl Rng, percent: u8) -> bool {
    below(rng, 100) < u64::from(percent)
}
