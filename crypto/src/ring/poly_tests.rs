use num_bigint::{BigInt, BigUint};
use proptest::prelude::*;

use super::*;
use crate::ring::sample;
use crate::ring::xof::Xof;
use crate::seed::Seed;

/// The coefficients below `Q` that the residues stand for, by the Chinese remainder theorem in big integers.
pub(in crate::ring) fn composed(poly: &Poly<Coeff>) -> (Vec<BigUint>, BigUint) {
    let basis = poly.basis();
    let modulus: BigUint = basis.primes().map(BigUint::from).product();
    let mut coefficients = vec![BigUint::ZERO; basis.degree()];
    for (limb, words) in poly.limbs() {
        let prime = BigUint::from(limb.modulo().modulus());
        let others = &modulus / &prime;
        let inverse = others.modpow(&(&prime - 2_u32), &prime);
        for (sum, word) in coefficients.iter_mut().zip(words) {
            *sum = (&*sum + BigUint::from(*word) * &others * &inverse) % &modulus;
        }
    }
    (coefficients, modulus)
}

pub(in crate::ring) fn random(basis: &Arc<RnsBasis>, seed: [u8; 32], label: &str) -> Poly<Coeff> {
    sample::uniform(basis, &mut Xof::new(&Seed::from_bytes(seed), label, &[])).into_coeff()
}

fn negacyclic(a: &[BigUint], b: &[BigUint], modulus: &BigUint) -> Vec<BigUint> {
    let mut product = vec![BigInt::ZERO; a.len()];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            let term = BigInt::from(a * b);
            let wraps = i + j >= product.len();
            let place = (i + j) % product.len();
            product[place] += if wraps { -term } else { term };
        }
    }
    let modulus = BigInt::from(modulus.clone());
    let reduced = product
        .into_iter()
        .map(|sum| ((sum % &modulus) + &modulus) % &modulus);
    reduced.map(|sum| sum.to_biguint().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sums, differences and products against big integers modulo `Q`.
    #[test]
    fn is_the_ring(log_degree in 4_u32..7, primes in 1_usize..5, seed: [u8; 32]) {
        let basis = RnsBasis::new(1 << log_degree, primes).unwrap();
        let (a, b) = (random(&basis, seed, "a"), random(&basis, seed, "b"));
        let ((a_big, modulus), (b_big, _)) = (composed(&a), composed(&b));
        let each = |f: &dyn Fn(&BigUint, &BigUint) -> BigUint| -> Vec<BigUint> {
            a_big.iter().zip(&b_big).map(|(a, b)| f(a, b) % &modulus).collect()
        };
        let mut sum = a.clone();
        sum.add_assign(&b);
        prop_assert_eq!(composed(&sum).0, each(&|a, b| a + b));
        let mut difference = a.clone();
        difference.sub_assign(&b);
        prop_assert_eq!(composed(&difference).0, each(&|a, b| a + &modulus - b));
        let (a, b) = (a.into_eval(), b.into_eval());
        let product = Poly::product(&a, &b);
        let expected = negacyclic(&a_big, &b_big, &modulus);
        prop_assert_eq!(&composed(&product.clone().into_coeff()).0, &expected);
        let mut twice = product;
        twice.mul_accumulate(&a, &b);
        let doubled: Vec<BigUint> = expected.iter().map(|word| word * 2_u32 % &modulus).collect();
        prop_assert_eq!(composed(&twice.into_coeff()).0, doubled);
    }

    #[test]
    fn small_coefficients_are_centred(small in prop::collection::vec(-(1_i64 << 31)..1 << 31, 0..16)) {
        let basis = RnsBasis::new(16, 2).unwrap();
        let (big, modulus) = composed(&Poly::from_small(&basis, &small));
        let modulus = BigInt::from(modulus);
        for (index, big) in big.into_iter().enumerate() {
            let expected = BigInt::from(small.get(index).copied().unwrap_or(0));
            prop_assert_eq!(BigInt::from(big), (expected + &modulus) % &modulus);
        }
    }
}

#[test]
fn a_cut_is_the_same_polynomial_modulo_fewer_primes() {
    let basis = RnsBasis::new(32, 3).unwrap();
    let poly = random(&basis, [1; 32], "a");
    let first = poly.truncated(basis.first());
    assert_eq!(first.words(), &poly.words()[..32]);
    assert_eq!(first.basis().limbs().len(), 1);
}

#[test]
#[should_panic(expected = "one basis")]
fn other_bases_do_not_mix() {
    let [one, two] = [1, 2].map(|primes| Poly::<Coeff>::zero(&RnsBasis::new(16, primes).unwrap()));
    let mut sum = one;
    sum.add_assign(&two);
}

#[test]
fn is_aligned_wiped_and_silent() {
    let basis = RnsBasis::new(16, 2).unwrap();
    let mut poly = random(&basis, [2; 32], "a");
    assert_eq!(poly.words().as_ptr().align_offset(64), 0);
    assert_eq!(format!("{poly:?}"), "Poly(degree 16, 2 primes)");
    poly.zeroize();
    assert!(poly.words().iter().all(|word| *word == 0));
}
