use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn shares(secret: &Seed, threshold: usize, holders: usize) -> Vec<Share> {
    split(secret, threshold, holders, &mut Seed::from_bytes([9; 32]).rng()).unwrap()
}

/// Thresholds and holders, and a permutation by which to take holders.
fn sizes() -> impl Strategy<Value = (usize, usize, Vec<Index>)> {
    (1_usize..=12).prop_flat_map(|holders| {
        (
            1..=holders,
            Just(holders),
            prop::collection::vec(any::<Index>(), holders),
        )
    })
}

fn shuffle(shares: &mut [Share], order: &[Index]) {
    for (at, index) in order.iter().enumerate() {
        let other = at + index.index(shares.len() - at);
        shares.swap(at, other);
    }
}

/// A polynomial of degree 2 by hand: 7 + 3 x + 2 x^2 at 1, 2, 3 (halves: 7 and 0).
#[test]
fn a_case_by_hand() {
    let share = |index, value: u64| Share {
        index,
        halves: [Scalar::from(value), Scalar::ZERO],
    };
    let seed = combine(3, &[share(1, 12), share(2, 21), share(3, 34)]).unwrap();
    let mut expected = [0; 32];
    expected[0] = 7;
    assert_eq!(seed, Seed::from_bytes(expected));
    // The fourth lies on it, a wrong fourth does not.
    assert!(combine(3, &[share(1, 12), share(2, 21), share(3, 34), share(4, 51)]).is_ok());
    assert_eq!(
        combine(3, &[share(1, 12), share(2, 21), share(3, 34), share(4, 52)]),
        Err(ShamirError::Inconsistent { index: Some(4) })
    );
}

/// The seed is the value at 0 of a polynomial of the threshold's degree and no less: every coefficient is drawn.
#[test]
fn all_coefficients_are_drawn() {
    let polynomial = Polynomial::random(Scalar::ONE, 5, &mut Seed::from_bytes([1; 32]).rng());
    assert_eq!(polynomial.0.len(), 5);
    assert_eq!(polynomial.0[0], Scalar::ONE);
    for (at, coefficient) in polynomial.0.iter().enumerate() {
        assert!(polynomial.0[..at].iter().all(|other| other != coefficient));
    }
    assert_eq!(polynomial.at(1), polynomial.0.iter().sum());
}

#[test]
fn extreme_seeds_can_be_shared() {
    for byte in [0, 0x10, 0xff] {
        let seed = Seed::from_bytes([byte; 32]);
        assert_eq!(combine(2, &shares(&seed, 2, 3)[1..]), Ok(seed));
    }
}

#[test]
fn refuses_thresholds_that_do_not_fit() {
    let seed = Seed::from_bytes([1; 32]);
    let mut rng = seed.rng();
    for (threshold, holders) in [(0, 3), (4, 3), (0, 0), (1, 0), (2, 65_536)] {
        let error = split(&seed, threshold, holders, &mut rng).unwrap_err();
        assert_eq!(error, ShamirError::Threshold { threshold, holders });
    }
    assert_eq!(
        combine(0, &[]),
        Err(ShamirError::Threshold {
            threshold: 0,
            holders: 0
        })
    );
}

