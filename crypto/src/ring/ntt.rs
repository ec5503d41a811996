//! The negacyclic number-theoretic transform modulo one prime.
//!
//! The kernel is `tfhe-ntt` (Zama, BSD-3-Clause-Clear, which grants no patent licence): plain, AVX2, AVX-512 and
//! IFMA code, chosen at run time; IFMA wants primes below `2^50`. Nothing else of the crate knows it, so that
//! this file is all there is to replace.
//!
//! The value at place `i` is that of the polynomial at `psi^(2 r(i) + 1)`, with `r(i)` the bits of `i` reversed and
//! `psi` the `2N`-th root of unity that repeated square roots of -1 lead to. Bytes on the wire depend on this order:
//! the tests pin it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tfhe_ntt::prime64::Plan;

/// The tables of one degree and prime. They are the same for everybody, so that one copy serves the process.
static TABLES: Mutex<BTreeMap<(usize, u64), Arc<Ntt>>> = Mutex::new(BTreeMap::new());

/// The transform of polynomials of degree below `N` modulo one prime `= 1 mod 2N`.
pub struct Ntt(Plan);

impl Ntt {
    /// The transform for a degree, a power of two of at least 16, and a prime; `None` if there is none.
    /// Made once per process.
    pub fn get(degree: usize, prime: u64) -> Option<Arc<Self>> {
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ntt) = tables.get(&(degree, prime)) {
            return Some(Arc::clone(ntt));
        }
        let ntt = Arc::new(Self(Plan::try_new(degree, prime)?));
        tables.insert((degree, prime), Arc::clone(&ntt));
        Some(ntt)
    }

    /// The number `N` of coefficients.
    pub fn degree(&self) -> usize {
        self.0.ntt_size()
    }

    /// From `N` reduced coefficients to values, in place.
    pub fn forward(&self, words: &mut [u64]) {
        self.0.fwd(words);
    }

    /// From `N` values to reduced coefficients, in place.
    pub fn inverse(&self, words: &mut [u64]) {
        self.0.inv(words);
        self.0.normalize(words);
    }

    /// From `N` values to reduced coefficients times `N`, in place: for who multiplies them anyway.
    pub fn inverse_times_degree(&self, words: &mut [u64]) {
        self.0.inv(words);
    }

    /// `sum[i] += a[i] b[i]`, all reduced.
    pub fn mul_accumulate(&self, sum: &mut [u64], a: &[u64], b: &[u64]) {
        self.0.mul_accumulate(sum, a, b);
    }
}

impl fmt::Debug for Ntt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ntt({} mod {})", self.0.ntt_size(), self.0.modulus())
    }
}

#[cfg(test)]
#[path = "ntt_tests.rs"]
mod tests;
