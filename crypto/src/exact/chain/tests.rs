use proptest::prelude::*;
use rand_core::Rng;

use super::*;
use crate::exact::ExactError;
use crate::exact::noise::FLOODING_BITS;
use crate::ring::{Coeff, Poly};
use crate::rlwe::{Ciphertext, SecretKey};
use crate::seed::Seed;

fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

fn bits(params: &ChainParams, rng: &mut impl Rng) -> Vec<bool> {
    (0..params.slots()).map(|_| rng.next_u32() & 1 == 1).collect()
}

fn numbers(params: &ChainParams, rng: &mut impl Rng) -> Vec<u64> {
    (0..params.slots())
        .map(|_| rng.next_u64() % params.plaintext())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Any weights and bits, any prime and number of blocks that fit, through all bytes: the plain sum.
    #[test]
    fn is_the_sum_of_weights_where_both_bits_are_set(
        min_plaintext in 1_u64..1 << 27,
        blocks in 0_u8..4,
        random: [u8; 32],
    ) {
        let params = ChainParams::new(min_plaintext, 3).unwrap();
        let (key, mut rng) = (ChainKey::generate(&params, &seed(1)), Seed::from_bytes(random).rng());
        let public = params.read_public_key(&key.public().to_bytes()).unwrap();
        let (mut product, mut scratch) = (ChainProduct::new(&params), ChainScratch::new(&params));
        let mut expected = 0;
        for context in 0..blocks {
            let (first, second) = (bits(&params, &mut rng), bits(&params, &mut rng));
            let weights = numbers(&params, &mut rng);
            let block = key.encrypt_slots(&first, &[context], &seed(2)).unwrap();
            let block = params.read_block(&block.to_bytes()).unwrap();
            let passed = params.pass_on(&public, &block, &second, &mut rng).unwrap();
            let passed = params.read_passed(&passed.to_bytes()).unwrap();
            product.accumulate(&weights, &ChainBlock::new(&params, passed).unwrap(), &mut scratch).unwrap();
            for ((weight, first), second) in weights.iter().zip(first).zip(second) {
                expected = (expected + weight * u64::from(first && second)) % params.plaintext();
            }
        }
        let mask = rng.next_u64() % params.plaintext();
        let answer = product.answer(&public, mask, &mut rng).unwrap();
        let share = key.open(&params.read_answer(&answer.to_bytes()).unwrap()).unwrap();
        prop_assert_eq!((share + params.plaintext() - mask) % params.plaintext(), expected);
    }
}

/// A block of a first party alone is one that everybody at the second passes.
#[test]
fn a_direct_block_is_one_that_all_pass() {
    let params = ChainParams::new(1 << 26, 1).unwrap();
    let (key, mut rng) = (ChainKey::generate(&params, &seed(1)), seed(3).rng());
    let (first, weights) = (bits(&params, &mut rng), numbers(&params, &mut rng));
    let block = key.encrypt_slots(&first, b"", &seed(2)).unwrap();
    let direct = ChainBlock::direct(&params, &block).unwrap();
    let (mut product, mut scratch) = (ChainProduct::new(&params), ChainScratch::new(&params));
    product.accumulate(&weights, &direct, &mut scratch).unwrap();
    let opened = key
        .open(&product.answer(key.public(), 0, &mut rng).unwrap())
        .unwrap();
    let sum = weights
        .iter()
        .zip(first)
        .map(|(weight, bit)| weight * u64::from(bit))
        .sum::<u64>();
    assert_eq!(opened, sum % params.plaintext());
}

