use super::*;
use crate::ring::Coeff;

/// The image of a fresh encryption opens to the image of its message, with noise within the bound and within 2x of
/// what is predicted.
#[test]
fn images_open_to_images() {
    let ring = Params::new(Literal {
        degree: 8192,
        primes: 3,
    })
    .unwrap();
    let galois = GaloisRing::new(&ring).unwrap();
    let secret = SecretKey::generate(&ring, &Seed::from_bytes([1; 32]));
    let exponents = [3, 17, 8193];
    let keys = galois.generate(&secret, &exponents, &Seed::from_bytes([2; 32]));
    let bytes = galois.write(&keys);
    assert_eq!(bytes.len(), galois.bytes(3));
    let keys = galois.read(&exponents, &bytes).unwrap();
    assert_eq!(galois.write(&keys), bytes);
    assert!(galois.read(&exponents[..2], &bytes).is_err());
    assert!(galois.read(&exponents, &bytes[1..]).is_err());
    let message: Vec<i64> = (0..8192).map(|place| place << 18).collect();
    let message: Poly<Coeff> = Poly::from_small(ring.basis(), &message);
    let ct = secret
        .public()
        .encrypt(&Secret::new(message), &Seed::from_bytes([3; 32]));
    let before = ct.phase(&secret);
    for exponent in exponents {
        let image = galois.apply(&ct, exponent, &keys).unwrap();
        let mut error = image.phase(&secret).expose().clone();
        error.sub_assign(&before.expose().automorphism(exponent));
        let (limb, words) = error.limbs().next().unwrap();
        let prime = limb.modulo().modulus();
        let errors: Vec<u64> = words.iter().map(|word| (*word).min(prime - word)).collect();
        assert!(u128::from(*errors.iter().max().unwrap()) < galois.noise_bound());
        let variance = errors.iter().map(|error| (*error as f64).powi(2)).sum::<f64>() / 8192.0;
        let ratio = variance.sqrt() / galois.noise_deviation();
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
    }
    assert!(galois.apply(&ct, 5, &keys).is_none());
}
