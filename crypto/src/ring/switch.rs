//! From a basis to the one without its last prime: every coefficient divided by that prime and rounded.
//!
//! With `q` the last prime and `c = [x]_q` centred, the coefficient becomes `(x - c) / q`, which is exact; the error
//! against `x / q` is at most 1/2. (Brakerski, Gentry, Vaikuntanathan, *(Leveled) fully homomorphic encryption
//! without bootstrapping*, ITCS 2012, section 4; in residues: Cheon et al., *A full RNS variant of approximate
//! homomorphic encryption*, SAC 2018, section 3.)

use super::poly::{Coeff, Poly};

impl Poly<Coeff> {
    /// `round(self / q)` over the basis without its last prime `q`; `None` if that is the only one.
    pub fn divide_by_last(&self) -> Option<Self> {
        let basis = self.basis();
        let smaller = basis.without_last()?;
        let (last, _) = basis.limbs().split_last()?;
        let last = last.modulo();
        let half = last.modulus() / 2;
        let (_, dropped) = self.limbs().last()?;
        let mut result = Self::zero(smaller);
        let inverses = basis.last_inverse();
        for (((limb, words), (_, source)), inverse) in result.limbs_mut().zip(self.limbs()).zip(inverses) {
            let modulo = limb.modulo();
            for ((word, source), dropped) in words.iter_mut().zip(source).zip(dropped) {
                // Raised by half, the remainder is the centred one plus that half. It is reduced modulo the other
                // primes too, as the last prime is the smallest.
                let raised = last.add(*dropped, half);
                let exact = modulo.add(modulo.sub(*source, raised), half);
                *word = modulo.scale(exact, *inverse);
            }
        }
        Some(result)
    }

    /// As [`divide_by_last`](Self::divide_by_last) until one prime is left.
    pub fn switched_to_first(self) -> Self {
        let mut poly = self;
        while let Some(smaller) = poly.divide_by_last() {
            poly = smaller;
        }
        poly
    }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
