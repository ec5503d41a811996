//! Every bound, broken by one change to a good configuration.

use hedgerow_crypto::mask::modulus::Modulus;
use proptest::prelude::*;

use super::*;
use crate::party::tests::support::{id, in_shares, literal, noisy};

fn error(change: impl FnOnce(&mut RunConfigLiteral)) -> ConfigError {
    let mut literal = noisy(literal(5));
    change(&mut literal);
    RunConfig::new(literal).expect_err("CHK-001")
}

#[test]
fn a_good_configuration_is_good_in_both_modes() {
    for literal in [
        literal(5),
        noisy(literal(5)),
        in_shares(literal(5)),
        noisy(in_shares(literal(2))),
    ] {
        let config = RunConfig::new(literal).unwrap();
        assert_eq!(RunConfig::from_bytes(&config.to_bytes()), Ok(config), "CHK-002");
    }
}

#[test]
fn each_bound_is_named_with_what_was_found() {
    assert_eq!(
        error(|c| c.parties.truncate(1)),
        ConfigError::Parties {
            actual: 1,
            most: MAX_PARTIES
        }
    );
    assert_eq!(
        error(|c| c.parties.push(id(2))),
        ConfigError::Repeated { party: id(2) }
    );
    // tau > (n + c) / 2
    for threshold in [0, 3, 6] {
        let expected = ConfigError::Threshold {
            actual: threshold,
            parties: 5,
            collusion: 1,
            least: 4,
        };
        assert_eq!(error(|c| c.shamir_threshold = threshold), expected);
    }
    // min_parties >= max(tau, c + 1)
    for min_parties in [0, 3, 6] {
        let expected = ConfigError::MinParties {
            actual: min_parties,
            least: 4,
            parties: 5,
        };
        assert_eq!(error(|c| c.min_parties = min_parties), expected);
    }
    assert_eq!(error(|c| c.collusion = 0), ConfigError::NoCollusion);
    assert!(matches!(
        error(|c| c.collusion = 5),
        ConfigError::Threshold { least: 6, .. }
    ));
    assert!(matches!(
        error(|c| c.collusion = u32::MAX),
        ConfigError::Threshold { .. }
    ));
    assert!(matches!(
        error(|c| c.privacy.as_mut().unwrap().epsilon = f64::NAN),
        ConfigError::Privacy { .. }
    ));
    assert!(matches!(
        error(|c| c.privacy.as_mut().unwrap().delta = 1.0),
        ConfigError::Privacy { .. }
    ));
    assert!(matches!(
        error(|c| c.schema.features.clear()),
        ConfigError::Model { what: "schema", .. }
    ));
    assert!(matches!(
        error(|c| c.forest.depth = 0),
        ConfigError::Model { what: "forest", .. }
    ));
    assert_eq!(
        error(|c| c.test.fraction = 1.0),
        ConfigError::TestFraction { actual: 1.0 }
    );
    assert!(matches!(
        error(|c| c.test.fraction = f64::NAN),
        ConfigError::TestFraction { .. }
    ));
    assert!(matches!(
        error(|c| c.max_rows = 0),
        ConfigError::MaxRows { actual: 0, .. }
    ));
    assert!(matches!(
        error(|c| c.name = "x".repeat(1025)),
        ConfigError::Text {
            what: "name",
            actual: 1025,
            ..
        }
    ));
    let aggregators =
        |parties: Vec<PartyId>| error(|c| c.aggregation = Aggregation::Shares { aggregators: parties });
    assert_eq!(
        aggregators(vec![id(0)]),
        ConfigError::Aggregators {
            actual: 1,
            collusion: 1,
            least: 2
        }
    );
    assert_eq!(
        aggregators(vec![id(0), id(0)]),
        ConfigError::Repeated { party: id(0) }
    );
    assert_eq!(
        aggregators(vec![id(0), id(8)]),
        ConfigError::UnknownAggregator { party: id(8) }
    );
}

