use proptest::prelude::*;

use super::*;

/// Every kind of modulus, the extreme ones often.
fn moduli() -> impl Strategy<Value = Modulus> {
    const PRIMES: [u64; 9] = [
        2,
        3,
        251,
        257,
        65_537,
        1_073_741_789,
        4_294_967_311,
        (1 << 61) - 1,
        (1 << 63) - 25,
    ];
    prop_oneof![
        Just(Modulus::TWO_TO_64),
        (1_u32..=64).prop_map(|bits| Modulus::power_of_two(bits).unwrap()),
        prop::sample::select(&PRIMES[..]).prop_map(|prime| Modulus::prime(prime).unwrap()),
    ]
}

/// A modulus and two vectors of words below it.
fn vectors() -> impl Strategy<Value = (Modulus, Vec<u64>, Vec<u64>)> {
    (
        moduli(),
        prop::collection::vec((any::<u64>(), any::<u64>()), 0..70),
    )
        .prop_map(|(modulus, pairs)| {
            let word = |value: u64| (u128::from(value) % modulus.value()) as u64;
            let (left, right) = pairs
                .into_iter()
                .map(|(left, right)| (word(left), word(right)))
                .unzip();
            (modulus, left, right)
        })
}

#[test]
fn checked_constructors() {
    assert_eq!(Modulus::power_of_two(0), Err(ModulusError::Bits { actual: 0 }));
    assert_eq!(Modulus::power_of_two(65), Err(ModulusError::Bits { actual: 65 }));
    assert_eq!(Modulus::power_of_two(64), Ok(Modulus::TWO_TO_64));
    for composite in [0, 1, 4, 561, (1 << 62) + 1] {
        assert_eq!(
            Modulus::prime(composite),
            Err(ModulusError::NotPrime { actual: composite })
        );
    }
    let large = 18_446_744_073_709_551_557;
    assert_eq!(
        Modulus::prime(large),
        Err(ModulusError::TooLarge { actual: large })
    );
}

#[test]
fn widths() {
    let widths = |modulus: Modulus| (modulus.bits(), modulus.word_bytes(), modulus.mask());
    assert_eq!(widths(Modulus::TWO_TO_64), (64, 8, u64::MAX));
    assert_eq!(widths(Modulus::power_of_two(1).unwrap()), (1, 1, 1));
    assert_eq!(widths(Modulus::power_of_two(33).unwrap()), (33, 5, (1 << 33) - 1));
    assert_eq!(widths(Modulus::prime(2).unwrap()), (1, 1, 1));
    assert_eq!(widths(Modulus::prime(251).unwrap()), (8, 1, 255));
    assert_eq!(widths(Modulus::prime(257).unwrap()), (9, 2, 511));
}

#[test]
fn centred_range_by_hand() {
    let four = Modulus::power_of_two(2).unwrap();
    assert_eq!([0, 1, 2, 3].map(|word| four.centred(word)), [0, 1, -2, -1]);
    assert_eq!(
        [-3, -2, -1, 0, 1, 2].map(|value| four.encode(value)),
        [None, Some(2), Some(3), Some(0), Some(1), None]
    );
    let five = Modulus::prime(5).unwrap();
    assert_eq!([0, 1, 2, 3, 4].map(|word| five.centred(word)), [0, 1, 2, -2, -1]);
    assert_eq!(
        [-3, -2, 2, 3].map(|value| five.encode(value)),
        [None, Some(3), Some(2), None]
    );
    assert_eq!(Modulus::TWO_TO_64.encode(i64::MIN), Some(1 << 63));
    assert_eq!(Modulus::TWO_TO_64.centred(1 << 63), i64::MIN);
    let two = Modulus::prime(2).unwrap();
    assert_eq!(
        [0, 1].map(|word| two.encode(two.centred(word))),
        [Some(0), Some(1)]
    );
}

