//! What is computed on, with what is known of its noise, and what a circuit takes.

use std::fmt;
use std::sync::atomic::AtomicUsize;

use super::noise::Noise;
use crate::ring::{Eval, Poly};
use crate::rlwe::Ciphertext;

/// A ciphertext with a bound on its noise, at a length of the chain. It is under the key of the evaluator that read it.
#[derive(Clone)]
pub struct ProductCiphertext {
    pub(super) level: usize,
    pub(super) noise: Noise,
    pub(super) body: Option<Ciphertext>,
}

impl ProductCiphertext {
    /// Primes of the chain that are left.
    pub const fn level(&self) -> usize {
        self.level
    }

    /// What no coefficient of its phase exceeds, and what these are expected to be.
    pub const fn noise(&self) -> Noise {
        self.noise
    }

    pub(super) const fn new(level: usize, noise: Noise, body: Option<Ciphertext>) -> Self {
        Self { level, noise, body }
    }

    #[cfg(test)]
    pub(super) const fn body(&self) -> Option<&Ciphertext> {
        self.body.as_ref()
    }
}

impl fmt::Debug for ProductCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ProductCiphertext({} primes, noise 2^{:.1})",
            self.level,
            self.noise.bound.log2()
        )
    }
}

/// A sum of products of ciphertexts at one length of the chain: three parts, relinearised once.
#[derive(Clone)]
pub struct ProductSum {
    pub(super) level: usize,
    pub(super) noise: Noise,
    pub(super) body: Option<[Poly<Eval>; 3]>,
}

/// What a circuit takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Relinearisations and rotations.
    pub key_switches: usize,
    /// Products before relinearisation.
    pub tensors: usize,
    /// Primes of all key switches, squared and summed: what time goes with.
    pub switched_primes: usize,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) switches: AtomicUsize,
    pub(super) tensors: AtomicUsize,
    pub(super) primes: AtomicUsize,
}