#[test]
fn refuses_bytes_that_are_no_share() {
    let bytes = shares(&Seed::from_bytes([1; 32]), 2, 3)[2].to_bytes();
    let bytes = bytes.expose();
    for length in [0, 1, 65] {
        let expected = ShamirError::Length {
            actual: length,
            expected: 66,
        };
        assert_eq!(Share::from_bytes(&bytes[..length]), Err(expected));
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(
        Share::from_bytes(&longer),
        Err(ShamirError::Length {
            actual: 67,
            expected: 66
        })
    );
    let mut zero = *bytes;
    zero[..2].fill(0);
    assert_eq!(Share::from_bytes(&zero), Err(ShamirError::IndexZero));
    for half in [2..34, 34..66] {
        let mut large = *bytes;
        large[half].fill(0xff);
        assert_eq!(
            Share::from_bytes(&large),
            Err(ShamirError::NotReduced { index: 3 })
        );
    }
}

#[test]
fn prints_and_wipes() {
    let mut share = shares(&Seed::from_bytes([0xab; 32]), 1, 1).remove(0);
    assert_eq!(format!("{share:?}"), "Share(1, redacted)");
    share.zeroize();
    assert_eq!(share.halves, [Scalar::ZERO; 2]);
}

proptest! {
    #[test]
    fn any_threshold_of_the_shares_gives_the_seed_back(secret: [u8; 32], coins: [u8; 32], (threshold, holders, order) in sizes()) {
        let secret = Seed::from_bytes(secret);
        let mut all = split(&secret, threshold, holders, &mut Seed::from_bytes(coins).rng()).unwrap();
        prop_assert!(all.iter().map(|share| usize::from(share.index())).eq(1..=holders));
        shuffle(&mut all, &order);
        prop_assert_eq!(combine(threshold, &all[..threshold]), Ok(secret.clone()));
        prop_assert_eq!(combine(threshold, &all), Ok(secret));
    }

    /// Perfect secrecy: to the shares that fewer than the threshold hold there is, for *every* other seed, exactly
    /// one set of polynomials that gives them. It is found here, by interpolating through the other seed at 0.
    #[test]
    fn fewer_shares_are_consistent_with_every_seed(
        secret: [u8; 32], other: [u8; 32], coins: [u8; 32], (threshold, holders, order) in sizes(),
    ) {
        let mut known = split(&Seed::from_bytes(secret), threshold, holders, &mut Seed::from_bytes(coins).rng()).unwrap();
        shuffle(&mut known, &order);
        known.truncate(threshold - 1);
        let other = Seed::from_bytes(other);

        // The other seed's halves are the "share" at 0; one more share of that world completes a threshold.
        let mut world = known.clone();
        world.push(Share { index: 0, halves: halves(&other) });
        let absent = (1..).find(|index| known.iter().all(|share| share.index != *index)).unwrap();
        let completing = Share { index: absent, halves: *interpolate(&world, absent).expose() };
        known.push(completing);
        prop_assert_eq!(combine(threshold, &known), Ok(other));
    }

    #[test]
    fn fewer_shares_are_an_error(secret: [u8; 32], (threshold, holders, order) in sizes()) {
        let mut all = shares(&Seed::from_bytes(secret), threshold, holders);
        shuffle(&mut all, &order);
        for actual in 0..threshold {
            prop_assert_eq!(
                combine(threshold, &all[..actual]),
                Err(ShamirError::TooFew { actual, expected: threshold })
            );
        }
    }

    /// Taken at a lower threshold than they were split with, shares do not give another seed: they give none.
    #[test]
    fn a_wrong_threshold_is_an_error(secret: [u8; 32], (threshold, holders, order) in sizes()) {
        let mut all = shares(&Seed::from_bytes(secret), threshold, holders);
        shuffle(&mut all, &order);
        for lower in 1..threshold {
            prop_assert_eq!(combine(lower, &all[..lower]), Err(ShamirError::Inconsistent { index: None }));
            let more = combine(lower, &all).unwrap_err();
            prop_assert!(matches!(more, ShamirError::Inconsistent { index: Some(_) }), "{more}");
        }
    }

    #[test]
    fn a_wrong_share_is_an_error(
        secret: [u8; 32], (threshold, holders, order) in sizes(), which: Index, half in 0_usize..2, shift in 1_u64..,
    ) {
        let mut all = shares(&Seed::from_bytes(secret), threshold, holders);
        shuffle(&mut all, &order);
        // Of a single share at threshold 1 every value below 2^128 is a right one.
        prop_assume!(threshold > 1);
        let which = which.index(threshold);
        // A large change: one times a small one may stay below 2^128, and is what cannot be found.
        all[which].halves[half] += Scalar::from(shift) * Scalar::from(u128::MAX) * Scalar::from(u128::MAX);
        prop_assert_eq!(combine(threshold, &all[..threshold]), Err(ShamirError::Inconsistent { index: None }));
        if holders > threshold {
            prop_assert!(combine(threshold, &all).is_err());
        }
    }

    #[test]
    fn a_duplicate_is_an_error(secret: [u8; 32], (threshold, holders, order) in sizes(), which: (Index, Index)) {
        let mut all = shares(&Seed::from_bytes(secret), threshold, holders);
        shuffle(&mut all, &order);
        let (from, to) = (which.0.index(holders), which.1.index(holders));
        prop_assume!(from != to);
        all[to] = all[from].clone();
        let index = all[from].index();
        let given = &all[..threshold.max(from.max(to) + 1)];
        prop_assert_eq!(combine(threshold, given), Err(ShamirError::Duplicate { index }));
    }

    #[test]
    fn a_share_of_another_seed_is_an_error(secret: [u8; 32], other: [u8; 32], (threshold, holders, _) in sizes()) {
        prop_assume!(threshold > 1 && secret != other);
        let mut mixed = shares(&Seed::from_bytes(secret), threshold, holders);
        let coins = Seed::from_bytes([10; 32]);
        mixed[0] = split(&Seed::from_bytes(other), threshold, holders, &mut coins.rng()).unwrap().remove(0);
        prop_assert!(combine(threshold, &mixed[..threshold]).is_err());
    }

    #[test]
    fn bytes_round_trip(secret: [u8; 32], (threshold, holders, _) in sizes()) {
        for share in shares(&Seed::from_bytes(secret), threshold, holders) {
            let bytes = share.to_bytes();
            prop_assert_eq!(Share::from_bytes(bytes.expose()), Ok(share));
        }
    }
}
