use aes::cipher::BlockEncrypt;
use proptest::prelude::*;

use super::*;

fn prg(byte: u8) -> Prg {
    Prg::new(&Seed::from_bytes([byte; 32]))
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The construction again, word for word, as the module's documentation tells it: one AES call at a time.
fn by_definition(seed: &Seed, first_block: u64, length: usize, modulus: Modulus) -> Vec<u64> {
    let key = seed.derive("hedgerow/mask/prg/1", b"");
    let aes = aes::Aes128::new(key.expose_bytes()[..16].into());
    let mut words = Vec::new();
    for block in first_block.. {
        let in_block = (length - words.len()).min(2048);
        if in_block == 0 {
            break;
        }
        let numbers = (0_u64..).flat_map(|counter| {
            let mut input = (u128::from(block) << 64 | u128::from(counter))
                .to_be_bytes()
                .into();
            aes.encrypt_block(&mut input);
            let output = u128::from_le_bytes(input.into());
            [output as u64, (output >> 64) as u64]
        });
        let low = numbers.map(|number| number & modulus.mask());
        words.extend(
            low.filter(|word| u128::from(*word) < modulus.value())
                .take(in_block),
        );
    }
    words
}

/// NIST SP 800-38A, F.5.1, CTR-AES128.Encrypt: the key stream that turns the plaintext into the ciphertext.
#[test]
fn nist_sp_800_38a() {
    let cipher = Aes128Enc::new(&bytes::<16>("2b7e151628aed2a6abf7158809cf4f3c").into());
    let counter = bytes::<16>("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    let mut blocks = [Block::<Aes128Enc>::default(); 4];
    KeyStream::inner_iv_init(&cipher, &counter.into()).write_keystream_blocks(&mut blocks);
    let plaintext = bytes::<64>(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    );
    let ciphertext: Vec<u8> = blocks
        .iter()
        .flatten()
        .zip(plaintext)
        .map(|(key, plain)| key ^ plain)
        .collect();
    assert_eq!(
        hex::encode(ciphertext),
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
         5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee"
    );
}

#[test]
fn is_as_defined_over_several_blocks() {
    let seed = Seed::from_bytes([5; 32]);
    for modulus in [
        Modulus::TWO_TO_64,
        Modulus::power_of_two(17).unwrap(),
        Modulus::prime(65_537).unwrap(),
        Modulus::prime((1 << 61) - 1).unwrap(),
    ] {
        for length in [
            0,
            1,
            2,
            255,
            256,
            257,
            BLOCK_WORDS - 1,
            BLOCK_WORDS,
            BLOCK_WORDS + 1,
            3 * BLOCK_WORDS + 77,
        ] {
            let mut words = vec![0; length];
            Prg::new(&seed).add_into(&mut words, modulus);
            assert!(
                words == by_definition(&seed, 0, length, modulus),
                "{modulus:?}, {length} words"
            );
        }
    }
}

/// Masks of two releases must cancel: the first words are pinned, as HMAC of Python and AES of OpenSSL give them.
#[test]
fn first_words_are_pinned() {
    let mut words = [0; 3];
    prg(0).add_into(&mut words, Modulus::TWO_TO_64);
    assert_eq!(
        words,
        [7268706822763839298, 3542617279590255510, 6857749601426891759]
    );
}

#[test]
fn the_expansion_does_not_depend_on_the_modulus_but_by_truncation() {
    let (mut wide, mut narrow) = (vec![0; 1000], vec![0; 1000]);
    prg(1).add_into(&mut wide, Modulus::TWO_TO_64);
    prg(1).add_into(&mut narrow, Modulus::power_of_two(20).unwrap());
    assert!(
        wide.iter()
            .zip(&narrow)
            .all(|(wide, narrow)| wide & 0xf_ffff == *narrow)
    );
}

/// Chi-squared over the 5 words mod 5 and over the residues of 3 x 2^30 or so: `limit` is the 1 - 1e-6 quantile of
/// 4 and 15 degrees of freedom. The seed is fixed, so this either always passes or never.
#[test]
fn words_mod_a_prime_are_uniform() {
    for (prime, cells, limit) in [(5_u64, 5_u64, 33.4), (3_221_225_473, 16, 55.0)] {
        let mut words = vec![0; 100_000];
        prg(2).add_into(&mut words, Modulus::prime(prime).unwrap());
        let mut counts = vec![0_f64; cells as usize];
        for word in &words {
            assert!(*word < prime);
            counts[(u128::from(*word) * u128::from(cells) / u128::from(prime)) as usize] += 1.0;
        }
        let expected = words.len() as f64 / cells as f64;
        let chi_squared: f64 = counts
            .iter()
            .map(|count| (count - expected).powi(2) / expected)
            .sum();
        assert!(
            chi_squared < limit,
            "chi-squared {chi_squared} of {cells} cells mod {prime}"
        );
    }
}

#[test]
fn prints_nothing_of_the_key() {
    assert_eq!(format!("{:?}", prg(0xab)), "Prg(redacted)");
}

fn moduli() -> impl Strategy<Value = Modulus> {
    const PRIMES: [u64; 5] = [2, 3, 65_537, 4_294_967_311, (1 << 63) - 25];
    prop_oneof![
        (1_u32..=64).prop_map(|bits| Modulus::power_of_two(bits).unwrap()),
        prop::sample::select(&PRIMES[..]).prop_map(|prime| Modulus::prime(prime).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_added_is_subtracted(modulus in moduli(), seed: [u8; 32], values in prop::collection::vec(any::<u64>(), 0..5000)) {
        let plain: Vec<u64> = values.iter().map(|value| modulus.reduce(*value)).collect();
        let prg = Prg::new(&Seed::from_bytes(seed));
        let mut words = plain.clone();
        prg.add_into(&mut words, modulus);
        let mut mask = vec![0; plain.len()];
        prg.add_into(&mut mask, modulus);
        let mut expected = plain.clone();
        modulus.add(&mut expected, &mask);
        prop_assert!(words == expected);
        prg.sub_into(&mut words, modulus);
        prop_assert!(words == plain);
    }

    /// All at once, one after the other, and in parts from any block on: the same.
    #[test]
    fn blocking_changes_nothing(
        modulus in moduli(),
        signs in prop::collection::vec(any::<bool>(), 0..6),
        length in 0..4 * BLOCK_WORDS,
        part_blocks in 1_usize..4,
    ) {
        let masks: Vec<(Sign, Prg)> = signs
            .iter()
            .zip(0..)
            .map(|(add, byte)| (if *add { Sign::Add } else { Sign::Subtract }, prg(byte)))
            .collect();
        let plain: Vec<u64> = (0..length as u64).map(|word| modulus.reduce(word)).collect();
        let mut expected = plain.clone();
        for (sign, prg) in &masks {
            match sign {
                Sign::Add => prg.add_into(&mut expected, modulus),
                Sign::Subtract => prg.sub_into(&mut expected, modulus),
            }
        }
        let mut at_once = plain.clone();
        apply(&masks, &mut at_once, modulus);
        prop_assert!(at_once == expected);
        let mut parts = plain;
        for (part, words) in parts.chunks_mut(part_blocks * BLOCK_WORDS).enumerate() {
            apply_from(&masks, (part * part_blocks) as u64, words, modulus);
        }
        prop_assert!(parts == expected);
    }
}
