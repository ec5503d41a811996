use proptest::prelude::*;
use rand_core::Rng;

use super::*;
use crate::exact::{EncryptedBlock, ExactError};
use crate::rlwe::CodecError;
use crate::seed::Seed;

pub(super) fn seed(byte: u8) -> Seed {
    Seed::from_bytes([byte; 32])
}

pub(super) fn key(params: &CountParams) -> AttributeKey {
    AttributeKey::generate(params, &seed(1))
}

pub(super) fn predicate(params: &CountParams, blocks: &[EncryptedBlock]) -> PredicateBlock {
    let mut predicate = PredicateBlock::new(params);
    for block in blocks {
        predicate
            .add_assign(&params.read_block(&block.to_bytes()).unwrap())
            .unwrap();
    }
    predicate
}

pub(super) fn masks(params: &CountParams, rng: &mut impl Rng) -> Vec<u64> {
    (0..params.segments())
        .map(|_| rng.next_u64() % PLAINTEXT)
        .collect()
}

fn unmask(shares: &[u64], masks: &[u64]) -> Vec<u64> {
    let pairs = shares.iter().zip(masks);
    pairs
        .map(|(share, mask)| (share + PLAINTEXT - mask) % PLAINTEXT)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any cells, blocks, profiles and weights, through all bytes: the plain inner products.
    #[test]
    fn is_the_inner_product(log_segments in 0_u32..6, blocks in 0_u8..4, profiles in 1_u32..4, largest in 1_u32..300, large: bool, random: [u8; 32]) {
        let segments = 1 << log_segments;
        let params = CountParams::from_literal(CountLiteral {
            segments,
            max_weight_sum: if large { 1 << 32 } else { 4_000_000 },
            max_summands: profiles,
        }).unwrap();
        let (key, mut rng) = (key(&params), Seed::from_bytes(random).rng());
        let (mut product, mut scratch) = (Product::new(&params), Scratch::new(&params));
        let mut expected = vec![0; segments];
        for block in 0..blocks {
            // Each entity has one profile or none of those accepted; the last block is short.
            let length = if block == 2 { params.block_len() / 2 } else { params.block_len() };
            let profile: Vec<u32> = (0..length).map(|_| rng.next_u32() % (profiles + 1)).collect();
            let encrypted: Vec<_> = (0..profiles).map(|wanted| {
                let bits: Vec<bool> = profile.iter().map(|profile| *profile == wanted).collect();
                key.encrypt_block(&bits, &[block, wanted as u8], &seed(2)).unwrap()
            }).collect();
            let weights: Vec<u32> = (0..params.weights_len()).map(|_| rng.next_u32() % largest).collect();
            for (cell, sum) in expected.iter_mut().enumerate() {
                let weights = &weights[cell * params.block_len()..];
                let accepted = profile.iter().zip(weights).filter(|(profile, _)| **profile < profiles);
                *sum += accepted.map(|(_, weight)| u64::from(*weight)).sum::<u64>();
            }
            product.accumulate(&weights, &predicate(&params, &encrypted), &mut scratch).unwrap();
        }
        let masks = masks(&params, &mut rng);
        let public = params.read_public_key(&key.public().to_bytes()).unwrap();
        let answer = product.answer(&public, &masks, &mut rng).unwrap();
        let answer = params.read_answer(&answer.to_bytes()).unwrap();
        prop_assert_eq!(unmask(&key.open(&answer).unwrap(), &masks), expected);
    }

    /// The same with numbers and weights of both signs: plain inner products modulo `p`, weights loaded once for two
    /// predicates.
    #[test]
    fn signed_numbers_are_multiplied_modulo_p(log_segments in 0_u32..4, random: [u8; 32]) {
        let segments = 1 << log_segments;
        let params = CountParams::new(segments, 1 << 31).unwrap();
        let (key, mut rng) = (key(&params), Seed::from_bytes(random).rng());
        let (mut products, mut scratch) = ([(); 2].map(|()| Product::new(&params)), Scratch::new(&params));
        let mut expected = [vec![0i64; segments], vec![0i64; segments]];
        for block in 0..2u8 {
            let weights: Vec<i32> = (0..params.weights_len()).map(|_| (rng.next_u32() % 300) as i32 - 150).collect();
            scratch.load(&params, &weights).unwrap();
            for (number, product) in products.iter_mut().enumerate() {
                let values: Vec<i32> = (0..params.block_len()).map(|_| (rng.next_u32() % 2000) as i32 - 1000).collect();
                let encrypted = key.encrypt_numbers(&values, &[block, number as u8], &seed(2)).unwrap();
                product.accumulate_loaded(&predicate(&params, &[encrypted]), &scratch).unwrap();
                for (cell, sum) in expected[number].iter_mut().enumerate() {
                    let weights = &weights[cell * params.block_len()..];
                    *sum += values.iter().zip(weights).map(|(value, weight)| i64::from(*value) * i64::from(*weight)).sum::<i64>();
                }
            }
        }
        for (product, expected) in products.iter().zip(&expected) {
            let masks = masks(&params, &mut rng);
            let answer = product.answer(key.public(), &masks, &mut rng).unwrap();
            let expected: Vec<u64> = expected.iter().map(|sum| sum.rem_euclid(PLAINTEXT as i64) as u64).collect();
            prop_assert_eq!(unmask(&key.open(&answer).unwrap(), &masks), expected);
        }
    }

    #[test]
    fn corrupted_bytes_never_panic(place: prop::sample::Index, flip in 1_u8.., cut: prop::sample::Index) {
        let params = CountParams::new(16, 1000).unwrap();
        let key = key(&params);
        let block = key.encrypt_block(&[true], b"", &seed(2)).unwrap().to_bytes();
        let answer = Product::new(&params).answer(key.public(), &[0; 16], &mut seed(3).rng()).unwrap().to_bytes();
        for bytes in [block, answer, key.public().to_bytes()] {
            let mut corrupted = bytes.clone();
            corrupted[place.index(bytes.len())] ^= flip;
            let _ = params.read_block(&corrupted);
            let _ = params.read_public_key(&corrupted);
            if let Ok(answer) = params.read_answer(&corrupted) {
                let _ = key.open(&answer);
            }
            let cut = &bytes[..cut.index(bytes.len())];
            prop_assert!(params.read_block(cut).is_err());
            prop_assert!(params.read_answer(cut).is_err());
            prop_assert!(params.read_public_key(cut).is_err());
        }
    }
}

