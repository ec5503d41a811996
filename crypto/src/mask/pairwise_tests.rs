use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::mask::modulus::Modulus;
use crate::mask::prg::{self, Prg};
use crate::mask::self_mask::SelfMaskSeed;
use crate::mask::shamir;

fn secret(byte: u8) -> MaskSecret {
    MaskSecret::from_seed(&Seed::from_bytes([byte; 32]))
}

const TRANSCRIPT: Digest = Digest([7; 32]);

/// RFC 7748, section 6.1, Alice's key.
#[test]
fn rfc_7748() {
    let key = hex::decode("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a").unwrap();
    let secret = MaskSecret::from_seed(&Seed::from_bytes(key.try_into().unwrap()));
    assert_eq!(
        hex::encode(secret.public().to_bytes()),
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    );
}

#[test]
fn the_seed_is_the_pairs_and_the_transcripts() {
    let seed = |mine: u8, theirs: u8, transcript: u8| {
        secret(mine)
            .pair_seed(&secret(theirs).public(), &Digest([transcript; 32]))
            .unwrap()
    };
    assert_eq!(seed(1, 2, 7), seed(2, 1, 7));
    assert_ne!(seed(1, 2, 7), seed(1, 2, 8));
    assert_ne!(seed(1, 2, 7), seed(1, 3, 7));
}

/// One key used for sealing and for masks would be broken; that the types differ, the compiler sees to. Even so the
/// derived keys differ.
#[test]
fn is_not_the_sealing_key() {
    let bytes = Seed::from_bytes([1; 32]);
    let sealing = crate::seal::SealingSecret::from_seed(&bytes);
    let their = crate::seal::SealingSecret::from_seed(&Seed::from_bytes([2; 32]));
    let pair = sealing.pair(&their.public(), &TRANSCRIPT.0).unwrap();
    let mask = secret(1).pair_seed(&secret(2).public(), &TRANSCRIPT).unwrap();
    let as_seal = pair.seal(b"", b"", &[0; 32]);
    assert_ne!(as_seal[..32], mask.expose_bytes()[..]);
}

#[test]
fn refuses_points_of_low_order() {
    for (low, rest) in [(0, 0), (1, 0)] {
        let mut weak = [rest; 32];
        weak[0] = low;
        let error = secret(1).pair_seed(&MaskPublic(weak), &TRANSCRIPT).unwrap_err();
        assert_eq!(
            error,
            PairwiseError::LowOrder {
                key: hex::encode(weak)
            }
        );
    }
    let eight = hex::decode("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800").unwrap();
    assert!(
        secret(1)
            .pair_seed(&MaskPublic(eight.try_into().unwrap()), &TRANSCRIPT)
            .is_err()
    );
}

#[test]
fn lower_ids_add() {
    assert_eq!(Sign::between("a", "b"), Some(Sign::Add));
    assert_eq!(Sign::between("b", "a"), Some(Sign::Subtract));
    assert_eq!(Sign::between("a", "a"), None);
    assert_eq!(Sign::Add.opposite(), Sign::Subtract);
    assert_eq!(Sign::Subtract.opposite(), Sign::Add);
}

#[test]
fn prints_and_serialises() {
    assert_eq!(format!("{:?}", secret(0xab)), "MaskSecret(redacted)");
    let public = secret(1).public();
    assert_eq!(postcard::to_stdvec(&public).unwrap(), public.to_bytes());
    assert_eq!(
        postcard::from_bytes::<MaskPublic>(&public.to_bytes()).unwrap(),
        public
    );
    let json = serde_json::to_string(&public).unwrap();
    assert_eq!(serde_json::from_str::<MaskPublic>(&json).unwrap(), public);
    assert_eq!(MaskPublic::from_bytes(public.to_bytes()), public);
}

/// One party of a round, as the protocol will have it.
struct Party {
    mask_seed: Seed,
    self_mask: SelfMaskSeed,
}

impl Party {
    fn all(count: usize, coins: &Seed) -> Vec<Self> {
        let mut rng = coins.rng();
        (0..count)
            .map(|_| Self {
                mask_seed: Seed::random(&mut rng),
                self_mask: SelfMaskSeed::random(&mut rng),
            })
            .collect()
    }

