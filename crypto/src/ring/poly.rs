//! Polynomials over a basis: limb by limb in one allocation, aligned to cache lines.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use aligned_vec::{AVec, CACHELINE_ALIGN, ConstAlign};
use zeroize::Zeroize;

use super::basis::{Limb, RnsBasis};

/// Marks a polynomial that is given by its coefficients, from the constant one up.
#[derive(Clone, Copy, Debug)]
pub enum Coeff {}

/// Marks a polynomial that is given by its values, in the order of [`super::ntt`].
#[derive(Clone, Copy, Debug)]
pub enum Eval {}

/// A polynomial modulo `X^N + 1` and each prime of a basis; every word is reduced. Whether it is secret is known by
/// its owner, who wipes it then (`Secret<Poly<_>>`); it prints nothing of its words.
///
/// Operations on two polynomials panic if their bases differ: what comes from outside is checked where it is decoded.
pub struct Poly<Domain> {
    basis: Arc<RnsBasis>,
    words: AVec<u64, ConstAlign<CACHELINE_ALIGN>>,
    domain: PhantomData<Domain>,
}

impl<Domain> Poly<Domain> {
    /// The polynomial 0.
    pub fn zero(basis: &Arc<RnsBasis>) -> Self {
        Self {
            basis: Arc::clone(basis),
            words: AVec::from_iter(
                CACHELINE_ALIGN,
                std::iter::repeat_n(0, basis.degree() * basis.limbs().len()),
            ),
            domain: PhantomData,
        }
    }

    /// The basis.
    pub const fn basis(&self) -> &Arc<RnsBasis> {
        &self.basis
    }

    /// All words, limb by limb.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// All words, limb by limb, to be set to reduced numbers.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Each prime with its `N` words.
    pub fn limbs(&self) -> impl Iterator<Item = (&Limb, &[u64])> {
        self.basis
            .limbs()
            .iter()
            .zip(self.words.chunks_exact(self.basis.degree()))
    }

    /// Each prime with its `N` words, to be set to reduced numbers.
    pub fn limbs_mut(&mut self) -> impl Iterator<Item = (&Limb, &mut [u64])> {
        self.basis
            .limbs()
            .iter()
            .zip(self.words.chunks_exact_mut(self.basis.degree()))
    }

    /// `self += other`.
    pub fn add_assign(&mut self, other: &Self) {
        self.each(other, |limb, word, other| *word = limb.modulo.add(*word, other));
    }

    /// `self -= other`.
    pub fn sub_assign(&mut self, other: &Self) {
        self.each(other, |limb, word, other| *word = limb.modulo.sub(*word, other));
    }

    /// The same polynomial modulo the primes of a basis that begins this one's.
    pub fn truncated(&self, basis: &Arc<RnsBasis>) -> Self {
        assert!(
            basis.degree() == self.basis.degree()
                && basis.limbs().len() <= self.basis.limbs().len()
                && basis.primes().zip(self.basis.primes()).all(|(a, b)| a == b),
            "a polynomial is cut to a basis that begins its own"
        );
        let length = basis.degree() * basis.limbs().len();
        Self {
            basis: Arc::clone(basis),
            words: AVec::from_slice(CACHELINE_ALIGN, &self.words[..length]),
            domain: PhantomData,
        }
    }

    /// Makes this the same polynomial modulo the primes of a basis that begins its own.
    pub fn truncate(&mut self, basis: &Arc<RnsBasis>) {
        assert!(
            basis.degree() == self.basis.degree() && basis.limbs().len() <= self.basis.limbs().len(),
            "a polynomial is cut to a basis that begins its own"
        );
        self.words.truncate(basis.degree() * basis.limbs().len());
        self.basis = Arc::clone(basis);
    }

    /// Bytes allocated.
    pub fn room(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Makes this a polynomial over another basis, with words that are not specified: room to write to. Allocates only
    /// if there was never so much room.
    pub fn reshape(&mut self, basis: &Arc<RnsBasis>) {
        if !Arc::ptr_eq(&self.basis, basis) {
            self.words.resize(basis.degree() * basis.limbs().len(), 0);
            self.basis = Arc::clone(basis);
        }
    }

    /// The `N` words of one prime.
    pub fn limb(&self, index: usize) -> &[u64] {
        let degree = self.basis.degree();
        &self.words[index * degree..][..degree]
    }

    #[inline(always)]
    fn each(&mut self, other: &Self, each: impl Fn(&Limb, &mut u64, u64)) {
        self.assert_same_basis(other);
        for ((limb, words), (_, others)) in self.limbs_mut().zip(other.limbs()) {
            words
                .iter_mut()
                .zip(others)
                .for_each(|(word, other)| each(limb, word, *other));
        }
    }

    fn assert_same_basis<Other>(&self, other: &Poly<Other>) {
        assert!(
            Arc::ptr_eq(&self.basis, &other.basis)
                || (self.basis.degree() == other.basis.degree()
                    && self.basis.primes().eq(other.basis.primes())),
            "polynomials of one operation have one basis"
        );
    }

    fn into_domain<Other>(self) -> Poly<Other> {
        Poly {
            basis: self.basis,
            words: self.words,
            domain: PhantomData,
        }
    }
}

impl Poly<Coeff> {
    /// The polynomial of small coefficients, at most `N` of them, each above `-2^32` and below `2^32`.
    pub fn from_small(basis: &Arc<RnsBasis>, coefficients: &[i64]) -> Self {
        assert!(
            coefficients.len() <= basis.degree(),
            "no more coefficients than the degree"
        );
        let mut poly = Self::zero(basis);
        for (limb, words) in poly.limbs_mut() {
            for (word, coefficient) in words.iter_mut().zip(coefficients) {
                let negative = limb.modulo.modulus() & (coefficient >> 63) as u64;
                *word = (*coefficient as u64).wrapping_add(negative);
            }
        }
        poly
    }

    /// The values.
    pub fn into_eval(mut self) -> Poly<Eval> {
        for (limb, words) in self.limbs_mut() {
            limb.ntt.forward(words);
        }
        self.into_domain()
    }
}

impl Poly<Eval> {
    /// The coefficients.
    pub fn into_coeff(mut self) -> Poly<Coeff> {
        for (limb, words) in self.limbs_mut() {
            limb.ntt.inverse(words);
        }
        self.into_domain()
    }

    /// `self += a b`.
    pub fn mul_accumulate(&mut self, a: &Self, b: &Self) {
        self.assert_same_basis(a);
        self.assert_same_basis(b);
        for (((limb, words), (_, a)), (_, b)) in self.limbs_mut().zip(a.limbs()).zip(b.limbs()) {
            limb.ntt.mul_accumulate(words, a, b);
        }
    }

    /// `a b`.
    pub fn product(a: &Self, b: &Self) -> Self {
        let mut product = Self::zero(&a.basis);
        product.mul_accumulate(a, b);
        product
    }
}

impl<Domain> Clone for Poly<Domain> {
    fn clone(&self) -> Self {
        Self {
            basis: Arc::clone(&self.basis),
            words: self.words.clone(),
            domain: PhantomData,
        }
    }
}

impl<Domain> Zeroize for Poly<Domain> {
    fn zeroize(&mut self) {
        self.words.as_mut_slice().zeroize();
    }
}

impl<Domain> fmt::Debug for Poly<Domain> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Poly(degree {}, {} primes)",
            self.basis.degree(),
            self.basis.limbs().len()
        )
    }
}

#[cfg(test)]
#[path = "poly_tests.rs"]
pub(super) mod tests;