/// The largest weights that 32 bits and the declared sum allow, at every edge of a block.
#[test]
fn edges_of_blocks_and_weights() {
    let params = CountParams::new(4, 1 << 24).unwrap();
    let (key, length) = (key(&params), params.block_len());
    for (entity, cell) in [(0, 0), (length - 1, 0), (1, 1), (0, 3), (length - 1, 3)] {
        let mut bits = vec![false; length];
        bits[entity] = true;
        let mut weights = vec![0; params.weights_len()];
        weights[cell * length + entity] = 1 << 24;
        let predicate = predicate(&params, &[key.encrypt_block(&bits, b"", &seed(2)).unwrap()]);
        let mut product = Product::new(&params);
        product
            .accumulate(&weights, &predicate, &mut Scratch::new(&params))
            .unwrap();
        let answer = product.answer(key.public(), &[5; 4], &mut seed(3).rng()).unwrap();
        let mut expected = vec![0; 4];
        expected[cell] = 1 << 24;
        assert_eq!(unmask(&key.open(&answer).unwrap(), &[5; 4]), expected);
    }
}

/// Sums of parts, and buffers used again, are the same as one sum from the start.
#[test]
fn products_add_up_and_clear() {
    let params = CountParams::new(2, 1_000_000).unwrap();
    let (key, mut rng, mut scratch) = (key(&params), seed(4).rng(), Scratch::new(&params));
    let bits: Vec<bool> = (0..params.block_len()).map(|index| index % 3 == 0).collect();
    let predicate = predicate(&params, &[key.encrypt_block(&bits, b"", &seed(2)).unwrap()]);
    let weights: Vec<u32> = (0..params.weights_len() as u32).map(|index| index % 7).collect();
    let [mut parts, mut other, mut whole] = [(); 3].map(|()| Product::new(&params));
    other.accumulate(&[9; 4096], &predicate, &mut scratch).unwrap();
    other.clear();
    for product in [&mut parts, &mut other, &mut whole] {
        product.accumulate(&weights, &predicate, &mut scratch).unwrap();
    }
    parts.add_assign(&other).unwrap();
    whole.accumulate(&weights, &predicate, &mut scratch).unwrap();
    let mut open = |product: &Product| {
        let answer = product.answer(key.public(), &[1, 2], &mut rng).unwrap();
        key.open(&answer).unwrap()
    };
    assert_eq!(open(&parts), open(&whole));
    assert!(open(&parts)[0] > 1);
}

