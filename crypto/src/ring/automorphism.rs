//! The automorphisms `X -> X^g` for odd `g`: on values they are permutations.
//!
//! The order of values is learnt from the transform itself: the values of the polynomial `X` are the roots of unity in
//! that order. Each aligned group of 8 values goes to one such group, which is what [`super::simd::permute`] lives on;
//! it follows from the bit-reversed order, and is checked when a table is made.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::basis::RnsBasis;
use super::poly::{Coeff, Eval, Poly};
use super::simd;

/// The permutation of values that one automorphism is.
#[derive(Debug)]
pub struct Automorphism {
    exponent: usize,
    table: Vec<u32>,
}

/// The places of a ring's values: where the value at `base^e` is, for odd `e`, and the other way round.
#[derive(Debug)]
pub struct Automorphisms {
    degree: usize,
    exponents: Vec<u32>,
    places: Vec<u32>,
    made: Mutex<BTreeMap<usize, Arc<Automorphism>>>,
}

impl Automorphisms {
    /// Those of a ring. They are the same for all of its primes.
    pub fn new(basis: &RnsBasis) -> Self {
        let degree = basis.degree();
        let limb = &basis.limbs()[0];
        let mut values = vec![0; degree];
        values[1] = 1;
        limb.ntt().forward(&mut values);
        // All powers of the first value, which is a primitive 2N-th root of unity.
        let modulo = limb.modulo();
        let base = values[0];
        let mut power = base;
        let square = modulo.mul(base, base);
        let mut exponent_of = HashMap::with_capacity(degree);
        for exponent in (1..2 * degree as u32).step_by(2) {
            exponent_of.insert(power, exponent);
            power = modulo.mul(power, square);
        }
        let exponents: Vec<u32> = values.iter().map(|value| exponent_of[value]).collect();
        let mut places = vec![0; degree];
        for (place, exponent) in exponents.iter().enumerate() {
            places[*exponent as usize / 2] = place as u32;
        }
        Self {
            degree,
            exponents,
            places,
            made: Mutex::new(BTreeMap::new()),
        }
    }

    /// The automorphism `X -> X^exponent`, for an odd exponent below `2N`; made once.
    pub fn get(&self, exponent: usize) -> Arc<Automorphism> {
        assert!(
            exponent % 2 == 1 && exponent < 2 * self.degree,
            "exponents are odd and below 2N"
        );
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let automorphism = made
            .entry(exponent)
            .or_insert_with(|| Arc::new(self.make(exponent)));
        Arc::clone(automorphism)
    }

    fn make(&self, exponent: usize) -> Automorphism {
        let source = |at: &u32| self.places[(*at as usize * exponent) % (2 * self.degree) / 2];
        let table: Vec<u32> = self.exponents.iter().map(source).collect();
        let groups = table.chunks_exact(simd::LANES);
        assert!(
            groups
                .into_iter()
                .all(|group| group.iter().all(|place| place / 8 == group[0] / 8)),
            "the transform's order keeps groups of 8 together"
        );
        Automorphism { exponent, table }
    }

    /// `5^steps mod 2N` for a rotation of `N / 2` slots to the left by `steps`, to the right if negative.
    pub fn rotation_exponent(&self, steps: i64) -> usize {
        let (slots, modulus) = (self.degree as i64 / 2, 2 * self.degree);
        let mut left = steps.rem_euclid(slots) as usize;
        let (mut exponent, mut power) = (1, 5 % modulus);
        while left > 0 {
            if left % 2 == 1 {
                exponent = exponent * power % modulus;
            }
            power = power * power % modulus;
            left /= 2;
        }
        exponent
    }
}

impl Automorphism {
    /// The exponent `g` of `X -> X^g`.
    pub const fn exponent(&self) -> usize {
        self.exponent
    }

    /// Where each value comes from.
    pub fn table(&self) -> &[u32] {
        &self.table
    }

    /// The image of a polynomial.
    pub fn apply(&self, poly: &Poly<Eval>) -> Poly<Eval> {
        let mut image = Poly::zero(poly.basis());
        for ((_, out), (_, source)) in image.limbs_mut().zip(poly.limbs()) {
            simd::permute(out, source, &self.table);
        }
        image
    }
}

impl Poly<Coeff> {
    /// `X -> X^exponent` on coefficients, for an odd exponent.
    pub fn automorphism(&self, exponent: usize) -> Self {
        let degree = self.basis().degree();
        let mut image = Self::zero(self.basis());
        for ((limb, out), (_, source)) in image.limbs_mut().zip(self.limbs()) {
            let modulo = limb.modulo();
            for (index, word) in source.iter().enumerate() {
                let to = index * exponent % (2 * degree);
                out[to % degree] = if to < degree { *word } else { modulo.sub(0, *word) };
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::sample;
    use crate::ring::xof::Xof;
    use crate::seed::Seed;

    #[test]
    fn permutes_values_as_it_moves_coefficients() {
        for degree in [16, 64, 1024] {
            let basis = RnsBasis::new(degree, 3).unwrap();
            let automorphisms = Automorphisms::new(&basis);
            let poly = sample::uniform(&basis, &mut Xof::new(&Seed::from_bytes([1; 32]), "test", &[]));
            for exponent in [1, 3, 5, 25, degree - 1, 2 * degree - 1] {
                let image = automorphisms.get(exponent).apply(&poly).into_coeff();
                let expected = poly.clone().into_coeff().automorphism(exponent);
                assert_eq!(image.words(), expected.words(), "{degree} {exponent}");
            }
        }
    }

    #[test]
    fn rotations_are_powers_of_five() {
        let automorphisms = Automorphisms::new(&RnsBasis::new(16, 1).unwrap());
        assert_eq!(
            [0, 1, 2, -1, 8].map(|steps| automorphisms.rotation_exponent(steps)),
            [1, 5, 25, 13, 1]
        );
    }
}