#[test]
fn the_modulus_holds_twice_the_rows_and_the_tail_of_the_noise() {
    let exact = |bits: u32, max_rows: u64| {
        let modulus = Modulus::power_of_two(bits).unwrap();
        RunConfig::new(RunConfigLiteral {
            modulus,
            max_rows,
            ..literal(5)
        })
    };
    assert!(exact(32, (1 << 31) - 1).is_ok());
    assert_eq!(
        exact(32, 1 << 31),
        Err(ConfigError::Modulus {
            modulus: 1 << 32,
            needed: 1 << 32,
            max_rows: 1 << 31
        })
    );
    let modulus = Modulus::power_of_two(32).unwrap();
    let noised = RunConfig::new(RunConfigLiteral {
        modulus,
        max_rows: (1 << 31) - 1,
        ..noisy(literal(5))
    });
    assert!(matches!(noised, Err(ConfigError::Modulus { needed, .. }) if needed > 1 << 32));
}

#[test]
fn the_order_in_which_parties_are_written_does_not_matter() {
    let mut reversed = literal(5);
    reversed.parties.reverse();
    assert_eq!(
        RunConfig::new(reversed).unwrap().digest(),
        RunConfig::new(literal(5)).unwrap().digest()
    );
    let mut reversed = in_shares(literal(5));
    reversed.aggregation = Aggregation::Shares {
        aggregators: vec![id(1), id(0)],
    };
    assert_eq!(
        RunConfig::new(reversed).unwrap(),
        RunConfig::new(in_shares(literal(5))).unwrap()
    );
}

#[test]
fn one_meaning_has_one_form() {
    // Parties in another order on the wire: readable, and not what was signed.
    let mut mirror = literal(3);
    mirror.parties.swap(0, 1);
    assert_eq!(
        RunConfig::from_bytes(&canonical::encode(&mirror)),
        Err(ConfigError::NotCanonical),
        "CHK-002"
    );
    // A longer form of a small number.
    let bytes = RunConfig::new(literal(3)).unwrap().to_bytes();
    let at = bytes.windows(5).position(|window| window == b"\x04unit").unwrap();
    let longer = [&bytes[..at], &[0x84, 0x00], &bytes[at + 1..]].concat();
    assert_eq!(RunConfig::from_bytes(&longer), Err(ConfigError::NotCanonical));
}

#[test]
fn two_thresholds_never_fit_into_one_run() {
    for parties in 2..=60_u32 {
        for collusion in 0..parties {
            let tau = smallest_threshold(parties, collusion);
            // Two quorums of honest signers are disjoint only beyond the honest parties there are.
            assert!(2 * tau > parties + collusion);
            assert!(2 * (tau - 1) <= parties + collusion, "and it is the smallest");
        }
    }
}

proptest! {
    #[test]
    fn any_configuration_that_is_accepted_survives_the_wire(
        parties in 2usize..30,
        collusion in 0u32..4,
        extra in 0u32..4,
        rows in 1u64..1 << 40,
        seed in any::<[u8; 32]>(),
        fraction in 0.0f64..1.0,
        noise in any::<bool>(),
    ) {
        let threshold = smallest_threshold(parties as u32, collusion) + extra;
        let mut literal = RunConfigLiteral {
            collusion,
            shamir_threshold: threshold,
            min_parties: threshold,
            max_rows: rows,
            seed,
            test: TestSplit { fraction, seed: rows },
            ..literal(parties)
        };
        if noise {
            literal = noisy(literal);
        }
        if let Ok(config) = RunConfig::new(literal) {
            prop_assert!(2 * config.shamir_threshold > parties as u32 + collusion);
            prop_assert_eq!(RunConfig::from_bytes(&config.to_bytes()), Ok(config));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = RunConfig::new(noisy(literal(5))).unwrap().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = RunConfig::from_bytes(&bytes);
        let _ = RunConfig::from_bytes(&bytes[..at]);
    }
}