#[test]
fn encryption_repeats_and_never_shares_randomness() {
    let params = CountParams::new(16, 1000).unwrap();
    let key = key(&params);
    let seeded = |bits: &[bool], context: &[u8], byte| {
        let bytes = key.encrypt_block(bits, context, &seed(byte)).unwrap().to_bytes();
        bytes[bytes.len() - 32..].to_vec()
    };
    let half = seeded(&[true, false], b"a", 2);
    assert_eq!(half, seeded(&[true, false], b"a", 2));
    assert_ne!(half, seeded(&[true, true], b"a", 2), "other bits");
    assert_ne!(half, seeded(&[true, false], b"b", 2), "another context");
    assert_ne!(half, seeded(&[true, false], b"a", 3), "another seed");
}

#[test]
fn bytes_are_pinned() {
    let params = CountParams::new(16, 1000).unwrap();
    let key = key(&params);
    let block = key
        .encrypt_block(&[true, false, true], b"context", &seed(2))
        .unwrap()
        .to_bytes();
    let answer = Product::new(&params)
        .answer(key.public(), &[7; 16], &mut seed(3).rng())
        .unwrap()
        .to_bytes();
    let sizes = [
        params.public_key_bytes(),
        params.block_bytes(),
        params.answer_bytes(),
    ];
    assert_eq!(sizes, [51_256, 51_256, 25_724]);
    let bytes = [key.public().to_bytes(), block, answer];
    assert_eq!(bytes.each_ref().map(Vec::len), sizes);
    let digests = bytes.map(|bytes| crate::hash::hash("test", &[&bytes]).to_string()[..16].to_owned());
    assert_eq!(
        digests,
        ["cfd70d553e18dc7a", "006e91a7c9eaad2b", "88c1cc2939dd9733"]
    );
}

#[test]
fn bounds_are_kept_or_refused() {
    for segments in [1, 2, 4, 8, 16, 1024] {
        let noise = CountParams::new(segments, 3_000_000).unwrap().noise();
        assert!(noise.flooding_bits() >= 43 && noise.failure_log2() < -40.0);
        assert!(noise.flood_log2() < 69.0 && noise.hidden_log2() < 26.0);
    }
    let one = CountParams::new(1, 3_000_000).unwrap().noise();
    assert!(one.distance_log2(1) < -44.0);
    assert!((one.distance_log2(1 << 16) - one.distance_log2(1) - 16.0).abs() < 1e-9);
    let literal = |max_weight_sum, max_summands| CountLiteral {
        segments: 16,
        max_weight_sum,
        max_summands,
    };
    let many = CountParams::from_literal(literal(3_000_000, 28)).unwrap().noise();
    assert!(many.flooding_bits() == 40 && many.failure_log2() <= -60.0);
    assert_eq!(
        CountParams::from_literal(literal(3_000_000, 28))
            .unwrap()
            .weights_len(),
        4096
    );
    for larger in [
        literal(3_000_000, 40),
        literal(1 << 26, 1),
        literal(1 << 40, 1000),
    ] {
        let params = CountParams::from_literal(larger).unwrap();
        assert_eq!((params.weights_len(), params.block_len()), (8192, 512));
        assert!(params.noise().flooding_bits() >= 60);
    }
    let error = CountParams::from_literal(literal(u64::MAX, u32::MAX)).unwrap_err();
    assert!(
        matches!(error, ExactError::Flooding { expected: 40, .. }),
        "{error}"
    );
    for segments in [0, 3, 2048, usize::MAX] {
        let error = CountParams::new(segments, 1).unwrap_err();
        assert!(
            matches!(error, ExactError::Cells { largest: 1024, .. }),
            "{error}"
        );
    }
}

