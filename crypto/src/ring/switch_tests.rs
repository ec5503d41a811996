use num_bigint::BigUint;
use proptest::prelude::*;

use crate::ring::RnsBasis;
use crate::ring::poly::tests::{composed, random};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every coefficient is `round(x / q)`, in big integers.
    #[test]
    fn divides_and_rounds(primes in 2_usize..5, seed: [u8; 32]) {
        let basis = RnsBasis::new(16, primes).unwrap();
        let poly = random(&basis, seed, "a");
        let last = BigUint::from(basis.primes().last().unwrap());
        let (before, modulus) = composed(&poly);
        let switched = poly.divide_by_last().unwrap();
        let (after, smaller) = composed(&switched);
        prop_assert_eq!(&smaller * &last, modulus);
        for (after, before) in after.into_iter().zip(before) {
            prop_assert_eq!(after, (before * 2_u32 + &last) / (&last * 2_u32) % &smaller);
        }
    }

    /// Several primes one after the other round several times: off from one rounding by less than one.
    #[test]
    fn ends_with_the_first_prime(primes in 1_usize..5, seed: [u8; 32]) {
        let basis = RnsBasis::new(16, primes).unwrap();
        let poly = random(&basis, seed, "a");
        let (before, modulus) = composed(&poly);
        let switched = poly.switched_to_first();
        let (after, first) = composed(&switched);
        prop_assert_eq!(first.clone(), BigUint::from(basis.primes().next().unwrap()));
        let divisor = modulus / &first;
        for (after, before) in after.into_iter().zip(before) {
            let exact = before * 2_u32 / &divisor;
            let distance = (after * 2_u32 + &first * 2_u32 + 2_u32 - exact) % (&first * 2_u32);
            prop_assert!(distance <= BigUint::from(4_u32), "{distance}");
        }
    }
}

#[test]
fn the_last_prime_stays() {
    let basis = RnsBasis::new(16, 1).unwrap();
    assert!(random(&basis, [0; 32], "a").divide_by_last().is_none());
}
