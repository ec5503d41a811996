use proptest::prelude::*;

use super::*;
use crate::ring::RnsBasis;

const HEADER: Header = Header {
    kind: Kind::Seeded,
    degree: 4096,
    primes: 2,
    cells: 16,
    plaintext: 1 << 30,
};
const KEY: KeyId = KeyId([1, 2, 3, 4, 5, 6, 7, 8]);

fn limb() -> Limb {
    RnsBasis::new(16, 1).unwrap().limbs()[0].clone()
}

/// The definition: bit `50 i + k` of the bytes is bit `k` of word `i`.
fn bit_by_bit(words: &[u64]) -> Vec<u8> {
    let mut bytes = vec![0; packed_bytes(&limb(), words.len())];
    for (i, word) in words.iter().enumerate() {
        for k in 0..50 {
            let place = 50 * i + k;
            bytes[place / 8] |= ((word >> k & 1) as u8) << (place % 8);
        }
    }
    bytes
}

proptest! {
    #[test]
    fn words_come_back(words in prop::collection::vec(0_u64..(1 << 50) - (1 << 20), 0..40)) {
        let mut bytes = Vec::new();
        pack(&limb(), &words, &mut bytes);
        prop_assert_eq!(&bytes, &bit_by_bit(&words));
        let mut back = vec![7; words.len()];
        unpack_into(&limb(), &bytes, &mut back).unwrap();
        prop_assert_eq!(&back, &words);
        bytes.push(0);
        let expected = bytes.len() - 1;
        let longer = unpack_into(&limb(), &bytes, &mut back).unwrap_err();
        prop_assert_eq!(longer, CodecError::Length { actual: expected + 1, expected });
        if expected > 0 {
            let shorter = unpack_into(&limb(), &bytes[..expected - 1], &mut back).unwrap_err();
            prop_assert_eq!(shorter, CodecError::Length { actual: expected - 1, expected });
        }
    }
}

/// Primes of other widths, by the definition.
#[test]
fn words_of_any_prime_come_back() {
    for prime in [97, 12_289, 65_537, 786_433] {
        let basis = RnsBasis::of_primes(16, &[prime]).unwrap();
        let limb = &basis.limbs()[0];
        let bits = limb.modulo().bits() as usize;
        for length in [0_u64, 1, 5, 16, 33] {
            let words: Vec<u64> = (0..length).map(|word| word * 7919 % prime).collect();
            let mut bytes = Vec::new();
            pack(limb, &words, &mut bytes);
            assert_eq!(bytes.len(), packed_bytes(limb, words.len()));
            for (place, word) in words.iter().enumerate() {
                for bit in 0..bits {
                    let at = place * bits + bit;
                    assert_eq!(u64::from(bytes[at / 8] >> (at % 8) & 1), word >> bit & 1);
                }
            }
            let mut back = vec![7; words.len()];
            unpack_into(limb, &bytes, &mut back).unwrap();
            assert_eq!(back, words);
        }
    }
}

#[test]
fn words_that_are_not_reduced_are_named() {
    let modulus = limb().modulo().modulus();
    for index in 0..7 {
        let mut words = vec![3; 7];
        words[index] = modulus;
        let mut bytes = Vec::new();
        pack(&limb(), &words, &mut bytes);
        let error = unpack_into(&limb(), &bytes, &mut words).unwrap_err();
        assert_eq!(error, CodecError::NotReduced { index, modulus });
    }
}

#[test]
fn bits_after_the_last_word_are_zero() {
    for length in [1, 2, 3, 5] {
        let mut words = vec![3; length];
        let mut bytes = Vec::new();
        pack(&limb(), &words, &mut bytes);
        *bytes.last_mut().unwrap() |= 0x80;
        let error = unpack_into(&limb(), &bytes, &mut words).unwrap_err();
        assert_eq!(error, CodecError::Padding, "{length}");
    }
}

#[test]
fn header_is_pinned() {
    let mut bytes = Vec::new();
    HEADER.write(KEY, &mut bytes);
    assert_eq!(
        hex::encode(&bytes),
        "02010c021000000000000040000000000102030405060708"
    );
    assert_eq!(HEADER.read(&bytes, 0), Ok((KEY, &[][..])));
}

#[test]
fn every_field_of_a_header_is_compared() {
    let mut bytes = Vec::new();
    HEADER.write(KEY, &mut bytes);
    let fields = [
        (0, "kind"),
        (1, "version"),
        (2, "log2 of the degree"),
        (3, "number of primes"),
        (4, "number of cells"),
        (7, "number of cells"),
        (8, "plaintext modulus"),
        (15, "plaintext modulus"),
    ];
    for (place, name) in fields {
        let mut other = bytes.clone();
        other[place] ^= 1;
        let error = HEADER.read(&other, 0).unwrap_err();
        assert!(
            matches!(error, CodecError::Parameter { field, .. } if field == name),
            "{error}"
        );
        assert!(error.to_string().contains("expected"));
    }
    for length in 0..HEADER_BYTES {
        let error = HEADER.read(&bytes[..length], 3).unwrap_err();
        let expected = HEADER_BYTES + 3;
        assert_eq!(
            error,
            CodecError::Length {
                actual: length,
                expected
            }
        );
    }
}
