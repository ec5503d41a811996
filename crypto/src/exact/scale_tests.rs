use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;

fn moduli() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![
        1_u64 << 30,
        2,
        3,
        65_537,
        52_445_185,
        (1 << 36) + 31,
        (1 << 48) - 59,
    ])
}

proptest! {
    /// `round(Q m / p)` in big integers, with the half rounded up.
    #[test]
    fn encodes_as_defined(plaintext in moduli(), primes in 1_usize..5, values in prop::collection::vec(any::<u64>(), 1..5)) {
        let basis = RnsBasis::new(16, primes).unwrap();
        let scale = Scale::new(&basis, plaintext).unwrap();
        let values: Vec<u64> = values.into_iter().map(|value| value % plaintext).collect();
        let product: BigUint = basis.primes().map(BigUint::from).product();
        let poly = encoded(&scale, &basis, &values, 4);
        for (limb, words) in poly.expose().limbs() {
            for (place, word) in words.iter().enumerate() {
                let value = if place % 4 == 0 { values.get(place / 4).copied().unwrap_or(0) } else { 0 };
                let rounded = (&product * value + plaintext / 2) / plaintext;
                prop_assert_eq!(BigUint::from(*word), rounded % limb.modulo().modulus());
            }
        }
    }

    #[test]
    fn decodes_to_the_nearest(plaintext in moduli(), value: u64, noise in -1.0_f64..1.0) {
        let basis = RnsBasis::new(16, 1).unwrap();
        let scale = Scale::new(&basis, plaintext).unwrap();
        let value = value % plaintext;
        let prime = basis.primes().next().unwrap();
        let poly = encoded(&scale, &basis, &[value], 16);
        let room = (prime / plaintext / 2 - 1) as f64;
        let noise = (noise * room) as i64;
        let phase = (poly.expose().words()[0] as i64 + noise).rem_euclid(prime as i64) as u64;
        prop_assert_eq!(scale.decode(phase), value);
    }
}

#[test]
fn bits_are_zero_or_one() {
    let basis = RnsBasis::new(16, 2).unwrap();
    let scale = Scale::new(&basis, 1 << 30).unwrap();
    let mut bits = Poly::zero(&basis);
    scale.encode_bits(&[true, false, true], &mut bits);
    assert_eq!(
        bits.words(),
        encoded(&scale, &basis, &[1, 0, 1], 1).expose().words()
    );
    assert!(Scale::new(&basis, 1).is_none() && Scale::new(&basis, PLAINTEXT_LIMIT).is_none());
}