#[test]
fn serialises_through_the_constructor() {
    let modulus = Modulus::prime(257).unwrap();
    let json = serde_json::to_string(&[modulus, Modulus::TWO_TO_64]).unwrap();
    assert_eq!(json, r#"[{"prime":257},{"power_of_two":64}]"#);
    assert_eq!(
        serde_json::from_str::<[Modulus; 2]>(&json).unwrap(),
        [modulus, Modulus::TWO_TO_64]
    );
    let bytes = postcard::to_stdvec(&modulus).unwrap();
    assert_eq!(postcard::from_bytes::<Modulus>(&bytes).unwrap(), modulus);
    for (bad, why) in [
        (r#"{"prime":256}"#, "256 is not a prime"),
        (r#"{"power_of_two":65}"#, "2^65 is out of range"),
    ] {
        let error = serde_json::from_str::<Modulus>(bad).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn names_the_word_and_the_lengths() {
    let modulus = Modulus::power_of_two(12).unwrap();
    let too_large = WordsError::NotReduced { index: 2, modulus };
    assert_eq!(modulus.pack(&[0, 4095, 4096, 5000]), Err(too_large));
    let length = WordsError::Length {
        actual: 5,
        words: 2,
        word_bytes: 2,
    };
    assert_eq!(modulus.unpack(&[0; 5], 2), Err(length));
    assert_eq!(length.to_string(), "5 bytes are not 2 words of 2 bytes");
    assert_eq!(modulus.unpack(&[0, 0, 0, 0, 0, 0x10], 3), Err(too_large));
    assert!(modulus.unpack(&[], usize::MAX).is_err());
    let mut sum = [1, 1, 1];
    assert_eq!(
        modulus.add_packed(&mut sum, &[1, 0, 1, 0, 0, 0x10]),
        Err(too_large)
    );
    assert!(modulus.add_packed(&mut sum, &[0; 4]).is_err());
    assert_eq!(sum, [1; 3]);
}

#[test]
#[should_panic(expected = "one length")]
fn adding_vectors_of_two_lengths_panics() {
    Modulus::TWO_TO_64.add(&mut [1, 2], &[1]);
}

proptest! {
    #[test]
    fn arithmetic_is_that_of_the_integers(((modulus, left, right), value) in (vectors(), any::<u64>())) {
        let m = modulus.value();
        prop_assert_eq!(u128::from(modulus.reduce(value)), u128::from(value) % m);
        let mut sum = left.clone();
        modulus.add(&mut sum, &right);
        let mut difference = left.clone();
        modulus.sub(&mut difference, &right);
        for (((&left, &right), &sum), &difference) in left.iter().zip(&right).zip(&sum).zip(&difference) {
            let (left, right) = (u128::from(left), u128::from(right));
            prop_assert_eq!(u128::from(sum), (left + right) % m);
            prop_assert_eq!(u128::from(difference), (left + m - right) % m);
        }
    }

    #[test]
    fn centred_and_encode_are_inverse((modulus, words, _) in vectors(), value: i64) {
        let m = modulus.value() as i128;
        for word in words {
            let centred = modulus.centred(word);
            prop_assert_eq!(i128::from(centred).rem_euclid(m), i128::from(word));
            prop_assert!(2 * i128::from(centred) < m && -2 * i128::from(centred) <= m);
            prop_assert_eq!(modulus.encode(centred), Some(word));
        }
        let fits = 2 * i128::from(value) < m && -2 * i128::from(value) <= m;
        prop_assert_eq!(modulus.encode(value).map(|word| modulus.centred(word)), fits.then_some(value));
    }

    #[test]
    fn packing_round_trips((modulus, words, others) in vectors()) {
        let bytes = modulus.pack(&words).unwrap();
        prop_assert_eq!(bytes.len(), words.len() * modulus.word_bytes());
        prop_assert_eq!(modulus.unpack(&bytes, words.len()), Ok(words.clone()));
        for (bytes, word) in bytes.chunks(modulus.word_bytes()).zip(&words) {
            let word = word.to_le_bytes();
            prop_assert_eq!(bytes, &word[..bytes.len()]);
        }
        let mut sum = others.clone();
        modulus.add_packed(&mut sum, &bytes).unwrap();
        let mut expected = others;
        modulus.add(&mut expected, &words);
        prop_assert_eq!(sum, expected);
    }

    #[test]
    fn unpacks_only_words_below_the_modulus(modulus in moduli(), bytes: [u8; 8]) {
        let bytes = &bytes[..modulus.word_bytes()];
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let word = u64::from_le_bytes(wide);
        let expected = if u128::from(word) < modulus.value() {
            Ok(vec![word])
        } else {
            Err(WordsError::NotReduced { index: 0, modulus })
        };
        prop_assert_eq!(modulus.unpack(bytes, 1), expected);
    }
}
