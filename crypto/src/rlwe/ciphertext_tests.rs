use super::*;
use crate::ring::RnsBasis;
use crate::rlwe::noise;
use crate::rlwe::params::{INSECURE_Literal, Literal};

fn params() -> Params {
    Params::new(Literal {
        degree: 4096,
        primes: 2,
    })
    .unwrap()
}

fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

/// A message far above the noise: its coefficients are multiples of 2^40.
fn message(basis: &std::sync::Arc<RnsBasis>) -> Poly<Coeff> {
    let mut poly = Poly::zero(basis);
    for (_, words) in poly.limbs_mut() {
        words
            .iter_mut()
            .zip(0_u64..)
            .for_each(|(word, index)| *word = (index % 500) << 40);
    }
    poly
}

/// What is left of a phase without its message, as signed numbers, on which all primes agree.
fn noise_of(phase: &Secret<Poly<Coeff>>, message: &Poly<Coeff>) -> Vec<i64> {
    let mut rest = phase.expose().clone();
    rest.sub_assign(message);
    let mut limbs = rest.limbs().map(|(limb, words)| {
        let prime = limb.modulo().modulus() as i64;
        let centred = |word: &u64| *word as i64 - if *word as i64 > prime / 2 { prime } else { 0 };
        words.iter().map(centred).collect::<Vec<i64>>()
    });
    let first = limbs.next().unwrap();
    assert!(limbs.all(|limb| limb == first), "the primes agree on the noise");
    first
}

fn variance(noise: &[i64]) -> f64 {
    noise.iter().map(|x| (*x as f64).powi(2)).sum::<f64>() / noise.len() as f64
}

/// Variances within a factor of 2 of those predicted, and nothing beyond the bounds.
#[track_caller]
fn assert_near(measured: f64, predicted: f64) {
    let ratio = measured / predicted;
    assert!(
        (0.5..2.0).contains(&ratio),
        "measured {measured}, predicted {predicted}"
    );
}

#[test]
fn secret_key_encryption_opens_and_its_noise_is_as_predicted() {
    let params = params();
    let key = SecretKey::generate(&params, &seed(1));
    let message = message(params.basis());
    let seeded = SeededCiphertext::encrypt(&key, Secret::new(message.clone()), &seed(2));
    let mut bytes = Vec::new();
    seeded.write(&mut bytes);
    assert_eq!(bytes.len(), SeededCiphertext::bytes(&params));
    let seeded = SeededCiphertext::read(&params, &bytes).unwrap();
    let noise = noise_of(&seeded.expand(&params).unwrap().phase(&key), &message);
    assert_near(variance(&noise), noise::fresh());
    assert!(
        noise
            .iter()
            .all(|x| x.unsigned_abs() <= crate::ring::sample::NOISE_BOUND)
    );
}

#[test]
fn public_key_encryption_opens_and_its_noise_is_as_predicted() {
    let params = params();
    let key = SecretKey::generate(&params, &seed(1));
    let public = PublicKey::from_bytes(&params, &key.public().to_bytes()).unwrap();
    let message = message(params.basis());
    let ciphertext = public.encrypt(&Secret::new(message.clone()), &seed(2));
    let noise = noise_of(&ciphertext.phase(&key), &message);
    assert_near(variance(&noise), noise::public(params.degree()));
    assert!(
        noise
            .iter()
            .all(|x| x.unsigned_abs() <= noise::public_bound(params.degree()))
    );
}

#[test]
fn sums_and_products_carry_their_noise() {
    let params = params();
    let key = SecretKey::generate(&params, &seed(1));
    let zero = Poly::zero(params.basis());
    let fresh = |byte| {
        let seeded = SeededCiphertext::encrypt(&key, Secret::new(zero.clone()), &seed(byte));
        seeded.expand(&params).unwrap()
    };
    let mut sum = fresh(2);
    sum.add_assign(&fresh(3));
    assert_near(variance(&noise_of(&sum.phase(&key), &zero)), 2.0 * noise::fresh());
    let factors: Vec<i64> = (0..4096).map(|index| index % 100 - 50).collect();
    let factor = Poly::from_small(params.basis(), &factors).into_eval();
    let mut product = Ciphertext::zero(&params);
    product.mul_accumulate(&factor, &fresh(4));
    let squares = factors.iter().map(|x| (x * x) as f64).sum();
    let measured = variance(&noise_of(&product.phase(&key), &zero));
    assert_near(measured, noise::weighted(noise::fresh(), squares));
}