    fn secret(&self) -> MaskSecret {
        MaskSecret::from_seed(&self.mask_seed)
    }
}

fn pair_masks(parties: &[Party], mine: usize) -> Vec<(Sign, Prg)> {
    let others = (0..parties.len()).filter_map(|theirs| Some((theirs, Sign::between(&mine, &theirs)?)));
    others
        .map(|(theirs, sign)| {
            let seed = parties[mine]
                .secret()
                .pair_seed(&parties[theirs].secret().public(), &TRANSCRIPT)
                .unwrap();
            (sign, Prg::new(&seed))
        })
        .collect()
}

fn moduli() -> impl Strategy<Value = Modulus> {
    prop_oneof![
        Just(Modulus::TWO_TO_64),
        (1_u32..=64).prop_map(|bits| Modulus::power_of_two(bits).unwrap()),
        prop::sample::select(&[3, 65_537, (1 << 61) - 1, (1 << 63) - 25][..])
            .prop_map(|prime| Modulus::prime(prime).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pair_masks_of_all_parties_sum_to_zero(modulus in moduli(), coins: [u8; 32], count in 2_usize..8, length in 1_usize..300) {
        let parties = Party::all(count, &Seed::from_bytes(coins));
        let mut sum = vec![0; length];
        for mine in 0..count {
            let mut words = vec![0; length];
            prg::apply(&pair_masks(&parties, mine), &mut words, modulus);
            // Long enough that a mask of zeros would be no chance.
            prop_assert!(length < 100 || words.iter().any(|word| *word != 0));
            modulus.add(&mut sum, &words);
        }
        prop_assert_eq!(sum, vec![0; length]);
    }

    /// The whole algebra of a round: some parties drop after the keys are out; any `threshold` of the others give
    /// back the survivors' self masks and the dropped parties' mask keys; what is left is the survivors' sum.
    #[test]
    fn masks_come_off_after_drop_outs(
        modulus in moduli(),
        coins: [u8; 32],
        (count, threshold) in (2_usize..8).prop_flat_map(|count| (Just(count), 1..=count)),
        drops: Vec<Index>,
        first: Index,
        length in 1_usize..200,
    ) {
        let parties = Party::all(count, &Seed::from_bytes(coins));
        let mut dropped: Vec<usize> = drops.iter().map(|index| index.index(count)).collect();
        dropped.sort_unstable();
        dropped.dedup();
        dropped.truncate(count - threshold);
        let survivors: Vec<usize> = (0..count).filter(|party| !dropped.contains(party)).collect();

        let mut sum = vec![0; length];
        let mut expected = vec![0; length];
        for &party in &survivors {
            let mut words: Vec<u64> = (0..length as u64).map(|word| modulus.reduce(word * 31 + party as u64)).collect();
            modulus.add(&mut expected, &words);
            let mut masks = pair_masks(&parties, party);
            masks.push((Sign::Add, parties[party].self_mask.prg()));
            prg::apply(&masks, &mut words, modulus);
            modulus.add(&mut sum, &words);
        }

        let mut rng = Seed::from_bytes(coins).derive("shares", b"").rng();
        let mut given_back = |seed: &Seed| {
            let shares = shamir::split(seed, threshold, count, &mut rng).unwrap();
            let start = first.index(survivors.len());
            let holders = survivors.iter().cycle().skip(start).take(threshold);
            let opened: Vec<_> = holders.map(|&holder| shares[holder].clone()).collect();
            shamir::combine(threshold, &opened).unwrap()
        };
        let mut masks = Vec::new();
        for &party in &survivors {
            let seed = given_back(parties[party].self_mask.seed());
            masks.push((Sign::Subtract, SelfMaskSeed::from_seed(seed).prg()));
        }
        for &gone in &dropped {
            let secret = MaskSecret::from_seed(&given_back(&parties[gone].mask_seed));
            prop_assert_eq!(secret.public(), parties[gone].secret().public());
            for &party in &survivors {
                let seed = secret.pair_seed(&parties[party].secret().public(), &TRANSCRIPT).unwrap();
                let put_on = Sign::between(&party, &gone).unwrap();
                masks.push((put_on.opposite(), Prg::new(&seed)));
            }
        }
        prg::apply(&masks, &mut sum, modulus);
        prop_assert_eq!(sum, expected);
    }
}
