use proptest::prelude::*;
use rand_core::Rng;

use super::*;
use crate::exact::ExactError;
use crate::seed::Seed;

fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

fn key(params: &SlotParams) -> SlotKey {
    SlotKey::generate(params, &seed(1))
}

fn numbers(params: &SlotParams, rng: &mut impl Rng) -> Vec<u64> {
    (0..params.slots())
        .map(|_| rng.next_u64() % params.plaintext())
        .collect()
}

fn bits(params: &SlotParams, rng: &mut impl Rng) -> Vec<bool> {
    (0..params.slots()).map(|_| rng.next_u32() & 1 == 1).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any weights modulo any prime, through all bytes: the plain sums, slot by slot.
    #[test]
    fn is_the_sum_in_every_slot(min_plaintext in 1_u64..1 << 35, products in 0_u8..4, random: [u8; 32]) {
        let params = SlotParams::new(min_plaintext, 3).unwrap();
        let (key, mut rng, modulus) = (key(&params), Seed::from_bytes(random).rng(), params.plaintext());
        let (mut product, mut scratch) = (SlotProduct::new(&params), SlotScratch::new(&params));
        let mut expected = vec![0; params.slots()];
        for context in 0..products {
            let (bits, weights) = (bits(&params, &mut rng), numbers(&params, &mut rng));
            let block = key.encrypt_slots(&bits, &[context], &seed(2)).unwrap();
            let block = params.read_block(&block.to_bytes()).unwrap();
            product.accumulate(&weights, &SlotBlock::new(&params, &block).unwrap(), &mut scratch).unwrap();
            for ((sum, weight), bit) in expected.iter_mut().zip(weights).zip(bits) {
                *sum = (*sum + weight * u64::from(bit)) % modulus;
            }
        }
        let masks = numbers(&params, &mut rng);
        let public = params.read_public_key(&key.public().to_bytes()).unwrap();
        let answer = product.answer(&public, &masks, &mut rng).unwrap();
        let shares = key.open(&params.read_answer(&answer.to_bytes()).unwrap()).unwrap();
        let opened: Vec<u64> = shares.iter().zip(masks).map(|(share, mask)| (share + modulus - mask) % modulus).collect();
        prop_assert!(opened == expected);
    }
}

#[test]
fn the_plaintext_modulus_is_the_smallest_prime_that_fits() {
    for (min, prime) in [
        (0, 65_537),
        (65_537, 65_537),
        (65_538, 114_689),
        (50 << 20, PRIME_50),
    ] {
        let plaintext = SlotParams::new(min, 1).unwrap().plaintext();
        assert_eq!(plaintext, prime);
        assert_eq!(plaintext % 16_384, 1);
    }
    let error = SlotParams::new(MAX_PLAINTEXT, 1).unwrap_err();
    assert!(
        matches!(
            error,
            ExactError::Plaintext {
                limit: MAX_PLAINTEXT,
                ..
            }
        ),
        "{error}"
    );
}

/// By trial division in Python.
const PRIME_50: u64 = 52_461_569;

/// Variance of a product before flooding within 2x of `fresh * sum of squares` of the weights' coefficients, which
/// for uniform weights are uniform: `N (p^2 - 1) / 12` a product.
#[test]
fn noise_before_flooding_is_as_predicted() {
    let params = SlotParams::new(65_537, 2).unwrap();
    let (key, mut rng) = (key(&params), seed(3).rng());
    let (mut product, mut scratch) = (SlotProduct::new(&params), SlotScratch::new(&params));
    for context in 0..2 {
        let block = key.encrypt_slots(&[], &[context], &seed(2)).unwrap();
        let block = SlotBlock::new(&params, &block).unwrap();
        product
            .accumulate(&numbers(&params, &mut rng), &block, &mut scratch)
            .unwrap();
    }
    let phase = product.ciphertext().phase(key.secret());
    let (limb, words) = phase.expose().limbs().next().unwrap();
    let prime = limb.modulo().modulus() as i64;
    let centred = words
        .iter()
        .map(|word| *word as i64 - if *word as i64 > prime / 2 { prime } else { 0 });
    let measured = centred.map(|x| (x as f64).powi(2)).sum::<f64>() / words.len() as f64;
    let ratio = measured / params.noise_steps(2).product_log2.exp2().powi(2);
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
}

/// All coefficients are flooded: the opened noise is uniform, and the same for no weights and for the largest.
#[test]
fn opened_noise_does_not_tell_the_weights() {
    let params = SlotParams::new(50 << 20, 1_000_000).unwrap();
    let (key, scheme) = (key(&params), params.scheme());
    let primes: Vec<u64> = scheme.ring.basis().primes().collect();
    let bound = scheme.bounds.flood_bound() as f64 / (primes[1] as f64 * primes[2] as f64);
    let block = key.encrypt_slots(&[true; 8192], b"", &seed(2)).unwrap();
    let block = SlotBlock::new(&params, &block).unwrap();
    let histograms = [0, params.plaintext() / 2].map(|weight| {
        let (mut product, mut scratch) = (SlotProduct::new(&params), SlotScratch::new(&params));
        product
            .accumulate(&vec![weight; 8192], &block, &mut scratch)
            .unwrap();
        let mut rng = seed(4).derive("test", &weight.to_le_bytes()).rng();
        let mut counts = [0.0_f64; 32];
        for _ in 0..3 {
            let masks = numbers(&params, &mut rng);
            let answer = product.answer(key.public(), &masks, &mut rng).unwrap();
            for phase in scheme.phases(key.secret(), &answer).unwrap().expose() {
                let nearest = u128::from(scheme.scale.decode(*phase)) * u128::from(primes[0]);
                let nearest = (nearest / u128::from(params.plaintext())) as i64;
                let residual = *phase as i64 - nearest;
                let residual = if residual > primes[0] as i64 / 2 {
                    residual - primes[0] as i64
                } else {
                    residual
                };
                let cell = (residual as f64 / bound + 1.0) * 16.0;
                counts[cell.clamp(0.0, 31.0) as usize] += 1.0;
            }
        }
        counts
    });
    let [a, b] = histograms;
    let pairs = a.iter().zip(&b).filter(|(a, b)| **a + **b > 0.0);
    let two_samples: f64 = pairs.map(|(a, b)| (a - b).powi(2) / (a + b)).sum();
    assert!(two_samples < 84.0, "{two_samples}");
    let expected = a.iter().sum::<f64>() / 32.0;
    let uniform: f64 = a.iter().map(|count| (count - expected).powi(2) / expected).sum();
    assert!(uniform < 84.0, "{uniform} {a:?}");
}