/// The rounding of the switch to one prime, alone: a ciphertext of zero without any other noise.
#[test]
fn the_switch_rounds_as_predicted() {
    let params = params();
    let key = SecretKey::generate(&params, &seed(1));
    let basis = params.basis();
    let a = crate::rlwe::key::uniform_half(&params, &[5; 32]);
    let mut b = Poly::zero(basis);
    b.sub_assign(&Poly::product(&a, key.values().expose()));
    let switched = |half: Poly<Eval>| half.into_coeff().switched_to_first();
    let mut phase = switched(b).into_eval();
    phase.mul_accumulate(&switched(a).into_eval(), key.first().expose());
    let noise = noise_of(&Secret::new(phase.into_coeff()), &Poly::zero(basis.first()));
    assert_near(variance(&noise), noise::switch(params.degree()));
    assert!(
        noise
            .iter()
            .all(|x| x.unsigned_abs() <= noise::switch_bound(params.degree()))
    );
}

#[test]
fn another_key_opens_nothing() {
    let params = params();
    let [key, other] = [1, 2].map(|byte| SecretKey::generate(&params, &seed(byte)));
    assert_ne!(key.public().id(), other.public().id());
    let message = message(params.basis());
    let ciphertext = key.public().encrypt(&Secret::new(message.clone()), &seed(3));
    let mut rest = ciphertext.phase(&other).expose().clone();
    rest.sub_assign(&message);
    let (limb, words) = rest.limbs().next().unwrap();
    let small = |word: &&u64| **word < 1 << 40 || **word > limb.modulo().modulus() - (1 << 40);
    assert!(words.iter().filter(small).count() < 20);
}

#[test]
fn keys_are_a_function_of_seed_and_ring() {
    let params = params();
    let id = |params: &Params, byte| SecretKey::generate(params, &seed(byte)).public().id();
    assert_eq!(id(&params, 1), id(&params, 1));
    let three = INSECURE_Literal {
        degree: 4096,
        primes: 3,
    };
    assert_ne!(id(&params, 1), id(&three.build().unwrap(), 1));
    assert_eq!(id(&params, 1).to_string(), "f6b2bc4e82aa2a19");
}

#[test]
fn corrupted_public_keys_are_refused() {
    let params = params();
    let bytes = SecretKey::generate(&params, &seed(1)).public().to_bytes();
    assert_eq!(bytes.len(), PublicKey::bytes(&params));
    for place in [24, 30_000, bytes.len() - 1] {
        let mut corrupted = bytes.clone();
        corrupted[place] ^= 1;
        let error = PublicKey::from_bytes(&params, &corrupted).unwrap_err();
        assert!(matches!(error, CodecError::Key { .. }), "{error}");
    }
    let mut corrupted = bytes.clone();
    corrupted[24..32].fill(0xff);
    let error = PublicKey::from_bytes(&params, &corrupted).unwrap_err();
    assert!(
        matches!(error, CodecError::NotReduced { index: 0, .. }),
        "{error}"
    );
    let error = PublicKey::from_bytes(&params, &bytes[..bytes.len() - 1]).unwrap_err();
    assert!(matches!(error, CodecError::Length { .. }), "{error}");
    let slots = Params::new(Literal {
        degree: 8192,
        primes: 3,
    });
    let error = PublicKey::from_bytes(&slots.unwrap(), &bytes).unwrap_err();
    let expected = CodecError::Parameter {
        field: "log2 of the degree",
        actual: 12,
        expected: 13,
    };
    assert_eq!(error, expected);
}

#[test]
fn prints_nothing_secret() {
    let key = SecretKey::generate(&params(), &seed(1));
    let text = format!("{key:?}");
    assert_eq!(text, format!("SecretKey({}, redacted)", key.public().id()));
}
