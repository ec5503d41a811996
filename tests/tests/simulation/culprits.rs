//! Parties that send what no correct party sends: named, left out, and survived.

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::mask::shamir::Share;
use hedgerow_protocol::coordinator::{Absence, CoordinatorProgress, PhaseName, RunFailure};
use hedgerow_protocol::refusal::Refusal;
use hedgerow_protocol::wire::ToCoordinator;
use hedgerow_tests::deployment::Shape;

use crate::oracle;
use crate::world::{Tamper, World, party};

/// Party 2 tampers with what it sends; the others complete the run, and party 2 is named for this.
fn named(shape: &Shape, tamper: Tamper, phase: PhaseName, what: &str) -> World {
    let mut world = World::new(shape, 20);
    world.dishonest = Some((party(2), tamper));
    world.gone.insert(party(2));
    world.run_to_the_end();
    oracle::complete_and_exact(&world);
    let dropped: Vec<_> = world
        .progress
        .iter()
        .filter_map(|progress| match progress {
            CoordinatorProgress::Dropped { phase, missing } => Some((*phase, missing)),
            _ => None,
        })
        .collect();
    let [(dropped_in, missing)] = dropped.as_slice() else {
        panic!("one is dropped, once: {dropped:?}")
    };
    assert_eq!((*dropped_in, &missing.party), (phase, &party(2)));
    let Absence::Malformed(text) = &missing.why else {
        panic!("{missing}")
    };
    assert!(text.contains(what), "{text}");
    world
}

fn five() -> Shape {
    Shape::masked(5, 4)
}

#[test]
fn keys_under_another_name() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::RoundKeys { keys, .. } = message {
            keys.party = party(3);
        }
    };
    named(
        &five(),
        tamper,
        PhaseName::KeyCollection,
        "keys in the name of p03",
    );
}

#[test]
fn keys_with_another_signature() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::RoundKeys { keys, .. } = message {
            keys.mask = hedgerow_crypto::mask::pairwise::MaskPublic::from_bytes([9; 32]);
        }
    };
    named(
        &five(),
        tamper,
        PhaseName::KeyCollection,
        "signature under its round keys",
    );
}

#[test]
fn shares_for_too_few() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Shares { sealed, .. } = message {
            sealed.pop();
        }
    };
    named(&five(), tamper, PhaseName::ShareCollection, "sealed shares for");
}

#[test]
fn a_vector_that_is_too_short() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Masked { vector, .. } = message {
            vector.pop();
        }
    };
    named(&five(), tamper, PhaseName::Upload, "");
    named(&Shape::shares(5, 4), tamper, PhaseName::Upload, "");
}

#[test]
fn a_word_that_is_not_below_the_modulus() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Masked { vector, .. } = message {
            vector[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        }
    };
    let modulus = Modulus::prime((1 << 61) - 1).expect("2^61 - 1 is prime");
    named(&Shape { modulus, ..five() }, tamper, PhaseName::Upload, "");
}

#[test]
fn seeds_for_the_wrong_aggregators() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Masked { seeds, .. } = message {
            seeds[0].0 = party(4);
        }
    };
    named(
        &Shape::shares(5, 4),
        tamper,
        PhaseName::Upload,
        "sealed seeds for",
    );
}

#[test]
fn a_signature_under_other_survivors() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::SurvivorSignature { signature, .. } = message {
            let bytes = signature.to_bytes();
            let mut other = bytes;
            other[40] ^= 1;
            *signature = hedgerow_crypto::identity::Signature::from_bytes(other);
        }
    };
    named(
        &five(),
        tamper,
        PhaseName::SurvivorVote,
        "signature under the list of survivors",
    );
}

#[test]
fn shares_of_both_kinds() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Unmask {
            self_mask, mask_key, ..
        } = message
        {
            mask_key.push(self_mask[0].clone());
        }
    };
    named(
        &five(),
        tamper,
        PhaseName::Unmasking,
        "both kinds of shares for p00",
    );
}

#[test]
fn shares_of_another_holder() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Unmask { self_mask, .. } = message {
            self_mask[1].1[0] ^= 7;
        }
    };
    named(
        &five(),
        tamper,
        PhaseName::Unmasking,
        "self-mask share for p01 has index",
    );
}

#[test]
fn a_share_with_another_value() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Unmask { self_mask, .. } = message {
            let bytes = &mut self_mask[0].1;
            bytes[2] ^= 1;
            assert!(Share::from_bytes(bytes).is_ok(), "only its value is wrong");
        }
    };
    named(
        &five(),
        tamper,
        PhaseName::Unmasking,
        "does not fit those of the others",
    );
}

#[test]
fn a_share_of_a_dropped_party_with_another_value() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Unmask { mask_key, .. } = message {
            for (_, bytes) in mask_key {
                bytes[3] ^= 1;
            }
        }
    };
    let mut world = World::new(&Shape::masked(7, 5), 21);
    world.dishonest = Some((party(2), tamper));
    world.gone.insert(party(2));
    world.run_until(|world| world.phase() == Some(PhaseName::Upload));
    world.crash_party(&party(6), 0, None);
    world.run_to_the_end();
    oracle::complete_and_exact(&world);
    let blamed = world.progress.iter().any(|progress| {
        matches!(progress, CoordinatorProgress::Dropped { phase: PhaseName::Unmasking, missing }
            if missing.party == party(2) && matches!(missing.why, Absence::Malformed(_)))
    });
    assert!(blamed, "{:#?}", world.progress);
}

#[test]
fn another_model() {
    let tamper = |message: &mut ToCoordinator| {
        if let ToCoordinator::Done { model, .. } = message {
            model.0[0] ^= 1;
        }
    };
    named(&five(), tamper, PhaseName::Publishing, "another model");
}

#[test]
fn a_refusal_ends_a_run_that_needs_everybody_and_is_quoted() {
    let mut world = World::new(&Shape::masked(3, 3), 22);
    world.dishonest = Some((party(1), |message| {
        if matches!(message, ToCoordinator::Enrol { .. }) {
            *message = ToCoordinator::Refuse {
                reason: Refusal::NoNoise,
            };
        }
    }));
    world.run_to_the_end();
    let failure = match &world.ended {
        Some(Err(
            failure @ RunFailure::TooFew {
                phase: PhaseName::Enrolling,
                ..
            },
        )) => failure,
        other => panic!("the run should have failed: {other:?}"),
    };
    assert_eq!(failure.missing().len(), 1, "{failure}");
    assert!(
        failure
            .to_string()
            .contains("p01 (refused: the run adds no noise"),
        "{failure}"
    );
    // It does not wait for the end of the enrolment when everybody has spoken.
    assert!(world.now < 60_000);
}