#[test]
fn bounds_are_kept_or_refused() {
    let noise = SlotParams::new(50 << 20, 1_000_000).unwrap().noise();
    assert!(noise.flooding_bits() >= 56, "{noise:?}");
    assert_eq!(noise.failure_log2(), f64::NEG_INFINITY);
    assert!(noise.distance_log2(1000) < -30.0);
    let text = serde_json::to_string(&SlotParams::new(65_537, 8).unwrap()).unwrap();
    assert_eq!(text, r#"{"min_plaintext":65537,"max_products":8}"#);
    assert!(serde_json::from_str::<SlotParams>(&text).is_ok());
    let too_large = text.replace("65537", "100000000000");
    assert!(
        serde_json::from_str::<SlotParams>(&too_large)
            .unwrap_err()
            .to_string()
            .contains("plaintext")
    );
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let params = SlotParams::new(65_537, 1).unwrap();
    let (key, other) = (key(&params), SlotKey::generate(&params, &seed(9)));
    let encrypted = key.encrypt_slots(&[true], b"", &seed(2)).unwrap();
    let block = SlotBlock::new(&params, &encrypted).unwrap();
    let (mut product, mut scratch) = (SlotProduct::new(&params), SlotScratch::new(&params));
    assert!(matches!(
        product.accumulate(&[0; 3], &block, &mut scratch),
        Err(ExactError::Length { .. })
    ));
    let large = vec![65_537; 8192];
    let error = product.accumulate(&large, &block, &mut scratch).unwrap_err();
    assert!(
        matches!(error, ExactError::NotReduced { index: 0, .. }),
        "{error}"
    );
    let weights = vec![1; 8192];
    product.accumulate(&weights, &block, &mut scratch).unwrap();
    let error = product.accumulate(&weights, &block, &mut scratch).unwrap_err();
    assert!(
        matches!(error, ExactError::Summands { declared: 1, .. }),
        "{error}"
    );
    let mut rng = seed(3).rng();
    assert!(matches!(
        product.answer(other.public(), &weights, &mut rng),
        Err(ExactError::Key { .. })
    ));
    let answer = product.answer(key.public(), &weights, &mut rng).unwrap();
    assert!(matches!(other.open(&answer), Err(ExactError::Key { .. })));
    assert!(key.encrypt_slots(&[true; 8193], b"", &seed(2)).is_err());
    let wider = SlotParams::new(65_538, 1).unwrap();
    for error in [
        SlotBlock::new(&wider, &encrypted).unwrap_err(),
        wider.read_block(&encrypted.to_bytes()).unwrap_err(),
        wider.read_answer(&answer.to_bytes()).unwrap_err(),
        SlotProduct::new(&wider).add_assign(&product).unwrap_err(),
    ] {
        assert!(
            error
                .to_string()
                .contains("plaintext modulus is 65537, expected 114689"),
            "{error}"
        );
    }
}

#[test]
fn sizes_are_pinned() {
    let params = SlotParams::new(65_537, 1).unwrap();
    let key = key(&params);
    let sizes = [
        params.public_key_bytes(),
        params.block_bytes(),
        params.answer_bytes(),
    ];
    assert_eq!(sizes, [153_656, 153_656, 102_424]);
    let block = key
        .encrypt_slots(&[true], b"context", &seed(2))
        .unwrap()
        .to_bytes();
    let masks = vec![1; 8192];
    let answer = SlotProduct::new(&params)
        .answer(key.public(), &masks, &mut seed(3).rng())
        .unwrap()
        .to_bytes();
    let bytes = [key.public().to_bytes(), block, answer];
    assert_eq!(bytes.each_ref().map(Vec::len), sizes);
    let digests = bytes.map(|bytes| crate::hash::hash("test", &[&bytes]).to_string()[..16].to_owned());
    assert_eq!(
        digests,
        ["fea90fd4df40466f", "b67c3247a110d0b3", "c60f402e032f5f82"]
    );
}

#[test]
fn goes_to_other_threads_and_prints_nothing() {
    fn shared<T: Send + Sync>() {}
    shared::<(SlotParams, SlotKey, SlotBlock, SlotProduct, SlotScratch)>();
    let params = SlotParams::new(65_537, 1).unwrap();
    assert_eq!(
        format!("{:?}", SlotProduct::new(&params)),
        "SlotProduct(redacted)"
    );
    assert_eq!(
        format!("{:?}", SlotScratch::new(&params)),
        "SlotScratch(redacted)"
    );
    assert!(format!("{:?}", key(&params)).contains("redacted"));
}
