use proptest::prelude::*;

use super::*;
use crate::ckks::{INSECURE_ParamsLiteral, ParamsLiteral};

fn params() -> Params {
    INSECURE_ParamsLiteral(ParamsLiteral::new(6, 40, 2, 1))
        .build()
        .unwrap()
}

/// The value of the polynomial at `zeta^(5^slot)`, term by term.
fn value(coefficients: &[i64], slot: usize) -> Complex {
    let degree = coefficients.len();
    let mut power = 1;
    (0..slot).for_each(|_| power = power * 5 % (2 * degree));
    let mut sum = Complex::default();
    for (k, coefficient) in coefficients.iter().enumerate() {
        let angle = std::f64::consts::PI * (power * k % (2 * degree)) as f64 / degree as f64;
        sum.re += *coefficient as f64 * angle.cos();
        sum.im += *coefficient as f64 * angle.sin();
    }
    sum
}

proptest! {
    #[test]
    fn slots_are_values_at_roots(numbers in prop::collection::vec((-100.0..100.0, -100.0..100.0), 0..=32)) {
        let encoder = Encoder::new(&params());
        let numbers: Vec<Complex> = numbers.into_iter().map(|(re, im)| Complex { re, im }).collect();
        let scale = 2_f64.powi(40);
        let plaintext = encoder.encode_complex(&numbers, scale).unwrap();
        let decoded = encoder.decode_complex(&Decrypted::from(&plaintext));
        for (slot, decoded) in decoded.iter().enumerate() {
            let expected = numbers.get(slot).copied().unwrap_or_default();
            let value = value(plaintext.coefficients(), slot);
            let error = Complex { re: value.re / scale - expected.re, im: value.im / scale - expected.im };
            prop_assert!(error.abs() < 2_f64.powi(-36), "{slot} {error:?}");
            let error = Complex { re: decoded.re - expected.re, im: decoded.im - expected.im };
            prop_assert!(error.abs() < 2_f64.powi(-36));
        }
    }

    #[test]
    fn rounding_is_to_nearest(number in prop_oneof![-1e18..1e18, -1e6..1e6, Just(0.5), Just(-1.5), Just(4503599627370497.0)]) {
        prop_assert_eq!(rounded(number), number.round_ties_even() as i64);
    }
}

/// By `numpy`: `round(2^20 * inverse of the matrix zeta^(5^j k))`, N = 32, of the numbers 1, 2, .., 16.
#[test]
fn known_answers() {
    let params = INSECURE_ParamsLiteral(ParamsLiteral::new(5, 30, 1, 1))
        .build()
        .unwrap();
    let numbers: Vec<f64> = (1..=16).map(f64::from).collect();
    let plaintext = Encoder::new(&params)
        .encode_real(&numbers, 2_f64.powi(20))
        .unwrap();
    assert_eq!(plaintext.coefficients(), KNOWN);
}

const KNOWN: [i64; 32] = [
    8912896, -1559525, -1343706, -401797, -283743, -515998, 471847, -408763, -370728, 1198701, -315278,
    704406, -685015, -1863911, 267280, 601627, 0, -601627, -267280, 1863911, 685015, -704406, 315278,
    -1198701, 370728, 408763, -471847, 515998, 283743, 401797, 1343706, 1559525,
];

#[test]
fn scalars_are_constants() {
    let encoder = Encoder::new(&params());
    let scalar = encoder.encode_scalar(-1.25, 1024.0).unwrap();
    assert_eq!(scalar, encoder.encode_real(&[-1.25; 32], 1024.0).unwrap());
    assert_eq!(scalar.coefficients()[0], -1280);
}

#[test]
fn too_many_and_too_large_are_refused() {
    let encoder = Encoder::new(&params());
    let error = encoder.encode_real(&[0.0; 33], 1.0).unwrap_err();
    assert_eq!(error.to_string(), "33 numbers, expected 32");
    for bad in [f64::NAN, f64::INFINITY, 1e30] {
        let error = encoder.encode_real(&[1.0, bad], 2_f64.powi(40)).unwrap_err();
        assert!(matches!(error, CkksError::Magnitude { .. }), "{bad} {error}");
        assert!(encoder.encode_scalar(bad, 2_f64.powi(40)).is_err());
    }
    let error = encoder
        .prepare(&encoder.encode_real(&[1.0], 1.0).unwrap(), 3)
        .unwrap_err();
    assert_eq!(error.to_string(), "a plaintext at level 3, expected 2");
}

#[test]
fn what_is_published_is_rounded_and_noisy() {
    let encoder = Encoder::new(&params());
    let plaintext = encoder.encode_real(&[0.3; 32], 2_f64.powi(40)).unwrap();
    let mut rng = crate::seed::Seed::from_bytes([1; 32]).rng();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        for number in encoder.decode_public(&Decrypted::from(&plaintext), 8, &mut rng) {
            assert!((number - 0.3).abs() <= 1.5 / 256.0 && (number * 256.0).fract() == 0.0);
            seen.insert((number * 256.0) as i64);
        }
    }
    assert!(seen.len() > 1);
}