/// Counts at the largest sizes declared: every weight the largest, every bit set, all blocks.
#[test]
fn the_largest_sums_open_right() {
    let params = ChainParams::new(1 << 27, 4).unwrap();
    let (key, mut rng) = (ChainKey::generate(&params, &seed(1)), seed(3).rng());
    let all = vec![true; params.slots()];
    let block = key.encrypt_slots(&all, b"", &seed(2)).unwrap();
    let passed = params.pass_on(key.public(), &block, &all, &mut rng).unwrap();
    let block = ChainBlock::new(&params, passed).unwrap();
    let (mut product, mut scratch) = (ChainProduct::new(&params), ChainScratch::new(&params));
    let weights = vec![params.plaintext() - 1; params.slots()];
    for _ in 0..4 {
        product.accumulate(&weights, &block, &mut scratch).unwrap();
    }
    let answer = product.answer(key.public(), 5, &mut rng).unwrap();
    let expected = (4 * 8192 * (params.plaintext() - 1) + 5) % params.plaintext();
    assert_eq!(key.open(&answer).unwrap(), expected);
    assert!(matches!(
        product.accumulate(&weights, &block, &mut scratch),
        Err(ExactError::Summands { declared: 4, .. })
    ));
}

/// Message and noise under a ring that begins the key's.
fn phase(ciphertext: &Ciphertext, secret: &SecretKey) -> Poly<Coeff> {
    let mut phase = ciphertext.c0.clone();
    let values = secret.values().expose().truncated(phase.basis());
    phase.mul_accumulate(&ciphertext.c1, &values);
    phase.into_coeff()
}

/// The coefficients, whose magnitude is below half of the product of the first two primes, as numbers.
fn centred(poly: &Poly<Coeff>) -> Vec<f64> {
    let moduli: Vec<_> = poly.limbs().map(|(limb, _)| limb.modulo()).take(2).collect();
    let (q0, q1) = (moduli[0], moduli[1]);
    let inverse = q1.inverse(q0.modulus() % q1.modulus());
    let whole = u128::from(q0.modulus()) * u128::from(q1.modulus());
    let (low, high) = (poly.limb(0), poly.limb(1));
    let crt = low.iter().zip(high).map(|(a, b)| {
        let above = q1.mul(q1.sub(*b, a % q1.modulus()), inverse);
        u128::from(*a) + u128::from(q0.modulus()) * u128::from(above)
    });
    crt.map(|x| {
        if x > whole / 2 {
            -((whole - x) as f64)
        } else {
            x as f64
        }
    })
    .collect()
}

fn deviation_log2(values: &[f64]) -> f64 {
    (values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64).log2() / 2.0
}

/// Encryptions of zero bits: all that is there is noise. Variance within 2x of the prediction at every step: half a
/// bit of the standard deviation's `log2`.
#[test]
fn noise_is_as_predicted_at_every_step() {
    let params = ChainParams::new(1 << 22, 2).unwrap();
    let (key, mut rng) = (ChainKey::generate(&params, &seed(1)), seed(3).rng());
    let [product_log2, arrived_log2, summed_log2, opened_log2] = params.noise_steps(2);
    let (mut product, mut scratch) = (ChainProduct::new(&params), ChainScratch::new(&params));
    let mut measured = Vec::new();
    for context in 0..2 {
        let block = key.encrypt_slots(&[], &[context], &seed(2)).unwrap();
        let own = bits(&params, &mut rng);
        let bare = params.multiplied(&block, &own).unwrap();
        measured.push((
            product_log2,
            deviation_log2(&centred(&phase(bare.expose(), key.secret()))),
        ));
        let passed = params.pass_on(key.public(), &block, &own, &mut rng).unwrap();
        let arrived = centred(&phase(&passed.body, key.secret()));
        assert!(
            arrived
                .iter()
                .all(|x| x.abs() <= params.passing_noise().most() as f64 / (1u64 << 49) as f64)
        );
        measured.push((arrived_log2, deviation_log2(&arrived)));
        let block = ChainBlock::new(&params, passed).unwrap();
        product
            .accumulate(&numbers(&params, &mut rng), &block, &mut scratch)
            .unwrap();
    }
    let summed = centred(&phase(product.ciphertext(), key.secret()));
    assert!(
        summed
            .iter()
            .all(|x| x.abs() < params.noise().hidden_log2().exp2())
    );
    measured.push((summed_log2, deviation_log2(&summed)));
    // One coefficient an answer: 48 answers.
    let units = params.noise().flood_bound() as f64;
    let others: f64 = params
        .passed()
        .ring
        .basis()
        .primes()
        .skip(1)
        .map(|q| q as f64)
        .product();
    let opened: Vec<f64> = (0..48)
        .map(|_| {
            let answer = product.answer(key.public(), 7, &mut rng).unwrap();
            params.passed().residuals(key.secret(), &answer).unwrap()[0] * units / others
        })
        .collect();
    measured.push((opened_log2, deviation_log2(&opened)));
    for (predicted, measured) in measured {
        assert!((predicted - measured).abs() < 0.5, "{predicted} {measured}");
    }
}