#[test]
fn parameters_are_checked_again_when_read() {
    let params = CountParams::new(16, 1000).unwrap();
    let text = serde_json::to_string(&params).unwrap();
    assert_eq!(text, r#"{"segments":16,"max_weight_sum":1000,"max_summands":1}"#);
    assert_eq!(serde_json::from_str::<CountParams>(&text).unwrap(), params);
    let error = serde_json::from_str::<CountParams>(&text.replace(r#":1}"#, r#":1,"more":0}"#)).unwrap_err();
    assert!(error.to_string().contains("unknown field"), "{error}");
    let error = serde_json::from_str::<CountParams>(&text.replace("16", "15")).unwrap_err();
    assert!(error.to_string().contains("power of two"), "{error}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let params = CountParams::new(16, 1000).unwrap();
    let (key, other) = (key(&params), AttributeKey::generate(&params, &seed(9)));
    let block = key.encrypt_block(&[true], b"", &seed(2)).unwrap();
    let foreign = other.encrypt_block(&[true], b"", &seed(2)).unwrap();
    let mut sum = predicate(&params, std::slice::from_ref(&block));
    assert!(matches!(sum.add_assign(&foreign), Err(ExactError::Key { .. })));
    assert!(matches!(
        sum.add_assign(&block),
        Err(ExactError::Summands { declared: 1, .. })
    ));
    assert!(key.encrypt_block(&[true; 257], b"", &seed(2)).is_err());

    let (mut product, mut scratch) = (Product::new(&params), Scratch::new(&params));
    let error = product.accumulate(&[0; 4095], &sum, &mut scratch).unwrap_err();
    assert_eq!(error.to_string(), "4095 weights of a block, expected 4096");
    product.accumulate(&[0; 4096], &sum, &mut scratch).unwrap();
    let theirs = predicate(&params, &[foreign]);
    assert!(matches!(
        product.accumulate(&[0; 4096], &theirs, &mut scratch),
        Err(ExactError::Key { .. })
    ));
    let mut rng = seed(3).rng();
    assert!(matches!(
        product.answer(other.public(), &[0; 16], &mut rng),
        Err(ExactError::Key { .. })
    ));
    assert!(matches!(
        product.answer(key.public(), &[0; 15], &mut rng),
        Err(ExactError::Length { .. })
    ));
    let mut large = [0; 16];
    large[5] = PLAINTEXT;
    let error = product.answer(key.public(), &large, &mut rng).unwrap_err();
    assert!(
        matches!(error, ExactError::NotReduced { index: 5, .. }),
        "{error}"
    );

    let answer = product.answer(key.public(), &[0; 16], &mut rng).unwrap();
    assert!(matches!(other.open(&answer), Err(ExactError::Key { .. })));
    let mut heavy = Product::new(&params);
    heavy.accumulate(&[1; 4096], &sum, &mut scratch).unwrap();
    let error = heavy.answer(key.public(), &[0; 16], &mut rng).unwrap_err();
    assert_eq!(error, ExactError::Weights { declared: 1000 });

    let eight = CountParams::new(8, 1000).unwrap();
    let wrong = |error: ExactError| error.to_string().contains("number of cells is 16, expected 8");
    assert!(wrong(eight.read_block(&block.to_bytes()).unwrap_err()));
    assert!(wrong(eight.read_answer(&answer.to_bytes()).unwrap_err()));
    assert!(wrong(PredicateBlock::new(&eight).add_assign(&block).unwrap_err()));
    assert!(wrong(
        Product::new(&eight)
            .accumulate(&[0; 4096], &sum, &mut scratch)
            .unwrap_err()
    ));
    let error = params.read_answer(&block.to_bytes()).unwrap_err();
    let expected = CodecError::Parameter {
        field: "kind",
        actual: 2,
        expected: 3,
    };
    assert_eq!(error, ExactError::Codec(expected));
}

#[test]
fn goes_to_other_threads_and_prints_nothing() {
    fn shared<T: Send + Sync>() {}
    shared::<(CountParams, AttributeKey, EncryptedBlock, PredicateBlock)>();
    shared::<(Product, Scratch, crate::exact::Answer, crate::exact::PublicKey)>();
    let params = CountParams::new(16, 1000).unwrap();
    assert_eq!(format!("{:?}", Product::new(&params)), "Product(redacted)");
    assert_eq!(format!("{:?}", Scratch::new(&params)), "Scratch(redacted)");
    assert!(format!("{:?}", key(&params)).contains("redacted"));
}