#[test]
fn floods_at_least_forty_bits_at_both_hops_and_never_fails() {
    for (min_plaintext, blocks) in [(1 << 16, 4), (1 << 20, 16), (1 << 27, 128), (1 << 28, 4)] {
        let params = ChainParams::new(min_plaintext, blocks).unwrap();
        for noise in [params.passing_noise(), params.noise()] {
            assert!(
                noise.flooding_bits() >= FLOODING_BITS,
                "{min_plaintext} {blocks} {noise:?}"
            );
            assert_eq!(noise.failure_log2(), f64::NEG_INFINITY);
        }
    }
    let error = ChainParams::new(1 << 30, 128).unwrap_err();
    assert!(
        matches!(
            error,
            ExactError::Flooding {
                expected: FLOODING_BITS,
                ..
            }
        ),
        "{error}"
    );
    let text = serde_json::to_string(&ChainParams::new(65_537, 8).unwrap()).unwrap();
    assert_eq!(text, r#"{"min_plaintext":65537,"max_blocks":8}"#);
    assert!(serde_json::from_str::<ChainParams>(&text).is_ok());
    assert!(serde_json::from_str::<ChainParams>(&text.replace("65537", "1073741824")).is_err());
}

/// What is passed on floods *all* coefficients: the noise that its key would open is the same for no bits and for
/// bits whose product has the largest noise.
#[test]
fn passed_noise_does_not_tell_the_bits() {
    let params = ChainParams::new(1 << 20, 1).unwrap();
    let key = ChainKey::generate(&params, &seed(1));
    let bound = params.passing_noise().flood_bound() as f64
        / params.first().ring.basis().primes().last().unwrap() as f64;
    let histograms = [false, true].map(|bit| {
        let mut rng = seed(4).derive("test", &[u8::from(bit)]).rng();
        let mut counts = [0.0_f64; 32];
        for context in 0..3 {
            let block = key.encrypt_slots(&[], &[context], &seed(2)).unwrap();
            let own: Vec<bool> = (0..params.slots())
                .map(|_| bit && rng.next_u32() & 1 == 1)
                .collect();
            let passed = params.pass_on(key.public(), &block, &own, &mut rng).unwrap();
            for noise in centred(&phase(&passed.body, key.secret())) {
                counts[((noise / bound + 1.0) * 16.0).clamp(0.0, 31.0) as usize] += 1.0;
            }
        }
        counts
    });
    // Chi-squared of 31 degrees of freedom at one in a million: 84.
    let [a, b] = histograms;
    let two_samples: f64 = a
        .iter()
        .zip(&b)
        .map(|(a, b)| (a - b).powi(2) / (a + b).max(1.0))
        .sum();
    assert!(two_samples < 84.0, "{two_samples}");
    let expected = b.iter().sum::<f64>() / 32.0;
    let uniform: f64 = b.iter().map(|count| (count - expected).powi(2) / expected).sum();
    assert!(uniform < 84.0, "{uniform} {b:?}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let params = ChainParams::new(65_537, 2).unwrap();
    let (key, other) = (
        ChainKey::generate(&params, &seed(1)),
        ChainKey::generate(&params, &seed(9)),
    );
    let mut rng = seed(3).rng();
    let block = key.encrypt_slots(&[true], b"", &seed(2)).unwrap();
    let foreign = other.encrypt_slots(&[true], b"", &seed(2)).unwrap();
    let error = params
        .pass_on(other.public(), &block, &[true], &mut rng)
        .unwrap_err();
    assert!(matches!(error, ExactError::Key { .. }), "{error}");
    assert!(
        params
            .pass_on(key.public(), &block, &[true; 8193], &mut rng)
            .is_err()
    );
    assert!(key.encrypt_slots(&[true; 8193], b"", &seed(2)).is_err());
    let pass =
        |block, key: &ChainKey, rng: &mut _| params.pass_on(key.public(), block, &[true], rng).unwrap();
    let (mine, theirs) = (pass(&block, &key, &mut rng), pass(&foreign, &other, &mut rng));
    let (mut product, mut scratch) = (ChainProduct::new(&params), ChainScratch::new(&params));
    let weights = vec![1; 8192];
    let mine_read = ChainBlock::new(&params, mine.clone()).unwrap();
    product.accumulate(&weights, &mine_read, &mut scratch).unwrap();
    let error = product
        .accumulate(&weights, &ChainBlock::new(&params, theirs).unwrap(), &mut scratch)
        .unwrap_err();
    assert!(matches!(error, ExactError::Key { .. }), "{error}");
    assert!(
        product
            .accumulate(&weights[1..], &mine_read, &mut scratch)
            .is_err()
    );
    assert!(
        product
            .accumulate(&[65_537; 8192], &mine_read, &mut scratch)
            .is_err()
    );
    assert!(product.answer(key.public(), 65_537, &mut rng).is_err());
    assert!(matches!(
        product.answer(other.public(), 1, &mut rng),
        Err(ExactError::Key { .. })
    ));
    let answer = product.answer(key.public(), 1, &mut rng).unwrap();
    assert!(matches!(other.open(&answer), Err(ExactError::Key { .. })));
    let wider = ChainParams::new(65_538, 2).unwrap();
    for error in [
        wider.read_block(&block.to_bytes()).unwrap_err(),
        wider.read_passed(&mine.to_bytes()).unwrap_err(),
        wider.read_answer(&answer.to_bytes()).unwrap_err(),
        ChainBlock::new(&wider, mine.clone()).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("plaintext modulus is 65537"),
            "{error}"
        );
    }
    let bytes = mine.to_bytes();
    assert!(params.read_passed(&bytes[..bytes.len() - 1]).is_err());
    assert!(params.read_block(&bytes).is_err());
}

#[test]
fn sizes_are_pinned() {
    let params = ChainParams::new(65_537, 1).unwrap();
    let sizes = [
        params.public_key_bytes(),
        params.block_bytes(),
        params.passed_bytes(),
        params.answer_bytes(),
    ];
    assert_eq!(sizes, [204_856, 204_856, 307_224, 51_231]);
    let key = ChainKey::generate(&params, &seed(1));
    let mut rng = seed(3).rng();
    let block = key.encrypt_slots(&[true], b"context", &seed(2)).unwrap();
    let passed = params.pass_on(key.public(), &block, &[true], &mut rng).unwrap();
    let answer = ChainProduct::new(&params)
        .answer(key.public(), 1, &mut rng)
        .unwrap();
    let bytes = [
        key.public().to_bytes(),
        block.to_bytes(),
        passed.to_bytes(),
        answer.to_bytes(),
    ];
    assert_eq!(bytes.each_ref().map(Vec::len), sizes);
    fn shared<T: Send + Sync>() {}
    shared::<(
        ChainParams,
        ChainKey,
        ChainBlock,
        ChainProduct,
        ChainScratch,
        PassedBlock,
    )>();
}
